#' Remove shared memory that is provably nobody's
#'
#' Removes what crashed processes have left: objects whose creator died while
#' making them, and segments with the lifetime `"process"` whose owner is dead.
#' With `persistent = TRUE` also segments with the lifetime `"freed"` whose owner
#' is dead; since these are meant to outlive their owner, ask yourself first
#' whether somebody still counts on them.
#'
#' Nothing else is ever touched: not what has a living owner, not what is
#' `unknown`, damaged, or another user's, and not a new segment that has taken
#' the name of an old one in between. A process that still maps a removed segment
#' keeps its memory; only the name goes. Two processes may reclaim at once.
#'
#' The same happens by itself, silently and for a few milliseconds, before the
#' first [allocateSharedMemory()] of a process (allocations through the C interface
#' do not do it), but never for segments with the lifetime `"freed"`;
#' `options(sharedmemory.reclaim = FALSE)` turns that off.
#'
#' @param dryRun `TRUE`: only tell what would be done.
#' @param persistent `TRUE`: also remove orphans of the lifetime `"freed"`.
#' @return A data frame of class `sharedmemory_reclaim`, with a row for
#'   everything in the namespace and the columns `Id`, `size`, `resident`,
#'   `state`, `pid`, `command`, `created`, `lifetime`, `call` of
#'   [listSharedObjects()], and `removed` (logical; in a dry run: would be) and
#'   `reason` (character).
#' @section Errors:
#' `sharedmemory_error_argument`, `_control`, `_permission`, `_system`; see
#' [sharedmemory].
#' @examples
#' # what a killed process would leave; here nothing
#' reclaimSharedMemory(dryRun = TRUE)
#' @export
reclaimSharedMemory <- function(dryRun = FALSE, persistent = FALSE) {
  columns <- .Call(C_reclaim, dryRun, persistent)
  result <- as_segment_table(columns, "sharedmemory_reclaim")
  result$removed <- columns$fate == "removed"
  result$reason <- ifelse(result$removed, state_meaning[columns$state],
                          fate_meaning[columns$fate])
  attr(result, "dryRun") <- dryRun
  result
}

fate_meaning <- c(
  state_meaning[c("live", "unknown", "foreign")],
  freed = "it lives until somebody frees it (persistent = TRUE removes it)",
  damaged = "damaged: look at it, then freeSharedMemory()",
  busy = "somebody is at work on it",
  changed = "it was freed or replaced meanwhile",
  sent = "it is kept for those to whom it was sent"
)

#' @export
print.sharedmemory_reclaim <- function(x, n = 40, ...) {
  if (!all(c("Id", "resident", "removed", "reason") %in% names(x)))
    return(NextMethod())
  gone <- x[which(x$removed), , drop = FALSE]
  verb <- if (isTRUE(attr(x, "dryRun"))) "would be removed" else "removed"
  if (nrow(gone) > 0) {
    print_top(gone, n, function(x) {
      data.frame(Id = clip(x$Id, 24), state = x$state,
                 resident = format_bytes(x$resident), reason = x$reason)
    }, left = c("Id", "state", "reason"))
  }
  cat(sprintf("%d %s, %s\n", nrow(gone), verb,
              bytes_text(sum(gone$resident, na.rm = TRUE))))
  kept <- table(x$reason[which(!x$removed)])
  if (length(kept) > 0)
    cat(sprintf("%d kept: %s\n", as.integer(kept), names(kept)), sep = "")
  invisible(x)
}
