# Locks between processes, some of which die.

test_that("another process waits, and gets the lock when it is given back", {
  local_clean_shm()
  id <- allocateSharedMemory(8)
  session <- local_holder(id)
  expect_false(lockSharedMemory(id, 0))
  expect_false(lockSharedMemory(id, 0.05))
  expect_false(lockSharedMemory(id, 0, shared = TRUE))
  expect_refused(withSharedLock(id, stop("never"), timeout = 0), "timeout")
  error <- expect_refused(withSharedLock(id, stop("never"), timeout = 0.05), "timeout")
  expect_match(conditionMessage(error), "0.05 seconds")
  other <- local_session()
  other$call(function(id) withSharedLock(id, "got it"), list(id))
  wait_until_waiting(id)
  run_in(session, function(id) unlockSharedMemory(id), id)
  expect_identical(answer_of(other), "got it")
  freeSharedMemory(id)
})

test_that("sums of several processes that take turns are exact", {
  local_clean_shm()
  id <- allocateSharedMemory(8)
  sum <- sharedArray(id)
  sum[1] <- 0
  sessions <- list(local_session(), local_session(), local_session())
  for (session in sessions) {
    session$call(function(sum) {
      for (i in 1:500) withSharedLock(sum, sum[1] <- sum[1] + 1)
    }, list(sum))
  }
  for (i in 1:500) withSharedLock(sum, sum[1] <- sum[1] + 1)
  for (session in sessions) answer_of(session)
  expect_identical(sum[1], 2000)
  freeSharedMemory(id)
})

test_that("many share a lock; a writer waits for all, and is not starved", {
  local_clean_shm()
  id <- allocateSharedMemory(8)
  readers <- list(local_holder(id, TRUE), local_holder(id, TRUE))
  expect_true(lockSharedMemory(id, 0, shared = TRUE))
  unlockSharedMemory(id)
  expect_false(lockSharedMemory(id, 0))
  writer <- local_session()
  writer$call(function(id) withSharedLock(id, "wrote"), list(id))
  wait_until_waiting(id)
  # later readers come after the writer
  expect_false(lockSharedMemory(id, 0.1, shared = TRUE))
  for (reader in readers) run_in(reader, function(id) unlockSharedMemory(id), id)
  expect_identical(answer_of(writer), "wrote")
  expect_true(lockSharedMemory(id, 0, shared = TRUE))
  unlockSharedMemory(id)
  freeSharedMemory(id)
})

test_that("a writer comes in while readers come and go without a pause", {
  local_clean_shm()
  id <- allocateSharedMemory(2 * 8)
  state <- sharedArray(id) # is it time to stop; how often somebody has read
  readers <- list(local_session(), local_session())
  for (reader in readers) {
    reader$call(function(state) {
      while (state[[1]] == 0) withSharedLock(state, fetchAdd(state, 2), shared = TRUE)
    }, list(state))
  }
  for (i in 1:50) {
    before <- state[[2]]
    expect_true(eventually(function() state[[2]] > before))
    withSharedLock(state, NULL, timeout = deadline)
  }
  withSharedLock(state, state[1] <- 1, timeout = deadline)
  for (reader in readers) expect_null(answer_of(reader))
  freeSharedMemory(id)
})

# ---- deaths ----------------------------------------------------------------------

test_that("the lock of a killed process comes free, and one is told, once", {
  skip_on_os("windows")
  local_clean_shm()
  id <- allocateSharedMemory(8)
  before <- Sys.time()
  session <- local_holder(id)
  pid <- session$get_pid()
  kill_hard(session)
  told <- deaths_in(lockSharedMemory(id, deadline))
  expect_true(told$value)
  expect_length(told$deaths, 1)
  death <- told$deaths[[1]]
  classes <- c("sharedmemory_owner_died", "warning", "condition")
  expect_s3_class(death, classes, exact = TRUE)
  expect_identical(death$id, id)
  expect_identical(death$pid, pid)
  expect_gte(as.numeric(death$time), as.numeric(before) - 1)
  expect_lte(as.numeric(death$time), as.numeric(Sys.time()) + 1)
  expect_match(conditionMessage(death), paste("process", pid, "died"))
  expect_match(deparse1(conditionCall(death)), "^lockSharedMemory")
  unlockSharedMemory(id)
  expect_length(deaths_in(withSharedLock(id, NULL))$deaths, 0)
  freeSharedMemory(id)
})

test_that("also a holder that ends as usual has died if it held the lock", {
  local_clean_shm()
  id <- allocateSharedMemory(8)
  expect_true(end_session(local_holder(id)))
  expect_length(deaths_in(withSharedLock(id, NULL, timeout = deadline))$deaths, 1)
  freeSharedMemory(id)
})

test_that("one who waits is told, whether it wants the lock alone or shared", {
  skip_on_os("windows")
  local_clean_shm()
  id <- allocateSharedMemory(8)
  for (shared in c(FALSE, TRUE)) {
    holder <- local_holder(id)
    waiters <- list(local_session(), local_session())
    for (waiter in waiters) {
      waiter$call(function(id, shared) {
        deaths <- 0
        withCallingHandlers(
          withSharedLock(id, NULL, shared = shared),
          sharedmemory_owner_died = function(w) {
            deaths <<- deaths + 1
            invokeRestart("muffleWarning")
          }
        )
        deaths
      }, list(id, shared))
    }
    wait_until_waiting(id, 2)
    kill_hard(holder)
    expect_identical(sum(vapply(waiters, answer_of, 0)), 1)
  }
  freeSharedMemory(id)
})

test_that("a dead reader keeps no writer out, and nobody is told", {
  skip_on_os("windows")
  local_clean_shm()
  id <- allocateSharedMemory(8)
  kill_hard(local_holder(id, shared = TRUE))
  told <- deaths_in(lockSharedMemory(id, deadline))
  expect_identical(told, list(value = TRUE, deaths = list()))
  unlockSharedMemory(id)
  freeSharedMemory(id)
})

test_that("`recovered` runs first, alone, in place of the warning", {
  skip_on_os("windows")
  local_clean_shm()
  id <- allocateSharedMemory(8)
  for (shared in c(FALSE, TRUE)) {
    holder <- local_holder(id)
    pid <- holder$get_pid()
    kill_hard(holder)
    other <- local_session()
    order <- character()
    seen <- NULL
    told <- deaths_in(withSharedLock(id, {
      order <- c(order, "code")
      "value"
    }, timeout = deadline, shared = shared, recovered = function(death) {
      order <<- c(order, "recovered")
      # no reader is in beside it
      order <<- c(order, run_in(other, function(id) {
        if (lockSharedMemory(id, 0, shared = TRUE)) "not alone" else "alone"
      }, id))
      seen <<- death
    }))
    expect_identical(told, list(value = "value", deaths = list()))
    expect_identical(order, c("recovered", "alone", "code"))
    expect_s3_class(seen, "sharedmemory_owner_died")
    expect_identical(seen$pid, pid)
    # it is in order again
    withSharedLock(id, NULL, recovered = function() stop("once more"))
  }
  freeSharedMemory(id)
})

test_that("until somebody has repaired, the next `recovered` runs", {
  skip_on_os("windows")
  local_clean_shm()
  id <- allocateSharedMemory(8)
  kill_hard(local_holder(id))
  # told, and nothing done about it
  expect_length(deaths_in(withSharedLock(id, NULL, timeout = deadline))$deaths, 1)
  # an error, and no code
  expect_error(
    withSharedLock(id, stop("code"), recovered = function() stop("no repair")),
    "no repair"
  )
  repaired <- 0
  repair <- function() repaired <<- repaired + 1
  withSharedLock(id, NULL, recovered = repair)
  withSharedLock(id, NULL, recovered = repair)
  expect_identical(repaired, 1)
  freeSharedMemory(id)
})

test_that("a handler that leaves, and warnings as errors, give the lock back", {
  skip_on_os("windows")
  local_clean_shm()
  id <- allocateSharedMemory(8)
  ran <- FALSE
  for (lock in list(
    function() lockSharedMemory(id, deadline),
    function() withSharedLock(id, ran <<- TRUE, timeout = deadline)
  )) {
    kill_hard(local_holder(id))
    caught <- tryCatch(lock(), sharedmemory_owner_died = function(w) "told")
    expect_identical(caught, "told")
    expect_identical(kind_of(unlockSharedMemory(id)), "not_held")
    kill_hard(local_holder(id))
    withr::with_options(list(warn = 2), expect_error(lock(), "died"))
    expect_identical(kind_of(unlockSharedMemory(id)), "not_held")
  }
  expect_false(ran)
  freeSharedMemory(id)
})

test_that("who gives up after it has noticed a death tells of it", {
  skip_on_os("windows")
  local_clean_shm()
  id <- allocateSharedMemory(8)
  # Whoever notices it, one is told: here, or the one that got the lock before.
  holder <- local_holder(id)
  other <- local_session()
  other$call(function(id) {
    suppressWarnings(lockSharedMemory(id, 60))
    Sys.sleep(0.3)
    unlockSharedMemory(id)
    "had it"
  }, list(id))
  wait_until_waiting(id)
  kill_hard(holder)
  told <- deaths_in(kind_of(withSharedLock(id, NULL, timeout = 0.2, shared = TRUE)))
  expect_true(told$value %in% c("none", "timeout"))
  expect_identical(answer_of(other), "had it")
  expect_length(deaths_in(withSharedLock(id, NULL, timeout = deadline))$deaths, 0)
  freeSharedMemory(id)
})

test_that("who is stopped is alive: others wait until it goes on", {
  skip_if_not_linux()
  local_clean_shm()
  id <- allocateSharedMemory(8)
  holder <- local_holder(id)
  stop_hard(holder)
  expect_identical(
    deaths_in(lockSharedMemory(id, 0.3)), list(value = FALSE, deaths = list())
  )
  continue(holder)
  run_in(holder, function(id) unlockSharedMemory(id), id)
  expect_identical(
    deaths_in(lockSharedMemory(id, deadline)), list(value = TRUE, deaths = list())
  )
  unlockSharedMemory(id)
  freeSharedMemory(id)
})

test_that("a forked child holds nothing of its parent's, and takes nothing from it", {
  skip_if_no_fork()
  local_clean_shm()
  id <- allocateSharedMemory(8)
  array <- sharedArray(id)
  lockSharedMemory(array)
  answers <- parallel::mccollect(parallel::mcparallel({
    kind <- function(code) tryCatch(code, sharedmemory_error = function(e) class(e)[1])
    list(
      kind(unlockSharedMemory(array)), kind(unlockSharedMemory(id)),
      lockSharedMemory(array, 0.1), kind(withSharedLock(id, 1, timeout = 0))
    )
  }))[[1]]
  kinds <- paste0("sharedmemory_error_", c("not_held", "timeout"))
  expect_identical(answers, list(kinds[1], kinds[1], FALSE, kinds[2]))
  unlockSharedMemory(array)
  # and one that ends with a lock has died
  parallel::mccollect(parallel::mcparallel(lockSharedMemory(array)))
  expect_length(deaths_in(withSharedLock(array, NULL, timeout = deadline))$deaths, 1)
  freeSharedMemory(id)
})

test_that("it works between namespaces of pids that share /dev/shm", {
  skip_if_no_pid_space()
  local_clean_shm()
  id <- allocateSharedMemory(8)
  lockSharedMemory(id)
  expect_false(in_pid_space(function(id) lockSharedMemory(id, 0.2), id))
  unlockSharedMemory(id)
  # there it ends with the lock
  expect_true(in_pid_space(function(id) lockSharedMemory(id), id))
  expect_length(deaths_in(withSharedLock(id, NULL, timeout = deadline))$deaths, 1)
  freeSharedMemory(id)
})

# ---- giving up -------------------------------------------------------------------

test_that("Ctrl-C ends every wait at once, and what waited goes on", {
  skip_on_os("windows")
  local_clean_shm()
  id <- allocateSharedMemory(8, "locked")
  lockSharedMemory(id)
  semaphore <- sharedSemaphore("semaphore", 1)
  semaphore$acquire()
  sharedEvent("event")
  sharedBarrier("barrier", 2)
  waits <- list(
    locked = function() withSharedLock("locked", NULL),
    locked = function() lockSharedMemory("locked", 30, shared = TRUE),
    semaphore = function() sharedSemaphore("semaphore")$acquire(),
    event = function() sharedEvent("event")$wait(),
    barrier = function() sharedBarrier("barrier")$wait()
  )
  ids <- c("barrier", "event", "locked", "semaphore")
  for (i in seq_along(waits)) {
    name <- names(waits)[i]
    answer <- interrupt_in(waits[[i]], ready = function() count_waiting(name) > 0)
    expect_interrupted(answer, ids)
    expect_identical(count_waiting(name), 0L)
  }
  unlockSharedMemory(id)
  semaphore$release()
  freeSharedMemory(ids)
})

test_that("setTimeLimit() ends a wait", {
  local_clean_shm()
  id <- allocateSharedMemory(8)
  local_holder(id)
  limited <- function(code) {
    setTimeLimit(elapsed = 0.3, transient = TRUE)
    on.exit(setTimeLimit())
    tryCatch(code, error = conditionMessage)
  }
  taken <- system.time(answer <- limited(lockSharedMemory(id)))[["elapsed"]]
  expect_match(answer, "time limit")
  expect_lt(taken, deadline)
  expect_match(limited(withSharedLock(id, stop("never"))), "time limit")
  expect_identical(count_waiting(id), 0L)
  freeSharedMemory(id)
})
