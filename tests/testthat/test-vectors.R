test_that("several ids give plain vectors in their order", {
  local_clean_shm()
  sizes <- c(5000, 10, 100000, 10)
  ids <- allocateSharedMemory(sizes, c("b", "", "a", ""))
  expect_type(ids, "character")
  expect_null(attributes(ids))
  expect_identical(ids[c(1, 3)], c("b", "a"))
  # Numbers go to the unnamed ones in their order too.
  expect_identical(diff(as.integer(ids[c(2, 4)])), 1L)

  ask <- c(ids[3], "never", ids[1], ids[3])
  expect_identical(hasSharedMemory(ask), c(TRUE, FALSE, TRUE, TRUE))
  actual <- getSharedMemorySize(ids)
  expect_type(actual, "double")
  expect_true(all(actual >= sizes & actual < sizes + 8192))
  expect_identical(getSharedMemorySize(rev(ids)), rev(actual))

  pointers <- mapSharedMemory(ids)
  expect_type(pointers, "list")
  expect_length(pointers, 4)
  for (i in seq_along(ids)) {
    expect_identical(pointers[[i]], mapSharedMemory(ids[i]))
  }
  expect_false(identical(pointers[[1]], pointers[[2]]))
  freeSharedMemory(ids)
  expect_identical(hasSharedMemory(ids), rep(FALSE, 4))
})

test_that("one id gives a pointer, not a list", {
  local_clean_shm()
  id <- allocateSharedMemory(10)
  expect_type(mapSharedMemory(id), "externalptr")
  expect_type(mapSharedMemory(c(id, id)), "list")
  freeSharedMemory(id)
})

test_that("a batch of names that fails midway is undone", {
  local_clean_shm()
  allocateSharedMemory(10, "taken")
  allocateSharedMemory(10, "old")
  error <- expect_refused(
    allocateSharedMemory(c(10, 10, 1e6, 10), c("new", "old", "taken", "last")),
    "too_small"
  )
  expect_identical(error$element, 3)
  expect_identical(error$id, "taken")
  # What was there before is still there.
  expect_identical(
    hasSharedMemory(c("new", "old", "taken", "last")),
    c(FALSE, TRUE, TRUE, FALSE)
  )

  error <- expect_refused(
    allocateSharedMemory(10, c("new", "taken"), exclusive = TRUE), "exists"
  )
  expect_identical(error$element, 2)

  # Twice the same name: the second one exists by then.
  error <- expect_refused(
    allocateSharedMemory(10, c("twice", "twice"), exclusive = TRUE), "exists"
  )
  expect_identical(error$element, 2)
  expect_identical(allocateSharedMemory(10, c("x", "x")), c("x", "x"))
  freeSharedMemory(c("taken", "old", "x"))
})

test_that("a batch without names that fails midway is undone", {
  local_clean_shm()
  initialSharedObjectPackageData()
  error <- expect_refused(
    allocateSharedMemory(c(10, 10, 10, 2^50, 10)), "no_space"
  )
  expect_identical(error$element, 4)
  error <- expect_refused(
    allocateSharedMemory(c(10, 10, 2^50), c("a", "", "b")), "no_space"
  )
  expect_identical(error$element, 3)
  allocateSharedMemory(10, "taken")
  error <- expect_refused(
    allocateSharedMemory(c(10, 10, 10, 1e6), c("", "a", "", "taken")),
    "too_small"
  )
  expect_identical(error$element, 4)
  freeSharedMemory("taken")
})

test_that("of several ids all are mapped, or none", {
  local_clean_shm()
  ids <- allocateSharedMemory(rep(10, 3))
  held <- mapSharedMemory(ids[1])
  error <- expect_refused(
    mapSharedMemory(c(ids[1], ids[2], "never", ids[3])), "not_found"
  )
  expect_identical(error$element, 3)
  expect_identical(error$id, "never")
  # The count of what was mapped before is what it was.
  unmapSharedMemory(ids[1])
  expect_true(looks_null(held))
  expect_identical(count_mapped(), 0L)

  error <- expect_refused(
    mapSharedMemory(c(ids, "never"), readonly = TRUE), "not_found"
  )
  expect_identical(error$element, 4)
  freeSharedMemory(ids)
})

test_that("a failed mapping leaves the pointers of an earlier one good", {
  local_clean_shm()
  use_native()
  id <- allocateSharedMemory(10)
  pointer <- mapSharedMemory(id)
  poke(pointer, as.raw(7))
  expect_refused(mapSharedMemory(c(id, "never"), readonly = TRUE), "not_found")
  expect_identical(peek(pointer, 1), as.raw(7))
  freeSharedMemory(id)
})

test_that("has and size name the element that fails", {
  local_clean_shm()
  skip_if_not_linux()
  ids <- allocateSharedMemory(rep(10, 2))
  error <- expect_refused(getSharedMemorySize(c(ids, "never")), "not_found")
  expect_identical(error$element, 3)
  writeLines("no segment", segment_file("text"))
  error <- expect_refused(hasSharedMemory(c(ids[1], "text")), "corrupt")
  expect_identical(error$element, 2)
  freeSharedMemory(c(ids, "text"))
})

test_that("of several ids all are freed, or none", {
  local_clean_shm()
  skip_if_not_linux()
  ids <- allocateSharedMemory(rep(10, 2))
  pointer <- mapSharedMemory(ids[1])
  dir.create(segment_file("directory"))
  error <- expect_refused(
    freeSharedMemory(c(ids[1], "directory", ids[2])), "corrupt"
  )
  expect_identical(error$element, 2)
  expect_identical(error$id, "directory")
  expect_false(looks_null(pointer))
  unlink(segment_file("directory"), recursive = TRUE)
  # What does not exist, or is named twice, is not a reason to stop.
  expect_null(freeSharedMemory(c(ids[1], "never", ids, ids[2])))
})

test_that("repeated ids count each time", {
  local_clean_shm()
  id <- allocateSharedMemory(10)
  pointers <- mapSharedMemory(c(id, id, id))
  unmapSharedMemory(c(id, id))
  expect_false(looks_null(pointers[[1]]))
  unmapSharedMemory(id)
  expect_true(all(vapply(pointers, looks_null, NA)))
  freeSharedMemory(id)
})

test_that("thousands of segments come and go in one call", {
  local_clean_shm()
  ids <- allocateSharedMemory(rep(10, 5000))
  expect_identical(anyDuplicated(ids), 0L)
  expect_identical(ids, as.character(seq_len(5000) + as.integer(ids[1]) - 1L))
  expect_true(all(hasSharedMemory(ids)))
  pointers <- mapSharedMemory(ids)
  expect_length(unique(pointers), 5000)
  freeSharedMemory(ids)
  expect_true(all(vapply(pointers, looks_null, NA)))
  expect_false(any(hasSharedMemory(ids)))
})
