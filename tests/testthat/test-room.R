# What a control group with a limit leaves: an error, and nobody is killed.

# A group of 100 million bytes.
local_group <- function(frame = parent.frame()) {
  skip_if_not_linux()
  versions <- list(
    c("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    c("/sys/fs/cgroup", "memory.max")
  )
  for (version in versions) {
    path <- file.path(version[1], paste0("smem-r-test-", Sys.getpid()))
    if (!dir.create(path, showWarnings = FALSE)) next
    withr::defer(system2("rmdir", path, stderr = FALSE), frame)
    limit <- file.path(path, version[2])
    if (!file.exists(limit)) next
    written <- try(writeLines("100000000", limit), silent = TRUE)
    if (!inherits(written, "try-error")) return(path)
  }
  skip("no control group can be made here")
}

test_that("a limit of the control group is an error that names it", {
  local_clean_shm()
  group <- local_group()
  session <- local_session()
  result <- run_in(session, function(group) {
    cat(Sys.getpid(), file = file.path(group, "cgroup.procs"))
    failed <- function(expr) {
      tryCatch(
        {
          expr
          "nothing failed"
        },
        sharedmemory_error_no_space = conditionMessage
      )
    }
    list(
      one = failed(allocateSharedMemory(2e8)),
      named = failed(allocateSharedMemory(2e8, name = "a")),
      many = failed(allocateSharedMemory(rep(4e6, 50))),
      left = nrow(listSharedObjects()),
      status = sharedMemoryStatus()[c("free", "free_by")],
      fits = hasSharedMemory(allocateSharedMemory(2e7, name = "b"))
    )
  }, group)
  for (message in result[c("one", "named", "many")]) {
    expect_match(message, "control group /.*smem-r-test-")
    expect_match(message, "bytes of shared memory are left")
  }
  expect_identical(result$left, 0L)
  expect_lt(result$status$free, 1e8)
  expect_match(result$status$free_by, "control group /.*smem-r-test-")
  expect_true(result$fits)
  expect_true(session$is_alive())
  freeSharedMemory("b")
  expect_true(end_session(session))
})
