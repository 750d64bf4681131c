# readSharedMemory() and writeSharedMemory().

test_that("every type comes back bit for bit", {
  local_clean_shm()
  for (type in names(samples)) {
    values <- samples[[type]]
    id <- local_segment(values)
    expect_same_bits(readSharedMemory(id, type), values, type)
    # At any offset, aligned or not, and in parts.
    wide <- allocateSharedMemory(500)
    for (offset in c(0, 1, 3, 7, 8, 13, 100)) {
      expect_null(expect_invisible(writeSharedMemory(wide, values, offset)))
      got <- readSharedMemory(wide, type, length(values), offset)
      expect_same_bits(got, values, paste(type, offset))
    }
    got <- readSharedMemory(wide, type, 2, offset + 3 * type_sizes[[type]])
    expect_same_bits(got, values[4:5], type)
    freeSharedMemory(wide)
  }
})

test_that("what is not written stays, and a read changes nothing", {
  local_clean_shm()
  id <- local_segment(as.raw(1:100))
  writeSharedMemory(id, as.raw(c(0, 0)), offset = 49)
  expect_identical(content(id), replace(as.raw(1:100), 50:51, as.raw(0)))
  x <- readSharedMemory(id, "raw")
  x[] <- as.raw(9)
  expect_identical(content(id), replace(as.raw(1:100), 50:51, as.raw(0)))
})

test_that("without `length` all of what was asked for is read, and no more", {
  local_clean_shm()
  id <- allocateSharedMemory(83)
  lengths <- vapply(names(type_sizes), function(type) {
    length(readSharedMemory(id, type))
  }, 0L)
  expect_identical(lengths, c(
    raw = 83L, logical = 20L, integer = 20L, double = 10L, complex = 5L
  ))
  expect_length(readSharedMemory(id, "raw", offset = 80), 3)
  expect_length(readSharedMemory(id, offset = 80), 0)
  expect_length(readSharedMemory(id, offset = 83), 0)
  # With `length`, all of the capacity.
  capacity <- getSharedMemorySize(id)
  expect_gt(capacity, 83)
  expect_identical(readSharedMemory(id, "raw", capacity), raw(capacity))
  freeSharedMemory(id)
})

test_that("zero elements can be read and written anywhere up to the end", {
  local_clean_shm()
  id <- local_segment(as.raw(1:10))
  capacity <- getSharedMemorySize(id)
  for (type in names(type_sizes)) {
    for (offset in c(0, 3, capacity)) {
      expect_identical(readSharedMemory(id, type, 0, offset), vector(type))
      expect_null(writeSharedMemory(id, vector(type), offset))
    }
  }
  expect_refused(readSharedMemory(id, "raw", 0, capacity + 1), "bounds")
  expect_refused(writeSharedMemory(id, raw(), capacity + 1), "bounds")
  expect_identical(content(id), as.raw(1:10))
})

test_that("all of the capacity can be written, and the segment is still one", {
  local_clean_shm()
  for (size in c(1, 3072, 3073)) {
    id <- allocateSharedMemory(size)
    capacity <- getSharedMemorySize(id)
    writeSharedMemory(id, rep(as.raw(255), capacity))
    expect_identical(getSharedMemorySize(id), capacity)
    expect_true(hasSharedMemory(id))
    expect_identical(
      readSharedMemory(id, "raw", capacity), rep(as.raw(255), capacity)
    )
    # One byte more is the footer's.
    expect_refused(writeSharedMemory(id, raw(capacity + 1)), "bounds")
    expect_refused(writeSharedMemory(id, raw(1), capacity), "bounds")
    expect_refused(writeSharedMemory(id, 1, capacity - 7), "bounds")
    expect_refused(readSharedMemory(id, "raw", 1, capacity), "bounds")
    expect_identical(
      readSharedMemory(id, "raw", capacity), rep(as.raw(255), capacity)
    )
    freeSharedMemory(id)
  }
})

# An error that says all of this.
expect_says <- function(error, op, id, ...) {
  expect_identical(error$op, op)
  expect_identical(error$id, id)
  for (text in c(...)) expect_match(conditionMessage(error), text, fixed = TRUE)
}

test_that("what does not fit is refused, with the sizes, and nothing is copied", {
  local_clean_shm()
  id <- local_segment(as.raw(1:80))
  capacity <- getSharedMemorySize(id)
  error <- expect_refused(readSharedMemory(id, length = 1000), "bounds")
  expect_says(error, "read", id, "1000 elements", "double", "offset 0", capacity)
  error <- expect_refused(readSharedMemory(id, "integer", 1, capacity), "bounds")
  expect_says(error, "read", id, "1 elements", "integer", capacity + 4)
  error <- expect_refused(readSharedMemory(id, offset = 81), "bounds")
  expect_says(error, "read", id, "offset 81", 80)
  error <- expect_refused(readSharedMemory(id, "raw", 1, -1), "bounds")
  expect_says(error, "read", id, "offset -1")
  error <- expect_refused(readSharedMemory(id, "complex", 2^53, 0), "bounds")
  expect_says(error, "read", id, "9007199254740992 elements")
  error <- expect_refused(writeSharedMemory(id, numeric(1000)), "bounds")
  expect_says(error, "write", id, 8000, "offset 0", capacity)
  error <- expect_refused(writeSharedMemory(id, 1:3, 2^53), "bounds")
  expect_says(error, "write", id, 12, "offset 9007199254740992", capacity)
  error <- expect_refused(writeSharedMemory(id, 1:3, -5), "bounds")
  expect_says(error, "write", id, "offset -5", capacity)
  expect_identical(content(id), as.raw(1:80))
})

test_that("arguments that make no sense are refused", {
  local_clean_shm()
  id <- local_segment(as.raw(1:80))
  disguised <- structure(1, class = "integer64")
  types <- list(
    "character", "Double", "", NA_character_, 1, NULL, c("double", "raw"),
    character(), "\u00e9", quote(double)
  )
  for (type in types) {
    error <- expect_refused(readSharedMemory(id, type), info = deparse(type))
    expect_match(conditionMessage(error), "`type`", fixed = TRUE)
  }
  numbers <- list(
    NA, NA_real_, Inf, 0.5, "1", TRUE, c(1, 2), factor("1"), disguised, 2^53 + 2
  )
  for (number in numbers) {
    info <- deparse(number)
    error <- expect_refused(readSharedMemory(id, length = number), info = info)
    expect_match(conditionMessage(error), "`length`", fixed = TRUE, info = info)
    error <- expect_refused(readSharedMemory(id, offset = number), info = info)
    expect_match(conditionMessage(error), "`offset`", fixed = TRUE, info = info)
    error <- expect_refused(writeSharedMemory(id, 1, number), info = info)
    expect_match(conditionMessage(error), "`offset`", fixed = TRUE, info = info)
  }
  expect_refused(readSharedMemory(id, length = -1))
  for (x in list("a", list(1), NULL, quote(a), sum, new.env(), expression(a))) {
    error <- expect_refused(writeSharedMemory(id, x), info = typeof(x))
    expect_says(error, "write", id, "`x`", typeof(x))
  }
  for (bad in list(c("a", "b"), character(), NA, "", "a/b", NULL, list(id))) {
    expect_refused(readSharedMemory(bad))
    expect_refused(writeSharedMemory(bad, 1))
  }
  expect_identical(content(id), as.raw(1:80))
})

test_that("what is not there, or not any more, is not found", {
  local_clean_shm()
  id <- allocateSharedMemory(80)
  freeSharedMemory(id)
  for (gone in c("never", id)) {
    expect_says(
      expect_refused(readSharedMemory(gone), "not_found"), "read", gone
    )
    expect_says(
      expect_refused(writeSharedMemory(gone, 1), "not_found"), "write", gone
    )
  }
})

test_that("classes and attributes are not written, only the values", {
  local_clean_shm()
  id <- allocateSharedMemory(100)
  letter <- factor(c("b", "a", NA), levels = c("a", "b"))
  writeSharedMemory(id, letter)
  expect_identical(readSharedMemory(id, "integer", 3), c(2L, 1L, NA))
  writeSharedMemory(id, as.Date("1970-01-11"))
  expect_identical(readSharedMemory(id, length = 1), 10)
  writeSharedMemory(id, structure(5e-324, class = "integer64"))
  expect_identical(readSharedMemory(id, "integer", 2), c(1L, 0L))
  writeSharedMemory(id, matrix(1:6, 2, dimnames = list(NULL, letters[1:3])))
  expect_identical(readSharedMemory(id, "integer", 6), 1:6)
  freeSharedMemory(id)
})

test_that("compact and other vectors that R has not filled in are written", {
  local_clean_shm()
  id <- allocateSharedMemory(8e5)
  writeSharedMemory(id, 1:1e5)
  expect_identical(readSharedMemory(id, "integer", 1e5), 1:1e5 + 0L)
  writeSharedMemory(id, as.numeric(1:1e5))
  expect_identical(readSharedMemory(id, length = 1e5), 1:1e5 + 0)
  freeSharedMemory(id)
})

test_that("a view is written into its own segment as it was before", {
  local_clean_shm()
  values <- as.double(1:1000)
  live_view <- function(id, length, offset = 0, reference) {
    x <- viewSharedMemory(id, length = length, offset = offset, live = TRUE)
    if (reference) unserialize(serialize(x, NULL)) else x
  }
  for (reference in c(FALSE, TRUE)) {
    for (shape in list(identity, function(x) stats::setNames(x, seq_along(x)))) {
      id <- local_segment(values)
      x <- shape(live_view(id, length = 900, reference = reference))
      writeSharedMemory(id, x, offset = 800)
      expect_identical(readSharedMemory(id), c(1:100, 1:900) + 0)
      id <- local_segment(values)
      x <- shape(live_view(id, 900, 800, reference))
      writeSharedMemory(id, x)
      expect_identical(readSharedMemory(id), c(101:1000, 901:1000) + 0)
    }
  }
})

test_that("what one process writes another reads at once", {
  local_clean_shm()
  session <- local_session()
  id <- local_segment(c(1, 2, 3))
  writeSharedMemory(id, 4, offset = 16)
  answer <- run_in(session, function(id) {
    seen <- readSharedMemory(id)
    writeSharedMemory(id, c(5, 6))
    seen
  }, id)
  expect_identical(answer, c(1, 2, 4))
  expect_identical(readSharedMemory(id), c(5, 6, 4))
})

test_that("a damaged segment is neither read nor written", {
  skip_if_portable()
  local_clean_shm()
  skip_if_not_linux()
  writeBin(raw(8192), segment_file("zero"))
  expect_refused(readSharedMemory("zero"), "corrupt")
  expect_refused(writeSharedMemory("zero", 1), "corrupt")
  expect_identical(readBin(segment_file("zero"), "raw", 1e4), raw(8192))
  freeSharedMemory("zero")
})

test_that("neither reading nor writing leaves anything open or mapped", {
  local_clean_shm()
  id <- local_segment(as.double(1:10))
  before <- shared_state()
  for (i in 1:100) {
    writeSharedMemory(id, readSharedMemory(id))
    try(readSharedMemory(id, length = 1e6), silent = TRUE)
  }
  expect_identical(shared_state(), before)
})

# ---- large ones --------------------------------------------------------------------

test_that("vectors of more than 2^31 bytes and elements are copied", {
  skip_on_cran()
  # The segment and the vector.
  skip_if_less_room(2 * 2^31 + 2^28)
  local_clean_shm()
  id <- allocateSharedMemory(2^31 + 4096)
  withr::defer(freeSharedMemory(id))
  session <- local_session()
  marks <- c(1, 2^30, 2^31 - 1, 2^31, 2^31 + 1, 2^31 + 4096)
  run_in(session, function(id, marks) {
    x <- raw(2^31 + 4096)
    for (i in seq_along(marks)) x[marks[i]] <- as.raw(i)
    writeSharedMemory(id, x)
    rm(x)
    gc()
  }, id, marks)
  expect_identical(
    readSharedMemory(id, "raw", 4096, offset = 2^31)[c(1, 4096)], as.raw(5:6)
  )
  answer <- run_in(session, function(id, marks) {
    x <- readSharedMemory(id, "raw")
    list(length(x), x[marks])
  }, id, marks)
  expect_identical(answer, list(2^31 + 4096, as.raw(1:6)))
  sealSharedMemory(id)
  x <- viewSharedMemory(id, "raw")
  expect_identical(list(length(x), x[marks]), answer)
  x[2^31 + 1] <- as.raw(9)
  expect_identical(x[2^31 + 0:2], as.raw(c(4, 9, 0)))
  expect_lt(length(serialize(viewSharedMemory(id, "raw"), NULL)), 300)
})

test_that("Ctrl-C ends a long read and a long write, and nothing stays behind", {
  skip_on_cran()
  skip_if_less_room(2^30)
  local_clean_shm()
  id <- allocateSharedMemory(2^28)
  for (work in list(
    function(id, flag) {
      file.create(flag)
      repeat readSharedMemory(id, "raw")
    },
    function(id, flag) {
      x <- raw(2^28)
      file.create(flag)
      repeat writeSharedMemory(id, x)
    }
  )) {
    flag <- local_flag()
    answer <- interrupt_in(
      work, id, flag,
      ready = function() file.exists(flag),
      after = function() {
        open <- Sys.readlink(list.files("/proc/self/fd", full.names = TRUE))
        c(
          any(grepl("/dev/shm/smem[.]", open)),
          any(grepl("/dev/shm/smem[.]", readLines("/proc/self/maps")))
        )
      }
    )
    expect_interrupted(answer, id)
    expect_identical(answer$seen, c(FALSE, FALSE))
  }
  freeSharedMemory(id)
})
