# The control object: damaged, replaced, removed, of another user.

# The process that looks must not be the one that runs the tests: a fault here
# could be its end.
test_that("a control object that is cut short does not raise SIGBUS", {
  skip_if_not_linux()
  namespace <- local_namespace()
  session <- local_session(namespace)
  for (size in c(0, 1, 100)) {
    run_in(session, function() allocateSharedMemory(10, "a"))
    truncate_to(control_file(namespace), size)
    answers <- run_in(session, function() {
      last <- tryCatch(getLastIndex(), error = function(e) class(e)[1])
      id <- allocateSharedMemory(10)
      has <- hasSharedMemory(c("a", id))
      freeSharedMemory(c("a", id))
      list(last, has)
    })
    expect_true(
      identical(answers[[1]], "sharedmemory_error_control") ||
        is.numeric(answers[[1]]),
      info = size
    )
    expect_identical(answers[[2]], c(TRUE, TRUE), info = size)
    run_in(session, function() releaseSharedObjectPackageData())
    expect_identical(objects_in(namespace), character(), info = size)
  }
  run_in(session, function() initialSharedObjectPackageData())
  truncate_to(control_file(namespace), 0)
  expect_true(end_session(session))
  expect_identical(session$get_exit_status(), 0L)
  other <- local_session(namespace)
  run_in(other, function() {
    initialSharedObjectPackageData()
    releaseSharedObjectPackageData()
  })
  expect_identical(objects_in(namespace), character())
})

test_that("a damaged control object that nobody uses is made again", {
  local_clean_shm()
  skip_if_not_linux()
  for (content in list(raw(0), raw(100), raw(4096), as.raw(rep(90, 4096)),
                       as.raw(rep(255, 5000)))) {
    id <- allocateSharedMemory(10, "5")
    # Only for numbers to start above it again; this process must not use it.
    expect_true(nzchar(id))
    unlink(control_file())
    releaseSharedObjectPackageData()
    session <- local_session()
    writeBin(content, control_file())
    expect_identical(
      run_in(session, function() allocateSharedMemory(10)), "6",
      info = length(content)
    )
    run_in(session, function() freeSharedMemory(c("5", "6")))
    expect_true(end_session(session))
    expect_identical(objects_in(), character())
  }
})

test_that("a damaged control object in use is an error and tells the way out", {
  skip_if_not_linux()
  namespace <- local_namespace()
  user <- local_session(namespace)
  run_in(user, function() allocateSharedMemory(10, "a"))
  good <- readBin(control_file(namespace), "raw", 4096)
  write_into(control_file(namespace), 0, as.raw(rep(90, 4096)))
  newcomer <- local_session(namespace)
  answers <- run_in(newcomer, function(ask) {
    list(
      refused = list(
        ask(allocateSharedMemory(10)), ask(initialSharedObjectPackageData()),
        ask(getLastIndex())
      ),
      works = list(
        hasSharedMemory(c("a", "b")), getSharedMemorySize("a") >= 10,
        listSharedObjects()$Id, typeof(mapSharedMemory("a")),
        unmapSharedMemory("a"), releaseSharedObjectPackageData()
      )
    )
  }, error_of)
  for (answer in answers$refused) {
    expect_identical(answer[1], "sharedmemory_error_control")
    expect_match(answer[2], "SHAREDMEMORY_NAMESPACE")
  }
  expect_identical(
    answers$works,
    list(c(TRUE, FALSE), TRUE, "a", "externalptr", NULL, NULL)
  )
  write_into(control_file(namespace), 0, good)
  expect_null(run_in(newcomer, function() freeSharedMemory("a")))
  expect_true(end_session(newcomer))
  expect_true(end_session(user))
  expect_identical(objects_in(namespace), character())
})

test_that("something else in the place of the control object is an error", {
  skip_if_not_linux()
  namespace <- local_namespace()
  file <- control_file(namespace)
  target <- tempfile("target")
  withr::defer(unlink(target))
  writeLines("precious", target)
  plants <- list(
    link = function() file.symlink(target, file),
    dangling = function() file.symlink(tempfile("nowhere"), file),
    directory = function() dir.create(file),
    fifo = function() system2("mkfifo", shQuote(file))
  )
  for (kind in names(plants)) {
    plants[[kind]]()
    # Loading the package is part of it.
    session <- local_session(namespace)
    answers <- run_in(session, function(ask) {
      list(
        refused = list(
          ask(allocateSharedMemory(10)), ask(allocateSharedMemory(10, "a")),
          ask(initialSharedObjectPackageData()), ask(getLastIndex())
        ),
        works = list(
          hasSharedMemory("a"), nrow(listSharedObjects()),
          freeSharedMemory("a"), releaseSharedObjectPackageData()
        )
      )
    }, error_of)
    for (answer in answers$refused) {
      expect_identical(answer[1], "sharedmemory_error_control", info = kind)
      expect_match(answer[2], "SHAREDMEMORY_NAMESPACE", info = kind)
    }
    expect_identical(answers$works, list(FALSE, 0L, NULL, NULL), info = kind)
    expect_true(end_session(session))
    # Nobody took it away, or followed it.
    expect_length(objects_in(namespace), 1)
    unlink(file, recursive = TRUE)
  }
  expect_identical(readLines(target), "precious")
})

test_that("another user's control object is an error that names the user", {
  skip_if_no_other_user()
  local_clean_shm()
  file.create(control_file())
  system2("chown", c("65534", shQuote(control_file())))
  Sys.chmod(control_file(), "0666", use_umask = FALSE)
  for (call in list(
    function() allocateSharedMemory(10), function() getLastIndex(),
    function() initialSharedObjectPackageData()
  )) {
    error <- expect_refused(call(), "permission")
    expect_match(conditionMessage(error), "65534")
    expect_match(conditionMessage(error), "SHAREDMEMORY_NAMESPACE")
  }
  expect_false(hasSharedMemory("a"))
  expect_identical(nrow(listSharedObjects()), 0L)
  unlink(control_file())
})

test_that("a control object that was removed under its users is made again", {
  local_clean_shm()
  skip_if_not_linux()
  session <- local_session()
  ids <- allocateSharedMemory(rep(10, 3))
  theirs <- run_in(session, function() allocateSharedMemory(rep(10, 3)))
  unlink(control_file())
  # Both notice, and meet again in the new one.
  more <- allocateSharedMemory(rep(10, 3))
  others <- run_in(session, function() allocateSharedMemory(rep(10, 3)))
  all <- c(ids, theirs, more, others)
  expect_identical(anyDuplicated(all), 0L)
  expect_true(all(hasSharedMemory(all)))
  expect_identical(
    run_in(session, function() getLastIndex()), getLastIndex()
  )
  if (file.exists("/proc/locks")) expect_locks(2, this_namespace())
  freeSharedMemory(all)
})

test_that("a counter at its end is an error, not a number used twice", {
  local_clean_shm()
  skip_if_not_linux()
  # Where the counter is: in a new control object it is this number.
  number <- 1234567890123
  allocateSharedMemory(10, number)
  unlink(control_file())
  expect_identical(getLastIndex(), number)
  initialSharedObjectPackageData()
  little <- as.raw(number %/% 256^(0:7) %% 256)
  page <- readBin(control_file(), "raw", 4096)
  at <- Filter(
    function(i) identical(page[i + 0:7], little), seq(1, 4089, by = 8)
  )
  freeSharedMemory(number)
  skip_if_not(length(at) == 1, "no little-endian machine")
  set_counter <- function(value) {
    write_into(control_file(), at - 1, as.raw(value %/% 256^(0:7) %% 256))
  }
  set_counter(2^53 - 2)
  expect_identical(getLastIndex(), 2^53 - 2)
  expect_refused(allocateSharedMemory(rep(10, 5)), "control")
  expect_refused(allocateSharedMemory(rep(10, 5)), "control")
  expect_identical(getLastIndex(), 2^53 - 2)
  # What is left of the numbers can be had, and no more than that.
  repeat {
    last <- getLastIndex()
    if (kind_of(allocateSharedMemory(10)) != "none") break
    expect_identical(getLastIndex(), last + 1)
  }
  error <- expect_refused(allocateSharedMemory(10), "control")
  expect_match(conditionMessage(error), "SHAREDMEMORY_NAMESPACE")
  expect_identical(allocateSharedMemory(10, "named"), "named")
  freeSharedMemory(listSharedObjects()$Id)
  # It starts again with the next control object, when nobody remembers this one.
  releaseSharedObjectPackageData()
  expect_identical(objects_in(), character())
  expect_identical(allocateSharedMemory(10), "1")
  freeSharedMemory("1")
})
