# A file system that is full, or that cannot be written to.

test_that("a segment larger than /dev/shm is an error that tells both sizes", {
  skip_if_cannot_unshare()
  answers <- in_small_shm(function() {
    e <- tryCatch(allocateSharedMemory(5e6), error = identity)
    named <- tryCatch(allocateSharedMemory(2e6, "a"), error = identity)
    left <- setdiff(
      list.files("/dev/shm"),
      paste0("smem-control.", Sys.getenv("SHAREDMEMORY_NAMESPACE"))
    )
    list(
      kinds = c(class(e)[1], class(named)[1]), message = conditionMessage(e),
      has = hasSharedMemory("a"), left = left,
      goes_on = allocateSharedMemory(10)
    )
  })
  expect_identical(answers$kinds, rep("sharedmemory_error_no_space", 2))
  expect_match(answers$message, "no room for 5000000 bytes")
  free <- as.numeric(sub(
    ".* leaves ([0-9]+) .*", "\\1", answers$message
  ))
  expect_gt(free, 2^19)
  expect_lte(free, 2^20)
  expect_match(answers$message, "--shm-size")
  expect_match(answers$message, "remount")
  expect_false(answers$has)
  expect_identical(answers$left, character())
  expect_type(answers$goes_on, "character")
})

test_that("/dev/shm can be filled to the last byte without a SIGBUS", {
  skip_if_cannot_unshare()
  answers <- in_small_shm(function(library, functions) {
    dyn.load(library)
    list2env(functions, globalenv())
    fits <- function(size) {
      tryCatch(
        {
          freeSharedMemory(allocateSharedMemory(size))
          TRUE
        },
        sharedmemory_error_no_space = function(e) FALSE
      )
    }
    # The largest that fits, to the byte.
    good <- 1
    bad <- 2^21
    while (bad - good > 1) {
      middle <- (good + bad) %/% 2
      if (fits(middle)) good <- middle else bad <- middle
    }
    id <- allocateSharedMemory(good)
    pointer <- mapSharedMemory(id)
    size <- getSharedMemorySize(id)
    fill(pointer, size, 170)
    intact <- identical(peek(pointer, size), as.raw(rep(170, size)))
    full <- class(tryCatch(allocateSharedMemory(1), error = identity))[1]
    footer <- hasSharedMemory(id)
    freeSharedMemory(id)

    # Many small ones, until the last one fails.
    ids <- character()
    repeat {
      id <- tryCatch(
        allocateSharedMemory(5000),
        sharedmemory_error_no_space = function(e) NULL
      )
      if (is.null(id)) break
      ids <- c(ids, id)
    }
    for (pointer in mapSharedMemory(ids)) fill(pointer, 5000, 85)
    all <- all(hasSharedMemory(ids))
    # A batch that does not fit leaves all the room that there was.
    freeSharedMemory(ids[1:10])
    batch <- class(tryCatch(
      allocateSharedMemory(rep(5000, 11)),
      error = identity
    ))
    again <- length(allocateSharedMemory(rep(5000, 10)))
    list(
      good = good, size = size, intact = intact, full = full, footer = footer,
      count = length(ids), all = all, batch = batch[1], again = again
    )
  }, native_library("bytes"), native_functions)
  no_space <- "sharedmemory_error_no_space"
  expect_gt(answers$good, 2^20 - 3 * 4096)
  expect_gte(answers$size, answers$good)
  expect_true(answers$intact)
  expect_identical(answers$full, no_space)
  expect_true(answers$footer)
  expect_gt(answers$count, 100)
  expect_true(answers$all)
  expect_identical(answers$batch, no_space)
  expect_identical(answers$again, 10L)
})

test_that("with /dev/shm full to begin with, loading and looking work", {
  skip_if_cannot_unshare()
  answers <- in_small_shm(function() {
    system("cat /dev/zero > /dev/shm/full 2> /dev/null")
    kind <- function(code) tryCatch(code, error = function(e) class(e)[1])
    unloadNamespace("sharedmemory")
    library(sharedmemory)
    list(
      kind(allocateSharedMemory(1)), kind(allocateSharedMemory(1, "a")),
      kind(initialSharedObjectPackageData()), hasSharedMemory("a"),
      nrow(listSharedObjects()), getLastIndex(), freeSharedMemory("a"),
      releaseSharedObjectPackageData(), list.files("/dev/shm")
    )
  })
  no_space <- "sharedmemory_error_no_space"
  expect_identical(
    answers,
    list(no_space, no_space, no_space, FALSE, 0L, 0L, NULL, NULL, "full")
  )
})

test_that("where nothing can be made, nothing fails but making", {
  skip_if_cannot_unshare()
  answers <- in_small_shm(function() {
    kind <- function(code) tryCatch(code, error = function(e) class(e)[1])
    list(
      kind(allocateSharedMemory(1)), kind(allocateSharedMemory(1, "a")),
      kind(initialSharedObjectPackageData()), hasSharedMemory("a"),
      nrow(listSharedObjects()), getLastIndex(), freeSharedMemory("a"),
      releaseSharedObjectPackageData()
    )
  }, size = "1m,ro")
  for (answer in answers[1:3]) {
    expect_match(answer, "^sharedmemory_error_(system|permission|control)$")
  }
  expect_identical(answers[-(1:3)], list(FALSE, 0L, 0L, NULL, NULL))
})
