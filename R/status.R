#' The state of shared memory on this machine
#'
#' For a full `/dev/shm`: how much there is, how much of it belongs to this
#' package, by namespace, user and state (also what a test run that died left in
#' a namespace of its own), and which limits will bite, each with the remedy.
#'
#' @return A list of class `sharedmemory_status`:
#'
#'   * `namespace`: character, that of this process,
#'   * `directory`: character, where the segments of the namespace lie if
#'     `SHAREDMEMORY_DIR` says so; `""` where the system keeps shared memory,
#'   * `spill`: character, the directory to which the namespace has spilled what did not
#'     fit; `""` if nothing was,
#'   * `capacity`, `used`, `free`: numeric, bytes of the file system there;
#'     `free` is what an allocation can still get, which may be less than
#'     the rest because memory is short, or because a control group (a container, a
#'     job of a cluster) has a limit; `NA` where the system does not tell,
#'   * `free_by`: character, the limit that bites first, which is that of `free`: the
#'     file system, the memory of the machine, a control group, which is named, or the
#'     size that files may have (`ulimit -f`); `NA` likewise,
#'   * `shares`: a data frame with the columns `namespace`, `user`, `state`,
#'     `segments` (count), `resident` (bytes). Other users' objects have the state
#'     `foreign`, since we may not look into them, and so have files whose name is not
#'     an id,
#'   * `limits`: a data frame with the columns `limit`, `now`, `remedy`
#'     (character): what bites now or soon; no rows if nothing does.
#' @section Errors:
#' `sharedmemory_error_argument`, `_system`; see [sharedmemory].
#' @examples
#' sharedMemoryStatus()
#' @export
sharedMemoryStatus <- function() {
  status <- .Call(C_status)
  shares <- list2DF(status$shares)
  shares <- shares[order(-shares$resident, shares$namespace, shares$state), ,
                   drop = FALSE]
  rownames(shares) <- NULL
  structure(list(namespace = status$namespace, directory = status$directory,
                 spill = status$spill, capacity = status$capacity,
                 used = status$used, free = status$free,
                 free_by = status$free_by, shares = shares,
                 limits = find_limits(status, shares)),
            class = "sharedmemory_status")
}

# In the order in which the core counts them: what each is like now, and what else
# helps who is at a prompt.
limit_now <- list(
  function(status) paste(bytes_text(status$capacity), "in all"),
  function(status) sprintf("%.0f %% used", 100 * status$used / status$capacity),
  function(status) {
    paste0(bytes_text(status$free), " can be allocated, by ", status$free_by)
  },
  function(status) sprintf("%.0f of %.0f", status$mappings, status$max_mappings),
  function(status) "systemd removes this user's shared memory with the last session"
)
limit_functions <- c(
  "", "See listSharedObjects(), reclaimSharedMemory().", "",
  "See unmapSharedMemory().", ""
)

find_limits <- function(status, shares) {
  bites <- list2DF(status$bites)
  now <- vapply(bites$which, function(which) limit_now[[which]](status), "")
  remedy <- trimws(paste(bites$remedy, limit_functions[bites$which]))
  limits <- data.frame(limit = bites$limit, now = now, remedy = remedy)
  if (Sys.info()[["sysname"]] == "Darwin") {
    limits[nrow(limits) + 1, ] <- c(
      "length of names",
      "the system cuts at 31 bytes: longer names are hashed",
      "None needed; other programs find the segment by its path only."
    )
  }
  dead <- dead_elsewhere(status, shares)
  if (any(dead)) {
    limits[nrow(limits) + 1, ] <- c(
      "other namespaces hold memory of dead owners",
      bytes_text(sum(shares$resident[dead])),
      paste("Start R with SHAREDMEMORY_NAMESPACE set to that namespace and call",
            "reclaimSharedMemory(persistent = TRUE).")
    )
  }
  limits
}

dead_elsewhere <- function(status, shares) {
  shares$namespace != status$namespace &
    shares$state %in% c("orphan", "incomplete")
}

#' @export
print.sharedmemory_status <- function(x, ...) {
  if (!is.na(x$capacity))
    cat(sprintf("Shared memory: %s of %s used, %s can be allocated\n",
                bytes_text(x$used), bytes_text(x$capacity),
                bytes_text(x$free)))
  if (nzchar(x$directory)) cat(sprintf("Directory: %s\n", printable(x$directory)))
  if (nzchar(x$spill)) cat(sprintf("Spilled to: %s\n", printable(x$spill)))
  cat(sprintf("Namespace of this process: %s\n", printable(x$namespace)))
  if (nrow(x$shares) == 0) {
    cat("This package has no segments on this machine.\n")
    if (isTRUE(x$used > 0))
      cat("What is used is other programs', or memory whose name is gone: it stays\n",
          "until the last process lets go of it.\n", sep = "")
  } else {
    cat("\n")
    print_columns(data.frame(namespace = x$shares$namespace,
                             user = clip(x$shares$user, 24),
                             state = x$shares$state,
                             segments = format_count(x$shares$segments),
                             resident = format_bytes(x$shares$resident)),
                  left = c("namespace", "user", "state"))
  }
  for (i in seq_len(nrow(x$limits))) {
    limit <- printable(unlist(x$limits[i, ]))
    cat("\n", strwrap(sprintf("! %s: %s", limit[1], limit[2]), 78, exdent = 2),
        strwrap(limit[3], 78, indent = 2, exdent = 2), sep = "\n")
  }
  invisible(x)
}
