# What a control group with a limit leaves: an error, and nobody is killed.

test_that("a limit of the control group is an error that names it", {
  skip_if_not_linux()
  local_clean_shm()
  group <- local_group()
  skip_if(is.null(group), "no control group can be made here")
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
    expect_match(message, "no room for [0-9]+ bytes: .* leaves [0-9]+")
  }
  expect_identical(result$left, 0L)
  expect_lt(result$status$free, 1e8)
  expect_match(result$status$free_by, "control group /.*smem-r-test-")
  expect_true(result$fits)
  expect_true(session$is_alive())
  freeSharedMemory("b")
  expect_true(end_session(session))
})
