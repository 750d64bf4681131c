#' Map and unmap shared memory
#'
#' `mapSharedMemory()` makes segments accessible in this process and returns
#' external pointers to their first bytes, for native code.
#' `unmapSharedMemory()` undoes it without destroying the segments.
#'
#' A segment has one count per process: what was mapped twice must be unmapped
#' twice. Mapping the same id again returns the same pointer.
#'
#' A pointer is good until the last unmap or a free in this process. Then *every*
#' copy of it becomes a null pointer, so that native code finds `NULL` and not
#' somebody else's memory: test for it with `R_ExternalPtrAddr()`. A pointer that
#' was saved and loaded again is a null pointer too. A forked child inherits the
#' mappings, and its unmapping does not concern the parent.
#'
#' A segment that is mapped here may be freed elsewhere. Its memory stays as long
#' as it is mapped, and mapping it again still works; but if a new segment has
#' taken its name, mapping the name again is the error `replaced`.
#'
#' @param id Ids: a character vector, numbers, or a factor; see [sharedmemory].
#' @param readonly `TRUE`: the operating system refuses to write through this
#'   pointer; an attempt ends R. A process may hold a pointer of either kind to
#'   the same segment; one count serves both. A sealed segment can be mapped only so.
#' @return `mapSharedMemory()`: for one id an external pointer, tagged with the
#'   id; otherwise a list of them. `unmapSharedMemory()`: `NULL`, invisibly.
#'   Unmapping what is not mapped does nothing.
#' @section Errors:
#' `mapSharedMemory()`: `sharedmemory_error_argument`, `_not_found`,
#' `_sealed`, `_replaced`, `_too_many_maps`, `_no_memory`, `_busy`, `_corrupt`,
#' `_permission`; see [sharedmemory]. If one of several ids fails, none is
#' mapped. `unmapSharedMemory()`: `_argument`.
#' @seealso [allocateSharedMemory()], [freeSharedMemory()]
#' @examples
#' id <- allocateSharedMemory(1024)
#' pointer <- mapSharedMemory(id)
#' pointer
#' unmapSharedMemory(id)
#' pointer                 # now a null pointer
#' freeSharedMemory(id)
#' @export
mapSharedMemory <- function(id, readonly = FALSE) {
  .Call(C_map, id, readonly)
}

#' @rdname mapSharedMemory
#' @export
unmapSharedMemory <- function(id) {
  invisible(.Call(C_unmap, id))
}
