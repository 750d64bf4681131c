#' Set up and give up the package's shared state
#'
#' All processes that use a namespace share one small control object, with the
#' counter of ids and the locks by which they know who is alive.
#' `initialSharedObjectPackageData()` joins it, and creates it if it is not
#' there. [allocateSharedMemory()] does so by itself, so that nobody needs to
#' call this; loading the package does not touch shared memory, because the
#' namespace may still have to be chosen (see [sharedmemory]).
#'
#' `releaseSharedObjectPackageData()` leaves it; the next allocation joins again.
#' As long as this process owns a segment that exists, or has one mapped, it stays
#' joined: that is how others know that the owner is alive, and what keeps the
#' number of a mapped segment from being handed out again. Whoever leaves last, when no
#' segment is left, removes the control object. This happens at the end of a
#' process too.
#'
#' @return `NULL`, invisibly.
#' @section Errors:
#' `sharedmemory_error_control`, `_permission`, `_busy`, `_no_space`,
#' `_argument` (the name of the namespace); see [sharedmemory].
#' @examples
#' initialSharedObjectPackageData()
#' releaseSharedObjectPackageData()
#' @export
initialSharedObjectPackageData <- function() {
  invisible(.Call(C_join))
}

#' @rdname initialSharedObjectPackageData
#' @export
releaseSharedObjectPackageData <- function() {
  invisible(.Call(C_leave))
}
