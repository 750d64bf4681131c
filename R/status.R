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
                 capacity = status$capacity,
                 used = status$used, free = status$free,
                 free_by = status$free_by, shares = shares,
                 limits = find_limits(status, shares)),
            class = "sharedmemory_status")
}

find_limits <- function(status, shares) {
  known <- function(x) !is.na(x)
  limits <- list(
    if (!nzchar(status$directory) && known(status$capacity) &&
        status$capacity < 256 * 1024^2) c(
      "small shared memory file system",
      paste(bytes_text(status$capacity), "in all"),
      paste("Docker: `docker run --shm-size=4g`; Kubernetes: mount a volume",
            "`emptyDir: {medium: Memory}` at /dev/shm; else as root: `mount -o",
            "remount,size=4g /dev/shm`. Or set SHAREDMEMORY_DIR to a directory",
            "on a local disk, before the first use")
    ),
    if (known(status$capacity) && status$used > 0.9 * status$capacity) c(
      "shared memory file system nearly full",
      sprintf("%.0f %% used", 100 * status$used / status$capacity),
      paste("free segments (see listSharedObjects(), reclaimSharedMemory()), or",
            "as root: `mount -o remount,size=4g /dev/shm`")
    ),
    if (known(status$capacity) && known(status$free) &&
        status$free < 0.5 * (status$capacity - status$used)) c(
      "less memory than the file system promises",
      paste0(bytes_text(status$free), " can be allocated, by ", status$free_by),
      paste("free memory of other processes, or raise the limit: `docker run",
            "--memory=4g`; Kubernetes: resources.limits.memory; Slurm: `sbatch",
            "--mem=4G`; systemd: `systemd-run -p MemoryMax=4G`; `ulimit -f",
            "unlimited` for the size of files")
    ),
    if (known(status$mappings) && known(status$max_mappings) &&
        status$mappings > 0.8 * status$max_mappings) c(
      "mappings of this process",
      sprintf("%.0f of %.0f", status$mappings, status$max_mappings),
      paste("unmapSharedMemory() what is not used, or as root: `sysctl",
            "vm.max_map_count=262144`")
    ),
    if (isTRUE(status$cleaned_at_logout)) c(
      "removal at logout",
      "systemd removes this user's shared memory with the last session",
      paste("as root: `RemoveIPC=no` in /etc/systemd/logind.conf, then",
            "`systemctl restart systemd-logind`; or `loginctl enable-linger`")
    ),
    if (Sys.info()[["sysname"]] == "Darwin") c(
      "length of names",
      "the system cuts at 31 bytes: longer names are hashed",
      "none needed; other programs find the segment by its path only"
    ),
    if (is_dead_run(status, shares)) c(
      "other namespaces hold memory of dead owners",
      bytes_text(sum(shares$resident[dead_elsewhere(status, shares)])),
      paste("start R with SHAREDMEMORY_NAMESPACE set to that namespace and call",
            "reclaimSharedMemory(persistent = TRUE)")
    )
  )
  limits <- Filter(Negate(is.null), limits)
  list2DF(list(limit = vapply(limits, `[`, "", 1),
               now = vapply(limits, `[`, "", 2),
               remedy = vapply(limits, `[`, "", 3)))
}

dead_elsewhere <- function(status, shares) {
  shares$namespace != status$namespace &
    shares$state %in% c("orphan", "incomplete")
}

is_dead_run <- function(status, shares) any(dead_elsewhere(status, shares))

#' @export
print.sharedmemory_status <- function(x, ...) {
  if (!is.na(x$capacity))
    cat(sprintf("Shared memory: %s of %s used, %s can be allocated\n",
                bytes_text(x$used), bytes_text(x$capacity),
                bytes_text(x$free)))
  if (nzchar(x$directory)) cat(sprintf("Directory: %s\n", printable(x$directory)))
  cat(sprintf("Namespace of this process: %s\n", printable(x$namespace)))
  if (nrow(x$shares) == 0) {
    cat("This package has no segments on this machine.\n")
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
