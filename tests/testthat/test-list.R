test_that("an empty namespace gives the columns and no row", {
  local_clean_shm()
  listed <- listSharedObjects()
  expect_s3_class(listed, "data.frame")
  expect_identical(listed$Id, character())
  expect_identical(listed$size, numeric())
  expect_identical(names(listed)[1:2], c("Id", "size"))
  expect_identical(nrow(listed), 0L)
  # Looking does not create anything, neither does a list with limits.
  listSharedObjects(end = 1, start = 1)
  expect_identical(objects_in(), character())

  # The same after there was something.
  freeSharedMemory(allocateSharedMemory(10))
  expect_identical(listSharedObjects(), listed)
})

test_that("every segment has a row: numbers in their order, then names", {
  local_clean_shm()
  ids <- allocateSharedMemory(rep(c(10, 5000), 6))
  names <- c("b", "a", "B", "caf\u00e9", "100a", "-1")
  allocateSharedMemory(10, names)
  allocateSharedMemory(10, 1000)
  listed <- listSharedObjects()
  # "10" comes after "9".
  expect_identical(listed$Id[1:13], c(ids, "1000"))
  expect_identical(listed$Id[14:19], sort(names, method = "radix"))
  expect_identical(nrow(listed), 19L)
  expect_identical(listed$size, getSharedMemorySize(listed$Id))
  expect_type(listed$Id, "character")
  expect_type(listed$size, "double")
  # Straight back into the other functions.
  freeSharedMemory(listed$Id)
  expect_identical(nrow(listSharedObjects()), 0L)
})

test_that("limits concern numbers, and are inclusive", {
  local_clean_shm()
  ids <- as.integer(allocateSharedMemory(rep(10, 10)))
  allocateSharedMemory(10, "name")
  numbers <- function(...) {
    listed <- listSharedObjects(...)$Id
    expect_true("name" %in% listed)
    as.integer(setdiff(listed, "name"))
  }
  expect_identical(numbers(), ids)
  expect_identical(numbers(ids[3]), ids[1:3])
  expect_identical(numbers(end = ids[3]), ids[1:3])
  expect_identical(numbers(start = ids[8]), ids[8:10])
  expect_identical(numbers(ids[5], ids[4]), ids[4:5])
  expect_identical(numbers(end = ids[4], start = ids[4]), ids[4])
  expect_identical(numbers(end = ids[4], start = ids[5]), integer())
  expect_identical(numbers(end = Inf, start = -Inf), ids)
  expect_identical(numbers(end = 0), integer())
  expect_identical(numbers(start = 2^60), integer())
  # An id is as good as a number.
  expect_identical(numbers(end = as.character(ids[2])), ids[1:2])
  expect_identical(numbers(start = as.numeric(ids[9])), ids[9:10])
  expect_identical(numbers(NULL, NULL), ids)
  freeSharedMemory(c(ids, "name"))
})

test_that("what is not a segment has a row without a size", {
  local_clean_shm()
  skip_if_not_linux()
  allocateSharedMemory(10, "good")
  allocateSharedMemory(10, "short")
  writeLines("no segment", segment_file("text"))
  file.symlink("/dev/null", segment_file("link"))
  dir.create(segment_file("directory"))
  con <- file(segment_file("short"), "wb")
  close(con)
  listed <- listSharedObjects()
  expect_identical(
    listed$Id, c("directory", "good", "link", "short", "text")
  )
  expect_identical(is.na(listed$size), c(TRUE, FALSE, TRUE, TRUE, TRUE))
  unlink(segment_file("directory"), recursive = TRUE)
  freeSharedMemory(c("good", "short", "text", "link"))
})

test_that("files that only look similar are not listed", {
  local_clean_shm()
  skip_if_not_linux()
  others <- paste0("/dev/shm/", c(
    paste0("smem.", this_namespace(), "x.1"),
    paste0("xsmem.", this_namespace(), ".1"),
    paste0("smem.x", this_namespace(), ".1")
  ))
  withr::defer(unlink(others))
  file.create(others)
  allocateSharedMemory(10, "a")
  expect_identical(listSharedObjects()$Id, "a")
  freeSharedMemory("a")
})

test_that("a file whose name is not an id does not disturb the list", {
  local_clean_shm()
  skip_if_not_linux()
  # Latin-1, which nobody can have made through the package.
  strange <- c(segment_file("caf\xe9"), segment_file("new\nline"))
  withr::defer(unlink(strange))
  for (file in strange) {
    system2("touch", shQuote(file))
  }
  skip_if_not(length(objects_in()) == 2, "the shell has changed the name")
  allocateSharedMemory(10, "a")
  listed <- listSharedObjects()
  expect_identical(nrow(listed), 3L)
  expect_identical(sum(is.na(listed$size)), 2L)
  expect_true("a" %in% listed$Id)
  expect_silent(capture.output(print(listed)))
  freeSharedMemory("a")
  unlink(strange)
})

test_that("thousands of segments are listed", {
  local_clean_shm()
  ids <- allocateSharedMemory(rep(10, 2000))
  names <- allocateSharedMemory(10, sprintf("name%04d", 1:500))
  listed <- listSharedObjects()
  expect_identical(listed$Id, c(ids, names))
  expect_false(anyNA(listed$size))
  expect_identical(
    listSharedObjects(start = ids[1001], end = ids[1010])$Id,
    c(ids[1001:1010], names)
  )
  freeSharedMemory(listed$Id)
})

test_that("a list while others come and go is whole", {
  local_clean_shm()
  skip_on_os("windows")
  stay <- allocateSharedMemory(rep(10, 20))
  flag <- local_flag()
  other <- start_r(function(flag) {
    library(sharedmemory)
    file.create(flag)
    while (file.exists(flag)) {
      freeSharedMemory(allocateSharedMemory(rep(10, 50)))
    }
  }, flag)
  wait_for_file(flag)
  for (i in 1:200) {
    listed <- listSharedObjects()
    if (!all(stay %in% listed$Id) || anyNA(listed$size)) break
  }
  unlink(flag)
  expect_true(all(stay %in% listed$Id))
  expect_false(anyNA(listed$size))
  result_of(other)
  freeSharedMemory(stay)
})
