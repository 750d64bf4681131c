# Daemons of mirai that are not a cluster, on several machines: see helper-hosts.R. What
# is done here is what the help of clusterShare() says.

# As run on the master: two daemons on each host, with a profile per host.
start_daemons <- function(hosts, profiles) {
  mirai <- asNamespace("mirai")
  for (i in seq_along(profiles)) {
    url <- sprintf("tcp://%s:%d", hosts$address[1], 7700L + i)
    mirai$daemons(url = url, .compute = profiles[i])
  }
  for (i in seq_along(hosts$address)[-1]) {
    url <- mirai$nextget("url", .compute = rep(profiles, length.out = i - 1)[i - 1])
    code <- sprintf("mirai::daemon(\"%s\", dispatcher = TRUE)", url)
    r <- file.path(R.home("bin"), "Rscript")
    daemon <- paste(r, "-e", shQuote(code))
    command <- paste(hosts$rsh, hosts$address[i], shQuote(daemon), ">/dev/null 2>&1")
    for (each in 1:2) system(command, wait = FALSE)
  }
}

skip_if_no_daemons <- function() {
  skip_if_not_installed("mirai")
  skip_if_no_hosts()
}

test_that("with a profile per host, each host has one copy", {
  skip_if_no_daemons()
  hosts <- local_hosts(2)
  seen <- on_master(hosts, function(hosts, tools, start) {
    mirai <- asNamespace("mirai")
    start(hosts, c("one", "two"))
    x <- share(stats::rnorm(1e6))
    answers <- list()
    for (host in c("one", "two")) {
      mirai$mirai({
        sharedmemory::share(x, name = "x", lifetime = "process")
        NULL
      }, x = unshare(x), .compute = host)[]
      mirai$everywhere({
        x <<- sharedmemory::openShared("x")
        NULL
      }, .min = 2, .compute = host)[]
      answers <- c(answers, mirai$everywhere({
        list(sum(x), sharedmemory::is.shared(x), list.files("/dev/shm", "^smem[.]"),
             Sys.getpid())
      }, .min = 2, .compute = host)[])
    }
    result <- list(
      right = vapply(answers, function(a) all.equal(a[[1]], sum(x)), NA),
      shared = vapply(answers, `[[`, NA, 2), files = lapply(answers, `[[`, 3),
      pids = length(unique(vapply(answers, `[[`, 0L, 4)))
    )
    for (host in c("one", "two")) mirai$daemons(0, .compute = host)
    result
  }, start_daemons)
  expect_identical(seen$right, rep(TRUE, 4))
  expect_identical(seen$shared, rep(TRUE, 4))
  expect_identical(seen$pids, 4L)
  expect_identical(lengths(seen$files), rep(1L, 4))
  expect_hosts_clean(hosts, 0:2)
})

test_that("where one profile spans hosts, references lead nowhere and values arrive", {
  skip_if_no_daemons()
  hosts <- local_hosts(2)
  seen <- on_master(hosts, function(hosts, tools, start) {
    mirai <- asNamespace("mirai")
    start(hosts, "all")
    x <- share(stats::rnorm(1e5))
    everywhere <- function(...) mirai$everywhere(..., .min = 4, .compute = "all")[]
    by_reference <- everywhere({
      tryCatch(sum(x), error = function(e) list(class(e)[1], conditionMessage(e)))
    }, x = x)
    by_value <- everywhere(sum(x), x = unshare(x))
    made_there <- mirai$mirai(sharedmemory::share(sqrt(1:1e5)), .compute = "all")[]
    result <- list(
      classes = vapply(by_reference, `[[`, "", 1), message = by_reference[[1]][[2]],
      right = vapply(by_value, function(s) isTRUE(all.equal(s, sum(x))), NA),
      result = class(tryCatch(sum(made_there), error = identity))[1]
    )
    mirai$daemons(0, .compute = "all")
    result
  }, start_daemons)
  expect_identical(seen$classes, rep("sharedmemory_error_elsewhere", 4))
  expect_match(seen$message, "unshare()", fixed = TRUE)
  expect_identical(seen$right, rep(TRUE, 4))
  expect_identical(seen$result, "sharedmemory_error_elsewhere")
})
