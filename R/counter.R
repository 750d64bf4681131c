#' Numbers that change as one step
#'
#' `fetchAdd()` adds to an element of an array, `compareAndSet()` replaces it if it is
#' what one believes it to be. Nobody can come in between, in no process, so that
#' numbers of many writers add up without a lock.
#'
#' Arrays of the types `integer`, `int64`, `uint32` and `double` can be used so, see
#' [sharedArray()]. An ordinary `a[i] <- a[i] + 1` reads and writes in two steps, and
#' loses what others write between them.
#'
#' A process that dies has added or has not.
#'
#' @param array A [sharedArray()].
#' @param i Which element: one position, as in `array[[i]]`.
#' @param by One number; whole, but for an array of type `double`.
#' @param old,new Values for the element. They are compared bit by bit, as they are in
#'   the segment: a `NaN` equals itself, and `-0` is not `0`.
#' @return `fetchAdd()`: the value before. `compareAndSet()`: `TRUE` if the element was
#'   `old`, and is `new` now; `FALSE` if it was not, and nothing has changed.
#' @section Errors:
#' `sharedmemory_error_argument` if the array is of another type, if the element of a
#' whole number type is `NA`, if the sum does not fit into the type, or if an `int64`
#' is beyond what a double holds exactly: nothing has changed then; `_bounds`,
#' `_sealed`; of an array that was sent here also `_not_found` and `_replaced`.
#' @seealso [withSharedLock()] for what takes more than one step.
#' @examples
#' id <- allocateSharedMemory(2 * 8)
#' numbers <- sharedArray(id, "int64")
#'
#' # workers that draw job numbers: each job goes to one of them
#' draw <- function() fetchAdd(numbers, 1) + 1
#' while ((job <- draw()) <= 3) cat("job", job, "\n")
#'
#' # how far are all of them?
#' fetchAdd(numbers, 2, 10)
#' numbers[2]
#'
#' # the largest that anybody has seen
#' keep_largest <- function(x) {
#'   repeat {
#'     largest <- numbers[[2]]
#'     if (largest >= x || compareAndSet(numbers, 2, largest, x)) break
#'   }
#' }
#' keep_largest(25)
#' keep_largest(7)
#' numbers[2]
#' freeSharedMemory(id)
#' @export
fetchAdd <- function(array, i, by = 1) {
  .Call(C_fetch_add, array, i, by)
}

#' @rdname fetchAdd
#' @export
compareAndSet <- function(array, i, old, new) {
  .Call(C_compare_and_set, array, i, old, new)
}
