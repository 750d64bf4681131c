# Creators that are stopped, or die half-way.

test_that("whoever wants to create waits for a stopped creator, but not for ever", {
  local_clean_shm()
  session <- local_stoppable()
  withr::local_envvar(SHAREDMEMORY_TIMEOUT = "0.2")
  for (call in c("fallocate", "pwrite")) {
    allocate_until(session, call, "slow")
    wait_until_stopped(session)
    # Nothing half-made is visible, ...
    expect_true(file.exists(segment_file("slow")))
    expect_identical(nrow(listSharedObjects()), 0L)
    expect_false(hasSharedMemory("slow"))
    for (use in list(getSharedMemorySize, mapSharedMemory)) {
      expect_refused(use("slow"), "not_found", info = call)
    }
    expect_null(freeSharedMemory("slow"))
    for (use in list(
      function(id) allocateSharedMemory(10, id),
      function(id) allocateSharedMemory(10, c("other", id))
    )) {
      error <- expect_refused(use("slow"), "busy", info = call)
      expect_match(conditionMessage(error), "SHAREDMEMORY_TIMEOUT")
      expect_identical(error$id, "slow")
    }
    # ... and nobody else is kept from working.
    ids <- allocateSharedMemory(10, c("", "other"))
    expect_identical(hasSharedMemory(ids), c(TRUE, TRUE))
    freeSharedMemory(ids)
    expect_identical(go_on(session), "slow")
    expect_true(hasSharedMemory("slow"))
    expect_identical(listSharedObjects()$Id, "slow")
    freeSharedMemory("slow")
  }
})

test_that("whoever waits gets it as soon as the creator goes on", {
  local_clean_shm()
  session <- local_stopped_creator(call = "fallocate")
  other <- local_session(environment = c(SHAREDMEMORY_TIMEOUT = "600"))
  other$call(function() allocateSharedMemory(10, "slow"))
  expect_identical(other$poll_process(300), "timeout")
  tools::pskill(session$get_pid(), tools::SIGCONT)
  expect_identical(answer_of(other), "slow")
  expect_identical(answer_of(session), "slow")
  expect_identical(listSharedObjects()$Id, "slow")
  freeSharedMemory("slow")
})

test_that("Ctrl-C ends the waiting", {
  local_clean_shm()
  session <- local_stopped_creator(call = "fallocate")
  for (use in list(
    function() allocateSharedMemory(10, "slow"),
    function() allocateSharedMemory(10, c("other", "slow"))
  )) {
    flag <- local_flag()
    waiting <- start_r(function(use, flag) {
      library(sharedmemory)
      environment(use) <- globalenv()
      answer <- tryCatch(
        {
          file.create(flag)
          use()
          "done"
        },
        interrupt = function(e) class(e)[1],
        error = function(e) class(e)[1]
      )
      list(
        answer, hasSharedMemory("other"),
        hasSharedMemory(allocateSharedMemory(10, lifetime = "process"))
      )
    }, use, flag, environment = c(SHAREDMEMORY_TIMEOUT = "600"))
    wait_for_file(flag)
    Sys.sleep(0.2)
    waiting$interrupt()
    expect_identical(result_of(waiting), list("interrupt", FALSE, TRUE))
  }
  expect_identical(go_on(session), "slow")
  expect_identical(listSharedObjects()$Id, "slow")
  freeSharedMemory("slow")
})

test_that("R's own time limit ends the waiting, too", {
  local_clean_shm()
  session <- local_stopped_creator(call = "fallocate")
  other <- local_session(environment = c(SHAREDMEMORY_TIMEOUT = "600"))
  answer <- run_in(other, function() {
    message <- tryCatch(
      {
        setTimeLimit(elapsed = 0.3, transient = TRUE)
        allocateSharedMemory(10, c("other", "slow"))
      },
      error = conditionMessage
    )
    setTimeLimit()
    list(message, hasSharedMemory("other"), listSharedObjects()$Id)
  })
  expect_match(answer[[1]], "time limit")
  expect_identical(answer[-1], list(FALSE, character()))
  expect_identical(go_on(session), "slow")
  expect_true(run_in(other, function() hasSharedMemory("slow")))
  freeSharedMemory("slow")
})

test_that("free does not wait for a stopped creator", {
  local_clean_shm()
  session <- local_stoppable()
  for (call in c("fallocate", "pwrite")) {
    allocate_until(session, call, "slow")
    wait_until_stopped(session)
    # What is being made is not there yet.
    expect_null(freeSharedMemory("slow"))
    expect_true(file.exists(segment_file("slow")))
    expect_identical(go_on(session), "slow")
    expect_true(hasSharedMemory("slow"))
    freeSharedMemory("slow")
    expect_false(file.exists(segment_file("slow")))
  }
})

test_that("what a creator that was killed half-way left is cleaned up", {
  skip_if_no_fork()
  skip_if_not_installed("parallel")
  local_clean_shm()
  withr::local_envvar(SHAREDMEMORY_TIMEOUT = "20")
  session <- local_stoppable()
  run_in(session, function() initialSharedObjectPackageData())
  meetings <- list(
    allocate = function(id) allocateSharedMemory(5000, id),
    has = function(id) hasSharedMemory(id),
    map = function(id) kind_of(mapSharedMemory(id)),
    free = function(id) freeSharedMemory(id)
  )
  for (call in c("fallocate", "pwrite")) {
    for (meeting in names(meetings)) {
      run_in(session, function(call) {
        suppressWarnings(parallel::mccollect(parallel::mcparallel({
          initialSharedObjectPackageData()
          Sys.setenv(SIGNAL_AT = call, SIGNAL_NUMBER = tools::SIGKILL)
          allocateSharedMemory(10, "dead")
        })))
      }, call)
      info <- paste(call, meeting)
      expect_true(file.exists(segment_file("dead")), info = info)
      # The child has closed its pipe, but perhaps not given up its locks yet.
      expect_true(
        eventually(function() identical(listSharedObjects()$state, "incomplete")),
        info = info
      )
      meetings[[meeting]]("dead")
      # Removed by a free, made again by a creator; the others do not find it.
      made <- meeting == "allocate"
      expect_identical(hasSharedMemory("dead"), made, info = info)
      expect_identical(file.exists(segment_file("dead")), meeting != "free",
                       info = info)
      if (made) expect_gte(getSharedMemorySize("dead"), 5000)
      freeSharedMemory("dead")
      expect_false(file.exists(segment_file("dead")), info = info)
    }
  }
})

test_that("a process stopped or killed in creating the control object", {
  skip_if_not_linux()
  namespace <- local_namespace()
  for (how in c("stopped", "killed")) {
    first <- local_stoppable(namespace)
    first$call(function(signal) {
      Sys.setenv(SIGNAL_AT = "fallocate", SIGNAL_NUMBER = signal)
      initialSharedObjectPackageData()
    }, list(if (how == "stopped") tools::SIGSTOP else tools::SIGKILL))
    if (how == "stopped") wait_until_stopped(first) else first$wait(deadline * 1000)
    expect_length(objects_in(namespace), 1)
    second <- local_session(namespace, c(SHAREDMEMORY_TIMEOUT = "1"))
    answer <- run_in(second, function() {
      # The first allocation of a process joins twice, and waits once.
      took <- system.time(
        id <- tryCatch(allocateSharedMemory(10), error = function(e) {
          stopifnot(e$op == "allocate")
          class(e)[1]
        })
      )[["elapsed"]]
      stopifnot(took < 1.9)
      list(id, hasSharedMemory("a"), nrow(listSharedObjects()))
    })
    if (how == "stopped") {
      expect_identical(answer, list("sharedmemory_error_busy", FALSE, 0L))
      # What is told is what was asked for.
      op <- run_in(second, function() tryCatch(share(1:10), error = function(e) e$op))
      expect_identical(op, "share")
      go_on(first)
      expect_identical(run_in(second, function() allocateSharedMemory(10)), "1")
    } else {
      expect_identical(answer, list("1", FALSE, 1L))
    }
    run_in(second, function() freeSharedMemory("1"))
    expect_true(end_session(first))
    expect_true(end_session(second))
    expect_identical(objects_in(namespace), character())
  }
})
