# Two and more R processes.

test_that("two processes see each other's segments at once, with no set-up", {
  local_clean_shm()
  session <- local_session()
  use_native(session)

  # By id, from here to there ...
  id <- allocateSharedMemory(100)
  pointer <- mapSharedMemory(id)
  poke(pointer, charToRaw("from here"))
  answer <- run_in(session, function(id) {
    pointer <<- mapSharedMemory(id)
    seen <- rawToChar(peek(pointer, 9))
    poke(pointer, charToRaw("and back "))
    list(hasSharedMemory(id), getSharedMemorySize(id), seen)
  }, id)
  expect_identical(answer, list(TRUE, getSharedMemorySize(id), "from here"))
  expect_identical(rawToChar(peek(pointer, 9)), "and back ")

  # ... and by name from there to here.
  run_in(session, function() {
    allocateSharedMemory(5000, "theirs")
    poke(mapSharedMemory("theirs"), charToRaw("from there"), offset = 4990)
  })
  expect_true(hasSharedMemory("theirs"))
  expect_gte(getSharedMemorySize("theirs"), 5000)
  theirs <- mapSharedMemory("theirs", readonly = TRUE)
  expect_identical(rawToChar(peek(theirs, 10, 4990)), "from there")
  expect_identical(listSharedObjects()$Id, c(id, "theirs"))
  expect_identical(
    run_in(session, function() listSharedObjects()), listSharedObjects()
  )

  # One counter.
  expect_identical(run_in(session, function() getLastIndex()), as.integer(id))
  next_id <- run_in(session, function() allocateSharedMemory(10))
  expect_identical(as.integer(next_id), as.integer(id) + 1L)
  expect_identical(getLastIndex(), as.integer(next_id))

  # Freed here, gone there; what is mapped there stays until it is unmapped.
  freeSharedMemory(c(id, "theirs", next_id))
  answer <- run_in(session, function(id) {
    has <- hasSharedMemory(c(id, "theirs"))
    still <- rawToChar(peek(pointer, 9))
    unmapSharedMemory(c(id, "theirs"))
    list(has, still, is_null(pointer))
  }, id)
  expect_identical(answer, list(c(FALSE, FALSE), "and back ", TRUE))
})

test_that("create-or-open works between processes", {
  local_clean_shm()
  session <- local_session()
  allocateSharedMemory(5000, "common")
  answer <- run_in(session, function() {
    kind <- function(code) tryCatch(code, error = function(e) class(e)[1])
    c(
      kind(allocateSharedMemory(5000, "common")),
      kind(allocateSharedMemory(1e6, "common")),
      kind(allocateSharedMemory(10, "common", exclusive = TRUE))
    )
  })
  expect_identical(
    answer,
    c("common", "sharedmemory_error_too_small", "sharedmemory_error_exists")
  )
  freeSharedMemory("common")
})

test_that("a segment outlives the process that allocated it", {
  local_clean_shm()
  skip_on_os("windows")
  use_native()
  session <- local_session()
  use_native(session)
  ids <- run_in(session, function() {
    ids <- allocateSharedMemory(c(10, 10), c("", "named"))
    poke(mapSharedMemory(ids[1]), charToRaw("testament"))
    ids
  })
  expect_true(end_session(session))
  expect_identical(hasSharedMemory(ids), c(TRUE, TRUE))
  expect_identical(rawToChar(peek(mapSharedMemory(ids[1]), 9)), "testament")
  freeSharedMemory(ids)
})

test_that("a number is not used again as long as a segment is left", {
  skip_if_not_linux()
  namespace <- local_namespace()
  session <- local_session(namespace)
  ids <- run_in(session, function() allocateSharedMemory(rep(10, 5)))
  end_session(session)
  session <- local_session(namespace)
  run_in(session, function(ids) freeSharedMemory(ids[-5]), ids)
  expect_identical(
    run_in(session, function() allocateSharedMemory(10)),
    as.character(as.integer(ids[5]) + 1L)
  )
  run_in(session, function() freeSharedMemory(listSharedObjects()$Id))
})

# ---- presence ----------------------------------------------------------------

test_that("a process is provably alive as long as it owns a segment", {
  skip_if_locks_invisible()
  namespace <- local_namespace()
  session <- local_session(namespace)
  run_in(session, function() initialSharedObjectPackageData())
  expect_locks(1, namespace)
  run_in(session, function() {
    initialSharedObjectPackageData()
    ids <<- allocateSharedMemory(rep(10, 2))
    releaseSharedObjectPackageData()
  })
  # Released, but owner of two segments: it stays.
  expect_locks(1, namespace)
  run_in(session, function() {
    freeSharedMemory(ids[1])
    releaseSharedObjectPackageData()
  })
  expect_locks(1, namespace)
  # A second process that owns nothing goes when it is released.
  other <- local_session(namespace)
  run_in(other, function() initialSharedObjectPackageData())
  expect_locks(2, namespace)
  run_in(other, function() releaseSharedObjectPackageData())
  expect_locks(1, namespace)
  # A segment that somebody else freed is not owned any more.
  run_in(other, function() freeSharedMemory(listSharedObjects()$Id))
  run_in(session, function() releaseSharedObjectPackageData())
  expect_locks(0, namespace)
  expect_identical(objects_in(namespace), character())
})

test_that("reading the control object does not make its reader look dead", {
  skip_if_locks_invisible()
  namespace <- local_namespace()
  session <- local_session(namespace)
  # Locks of the classic kind are lost when any descriptor of the file is
  # closed.
  run_in(session, function(file) {
    initialSharedObjectPackageData()
    readBin(file, "raw", 10)
  }, control_file(namespace))
  expect_locks(1, namespace)
})

test_that("a killed process is provably dead, whatever its children do", {
  skip_if_locks_invisible()
  skip_if_no_fork()
  skip_if_not_installed("parallel")
  namespace <- local_namespace()
  session <- local_session(namespace)
  child <- run_in(session, function() {
    initialSharedObjectPackageData()
    parallel::mcparallel(Sys.sleep(600))$pid
  })
  withr::defer(tools::pskill(child, tools::SIGKILL))
  expect_locks(1, namespace)
  kill_hard(session)
  expect_true(dir.exists(file.path("/proc", child)))
  expect_locks(0, namespace)
  # The next one removes what the killed one could not.
  other <- local_session(namespace)
  run_in(other, function() {
    initialSharedObjectPackageData()
    releaseSharedObjectPackageData()
  })
  expect_identical(objects_in(namespace), character())
})

test_that("a forked child has a presence of its own, from its first use", {
  skip_if_locks_invisible()
  skip_if_no_fork()
  skip_if_not_installed("parallel")
  namespace <- local_namespace()
  session <- local_session(namespace)
  flags <- c(local_flag(), local_flag(), local_flag())
  children <- run_in(session, function(flags) {
    initialSharedObjectPackageData()
    wait <- function(flag) while (!file.exists(flag)) Sys.sleep(0.01)
    jobs <<- lapply(1:2, function(i) {
      parallel::mcparallel({
        if (i == 1) initialSharedObjectPackageData()
        file.create(flags[i])
        wait(flags[3])
        i
      })
    })
    vapply(jobs, function(job) job$pid, 1L)
  }, flags)
  withr::defer(lapply(children, tools::pskill, tools::SIGKILL))
  wait_for_file(flags[1])
  wait_for_file(flags[2])
  expect_locks(2, namespace)
  file.create(flags[3])
  answers <- run_in(session, function() {
    unname(unlist(parallel::mccollect(jobs)))
  })
  expect_identical(answers, 1:2)
  expect_locks(1, namespace)
  expect_true(end_session(session))
})

# ---- namespaces --------------------------------------------------------------

test_that("namespaces do not see each other", {
  local_clean_shm()
  other <- local_namespace()
  session <- local_session(other)
  allocateSharedMemory(10, "a")
  answer <- run_in(session, function() {
    has <- hasSharedMemory("a")
    id <- allocateSharedMemory(5000, "a", exclusive = TRUE)
    freeSharedMemory("a")
    list(has, id, nrow(listSharedObjects()), getLastIndex())
  })
  expect_identical(answer, list(FALSE, "a", 0L, 0L))
  expect_true(hasSharedMemory("a"))
  freeSharedMemory("a")
})

test_that("the namespace is read at the first use, and again after a release", {
  skip_if_not_linux()
  first <- local_namespace()
  second <- local_namespace()
  third <- local_namespace()
  session <- local_session(first)
  # Loaded under the first, used under the second.
  run_in(session, function(namespace) {
    Sys.setenv(SHAREDMEMORY_NAMESPACE = namespace)
    allocateSharedMemory(10, "a")
  }, second)
  expect_identical(objects_in(first), character())
  expect_length(objects_in(second), 2)
  # Not while it is in use: neither with a segment of its own, ...
  run_in(session, function(namespace) {
    Sys.setenv(SHAREDMEMORY_NAMESPACE = namespace)
    stopifnot(hasSharedMemory("a"))
    releaseSharedObjectPackageData()
    stopifnot(hasSharedMemory("a"))
    # ... nor with something mapped.
    mapSharedMemory("a")
  }, third)
  other <- local_session(second)
  run_in(other, function() freeSharedMemory("a"))
  run_in(session, function() {
    releaseSharedObjectPackageData()
    allocateSharedMemory(10, "b")
    freeSharedMemory("b")
  })
  expect_identical(objects_in(third), character())
  # But then.
  run_in(session, function() {
    unmapSharedMemory("a")
    releaseSharedObjectPackageData()
    allocateSharedMemory(10, "b")
  })
  expect_identical(
    objects_in(third),
    sort(basename(c(control_file(third), segment_file("b", third))))
  )
  run_in(session, function() freeSharedMemory("b"))
})

test_that("the default namespace is the user's", {
  skip_if_not_linux()
  # Not to be in anybody's way on this machine, in a /dev/shm of its own.
  skip_if_cannot_unshare()
  answer <- in_small_shm(function() {
    Sys.unsetenv("SHAREDMEMORY_NAMESPACE")
    allocateSharedMemory(10, "a")
    list(list.files("/dev/shm"), system("id -u", intern = TRUE))
  })
  expect_setequal(
    answer[[1]],
    paste0(c("smem.", "smem-control."), answer[[2]], c(".a", ""))
  )
})
