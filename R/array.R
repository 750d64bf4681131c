#' Arrays on shared memory, to read and to write
#'
#' **A sharedArray is a reference.** `a[i] <- v` writes into the segment: every name for
#' the array, every function it was given to and every process sees the new values at
#' once. `a[i]` gives an ordinary vector of the values that are there now, and so does
#' every calculation. Where R makes a copy of a vector, it makes none of an array.
#'
#' No vector is underneath. `a[]` is all of it as an ordinary vector, for functions that
#' do not take anything else.
#'
#' @section Reading:
#' `a[i]`, `a[i, j]`, `a[]` and `a[[i]]` take every index that a vector or an array
#' takes: positive, negative, logical, a matrix with one row per element, missing, with
#' `drop`. An array has no names, so text is not an index. `a[i]` beyond the end is
#' `NA`, as of a vector; `a[i, j]` and `a[[i]]` are the error `bounds`.
#'
#' @section Writing:
#' `a[i] <- v`, `a[i, j] <- v`, `a[] <- v` and `a[[i]] <- v` recycle `v` as R does. An
#' array does not grow: beyond its end is the error `bounds`. It does not change its
#' type either: a value of another type, or one that does not fit, is an error that
#' names it. All is checked before the first byte is written, so an error has written
#' nothing. (An interrupt, Ctrl-C, of a large write may leave a part.)
#'
#' Of a sealed segment, see [sealSharedMemory()], an array can be read; an assignment is
#' the error `sealed`. (An array that was opened before the seal can still write: seal
#' when all have written.)
#'
#' Nothing keeps other processes from reading while something is written, or from
#' writing at the same time. One element of up to 8 bytes is written as one.
#'
#' @section Types:
#' | `type` | bytes | in R | takes | `NA` in the segment |
#' |---|---|---|---|---|
#' | `raw` | 1 | raw | raw | there is none |
#' | `logical` | 4 | logical | logical | -2^31 |
#' | `bool8` | 1 | logical | logical | has no place |
#' | `int8`, `uint8` | 1 | integer | numbers | has no place |
#' | `int16`, `uint16` | 2 | integer | numbers | has no place |
#' | `integer` | 4 | integer | numbers | -2^31 |
#' | `uint32` | 4 | double | numbers | has no place |
#' | `int64` | 8 | double | numbers | -2^63 |
#' | `float32` | 4 | double | numbers | a NaN of its own |
#' | `double` | 8 | double | numbers | R's own |
#' | `complex` | 16 | complex | numbers, complex | R's own |
#'
#' *Numbers* are double, integer and logical vectors. A whole number type takes only
#' whole numbers in its range, no NaN, and `NA` only where it has a place. `float32`
#' rounds to its precision, as there is no other way into it, but what is finite must
#' stay so. A factor and an integer64 are not taken: convert them.
#'
#' Whatever other programs have written, reading is safe. In `logical`, all that is
#' neither 0 nor `NA` is `TRUE`; in `bool8`, all but 0. An `int64` that a double cannot
#' hold exactly (beyond 2^53) is an error that names the element, and not a rounded
#' number.
#'
#' @section What works on it:
#' Arithmetic, comparison and mathematical functions, `%*%`, `length()`, `dim()`,
#' `as.vector()` and its like, `as.data.frame()`, `apply()`, `lapply()`, `sort()`,
#' `summary()` and many others take the values. `sum()`, `prod()`, `min()`, `max()`,
#' `range()`, `mean()`, `any()`, `all()` and `anyNA()` of one array read it once
#' (`mean()` of doubles twice) without a copy of it. Their results are R's, but that a
#' sum of whole numbers that is too large for an integer is a double.
#'
#' `for (x in a)` is an error of R. Write `for (i in seq_along(a))` and `a[[i]]`, or
#' `for (x in a[])`. The same holds for functions that look into their argument without
#' asking its class, such as `which()`: give them `a[]`. Before R 4.3 it holds for
#' operators as well whose other operand has a class with operators of its own, such as
#' `Date`; and a function that passes on a missing index, `function(a, i, j) a[i, j]`,
#' then fails once a package with S4 methods of `[`, such as Matrix, was loaded.
#'
#' `a == b` compares values. `identical(a, b)` tells whether both are the same array,
#' which two calls of `sharedArray()` never give (of arrays that were sent here it knows
#' when they have been used); compare values by `identical(a[], b[])`.
#'
#' `dim(a) <- c(2, 3)` changes how this one name sees the elements, on the same memory;
#' others keep their dim.
#'
#' @section Life, and other processes:
#' An array has a mapping of its own. Unmapping or freeing the segment does not take the
#' memory away from it; that goes when R's garbage collector finds that nobody refers to
#' the array any more. A forked child writes into the same memory.
#'
#' [base::serialize()], [base::saveRDS()], and so `parallel`, `callr`, `mirai` and
#' `future`, carry an array as a reference of some 300 bytes, never as values. It is
#' opened at its first use there, which is the error `not_found` if the segment was
#' freed, `replaced` if another one has taken its id, `elsewhere` in place of either if
#' the reference was made where other shared memory is seen, and `argument` if the
#' reference is damaged.
#'
#' @inheritParams readSharedMemory
#' @param type Type of the elements, see below.
#' @param dim `NULL`: as many elements as there are behind `offset` in what was asked
#'   for at allocation, like a vector. Otherwise the dimensions, whole numbers.
#' @param offset Where to begin, in bytes: a multiple of the size of an element.
#' @return An object of class `sharedArray`.
#' @section Errors:
#' `sharedmemory_error_bounds` if the segment does not have so many elements;
#' `_argument`, `_not_found`, `_too_many_maps`, `_no_memory`, `_busy`, `_corrupt`,
#' `_permission`; see [sharedmemory]. Of indices and values: `_bounds`,
#' `_argument` and `_sealed`.
#' @seealso [viewSharedMemory()] for vectors, [readSharedMemory()] and
#'   [writeSharedMemory()] for copies, [sharedMemoryId()].
#' @examples
#' id <- allocateSharedMemory(6 * 8)
#' a <- sharedArray(id, dim = c(2, 3))
#' a[] <- 1:6
#' a[2, ] <- 0
#' a
#' a[, 2]
#' sum(a)
#' a %*% c(1, 1, 1)
#'
#' # all names are the same array
#' b <- a
#' b[1, 1] <- 100
#' a[1, 1]
#'
#' # bytes as numpy has them; what does not fit is refused
#' bytes <- sharedArray(id, "uint8")
#' bytes[1:3]
#' tryCatch(bytes[1:2] <- c(1, 300),
#'          sharedmemory_error_argument = function(e) conditionMessage(e))
#'
#' # it travels as a reference
#' there <- unserialize(serialize(a, NULL))
#' there[[6]] <- -1
#' a[]
#' freeSharedMemory(id)
#' @aliases %*%,ANY,sharedArray-method %*%,sharedArray,ANY-method
#' @aliases %*%,sharedArray,sharedArray-method
#' @export
sharedArray <- function(id, type = "double", dim = NULL, offset = 0) {
  array <- .Call(C_array_new, id, type, dim, offset)
  if (multiplies_by_S4) asS4(array) else array
}

# What stands for a missing index, see src/r/index.c.
everything <- as.name("<everything>")

# `%*%` has S3 methods from R 4.3 on, see matrixOps.sharedArray(). Before that it only
# looks for S4 methods, and only if an operand has the bit that says so.
multiplies_by_S4 <- getRversion() < "4.3.0"

#' @importFrom methods setMethod setOldClass
if (multiplies_by_S4) {
  setOldClass("sharedArray")
  multiply <- function(x, y) plain(x) %*% plain(y)
  setMethod("%*%", c("sharedArray", "ANY"), multiply)
  setMethod("%*%", c("ANY", "sharedArray"), multiply)
  setMethod("%*%", c("sharedArray", "sharedArray"), multiply)
  # R prints what has the bit by show().
  setMethod("show", "sharedArray", function(object) print(object))
}
