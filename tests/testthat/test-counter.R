# Elements that change as one step.

counter_types <- c("integer", "uint32", "int64", "double")

test_that("fetchAdd() gives the value before, of the type that an element has in R", {
  local_clean_shm()
  for (type in counter_types) {
    a <- local_array(type, c(5, 7, 9))
    kind <- typeof(a[1])
    expect_identical(fetchAdd(a, 2), methods::as(7, kind), info = type)
    expect_identical(fetchAdd(a, 2, 10L), methods::as(8, kind), info = type)
    expect_identical(fetchAdd(a, 2L, -3), methods::as(18, kind), info = type)
    expect_identical(a[], methods::as(c(5, 15, 9), kind), info = type)
    expect_identical(fetchAdd(a, 3, by = 0), methods::as(9, kind), info = type)
  }
  a <- local_array("double", c(0.5, NA, Inf))
  expect_identical(fetchAdd(a, 1, 0.25), 0.5)
  expect_identical(fetchAdd(a, 2), NA_real_)
  expect_identical(fetchAdd(a, 3, -1), Inf)
  expect_identical(a[], c(0.75, NA, Inf))
})

test_that("in an array with dim and with an offset", {
  local_clean_shm()
  id <- allocateSharedMemory(100)
  a <- sharedArray(id, "uint32", dim = c(2, 3), offset = 8)
  expect_identical(fetchAdd(a, 6), 0)
  expect_identical(a[2, 3], 1)
  expect_true(compareAndSet(a, 5, 0, 4))
  expect_identical(a[1, 3], 4)
  freeSharedMemory(id)
})

test_that("what does not fit is an error, and nothing has changed", {
  local_clean_shm()
  ends <- list(
    integer = c(-.Machine$integer.max, .Machine$integer.max),
    uint32 = c(0, 2^32 - 1)
  )
  for (type in names(ends)) {
    a <- local_array(type, ends[[type]])
    before <- content(sharedMemoryId(a))
    expect_refused(fetchAdd(a, 1, -1), info = type)
    expect_refused(fetchAdd(a, 2, 1), info = type)
    expect_refused(fetchAdd(a, 2, 2^53), info = type)
    expect_refused(fetchAdd(a, 1, -2^53), info = type)
    expect_identical(content(sharedMemoryId(a)), before, info = type)
    expect_identical(as.double(fetchAdd(a, 2, -1)), as.double(ends[[type]][2]))
  }
  a <- local_array("int64", c(-(2^63 - 1024), 2^63 - 1024, 2^53))
  expect_refused(fetchAdd(a, 1, -1024)) # that would be NA
  expect_refused(fetchAdd(a, 2, 2^53))
  # a number that a double does not hold cannot be told, so it is not changed
  expect_identical(fetchAdd(a, 3), 2^53)
  error <- expect_refused(fetchAdd(a, 3))
  expect_match(conditionMessage(error), "beyond 2\\^53")
  for (type in c("integer", "int64")) {
    a <- local_array(type, c(NA, 1))
    expect_match(conditionMessage(expect_refused(fetchAdd(a, 1))), "element 1 is NA")
  }
})

test_that("arguments are checked", {
  skip_if_not_linux()
  local_clean_shm()
  for (type in setdiff(array_types, counter_types)) {
    a <- local_array(type, array_samples[[type]])
    expect_refused(fetchAdd(a, 1), info = type)
    expect_refused(compareAndSet(a, 1, a[1], a[1]), info = type)
  }
  for (type in counter_types) {
    a <- local_array(type, c(1, 2))
    for (bad in list(NA, NA_real_, "1", NULL, c(1, 2), numeric(), NaN, list(1),
                     factor(1))) {
      expect_refused(fetchAdd(a, 1, bad), info = deparse(bad))
    }
    if (type != "double") expect_refused(fetchAdd(a, 1, 0.5))
    for (bad in list(3, Inf, 1e300)) {
      expect_refused(fetchAdd(a, bad), "bounds", info = deparse(bad))
    }
    for (bad in list(0, -1, NA, "a", NULL, c(1, 2), numeric(), TRUE + 1i, mean)) {
      expect_true(
        kind_of(fetchAdd(a, bad)) %in% c("bounds", "argument"), info = deparse1(bad)
      )
      expect_true(
        kind_of(compareAndSet(a, bad, 1, 1)) %in% c("bounds", "argument"),
        info = deparse1(bad)
      )
    }
    for (bad in list("1", NULL, c(1, 2), numeric(), factor(1), list(1))) {
      expect_refused(compareAndSet(a, 1, bad, 1), info = deparse(bad))
      expect_refused(compareAndSet(a, 1, 1, bad), info = deparse(bad))
    }
    expect_identical(as.double(a[]), c(1, 2))
  }
  for (bad in list(1, "a", NULL, mean, list())) {
    expect_refused(fetchAdd(bad, 1), info = deparse1(bad))
    expect_refused(compareAndSet(bad, 1, 1, 1), info = deparse1(bad))
  }
  sealed <- sharedArray(local_sealed(c(1, 2)))
  expect_refused(fetchAdd(sealed, 1), "sealed")
  expect_refused(compareAndSet(sealed, 1, 1, 2), "sealed")
  empty <- local_array("double", numeric())
  expect_refused(fetchAdd(empty, 1), "bounds")
})

test_that("compareAndSet() replaces what is there, and nothing else", {
  local_clean_shm()
  for (type in counter_types) {
    a <- local_array(type, c(1, 2, 3))
    expect_false(compareAndSet(a, 2, 1, 9))
    expect_identical(as.double(a[]), c(1, 2, 3), info = type)
    expect_true(compareAndSet(a, 2, 2, 9))
    expect_identical(as.double(a[]), c(1, 9, 3), info = type)
  }
  for (type in c("integer", "int64", "double")) {
    a <- local_array(type, c(NA, 1))
    expect_true(compareAndSet(a, 1, NA, 5), info = type)
    expect_true(compareAndSet(a, 2, 1L, NA), info = type)
    expect_identical(as.double(a[]), c(5, NA), info = type)
  }
  a <- local_array("uint32", 1)
  expect_refused(compareAndSet(a, 1, 1, NA))
  a <- local_array("double", c(NaN, -0))
  expect_true(compareAndSet(a, 1, NaN, 1))
  expect_false(compareAndSet(a, 2, 0, 1))
  expect_true(compareAndSet(a, 2, -0, 1))
})

test_that("numbers of several processes add up", {
  local_clean_shm()
  id <- allocateSharedMemory(4 * 8)
  arrays <- lapply(0:3, function(i) sharedArray(id, counter_types[i + 1], 1, i * 8))
  sessions <- list(local_session(), local_session(), local_session())
  for (session in sessions) {
    session$call(function(arrays) {
      for (i in 1:2000) for (a in arrays) fetchAdd(a, 1)
    }, list(arrays))
  }
  # a maximum by compareAndSet() beside it must not lose any
  for (i in 1:2000) {
    for (a in arrays) {
      repeat {
        seen <- a[[1]]
        if (compareAndSet(a, 1, seen, seen + 1)) break
      }
    }
  }
  for (session in sessions) answer_of(session)
  for (a in arrays) expect_identical(as.double(a[1]), 8000)
  freeSharedMemory(id)
})

test_that("each number is drawn once", {
  local_clean_shm()
  id <- allocateSharedMemory(8)
  counter <- sharedArray(id, "int64")
  draw <- function(counter) {
    mine <- c()
    while ((job <- fetchAdd(counter, 1)) < 3000) mine <- c(mine, job)
    mine
  }
  sessions <- list(local_session(), local_session())
  for (session in sessions) session$call(draw, list(counter))
  jobs <- c(draw(counter), unlist(lapply(sessions, answer_of)))
  expect_identical(sort(jobs), as.double(0:2999))
  freeSharedMemory(id)
})
