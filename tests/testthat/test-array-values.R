# Types of elements: what the segment holds, what R gets, and what is refused.

# A segment with these bytes.
local_bytes <- function(bytes, frame = parent.frame()) {
  id <- allocateSharedMemory(length(bytes))
  withr::defer(freeSharedMemory(id), frame)
  writeSharedMemory(id, bytes)
  id
}

bytes_of <- function(x, size) writeBin(x, raw(), size = size, endian = .Platform$endian)

# The error of this kind.
refusal <- function(code) {
  tryCatch(
    {
      force(code)
      simpleCondition("no error at all")
    },
    sharedmemory_error_argument = identity
  )
}

test_that("the bytes are those that other programs use", {
  local_clean_shm()
  cases <- list(
    int8 = list(c(-128L, -1L, 127L), bytes_of(c(-128L, -1L, 127L), 1)),
    uint8 = list(c(0L, 200L, 255L), as.raw(c(0, 200, 255))),
    int16 = list(c(-32768L, 5L, 32767L), bytes_of(c(-32768L, 5L, 32767L), 2)),
    uint16 = list(c(0L, 40000L, 65535L), bytes_of(c(0L, -25536L, -1L), 2)),
    uint32 = list(c(0, 3e9, 2^32 - 1), bytes_of(c(0L, -1294967296L, -1L), 4)),
    integer = list(c(NA, -1L, 7L), bytes_of(c(NA, -1L, 7L), 4)),
    int64 = list(c(-1, 2^33, 1), bytes_of(c(-1L, -1L, 0L, 2L, 1L, 0L), 4)),
    float32 = list(c(0.5, -2, Inf), bytes_of(c(0.5, -2, Inf), 4)),
    double = list(c(0.1, NA, -Inf), bytes_of(c(0.1, NA, -Inf), 8)),
    bool8 = list(c(TRUE, FALSE, TRUE), as.raw(c(1, 0, 1))),
    raw = list(as.raw(1:3), as.raw(1:3))
  )
  for (type in names(cases)) {
    values <- cases[[type]][[1]]
    a <- local_array(type, values)
    id <- sharedMemoryId(a)
    expect_identical(readSharedMemory(id, "raw"), cases[[type]][[2]], info = type)
    expect_same_bits(a[], values, info = type)
  }
  a <- local_array("complex", c(1 + 2i, NA))
  expect_same_bits(readSharedMemory(sharedMemoryId(a), "complex"), a[])
})

test_that("what was written is read back, element by element and in all ways", {
  local_clean_shm()
  for (type in array_types) {
    values <- array_samples[[type]]
    a <- local_array(type)
    expect_same_bits(a[], values, info = type)
    expect_same_bits(vapply(seq_along(a), function(i) a[i], values[1]), values)
    expect_same_bits(a[10:1], rev(values), info = type)
    a[] <- values[3]
    for (i in seq_along(values)) a[[i]] <- values[[i]]
    expect_same_bits(a[], values, info = type)
    a[c(2, 4, 6)] <- values[c(6, 4, 2)]
    expect_same_bits(a[c(6, 4, 2)], values[c(2, 4, 6)], info = type)
  }
})

test_that("logical bytes are made proper", {
  local_clean_shm()
  id <- local_bytes(bytes_of(c(0L, 1L, 2L, -1L, NA, 256L), 4))
  a <- sharedArray(id, "logical")
  proper <- c(FALSE, TRUE, TRUE, TRUE, NA, TRUE)
  for (read in list(a[], a[1:6], a[c(1, 2, 3, 4, 5, 6)], c(a[[1]], a[-1]))) {
    expect_same_bits(read, proper)
  }
  expect_identical(unique(a), c(FALSE, TRUE, NA))
  expect_identical(as.vector(table(a[])), c(1L, 4L))
  b <- sharedArray(id, "bool8")
  expect_identical(sum(b), 1L + 1L + 4L + 1L + 1L)
  expect_same_bits(b[], readSharedMemory(id, "raw") != 0)
})

test_that("an integer that a double cannot hold is an error that names it", {
  local_clean_shm()
  # 2^53 + 1, and the largest
  halves <- c(5L, 0L, 1L, 2097152L, -1L, 2147483647L, 2L, 2097152L)
  id <- local_bytes(bytes_of(halves, 4))
  a <- sharedArray(id, "int64")
  expect_identical(a[c(1, 4)], c(5, 2^53 + 2))
  expect_match(conditionMessage(expect_refused(a[])), "element 2 is a whole number")
  expect_match(conditionMessage(expect_refused(a[3:4])), "element 3 ")
  expect_match(conditionMessage(expect_refused(a[c(4, 3)])), "element 3 ")
  expect_match(conditionMessage(expect_refused(a[[2]])), "element 2 ")
  expect_match(conditionMessage(expect_refused(sum(a))), "element 2 ")
  expect_identical(a[c(NA, 1)], c(NA, 5))
})

test_that("NA is kept where a type has a place for it", {
  local_clean_shm()
  for (type in c("logical", "integer", "int64", "float32", "double", "complex")) {
    a <- local_array(type, rep(array_samples[[type]][4], 3))
    a[2] <- NA
    expect_identical(is.na(a), c(FALSE, TRUE, FALSE), info = type)
    expect_true(anyNA(a), info = type)
  }
  a <- local_array("float32", c(NA, NaN, 1))
  expect_same_bits(is.nan(a[]), c(FALSE, TRUE, FALSE))
  # To other programs it is one of the NaNs.
  same <- readBin(readSharedMemory(sharedMemoryId(a), "raw"), "double", 3, size = 4)
  expect_identical(is.nan(same) | is.na(same), c(TRUE, TRUE, FALSE))
  for (type in c("int8", "uint8", "int16", "uint16", "uint32", "bool8")) {
    a <- local_array(type)
    error <- refusal(a[3] <- NA)
    expect_match(conditionMessage(error), "`value` is NA, which does not fit")
    expect_identical(a[], array_samples[[type]])
  }
})

# Type, values of which the third does not fit.
misfits <- list(
  int8 = list(128, -129, 0.5, NaN, Inf), uint8 = list(300, -1, 256L, 1e300),
  int16 = list(32768, -32769), uint16 = list(-1, 65536, 0.1),
  uint32 = list(-1, 2^32, -0.5, NaN), int64 = list(2^63, -2^63, 0.5, Inf, NaN),
  integer = list(2^31, -2^31, 0.5, NaN, -Inf), float32 = list(1e300, -1e39)
)

test_that("a value that does not fit is an error that names it; nothing is written", {
  local_clean_shm()
  for (type in names(misfits)) {
    a <- local_array(type)
    before <- a[]
    for (value in misfits[[type]]) {
      error <- refusal(a[4:7] <- c(1, 1, value, 1))
      expect_match(conditionMessage(error), "element 3 of `value` is ", info = type)
      expect_match(conditionMessage(error), type, info = type)
      kinds <- c(kind_of(a[] <- value), kind_of(a[[1]] <- value),
                 kind_of(a[c(9, 2)] <- value))
      expect_identical(unique(kinds), "argument", info = type)
    }
    expect_same_bits(a[], before, info = type)
  }
  # In a long one, far behind what is checked at a time.
  a <- local_array("uint8", rep(1L, 5000))
  many <- rep(2, 5000)
  many[4321] <- 256
  expect_match(conditionMessage(expect_refused(a[] <- many)), "element 4321 ")
  expect_identical(sum(a), 5000L)
})

test_that("a wrong type is an error", {
  local_clean_shm()
  values <- list(
    raw = as.raw(1), logical = TRUE, integer = 1L, double = 1, complex = 1i,
    character = "1", list = list(1), "function" = sum, factor = factor("a"),
    integer64 = structure(5e-324, class = "integer64"), expression = expression(a)
  )
  numbers <- c("logical", "integer", "double")
  for (type in array_types) {
    a <- local_array(type)
    before <- a[]
    good <- switch(type, raw = "raw", logical = , bool8 = "logical",
                   complex = c(numbers, "complex"), numbers)
    for (kind in names(values)) {
      info <- paste(kind, "into", type)
      if (kind %in% good) {
        a[1] <- values[[kind]]
        expect_true(a[1] == values[[kind]], info = info)
        a[] <- before
      } else {
        expect_identical(kind_of(a[1] <- values[[kind]]), "argument", info = info)
        expect_identical(kind_of(a[[1]] <- values[[kind]]), "argument", info = info)
        expect_same_bits(a[], before, info = info)
      }
    }
    expect_identical(kind_of(a[1] <- NULL), "argument", info = type)
  }
})

test_that("a warning of R comes before anything is written", {
  local_clean_shm()
  a <- local_array("double", as.double(1:10))
  withr::local_options(warn = 2)
  expect_error(a[1:3] <- c(0, 0), "multiple of replacement length")
  expect_identical(a[], as.double(1:10))
})

test_that("values of vectors that are not written out are taken", {
  local_clean_shm()
  a <- local_array("double", double(1000))
  a[] <- 1:1000
  expect_identical(a[], as.double(1:1000))
  b <- local_array("integer", integer(1000))
  b[] <- 1000:1
  expect_identical(b[], 1000:1)
  b[] <- a
  expect_identical(b[], 1:1000)
  c <- local_array("uint16", integer(1000))
  c[1001 - 1:1000] <- a[]
  expect_identical(c[], 1000:1)
  live <- local_array("integer", 1:10)
  v <- viewSharedMemory(local_segment(11:20), "integer", live = TRUE)
  live[] <- v
  expect_identical(live[], 11:20)
  # Of the very memory that is written.
  own <- viewSharedMemory(sharedMemoryId(live), "integer", live = TRUE)
  live[10:1] <- own
  expect_identical(live[], 20:11)
  live[2:10] <- own[1:9]
  expect_identical(live[], c(20L, 20:12))
})

test_that("arguments are checked", {
  local_clean_shm()
  id <- local_bytes(raw(64))
  expect_refused(sharedArray(id, "float"))
  expect_refused(sharedArray(id, 1))
  expect_refused(sharedArray(id, c("double", "raw")))
  expect_refused(sharedArray(id, NA_character_))
  expect_refused(sharedArray(id, dim = -1))
  expect_refused(sharedArray(id, dim = c(2, NA)))
  expect_refused(sharedArray(id, dim = 1.5))
  expect_refused(sharedArray(id, dim = integer()))
  expect_refused(sharedArray(id, dim = "2"))
  expect_refused(sharedArray(id, dim = 2^31))
  expect_refused(sharedArray(id, dim = rep(2^30, 4)))
  expect_refused(sharedArray(id, dim = factor(1)))
  expect_refused(sharedArray(id, offset = 4))
  expect_refused(sharedArray(id, offset = NA))
  expect_refused(sharedArray(id, "complex", offset = 8))
  expect_refused(sharedArray(id, dim = 1e6), "bounds")
  expect_refused(sharedArray(id, offset = 2^40), "bounds")
  expect_refused(sharedArray(id, offset = -8), "bounds")
  expect_refused(sharedArray(id, dim = 2, offset = 4096), "bounds")
  expect_refused(sharedArray("no such", "double"), "not_found")
  expect_refused(sharedArray(c(id, id)))
  a <- sharedArray(id, "uint8", c(3, 2), offset = 3)
  expect_identical(dim(a), c(3L, 2L))
  expect_length(sharedArray(id, offset = 8), 7)
  expect_length(sharedArray(id, offset = 64), 0)
  wide <- sharedArray(id, dim = c(0, 1e9, 1e9))
  expect_identical(dim(wide), as.integer(c(0, 1e9, 1e9)))
  expect_refused(dim(a) <- 5)
  expect_refused(dim(a) <- -6)
})

test_that("arrays of more than 2^31 elements", {
  n <- 2^31 + 10
  skip_if_less_room(n)
  local_clean_shm()
  id <- allocateSharedMemory(n)
  withr::defer(freeSharedMemory(id))
  a <- sharedArray(id, "uint8")
  expect_identical(length(a), n)
  a[n] <- 7
  a[(n - 2):(n - 1)] <- c(5, 6)
  expect_identical(a[(n - 3):n], c(0L, 5L, 6L, 7L))
  expect_identical(a[c(n, 2^31, n + 1)], c(7L, 0L, NA))
  expect_identical(a[[n]], 7L)
  expect_identical(kind_of(a[n + 1] <- 1), "bounds")
  expect_match(printed(a)[1], "2147483658", fixed = TRUE)
  dim(a) <- c(2, n / 2)
  expect_identical(a[2, n / 2], 7L)
  expect_identical(a[, n / 2], c(6L, 7L))
  a[1, n / 2] <- 9
  expect_identical(a[[n - 1]], 9L)
  expect_identical(max(a), 9L)
})

test_that("an array takes no labels, which others would not see", {
  local_clean_shm()
  a <- sharedArray(allocateSharedMemory(24), "integer", c(2, 3))
  a[] <- 1:6
  expect_refused(names(a) <- letters[1:6])
  expect_refused(dimnames(a) <- list(c("x", "y"), NULL))
  expect_refused(rownames(a) <- c("x", "y"))
  expect_refused(colnames(a) <- letters[1:3])
  expect_refused(levels(a) <- "x")
  expect_identical(unname(names(attributes(a))), "class")
  names(a) <- NULL
  dimnames(a) <- NULL
  expect_identical(a[], matrix(1:6, 2))
  freeSharedMemory(sharedMemoryId(a))
  rm(a)
})
