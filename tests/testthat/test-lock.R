# Locks, in one process: what they take, what they give, what they refuse.

test_that("code runs under the lock, and its value comes back", {
  local_clean_shm()
  id <- allocateSharedMemory(10)
  expect_identical(withSharedLock(id, 1 + 1), 2)
  expect_identical(withSharedLock(id, 1 + 1, shared = TRUE), 2)
  x <- 1
  withSharedLock(id, x <- 2)
  expect_identical(x, 2)
  expect_null(withSharedLock(id, NULL))
  expect_identical(kind_of(withSharedLock(id, unlockSharedMemory(id))), "not_held")
  freeSharedMemory(id)
})

test_that("the id, arrays, the object and views of one segment have one lock", {
  skip_if_not_linux()
  local_clean_shm()
  number <- allocateSharedMemory(8)
  name <- allocateSharedMemory(8, "gr\u00fc\u00df")
  same <- list(
    list(number, as.numeric(number), as.integer(number), sharedArray(number)),
    list(name, iconv(name, "UTF-8", "latin1"), factor(name), sharedArray(name))
  )
  shared <- share(data.frame(x = rnorm(1000)), name = "object")
  same[[3]] <- list("object", shared, unserialize(serialize(shared, NULL)))
  sealed <- local_sealed(c(1, 2, 3))
  same[[4]] <- list(sealed, viewSharedMemory(sealed))
  for (names in same) {
    for (one in names) {
      expect_true(lockSharedMemory(one))
      expect_each(seq_along(names), function(i) {
        kind_of(lockSharedMemory(names[[i]], timeout = 0)) == "deadlock"
      })
      unlockSharedMemory(names[[length(names)]])
      expect_identical(kind_of(unlockSharedMemory(one)), "not_held")
    }
  }
  freeSharedMemory(c(number, name, "object"))
})

test_that("a string that is shared is an object, not an id", {
  skip_if_not_linux()
  local_clean_shm()
  text <- share("other", name = "text")
  withSharedLock(text, {
    expect_identical(kind_of(lockSharedMemory("text", 0)), "deadlock")
    expect_identical(kind_of(lockSharedMemory("other", 0)), "not_found")
  })
  freeSharedMemory("text")
})

test_that("locks of different segments do not concern each other", {
  local_clean_shm()
  ids <- allocateSharedMemory(rep(10, 40))
  for (id in ids) expect_true(lockSharedMemory(id, 0))
  for (id in rev(ids)) unlockSharedMemory(id)
  for (id in ids) expect_identical(kind_of(unlockSharedMemory(id)), "not_held")
  freeSharedMemory(ids)
})

test_that("locking twice is an error in every mode, and does not unlock", {
  local_clean_shm()
  id <- allocateSharedMemory(10)
  for (first in c(FALSE, TRUE)) {
    for (second in c(FALSE, TRUE)) {
      withSharedLock(id, {
        expect_refused(lockSharedMemory(id, shared = second), "deadlock")
        expect_refused(withSharedLock(id, 1, shared = second), "deadlock")
      }, shared = first)
    }
  }
  expect_refused(unlockSharedMemory(id), "not_held")
  freeSharedMemory(id)
})

test_that("the lock is given back however the code ends", {
  local_clean_shm()
  id <- allocateSharedMemory(10)
  free <- function() {
    free <- lockSharedMemory(id, 0)
    unlockSharedMemory(id)
    free
  }
  expect_error(withSharedLock(id, stop("of the code")), "^of the code$")
  expect_true(free())
  leave <- function() {
    withSharedLock(id, return("left"))
    "not left"
  }
  expect_identical(leave(), "left")
  expect_true(free())
  for (i in 1:2) withSharedLock(id, next)
  expect_true(free())
  expect_identical(
    withCallingHandlers(withRestarts(
      withSharedLock(id, message("x")),
      out = function() "out"
    ), message = function(m) invokeRestart("out")), "out"
  )
  expect_true(free())
  expect_error(withSharedLock(id), "code")
  expect_true(free())
  freeSharedMemory(id)
})

test_that("code is not evaluated if the lock is not got", {
  local_clean_shm()
  id <- allocateSharedMemory(10)
  ran <- FALSE
  withSharedLock(id, kind_of(withSharedLock(id, ran <- TRUE)))
  expect_refused(withSharedLock("never", ran <- TRUE), "not_found")
  expect_refused(withSharedLock(id, ran <- TRUE, timeout = -1))
  expect_false(ran)
  freeSharedMemory(id)
})

test_that("arguments are checked", {
  local_clean_shm()
  id <- allocateSharedMemory(10)
  for (lock in list(
    lockSharedMemory,
    function(id, ...) withSharedLock(id, NULL, ...)
  )) {
    for (bad in list(NA, NA_real_, NaN, -1, -Inf, "1", NULL, c(1, 2), numeric(), TRUE,
                     list(1), factor(1), as.Date("2026-01-01"))) {
      expect_refused(lock(id, timeout = bad), info = deparse(bad))
    }
    for (bad in list(NA, 1, "TRUE", NULL, c(TRUE, TRUE), logical())) {
      expect_refused(lock(id, shared = bad), info = deparse(bad))
    }
    for (bad in list(character(), c(id, id), NA, NULL, "", "a/b", -1, 1.5, list(id),
                     mean)) {
      expect_refused(lock(bad), info = deparse1(bad))
    }
    expect_refused(lock("never"), "not_found")
    expect_refused(lock("/never"))
  }
  for (bad in list(1, "f", TRUE, list())) {
    expect_refused(withSharedLock(id, NULL, recovered = bad), info = deparse(bad))
  }
  for (bad in list(character(), c(id, id), NA, NULL)) {
    expect_refused(unlockSharedMemory(bad), info = deparse(bad))
  }
  expect_refused(unlockSharedMemory("never"), "not_held")
  for (good in list(0, 0L, 1e-12, 1L, 1e300, Inf)) {
    expect_true(lockSharedMemory(id, good))
    unlockSharedMemory(id)
  }
  freeSharedMemory(id)
})

test_that("freeing the segment does not take the lock's memory away", {
  local_clean_shm()
  id <- allocateSharedMemory(8, "freed")
  array <- sharedArray(id)
  lockSharedMemory(array)
  freeSharedMemory(id)
  rm(array)
  gc()
  unlockSharedMemory("freed")
  expect_refused(unlockSharedMemory("freed"), "not_held")

  # a successor of the name has a lock of its own
  allocateSharedMemory(8, "freed")
  lockSharedMemory("freed")
  freeSharedMemory("freed")
  allocateSharedMemory(8, "freed")
  expect_true(lockSharedMemory("freed", 0))
  unlockSharedMemory("freed")
  unlockSharedMemory("freed")
  expect_refused(unlockSharedMemory("freed"), "not_held")
  freeSharedMemory("freed")
})

test_that("what was unmapped or replaced since it was locked can be unlocked", {
  local_clean_shm()
  id <- allocateSharedMemory(8, "mapped")
  mapSharedMemory(id)
  lockSharedMemory(id)
  unmapSharedMemory(id)
  expect_identical(kind_of(lockSharedMemory(id, 0)), "deadlock")
  unlockSharedMemory(id)

  mapSharedMemory(id)
  unlink(segment_file(id))
  allocateSharedMemory(8, "mapped")
  expect_refused(lockSharedMemory(id), "replaced")
  unmapSharedMemory(id)
  freeSharedMemory(id)
})

test_that("a process that holds a lock cannot leave the namespace", {
  local_clean_shm()
  id <- allocateSharedMemory(8, lifetime = "freed")
  lockSharedMemory(id)
  freeSharedMemory(id)
  releaseSharedObjectPackageData()
  expect_identical(objects_in(), basename(control_file()))
  unlockSharedMemory(id)
})

test_that("a lock of a sealed segment works, and the seal stays", {
  local_clean_shm()
  id <- local_sealed(c(1, 2))
  expect_identical(withSharedLock(id, readSharedMemory(id, length = 2)), c(1, 2))
  expect_identical(kind_of(writeSharedMemory(id, 3)), "sealed")
})
