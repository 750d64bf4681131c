#' List shared memory
#'
#' Lists what is in the namespace, whoever of the user's processes made it, and
#' tells whose it is and what may be removed. The table prints at 80 columns,
#' with an explanation; its `plot()` shows where the memory went.
#'
#' # States
#'
#' * `live`: the owner, the process that allocated the segment, is there.
#' * `orphan`: the owner is dead. That is proved: either the kernel has taken back
#'   the lock that it held, or no process has its pid and its start time.
#' * `unknown`: neither can be proved, for example because the owner was in
#'   another pid namespace and the control object of the namespace was lost.
#' * `incomplete`: the creator died while making it.
#' * `damaged`: the footer of the segment does not check, or it is not a segment.
#' * `foreign`: another user's object under a name of our namespace, or one whose name
#'   is not an id, and which no function of this package can have made or can reach.
#'
#' An orphan is not rubbish: a segment with the lifetime `"freed"` is meant to
#' outlive its owner. [reclaimSharedMemory()] tells the two apart.
#'
#' @param end,start Limits for the numbers of segments without a name, both
#'   inclusive; `NULL` for none. Segments with a name are always listed.
#' @param mappedBy `TRUE`: also tell which processes map each segment now. This
#'   reads the memory map of every process that we may look into, and processes of
#'   other users are not among them unless we are root.
#' @return A data frame of class `sharedmemory_list` with one row per object and
#'   the same columns on every platform; what is not known is `NA`. Text is as it was
#'   found. Whoever may write to `/dev/shm` chooses names, so it may hold line ends and
#'   codes that a terminal obeys: `print()` writes them as `<U+001B>`, [cat()] does not.
#'
#'   | column | |
#'   |---|---|
#'   | `Id` | character; numbers first, in their order, then names |
#'   | `size` | numeric: usable bytes, see [getSharedMemorySize()] |
#'   | `resident` | numeric: bytes of memory that it takes |
#'   | `state` | character, see above |
#'   | `pid` | integer: the owner, in its own pid namespace |
#'   | `command` | character: the script or command of a live owner |
#'   | `created` | POSIXct |
#'   | `lifetime` | character: `"freed"`, `"process"` or `"object"` |
#'   | `sealed` | logical: nobody can write to it, see [sealSharedMemory()] |
#'   | `kind` | character: `"object"` if [share()] made it, otherwise `"segment"` |
#'   | `class`, `dim` | character, of objects: `"data.frame"` and `"1000 x 3"` |
#'   | `sent`, `opened` | numeric: how often an object was sent, and opened |
#'   | `lock` | character: `"free"`, `"exclusive"`, `"shared"` or `"dead"` |
#'   | `holder` | integer: who has the lock exclusively, in its own pid namespace |
#'   | `since` | POSIXct: since when at least |
#'   | `readers` | integer: how many share the lock |
#'   | `waiting` | integer: how many wait for it |
#'   | `directory` | character: where it lies; `""` where the system has such |
#'   | `call` | character: the calls that allocated it, if they were recorded |
#'   | `mappedBy` | only if asked for. A list of integer vectors: pids |
#'
#'   `dim` is the length if there are no dimensions; of `class` and `dim` what is
#'   longer than 63 bytes is cut. A lock is `"dead"` if its holder died and nobody has
#'   taken it since, see [withSharedLock()]; who waits at a [sharedSemaphore()] and its
#'   like is counted too. Calls are recorded with `options(sharedmemory.trace = TRUE)`.
#'   `mappedBy` is `NA` where the platform cannot tell.
#' @section Errors:
#' `sharedmemory_error_argument`, `_system`; see [sharedmemory].
#' @seealso [inspectSharedMemory()] for one segment, [sharedMemoryStatus()] for
#'   the whole machine.
#' @examples
#' ids <- allocateSharedMemory(c(10, 5000))
#' listSharedObjects()
#' listSharedObjects(start = ids[2])$size
#' plot(listSharedObjects())
#' freeSharedMemory(ids)
#' @export
listSharedObjects <- function(end = NULL, start = NULL, mappedBy = FALSE) {
  # Not as an argument: an error has to be this function's.
  columns <- .Call(C_list, end, start, mappedBy)
  as_segment_table(columns, "sharedmemory_list")
}

# A data frame of those columns that C has filled and a table shows.
as_segment_table <- function(columns, class) {
  shown <- c("Id", "size", "resident", "state", "pid", "command", "created",
             "lifetime", "sealed", "kind", "class", "dim", "sent", "opened", "lock",
             "holder", "since", "readers", "waiting", "directory", "call", "mappedBy")
  columns$created <- .POSIXct(columns$created)
  columns$since <- .POSIXct(columns$since)
  table <- columns[intersect(shown, names(Filter(Negate(is.null), columns)))]
  structure(list2DF(table), class = c(class, "data.frame"))
}

state_meaning <- c(
  live = "its owner is there",
  orphan = "its owner is dead",
  unknown = "whether its owner lives cannot be proved",
  incomplete = "its creator died while making it",
  damaged = "not a segment, or its footer does not check",
  foreign = "another user's, or not made by this package"
)

#' @rdname listSharedObjects
#' @export
print.sharedmemory_list <- function(x, n = 40, ...) {
  needed <- c("Id", "size", "resident", "state", "pid", "command", "created",
              "lifetime")
  if (!all(needed %in% names(x))) return(NextMethod())
  if (is_empty_table(x)) return(invisible(x))
  top <- print_top(x, n, function(x) {
    data.frame(
      Id = clip(x$Id, 14),
      size = format_bytes(x$size),
      resident = format_bytes(x$resident),
      state = ifelse(is.na(x$state), "", x$state),
      `pid command` = clip(format_owner(x$pid, x$command), 13),
      created = format_when(x$created),
      lifetime = ifelse(is.na(x$lifetime), "", x$lifetime),
      check.names = FALSE
    )
  }, left = c("Id", "state", "pid command", "created", "lifetime"))
  print_objects(top)
  print_locks(top)
  print_calls(top)
  print_mapped_by(top)
  print_directories(x)
  print_states(x$state, x$resident)
  invisible(x)
}

# What is shared, and how often it went to others.
print_objects <- function(x) {
  object <- which(x$kind == "object")
  if (length(object) == 0) return(invisible())
  x <- x[object, , drop = FALSE]
  cat("shared objects\n")
  times <- sprintf("sent %.0f, opened %.0f", x$sent, x$opened)
  cat(sprintf("  %s: %s, %s\n", clip(x$Id, 16), format_what(x$class, x$dim, 34), times),
      sep = "")
}

# Those that are not where the system keeps shared memory.
print_directories <- function(x) {
  for (directory in setdiff(unique(x$directory), "")) {
    there <- x$resident[x$directory == directory]
    cat(sprintf("%d in %s, %s\n", length(there), clip(directory, 60),
                bytes_text(sum(there, na.rm = TRUE))))
  }
}

print_locks <- function(x) {
  busy <- which(x$lock != "free" | x$waiting > 0)
  if (length(busy) == 0) return(invisible())
  x <- x[busy, , drop = FALSE]
  cat("locked\n")
  cat(sprintf("  %s: %s\n", clip(x$Id, 16), lock_text(x)), sep = "")
}

# "by process 1234 since 10:12:03, 2 wait"
lock_text <- function(x) {
  who <- ifelse(is.na(x$holder), "", paste(" by process", x$holder))
  text <- ifelse(x$lock == "exclusive", paste0("exclusively", who),
          ifelse(x$lock == "shared", paste("shared by", x$readers),
          ifelse(x$lock == "dead",
                 paste0("no more: its holder died", sub(" by", ",", who)), "")))
  today <- format(x$since, "%F") == format(Sys.time(), "%F")
  since <- ifelse(is.na(x$since), "",
                  paste(" since", ifelse(today, format(x$since, "%T"),
                                         format(x$since, "%F %T"))))
  verb <- ifelse(x$waiting == 1, "waits", "wait")
  wait <- ifelse(x$waiting > 0, paste(x$waiting, verb), "")
  paste0(text, since, ifelse(nzchar(text) & nzchar(wait), ", ", ""), wait)
}

# "data.frame, 1000 x 3": the first class only.
format_what <- function(class, dim, width) {
  dim <- clip(dim, width - 8)
  between <- ifelse(nzchar(dim), ", ", "")
  class <- clip(sub(", .*", "", class), width - nchar(dim) - 2)
  ifelse(nzchar(class), paste0(class, between, dim), "")
}

print_calls <- function(x) {
  traced <- which(!is.na(x$call))
  if (length(traced) == 0) return(invisible())
  cat("allocated by\n")
  id <- clip(x$Id[traced], 16)
  cat(sprintf("  %s: %s\n", id, clip_start(x$call[traced], 60)), sep = "")
}

print_mapped_by <- function(x) {
  if (is.null(x$mappedBy)) return(invisible())
  pids <- vapply(x$mappedBy, function(p) {
    if (length(p) == 0) "nobody" else if (anyNA(p)) "not told" else
      paste(p, collapse = " ")
  }, "")
  cat("mapped by\n")
  shown <- pids != "nobody"
  cat(sprintf("  %s: %s\n", clip(x$Id[shown], 16), clip(pids[shown], 60)),
      sep = "")
  if (!all(shown)) cat("  the others: nobody\n")
}

# One line per state that occurs: how many, how much, and what it means.
print_states <- function(state, bytes) {
  present <- intersect(names(state_meaning), state)
  count <- vapply(present, function(s) sum(state %in% s), 0L)
  sum <- vapply(present, function(s) sum(bytes[state %in% s], na.rm = TRUE), 0)
  cat(sprintf("%s %s  %s  %s\n", format(format_count(count), justify = "right"),
              format(present), format_bytes(sum), state_meaning[present]), sep = "")
}
