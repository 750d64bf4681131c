#' Look at shared memory
#'
#' `hasSharedMemory()` tells whether segments exist, `getSharedMemorySize()` how
#' many bytes they hold, `getLastIndex()` the id of the last segment that was
#' created without a name.
#'
#' @inheritParams mapSharedMemory
#' @return `hasSharedMemory()`: a logical vector. `getSharedMemorySize()`: a
#'   numeric vector of bytes; at least what was asked for at allocation, in
#'   general more, as memory comes in pages. `getLastIndex()`: one whole number,
#'   integer as long as it fits and double above, 0 if there was none; other
#'   processes may have moved on by the time you read it.
#' @section Errors:
#' `sharedmemory_error_argument`, `_busy`, `_corrupt`, `_permission`; for
#' `getSharedMemorySize()` also `_not_found`, for `getLastIndex()` `_control`;
#' see [sharedmemory].
#' @examples
#' id <- allocateSharedMemory(10)
#' hasSharedMemory(c(id, "example-no-such-name"))
#' getSharedMemorySize(id)
#' getLastIndex()
#' freeSharedMemory(id)
#' @export
hasSharedMemory <- function(id) {
  .Call(C_has, id)
}

#' @rdname hasSharedMemory
#' @export
getSharedMemorySize <- function(id) {
  .Call(C_get_size, id)
}

#' @rdname hasSharedMemory
#' @export
getLastIndex <- function() {
  .Call(C_last_index)
}
