# Semaphores, events and barriers by the C interface for other packages.

# What a C client in another process answers, while this one goes on.
start_client <- function(session, code, ...) {
  session$call(code, list(...))
}

test_that("C and R have the same semaphores", {
  local_clean_shm()
  use_api()
  session <- local_session()
  disk <- sharedSemaphore("disk", 2)
  mine <- expect_ok(api$semaphore("disk"))
  disk$acquire()
  expect_identical(api$permits(mine), c(1L, 1L))
  expect_ok(api$acquire(mine))
  expect_identical(c(disk$available(), disk$held()), c(0L, 2L))
  expect_code(api$acquire(mine), "timeout", "disk")
  expect_false(run_in(session, function() sharedSemaphore("disk")$acquire(timeout = 0)))
  # Any permit of this process, by whichever of the two it was taken.
  expect_ok(api$release(mine))
  disk$release()
  expect_code(api$release(mine), "not_held", "disk")
  expect_identical(api$permits(mine), c(2L, 0L))
  expect_code(api$semaphore("disk", 3), "argument", "disk")
  expect_code(api$event("disk"), "argument", "disk")
  api$sync_close(mine)
  freeSharedMemory("disk")
})

test_that("a permit comes back from a C client that was killed", {
  skip_if_no_fork() # nor SIGKILL
  local_clean_shm()
  session <- local_session()
  use_api(session)
  disk <- sharedSemaphore("disk", 1)
  code <- run_in(session, function() api$acquire(api$semaphore("disk")$value)$code)
  expect_identical(code, 0L)
  expect_false(disk$acquire(timeout = 0))
  tools::pskill(session$get_pid(), tools::SIGKILL)
  expect_true(disk$acquire(timeout = deadline))
  disk$release()
  freeSharedMemory("disk")
})

test_that("C and R have the same events", {
  local_clean_shm()
  session <- local_session()
  use_api(session)
  begin <- sharedEvent("begin")
  mine <- expect_ok(api$event("begin"))
  expect_code(api$event_wait(mine), "timeout", "begin")
  begin$set()
  expect_ok(api$event_wait(mine))
  expect_false(api$event_set(mine, FALSE))
  expect_false(begin$isSet())
  start_client(session, function() {
    api$event_wait(api$event("begin")$value, 30)$code
  })
  begin$set()
  expect_identical(answer_of(session), 0L)
  api$sync_close(mine)
  freeSharedMemory("begin")
})

test_that("C and R meet at the same barriers", {
  local_clean_shm()
  session <- local_session()
  use_api(session)
  all <- sharedBarrier("all", 2)
  for (i in 1:3) {
    start_client(session, function() {
      if (!exists("theirs")) theirs <<- api$barrier("all")$value
      api$barrier_wait(theirs, 30)$code
    })
    all$wait(timeout = 30)
    expect_identical(answer_of(session), 0L)
  }
  # One that gives up breaks it, for R too.
  code <- run_in(session, function() api$barrier_wait(theirs, 0.01)$code)
  expect_identical(code, match("timeout", api_codes))
  expect_error(all$wait(timeout = 1), class = "sharedmemory_error_broken")
  freeSharedMemory("all")
})
