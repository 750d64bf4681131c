#' Keep a test suite free of leaks
#'
#' `expect_no_shared_memory_leak()` is an expectation for testthat: it fails if
#' `code` leaves segments behind, in this process or in one that it started, and
#' tells their ids, sizes, and the calls that allocated them. What other processes
#' on the machine do at the same time does not disturb it.
#'
#' `local_shared_memory()` allocates a segment that is freed when the calling
#' function, or test, ends, also by an error.
#'
#' How it knows whose segments they are: while `code` runs, the environment
#' variable `SHAREDMEMORY_TAG` has a value of its own, which child processes
#' inherit and which every segment keeps. Expectations can be nested.
#'
#' @param code Code to run.
#' @param size,name,... As in [allocateSharedMemory()].
#' @param .local_envir The environment whose end frees the segment.
#' @return `expect_no_shared_memory_leak()`: the value of `code`, invisibly.
#'   `local_shared_memory()`: the id.
#' @section Errors:
#' Without testthat, or outside of a test, a leak is an error of class
#' `expectation_failure`. `local_shared_memory()`: those of
#' [allocateSharedMemory()].
#' @examples
#' f <- function() {
#'   id <- local_shared_memory(100)
#'   hasSharedMemory(id)
#' }
#' expect_no_shared_memory_leak(f())
#' @export
expect_no_shared_memory_leak <- function(code) {
  outer <- Sys.getenv("SHAREDMEMORY_TAG", NA)
  tag <- new_tag(outer)
  saved <- options(sharedmemory.trace = TRUE)
  Sys.setenv(SHAREDMEMORY_TAG = tag)
  on.exit({
    options(saved)
    if (is.na(outer)) Sys.unsetenv("SHAREDMEMORY_TAG")
    else Sys.setenv(SHAREDMEMORY_TAG = outer)
  })
  value <- withVisible(code)$value
  left <- tagged_segments(tag)
  message <- leak_message(left)
  if (requireNamespace("testthat", quietly = TRUE))
    testthat::expect(nrow(left) == 0, message)
  else if (nrow(left) > 0)
    stop(structure(class = c("expectation_failure", "error", "condition"),
                   list(message = message, call = sys.call())))
  invisible(value)
}

# Nested ones begin with their outer one's tag; a footer keeps 63 bytes, which is
# nine levels. Random numbers of R's own would change the results of the code
# under test.
new_tag <- function(outer) {
  digits <- .Call(C_random) %/% 36^(5:0) %% 36
  own <- paste(c(0:9, letters)[digits + 1], collapse = "")
  if (is.na(outer) || nchar(outer, "bytes") + nchar(own) + 1 > 63) own
  else paste0(outer, "/", own)
}

tagged_segments <- function(tag) {
  columns <- .Call(C_list, NULL, NULL, FALSE)
  ours <- which(startsWith(printable(columns$tag), printable(tag)))
  as_segment_table(columns, "sharedmemory_list")[ours, , drop = FALSE]
}

leak_message <- function(left) {
  if (nrow(left) == 0) return("no shared memory was left behind")
  calls <- ifelse(is.na(left$call), "not recorded", printable(left$call))
  paste(c(sprintf("%d segment%s of shared memory left behind:", nrow(left),
                  if (nrow(left) == 1) "" else "s"),
          sprintf("* id '%s', %s, allocated by %s", printable(left$Id),
                  bytes_text(left$size), calls)),
        collapse = "\n")
}

#' @rdname expect_no_shared_memory_leak
#' @export
local_shared_memory <- function(size, name = "", ...,
                                .local_envir = parent.frame()) {
  if (!will_end(.local_envir))
    throw_argument(
      "allocate", "`.local_envir` is ",
      if (identical(.local_envir, globalenv()))
        "the global environment, which does not end"
      else "not the environment of a call under way, whose end would free it",
      ". Call local_shared_memory() in a function or a test"
    )
  id <- allocateSharedMemory(size, name, ...)
  free <- substitute(freeSharedMemory(id), list(
    freeSharedMemory = freeSharedMemory, id = id
  ))
  do.call(base::on.exit, list(free, TRUE), envir = .local_envir)
  id
}

# Elsewhere on.exit() does nothing, without a word. With source() the global
# environment seems to be under way.
will_end <- function(environment) {
  !identical(environment, globalenv()) &&
    any(vapply(sys.frames(), identical, TRUE, environment))
}

# Called from src/r/calls.c with options(sharedmemory.trace = TRUE): the calls
# that led to this allocation, the innermost last. What does not fit into a
# footer is left out from the outer end.
trace_of_call <- function() {
  calls <- utils::head(sys.calls(), -1)
  # Above the code of an expectation there is only the machinery of the tests.
  expectations <- vapply(calls, function(call) {
    name <- call[[1]]
    if (is.call(name) && length(name) == 3) name <- name[[3]] # package::name
    identical(name, quote(expect_no_shared_memory_leak))
  }, TRUE)
  if (any(expectations))
    calls <- utils::tail(calls, -(max(which(expectations)) + 1))
  lines <- vapply(utils::tail(calls, 5), function(call) {
    paste(trimws(deparse(call, width.cutoff = 100L, nlines = 1L)[1]))
  }, "")
  room <- 250 - cumsum(nchar(rev(lines), "bytes") + 3)
  kept <- max(1, sum(room >= 0))
  paste(utils::tail(lines, kept), collapse = " > ")
}
