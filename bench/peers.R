# The same work by others, where they are installed: mori needs R 4.3. Seconds, medians
# of some rounds. What the garbage collector frees for a peer is part of the small work,
# and not of the large.

median_of <- function(rounds, run) {
  run()
  stats::median(vapply(seq_len(rounds), function(i) run(), 0))
}

python <- function() {
  candidates <- c("/usr/bin/python3", Sys.which("python3"))
  candidates[file.exists(candidates)][1]
}

# Prints the seconds that one round takes.
python_seconds <- function(setup, code, rounds) {
  script <- c("import time, sys",
              "from multiprocessing import shared_memory, resource_tracker",
              setup, "def run():", paste0("    ", code), "run()",
              "start = time.perf_counter()",
              sprintf("for i in range(%d): run()", rounds),
              sprintf("print((time.perf_counter() - start) / %d)", rounds))
  file <- tempfile(fileext = ".py")
  on.exit(unlink(file))
  writeLines(script, file)
  as.numeric(system2(python(), file, stdout = TRUE))
}

peer <- function(work, ours, name, theirs) {
  message(sprintf("%-36s %-16s %s, ours %s", work, name, format_seconds(theirs),
                  format_seconds(ours)))
  data.frame(work = work, peer = name, ours = ours, theirs = theirs)
}

peer_small <- function() {
  what <- "create + free, 4 KiB"
  ours <- median_of(11, function() seconds(for (i in 1:500) {
    freeSharedMemory(allocateSharedMemory(4096))
  }, 500))
  rows <- NULL
  if (!is.na(python())) {
    rows <- rbind(rows, peer(what, ours, "Python shared_memory", python_seconds(NULL, c(
      "s = shared_memory.SharedMemory(create=True, size=4096)", "s.close()",
      "s.unlink()"), 2000)))
  }
  if (has_package("bigmemory")) {
    rows <- rbind(rows, peer(what, ours, "bigmemory", median_of(11, function() {
      seconds(for (i in 1:50) {
        bigmemory::big.matrix(512, 1, type = "double")
        if (i %% 25 == 0) gc(full = FALSE)
      }, 50)
    })))
  }
  if (has_package("mori")) {
    rows <- rbind(rows, peer(what, ours, "mori", median_of(11, function() {
      x <- numeric(512)
      seconds(for (i in 1:500) {
        mori::share(x)
        if (i %% 25 == 0) gc(full = FALSE)
      }, 500)
    })))
  }
  rows
}

peer_fill <- function() {
  what <- "create, fill with 128 MiB, free"
  x <- numeric(2^24) + seq_len(2^24)
  ours <- median_of(5, function() seconds({
    id <- allocateSharedMemory(8 * length(x))
    writeSharedMemory(id, x)
    freeSharedMemory(id)
  }))
  rows <- NULL
  if (!is.na(python())) {
    rows <- rbind(rows, peer(what, ours, "Python shared_memory", python_seconds(
      "x = bytes(bytearray(range(256)) * (1 << 19))", c(
      "s = shared_memory.SharedMemory(create=True, size=len(x))",
      "s.buf[:len(x)] = x", "s.close()", "s.unlink()"), 5)))
  }
  if (has_package("bigmemory")) {
    rows <- rbind(rows, peer(what, ours, "bigmemory", median_of(5, function() {
      elapsed <- seconds({
        m <- bigmemory::big.matrix(length(x), 1, type = "double")
        m[, 1] <- x
      })
      rm(m)
      gc()
      elapsed
    })))
  }
  if (has_package("mori")) {
    rows <- rbind(rows, peer(what, ours, "mori", median_of(5, function() {
      elapsed <- seconds(m <- mori::share(x))
      rm(m)
      gc()
      elapsed
    })))
  }
  rows
}

# To another R process and back an answer: the sum.
peer_send <- function() {
  what <- "send 128 MiB to a worker, sum there"
  x <- numeric(2^24) + seq_len(2^24)
  cluster <- parallel::makePSOCKcluster(1)
  on.exit(parallel::stopCluster(cluster))
  parallel::clusterEvalQ(cluster, library(sharedmemory))
  # What is shared stays mapped until it is collected: each round begins without that of
  # the last one, or it would show how fast the machine comes by memory that nobody had.
  timed <- function(run) median_of(3, function() {
    gc()
    parallel::clusterCall(cluster, gc)
    seconds(run())
  })
  theirs <- timed(function() parallel::clusterCall(cluster, sum, x))
  ours <- timed(function() {
    id <- allocateSharedMemory(8 * length(x))
    writeSharedMemory(id, x)
    sealSharedMemory(id)
    parallel::clusterCall(cluster, sum, viewSharedMemory(id))
    freeSharedMemory(id)
  })
  rows <- peer(what, ours, "base R's serialize", theirs)
  if (has_package("mori")) {
    parallel::clusterEvalQ(cluster, loadNamespace("mori"))
    theirs <- timed(function() parallel::clusterCall(cluster, sum, mori::share(x)))
    rows <- rbind(rows, peer(what, ours, "mori", theirs))
  }
  rows
}

measure_peers <- function() rbind(peer_small(), peer_fill(), peer_send())
