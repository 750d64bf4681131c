#' Share whole objects with other processes
#'
#' `share()` puts an R object into shared memory and gives it back: a value like any
#' other, which takes a few hundred bytes when it is sent to another process of this
#' machine, is there in less than a millisecond, and costs no memory there until it is
#' changed. `unshare()` makes an ordinary object of it, `is.shared()` tells which one is
#' shared, `openShared()` finds one by its name.
#'
#' @section What can be shared:
#' Vectors of all types, with their attributes: numbers, strings in every encoding,
#' factors, dates, matrices; lists, data frames, tibbles, data.tables, S4 objects,
#' nested to any depth. What is not a vector (functions, environments, formulas, calls)
#' travels inside of a list as with [base::serialize()], vectors in it included; alone
#' it is given back as it is, unless it gets a name. A vector that occurs several times
#' is there once; sequences such as `1:1e9` are stored as their ends.
#'
#' What is shared already is not copied: an object or a part of one is given back as it
#' is, and inside of another object it is a reference. The other object keeps it then;
#' so it must stay as long: of this process and with the same lifetime, or with the
#' lifetime `"freed"`. Otherwise it is copied, and so is what is shared in functions and
#' environments, and more than 1000 objects in one. From R 4.3 on views of sealed
#' segments, see [viewSharedMemory()], are referred to likewise.
#'
#' From R 4.3 on an object is one reference, and a list's elements are made when they
#' are first asked for. Before, lists are ordinary ones, and each vector of 4 KiB or 512
#' strings and more is a reference; smaller ones travel by value.
#'
#' @section It is a value:
#' Assignments, `names(x) <-`, `:=` of data.table and everything else give what they
#' give of an ordinary object, and never change the segment, or what others see. What
#' was changed is private to the process, and travels by value from then on; the rest of
#' the object is still shared. Of a large vector only the pages that are written to are
#' copied (4 KiB each).
#'
#' Strings are made when they are first used and kept, so that the first look at many
#' different ones takes time and memory: R knows strings only as objects of its own.
#'
#' @section How long it stays:
#' With the lifetime `"object"` as long as it is used. When R's garbage collector finds
#' that the process which shared it does not use it any more, its name goes; but if it
#' was sent, not before it was opened as often as it was sent, or 60 seconds after the
#' last sending: `options(sharedmemory.handoff = 60)` sets how many. So a worker can
#' return a shared result and end. Whoever opens what such a process has left becomes
#' responsible for it. When memory is short, what waits longest goes first.
#'
#' Whoever has it open keeps the memory, whatever happens to the name; sent on after
#' that, it travels by value. (On Windows, where memory goes with the last process that
#' uses it, a process that ends leaves nothing.) With the lifetime `"process"` its name
#' goes at the normal end of the process that shared it, with `"freed"` when somebody
#' calls [freeSharedMemory()]. A forked child owns nothing of its parent's.
#'
#' @section References that lead nowhere:
#' Whoever receives a reference to what is gone gets an object of the same length, the
#' use of which is an error: `sharedmemory_error_not_found`, `_replaced` if another
#' object has its name now, `_elsewhere` on another machine or in another container: to
#' these send `unshare(x)`, or let [clusterShare()] send it. [base::saveRDS()] cannot be
#' told from sending, and stores a reference: save `unshare(x)`.
#'
#' @section Protection:
#' The segment is sealed: mode 0400, and no function of this package writes into it. But
#' to count openings the mode is 0600 for an instant, and a program of the same user can
#' change the mode at any time. What other processes may have written there is checked
#' when it is used: it is the error `sharedmemory_error_corrupt`, and never crashes R.
#'
#' @param x Any R object.
#' @param name A name under which [openShared()] finds it; see [sharedmemory] for what
#'   it may be. It is there whole, or not at all.
#' @param lifetime Until when it stays: `"object"`, `"process"` or `"freed"`, see below.
#' @return `share()`: `x`, shared; what is shared already is not copied.
#'   `unshare()`: an ordinary object that equals `x`. `is.shared()`: `TRUE` if `x`, an
#'   element or an attribute of it, is shared memory. `openShared()`: the object.
#' @section Errors:
#' `sharedmemory_error_no_space` before anything is written if there is no room;
#' `_exists` if something has the name; `_not_found`, `_argument`, `_corrupt`,
#' `_interrupted`; see [sharedmemory].
#' @seealso [sharedMemoryId()], [listSharedObjects()], [viewSharedMemory()] for plain
#' bytes
#' @examples
#' x <- share(data.frame(n = 1:1e5, z = rnorm(1e5)), lifetime = "process")
#' is.shared(x)
#' length(serialize(x, NULL))
#'
#' # as it gets to a worker
#' y <- unserialize(serialize(x, NULL))
#' identical(x, y)
#' y$z[1] <- 0
#' identical(x, y)
#'
#' # by a name, for every process of this user
#' model <- share(lm(dist ~ speed, cars), name = "model")
#' predict(openShared("model"), data.frame(speed = 10))
#'
#' # x goes when this process ends, the model at once
#' freeSharedMemory("model")
#' @export
share <- function(x, name = NULL, lifetime = c("object", "process", "freed")) {
  .Call(C_share, x, name, lifetime)
}

#' @rdname share
#' @export
unshare <- function(x) {
  .Call(C_unshare, x)
}

#' @rdname share
#' @export
is.shared <- function(x) {
  .Call(C_is_shared, x) || is_shared_array(x)
}

#' @rdname share
#' @export
openShared <- function(name) {
  .Call(C_open_shared, name)
}
