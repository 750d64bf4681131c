# Locks by the C interface for other packages.

test_that("C and R have the same locks", {
  local_clean_shm()
  use_api()
  id <- expect_ok(api$allocate(100))
  lock <- expect_ok(api$latch_open(id))
  session <- local_holder(id)
  expect_code(api$lock(lock), "timeout", id)
  expect_code(api$lock(lock, 1, 0.02), "timeout", id)
  run_in(session, function(id) unlockSharedMemory(id), id)
  told <- expect_ok(api$lock(lock))
  expect_identical(unlist(told), c(died = 0, dirty = 0, pid = 0, time = 0))
  expect_false(run_in(session, function(id) lockSharedMemory(id, 0), id))
  # This thread holds it, by whichever of the two.
  expect_code(api$lock(lock), "deadlock", id)
  expect_error(lockSharedMemory(id), class = "sharedmemory_error_deadlock")
  expect_ok(api$unlock(lock))
  expect_code(api$unlock(lock), "not_held", id)
  expect_ok(api$lock(lock, 1))
  expect_true(run_in(session, function(id) lockSharedMemory(id, 0, TRUE), id))
  expect_ok(api$unlock(lock))
  api$latch_close(lock)
  expect_true(end_session(session))
  expect_ok(api$free(id))
})

test_that("a lock is held by a thread", {
  local_clean_shm()
  use_api()
  id <- expect_ok(api$allocate(100))
  lock <- expect_ok(api$latch_open(id))
  expect_ok(.Call("api_lock_on_thread", lock))
  expect_ok(api$lock(lock))
  expect_code(.Call("api_lock_on_thread", lock), "timeout", id)
  expect_code(.Call("api_unlock_on_thread", lock), "not_held", id)
  expect_ok(api$unlock(lock))
  api$latch_close(lock)
  expect_ok(api$free(id))
})

test_that("a lock that is held outlives its opening and its segment", {
  local_clean_shm()
  use_api()
  id <- expect_ok(api$allocate(100))
  first <- expect_ok(api$latch_open(id))
  again <- expect_ok(api$latch_open(id))
  expect_ok(api$lock(first))
  api$latch_close(first)
  expect_ok(api$free(id))
  expect_code(api$latch_open(id), "not_found", id)
  expect_ok(api$unlock(again))
  api$latch_close(again)
})

test_that("the death of a holder is told of, once, and dirt until it is repaired", {
  skip_if_no_fork() # nor SIGKILL
  local_clean_shm()
  use_api()
  id <- expect_ok(api$allocate(100))
  session <- local_holder(id)
  pid <- session$get_pid()
  kill_hard(session)
  lock <- expect_ok(api$latch_open(id))
  told <- expect_ok(api$lock(lock, timeout = -1))
  expect_identical(unlist(told)[1:3], c(died = 1, dirty = 1, pid = as.numeric(pid)))
  expect_lt(abs(told$time - as.numeric(Sys.time())), 60)
  expect_ok(api$unlock(lock))
  told <- expect_ok(api$lock(lock, 1))
  expect_identical(unlist(told)[1:3], c(died = 0, dirty = 1, pid = as.numeric(pid)))
  expect_ok(api$unlock(lock))
  expect_ok(api$lock(lock))
  api$lock_repaired(lock)
  expect_ok(api$unlock(lock))
  expect_identical(expect_ok(api$lock(lock))$dirty, 0)
  expect_ok(api$unlock(lock))
  api$latch_close(lock)
  expect_ok(api$free(id))
})

test_that("another program's object has no lock", {
  skip_if_not_linux()
  local_clean_shm()
  use_api()
  raw <- paste0("/", this_namespace(), "-other")
  writeLines("other", file.path("/dev/shm", raw))
  expect_code(api$latch_open(raw), "argument", raw, "no lock")
  unlink(file.path("/dev/shm", raw))
})

for (package in c("clientc", "clientcpp")) {
  test_that(paste("what processes add in", package, "adds up"), {
    local_clean_shm()
    here <- local_client(package)
    there <- local_client(package)
    id <- run_in(here, function() client$store(0))
    add <- function(id, package) {
      for (i in 1:1000) {
        if (package == "clientc") client$add(id, 1, 1) else client$add(id, 1)
      }
    }
    there$call(add, list(id, package))
    run_in(here, add, id, package)
    answer_of(there)
    expect_identical(readSharedMemory(id), 2000)
    expect_true(end_session(here))
    expect_true(end_session(there))
  })
}
