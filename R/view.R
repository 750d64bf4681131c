#' Views: vectors on shared memory
#'
#' `viewSharedMemory()` makes a vector whose elements are the bytes of a sealed segment:
#' nothing is copied, in however many processes. [is.shared()] tells whether a
#' vector is a view, `sharedMemoryId()` of which segment.
#'
#' A view is a value, like any other vector. All of R works on it, and no expression
#' changes the segment or another view. Assigning to elements changes a private copy of
#' the pages of memory that are written (4 KiB each). To write into shared memory use
#' [writeSharedMemory()] or a [sharedArray()].
#'
#' A view has a mapping of its own. Unmapping or freeing the segment does not take
#' the memory away from it; it goes when R's garbage collector finds that nobody
#' refers to the view any more.
#'
#' Attributes can be set on a view, as on any vector: `dim`, `names`, a class such as
#' `Date` or `factor`. They belong to the view and not to the segment.
#'
#' Where R duplicates a view that was written to, or whose segment was freed, the
#' duplicate is an ordinary vector; so are results of computations. (`!x` of a logical
#' or raw view is a view that was written to.)
#'
#' @section Live views:
#' A segment that is not sealed may change at any time. R does not expect that of a
#' vector, so a view of it is the error `unsealed`. There are four ways on:
#'
#' * [sealSharedMemory()] it, when all who write are done.
#' * [readSharedMemory()] makes an ordinary vector, a copy.
#' * [sharedArray()] reads and writes in place.
#' * `live = TRUE` gives a vector whose elements change when somebody writes.
#'
#' With a live view the same expression may give two results, a comparison or a sort may
#' be wrong, and **R may crash**: `order()` and `sort(method = "radix")` of an integer
#' vector measure its range first and index by its values later. Use live views to look
#' at elements, to copy and to sum, in processes that you can afford to lose, or while
#' you know that nobody writes. A page of a live view that was written to privately no
#' longer follows the segment. There are no live views of type logical.
#'
#' @section Logical values:
#' For R a logical is 0, 1 or `NA` in four bytes; any other value makes `unique()` or
#' `table()` write behind their memory. A logical view is therefore looked through once,
#' when it is made or, if it came from another process, at its first use. Other values
#' are an error that names the first one. [readSharedMemory()] takes them for `TRUE`.
#' numpy's bool has one byte: the type `"bool8"` of [sharedArray()].
#'
#' @section Sending views to other processes:
#' [base::serialize()], [base::saveRDS()], and so `parallel`, `callr`, `mirai` and
#' `future`, carry a view as a reference of some 200 bytes and its attributes; the other
#' side maps the segment. A view that was written to travels by value, and so does any
#' view whose segment has been freed. (Where the system does not tell what was written
#' to, on Windows and macOS, a view also counts as written to once a function has asked
#' for its memory in order to write, as `==`, `sort()` and `%*%` do.)
#'
#' Whoever receives a reference gets a view, unless the reference is damaged or was made
#' by another version of the package, which is an error at once. If it leads nowhere,
#' the first use of the elements is an error: `sharedmemory_error_not_found` if the
#' segment was freed, `sharedmemory_error_replaced` if another segment has taken its id,
#' `sharedmemory_error_elsewhere` in place of either if the reference was made on
#' another machine, in a container with shared memory of its own, or before the machine
#' was restarted. The sender must not free the segment before the other side has the
#' view.
#'
#' @section Objects of other programs:
#' A name that begins with `/` is the operating system's name of an object that
#' another program made, such as Python's `multiprocessing.shared_memory` or
#' `shm_open()` in C. It can be read, written, mapped, measured, viewed with
#' `live = TRUE` and freed by that name, if it belongs to the same user. This package
#' knows neither its owner nor whether it is complete, and cannot keep its creator from
#' truncating it, which ends any process that touches what was cut off. Python before
#' 3.13 unlinks, at its end, also what it only attached to; `vignette("views")` says how
#' to prevent that.
#'
#' @inheritParams readSharedMemory
#' @param type Type of the elements: `"raw"`, `"logical"`, `"integer"`, `"double"` or
#'   `"complex"`.
#' @param length How many elements. Without it, as many as there are behind `offset`
#'   in what was asked for at allocation.
#' @param offset Where to begin, in bytes: a multiple of the size of an element.
#' @param live `TRUE`: the segment need not be sealed, and the elements may change; see
#'   below.
#' @param x Any R object.
#' @param full `TRUE`: the namespace, a colon and the id, also of what the id alone does
#'   not lead to.
#' @return `viewSharedMemory()`: a vector of the type. `sharedMemoryId()`: the id of
#'   the segment behind a view, a [sharedArray()], a shared object (see [share()]) or a
#'   [sharedSemaphore()] and its like, as a string. `NA` for anything else, and where
#'   the id would lead to another segment: it was freed and its name given to another
#'   one, or the segment is of another namespace. So
#'   `freeSharedMemory(sharedMemoryId(x))` hits this segment or nothing.
#' @section Errors:
#' `sharedmemory_error_unsealed`; `sharedmemory_error_bounds` if the segment does not
#' have so many elements; `_argument`, also if a logical element is neither `FALSE`,
#' `TRUE` nor `NA`; `_not_found`, `_too_many_maps`, `_no_memory`, `_busy`, `_corrupt`,
#' `_permission`; see [sharedmemory].
#' @seealso [sealSharedMemory()], [sharedArray()], [readSharedMemory()],
#'   [writeSharedMemory()]
#' @examples
#' id <- allocateSharedMemory(6 * 8)
#' writeSharedMemory(id, c(3, 1, 4, 1, 5, 9))
#' sealSharedMemory(id)
#' x <- viewSharedMemory(id)
#' sum(x)
#' dim(x) <- c(2, 3)
#' x
#' is.shared(x)
#'
#' # a change is private
#' x[1, 1] <- 100
#' readSharedMemory(id)
#'
#' # a reference, not the values, is what travels
#' y <- viewSharedMemory(id)
#' length(serialize(y, NULL))
#'
#' # views outlive their segment
#' freeSharedMemory(id)
#' y
#' @export
viewSharedMemory <- function(id, type = "double", length, offset = 0,
                             live = FALSE) {
  .Call(C_view, id, type, if (missing(length)) NULL else length, offset, live)
}

#' @rdname viewSharedMemory
#' @export
sharedMemoryId <- function(x, full = FALSE) {
  if (is_shared_array(x)) return(.Call(C_array_id, x, full))
  if (is_shared_sync(x)) return(.Call(C_sync_id, x, full))
  .Call(C_shared_id, x, full)
}
