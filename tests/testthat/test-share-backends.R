# Shared objects with what people use to run R on several processes.
#
# Of each the same is asked: arguments and results, globals, a worker of a worker, and a
# worker that shares its result and ends. Here nobody waits for what was sent and never
# opened; the workers do, as they do by default.

# Workers, and theirs, end in their own time, and what they shared goes with them.
local_shared <- function(frame = parent.frame()) {
  local_objects(frame, patience = deadline)
  share(list(numbers = stats::runif(1e5), words = rep(letters, 4000)))
}

# What a worker is asked, and what it shares.
look <- function(x) {
  list(sum = sum(x$numbers), word = x$words[27:28],
       id = sharedmemory::sharedMemoryId(x),
       result = sharedmemory::share(list(x$numbers * 2, rev(x$words))))
}

expect_looked <- function(answer, x) {
  expect_identical(answer$sum, sum(x$numbers))
  expect_identical(answer$word, c("a", "b"))
  expect_identical(answer$id, sharedMemoryId(x))
  expect_result(answer$result, x)
}

expect_result <- function(result, x) {
  expect_true(is.shared(result[[1]]))
  expect_true(is.shared(result[[2]]))
  expect_identical(result, list(x$numbers * 2, rev(x$words)))
}

expect_ended <- function(pids) {
  ended <- function() all(vapply(pids, process_state, "") %in% c("", "Z"))
  expect_true(eventually(ended), label = "the workers have ended")
}

# The environment of a test is not to travel with a function.
alone <- function(fun, ...) {
  environment(fun) <- list2env(list(...), parent = globalenv())
  fun
}

test_that("parallel, PSOCK", {
  x <- local_shared()
  cluster <- local_cluster(2)
  answers <- parallel::clusterCall(cluster, alone(look), x)
  for (answer in answers) expect_looked(answer, x)
  parallel::clusterExport(cluster, "x", environment())
  seen <- parallel::parLapply(cluster, 1:4, alone(function(i) {
    list(sharedmemory::sharedMemoryId(x), x$numbers[i])
  }))
  expect_identical(seen, lapply(1:4, function(i) list(sharedMemoryId(x), x$numbers[i])))
  nested <- parallel::clusterCall(cluster[1], alone(function(x) {
    inner <- parallel::makePSOCKcluster(1)
    on.exit(parallel::stopCluster(inner))
    parallel::clusterCall(inner, function(paths) .libPaths(paths), .libPaths())
    parallel::clusterCall(inner, look, x)[[1]][1:3]
  }, look = alone(look)), x)
  expect_identical(nested[[1]], answer[1:3])
})

test_that("parallel, PSOCK: a worker shares its result and ends", {
  x <- local_shared()
  cluster <- parallel::makePSOCKcluster(2)
  withr::defer(try(parallel::stopCluster(cluster), silent = TRUE))
  pids <- unlist(parallel::clusterCall(cluster, Sys.getpid))
  parallel::clusterCall(cluster, function(paths) .libPaths(paths), .libPaths())
  answers <- parallel::clusterCall(cluster, alone(look), x)
  parallel::stopCluster(cluster)
  expect_ended(pids)
  for (answer in answers) expect_looked(answer, x)
})

test_that("parallel, fork: its workers end with their results", {
  skip_if_no_fork()
  x <- local_shared()
  for (answer in parallel::mclapply(1:3, function(i) look(x), mc.cores = 2)) {
    expect_looked(answer, x)
  }
  job <- parallel::mcparallel({
    nested <- parallel::mccollect(parallel::mcparallel(look(x)))[[1]]
    list(nested[1:3], nested$result[[1]][1] == 2 * x$numbers[1])
  })
  expect_identical(parallel::mccollect(job)[[1]], list(answer[1:3], TRUE))
  # A forked worker has no finalizers at its end, so what it received last is nobody's
  # when its maker has ended too.
  left <- function() all(listSharedObjects()$state[-1] == "orphan")
  expect_true(eventually(left), label = "all but the first are nobody's")
  expect_gt(sum(reclaimSharedMemory()$removed), 0)
})

test_that("callr", {
  skip_if_not_installed("callr")
  x <- local_shared()
  environment <- child_environment(this_namespace())
  answer <- callr::r(look, list(x), env = environment)
  expect_looked(answer, x)
  nested <- callr::r(function(look, x, environment) {
    callr::r(look, list(x), env = environment)[1:3]
  }, list(look, x, environment), env = environment)
  expect_identical(nested, answer[1:3])
  session <- local_session()
  run_in(session, function(x) {
    assign("x", x, globalenv())
    NULL
  }, x)
  seen <- run_in(session, function() list(sharedMemoryId(x), x$numbers[5]))
  expect_identical(seen, list(sharedMemoryId(x), x$numbers[5]))
})

# Of each level as many workers as `workers` says.
local_plan <- function(strategy, workers, frame = parent.frame()) {
  levels <- lapply(workers, function(n) {
    do.call(future::tweak, list(strategy, workers = I(n)))
  })
  old <- do.call(future::plan, list(levels))
  withr::defer(future::plan(old), frame)
  # A worker that has workers opens connections to them, of which future warns.
  withr::local_options(future.connections.onMisuse = "ignore", .local_envir = frame)
}

test_that("future", {
  skip_if_not_installed("future")
  x <- local_shared()
  local_plan(future::multisession, c(1, 1))
  answer <- future::value(future::future(look(x)))
  expect_looked(answer, x)
  # The arguments of a function, and no globals.
  called <- future::value(future::futureCall(alone(look), list(x)))
  expect_looked(called, x)
})

test_that("future, nested", {
  skip_if_not_installed("future")
  x <- local_shared()
  local_plan(future::multisession, c(1, 1))
  answer <- future::value(future::future(look(x)))
  nested <- future::value(future::future({
    c(future::value(future::future(look(x)))[1:3], list(Sys.getpid()))
  }))
  expect_identical(nested[1:3], answer[1:3])
  expect_false(nested[[4]] == Sys.getpid())
  # New versions of future keep one whose worker has opened connections, as it does to
  # a worker of its own, and with it all that it holds.
  freeSharedMemory(listSharedObjects()$Id)
})

test_that("future: a worker shares its result and ends", {
  skip_if_not_installed("future")
  x <- local_shared()
  local_plan(future::multisession, 1)
  pid <- future::value(future::future(Sys.getpid()))
  answer <- future::value(future::future(look(x)))
  future::plan(future::sequential)
  expect_ended(pid)
  expect_looked(answer, x)
})

test_that("future, fork", {
  skip_if_not_installed("future")
  skip_if_not(future::supportsMulticore(), "future does not fork here")
  x <- local_shared()
  local_plan(future::multicore, 1)
  answer <- future::value(future::future(c(look(x), list(Sys.getpid()))))
  expect_ended(answer[[5]])
  expect_looked(answer, x)
  gc() # the future has the value until its finalizer has run
})

# One that DESCRIPTION does not name.
other_package <- function(name) {
  skip_if_not_installed(name)
  asNamespace(name)
}

local_daemon <- function(mirai, frame = parent.frame()) {
  mirai$daemons(1)
  withr::defer(mirai$daemons(0), frame)
}

collect <- function(mirai, task) {
  value <- task[]
  if (mirai$is_error_value(value)) stop("the worker says: ", format(value))
  value
}

test_that("mirai", {
  mirai <- other_package("mirai")
  x <- local_shared()
  local_daemon(mirai)
  answer <- collect(mirai, mirai$mirai(look(x), look = alone(look), x = x))
  expect_looked(answer, x)
  numbers <- alone(function(i, x) x$numbers[i])
  mapped <- collect(mirai, mirai$mirai_map(1:3, numbers, .args = list(x = x)))
  expect_identical(unlist(mapped), x$numbers[1:3])
  mirai$everywhere({}, x = x)
  seen <- collect(mirai, mirai$mirai({
    list(sharedmemory::sharedMemoryId(x), x$numbers[5])
  }))
  expect_identical(seen, list(sharedMemoryId(x), x$numbers[5]))
  nested <- collect(mirai, mirai$mirai({
    mirai <- asNamespace("mirai")
    mirai$daemons(1)
    on.exit(mirai$daemons(0))
    mirai$mirai(look(x), look = look, x = x)[][1:3]
  }, look = alone(look), x = x))
  expect_identical(nested, answer[1:3])
})

test_that("mirai: a worker shares its result and ends", {
  mirai <- other_package("mirai")
  x <- local_shared()
  local_daemon(mirai)
  pid <- collect(mirai, mirai$mirai(Sys.getpid()))
  answer <- collect(mirai, mirai$mirai(look(x), look = alone(look), x = x))
  mirai$daemons(0)
  expect_ended(pid)
  expect_looked(answer, x)
})

# Its workers get our options, and ours is not to wait: that is not for them.
local_snow <- function(bioc, frame = parent.frame()) {
  param <- bioc$bpstart(bioc$SnowParam(2, exportglobals = FALSE))
  withr::defer(bioc$bpstop(param), frame)
  param
}

test_that("BiocParallel", {
  bioc <- other_package("BiocParallel")
  x <- local_shared()
  param <- local_snow(bioc)
  answers <- bioc$bplapply(1:2, alone(function(i, look, x) look(x)),
                           look = alone(look), x = x, BPPARAM = param)
  for (answer in answers) expect_looked(answer, x)
  seen <- bioc$bplapply(1:3, alone(function(i) {
    list(sharedmemory::sharedMemoryId(x), x$numbers[i])
  }, x = x), BPPARAM = param)
  expect_identical(seen, lapply(1:3, function(i) list(sharedMemoryId(x), x$numbers[i])))
  nested <- bioc$bplapply(1, alone(function(i, look, x) {
    bioc <- asNamespace("BiocParallel")
    inner <- bioc$SnowParam(1, exportglobals = FALSE)
    bioc$bplapply(1, function(i, look, x) look(x)[1:3], look = look, x = x,
                  BPPARAM = inner)[[1]]
  }), look = alone(look), x = x, BPPARAM = param)
  expect_identical(nested[[1]], answer[1:3])
})

test_that("BiocParallel: a worker shares its result and ends", {
  bioc <- other_package("BiocParallel")
  x <- local_shared()
  run <- function(param) {
    bioc$bplapply(1:2, alone(function(i, look, x) c(look(x), list(Sys.getpid()))),
                  look = alone(look), x = x, BPPARAM = param)
  }
  answers <- run(bioc$SnowParam(2, exportglobals = FALSE)) # which ends them
  if (.Platform$OS.type == "unix") {
    answers <- c(answers, run(bioc$MulticoreParam(2, exportglobals = FALSE)))
  }
  expect_ended(vapply(answers, function(answer) answer[[5]], 1L))
  for (answer in answers) expect_looked(answer, x)
})
