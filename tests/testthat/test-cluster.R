# clusterShare() on one machine; for several see test-cluster-hosts.R.

# Sent to the workers, so without the environment of the test.
look_at_globals <- as.function(alist({
  list(sum = sum(x), shared = sharedmemory::is.shared(x),
       id = sharedmemory::sharedMemoryId(x), row = frame[2, ], f = f(1), none = none)
}), globalenv())

drop_globals <- function(cluster, ...) {
  parallel::clusterCall(cluster, function(names) {
    rm(list = names, envir = globalenv())
    gc()
    NULL
  }, c(...))
}

expect_looked_at <- function(answer, x, frame) {
  expect_equal(answer$sum, sum(x))
  expect_true(answer$shared)
  expect_identical(answer$row, frame[2, ])
  expect_identical(answer$f, 2)
  expect_null(answer$none)
}

test_that("workers on this machine get references, and let go", {
  local_objects()
  cluster <- local_cluster(2)
  x <- stats::runif(1e5)
  frame <- data.frame(a = 1:1000 + 0L, s = paste0("k", 1:1000))
  f <- as.function(alist(a = , a + 1), globalenv())
  none <- NULL
  how <- clusterShare(cluster, c("x", "frame", "f", "none", "x"), environment())
  expect_identical(how$worker, 1:2)
  expect_identical(how$place, c(1L, 1L))
  answers <- parallel::clusterCall(cluster, look_at_globals)
  for (answer in answers) expect_looked_at(answer, x, frame)
  # The master's name of it is gone by now, and the memory with the workers'.
  expect_identical(segments_in(), character())
  expect_false(is.shared(x))
  drop_globals(cluster, "x", "frame", "f", "none")
})

test_that("what is shared already is not copied", {
  local_objects()
  cluster <- local_cluster(2)
  x <- share(stats::runif(1e5))
  expect_identical(clusterShare(cluster, "x", environment())$how, rep("opened", 2))
  ids <- parallel::clusterEvalQ(cluster, sharedmemory::sharedMemoryId(x))
  expect_identical(ids, rep(list(sharedMemoryId(x)), 2))
  expect_length(segments_in(), 1)
  drop_globals(cluster, "x")
})

test_that("what a worker has changed is the master's again", {
  local_objects()
  cluster <- local_cluster(1)
  x <- share(stats::runif(1e5))
  clusterShare(cluster, "x", environment())
  parallel::clusterEvalQ(cluster, {
    x[1] <- -1
    NULL
  })
  clusterShare(cluster, "x", environment())
  expect_identical(parallel::clusterEvalQ(cluster, x[1])[[1]], x[1])
  drop_globals(cluster, "x")
})

test_that("no variables, and none of that name", {
  local_objects()
  cluster <- local_cluster(1)
  expect_identical(clusterShare(cluster, character())$how, "value")
  expect_error(clusterShare(cluster, "no_such_variable"), "no_such_variable")
  expect_identical(parallel::clusterCall(cluster, function() 1), list(1))
})

test_that("arguments", {
  local_objects()
  cluster <- local_cluster(1)
  no_names <- list(1, NA_character_, "", NULL, list("x"),
                   structure("x", class = "Date"), `Encoding<-`("caf\xe9", "bytes"))
  for (bad in no_names)
    expect_refused(clusterShare(cluster, bad), "argument")
  expect_refused(clusterShare(1, "x"))
  expect_refused(clusterShare(cluster, "x", "environment"))
  expect_refused(clusterShare(cluster, "x", keep = NA))
  expect_refused(clusterShared("x"), "not_found")
  for (bad in c(no_names, list(c("x", "y"), character())))
    expect_refused(clusterShared(bad), "argument")
})

test_that("a worker without this package gets ordinary objects", {
  local_objects()
  withr::with_envvar(
    c(R_LIBS = "", R_LIBS_USER = "none"), cluster <- parallel::makePSOCKcluster(1)
  )
  withr::defer(parallel::stopCluster(cluster))
  there <- parallel::clusterCall(cluster, requireNamespace, "sharedmemory",
                                 quietly = TRUE)
  skip_if(there[[1]], "the package is in R's own library")
  x <- share(stats::runif(1e5))
  name <- "x"
  how <- clusterShare(cluster, c("x", "name"), environment())
  expect_identical(how, data.frame(worker = 1L, place = NA_integer_, how = "value"))
  answer <- parallel::clusterEvalQ(cluster, list(sum(x), name))[[1]]
  expect_equal(answer, list(sum(x), "x"))
})

test_that("a worker that has ended is left out", {
  local_objects()
  cluster <- parallel::makePSOCKcluster(2)
  withr::defer(parallel::stopCluster(cluster[2]))
  parallel::clusterCall(cluster, function(paths) .libPaths(paths), .libPaths())
  tools::pskill(parallel::clusterCall(cluster[1], Sys.getpid)[[1]], tools::SIGKILL)
  x <- 1:10 / 7
  expect_warning(how <- clusterShare(cluster, "x", environment()),
                 "worker 1 of the cluster has ended")
  expect_identical(how$how, c("ended", "opened"))
  expect_identical(parallel::clusterEvalQ(cluster[2], x), list(x))
  drop_globals(cluster[2], "x")
})

test_that("futures find by its name what their worker keeps", {
  skip_if_not_installed("future")
  local_objects()
  cluster <- local_cluster(1)
  x <- share(stats::runif(1e5))
  id <- sharedMemoryId(x)
  clusterShare(cluster, "x", environment(), keep = TRUE)
  old <- future::plan(future::cluster, workers = cluster)
  withr::defer(future::plan(old))
  for (i in 1:2) {
    seen <- future::value(future::future({
      y <- sharedmemory::clusterShared("x")
      list(sharedmemory::sharedMemoryId(y), sum(y))
    }))
    expect_equal(seen, list(id, sum(x)))
  }
  clusterShare(cluster, "x", environment())
  kept <- parallel::clusterCall(cluster, function() {
    tryCatch(sharedmemory::clusterShared("x"), error = class)
  })
  expect_identical(kept[[1]][1], "sharedmemory_error_not_found")
  future::plan(old)
  drop_globals(cluster, "x")
})

test_that("clusters of other packages", {
  local_objects()
  x <- share(stats::runif(1e5))
  expect_shared_on <- function(cluster) {
    parallel::clusterCall(cluster, function(paths) .libPaths(paths), .libPaths())
    expect_identical(clusterShare(cluster, "x", environment())$how, rep("opened", 2))
    ids <- parallel::clusterEvalQ(cluster, sharedmemory::sharedMemoryId(x))
    expect_identical(ids, rep(list(sharedMemoryId(x)), 2))
    drop_globals(cluster, "x")
  }
  for (name in c("parallelly", "mirai")) {
    if (!requireNamespace(name, quietly = TRUE)) next
    make <- if (name == "mirai") "make_cluster" else "makeClusterPSOCK"
    cluster <- getExportedValue(name, make)(2)
    expect_shared_on(cluster)
    parallel::stopCluster(cluster)
  }
  skip_if_not(exists("cluster"), "neither parallelly nor mirai")
})

# The output, and what is printed, of clusterShare() to a worker of another place. That
# is stopped for a second, so that the transfer takes long.
output_of_transfer <- function(on_terminal) {
  folder <- withr::local_tempdir()
  Sys.chmod(folder, "700")
  file <- file.path(folder, "transfer.R")
  writeLines(c(
    "library(sharedmemory)",
    "Sys.setenv(SHAREDMEMORY_DIR = commandArgs(TRUE))",
    "cl <- parallel::makePSOCKcluster(1)",
    "Sys.unsetenv('SHAREDMEMORY_DIR')",
    "pid <- parallel::clusterCall(cl, Sys.getpid)[[1]]",
    "tools::pskill(pid, tools::SIGSTOP)",
    "system(sprintf('(sleep 1; kill -CONT %d) &', pid))",
    "x <- stats::runif(3e6)",
    "how <- clusterShare(cl, 'x')$how",
    "cat(how, parallel::clusterEvalQ(cl, sum(x))[[1]] == sum(x))",
    "parallel::stopCluster(cl)"
  ), file)
  command <- paste(file.path(R.home("bin"), "Rscript"), file, folder)
  if (on_terminal)
    command <- paste("script -q -e -c", shQuote(command), "/dev/null </dev/null")
  output <- withr::with_envvar(
    outer_environment(this_namespace()),
    suppressWarnings(system(paste(command, "2>&1"), intern = TRUE, timeout = 60))
  )
  expect_null(attr(output, "status"))
  paste(output, collapse = "\n")
}

test_that("a long transfer shows its progress on a terminal, and nothing elsewhere", {
  skip_on_cran()
  skip_if_not_linux()
  skip_if_not(has_tool("script"), "no script, which gives a terminal")
  local_objects()
  expect_identical(output_of_transfer(FALSE), "made TRUE")
  shown <- output_of_transfer(TRUE)
  line <- "\rclusterShare\\(\\): [0-9]+ of 24 MB sent "
  # It is wiped out before anything else is printed.
  expect_match(shown, paste0("^(", line, ")+\r {60}\rmade TRUE\\s*$"))
})

# Its workers have their segments elsewhere: nothing of ours can be opened there.
local_far_cluster <- function(workers, frame = parent.frame()) {
  folder <- withr::local_tempdir(.local_envir = frame)
  Sys.chmod(folder, "700")
  withr::with_envvar(c(SHAREDMEMORY_DIR = folder), local_cluster(workers, frame))
}

# NULL, or what differs there.
wrong_there <- function(cluster, x) {
  how <- clusterShare(cluster, "x", environment())$how
  answers <- parallel::clusterEvalQ(cluster, {
    list(x = sharedmemory::unshare(x), shared = sharedmemory::is.shared(x))
  })
  can_be_shared <- is.shared(share(x))
  expected <- if (can_be_shared) c("made", "opened") else c("value", "value")
  for (answer in answers) {
    if (!same_random(answer$x, x)) return("values")
    if (answer$shared != can_be_shared) return("is.shared()")
  }
  if (!identical(how, expected[seq_along(cluster)])) return(toString(how))
}

test_that("objects of all kinds get to workers elsewhere", {
  skip_if_not_linux()
  local_objects()
  cluster <- local_far_cluster(2)
  kinds <- object_kinds()
  for (kind in setdiff(names(kinds), "few"))
    expect_null(wrong_there(cluster, kinds[[kind]]), label = kind)
  drop_globals(cluster, "x")
})

test_that("random objects get to a worker elsewhere, also one with other numbers", {
  skip_if_not_linux()
  local_objects()
  cluster <- local_far_cluster(1)
  seed <- sample.int(1e9, 1)
  for (numbers in c("the same", "others")) {
    if (numbers == "others") parallel::clusterEvalQ(cluster, utils::assignInNamespace(
      "order_of_bytes", function() "of another machine", "sharedmemory"
    ))
    for (k in seq_len(count_random() / 50)) {
      set.seed(seed + k)
      x <- lapply(1:10, function(i) random_object())
      wrong <- wrong_there(cluster, x)
      expect_null(wrong, label = sprintf("seed %d, numbers: %s", seed + k, numbers))
    }
  }
  drop_globals(cluster, "x")
})

test_that("what is shared, and what has that, gets elsewhere as a whole", {
  skip_if_not_linux()
  local_objects()
  cluster <- local_far_cluster(2)
  inner <- share(stats::runif(1e5))
  id <- allocateSharedMemory(8e4)
  withr::defer(freeSharedMemory(id))
  sealSharedMemory(id)
  view <- viewSharedMemory(id, "double")
  objects <- list(inner, list(inner, 1:10, inner), share(list(a = inner, b = "x")),
                  list(view, letters), view, list(inner[1:10], list(list(inner))))
  for (i in seq_along(objects)) {
    x <- objects[[i]]
    clusterShare(cluster, "x", environment())
    answers <- parallel::clusterEvalQ(cluster, sharedmemory::unshare(x))
    for (answer in answers)
      expect_identical(answer, unshare(x), label = paste("number", i))
  }
  rm(x)
  drop_globals(cluster, "x")
})

# The most bytes that the processes had in memory since the last call.
peaks_of <- function(pids) {
  vapply(pids, function(pid) {
    status <- readLines(sprintf("/proc/%d/status", pid))
    cat("5", file = sprintf("/proc/%d/clear_refs", pid))
    1024 * as.numeric(gsub("\\D", "", grep("^VmHWM", status, value = TRUE)))
  }, 0)
}

test_that("neither the master nor a worker has it twice on the way", {
  skip_on_cran()
  skip_if_not_linux()
  local_objects()
  cluster <- local_far_cluster(1)
  size <- 3e8
  x <- stats::runif(size / 8)
  clusterShare(cluster, character())
  pids <- c(Sys.getpid(), parallel::clusterCall(cluster, Sys.getpid)[[1]])
  for (i in 1:2) before <- peaks_of(pids)
  clusterShare(cluster, "x", environment())
  more <- peaks_of(pids) - before
  expect_lt(more[1], size / 2) # what R has not collected yet
  expect_lt(more[2], size / 2)
  drop_globals(cluster, "x")
})
