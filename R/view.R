#' Views: vectors on shared memory
#'
#' `viewSharedMemory()` makes a vector whose elements are the bytes of a segment:
#' nothing is copied, and what other processes write into the segment shows in the
#' vector at once. `isSharedMemoryView()` tells whether a vector is a view,
#' `sharedMemoryId()` of which segment.
#'
#' A view has a mapping of its own. Unmapping or freeing the segment does not take
#' the memory away from it; it goes when R's garbage collector finds that nobody
#' refers to the view any more.
#'
#' Attributes can be set on a view, as on any vector: `dim`, `names`, a class such as
#' `Date` or `factor`. They belong to the view and not to the segment.
#'
#' @section Read-only views:
#' All of R works on them. Assigning to elements of such a view changes a private
#' copy of the pages of memory that are written (4 KiB each): the segment and other
#' views keep their values. What other processes write into these pages later does
#' no longer show. Where R duplicates a view that was written to, or whose segment was
#' freed, the duplicate is an ordinary vector; so are results of computations, but for
#' `!x` of a logical or raw view, which is a view that was written to.
#'
#' @section Writable views:
#' With `readonly = FALSE`, an assignment within the length whose value has the type of
#' the view, or one that R turns into it, goes into the segment, and every process sees
#' it at once: `x[i] <- 5`, `x[] <- 0` (`5L` for an integer view, for `5` is a double).
#' This holds whatever other names, list elements or data frame columns refer to the
#' view. In particular a function that assigns into its argument writes into the
#' segment, where with an ordinary vector it would have changed a copy of its own.
#' Results of arithmetic, `sort()`, `median()` and the like are ordinary vectors.
#'
#' Every other assignment gives an ordinary vector, as R does elsewhere, and leaves the
#' segment alone: of a value that the type of the view cannot hold (`x[1] <- "a"`),
#' behind its end, by name (`x["a"] <- 1`; `x[["a"]] <- 1` does go into the segment),
#' and of levels (`levels(x) <-`; `attr(x, "levels") <-` keeps the view). Where that
#' would be a mistake, use [writeSharedMemory()], which writes or fails.
#'
#' **Compiled code that fills a shallow copy of its argument writes into the segment as
#' well**, for R lets nobody tell that from an assignment: `!x` of a logical or raw
#' view does (write `!x[]`), `ifelse(x, ...)` of a logical one, and [stats::lm.fit()].
#' Give such functions a read-only view, or `x[]`, which is an ordinary vector.
#'
#' Set attributes before the view gets a second name, and do not give it a class for
#' which there is arithmetic, such as `Date`. Otherwise, from 64 elements on, R wraps
#' the view in a vector of its own, and what it calculates from such a temporary,
#' as in `unclass(x) + 1`, it may write into the segment.
#'
#' @section Sending views to other processes:
#' [base::serialize()], [base::saveRDS()], and so `parallel`, `callr`, `mirai` and
#' `future`, carry a view as a reference of some 200 bytes and its attributes; the other
#' side maps the segment. A read-only view that was written to travels by value, and so
#' does any view whose segment has been freed. (Where the system does not tell what was
#' written to, on Windows and macOS, a read-only view also counts as written to once a
#' function has asked for its memory in order to write, as `==`, `sort()` and `%*%` do.)
#'
#' Who receives a reference gets a view, unless the reference is damaged or was made by
#' another version of the package, which is an error at once. If it leads nowhere, the
#' first use of the elements is an error: `sharedmemory_error_not_found` if the segment
#' was freed, `sharedmemory_error_replaced` if another segment has taken its id,
#' `sharedmemory_error_elsewhere` in place of either if the reference was made on
#' another machine, in a container with shared memory of its own, or before the machine
#' was restarted. The sender must not free the segment before the other side has the
#' view.
#'
#' @section Objects of other programs:
#' A name that begins with `/` is the operating system's name of an object that
#' another program made, such as Python's `multiprocessing.shared_memory` or
#' `shm_open()` in C. It can be viewed, read, written, mapped, measured and freed by
#' that name, if it belongs to the same user. This package knows neither its owner nor
#' whether it is complete, and cannot keep its creator from truncating it, which ends
#' any process that touches what was cut off. Python before 3.13 unlinks, at its end,
#' also what it only attached to; `vignette("views")` says how to prevent that.
#'
#' @inheritParams readSharedMemory
#' @param type Type of the elements: `"raw"`, `"logical"`, `"integer"`, `"double"` or
#'   `"complex"`.
#' @param length How many elements. Without it, as many as there are behind `offset`
#'   in what was asked for at allocation.
#' @param offset Where to begin, in bytes: a multiple of the size of an element.
#' @param readonly `FALSE`: assignments go into the segment.
#' @param x Any R object.
#' @return `viewSharedMemory()`: a vector of the type. `isSharedMemoryView()`: `TRUE` or
#'   `FALSE`. `sharedMemoryId()`: the id as a string, `NA` for what is no view.
#' @section Errors:
#' `sharedmemory_error_bounds` if the segment does not have so many elements;
#' `_argument`, `_not_found`, `_too_many_maps`, `_no_memory`, `_busy`, `_corrupt`,
#' `_permission`; see [sharedmemory].
#' @seealso [readSharedMemory()], [writeSharedMemory()]
#' @examples
#' id <- allocateSharedMemory(6 * 8)
#' writeSharedMemory(id, c(3, 1, 4, 1, 5, 9))
#' x <- viewSharedMemory(id)
#' sum(x)
#' dim(x) <- c(2, 3)
#' x
#' isSharedMemoryView(x)
#'
#' # a change of a read-only view is private
#' x[1, 1] <- 100
#' readSharedMemory(id)
#'
#' # one of a writable view is not
#' y <- viewSharedMemory(id, readonly = FALSE)
#' y[6] <- -9
#' readSharedMemory(id)
#'
#' # a reference, not the values, is what travels
#' length(serialize(y, NULL))
#'
#' # views outlive their segment
#' freeSharedMemory(id)
#' y
#' @export
viewSharedMemory <- function(id, type = "double", length, offset = 0,
                             readonly = TRUE) {
  .Call(C_view, id, type, if (missing(length)) NULL else length, offset,
        readonly)
}

#' @rdname viewSharedMemory
#' @export
isSharedMemoryView <- function(x) {
  !is.na(.Call(C_view_id, x))
}

#' @rdname viewSharedMemory
#' @export
sharedMemoryId <- function(x) {
  if (is_shared_array(x)) .Call(C_array_id, x) else .Call(C_view_id, x)
}
