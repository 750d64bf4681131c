#' What shared memory saves
#'
#' How many processes have each shared object in their memory now, what copies of it
#' would take in its place, and what they have copied of it all the same because they
#' wrote to it.
#'
#' A process counts from the moment at which it has opened an object, or mapped a
#' segment, until it lets it go. Each of them would have a copy of its own if it had got
#' the object in the ordinary way, so that `saved` is the size times the number of
#' processes but one. What was sent and is not opened yet is not counted.
#'
#' A vector of a shared object can be written to like any other: the pages of 4 KiB that
#' are written to are copied then, for the process that does it alone. What R makes
#' when it uses an object belongs to the process too, and is not counted here: strings,
#' vectors of less than 4 KiB, and ordinary copies.
#'
#' @return A data frame of class `sharedmemory_savings`, what saves most first, with a
#'   row for each segment of the namespace, as in [listSharedObjects()]. It prints at 80
#'   columns, with the sums.
#'
#'   | column | |
#'   |---|---|
#'   | `Id` | character |
#'   | `kind` | character: `"object"` if [share()] made it, otherwise `"segment"` |
#'   | `class`, `dim` | character: what was shared, see [listSharedObjects()] |
#'   | `size` | numeric: bytes |
#'   | `processes` | integer: how many have it mapped now, this one included |
#'   | `saved` | numeric: bytes that copies would take, `(processes - 1) * size` |
#'   | `copied` | numeric: bytes that all of them have copied by writing |
#'   | `mappedBy` | list of integer vectors: the pids |
#'   | `copiedBy` | list of numeric vectors: bytes that each of these has copied |
#'
#'   Processes of other users are not seen unless we are root. What is not known is
#'   `NA`: on all systems but Linux who maps what, and so all but the size.
#' @section Errors:
#' `sharedmemory_error_argument`, `_system`; see [sharedmemory].
#' @seealso [listSharedObjects()] for whose it is, [sharedMemoryStatus()] for the whole
#' machine.
#' @examplesIf .Platform$OS.type == "unix" && Sys.info()[["sysname"]] == "Linux"
#' x <- share(data.frame(n = 1:1e5, z = rnorm(1e5)), lifetime = "process")
#' sharedMemorySavings()
#'
#' # another process that uses it
#' cluster <- parallel::makePSOCKcluster(1)
#' parallel::clusterCall(cluster, function(x) {
#'   kept <<- x
#'   sum(kept$z)
#' }, x)
#' savings <- sharedMemorySavings()
#' savings
#' savings$saved
#' parallel::stopCluster(cluster)
#' freeSharedMemory(sharedMemoryId(x))
#' @export
sharedMemorySavings <- function() {
  columns <- .Call(C_savings)
  known <- !vapply(columns$mappedBy, anyNA, NA)
  processes <- ifelse(known, lengths(columns$mappedBy), NA_integer_)
  table <- list2DF(list(
    Id = columns$Id, kind = columns$kind, class = columns$class, dim = columns$dim,
    size = columns$size, processes = as.integer(processes),
    saved = pmax(processes - 1, 0) * columns$size,
    copied = vapply(columns$copied, sum, 0),
    mappedBy = columns$mappedBy, copiedBy = columns$copied
  ))
  table <- table[!is.na(table$kind), , drop = FALSE]
  table <- table[order(-table$saved, -table$size), , drop = FALSE]
  rownames(table) <- NULL
  class(table) <- c("sharedmemory_savings", "data.frame")
  table
}

#' @rdname sharedMemorySavings
#' @param x What `sharedMemorySavings()` returned.
#' @param n How many rows to print.
#' @param ... Not used.
#' @export
print.sharedmemory_savings <- function(x, n = 20, ...) {
  needed <- c("Id", "class", "dim", "size", "processes", "saved", "copied", "mappedBy")
  if (!all(needed %in% names(x))) return(NextMethod())
  if (is_empty_table(x)) return(invisible(x))
  print_top(x, n, function(x) {
    data.frame(
      Id = clip(x$Id, 16),
      `class dim` = format_what(x$class, x$dim, 28),
      size = format_bytes(x$size),
      processes = format_count(x$processes),
      saved = format_bytes(x$saved),
      copied = format_bytes(x$copied),
      check.names = FALSE
    )
  }, left = c("Id", "class dim"))
  print_saved(x)
  invisible(x)
}

print_saved <- function(x) {
  if (all(is.na(x$saved))) {
    cat("Who maps them is not told on this system.\n")
    return(invisible())
  }
  users <- length(unique(unlist(x$mappedBy)))
  cat(sprintf("%s in shared memory, used by %d %s: copies would take %s more\n",
              bytes_text(sum(x$size, na.rm = TRUE)), users,
              if (users == 1) "process" else "processes",
              bytes_text(sum(x$saved, na.rm = TRUE))))
}
