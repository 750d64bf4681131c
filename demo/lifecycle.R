# The life of a segment of shared memory, between two R processes: this one
# allocates and frees, the other one maps. Stops with an error if anything is not
# as it should be.
library(sharedmemory)

# Evaluates an expression, shows it and its value.
step <- function(expression) {
  code <- substitute(expression)
  value <- eval(code, parent.frame())
  cat("> ", deparse(code), "\n", sep = "")
  if (!is.null(value)) print(value)
  invisible(value)
}

# Runs code in a second R process and shows what that prints. It gets `ids`, and
# finds packages where this process found them.
second_process <- function(code, ids) {
  script <- tempfile("second-process-", fileext = ".R")
  on.exit(unlink(script))
  libraries <- c(dirname(find.package("sharedmemory")), .libPaths())
  dump(c("step", "ids"), script, envir = list2env(list(step = step, ids = ids)))
  cat(sprintf(".libPaths(%s)", paste(deparse(libraries), collapse = "")),
      "library(sharedmemory)", deparse(code), file = script, sep = "\n",
      append = TRUE)
  rscript <- file.path(R.home("bin"), "Rscript")
  output <- suppressWarnings(system2(rscript, shQuote(script), stdout = TRUE,
                                     stderr = TRUE))
  cat(paste("    |", output), sep = "\n")
  if (!is.null(attr(output, "status"))) stop("the second process failed")
}

lifecycle <- function() {
  # A name that nobody else has: the demo may run twice at a time.
  name <- paste0("lifecycle-demo-", Sys.getpid())
  ids <- character()
  on.exit(freeSharedMemory(ids))

  cat("\n1. This process allocates a segment without a name, and one with.\n")
  ids <- step(allocateSharedMemory(c(10, 1e6), name = c("", name)))
  stopifnot(is.character(ids), length(ids) == 2, ids[2] == name)
  stopifnot(step(hasSharedMemory(ids)))
  sizes <- step(getSharedMemorySize(ids))
  stopifnot(sizes >= c(10, 1e6))

  cat("\n2. A second one finds them by id and by name, and maps them.\n")
  second_process(ids = ids, quote({
    stopifnot(step(hasSharedMemory(ids)))
    stopifnot(step(getSharedMemorySize(ids)) >= c(10, 1e6))
    pointers <- step(mapSharedMemory(ids))
    stopifnot(vapply(pointers, typeof, "") == "externalptr")
    step(unmapSharedMemory(ids))
  }))

  cat("\n3. It has ended; the segments are still there.\n")
  stopifnot(step(hasSharedMemory(ids)), step(getSharedMemorySize(ids)) == sizes)
  step(listSharedObjects())
  stopifnot(ids %in% listSharedObjects()$Id)

  cat("\n4. This process maps them as well, and frees them.\n")
  pointers <- step(mapSharedMemory(ids))
  step(freeSharedMemory(ids))
  on.exit() # nothing is left to free
  stopifnot(!step(hasSharedMemory(ids)))
  cat("The pointers are null pointers now, and can do no harm:\n")
  step(pointers)

  cat("\n5. For the second process they are gone, too.\n")
  second_process(ids = ids, quote({
    stopifnot(!step(hasSharedMemory(ids)))
    step(tryCatch(mapSharedMemory(ids[1]),
                  sharedmemory_error_not_found = conditionMessage))
  }))
}

lifecycle()
cat("\nEverything was as expected.\n")
