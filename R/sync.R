#' Semaphores, events and barriers
#'
#' Objects by which processes wait for each other. Each is a segment of its own with a
#' name: the first process that asks for it makes it, the others open it.
#'
#' * A *semaphore* has `n` permits. `s$acquire()` takes one, and waits while none is
#'   free; `s$release()` gives one back. So at most `n` processes are at something.
#' * An *event* is set or not. `e$wait()` waits until it is set, `e$set()` sets it and
#'   wakes all who wait, `e$reset()` makes it wait again.
#' * A *barrier* has `n` parties. `b$wait()` waits until all of them do, and then lets
#'   all go on; it can be used again and again.
#'
#' The functions are parts of the object, as `s$acquire()`, because names like `wait`
#' and `set` belong to other packages when they are on their own.
#'
#' @section When a process dies:
#' Permits belong to the process that took them. When it dies, or ends, they come back,
#' for those who wait within 50 ms. They stay taken if only the object goes, and a
#' process may give back a permit that it took through another object. What is stopped
#' is alive. A forked child has none of its parent's permits.
#'
#' A party that dies on the way to a barrier *breaks* it, and so does one that gives
#' up, for want of time or by Ctrl-C: then nobody can meet there any more, and all get
#' the error `broken`, those who wait, within 50 ms, and those who come later. Free it,
#' and make another one. Each object that `sharedBarrier()` returns, or that was sent,
#' is one party from its first `wait()` until R's garbage collector takes it, or the
#' process ends: have one in each process.
#'
#' An event has no owner. It stays as it was set last.
#'
#' @section Life, and other processes:
#' They stay until [freeSharedMemory()] frees them by their id, or the machine is
#' restarted; whoever has one open keeps it. [base::serialize()], and so `parallel`,
#' `callr`, `mirai` and `future`, carry them as references of some 300 bytes, which are
#' opened at their first use: the error `not_found` if it was freed, `replaced` if
#' another segment has its name.
#'
#' @inheritSection withSharedLock Waiting
#' @param id A name, see [sharedmemory].
#' @param n How many permits, or parties: 1 to 2^20. What exists must have as many.
#'   Without `n` it must exist.
#' @return An object of class `sharedSemaphore`, `sharedEvent` or `sharedBarrier`, with
#'   these functions. `timeout` is how many seconds to wait at most: `Inf` for ever,
#'   `0` not at all.
#'
#'   | | |
#'   |---|---|
#'   | `s$acquire(timeout = Inf)` | `TRUE`; `FALSE` if the time was over |
#'   | `s$release()` | `NULL`, invisibly |
#'   | `s$available()`, `s$held()` | how many are free, and how many this process has |
#'   | `e$wait(timeout = Inf)` | `TRUE`; `FALSE` if the time was over |
#'   | `e$set()`, `e$reset()` | `NULL`, invisibly |
#'   | `e$isSet()` | is it set now? |
#'   | `b$wait(timeout = Inf)` | `NULL`, invisibly |
#'
#'   [sharedMemoryId()] tells the id.
#' @section Errors:
#' `sharedmemory_error_argument`, also if what has the name is something else or has
#' another `n`, and if all parties of a barrier are there already; `_not_held` by
#' `s$release()`; `_timeout` and `_broken` by `b$wait()`; `_not_found`, `_replaced`,
#' `_no_space`, `_permission`, `_corrupt`; see [sharedmemory].
#' @seealso [withSharedLock()], [fetchAdd()], [shareOnce()]; `vignette("together")`.
#' @examples
#' # no more than two processes at the disk
#' disk <- sharedSemaphore("example-disk", 2)
#' disk$acquire()
#' disk
#' disk$release()
#'
#' start <- sharedEvent("example-start")
#' start$wait(timeout = 0)
#' start$set()
#' start$wait()
#'
#' # alone at a barrier for one
#' step <- sharedBarrier("example-step", 1)
#' step$wait()
#' freeSharedMemory(c("example-disk", "example-start", "example-step"))
#' @export
sharedSemaphore <- function(id, n = NULL) {
  .Call(C_sync_open, 1L, id, n)
}

#' @rdname sharedSemaphore
#' @export
sharedEvent <- function(id) {
  .Call(C_sync_open, 2L, id, 1)
}

#' @rdname sharedSemaphore
#' @export
sharedBarrier <- function(id, n = NULL) {
  .Call(C_sync_open, 3L, id, n)
}

is_shared_sync <- function(x) inherits(x, "sharedSync")

# ---- what they can do ------------------------------------------------------------

#' @export
`$.sharedSemaphore` <- function(x, name) {
  switch(name,
    acquire = function(timeout = Inf) .Call(C_semaphore_acquire, x, timeout),
    release = function() invisible(.Call(C_semaphore_release, x)),
    available = function() .Call(C_semaphore_permits, x)[1],
    held = function() .Call(C_semaphore_permits, x)[2],
    no_member(x, name)
  )
}

#' @export
`$.sharedEvent` <- function(x, name) {
  switch(name,
    wait = function(timeout = Inf) .Call(C_event_wait, x, timeout),
    set = function() invisible(.Call(C_event_set, x, TRUE)),
    reset = function() invisible(.Call(C_event_set, x, FALSE)),
    isSet = function() .Call(C_event_is_set, x),
    no_member(x, name)
  )
}

#' @export
`$.sharedBarrier` <- function(x, name) {
  switch(name,
    wait = function(timeout = Inf) invisible(.Call(C_barrier_wait, x, timeout)),
    no_member(x, name)
  )
}

members <- list(
  sharedSemaphore = c("acquire", "release", "available", "held"),
  sharedEvent = c("wait", "set", "reset", "isSet"),
  sharedBarrier = "wait"
)

no_member <- function(x, name) {
  there <- paste0("`", members[[class(x)[1]]], "`", collapse = ", ")
  throw_argument("use", sprintf("a %s has no `%s`, but %s", class(x)[1],
                                printable(name), there), call = sys.call(-1))
}

#' @importFrom utils .DollarNames
#' @export
.DollarNames.sharedSync <- function(x, pattern = "") {
  grep(pattern, members[[class(x)[1]]], value = TRUE)
}

# ---- printing --------------------------------------------------------------------

#' @export
format.sharedSync <- function(x, ...) {
  id <- .Call(C_sync_id, x, FALSE)
  if (is.na(id)) id <- .Call(C_sync_id, x, TRUE)
  state <- tryCatch(describe_sync(x), sharedmemory_error = function(e) "gone")
  paste0("<", class(x)[1], " '", printable(id), "': ", state, ">")
}

describe_sync <- function(x) {
  n <- .Call(C_sync_count, x)
  switch(class(x)[1],
    sharedSemaphore = sprintf("%d of %d free, %d held by this process",
                              x$available(), n, x$held()),
    sharedEvent = if (x$isSet()) "set" else "not set",
    sharedBarrier = sprintf("%d %s", n, if (n == 1) "party" else "parties")
  )
}

#' @export
print.sharedSync <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

#' @export
str.sharedSync <- function(object, ...) {
  cat(" ", format(object), "\n", sep = "")
}
