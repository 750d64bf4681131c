#!/usr/bin/env Rscript
# clusterShare() beside clusterExport() of the same object:
#
#   bench/cluster.R [MB [ROUNDS]]    default: 100 MB, 3 rounds; needs root
#
# 1 and 3 hosts with 2 and 8 workers each, and 3 with 3: seconds, and bytes that came
# in at the busiest host. The hosts are those of tests/testthat/helper-hosts.R: all on
# this machine, so that its cores play all of them.
suppressPackageStartupMessages({
  library(sharedmemory)
  library(testthat) # of which the helpers have what they expect
})

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
for (name in c("hosts", "process", "namespace"))
  source(file.path(here, "..", "tests", "testthat", sprintf("helper-%s.R", name)))
deadline <- 600

numbers <- as.numeric(commandArgs(TRUE))
megabytes <- if (length(numbers) > 0) numbers[1] else 100
rounds <- if (length(numbers) > 1) numbers[2] else 3

# On the master. Both ways take turns, and each round has an object of its own: what
# was sent before does not travel again.
time_both <- function(hosts, tools, workers, megabytes, rounds) {
  cl <- tools$cluster(hosts, workers)
  on.exit(parallel::stopCluster(cl))
  sharedmemory::clusterShare(cl, character()) # the package is loaded
  ways <- list(share = sharedmemory::clusterShare, export = parallel::clusterExport)
  drop <- as.function(alist({
    rm(list = "x", envir = globalenv())
    gc()
    NULL
  }), globalenv())
  one <- function(way) {
    x <- stats::rnorm(megabytes * 1e6 / 8)
    traffic <- tools$traffic(cl)
    seconds <- system.time(way(cl, "x", environment()))[[3]]
    traffic <- tools$traffic(cl) - traffic
    right <- length(unique(c(sum(x), unlist(parallel::clusterEvalQ(cl, sum(x)))))) == 1
    stopifnot(right)
    parallel::clusterCall(cl, drop)
    c(seconds = seconds, bytes = max(traffic))
  }
  one(ways$share) # warms up
  turns <- lapply(seq_len(rounds), function(i) vapply(ways, one, c(0, 0)))
  apply(simplify2array(turns), 1:2, stats::median)
}

measure <- function(n, workers) {
  hosts <- local_hosts(n, sprintf("%.0fm", 2.2 * megabytes))
  seen <- on_master(hosts, time_both, workers, megabytes, rounds)
  cat(sprintf("| %d x %d | %.2f | %.2f | %.2f | %.0f | %.0f | %.2f |\n", n, workers,
              seen["seconds", "share"], seen["seconds", "export"],
              seen["seconds", "export"] / seen["seconds", "share"],
              seen["bytes", "share"] / 1e6, seen["bytes", "export"] / 1e6,
              seen["bytes", "export"] / seen["bytes", "share"]))
}

cat(sprintf("%.0f MB, medians of %d; %d cores\n\n", megabytes, rounds,
            parallel::detectCores()))
cat("| hosts x workers | clusterShare, s | clusterExport, s | times |",
    "MB to a host | MB to a host | times |\n|---|---|---|---|---|---|---|\n")
for (n in c(1, 3)) for (workers in if (n == 1) c(2, 8) else c(2, 3, 8))
  measure(n, workers)
