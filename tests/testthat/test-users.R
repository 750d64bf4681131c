# Segments and namespaces of other users.

test_that("another user's segment is left alone, also by root", {
  skip_if_no_other_user()
  local_clean_shm()
  allocateSharedMemory(10, c("a", "b"))
  system2("chown", c("65534", shQuote(segment_file("a"))))
  calls <- list(
    function() hasSharedMemory("a"), function() getSharedMemorySize("a"),
    function() mapSharedMemory("a"), function() allocateSharedMemory(10, "a"),
    function() freeSharedMemory("a"), function() freeSharedMemory(c("b", "a"))
  )
  for (call in calls) {
    error <- expect_refused(call(), "permission", info = deparse(body(call)))
    expect_match(conditionMessage(error), "65534")
    expect_match(conditionMessage(error), "SHAREDMEMORY_NAMESPACE")
  }
  listed <- listSharedObjects()
  expect_identical(listed$Id, c("a", "b"))
  expect_identical(is.na(listed$size), c(TRUE, FALSE))
  system2("chown", c("0", shQuote(segment_file("a"))))
  freeSharedMemory(c("a", "b"))
})

test_that("a second user is told whose the namespace is, and what to do", {
  skip_if_no_other_user()
  local_clean_shm()
  allocateSharedMemory(10, "ours")
  kinds <- function(ask) {
    list(
      has = ask(hasSharedMemory("ours")),
      map = ask(mapSharedMemory("ours")),
      free = ask(freeSharedMemory("ours")),
      join = ask(initialSharedObjectPackageData()),
      allocate = ask(allocateSharedMemory(10)),
      named = ask(allocateSharedMemory(10, "ours")),
      count = ask(getLastIndex()),
      listed = listSharedObjects()$size
    )
  }
  answers <- as_other_user(kinds, error_of)
  expect_identical(answers$listed, NA_real_)
  for (what in setdiff(names(answers), "listed")) {
    expect_identical(
      answers[[what]][1], "sharedmemory_error_permission",
      info = what
    )
    expect_match(answers[[what]][2], "SHAREDMEMORY_NAMESPACE", info = what)
    expect_match(answers[[what]][2], "uid 0", info = what)
  }
  expect_true(hasSharedMemory("ours"))
  freeSharedMemory("ours")
})

test_that("root does not get into another user's namespace", {
  skip_if_no_other_user()
  namespace <- local_namespace()
  as_other_user(function() {
    allocateSharedMemory(10, "theirs")
  }, namespace = namespace)
  before <- objects_in(namespace)
  expect_length(before, 2)
  session <- local_session(namespace)
  answers <- run_in(session, function(error_of) {
    kind <- function(code) error_of(code)[1]
    c(
      kind(initialSharedObjectPackageData()), kind(allocateSharedMemory(10)),
      kind(allocateSharedMemory(10, "theirs")), kind(hasSharedMemory("theirs")),
      kind(freeSharedMemory("theirs")), kind(getLastIndex())
    )
  }, error_of)
  expect_identical(answers, rep("sharedmemory_error_permission", 6))
  # What it needs no control object for goes on working.
  expect_identical(
    run_in(session, function() listSharedObjects()$size), NA_real_
  )
  expect_true(end_session(session))
  expect_identical(objects_in(namespace), before)
  as_other_user(function() freeSharedMemory("theirs"), namespace = namespace)
  as_other_user(
    function() {
      initialSharedObjectPackageData()
      releaseSharedObjectPackageData()
    },
    namespace = namespace
  )
})

test_that("each user has a namespace without being told", {
  skip_if_no_other_user()
  answer <- as_other_user(function() {
    # Not the one of somebody who really works as this user.
    id <- allocateSharedMemory(10)
    pointer <- mapSharedMemory(id)
    mode <- file.info(list.files(
      "/dev/shm", Sys.getenv("SHAREDMEMORY_NAMESPACE"),
      full.names = TRUE
    ))$mode
    freeSharedMemory(id)
    format(mode)
  }, namespace = local_namespace())
  expect_identical(answer, c("600", "600"))
})
