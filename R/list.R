#' List shared memory
#'
#' Lists the segments of the namespace, whoever of the user's processes made
#' them.
#'
#' @param end,start Limits for the numbers of segments without a name, both
#'   inclusive; `NULL` for none. Segments with a name are always listed.
#' @return A data frame with one row per segment and the columns
#'
#'   * `Id`: character; numbers first, in their order, then names,
#'   * `size`: numeric, bytes, see [getSharedMemorySize()]. `NA` for what has got
#'     into the place of a segment and is none: damaged, or another user's.
#' @section Errors:
#' `sharedmemory_error_argument`, `_system`; see [sharedmemory].
#' @examples
#' ids <- allocateSharedMemory(c(10, 5000))
#' listSharedObjects()
#' listSharedObjects(start = ids[2])
#' freeSharedMemory(ids)
#' @export
listSharedObjects <- function(end = NULL, start = NULL) {
  # Not as an argument: an error has to be this function's.
  columns <- .Call(C_list, end, start)
  list2DF(columns)
}
