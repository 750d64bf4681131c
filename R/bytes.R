#' Read and write shared memory
#'
#' Copy vectors out of a segment and into it, without mapping it. Both are checked
#' against the size of the segment, take any offset, aligned or not, and can be
#' interrupted.
#'
#' The bytes are copied as they are, but for logicals: what is neither 0 nor `NA` is
#' read as `TRUE`. A segment does not remember types: read what
#' was written as the same type. Attributes (dim, names, class) are not written; a
#' factor is its integer codes, an integer64 its 8 bytes as a double. Other processes
#' see each byte as soon as it is written; nothing keeps them from looking while a
#' large vector is only partly there, and an interrupt (Ctrl-C) leaves it so.
#'
#' If another program truncates its object while it is written to, the write makes it
#' grow again.
#'
#' Filling a new segment this way takes less than half the time of filling it through
#' a mapping.
#'
#' @param id One id: a string, a number, or a factor of length 1; see
#'   [sharedmemory]. A name that begins with `/` is that of another program's
#'   object, see [viewSharedMemory()].
#' @param type Type of the elements: `"raw"` (1 byte each), `"logical"`,
#'   `"integer"` (4), `"double"` (8) or `"complex"` (16).
#' @param length How many elements. Without it, as many as there are behind `offset`
#'   in what was asked for at allocation.
#' @param offset Where to begin, in bytes from the start of the segment.
#' @param x A raw, logical, integer, double or complex vector, of any length.
#' @return `readSharedMemory()`: an ordinary vector of type `type`.
#'   `writeSharedMemory()`: `NULL`, invisibly.
#' @section Errors:
#' `sharedmemory_error_bounds` if the segment does not have the bytes: nothing was
#' copied; `_sealed` if it is to be written; `_argument`, `_not_found`, `_busy`,
#' `_corrupt`, `_permission`; see [sharedmemory].
#' @seealso [viewSharedMemory()] for vectors that are the segment itself.
#' @examples
#' id <- allocateSharedMemory(5 * 8)
#' writeSharedMemory(id, c(1, 2, 3))
#' writeSharedMemory(id, c(4, 5), offset = 3 * 8)
#' readSharedMemory(id)
#' readSharedMemory(id, length = 2, offset = 8)
#' readSharedMemory(id, "raw", length = 8)
#'
#' tryCatch(writeSharedMemory(id, numeric(1e6)),
#'          sharedmemory_error_bounds = function(e) conditionMessage(e))
#' freeSharedMemory(id)
#' @export
readSharedMemory <- function(id, type = "double", length, offset = 0) {
  .Call(C_read, id, type, if (missing(length)) NULL else length, offset)
}

#' @rdname readSharedMemory
#' @export
writeSharedMemory <- function(id, x, offset = 0) {
  invisible(.Call(C_write, id, x, offset))
}
