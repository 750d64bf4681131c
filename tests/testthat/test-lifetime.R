# Segments that end with their process, and what takes their names.

# ---- lifetime ----------------------------------------------------------------

test_that("lifetime \"process\" ends with the process, however it ends", {
  local_clean_shm()
  skip_on_os("windows")
  ends <- list(
    "end of input" = NULL,
    "quit()" = function() quit("no"),
    "quit() without .Last" = function() quit("no", runLast = FALSE),
    "error status" = function() quit("no", status = 3)
  )
  for (what in names(ends)) {
    session <- local_session()
    run_in(session, function() {
      allocateSharedMemory(10, c("", "own"), lifetime = "process")
      allocateSharedMemory(10, "stays")
      # Mapped or not makes no difference, nor a second allocation as "freed".
      mapSharedMemory("own")
      allocateSharedMemory(10, "own", lifetime = "freed")
    })
    expect_identical(nrow(listSharedObjects()), 3L)
    if (is.null(ends[[what]])) {
      expect_true(end_session(session))
    } else {
      session$call(ends[[what]])
      session$wait(deadline * 1000)
    }
    expect_false(session$is_alive())
    expect_identical(listSharedObjects()$Id, "stays", info = what)
    freeSharedMemory("stays")
  }
})

test_that("lifetime \"process\" ends when the package is unloaded", {
  local_clean_shm()
  skip_on_os("windows")
  session <- local_session()
  run_in(session, function() {
    allocateSharedMemory(10, c("own", ""), lifetime = "process")
    allocateSharedMemory(10, "stays")
    unloadNamespace("sharedmemory")
  })
  expect_identical(listSharedObjects()$Id, "stays")
  # Loaded again it starts again, and ends again.
  run_in(session, function() {
    library(sharedmemory)
    allocateSharedMemory(10, "own", lifetime = "process")
  })
  expect_true(hasSharedMemory("own"))
  expect_true(end_session(session))
  expect_identical(listSharedObjects()$Id, "stays")
  freeSharedMemory("stays")
})

test_that("\"process\" is its creator's lifetime, not that of whoever opens it", {
  local_clean_shm()
  skip_on_os("windows")
  allocateSharedMemory(10, "ours")
  session <- local_session()
  run_in(session, function() {
    allocateSharedMemory(10, "ours", lifetime = "process")
    mapSharedMemory("ours")
  })
  expect_true(end_session(session))
  expect_true(hasSharedMemory("ours"))
  freeSharedMemory("ours")
})

test_that("lifetime \"process\" is not ended by an error, gc or release", {
  local_clean_shm()
  session <- local_session()
  run_in(session, function() {
    allocateSharedMemory(10, "own", lifetime = "process")
    mapSharedMemory("own")
    unmapSharedMemory("own")
    try(stop("an error"), silent = TRUE)
    releaseSharedObjectPackageData()
    gc()
  })
  expect_true(hasSharedMemory("own"))
  expect_true(end_session(session))
  expect_false(hasSharedMemory("own"))
})

test_that("a forked child frees nothing of its parent's", {
  local_clean_shm()
  skip_if_no_fork()
  skip_if_not_installed("parallel")
  session <- local_session()
  answers <- run_in(session, function() {
    allocateSharedMemory(10, "own", lifetime = "process")
    pointer <- mapSharedMemory("own")
    has <- function() hasSharedMemory("own")
    collect <- function(job) parallel::mccollect(job, wait = TRUE, timeout = 30)
    collect(parallel::mcparallel({
      gc()
      1
    }))
    returned <- has()
    # Uses the package, so that it has something to do at its end.
    collect(parallel::mcparallel({
      allocateSharedMemory(10, "childs", lifetime = "process")
      unmapSharedMemory("own")
      releaseSharedObjectPackageData()
      rm(pointer)
      gc()
    }))
    used <- has()
    # Ends as a whole R does, exit handlers and all.
    suppressWarnings(collect(parallel::mcparallel({
      allocateSharedMemory(10, "quitters", lifetime = "process")
      quit("no")
    })))
    quitted <- has()
    suppressWarnings(collect(parallel::mcparallel({
      unloadNamespace("sharedmemory")
      quit("no")
    })))
    c(returned, used, quitted, has(), identical(pointer, new("externalptr")))
  })
  expect_identical(answers, c(TRUE, TRUE, TRUE, TRUE, FALSE))
  # A child is an owner itself: the one that ended normally has freed its own.
  expect_false(hasSharedMemory("quitters"))
  expect_true(end_session(session))
  expect_false(hasSharedMemory("own"))
  freeSharedMemory("childs")
})

test_that("what a killed process owned stays until it is reclaimed", {
  local_clean_shm()
  skip_on_os("windows")
  session <- local_session()
  id <- run_in(session, function() {
    allocateSharedMemory(10, "own", lifetime = "process")
    allocateSharedMemory(10)
  })
  kill_hard(session)
  expect_identical(hasSharedMemory(c("own", id)), c(TRUE, TRUE))
  # Others that come and go do not remove it either.
  other <- local_session()
  run_in(other, function() {
    options(sharedmemory.reclaim = FALSE)
    allocateSharedMemory(10, lifetime = "process")
  })
  expect_true(end_session(other))
  expect_identical(hasSharedMemory(c("own", id)), c(TRUE, TRUE))
  # Nor does it keep anybody from going on.
  expect_identical(allocateSharedMemory(10, "own"), "own")
  freeSharedMemory(c("own", id))
})

test_that("the end of a process does not remove a successor of its segment", {
  local_clean_shm()
  skip_on_os("windows")
  session <- local_session()
  run_in(session, function() {
    allocateSharedMemory(10, c("a", "b"), lifetime = "process")
    mapSharedMemory("a")
  })
  freeSharedMemory(c("a", "b"))
  allocateSharedMemory(10, "a")
  allocateSharedMemory(10, "b", lifetime = "process")
  expect_true(end_session(session))
  expect_identical(hasSharedMemory(c("a", "b")), c(TRUE, TRUE))
  freeSharedMemory(c("a", "b"))
})

# ---- successors --------------------------------------------------------------

test_that("mapping a name that a successor has taken is the error replaced", {
  local_clean_shm()
  skip_on_os("windows")
  use_native()
  session <- local_session()
  allocateSharedMemory(100, "a")
  old <- mapSharedMemory("a")
  poke(old, charToRaw("old"))
  run_in(session, function() freeSharedMemory("a"))

  # Freed, and nobody has the name: it is still the one that is mapped.
  expect_false(hasSharedMemory("a"))
  expect_identical(rawToChar(peek(mapSharedMemory("a"), 3)), "old")
  unmapSharedMemory("a")

  run_in(session, function() allocateSharedMemory(100, "a"))
  for (readonly in c(FALSE, TRUE)) {
    error <- expect_refused(mapSharedMemory("a", readonly), "replaced")
    expect_identical(error$id, "a")
  }
  expect_refused(mapSharedMemory(c("a", "a")), "replaced")
  # What is mapped stays what it was.
  expect_identical(rawToChar(peek(old, 3)), "old")

  unmapSharedMemory("a")
  expect_true(is_null(old))
  new <- mapSharedMemory("a")
  expect_identical(peek(new, 3), raw(3))
  expect_true(is_null(old) || identical(old, new))
  freeSharedMemory("a")
})

test_that("free acts on the name, also if a successor bears it", {
  local_clean_shm()
  skip_on_os("windows")
  session <- local_session()
  allocateSharedMemory(100, "a")
  pointer <- mapSharedMemory("a")
  run_in(session, function() {
    freeSharedMemory("a")
    allocateSharedMemory(100, "a")
  })
  freeSharedMemory("a")
  expect_true(looks_null(pointer))
  expect_false(hasSharedMemory("a"))
  expect_false(run_in(session, function() hasSharedMemory("a")))
})

test_that("a successor made by this process itself is told as well", {
  local_clean_shm()
  skip_on_os("windows")
  session <- local_session()
  allocateSharedMemory(100, "a")
  mapSharedMemory("a")
  run_in(session, function() freeSharedMemory("a"))
  allocateSharedMemory(100, "a")
  expect_refused(mapSharedMemory("a"), "replaced")
  unmapSharedMemory("a")
  expect_false(looks_null(mapSharedMemory("a")))
  freeSharedMemory("a")
})
