# Every form of index, read and assigned, against an ordinary vector or array with the
# same values.

vector_indices <- list(
  "one" = 3L, "one, double" = 3, "fraction" = 2.9, "first" = 1, "last" = 10L,
  "range" = 2:5, "range of doubles" = 2:5 + 0, "all in order" = 1:10,
  "backwards" = 5:2, "positions" = c(7L, 1L, 7L, 3L), "in a row" = c(3L, 4L, 5L),
  "doubles" = c(1.5, 9.99, 3), "negative" = -1L, "negatives" = -(2:4),
  "negative fraction" = -1.5, "negative below one" = -0.5, "negative beyond" = -99,
  "all away" = -(1:10), "zero" = 0, "zeros" = c(0, 2, 0, 3), "minus zero" = -0,
  "zero and negative" = c(0, -2), "none" = integer(), "NULL" = NULL,
  "TRUE" = TRUE, "FALSE" = FALSE, "recycled" = c(TRUE, FALSE, TRUE),
  "all logical" = rep(c(TRUE, FALSE), 5), "NA" = NA, "NA integer" = NA_integer_,
  "NA double" = NA_real_, "NaN" = NaN, "NAs among" = c(1L, NA, 3L),
  "NAs, double" = c(1, NA, NaN, 2), "logical with NA" = c(TRUE, NA),
  "long logical" = rep(TRUE, 12), "beyond" = 11, "beyond, among" = c(1, 99, 2),
  "far beyond" = 1e15, "Inf" = Inf, "-Inf" = -Inf, "mixed" = c(-1, 2),
  "NA and negative" = c(NA, -1), "factor" = factor(c("b", "a", "c")),
  "dated" = structure(3, class = "Date"), "list" = list(1), "complex" = 1i,
  "raw" = as.raw(1), "function" = sum, "symbol" = as.name("a"),
  "matrix" = matrix(1:4, 2), "compact tail" = 9:12
)

# What differs by design: names, which an array has not.
expect_same_subset <- function(a, v, indices, how, info) {
  if (evaluates_indices()) indices$symbol <- NULL
  expect_each(names(indices), function(label) {
    i <- indices[[label]]
    same_ending(ending(how(a, i)), ending(how(v, i)))
  })
  expect_identical(length(a), length(v), info = info)
}

test_that("a[i] is v[i], for all types and forms of index", {
  local_clean_shm()
  for (type in array_types) {
    a <- local_array(type)
    expect_same_subset(a, a[], vector_indices, function(x, i) x[i], type)
    expect_identical(a[], array_samples[[type]], info = type)
    expect_identical(a[drop = FALSE], array_samples[[type]])
  }
})

test_that("a[[i]] is v[[i]], for all types and forms of index", {
  local_clean_shm()
  for (type in array_types) {
    a <- local_array(type)
    expect_same_subset(a, a[], vector_indices, function(x, i) x[[i]], type)
  }
})

test_that("arguments may be named, and passed on", {
  local_clean_shm()
  a <- local_array("integer", 1:6, c(2, 3))
  v <- a[]
  expect_identical(a[i = 2], v[i = 2])
  expect_identical(a[j = 2], v[j = 2])
  expect_identical(a[2, j = 3], v[2, j = 3])
  pass <- function(x, ...) x[...]
  expect_identical(pass(a, 2), v[2])
  expect_identical(pass(a, 2, 3), v[2, 3])
  expect_identical(pass(a, 2, ), v[2, ])
  expect_identical(pass(a, , 2, drop = FALSE), v[, 2, drop = FALSE])
  if (!evaluates_indices()) {
    two <- function(x, i, j) x[i, j]
    expect_identical(two(a, 1), v[1, ])
    expect_identical(two(a, , 2), v[, 2])
  }
  expect_identical(do.call(`[`, list(a, 2, 3)), v[2, 3])
  expect_identical(do.call(`[`, list(a, c(1, 3))), v[c(1, 3)])
  expect_identical(lapply(1:3, function(k) a[, k]), lapply(1:3, function(k) v[, k]))
})

axis_indices <- list(
  "missing" = quote(expr=), # nolint
  "one" = 2, "range" = 1:2, "backwards" = 2:1,
  "again" = c(1, 1, 2), "negative" = -1, "zero" = 0, "some zeros" = c(0, 1),
  "TRUE" = TRUE, "recycled" = c(TRUE, FALSE), "NA" = NA, "NA number" = NA_real_,
  "NA among" = c(1, NA), "beyond" = 9, "too long" = rep(TRUE, 9), "NULL" = NULL,
  "fraction" = 1.9, "negative beyond" = -9, "name" = "a", "factor" = factor("x"),
  "mixed" = c(-1, 1), "list" = list(1)
)

axis_pairs <- function(n) {
  grid <- expand.grid(rep(list(names(axis_indices)), n), stringsAsFactors = FALSE)
  stats::setNames(
    lapply(seq_len(nrow(grid)), function(k) axis_indices[unlist(grid[k, ])]),
    do.call(paste, c(unname(grid), sep = " | "))
  )
}

part <- function(x, indices, ...) {
  eval(as.call(c(list(quote(`[`), quote(x)), unname(indices), list(...))))
}

test_that("a[i, j] is m[i, j], with and without drop", {
  local_clean_shm()
  for (type in c("double", "logical", "complex", "uint8", "float32", "raw")) {
    m <- array(rep_len(array_samples[[type]], 12), c(3, 4))
    a <- local_array(type, m)
    pairs <- axis_pairs(2)
    expect_same_subset(a, m, pairs, function(x, i) part(x, i), type)
    expect_same_subset(a, m, pairs, function(x, i) part(x, i, drop = FALSE), type)
  }
})

test_that("a[i, j, k] and a[i, j, k, l] are those of an array", {
  local_clean_shm()
  cube <- array(as.double(1:60), c(3, 4, 5))
  a <- local_array("double", cube)
  some <- axis_pairs(3)[seq(1, length(axis_indices)^3, by = 7)]
  expect_same_subset(a, cube, some, function(x, i) part(x, i), "cube")
  expect_same_subset(a, cube, some, function(x, i) part(x, i, drop = FALSE), "cube")
  four <- array(1:48, c(2, 3, 2, 4))
  b <- local_array("int16", four)
  expect_identical(b[2, , 1, 3:4], four[2, , 1, 3:4])
  expect_identical(b[, , 2, ], four[, , 2, ])
  expect_identical(b[, 2:3, , ], four[, 2:3, , ])
  expect_identical(b[1, 1, 1, 1], four[1, 1, 1, 1])
  expect_identical(b[, , , 4], four[, , , 4])
})

test_that("one index of an array, a matrix of indices, and one dimension", {
  local_clean_shm()
  m <- array(as.double(1:12), c(3, 4))
  a <- local_array("double", m)
  one <- c(vector_indices, list(
    "by row" = cbind(c(1, 3), c(2, 4)), "with zero" = cbind(c(1, 0, 3), 1),
    "with NA" = cbind(c(1, NA), c(2, 2)), "NA after zero" = cbind(0, NA),
    "row beyond" = cbind(4, 1), "negative row" = cbind(-1, 1),
    "no rows" = matrix(0, 0, 2), "logical matrix" = m > 4,
    "three columns" = matrix(1, 1, 3), "fractions" = cbind(1.9, 2.9)
  ))
  expect_same_subset(a, m, one, function(x, i) x[i], "matrix")
  line <- array(1:10, 10)
  b <- local_array("integer", line)
  expect_same_subset(b, line, c(one, list("column" = matrix(1:3))),
                     function(x, i) x[i], "line")
  expect_same_subset(b, line, vector_indices, function(x, i) x[i, drop = FALSE],
                     "line, kept")
  expect_identical(b[], line)
})

test_that("a[[i, j]] is m[[i, j]]", {
  local_clean_shm()
  m <- array(as.double(1:12), c(3, 4))
  a <- local_array("double", m)
  element <- function(x, indices) {
    eval(as.call(c(list(quote(`[[`), quote(x)), unname(indices))))
  }
  # Of a negative index in a matrix R looks at memory that it has not set.
  pairs <- axis_pairs(2)
  pairs <- pairs[!grepl("negative|mixed", names(pairs))]
  expect_same_subset(a, m, pairs, element, "matrix")
  expect_identical(kind_of(a[[-1, 1]]), "argument")
})

test_that("length 0 and extents of 0", {
  local_clean_shm()
  id <- allocateSharedMemory(16)
  withr::defer(freeSharedMemory(id))
  at_end <- sharedArray(id, offset = 16)
  expect_identical(at_end[], double())
  expect_same_subset(at_end, double(), vector_indices, function(x, i) x[i], "none")
  expect_identical(ending(at_end[[1]])$value, "an error")
  at_end[] <- 1
  at_end[integer()] <- double()
  flat <- sharedArray(id, "integer", c(0, 3))
  m <- matrix(0L, 0, 3)
  expect_identical(flat[], m)
  expect_same_subset(flat, m, axis_pairs(2), function(x, i) part(x, i), "flat")
  expect_identical(sum(flat), 0L)
})

# ---- assignment ----------------------------------------------------------------

# By a symbol, R now and then assigns to something.
assigned_indices <- vector_indices[names(vector_indices) != "symbol"]

# The same assignment into both. R's vectors grow and change their type where an array
# refuses; these are told by `bounds` and left out of the comparison.
assign_both <- function(a, v, assign) {
  before <- v
  expected <- ending(assign(v))
  found <- ending(assign(a))
  if (identical(found$value, "an error")) {
    grown <- !identical(expected$value, "an error") &&
      length(expected$value) > length(before)
    refused <- grown || identical(expected$value, "an error")
    return(refused && identical(a[], before))
  }
  same <- identical(bits(a[]), bits(expected$value)) &&
    identical(found$warned, expected$warned)
  a[] <- before
  same
}

replacements <- function(values) {
  list(one = values[2], three = values[c(2, 3, 5)], none = values[0],
       many = rep_len(values, 12))
}

test_that("a[i] <- v does what v[i] <- v does, for all types and forms of index", {
  local_clean_shm()
  for (type in array_types) {
    values <- array_samples[[type]]
    a <- local_array(type)
    for (value in replacements(values)) {
      expect_each(names(assigned_indices), function(label) {
        i <- vector_indices[[label]]
        assign_both(a, values, function(x) {
          x[i] <- value
          x
        })
      })
    }
  }
})

test_that("a[[i]] <- v does what v[[i]] <- v does", {
  local_clean_shm()
  for (type in c("double", "integer", "uint8", "complex", "raw")) {
    values <- array_samples[[type]]
    a <- local_array(type)
    # [[<- of a list, a function or NULL makes a list of R's vector.
    expect_each(names(assigned_indices), function(label) {
      i <- vector_indices[[label]]
      assign_both(a, values, function(x) {
        x[[i]] <- values[[2]]
        x
      })
    })
    expect_identical(kind_of(a[[1]] <- values[1:2]), "argument")
    expect_identical(kind_of(a[[1]] <- values[0]), "argument")
  }
})

test_that("a[i, j] <- v does what m[i, j] <- v does", {
  local_clean_shm()
  for (type in c("double", "uint8", "complex")) {
    values <- rep_len(array_samples[[type]], 12)
    m <- array(values, c(3, 4))
    a <- local_array(type, m)
    pairs <- axis_pairs(2)
    for (value in replacements(values)) {
      expect_each(names(pairs), function(label) {
        indices <- unname(pairs[[label]])
        assign_both(a, m, function(x) {
          eval(as.call(c(list(quote(`[<-`), quote(x)), indices, list(value = value))))
        })
      })
    }
  }
})

test_that("all elements, matrices of indices, and arrays as values", {
  local_clean_shm()
  a <- local_array("double", array(as.double(1:12), c(3, 4)))
  a[] <- 0
  expect_identical(a[], matrix(0, 3, 4))
  a[cbind(1:3, 2:4)] <- c(7, 8, 9)
  expect_identical(a[cbind(1:3, 2:4)], c(7, 8, 9))
  expect_identical(sum(a), 24)
  a[a > 8] <- -1
  expect_identical(a[3, 4], -1)
  a[2, ] <- 1:4
  expect_identical(a[2, ], c(1, 2, 3, 4))
  a[, 1] <- a[, 4]
  expect_identical(a[, 1], a[, 4])
  a[[2, 2]] <- 50
  expect_identical(a[[5]], 50)
  expect_identical(kind_of(a[cbind(4, 1)] <- 1), "bounds")
  expect_identical(kind_of(a[4, 1] <- 1), "bounds")
  expect_identical(kind_of(a[13] <- 1), "bounds")
})

test_that("what overlaps itself is copied first", {
  local_clean_shm()
  a <- local_array("integer", 1:10)
  a[1:9] <- a[2:10]
  expect_identical(a[], c(2:10, 10L))
  a[] <- a
  expect_identical(a[], c(2:10, 10L))
  a[10:1] <- a
  expect_identical(a[], c(10L, 10:2))
  half <- sharedArray(sharedMemoryId(a), "integer", 5, offset = 4)
  a[1:5] <- half
  expect_identical(a[], c(10:6, 6L, 5:2))
})
