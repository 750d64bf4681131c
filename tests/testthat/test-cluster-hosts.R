# clusterShare() where there are several machines: see helper-hosts.R.

# SHAREDMEMORY_TEST_MB: how much is sent, of which there is one copy per host.
megabytes <- function() as.numeric(Sys.getenv("SHAREDMEMORY_TEST_MB", "24"))

test_that("each host gets the data once and has it once", {
  skip_if_no_hosts()
  hosts <- local_hosts(3, paste0(2 * megabytes(), "m"))
  seen <- on_master(hosts, function(hosts, tools, mb) {
    cl <- tools$cluster(hosts, 3)
    x <- stats::rnorm(mb * 1e6 / 8)
    f <- as.function(alist(a = , a + 1), globalenv())
    clusterShare(cl, character()) # the package is loaded
    traffic <- tools$traffic(cl)
    memory <- tools$memory(cl)
    again <- tools$sent_again()
    how <- clusterShare(cl, c("x", "f"), environment())
    traffic <- tools$traffic(cl) - traffic
    again <- tools$sent_again() - again
    sums <- parallel::clusterEvalQ(cl, c(sum(x), sharedmemory::is.shared(x), f(1)))
    memory <- tapply(tools$memory(cl) - memory, rep(1:3, 3), sum)
    result <- list(how = how, traffic = traffic[1:3], again = again,
                   memory = as.vector(memory),
                   right = all.equal(sums[-1], rep(list(c(sum(x), 1, 2)), 8)),
                   before = tools$segments(cl))
    parallel::clusterEvalQ(cl, {
      rm(x, f)
      gc()
    })
    result$after <- tools$segments(cl)
    parallel::stopCluster(cl)
    result
  }, megabytes())
  bytes <- megabytes() * 1e6
  expect_identical(seen$right, TRUE)
  expect_identical(seen$how$place, rep(1:3, 3))
  expect_identical(seen$how$how, rep(c("made", "opened"), c(3, 6)))
  expect_gt(min(seen$traffic), bytes)
  expect_lt(max(seen$traffic), 1.02 * bytes + 1e5 + seen$again)
  # Of one copy, with what R itself takes for a pass over it.
  expect_true(all(seen$memory > 0.9 * bytes & seen$memory < 1.2 * bytes + 2e7))
  expect_identical(seen$before, rep(1L, 9))
  expect_identical(seen$after, rep(0L, 9))
  expect_hosts_clean(hosts, 0:3)
})

test_that("what is there stays when its maker dies, and a new worker gets it", {
  skip_if_no_hosts()
  hosts <- local_hosts(2)
  seen <- on_master(hosts, function(hosts, tools) {
    cl <- tools$cluster(hosts, 2)
    x <- stats::rnorm(1e6)
    clusterShare(cl, "x", environment())
    traffic <- tools$traffic(cl)
    again <- clusterShare(cl, "x", environment())
    late <- tools$cluster(hosts, 1, 3)
    all <- structure(c(cl, late), class = class(cl))
    joined <- clusterShare(all, "x", environment())
    quiet <- tools$traffic(cl) - traffic
    parallel::clusterCall(cl[1], function() {
      system(sprintf("(sleep 0.2; kill -9 %d) &", Sys.getpid()))
    })
    Sys.sleep(1)
    living <- all[-1]
    sums <- unlist(parallel::clusterEvalQ(living, sum(x)))
    warned <- tryCatch(clusterShare(all, "x", environment()),
                       warning = conditionMessage)
    parallel::clusterEvalQ(living, {
      rm(x)
      gc()
    })
    result <- list(again = again$how, joined = joined$how, quiet = quiet,
                   warned = warned, right = all(abs(sums - sum(x)) < 1e-6),
                   after = tools$segments(living))
    parallel::stopCluster(living)
    result
  })
  expect_identical(seen$again, rep("opened", 4))
  expect_identical(seen$joined, rep("opened", 5))
  expect_lt(max(seen$quiet), 2e5)
  expect_true(seen$right)
  expect_match(seen$warned, "worker 1 of the cluster has ended")
  expect_identical(seen$after, rep(0L, 4))
  expect_hosts_clean(hosts, 0:2)
})

test_that("a worker that dies in mid-transfer is replaced by another of its host", {
  skip_if_no_hosts()
  hosts <- local_hosts(2)
  seen <- on_master(hosts, function(hosts, tools) {
    cl <- tools$cluster(hosts, 2)
    x <- stats::rnorm(6e6)
    pids <- unlist(parallel::clusterCall(cl, Sys.getpid))
    tools$signal_during(cl, 3, "KILL", pids[1], 1e7)
    how <- suppressWarnings(clusterShare(cl, "x", environment()))
    sums <- unlist(parallel::clusterEvalQ(cl[-1], sum(x)))
    result <- list(how = how$how, right = all(abs(sums - sum(x)) < 1e-6),
                   segments = tools$segments(cl[-1]))
    parallel::stopCluster(cl[-1])
    result
  })
  expect_identical(seen$how, c("ended", "made", "made", "opened"))
  expect_true(seen$right)
  expect_identical(seen$segments, rep(1L, 3))
  expect_hosts_clean(hosts, 0:2)
})

test_that("Ctrl-C leaves no copies, and the cluster goes on", {
  skip_if_no_hosts()
  hosts <- local_hosts(2)
  seen <- on_master(hosts, function(hosts, tools) {
    cl <- tools$cluster(hosts, 2)
    x <- stats::rnorm(6e6)
    tools$signal_during(cl, 1, "INT", Sys.getpid(), 1e7)
    answer <- tryCatch(
      {
        clusterShare(cl, "x", environment())
        "finished"
      },
      interrupt = function(e) "interrupted"
    )
    result <- list(
      answer = answer, segments = tools$segments(cl),
      exists = unlist(parallel::clusterCall(cl, exists, "x", envir = globalenv()))
    )
    clusterShare(cl, "x", environment())
    result$sums <- unlist(parallel::clusterEvalQ(cl, length(x))) == 6e6
    parallel::stopCluster(cl)
    result
  })
  expect_identical(seen$answer, "interrupted")
  expect_identical(seen$segments, rep(0L, 4))
  expect_identical(seen$exists, rep(FALSE, 4))
  expect_identical(seen$sums, rep(TRUE, 4))
  expect_hosts_clean(hosts, 0:2)
})

test_that("nothing is left when the master dies in mid-transfer", {
  skip_if_no_hosts()
  hosts <- local_hosts(2)
  expect_error(on_master(hosts, function(hosts, tools) {
    cl <- tools$cluster(hosts, 2)
    few <- stats::rnorm(1e6)
    clusterShare(cl, "few", environment())
    x <- stats::rnorm(6e6)
    tools$signal_during(cl, 3, "KILL", Sys.getpid(), 1e7)
    clusterShare(cl, "x", environment())
  }), "has not come to its end")
  expect_hosts_clean(hosts, 0:2)
  ended <- function() length(pids_in(hosts$name)) == length(hosts$pid)
  expect_true(eventually(ended), label = "the workers have ended")
})

test_that("results come as references on the same host and by value from others", {
  skip_if_no_hosts()
  hosts <- local_hosts(1)
  seen <- on_master(hosts, function(hosts, tools) {
    cl <- tools$cluster(hosts, 1, 1:2)
    clusterShare(cl, character())
    answers <- parallel::clusterCall(cl, function() {
      id <- sharedmemory::allocateSharedMemory(8000)
      sharedmemory::writeSharedMemory(id, sqrt(1:1000))
      sharedmemory::sealSharedMemory(id)
      view <- sharedmemory::viewSharedMemory(id)
      list(sharedmemory::share(sqrt(1:1000)), view)
    })
    result <- list(
      shared = vapply(answers, function(x) vapply(x, is.shared, NA), c(NA, NA)),
      sums = vapply(answers, function(x) vapply(x, sum, 0), c(0, 0))
    )
    parallel::stopCluster(cl)
    result
  })
  expect_identical(seen$shared, cbind(c(TRUE, TRUE), c(FALSE, FALSE)))
  expect_equal(seen$sums, matrix(sum(sqrt(1:1000)), 2, 2))
})

test_that("a host without room is an error that names the worker", {
  skip_if_no_hosts()
  hosts <- local_hosts(2, "4m")
  seen <- on_master(hosts, function(hosts, tools) {
    cl <- tools$cluster(hosts, 1)
    few <- 1:1000
    x <- stats::rnorm(1e6)
    error <- tryCatch(clusterShare(cl, c("few", "x"), environment()), error = identity)
    result <- list(
      class = class(error), message = conditionMessage(error),
      segments = tools$segments(cl),
      exists = unlist(parallel::clusterCall(cl, exists, "few", envir = globalenv()))
    )
    parallel::stopCluster(cl)
    result
  })
  expect_identical(seen$class[1], "sharedmemory_error_no_space")
  expect_match(seen$message, "^worker 1 of the cluster: ")
  expect_identical(seen$segments, c(0L, 0L))
  expect_identical(seen$exists, c(FALSE, FALSE))
})

test_that("what is replaced makes room", {
  skip_if_no_hosts()
  hosts <- local_hosts(1, "20m")
  seen <- on_master(hosts, function(hosts, tools) {
    cl <- tools$cluster(hosts, 2)
    same <- vapply(1:4, function(turn) {
      x <- stats::rnorm(1e6)
      clusterShare(cl, "x", environment())
      sums <- unlist(parallel::clusterEvalQ(cl, sum(x)))
      all(abs(sums - sum(x)) < 1e-6)
    }, NA)
    result <- list(same = same, segments = tools$segments(cl))
    parallel::stopCluster(cl)
    result
  })
  expect_identical(seen$same, rep(TRUE, 4))
  expect_identical(seen$segments, c(1L, 1L))
})

test_that("objects of all kinds arrive as they are", {
  skip_if_no_hosts()
  hosts <- local_hosts(1)
  kinds <- object_kinds()
  kinds[c("language", "model")] <- NULL # they have environments
  # As numbers, in which they travel, some of these would be signaling NaN.
  kinds$bytes <- as.raw(rep(c(0xf7, 0x7f, 0xf0, 1, 0xff), 2e4))
  files <- file.path(hosts$folder, c("there", "back"))
  saveRDS(kinds, files[1])
  on_master(hosts, function(hosts, tools, files) {
    cl <- tools$cluster(hosts, 1)
    kinds <- readRDS(files[1])
    clusterShare(cl, "kinds", environment())
    saveRDS(parallel::clusterEvalQ(cl, kinds)[[1]], files[2])
    parallel::stopCluster(cl)
  }, files)
  seen <- readRDS(files[2])
  for (kind in names(kinds))
    expect_true(same_in_all(kinds[[kind]], seen[[kind]]), label = kind)
})

test_that("workers that were started over ssh", {
  skip_if_no_hosts()
  skip_if_not(has_tool("ssh") && file.exists("/usr/sbin/sshd"), "no ssh, or no sshd")
  hosts <- local_hosts(2)
  hosts$rsh <- start_sshd(hosts)
  seen <- on_master(hosts, function(hosts, tools) {
    cl <- tools$cluster(hosts, 2)
    over_ssh <- unlist(parallel::clusterCall(cl, Sys.getenv, "SSH_CONNECTION"))
    x <- stats::rnorm(1e6)
    clusterShare(cl, character())
    traffic <- tools$traffic(cl)
    how <- clusterShare(cl, "x", environment())
    traffic <- tools$traffic(cl) - traffic
    sums <- unlist(parallel::clusterEvalQ(cl, sum(x)))
    result <- list(ssh = over_ssh, place = how$place, how = how$how, traffic = traffic,
                   right = all(abs(sums - sum(x)) < 1e-6),
                   segments = tools$segments(cl))
    parallel::stopCluster(cl)
    result
  })
  expect_match(seen$ssh, "10[.]77[.]0[.].* 2222$")
  expect_identical(seen$place, c(1L, 2L, 1L, 2L))
  expect_identical(seen$how, rep(c("made", "opened"), each = 2))
  expect_true(all(seen$traffic > 8e6 & seen$traffic < 1.5 * 8e6),
              info = toString(seen$traffic))
  expect_true(seen$right)
  expect_identical(seen$segments, rep(1L, 4))
  expect_hosts_clean(hosts, 0:2)
})
