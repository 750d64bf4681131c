#' Seal shared memory
#'
#' From now on nobody can write to these segments. That makes them fit for
#' [viewSharedMemory()]: R relies on it that the elements of a vector do not change by
#' themselves.
#'
#' A seal is for good. Sealing what is sealed does nothing. The bytes stay where they
#' are; everybody can read, map for reading, view and free them as before.
#'
#' @section What a seal cannot do:
#' * Who mapped the segment for writing before keeps that mapping, and can go on
#'   writing through it: so seal when all who write are done. In particular
#'   [mapSharedMemory()] gives the same pointer once more to a process that has it.
#' * On Linux the operating system enforces the seal (the file has the mode 0400)
#'   against every program but those of the superuser, and against those of the same
#'   user that change the mode of the file first. On macOS and Windows only this
#'   package obeys it.
#' * Objects of other programs (ids that begin with `/`) cannot be sealed. Copy them
#'   into a segment, or look at them with [sharedArray()].
#'
#' @inheritParams mapSharedMemory
#' @return `NULL`, invisibly.
#' @section Errors:
#' `sharedmemory_error_argument`, `_not_found`, `_busy`, `_corrupt`, `_permission`; see
#' [sharedmemory]. If one of several ids fails, none is sealed.
#'
#' What writes to a sealed segment is the error `sharedmemory_error_sealed`:
#' [writeSharedMemory()], [mapSharedMemory()] without `readonly = TRUE`, and assignment
#' into a [sharedArray()].
#' @seealso [viewSharedMemory()]; [listSharedObjects()] tells what is sealed.
#' @examples
#' id <- allocateSharedMemory(3 * 8)
#' writeSharedMemory(id, c(3, 1, 4))
#' sealSharedMemory(id)
#' viewSharedMemory(id)
#'
#' tryCatch(writeSharedMemory(id, 0),
#'          sharedmemory_error_sealed = function(e) conditionMessage(e))
#' freeSharedMemory(id)
#' @export
sealSharedMemory <- function(id) {
  invisible(.Call(C_seal, id))
}
