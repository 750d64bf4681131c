# Sharing whole objects, beside R's own serialize() and other packages where they are
# installed: mori and memshare need R 4.3, SharedObject has not been seen with that.

# ---- what others offer -----------------------------------------------------------

# Each shares x, and returns what is to be kept. memshare knows only vectors of doubles.
memshare_space <- function() sprintf("bench%d", Sys.getpid())

share_by <- list(
  mori = function(x) mori::share(x),
  SharedObject = function(x) SharedObject::share(x),
  memshare = function(x) {
    memshare::registerVariables(memshare_space(), list(x = x))
    owner <- new.env()
    reg.finalizer(owner, function(e) memshare::releaseVariables(memshare_space(), "x"))
    owner
  }
)

installed_of <- function(packages) Filter(has_package, packages)

# The sharing of x in seconds; what it made is gone, with the collector, after that.
sharing_of <- function(share, x) {
  force(share)
  function() {
    time <- seconds(shared <- share(x))
    rm(shared)
    gc()
    time
  }
}

serializing <- function(x) function() seconds(serialize(x, NULL, xdr = FALSE))

share_work <- function(name, goal, x, floor, kind, packages, ..., others = list()) {
  peers <- lapply(share_by[installed_of(packages)], sharing_of, x)
  work(name, goal, sharing_of(share, x), floor, kind, others = c(others, peers), ...)
}

# ---- what arrives in another process -----------------------------------------------

# Workers that can measure, with all packages that are there.
new_worker <- function(n = 1) {
  cluster <- parallel::makePSOCKcluster(n)
  parallel::clusterCall(cluster, function(paths, floor) {
    .libPaths(paths)
    dyn.load(floor)
    invisible()
  }, .libPaths(), floor_library())
  parallel::clusterExport(cluster, c("now", "seconds", "has_package", "use_stream"))
  parallel::clusterEvalQ(cluster, {
    loadNamespace("sharedmemory")
    for (package in c("mori", "SharedObject", "memshare")) has_package(package)
  })
  cluster
}

# x as it is sent, plain and by each of the packages; `kept` is what owns them.
streams_of <- function(x, packages) {
  kept <- c(list(ours = share(x)),
            lapply(share_by[installed_of(packages)], function(share) share(x)))
  streams <- lapply(kept, serialize, NULL, xdr = FALSE)
  list(kept = kept, bytes = c(list(plain = serialize(x, NULL, xdr = FALSE)), streams))
}

# In the worker: what came before is no burden.
use_stream <- function(use, which) {
  gc(full = TRUE)
  use(get("streams", globalenv())[[which]])
}

# A work that takes place in the worker, with what comes out of a stream. `use` has the
# stream for an argument, and returns seconds.
arrival_work <- function(cluster, name, goal, streams, use, ...) {
  environment(use) <- globalenv()
  there <- FALSE
  run <- function(which) {
    force(which)
    function() {
      if (!there) {
        parallel::clusterCall(cluster, assign, "streams", streams$bytes, globalenv())
        there <<- TRUE
      }
      parallel::clusterCall(cluster, use_stream, use, which)[[1]]
    }
  }
  others <- setdiff(names(streams$bytes), c("ours", "plain"))
  work(name, goal, run("ours"), run("plain"),
       others = lapply(stats::setNames(nm = others), run), ...)
}

# ---- works -----------------------------------------------------------------------

share_gigabyte <- function() {
  x <- numeric(2^27) + seq_len(2^27)
  .Call("floor_source", x)
  list(works = list(
    share_work("share 1 GiB of doubles: of the best pwrite", 0.95, x,
               list(floor_of("fresh_1"), floor_of("fresh_4"), floor_of("fresh_16")),
               "bandwidth", c("mori", "SharedObject", "memshare"), rounds = 5,
               others = list(serialize = serializing(x)), also = c(mori = 1.6))
  ), end = function() NULL)
}

a_frame <- function() {
  n <- 1e6
  keys <- paste0("key", seq_len(n))
  frame <- data.frame(u = keys, v = sample(keys[1:50], n, TRUE),
                      f = factor(sample(letters, n, TRUE)), i = sample.int(n))
  for (name in letters[1:6]) frame[[name]] <- stats::runif(n)
  frame
}

share_objects <- function() {
  frame <- a_frame()
  quarter <- sample(frame$u[1:250000], 1e6, TRUE)
  few <- sample(frame$u[1:100], 1e6, TRUE)
  peers <- c("mori", "SharedObject")
  list(works = list(
    share_work("share a data frame 1e6 x 10: of serialize()", 0.45, frame,
               serializing(frame), "times", peers, rounds = 5, also = c(mori = 0.6)),
    share_work("share 1e6 strings, 25 % different: of serialize()", 0.4, quarter,
               serializing(quarter), "times", peers, rounds = 5),
    share_work("share 1e6 strings, 100 different: of serialize()", 0.4, few,
               serializing(few), "times", peers, rounds = 5)
  ), end = function() NULL)
}

share_small <- function() {
  n <- 1000L
  x <- sample.int(10)
  many <- function(share) {
    force(share)
    function() {
      kept <- vector("list", n)
      time <- seconds(for (i in seq_len(n)) kept[[i]] <- share(x), n)
      rm(kept)
      gc()
      time
    }
  }
  allocate_write <- function() {
    ids <- character(n)
    time <- seconds(for (i in seq_len(n)) {
      ids[i] <- allocateSharedMemory(40)
      writeSharedMemory(ids[i], x)
    }, n)
    freeSharedMemory(ids)
    gc()
    time
  }
  list(works = list(
    work("share 10 integers: of allocate + write", 1.3, many(share), allocate_write,
         rounds = 21, others = lapply(share_by[installed_of(c("mori", "SharedObject"))],
                                      many))
  ), end = function() NULL)
}

# From R 4.3 on it is the same for every object; before, one for each of the leaves.
share_reference <- function() {
  x <- lapply(1:100, function(i) numeric(1e4) + i)
  streams <- streams_of(x, c("mori", "SharedObject"))
  whole <- getRversion() >= "4.3"
  size_of <- function(which) {
    force(which)
    function() length(streams$bytes[[which]]) / (if (whole) 1 else length(x))
  }
  others <- setdiff(names(streams$bytes), c("ours", "plain"))
  list(works = list(
    work(if (whole) "reference to a list of 100 vectors" else
           "reference to a list of 100 vectors, each", if (whole) 300 else 100,
         size_of("ours"), size_of("plain"), "bytes", rounds = 1,
         others = lapply(stats::setNames(nm = others), size_of))
  ), end = function() NULL)
}

# Memory that is this process's alone. (Private_Dirty has also the pages of a shared
# file that nobody else happens to map.) R has given back what it can.
private_bytes <- function() {
  gc(full = TRUE)
  line <- grep("^Anonymous:", readLines("/proc/self/smaps_rollup"), value = TRUE)
  1024 * as.numeric(gsub("[^0-9]", "", line))
}

# What stays of reading x in six ways, when their results are gone.
read_in_six_ways <- function(x, y) {
  x[1]
  any(x > 0.5)
  sum(x)
  order(x)[1]
  identical(x, y)
  x %*% y
}

# In a process of its own, as bytes. Small vectors first, so that neither what R loads
# for these functions nor the room that its heap grows by is counted.
private_after_reading <- function(stream, small) {
  cluster <- new_worker()
  on.exit(parallel::stopCluster(cluster))
  parallel::clusterExport(cluster, c("private_bytes", "read_in_six_ways"))
  measured <- parallel::clusterCall(cluster, function(stream, small) {
    for (i in 1:3) {
      x <- unserialize(small)
      read_in_six_ways(x, x + 0)
    }
    rm(x)
    before <- private_bytes()
    x <- unserialize(stream)
    y <- x + 0
    read_in_six_ways(x, y)
    rm(y)
    private_bytes() - before
  }, stream, small)
  max(0, measured[[1]])
}

private_work <- function(streams, small) {
  run <- function(which) {
    force(which)
    function() private_after_reading(streams$bytes[[which]], small$bytes[[which]])
  }
  others <- setdiff(names(streams$bytes), c("ours", "plain"))
  work("private memory after six ways to read 100 MB", 0, run("ours"), run("plain"),
       "private", rounds = 2, others = lapply(stats::setNames(nm = others), run))
}

share_numbers <- function() {
  n <- 100e6 / 8
  x <- stats::runif(n)
  cluster <- new_worker()
  streams <- streams_of(x, c("mori", "SharedObject"))
  small <- streams_of(stats::runif(1e5), c("mori", "SharedObject"))
  there_and_back <- function(what) {
    force(what)
    function() {
      parallel::clusterCall(cluster, gc) # what came before is no burden
      seconds(parallel::clusterCall(cluster, `[[`, what, 1))
    }
  }
  constant <- .Call("floor_constant")
  short <- share(stats::runif(length(constant)))
  list(works = list(
    work("100 MB to a worker, its first element back", 0.01,
         there_and_back(streams$kept$ours), there_and_back(x), rounds = 5,
         others = lapply(streams$kept[-1], there_and_back)),
    arrival_work(cluster, c("scan of 100 MB of doubles, the first", "the scan again"),
                 c(1.3, 1.05), streams, function(stream) {
                   x <- unserialize(stream)
                   c(seconds(sum(x)), seconds(sum(x)))
                 }, rounds = 9),
    private_work(streams, small),
    work("x[i] loop, to the least ALTREP vector", 1.1,
         function() seconds(add_up(short, length(short))),
         function() seconds(add_up(constant, length(constant))), rounds = 41)
  ), end = function() parallel::stopCluster(cluster))
}

share_strings <- function() {
  cluster <- new_worker()
  unique <- streams_of(paste0("key", seq_len(1e6)), "mori")
  few <- streams_of(sample(paste0("key", 1:100), 1e7, TRUE), "mori")
  small <- streams_of(lapply(1:1e5, function(i) c(i, i)), "mori")
  list(works = list(
    arrival_work(cluster, c("1e6 different strings, arrival and nchar()",
                            "nchar() of them again"),
                 c(0.8, 1.5), unique, function(stream) {
                   first <- seconds({
                     x <- unserialize(stream)
                     sum(nchar(x))
                   })
                   c(first, seconds(sum(nchar(x))))
                 }, rounds = 5),
    arrival_work(cluster, c("1e7 strings, 100 different, arrival and ==",
                            "== of them again", "nchar() of them", "paste() of them"),
                 c(0.35, 3, 1.7, 1.7), few, function(stream) {
                   first <- seconds({
                     x <- unserialize(stream)
                     sum(x == "key5")
                   })
                   c(first, seconds(sum(x == "key5")), seconds(sum(nchar(x))),
                     seconds(paste(x)))
                 }, rounds = 3),
    arrival_work(cluster, c("100,000 small vectors, arrival and sums",
                            "their sums again"),
                 c(1.2, 1.1), small, function(stream) {
                   first <- seconds({
                     x <- unserialize(stream)
                     vapply(x, sum, 0)
                   })
                   c(first, seconds(vapply(x, sum, 0)))
                 }, rounds = 9)
  ), end = function() parallel::stopCluster(cluster))
}

share_groups <- list(
  share_gigabyte = share_gigabyte, share_objects = share_objects,
  share_small = share_small, share_reference = share_reference,
  share_numbers = share_numbers, share_strings = share_strings
)
