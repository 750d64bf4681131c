# Who is alive, seen by reclaim: in other pid namespaces, with a pid used again, forked.

# ---- pid namespaces --------------------------------------------------------------

test_that("an owner in another pid namespace is alive through its lock", {
  skip_if_no_pid_space()
  local_clean_shm()
  look <- function(persistent) {
    before <- listSharedObjects()
    result <- reclaimSharedMemory(persistent = TRUE)
    list(state = before$state, command = before$command, removed = result$removed)
  }
  initialSharedObjectPackageData()
  owner <- local_session()
  run_in(owner, function() {
    allocateSharedMemory(10, c("freed", "x"))
    allocateSharedMemory(10, "process", lifetime = "process")
  })
  expect_identical(in_pid_space(look), list(
    state = rep("live", 3), command = rep(NA_character_, 3), removed = rep(FALSE, 3)
  ))
  # Without the control object nothing can be proved from there; from here it can.
  unlink(control_file())
  answer <- in_pid_space(look)
  expect_identical(answer$state, rep("unknown", 3))
  expect_identical(answer$removed, rep(FALSE, 3))
  expect_identical(states(), c(freed = "live", process = "live", x = "live"))
  expect_identical(sum(fates(persistent = TRUE)), 0L)
  kill_hard(owner)
  answer <- in_pid_space(look)
  expect_identical(answer$state, rep("unknown", 3))
  expect_identical(fates(persistent = TRUE), c(freed = TRUE, process = TRUE, x = TRUE))
})

test_that("an owner within another pid namespace is alive, seen from here", {
  skip_if_no_pid_space()
  skip_if_not_installed("callr")
  local_clean_shm()
  initialSharedObjectPackageData()
  flags <- c(local_flag(), local_flag())
  script <- tempfile(fileext = ".R")
  withr::defer({
    file.create(flags[2])
    unlink(script)
  })
  dump(c("flags"), file = script)
  cat("library(sharedmemory)
    allocateSharedMemory(10, c('freed', 'x'))
    allocateSharedMemory(10, 'process', lifetime = 'process')
    writeLines(as.character(Sys.getpid()), paste0(flags[1], '~'))
    file.rename(paste0(flags[1], '~'), flags[1])
    end <- Sys.time() + 60
    while (!file.exists(flags[2]) && Sys.time() < end) Sys.sleep(0.02)
    tools::pskill(Sys.getpid(), tools::SIGKILL)
    quit('no', runLast = FALSE)
  ", file = script, append = TRUE)
  start <- function(arguments, environment, script) {
    system2("unshare", c(
      arguments, "--kill-child", "env", shQuote(environment),
      shQuote(file.path(R.home("bin"), "Rscript")), "--vanilla", shQuote(script)
    ))
  }
  outside <- outer_environment(this_namespace())
  process <- start_r(start, pid_space_arguments(),
                     paste0(names(outside), "=", outside), script)
  wait_for_file(flags[1])
  # Its pid is one of its own namespace: here it is another process, or none.
  expect_identical(unique(listSharedObjects()$pid), as.integer(readLines(flags[1])))
  expect_identical(unname(states()), rep("live", 3))
  expect_identical(sum(fates(persistent = TRUE)), 0L)
  unlink(control_file())
  expect_identical(unname(states()), rep("unknown", 3))
  expect_identical(sum(fates(persistent = TRUE)), 0L)
  expect_match(reclaimSharedMemory()$reason, "cannot be proved")
  file.create(flags[2])
  result_of(process)
  freeSharedMemory(c("freed", "x", "process"))
})

test_that("a pid that is used again does not make an orphan live", {
  skip_if_no_pid_space()
  skip_if_no_fork()
  local_clean_shm()
  initialSharedObjectPackageData()
  answer <- in_pid_space(function(control) {
    last_pid <- "/proc/sys/kernel/ns_last_pid"
    states <- function() {
      listed <- listSharedObjects()
      stats::setNames(listed$state, listed$Id)
    }
    wait_for <- function(id) {
      end <- Sys.time() + 20
      while (!hasSharedMemory(id) && Sys.time() < end) Sys.sleep(0.01)
    }
    owner <- parallel::mcparallel({
      allocateSharedMemory(10, c("a", "b"), lifetime = "process")
      tools::pskill(Sys.getpid(), tools::SIGKILL)
    })
    pid <- owner$pid
    # Dead, but a zombie until its parent asks.
    wait_for("b")
    end <- Sys.time() + 20
    stat <- file.path("/proc", pid, "stat")
    while (!grepl(") Z ", readLines(stat), fixed = TRUE) && Sys.time() < end) {
      Sys.sleep(0.01)
    }
    zombie <- states()
    file.rename(control, paste0(control, "~"))
    zombie <- c(zombie, states())
    file.rename(paste0(control, "~"), control)
    suppressWarnings(parallel::mccollect(owner))
    # Another start time, whose unit is 1/100 s.
    Sys.sleep(0.1)
    for (attempt in 1:50) {
      written <- tryCatch(
        suppressWarnings(writeLines(as.character(pid - 1), last_pid)),
        error = function(e) "not allowed"
      )
      if (identical(written, "not allowed")) return("not allowed")
      again <- parallel::mcparallel({
        options(sharedmemory.reclaim = FALSE)
        allocateSharedMemory(10, "c")
        Sys.sleep(60)
      })
      if (again$pid == pid) break
      tools::pskill(again$pid, tools::SIGKILL)
      suppressWarnings(parallel::mccollect(again))
    }
    wait_for("c")
    pids <- listSharedObjects()$pid
    intact <- states()
    dry <- reclaimSharedMemory(dryRun = TRUE, persistent = TRUE)$removed
    unlink(control)
    deleted <- states()
    removed <- reclaimSharedMemory(persistent = TRUE)$removed
    tools::pskill(again$pid, tools::SIGKILL)
    freeSharedMemory("c")
    list(zombie = zombie, pids = pids, pid = pid, intact = intact, dry = dry,
         deleted = deleted, removed = removed)
  }, control_file())
  skip_if(identical(answer, "not allowed"), "the next pid cannot be chosen")
  expect_identical(answer$pids, rep(answer$pid, 3))
  expected <- c(a = "orphan", b = "orphan", c = "live")
  expect_identical(answer$zombie, expected[c("a", "b", "a", "b")])
  expect_identical(answer$intact, expected)
  expect_identical(answer$dry, c(TRUE, TRUE, FALSE))
  expect_identical(answer$deleted, expected)
  expect_identical(answer$removed, c(TRUE, TRUE, FALSE))
})

test_that("the command is that of the process that has the pid now", {
  skip_if_no_pid_space()
  skip_if_no_fork()
  skip_if_not(file.exists("/proc/self/comm"))
  local_clean_shm()
  answer <- in_pid_space(function(directory) {
    # Two scripts that get the same pid, one after the other.
    start <- function(name, id) {
      script <- file.path(directory, name)
      writeLines(c(
        "library(sharedmemory)", sprintf("allocateSharedMemory(10, '%s')", id),
        "Sys.sleep(60)"
      ), script)
      r <- file.path(R.home("bin"), "Rscript")
      writeLines("999", "/proc/sys/kernel/ns_last_pid")
      # exec: no shell in between, R keeps the pid.
      system(paste("exec", r, script), wait = FALSE)
      end <- Sys.time() + 20
      while (!hasSharedMemory(id) && Sys.time() < end) Sys.sleep(0.02)
      listed <- listSharedObjects()
      listed <- listed[listed$Id == id, ]
      list(pid = listed$pid, command = basename(listed$command))
    }
    tryCatch({
      first <- start("first.R", "a")
      tools::pskill(first$pid, tools::SIGKILL)
      freeSharedMemory("a")
      Sys.sleep(0.3)
      second <- start("second.R", "b")
      tools::pskill(second$pid, tools::SIGKILL)
      freeSharedMemory("b")
      list(first, second)
    }, error = function(e) conditionMessage(e))
  }, tempdir())
  skip_if(is.character(answer), "the next pid cannot be chosen")
  skip_if_not(answer[[1]]$pid == answer[[2]]$pid, "another pid")
  expect_identical(answer[[1]]$command, "first.R")
  expect_identical(answer[[2]]$command, "second.R")
})

# ---- forks -------------------------------------------------------------------------

test_that("forked children that end do not end what their parent owns", {
  local_clean_shm()
  skip_if_no_fork()
  initialSharedObjectPackageData()
  session <- local_session()
  run_in(session, function() {
    allocateSharedMemory(10, c("process", "p2"), lifetime = "process")
    allocateSharedMemory(10, "freed")
    pointer <<- mapSharedMemory("process")
    collect <- function(job) suppressWarnings(parallel::mccollect(job))
    collect(parallel::mcparallel({
      gc()
      listSharedObjects()
      reclaimSharedMemory(persistent = TRUE)$removed
    }))
    collect(parallel::mcparallel(quit("no")))
    collect(parallel::mcparallel(tools::pskill(Sys.getpid(), tools::SIGKILL)))
    NULL
  })
  expect_identical(states(), c(freed = "live", p2 = "live", process = "live"))
  expect_identical(sum(fates(persistent = TRUE)), 0L)
  # The same for a process that has only the pid to go by.
  unlink(control_file())
  expect_identical(states(), c(freed = "live", p2 = "live", process = "live"))
  expect_true(end_session(session))
  expect_identical(states(), c(freed = "orphan"))
  freeSharedMemory("freed")
})

test_that("a forked child does not keep its dead parent's segments alive", {
  local_clean_shm()
  skip_if_no_fork()
  initialSharedObjectPackageData()
  session <- local_session()
  flag <- local_flag()
  child <- run_in(session, function(flag) {
    allocateSharedMemory(10, "parents", lifetime = "process")
    mapSharedMemory("parents")
    parallel::mcparallel({
      allocateSharedMemory(10, "childs", lifetime = "process")
      file.create(flag)
      Sys.sleep(60)
    })$pid
  }, flag)
  withr::defer(tools::pskill(child, tools::SIGKILL))
  wait_for_file(flag)
  expect_identical(states(), c(childs = "live", parents = "live"))
  kill_hard(session)
  expect_identical(states(), c(childs = "live", parents = "orphan"))
  expect_identical(fates(), c(childs = FALSE, parents = TRUE))
  tools::pskill(child, tools::SIGKILL)
  expect_true(eventually(function() states() == "orphan"))
  expect_identical(fates(), c(childs = TRUE))
})
