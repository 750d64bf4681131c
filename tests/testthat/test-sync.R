# Semaphores, events and barriers.

sync_ids <- c("barrier", "event", "semaphore")

test_that("they are made once, and opened by all who know the name", {
  local_clean_shm()
  s <- sharedSemaphore("semaphore", 3)
  again <- sharedSemaphore("semaphore", 3)
  without <- sharedSemaphore("semaphore")
  e <- sharedEvent("event")
  b <- sharedBarrier("barrier", 2)
  s$acquire()
  expect_identical(again$available(), 2L)
  expect_identical(without$held(), 1L)
  sharedEvent("event")$set()
  expect_true(e$isSet())
  for (one in list(s, e, b)) {
    name <- sub("shared", "", class(one)[1])
    expect_s3_class(one, c(paste0("shared", name), "sharedSync"), exact = TRUE)
    expect_identical(sharedMemoryId(one), tolower(name))
    full <- paste0(this_namespace(), ":", tolower(name))
    expect_identical(sharedMemoryId(one, full = TRUE), full)
    expect_false(is.shared(one))
  }
  freeSharedMemory(sync_ids)
})

test_that("what exists must be what is asked for", {
  local_clean_shm()
  sharedSemaphore("semaphore", 3)
  sharedBarrier("barrier", 3)
  sharedEvent("event")
  allocateSharedMemory(10000, "segment")
  expect_refused(sharedSemaphore("semaphore", 4))
  expect_refused(sharedSemaphore("semaphore", 2^20))
  expect_refused(sharedBarrier("barrier", 2))
  for (id in c(sync_ids, "segment")) {
    if (id != "semaphore") expect_refused(sharedSemaphore(id), info = id)
    if (id != "event") expect_refused(sharedEvent(id), info = id)
    if (id != "barrier") expect_refused(sharedBarrier(id, 3), info = id)
  }
  expect_refused(sharedSemaphore("never"), "not_found")
  expect_refused(sharedBarrier("never"), "not_found")
  expect_refused(sharedSemaphore(12345, 1), "not_found")
  freeSharedMemory(c(sync_ids, "segment"))
})

test_that("arguments are checked", {
  local_clean_shm()
  for (make in list(sharedSemaphore, sharedBarrier)) {
    for (bad in list(0, -1, 1.5, NA, NaN, Inf, 2^20 + 1, "1", c(1, 2), numeric(),
                     list(1))) {
      expect_refused(make("new", bad), info = deparse(bad))
    }
  }
  for (make in list(function(id) sharedSemaphore(id, 1), sharedEvent,
                    function(id) sharedBarrier(id, 1))) {
    for (bad in list(NA, NULL, "", "a/b", c("a", "b"), character(), "/raw", -1,
                     list("a"))) {
      expect_refused(make(bad), info = deparse(bad))
    }
  }
  s <- sharedSemaphore("semaphore", 1)
  e <- sharedEvent("event")
  b <- sharedBarrier("barrier", 1)
  for (bad in list(NA, NA_real_, NaN, -1, "1", NULL, c(1, 2), numeric(), TRUE)) {
    expect_refused(s$acquire(bad), info = deparse(bad))
    expect_refused(e$wait(bad), info = deparse(bad))
    expect_refused(b$wait(bad), info = deparse(bad))
  }
  expect_identical(s$available(), 1L)
  for (one in list(s, e, b)) {
    error <- expect_refused(one$nothing)
    expect_match(conditionMessage(error), "has no `nothing`, but `")
    members <- utils::.DollarNames(one, "")
    expect_gt(length(members), 0)
    for (name in members) expect_type(eval(call("$", one, as.name(name))), "closure")
  }
  freeSharedMemory(sync_ids)
})

test_that("one kind with the class of another, or of nothing, is refused", {
  local_clean_shm()
  s <- sharedSemaphore("semaphore", 2^10)
  b <- sharedBarrier("barrier", 2)
  for (x in list(s, b, null_pointer())) {
    for (class in c("sharedSemaphore", "sharedEvent", "sharedBarrier")) {
      forged <- unserialize(serialize(x, NULL))
      class(forged) <- c(class, "sharedSync")
      if (identical(class(forged), class(x))) next
      for (name in members_of(forged)) {
        expect_identical(kind_of(eval(call("$", forged, as.name(name)))()), "argument")
      }
    }
  }
  freeSharedMemory(c("semaphore", "barrier"))
})

test_that("they travel as references, and are opened at their first use", {
  local_clean_shm()
  s <- sharedSemaphore("semaphore", 2)
  e <- sharedEvent("event")
  b <- sharedBarrier("barrier", 2)
  bytes <- lapply(list(s, e, b), serialize, NULL)
  expect_lt(max(lengths(bytes)), 700)
  session <- local_session()
  there <- run_in(session, function(s, e, b) {
    kept <<- list(s, e, b)
    s$acquire()
    e$set()
    vapply(kept, format, "")
  }, s, e, b)
  expect_match(there[1], "semaphore': 1 of 2 free, 1 held by this process")
  expect_identical(s$available(), 1L)
  expect_identical(s$held(), 0L)
  expect_true(e$isSet())
  freeSharedMemory(sync_ids)
  for (one in lapply(bytes, unserialize)) {
    name <- if (inherits(one, "sharedSemaphore")) "acquire" else "wait"
    expect_identical(kind_of(eval(call("$", one, as.name(name)))(0)), "not_found")
    expect_match(format(one), "gone")
  }
  sharedEvent("semaphore")
  expect_identical(kind_of(unserialize(bytes[[1]])$acquire(0)), "replaced")
  # who has it open keeps it
  s$acquire()
  s$release()
  freeSharedMemory("semaphore")
})

test_that("a damaged reference is an error at the first use, and R goes on", {
  local_clean_shm()
  withr::local_seed(26)
  objects <- list(
    sharedSemaphore("semaphore", 1000), sharedEvent("event"),
    sharedBarrier("barrier", 1000)
  )
  good <- lapply(objects, serialize, NULL)
  at <- grepRaw("SMRF", good[[1]], fixed = TRUE)
  n <- sum(as.integer(good[[1]][at - 4:1]) * 256^(3:0))
  state <- good[[1]][at + seq_len(n) - 1]
  expect_identical(with_checksum(state), state)
  flipped <- function(x) replace(x, sample(n, 2), as.raw(sample(0:255, 2)))
  states <- c(
    replicate(200, flipped(state), simplify = FALSE),
    replicate(200, with_checksum(flipped(state)), simplify = FALSE),
    # another form
    lapply(0:255, function(form) with_checksum(replace(state, 6, as.raw(form))))
  )
  used <- vapply(states, function(state) {
    bytes <- good[[1]]
    bytes[at + seq_len(n) - 1] <- state
    kind_of(unserialize(bytes)$available())
  }, "")
  kinds <- c("none", "argument", "not_found", "replaced", "elsewhere")
  expect_true(all(used %in% kinds))
  expect_gt(sum(used == "argument"), 400)

  # the reference of one kind in another
  state_of <- function(bytes) {
    at <- grepRaw("SMRF", bytes, fixed = TRUE)
    bytes[at + seq_len(sum(as.integer(bytes[at - 4:1]) * 256^(3:0))) - 1]
  }
  mixed <- good[[1]]
  longer <- replace(state_of(good[[3]]), 6, state[6])
  mixed <- c(
    mixed[seq_len(at - 5)],
    as.raw(c(0, 0, length(longer) %/% 256, length(longer) %% 256)),
    with_checksum(longer), mixed[-seq_len(at + n - 1)]
  )
  expect_identical(kind_of(unserialize(mixed)$available()), "argument")
  expect_identical(objects[[1]]$available(), 1000L)
  freeSharedMemory(sync_ids)
})

test_that("they print on one line", {
  local_clean_shm()
  s <- sharedSemaphore("semaphore", 2)
  e <- sharedEvent("event")
  b <- sharedBarrier("barrier", 1)
  s$acquire()
  expect_identical(
    expect_fits(s),
    "<sharedSemaphore 'semaphore': 1 of 2 free, 1 held by this process>"
  )
  expect_identical(expect_fits(e), "<sharedEvent 'event': not set>")
  expect_identical(expect_fits(b), "<sharedBarrier 'barrier': 1 party>")
  expect_output(str(list(s)), "sharedSemaphore 'semaphore'")
  s$release()
  freeSharedMemory(sync_ids)
})

# ---- semaphores ------------------------------------------------------------------

test_that("a semaphore has so many permits", {
  local_clean_shm()
  s <- sharedSemaphore("semaphore", 2)
  expect_true(s$acquire())
  expect_true(s$acquire(0))
  expect_false(s$acquire(0))
  expect_false(s$acquire(0.05))
  expect_identical(c(s$available(), s$held()), c(0L, 2L))
  expect_null(s$release())
  session <- local_session()
  expect_true(run_in(session, function() sharedSemaphore("semaphore")$acquire(0)))
  expect_false(s$acquire(0))
  s$release()
  error <- expect_refused(s$release(), "not_held")
  expect_match(conditionMessage(error), "no permit")
  freeSharedMemory("semaphore")
})

test_that("never more than so many are in", {
  local_clean_shm()
  id <- allocateSharedMemory(3 * 8)
  seen <- sharedArray(id) # in now, most that were, in all
  work <- function(seen) {
    s <- sharedSemaphore("semaphore", 2)
    for (i in 1:200) {
      s$acquire()
      now <- fetchAdd(seen, 1) + 1
      withSharedLock(seen, if (seen[2] < now) seen[2] <- now)
      fetchAdd(seen, 3)
      fetchAdd(seen, 1, -1)
      s$release()
    }
  }
  sessions <- list(local_session(), local_session(), local_session())
  for (session in sessions) session$call(work, list(seen))
  work(seen)
  for (session in sessions) answer_of(session)
  expect_identical(seen[c(1, 3)], c(0, 800))
  expect_lte(seen[2], 2)
  freeSharedMemory(c(id, "semaphore"))
})

test_that("the permits of a dead process come back, also to one that waits", {
  skip_on_os("windows")
  local_clean_shm()
  s <- sharedSemaphore("semaphore", 2)
  holders <- list(local_session(), local_session())
  for (holder in holders) {
    run_in(holder, function() sharedSemaphore("semaphore")$acquire())
  }
  expect_false(s$acquire(0.1))
  waiter <- local_session()
  waiter$call(function() sharedSemaphore("semaphore")$acquire())
  wait_until_waiting("semaphore")
  kill_hard(holders[[1]])
  expect_true(answer_of(waiter))
  expect_false(s$acquire(0.1))
  expect_true(end_session(holders[[2]]))
  expect_true(s$acquire(deadline))
  s$release()
  freeSharedMemory("semaphore")
})

test_that("a permit stays taken without its object and while its process is stopped", {
  skip_if_not_linux()
  local_clean_shm()
  session <- local_session()
  run_in(session, function() {
    sharedSemaphore("semaphore", 1)$acquire()
    gc()
  })
  s <- sharedSemaphore("semaphore")
  expect_false(s$acquire(0.1))
  stop_hard(session)
  expect_false(s$acquire(0.3))
  continue(session)
  run_in(session, function() sharedSemaphore("semaphore")$release())
  expect_true(s$acquire(deadline))
  s$release()
  freeSharedMemory("semaphore")
})

test_that("a forked child has none of its parent's permits", {
  skip_if_no_fork()
  local_clean_shm()
  s <- sharedSemaphore("semaphore", 2)
  s$acquire()
  answers <- parallel::mccollect(parallel::mcparallel({
    released <- tryCatch(s$release(), sharedmemory_error = function(e) class(e)[1])
    list(released, s$held(), s$acquire(0), s$acquire(0))
  }))[[1]]
  expect_identical(answers, list("sharedmemory_error_not_held", 0L, TRUE, FALSE))
  expect_true(s$acquire(deadline)) # the child has ended
  s$release()
  s$release()
  freeSharedMemory("semaphore")
})

# ---- events ----------------------------------------------------------------------

test_that("an event lets all go on that wait, until it is reset", {
  local_clean_shm()
  e <- sharedEvent("event")
  expect_false(e$wait(0))
  expect_false(e$wait(0.05))
  waiters <- list(local_session(), local_session())
  for (waiter in waiters) waiter$call(function(e) e$wait(), list(e))
  wait_until_waiting("event", 2)
  expect_null(e$set())
  for (waiter in waiters) expect_true(answer_of(waiter))
  expect_true(e$wait(0))
  e$set()
  expect_null(e$reset())
  expect_false(e$wait(0))
  # one that is set and reset at once is not missed by those who waited
  waiters[[1]]$call(function(e) e$wait(), list(e))
  wait_until_waiting("event")
  e$set()
  e$reset()
  expect_true(answer_of(waiters[[1]]))
  freeSharedMemory("event")
})

# ---- barriers --------------------------------------------------------------------

test_that("all go on when all have come, again and again", {
  local_clean_shm()
  id <- allocateSharedMemory(8)
  steps <- sharedArray(id)
  work <- function(steps) {
    b <- sharedBarrier("barrier", 3)
    good <- TRUE
    for (i in 1:100) {
      fetchAdd(steps, 1)
      b$wait()
      good <- good && steps[1] == 3 * i
      b$wait()
    }
    good
  }
  sessions <- list(local_session(), local_session())
  for (session in sessions) session$call(work, list(steps))
  expect_true(work(steps))
  for (session in sessions) expect_true(answer_of(session))
  freeSharedMemory(c(id, "barrier"))
})

test_that("a barrier has room for its parties only", {
  local_clean_shm()
  b <- sharedBarrier("barrier", 1)
  b$wait()
  expect_identical(kind_of(sharedBarrier("barrier", 1)$wait(0)), "argument")
  # the place of one that has gone is free
  rm(b)
  gc()
  expect_null(sharedBarrier("barrier", 1)$wait())
  freeSharedMemory("barrier")
})

test_that("a party keeps its place when the control object is lost", {
  skip_if_not_linux()
  local_clean_shm()
  b <- sharedBarrier("barrier", 1)
  b$wait()
  unlink(control_file())
  expect_false(sharedEvent("event")$wait(0.2)) # who waits long looks, and joins again
  expect_true(file.exists(control_file()))
  expect_null(b$wait())
  freeSharedMemory(c("barrier", "event"))
})

test_that("permits and locks of before the control object was lost are given back", {
  skip_if_not_linux()
  local_clean_shm()
  id <- allocateSharedMemory(8)
  s <- sharedSemaphore("semaphore", 2)
  s$acquire()
  lockSharedMemory(id)
  unlink(control_file())
  expect_false(sharedEvent("event")$wait(0.2)) # who waits long looks, and joins again
  expect_true(file.exists(control_file()))
  expect_identical(c(s$available(), s$held()), c(1L, 1L))
  session <- local_session()
  expect_false(run_in(session, function(id) lockSharedMemory(id, 0.1), id))
  expect_null(s$release())
  unlockSharedMemory(id)
  expect_identical(kind_of(s$release()), "not_held")
  expect_true(run_in(session, function(id) lockSharedMemory(id, 0), id))
  expect_true(end_session(session))
  freeSharedMemory(c(id, "semaphore", "event"))
})

test_that("a party that dies breaks it for all, those who wait and those who come", {
  skip_on_os("windows")
  local_clean_shm()
  b <- sharedBarrier("barrier", 3)
  sessions <- list(local_session(), local_session())
  wait <- function() {
    if (!exists("kept")) kept <<- sharedBarrier("barrier", 3)
    tryCatch(kept$wait(), sharedmemory_error = function(e) class(e)[1])
  }
  # they have met once, so the dead one is known to be a party
  for (session in sessions) session$call(wait)
  b$wait()
  for (session in sessions) expect_null(answer_of(session))
  sessions[[2]]$call(wait)
  wait_until_waiting("barrier")
  kill_hard(sessions[[1]])
  expect_identical(kind_of(b$wait(deadline)), "broken")
  expect_identical(answer_of(sessions[[2]]), "sharedmemory_error_broken")
  error <- expect_refused(b$wait(0), "broken")
  expect_match(conditionMessage(error), "make another one")
  freeSharedMemory("barrier")
})

test_that("a party that gives up breaks it", {
  local_clean_shm()
  b <- sharedBarrier("barrier", 2)
  expect_identical(kind_of(b$wait(0.05)), "timeout")
  expect_identical(kind_of(b$wait(0)), "broken")
  freeSharedMemory("barrier")
})

test_that("a forked child does not give up its parent's place", {
  skip_if_no_fork()
  local_clean_shm()
  b <- sharedBarrier("barrier", 1)
  b$wait()
  parallel::mccollect(parallel::mcparallel({
    rm(b)
    gc()
  }))
  expect_identical(kind_of(sharedBarrier("barrier", 1)$wait(0)), "argument")
  expect_null(b$wait(0))
  freeSharedMemory("barrier")
})

test_that("reclaim keeps what somebody waits for or holds", {
  skip_on_os("windows")
  local_clean_shm()
  maker <- local_session()
  run_in(maker, function() {
    sharedSemaphore("semaphore", 1)
    sharedEvent("event")
    NULL
  })
  s <- sharedSemaphore("semaphore")
  s$acquire()
  waiter <- local_session()
  waiter$call(function() sharedEvent("event")$wait())
  wait_until_waiting("event")
  kill_hard(maker)
  expect_false(any(reclaimSharedMemory(persistent = TRUE)$removed))
  sharedEvent("event")$set()
  expect_true(answer_of(waiter))
  s$release()
  rm(s)
  gc()
  expect_true(all(reclaimSharedMemory(persistent = TRUE)$removed))
})
