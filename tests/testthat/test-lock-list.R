# What lists tell of locks, and how it looks.

lock_of <- function(id) {
  listed <- listSharedObjects()
  row <- as.list(listed[match(id, listed$Id), ])
  inspected <- inspectSharedMemory(id)
  told <- c("lock", "holder", "since", "readers", "waiting")
  expect_identical(unclass(inspected)[told], row[told])
  row[told]
}

expect_lock <- function(id, lock, holder = NA_integer_, readers = 0L, waiting = 0L) {
  seen <- lock_of(id)
  expect_identical(
    seen[c("lock", "holder", "readers", "waiting")],
    list(lock = lock, holder = holder, readers = readers, waiting = waiting)
  )
  invisible(seen$since)
}

test_that("who holds the lock, since when, and how many wait", {
  local_clean_shm()
  id <- allocateSharedMemory(8, "locked")
  expect_true(is.na(expect_lock(id, "free")))
  expect_no_match(printed(listSharedObjects()), "^locked$")

  before <- Sys.time()
  lockSharedMemory(id)
  since <- expect_lock(id, "exclusive", Sys.getpid())
  expect_gte(as.numeric(since), as.numeric(before) - 1)
  expect_lte(as.numeric(since), as.numeric(Sys.time()) + 1)
  line <- sprintf("  locked: exclusively by process %d since %s", Sys.getpid(),
                  format(since, "%T"))
  expect_true(line %in% expect_fits(listSharedObjects()))

  waiters <- list(local_session(), local_session())
  for (waiter in waiters) waiter$call(function() withSharedLock("locked", NULL))
  wait_until_waiting(id, 2)
  expect_identical(expect_lock(id, "exclusive", Sys.getpid(), waiting = 2L), since)
  expect_true(paste0(line, ", 2 wait") %in% expect_fits(listSharedObjects()))
  expect_match(
    expect_fits(inspectSharedMemory(id)),
    paste0("^locked +", sub(".*: ", "", line), ", 2 wait$"), all = FALSE
  )
  unlockSharedMemory(id)
  for (waiter in waiters) answer_of(waiter)

  lockSharedMemory(id, shared = TRUE)
  reader <- local_holder(id, shared = TRUE)
  expect_lock(id, "shared", readers = 2L)
  expect_match(printed(listSharedObjects()), "^  locked: shared by 2$", all = FALSE)
  unlockSharedMemory(id)
  run_in(reader, function() unlockSharedMemory("locked"))
  expect_lock(id, "free")
  freeSharedMemory(id)
})

test_that("a dead holder is told until somebody takes the lock", {
  skip_on_os("windows")
  local_clean_shm()
  id <- allocateSharedMemory(8, "locked")
  holder <- local_holder(id)
  pid <- holder$get_pid()
  kill_hard(holder)
  expect_lock(id, "dead", pid)
  expect_match(
    expect_fits(listSharedObjects()),
    paste0("^  locked: no more: its holder died, process ", pid), all = FALSE
  )
  suppressWarnings(lockSharedMemory(id, deadline))
  expect_lock(id, "exclusive", Sys.getpid())
  unlockSharedMemory(id)
  freeSharedMemory(id)
})

test_that("who waits at an event, a semaphore or a barrier is counted", {
  local_clean_shm()
  sharedEvent("event")
  waiter <- local_session()
  waiter$call(function() sharedEvent("event")$wait())
  wait_until_waiting("event")
  expect_lock("event", "free", waiting = 1L)
  expect_match(expect_fits(listSharedObjects()), "^  event: 1 waits$", all = FALSE)
  sharedEvent("event")$set()
  answer_of(waiter)
  expect_lock("event", "free")
  freeSharedMemory("event")
})
