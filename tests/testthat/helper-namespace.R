# A namespace per test process, and nothing in it before and after each test.

set_test_namespace <- function() {
  prefix <- Sys.getenv("SHAREDMEMORY_TEST_PREFIX")
  if (prefix == "") {
    # Not set.seed()'s numbers: two runs may have the same seed.
    number <- as.numeric(Sys.time()) * 1e6 + Sys.getpid() * 7919
    prefix <- sprintf("t%05x", as.integer(number %% 16^5))
  }
  namespace <- sprintf("%sp%x", prefix, Sys.getpid())
  Sys.setenv(SHAREDMEMORY_NAMESPACE = namespace)
}

this_namespace <- function() Sys.getenv("SHAREDMEMORY_NAMESPACE")

new_namespace <- local({
  count <- 0
  function() {
    count <<- count + 1
    sprintf("%s-%x", this_namespace(), count)
  }
})

control_file <- function(namespace = this_namespace()) {
  paste0("/dev/shm/smem-control.", namespace)
}

segment_file <- function(id, namespace = this_namespace()) {
  paste0("/dev/shm/smem.", namespace, ".", id)
}

# What the operating system has, without asking the package. Elsewhere than on
# Linux it cannot be looked at.
objects_in <- function(namespace = this_namespace()) {
  names <- list.files("/dev/shm", all.files = TRUE, no.. = TRUE)
  own <- startsWith(names, paste0("smem.", namespace, ".")) |
    names == paste0("smem-control.", namespace)
  sort(names[own])
}

# The same without the control object.
segments_in <- function(namespace = this_namespace()) {
  setdiff(objects_in(namespace), basename(control_file(namespace)))
}

remove_objects <- function(namespace = this_namespace()) {
  unlink(file.path("/dev/shm", objects_in(namespace)), recursive = TRUE)
}

# To be called first in a test. At its end the test must have freed everything,
# and, as this process is the last one out, the control object must go as well.
local_clean_shm <- function(frame = parent.frame()) {
  expect_identical(segments_in(), character(), label = "what is there before")
  withr::defer(
    {
      left <- segments_in()
      leave_namespace()
      # A process with a view stays joined, and testthat may keep values of a test.
      if (length(objects_in()) > 0) {
        rm(list = ls(frame, all.names = TRUE), envir = frame)
        gc()
        leave_namespace()
      }
      left <- c(left, if (count_mapped() > 0) segments_in() else objects_in())
      remove_objects()
      expect_identical(left, character(), label = "what the test has left")
    },
    frame
  )
}

leave_namespace <- function() {
  ids <- tryCatch(listSharedObjects()$Id, error = function(e) character())
  for (id in ids) try(freeSharedMemory(id), silent = TRUE)
  # Joining first: a process that was killed leaves a control object, which the
  # next one to leave has to remove.
  try(initialSharedObjectPackageData(), silent = TRUE)
  try(releaseSharedObjectPackageData(), silent = TRUE)
}

# A namespace for other processes only, which they have to leave empty.
local_namespace <- function(frame = parent.frame()) {
  namespace <- new_namespace()
  withr::defer(
    {
      left <- objects_in(namespace)
      remove_objects(namespace)
      expect_identical(left, character(), label = "what the test has left")
    },
    frame
  )
  namespace
}

# What a call that fails must not change.
shared_state <- function() {
  # Views that nobody refers to any more may still be mapped.
  if (count_mapped() > 0) gc()
  list(
    listed = listSharedObjects(),
    objects = objects_in(),
    mapped = count_mapped(),
    open = count_open()
  )
}

count_mapped <- function(namespace = this_namespace()) {
  if (!file.exists("/proc/self/maps")) return(0L)
  maps <- readLines("/proc/self/maps")
  sum(grepl(paste0("/dev/shm/smem.", namespace, "."), maps, fixed = TRUE))
}

count_open <- function(namespace = this_namespace()) {
  files <- Sys.readlink(list.files("/proc/self/fd", full.names = TRUE))
  sum(startsWith(files, paste0("/dev/shm/smem.", namespace, ".")))
}

# `code` fails with an error of this kind, and changes nothing.
expect_refused <- function(code, kind = "argument", info = NULL) {
  before <- shared_state()
  error <- tryCatch(
    {
      force(code)
      simpleCondition("no error at all")
    },
    error = identity
  )
  class <- c(paste0("sharedmemory_error_", kind), "sharedmemory_error")
  expect(
    all(inherits(error, class, which = TRUE) > 0),
    paste0("not refused as ", kind, ": ", conditionMessage(error)),
    info = info
  )
  expect_identical(shared_state(), before, info = info)
  invisible(error)
}

kind_of <- function(code) {
  tryCatch(
    {
      force(code)
      "none"
    },
    sharedmemory_error = function(e) sub(".*_error_", "", class(e)[1])
  )
}

# For other processes, to which it goes as an argument: "none", or class and message of
# the error.
error_of <- function(code) {
  tryCatch(
    {
      force(code)
      "none"
    },
    error = function(e) c(class(e)[1], conditionMessage(e))
  )
}
environment(error_of) <- baseenv()
