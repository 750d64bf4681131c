# Before R 4.3 arrays have the S4 bit. Once a package with S4 methods of `[` was loaded,
# as Matrix is by other tests, R evaluates the indices before it looks for our method.
evaluates_indices <- function() getRversion() < "4.3"

# One of its own: what new() gives is the same one each time, and attributes stay on it.
null_pointer <- function() {
  unserialize(serialize(methods::new("externalptr"), NULL))
}

# Arrays with values in them.

# Type of an array -> bytes of an element, and values that it can hold.
array_sizes <- c(
  raw = 1, logical = 4, integer = 4, double = 8, complex = 16, int8 = 1, uint8 = 1,
  int16 = 2, uint16 = 2, uint32 = 4, int64 = 8, float32 = 4, bool8 = 1
)

array_samples <- list(
  raw = as.raw(c(0, 255, 128, 1:7)),
  logical = c(TRUE, FALSE, NA, TRUE, TRUE, FALSE, NA, FALSE, TRUE, FALSE),
  integer = c(NA, 0L, -1L, .Machine$integer.max, -.Machine$integer.max, 5:1),
  double = c(NA, NaN, -0, Inf, -Inf, 5e-324, 1e308, 1 / 3, 2, 1),
  complex = complex(real = c(NA, NaN, -0, 1:7), imaginary = c(1, NA, -0, Inf, 6:1)),
  int8 = c(-128L, 127L, 0L, -1L, 1:6),
  uint8 = c(255L, 0L, 128L, 1:7),
  int16 = c(-32768L, 32767L, 0L, -1L, 1:6),
  uint16 = c(65535L, 0L, 32768L, 1:7),
  uint32 = c(2^32 - 1, 0, 2^31, 1:7),
  int64 = c(NA, 2^53, -2^53, 2^62, -1, 0, 1:4),
  float32 = c(NA, NaN, Inf, -Inf, 0.5, -0.25, 2^100, 2^-149, 0, 1),
  bool8 = c(TRUE, FALSE, TRUE, TRUE, TRUE, FALSE, FALSE, FALSE, TRUE, FALSE)
)

array_types <- names(array_samples)

# A segment for `n` elements and an array on it, for the length of the test.
local_array <- function(type, values = array_samples[[type]], dim = base::dim(values),
                        frame = parent.frame()) {
  id <- allocateSharedMemory(max(1, length(values) * array_sizes[[type]]))
  withr::defer(freeSharedMemory(id), frame)
  a <- sharedArray(id, type, if (is.null(dim)) length(values) else dim)
  if (is.null(dim)) dim(a) <- NULL
  if (length(values)) a[] <- values
  a
}

# Values, or what kind of end; and whether there was a warning.
ending <- function(code) {
  warned <- FALSE
  value <- withCallingHandlers(
    tryCatch(code, error = function(e) "an error"),
    warning = function(w) {
      warned <<- TRUE
      invokeRestart("muffleWarning")
    }
  )
  list(value = value, warned = warned)
}

same_ending <- function(x, y) {
  same_bits <- !is.atomic(x$value) || is.character(x$value) ||
    identical(bits(x$value), bits(y$value))
  identical(x, y) && same_bits
}
