# Segments with values in them, and what a table of calls makes of their views.

type_sizes <- c(raw = 1, logical = 4, integer = 4, double = 8, complex = 16)

# A NaN that is neither R's NA nor the processor's.
marked_nan <- readBin(as.raw(c(0x34, 0x12, 0, 0, 0, 0, 0xf8, 0x7f)), "double")

samples <- list(
  raw = as.raw(c(0, 255, 128, 1:7)),
  logical = c(TRUE, FALSE, NA, TRUE, TRUE, FALSE, NA, FALSE, TRUE, FALSE),
  integer = c(NA, 0L, -1L, .Machine$integer.max, -.Machine$integer.max, 5:1),
  double = c(NA, NaN, marked_nan, -0, Inf, -Inf, 5e-324, 1e308, 1 / 3, 2),
  complex = complex(
    real = c(NA, NaN, marked_nan, -0, 1:6),
    imaginary = c(1, NA, -0, marked_nan, Inf, 6:2)
  )
)

# identical() takes one NaN for another, and -0 for 0.
bits <- function(x) writeBin(as.vector(x), raw())

expect_same_bits <- function(object, expected, info = NULL) {
  expect_identical(typeof(object), typeof(expected), info = info)
  expect_identical(bits(object), bits(expected), info = info)
}

# A segment with these values, for the length of the test.
local_segment <- function(values, frame = parent.frame()) {
  id <- allocateSharedMemory(max(1, length(values) * type_sizes[[typeof(values)]]))
  withr::defer(freeSharedMemory(id), frame)
  writeSharedMemory(id, values)
  id
}

# The same, and nobody can write to it any more.
local_sealed <- function(values, frame = parent.frame()) {
  id <- local_segment(values, frame)
  sealSharedMemory(id)
  id
}

local_view <- function(values, ..., frame = parent.frame()) {
  id <- local_sealed(values, frame)
  viewSharedMemory(id, typeof(values), ...)
}

# The bytes of the segment, as nobody's view has them.
content <- function(id) readSharedMemory(id, "raw")

# What a call gives: its value, or the message of its error.
outcome <- function(fun, ...) {
  tryCatch(suppressWarnings(fun(...)), error = function(e) {
    paste("error:", conditionMessage(e))
  })
}

# For tables of many cases, where an expectation each would take most of the time:
# `holds` gives TRUE, and the labels of the cases where it does not are told.
expect_each <- function(labels, holds) {
  wrong <- labels[!vapply(labels, function(label) isTRUE(holds(label)), NA)]
  expect_identical(wrong, labels[0], label = "where it does not hold")
}
