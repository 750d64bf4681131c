#' Locks that survive their holder
#'
#' Every segment has a lock, by which processes that write to it take turns.
#' `withSharedLock()` runs `code` while it holds the lock. Where a block of code does
#' not fit, `lockSharedMemory()` takes the lock and `unlockSharedMemory()` gives it
#' back.
#'
#' A lock keeps out only those who ask for it: nothing prevents a process from writing
#' without it. It is one of the segment, not of its bytes: whoever wants to lock parts
#' takes several segments. It takes no memory of its own, and a sealed segment has one
#' too.
#'
#' The holder is the process (in C: the thread). Whoever asks for a lock that it already
#' holds gets the error `deadlock`, who unlocks what it does not hold the error
#' `not_held`. A forked child holds nothing of what its parent holds.
#'
#' Freeing the segment, or losing the array that was locked, does not take the lock
#' away: it stays until it is unlocked.
#'
#' @section When the holder dies:
#' However a process ends that holds the lock, by a signal, by `quit()` or by the
#' machine running out of memory, the lock comes free, for those who wait within 50 ms.
#' What it guards may be half written then. So the one that gets the lock is told:
#'
#' * by `recovered`, if that is given. It is called with the lock held exclusively,
#'   before `code`, and is to bring the segment in order again. If it has a parameter
#'   it gets the condition that is described next. If it fails, or if nobody gave one,
#'   the next call with `recovered` runs it.
#' * otherwise by a warning of class `sharedmemory_owner_died`, once for each death,
#'   with the fields `id`, `pid` (of the dead process, or `NA`) and `time` (POSIXct,
#'   when it was noticed, or `NA`). If a handler takes the warning and leaves, the lock
#'   is given back.
#'
#' A process that is only stopped (SIGSTOP, Ctrl-Z, a debugger) is alive, and the
#' others wait for it. A process is seen to be dead by the processes of its namespace,
#' also from another container that shares `/dev/shm`. If somebody has removed the
#' control object of the namespace by hand, what is held stays held and can be given
#' back; but those who came later cannot prove a death of before, and wait.
#'
#' @section Waiting:
#' Whoever waits sleeps, and the system wakes it when the lock comes free: of those who
#' want it exclusively one, of those who want to share it all. (Where the system has no
#' such means, on Windows and on macOS before 14.4, it looks again and again, with a
#' pause that grows to 5 ms.) Ctrl-C and [base::setTimeLimit()] end the wait. Who waits
#' for the lock exclusively comes before those who want to share it later.
#'
#' Nothing asks the system if nobody has to wait, as long as the segment stays open:
#' give a [sharedArray()], which keeps it so, or a number that [mapSharedMemory()] has
#' mapped. Of a name that is mapped it is asked whether it is still the same segment,
#' and any other id is opened for each call, which takes a few microseconds.
#'
#' @param id One id (see [sharedmemory]), a [sharedArray()], a shared object (see
#'   [share()]) or a view.
#' @param code What to do while the lock is held.
#' @param timeout How many seconds to wait at most: `Inf` for ever, `0` not at all.
#' @param shared `TRUE`: share the lock with others who share it, to read. `FALSE`:
#'   have it alone, to write.
#' @param recovered `NULL`, or a function that repairs what a dead holder has left, see
#'   below.
#' @return `withSharedLock()`: the value of `code`. `lockSharedMemory()`: `TRUE`, or
#'   `FALSE` if the time was over. `unlockSharedMemory()`: `NULL`, invisibly.
#' @section Errors:
#' `withSharedLock()`: `sharedmemory_error_timeout`; both: `_deadlock`, `_argument`
#' (also for another program's object, which has no lock), `_not_found`, `_permission`,
#' `_corrupt`, `_no_memory`, `_control`. `unlockSharedMemory()`: `_not_held`.
#' @seealso [fetchAdd()] for single numbers, [sharedSemaphore()], [sharedEvent()],
#'   [sharedBarrier()], [shareOnce()], [listSharedObjects()] for who holds what;
#'   `vignette("together")`.
#' @examples
#' id <- allocateSharedMemory(2 * 8)
#' account <- sharedArray(id)
#' account[] <- c(100, 0)
#'
#' # nobody who locks sees money that is in neither place
#' withSharedLock(account, {
#'   account[1] <- account[1] - 30
#'   account[2] <- account[2] + 30
#' })
#' withSharedLock(account, sum(account), shared = TRUE)
#'
#' # if the holder dies in between, put it right first
#' withSharedLock(account, account[1], recovered = function(death) {
#'   message("process ", death$pid, " died")
#'   account[1] <- 100 - account[2]
#' })
#'
#' # by hand
#' if (lockSharedMemory(account, timeout = 1)) {
#'   account[] <- 0
#'   unlockSharedMemory(account)
#' }
#' freeSharedMemory(id)
#' @export
withSharedLock <- function(id, code, timeout = Inf, shared = FALSE,
                           recovered = NULL) {
  .Call(C_with_lock, id, environment(), timeout, shared, recovered)
}

#' @rdname withSharedLock
#' @export
lockSharedMemory <- function(id, timeout = Inf, shared = FALSE) {
  .Call(C_lock, id, timeout, shared)
}

#' @rdname withSharedLock
#' @export
unlockSharedMemory <- function(id) {
  invisible(.Call(C_unlock, id))
}

# Called from src/r/lock.c: a holder of the lock died.
warn_of_death <- function(id, pid, time) {
  warning(owner_died(id, pid, time, sys.call(-1)))
}

recover <- function(recovered, id, pid, time) {
  if (length(formals(recovered)) == 0) return(recovered())
  recovered(owner_died(id, pid, time, sys.call(-1)))
}

owner_died <- function(id, pid, time, call) {
  who <- if (is.na(pid)) "the process that held it" else paste("process", pid)
  structure(
    class = c("sharedmemory_owner_died", "warning", "condition"),
    list(message = paste0("the lock of shared memory '", printable(id),
                          "' is from a dead holder: ", who,
                          " died while it held the lock. What the lock guards may be ",
                          "half written; `recovered` is to repair it."),
         call = call, id = id, pid = pid, time = .POSIXct(time))
  )
}
