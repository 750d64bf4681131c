#' Free shared memory
#'
#' Unmaps segments in this process, whatever the count, and destroys them.
#'
#' Free acts on the name: it removes the segment that bears it now. Processes
#' that have it mapped keep their memory until they unmap it; for everybody else
#' the segment is gone. Anybody who has the id may free it, not only the process
#' that allocated it. What does not exist is not an error. A damaged segment, and a
#' file of somebody's that has got into the place of one, is removed as well.
#'
#' On Windows the operating system destroys a segment when the last process lets
#' go of it; there free only lets go.
#'
#' @inheritParams mapSharedMemory
#' @return `NULL`, invisibly.
#' @section Errors:
#' `sharedmemory_error_argument`; `_permission` for what belongs to another user
#' (also for root); `_corrupt` for a directory. Of several ids either all can be
#' freed, or none is.
#' @examples
#' id <- allocateSharedMemory(1024)
#' freeSharedMemory(id)
#' hasSharedMemory(id)
#' @export
freeSharedMemory <- function(id) {
  invisible(.Call(C_free, id))
}
