# What others have written, and what becomes of it on a terminal.

# Names of files as another user may choose them, in the notation of printf.
evil_names <- c(
  colour = "\\033[31mred\\033[0m", row = "x\\n1 live  0 B", title = "\\033]0;mine\\007",
  back = "abc\\r\\010\\010", tab = "\\t", c1 = "\\302\\233 31m", bytes = "\\377\\376",
  cut = "caf\\303", surrogate = "\\355\\240\\200", long = strrep("\\033[1m", 50),
  reversed = "a\\342\\200\\256gnp", line = "b\\342\\200\\250c"
)

# R does not take names that are not text.
remove_names <- function(namespace = this_namespace()) {
  names <- sprintf("'smem.%s.*'", namespace)
  system2("find", c("/dev/shm", "-maxdepth 1", "-name", names, "-delete"))
}

# As the other user, in this namespace.
plant_names <- function(names, namespace = this_namespace(), frame = parent.frame()) {
  withr::defer(remove_names(namespace), frame)
  touch <- sprintf("touch \"/dev/shm/smem.%s.$(printf '%s')\"", namespace, names)
  status <- vapply(touch, function(command) {
    system2("setpriv", c("--reuid=65534", "--regid=65534", "--clear-groups", "sh",
                         "-c", shQuote(command)))
  }, 0)
  stopifnot(status == 0)
}

# No byte of it but text in UTF-8, without what controls a terminal.
expect_harmless <- function(lines, info = NULL) {
  text <- paste(lines, collapse = "")
  expect_true(validUTF8(text), info = info)
  expect_no_match(text, "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]", perl = TRUE, info = info)
}

test_that("names that another user has chosen do not get to a terminal", {
  skip_if_no_other_user()
  local_clean_shm()
  allocateSharedMemory(10, "ours")
  plant_names(evil_names)
  listed <- listSharedObjects(mappedBy = TRUE)
  expect_identical(nrow(listed), 1L + length(evil_names))
  expect_identical(listed$state[listed$Id %in% "ours"], "live")
  expect_true(all(listed$state[!listed$Id %in% "ours"] == "foreign"))
  # The table has what is there.
  expect_true("\033[31mred\033[0m" %in% listed$Id)

  lines <- expect_fits(listed)
  expect_harmless(lines)
  expect_match(lines, "<U+001B>[31", fixed = TRUE, all = FALSE)
  expect_match(lines, "<ff><fe>", fixed = TRUE, all = FALSE)
  expect_match(lines, "a<U+202E>gnp", fixed = TRUE, all = FALSE)
  # A line per object under the head, and the sums of two states.
  expect_length(grep(" foreign$", lines), length(evil_names))
  expect_length(grep("^ *[0-9]+ (live|foreign) ", lines), 2)
  draw(listed)

  expect_harmless(printed(sharedMemoryStatus()))
  reclaimed <- reclaimSharedMemory(persistent = TRUE)
  expect_harmless(expect_fits(reclaimed))
  expect_false(any(reclaimed$removed))
  expect_match(printed(reclaimed), "^12 kept: another user's", all = FALSE)
  # A plain data frame is R's to print.
  withr::local_options(width = 1000)
  frame <- as.data.frame(unclass(listed)[c("Id", "state")])
  expect_length(printed(frame), nrow(frame) + 1)

  # What would take such a name as an id refuses it, in a message that is harmless.
  for (id in listed$Id[listed$state == "foreign"]) {
    for (use in list(inspectSharedMemory, freeSharedMemory, mapSharedMemory)) {
      error <- tryCatch(use(id), error = identity)
      expect_s3_class(error, "sharedmemory_error")
      expect_no_match(conditionMessage(error), "[[:cntrl:]]", info = id)
    }
  }
  freeSharedMemory("ours")
})

test_that("they are foreign whoever made them, and in other namespaces", {
  skip_if_no_other_user()
  local_clean_shm()
  file.create(segment_file("\033[2J"))
  namespace <- local_namespace()
  plant_names(evil_names["row"], namespace)
  expect_identical(listSharedObjects()$state, "foreign")
  shares <- sharedMemoryStatus()$shares
  expect_identical(shares$state[shares$namespace == this_namespace()], "foreign")
  expect_identical(shares$state[shares$namespace == namespace], "foreign")
  remove_names()
})

test_that("what processes of ours say of themselves is escaped too", {
  local_clean_shm()
  skip_if_not_linux()
  flag <- local_flag()
  folder <- tempfile("folder")
  dir.create(folder)
  script <- file.path(folder, "a\033[31m.R")
  writeLines(c(
    "library(sharedmemory)", "options(sharedmemory.trace = TRUE)",
    "`f\\033` <- function() allocateSharedMemory(10, 'theirs')", "`f\\033`()",
    sprintf("while (!file.exists('%s')) Sys.sleep(0.01)", flag)
  ), script)
  withr::local_envvar(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep),
                      SHAREDMEMORY_TAG = "\033[31m\xff")
  system2(file.path(R.home("bin"), "Rscript"), shQuote(script), wait = FALSE,
          stdout = FALSE, stderr = FALSE)
  withr::defer({
    file.create(flag)
    eventually(function() !isTRUE(listSharedObjects()$state == "live"))
    freeSharedMemory("theirs")
    unlink(folder, recursive = TRUE)
  })
  expect_true(eventually(function() hasSharedMemory("theirs")))
  listed <- listSharedObjects()
  expect_match(listed$command, "\033", fixed = TRUE)
  expect_harmless(expect_fits(listed))
  expect_harmless(printed(inspectSharedMemory("theirs")))
  draw(listed)
  # Their tag, which is ours now as well, is not text, and disturbs no expectation.
  expect_failure(expect_no_shared_memory_leak(allocateSharedMemory(1, "left")), "left")
  freeSharedMemory("left")
  expect_success(expect_no_shared_memory_leak({
    freeSharedMemory(allocateSharedMemory(1))
  }))
})

test_that("messages hold no codes, whatever the environment says", {
  answers <- run_in(local_session(local_namespace()), function() {
    bad <- c("\033[31mred", "a\nb", "\xff\xfe", "caf\u00e9 for all",
             strrep("\u4e2d", 30))
    vapply(bad, function(namespace) {
      Sys.setenv(SHAREDMEMORY_NAMESPACE = namespace)
      tryCatch(listSharedObjects(), error = conditionMessage)
    }, "")
  })
  for (answer in answers) {
    expect_match(answer, "SHAREDMEMORY_NAMESPACE is '.+'; it must have")
    expect_harmless(answer)
  }
  expect_match(answers, "'caf\u00e9 for all'", fixed = TRUE, all = FALSE)
})

test_that("text that is harmless stays as it is", {
  printable <- sharedmemory:::printable
  same <- c("a", "", "caf\u00e9", "\u4e2d", "\U1F600", "e\u0301", "a b",
            "f(\"a\\nb\") > g", "<U+001B>")
  expect_identical(printable(same), same)
  expect_identical(printable(NA), "")
  expect_identical(printable(character()), character())
  expect_identical(printable(c(1, 2)), c("1", "2"))
  expect_identical(printable("\n\u202e"), "<U+000A><U+202E>")
})
