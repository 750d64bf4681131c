#' Look closely at one segment
#'
#' Everything that is known of one segment, for debugging: what
#' [listSharedObjects()] tells, what the operating system calls it, who maps it
#' now, and its first bytes. It also works on what is damaged.
#'
#' @param id One id; see [sharedmemory].
#' @param n How many bytes to read, from 0 to 2^31-1.
#' @return A list of class `sharedmemory_inspection`: the columns of
#'   [listSharedObjects()] as single values, `mappedBy` (an integer vector of
#'   pids), and
#'
#'   * `user`: character, the user to whom it belongs,
#'   * `path`: character, the name in the operating system,
#'   * `tag`: character, `SHAREDMEMORY_TAG` when it was allocated, or `NA`,
#'   * `wrong`: character, what does not check if the state is `damaged`,
#'   * `bytes`: raw, at most `n`.
#'
#'   It prints with a hex dump.
#' @section Errors:
#' `sharedmemory_error_argument`, `_not_found`, `_permission`; see
#' [sharedmemory].
#' @examples
#' id <- allocateSharedMemory(100, "example-inspect")
#' inspectSharedMemory(id, n = 32)
#' freeSharedMemory(id)
#' @export
inspectSharedMemory <- function(id, n = 256) {
  found <- .Call(C_inspect, id, n)
  one <- lapply(found[[1]][setdiff(names(found[[1]]), "fate")], `[[`, 1)
  one$created <- .POSIXct(one$created)
  one$since <- .POSIXct(one$since)
  structure(c(one, list(path = found[[2]], bytes = found[[3]])),
            class = "sharedmemory_inspection")
}

#' @export
print.sharedmemory_inspection <- function(x, ...) {
  or <- function(value, otherwise) if (is.na(value)) otherwise else value
  pids <- if (anyNA(x$mappedBy)) "not told" else if (length(x$mappedBy) == 0)
    "nobody" else paste(x$mappedBy, collapse = " ")
  lines <- c(
    id = x$Id, state = paste0(x$state, ": ", state_meaning[[x$state]]),
    wrong = or(x$wrong, ""), path = x$path, user = or(x$user, ""),
    size = sprintf("%s usable, %s resident", bytes_text(x$size),
                   bytes_text(x$resident)),
    owner = format_owner(x$pid, x$command),
    created = if (is.na(x$created)) "" else format(x$created, usetz = TRUE),
    lifetime = or(x$lifetime, ""),
    sealed = if (isTRUE(x$sealed)) "yes" else "",
    locked = if (is.na(x$lock)) "" else lock_text(x), call = or(x$call, ""),
    `mapped by` = pids
  )
  lines <- lines[nzchar(lines)]
  label <- format(names(lines))
  for (i in seq_along(lines)) print_wrapped(label[i], lines[[i]])
  if (length(x$bytes) > 0) cat(hex_dump(x$bytes), sep = "\n")
  invisible(x)
}

# The label once, the text beside it in as many lines as it takes. What has no
# blanks is cut: paths are as long as they like.
print_wrapped <- function(label, text) {
  width <- 80 - nchar(label, "width") - 2
  words <- strwrap(clip(strsplit(printable(text), " ", fixed = TRUE)[[1]], width),
                   width = 1000)
  lines <- strwrap(paste(words, collapse = " "), width = width + 1)
  if (length(lines) == 0) lines <- ""
  blank <- strrep(" ", nchar(label, "width"))
  cat(paste0(c(label, rep(blank, length(lines) - 1)), "  ", lines), sep = "\n")
}

# 16 bytes a line: offset, hexadecimal, and what can be printed of ASCII.
hex_dump <- function(bytes) {
  start <- seq(1, length(bytes), by = 16)
  vapply(start, function(from) {
    part <- bytes[from:min(from + 15, length(bytes))]
    shown <- part
    shown[part < as.raw(0x20) | part > as.raw(0x7e)] <- charToRaw(".")
    sprintf("%08x  %-47s  %s", from - 1L, paste(part, collapse = " "),
            rawToChar(shown))
  }, "")
}
