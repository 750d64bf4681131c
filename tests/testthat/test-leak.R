# What test suites use.

environment_and_option <- function() {
  list(Sys.getenv("SHAREDMEMORY_TAG", NA), getOption("sharedmemory.trace"))
}

test_that("code that cleans up passes, with its value", {
  local_clean_shm()
  before <- environment_and_option()
  expect_success(expect_no_shared_memory_leak(NULL))
  expect_success(expect_no_shared_memory_leak({
    id <- allocateSharedMemory(10)
    freeSharedMemory(id)
  }))
  value <- withVisible(expect_no_shared_memory_leak(1 + 1))
  expect_identical(value, list(value = 2, visible = FALSE))
  expect_identical(environment_and_option(), before)
})

test_that("a leak fails, with ids, sizes and calls", {
  local_clean_shm()
  load_data <- function(bytes) allocateSharedMemory(bytes, "leaked")
  before <- environment_and_option()
  for (i in 1:2) {
    expect_failure(
      if (i == 1) expect_no_shared_memory_leak(load_data(1e6))
      else sharedmemory::expect_no_shared_memory_leak(load_data(1e6)),
      "1 segment of shared memory.*'leaked', 979 KiB.*load_data\\(1e\\+06\\)"
    )
    freeSharedMemory("leaked")
  }
  expect_failure(
    expect_no_shared_memory_leak(allocateSharedMemory(10, c("a", "b", "c"))),
    "3 segments.*'a'.*'b'.*'c'"
  )
  expect_identical(environment_and_option(), before)
  # What was there before is not its business.
  expect_success(expect_no_shared_memory_leak(allocateSharedMemory(10, "a")))
  expect_success(expect_no_shared_memory_leak({
    freeSharedMemory(c("a", "b", "c"))
  }))
})

test_that("the calls begin with the code of the test", {
  local_clean_shm()
  f <- function() allocateSharedMemory(10, "a")
  message <- function(code) {
    tryCatch(code, expectation = function(e) conditionMessage(e))
  }
  plain <- message(expect_no_shared_memory_leak(f()))
  freeSharedMemory("a")
  expect_match(plain, "allocated by f() > allocateSharedMemory(10, \"a\")",
               fixed = TRUE)
  qualified <- message(sharedmemory::expect_no_shared_memory_leak(f()))
  freeSharedMemory("a")
  expect_identical(qualified, plain)
})

test_that("an error passes through and restores everything", {
  local_clean_shm()
  withr::local_envvar(SHAREDMEMORY_TAG = "mine")
  withr::local_options(sharedmemory.trace = "mine")
  expect_error(expect_no_shared_memory_leak({
    allocateSharedMemory(10, "a")
    stop("an error of its own")
  }), "an error of its own")
  expect_identical(environment_and_option(), list("mine", "mine"))
  freeSharedMemory("a")
  expect_no_shared_memory_leak(NULL)
  expect_identical(environment_and_option(), list("mine", "mine"))
  # A test that is skipped within it.
  expect_condition(expect_no_shared_memory_leak(skip("why not")), class = "skip")
  expect_identical(environment_and_option(), list("mine", "mine"))
})

test_that("random numbers are not disturbed", {
  local_clean_shm()
  set.seed(1)
  seed <- .Random.seed
  expect_no_shared_memory_leak(NULL)
  expect_identical(.Random.seed, seed)
  rm(.Random.seed, envir = globalenv())
  expect_no_shared_memory_leak(NULL)
  expect_false(exists(".Random.seed", globalenv(), inherits = FALSE))
})

# What the leaks' own expectations say, whatever others say within them.
leak_messages <- function(code) {
  messages <- character()
  withCallingHandlers(code, expectation_failure = function(e) {
    messages <<- c(messages, conditionMessage(e))
    invokeRestart("continue_test")
  })
  messages
}

test_that("expectations can be nested", {
  local_clean_shm()
  inside <- NULL
  nest <- function(before, code) {
    leak_messages(expect_no_shared_memory_leak({
      before
      inside <<- leak_messages(expect_no_shared_memory_leak(code))
    }))
  }
  # The outer one sees what the inner one sees, ...
  outside <- nest(NULL, allocateSharedMemory(10, "a"))
  expect_match(inside, "'a'")
  expect_match(outside, "'a'")
  # ... the inner one not what the outer one did before, ...
  freeSharedMemory("a")
  outside <- nest(allocateSharedMemory(10, "a"), NULL)
  expect_identical(inside, character())
  expect_match(outside, "'a'")
  # ... and a second one not what the first one did.
  expect_success(expect_no_shared_memory_leak(NULL))
  freeSharedMemory("a")
})

test_that("expectations can be nested deeply", {
  local_clean_shm()
  nest <- function(depth) {
    if (depth == 0) return(allocateSharedMemory(10, "deep"))
    expect_no_shared_memory_leak(nest(depth - 1))
  }
  for (depth in c(3, 8)) {
    expect_length(leak_messages(nest(depth)), depth)
    freeSharedMemory("deep")
  }
})

test_that("a tag of the user's own, however long, is kept", {
  local_clean_shm()
  tag <- strrep("t", 100)
  withr::local_envvar(SHAREDMEMORY_TAG = tag)
  expect_failure(expect_no_shared_memory_leak(allocateSharedMemory(10, "a")), "'a'")
  expect_identical(Sys.getenv("SHAREDMEMORY_TAG"), tag)
  freeSharedMemory("a")
})

test_that("processes that the code started count", {
  local_clean_shm()
  skip_on_os("windows")
  skip_if_not_installed("callr")
  child <- function() {
    sharedmemory::allocateSharedMemory(5000, "childs")
  }
  run <- function() {
    callr::r(child, libpath = .libPaths(), env = child_environment(this_namespace()))
  }
  expect_failure(expect_no_shared_memory_leak(run()), "'childs'")
  freeSharedMemory("childs")

  rscript <- file.path(R.home("bin"), "Rscript")
  script <- tempfile(fileext = ".R")
  withr::defer(unlink(script))
  writeLines("sharedmemory::allocateSharedMemory(10, 'scripts')", script)
  withr::local_envvar(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
  expect_failure(
    expect_no_shared_memory_leak(system2(rscript, script, stdout = FALSE)),
    "'scripts'"
  )
  freeSharedMemory("scripts")

  skip_if_no_fork()
  expect_failure(
    expect_no_shared_memory_leak(parallel::mccollect(parallel::mcparallel(
      allocateSharedMemory(10, "forks")
    ))),
    "'forks'"
  )
  freeSharedMemory("forks")
})

test_that("other processes in the same namespace do not disturb", {
  local_clean_shm()
  skip_on_os("windows")
  other <- local_session()
  expect_success(expect_no_shared_memory_leak({
    run_in(other, function() allocateSharedMemory(10, c("", "theirs")))
  }))
  flag <- local_flag()
  busy <- start_r(function(flag) {
    library(sharedmemory)
    file.create(flag)
    while (file.exists(flag)) freeSharedMemory(allocateSharedMemory(rep(10, 20)))
  }, flag)
  wait_for_file(flag)
  for (i in 1:20) {
    expect_success(expect_no_shared_memory_leak({
      freeSharedMemory(allocateSharedMemory(10))
    }))
  }
  unlink(flag)
  result_of(busy)
  freeSharedMemory(listSharedObjects()$Id)
})

test_that("it works outside of tests, and without testthat", {
  skip_if_not_linux()
  namespace <- local_namespace()
  session <- local_session(namespace)
  ask <- function() {
    leak <- tryCatch(
      expect_no_shared_memory_leak(allocateSharedMemory(10, "a")),
      error = function(e) c(class(e), conditionMessage(e))
    )
    freeSharedMemory("a")
    allocateSharedMemory(10, "before")
    value <- expect_no_shared_memory_leak(3)
    freeSharedMemory("before")
    list(leak, value)
  }
  expect_told <- function(answer) {
    expect_true("expectation_failure" %in% answer[[1]])
    expect_match(answer[[1]], "1 segment of shared memory.*'a'", all = FALSE)
    expect_identical(answer[[2]], 3)
  }
  expect_told(run_in(session, ask))

  # A library with nothing but the package.
  bare <- local_session(namespace)
  is_hidden <- run_in(bare, function() {
    own <- tempfile("library")
    dir.create(own)
    file.symlink(find.package("sharedmemory"), file.path(own, "sharedmemory"))
    assign(".lib.loc", own, envir = environment(.libPaths))
    !requireNamespace("testthat", quietly = TRUE)
  })
  skip_if_not(is_hidden, "testthat cannot be hidden")
  expect_told(run_in(bare, ask))
})

# ---- local_shared_memory() -----------------------------------------------------------

test_that("a local segment goes with its function, however it ends", {
  local_clean_shm()
  seen <- NULL
  f <- function(fail = FALSE) {
    a <- local_shared_memory(10)
    b <- local_shared_memory(5000, name = "b", lifetime = "process")
    ids <- local_shared_memory(c(10, 20), c("", "c"))
    seen <<- c(a, b, ids)
    # No expectation: expect_success() below would count it.
    stopifnot(hasSharedMemory(seen), b == "b", ids[2] == "c",
              listSharedObjects()$lifetime[3] == "process")
    # One that is freed already is not an error.
    freeSharedMemory(ids[1])
    if (fail) stop("an error of its own")
    "value"
  }
  expect_identical(f(), "value")
  expect_false(any(hasSharedMemory(seen)))
  expect_error(f(TRUE), "an error of its own")
  expect_false(any(hasSharedMemory(seen)))
  expect_success(expect_no_shared_memory_leak(f()))
})

test_that("a local segment leaves other exit handlers in place", {
  local_clean_shm()
  log <- NULL
  f <- function() {
    on.exit(log <<- c(log, "first"))
    local_shared_memory(10, "a")
    on.exit(log <<- c(log, "last"), add = TRUE)
    withr::defer(log <<- c(log, "withr"))
  }
  f()
  expect_setequal(log, c("first", "last", "withr"))
  expect_false(hasSharedMemory("a"))
})

test_that("the scope may be another one", {
  local_clean_shm()
  fixture <- function(frame = parent.frame()) {
    local_shared_memory(10, "fixture", .local_envir = frame)
  }
  f <- function() {
    fixture()
    hasSharedMemory("fixture")
  }
  expect_true(f())
  expect_false(hasSharedMemory("fixture"))
  local({
    local_shared_memory(10, "in local")
    expect_true(hasSharedMemory("in local"))
  })
  expect_false(hasSharedMemory("in local"))
})

test_that("a scope that does not end does not swallow the segment silently", {
  namespace <- local_namespace()
  answer <- run_in(local_session(namespace), function() {
    told <- tryCatch(
      {
        local_shared_memory(10, "a", .local_envir = globalenv())
        FALSE
      },
      condition = function(e) TRUE
    )
    left <- hasSharedMemory("a")
    freeSharedMemory("a")
    c(told = told, left = left)
  })
  expect_true(answer[["told"]] || !answer[["left"]])
})

test_that("errors are those of allocateSharedMemory()", {
  local_clean_shm()
  expect_refused(local_shared_memory(-1))
  expect_refused(local_shared_memory(10, "a", lifetime = "forever"))
})

id_of_test <- NULL

test_that("a local segment lives as long as its test", {
  id_of_test <<- local_shared_memory(10)
  local_shared_memory(10, "of test")
  expect_true(all(hasSharedMemory(c(id_of_test, "of test"))))
})

# Tests do not nest well, so this one looks at the one before.
test_that("and not longer", {
  expect_type(id_of_test, "character")
  expect_false(hasSharedMemory(id_of_test))
  expect_false(hasSharedMemory("of test"))
  leave_namespace()
  expect_identical(objects_in(), character())
})

test_that("what no call that ends would free is not allocated", {
  local_clean_shm()
  for (environment in list(5, NULL, "a", new.env(), baseenv(), list()))
    expect_refused(local_shared_memory(10, "a", .local_envir = environment))
})
