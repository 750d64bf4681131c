# What is removed, and above all what is not.

test_that("what 1,000 allocations of a killed process left goes in one call", {
  local_clean_shm()
  skip_on_os("windows")
  allocateSharedMemory(10, "ours", lifetime = "process")
  ids <- allocate_and_die(function() {
    allocateSharedMemory(rep(10, 1000), lifetime = "process")
  })
  listed <- listSharedObjects()
  expect_identical(listed$Id, c(ids, "ours"))
  expect_identical(listed$state, rep(c("orphan", "live"), c(1000, 1)))

  # A dry run changes nothing and says the same.
  planned <- reclaimSharedMemory(dryRun = TRUE)
  expect_identical(listSharedObjects(), listed)
  removed <- withVisible(reclaimSharedMemory())
  expect_true(removed$visible)
  removed <- removed$value
  expect_identical(states(), c(ours = "live"))
  expect_identical(attr(planned, "dryRun"), TRUE)
  attr(planned, "dryRun") <- FALSE
  expect_identical(planned, removed)
  expect_s3_class(removed, c("sharedmemory_reclaim", "data.frame"), exact = TRUE)
  expect_identical(names(removed), c(names(listed), "removed", "reason"))
  expect_identical(removed$removed, rep(c(TRUE, FALSE), c(1000, 1)))
  expect_identical(unique(removed$reason), c("its owner is dead", "its owner is there"))
  lines <- expect_fits(removed)
  expect_match(lines, "1000 removed", all = FALSE)
  expect_match(lines, "1 kept: its owner is there", all = FALSE)
  expect_match(expect_fits(reclaimSharedMemory(dryRun = TRUE)), "0 would be removed",
               all = FALSE)
  freeSharedMemory("ours")
  expect_fits(reclaimSharedMemory())
})

test_that("what is meant to outlive its owner goes only if asked for", {
  local_clean_shm()
  skip_on_os("windows")
  allocate_and_die(function() {
    allocateSharedMemory(10, "freed")
    allocateSharedMemory(10, "process", lifetime = "process")
  })
  expect_identical(fates(dryRun = TRUE), c(freed = FALSE, process = TRUE))
  result <- reclaimSharedMemory()
  expect_match(result$reason[1], "persistent = TRUE", fixed = TRUE)
  expect_fits(result)
  expect_identical(states(), c(freed = "orphan"))
  expect_identical(fates(), c(freed = FALSE))
  expect_identical(fates(TRUE, TRUE), c(freed = TRUE))
  expect_identical(states(), c(freed = "orphan"))
  expect_identical(fates(persistent = TRUE), c(freed = TRUE))
  expect_identical(nrow(listSharedObjects()), 0L)
})

test_that("bad arguments are refused", {
  local_clean_shm()
  for (bad in list(NA, NULL, "yes", 1, c(TRUE, FALSE), logical(), list(TRUE))) {
    expect_refused(reclaimSharedMemory(dryRun = bad), info = deparse(bad))
    expect_refused(reclaimSharedMemory(persistent = bad), info = deparse(bad))
  }
})

test_that("reclaiming nothing creates nothing", {
  local_clean_shm()
  result <- reclaimSharedMemory()
  expect_identical(nrow(result), 0L)
  expect_identical(names(result), c(names(listSharedObjects()), "removed", "reason"))
  expect_fits(result)
  expect_identical(objects_in(), character())
})

test_that("the incomplete goes; the damaged and the foreign stay", {
  local_clean_shm()
  skip_if_not_linux()
  plant_damaged()
  plant_incomplete("half")
  other_user <- is_root()
  if (other_user) {
    allocateSharedMemory(10, "foreign")
    plant_incomplete("foreign half")
    give_to_other_user("foreign")
    give_to_other_user("foreign half")
  }
  result <- reclaimSharedMemory(persistent = TRUE)
  expect_identical(result$Id[result$removed], "half")
  expect_fits(result)
  expect_true(all(file.exists(segment_file(damaged_ids[damaged_ids != "link"]))))
  if (other_user) {
    kept <- segment_file(c("foreign", "foreign half"))
    expect_true(all(file.exists(kept)))
    expect_identical(sum(grepl("another user's", result$reason)), 2L)
    unlink(kept)
  }
  remove_damaged()
})

test_that("nothing of a second user is removed, neither by root nor by that user", {
  skip_if_no_other_user()
  namespace <- local_namespace()
  as_other_user(function() {
    allocateSharedMemory(10, "theirs")
  }, namespace = namespace)
  before <- objects_in(namespace)
  session <- local_session(namespace)
  answer <- run_in(session, function() {
    try(reclaimSharedMemory(persistent = TRUE), silent = TRUE)
    status <- sharedMemoryStatus()$shares
    list(
      state = listSharedObjects()$state,
      users = status$user[status$namespace == Sys.getenv("SHAREDMEMORY_NAMESPACE")]
    )
  })
  expect_identical(answer$state, "foreign")
  expect_match(answer$users, "65534")
  expect_identical(objects_in(namespace), before)
  unlink(file.path("/dev/shm", before))
})

# ---- the control object --------------------------------------------------------------

test_that("without its control object nothing that lives is reclaimed", {
  local_clean_shm()
  skip_if_not_linux()
  session <- local_session()
  run_in(session, function() allocateSharedMemory(10, "theirs", lifetime = "process"))
  allocateSharedMemory(10, "ours", lifetime = "process")
  allocate_and_die(function() allocateSharedMemory(10, "dead", lifetime = "process"))
  unlink(control_file())
  all <- c(dead = "orphan", ours = "live", theirs = "live")
  expect_identical(states(), all)
  expect_identical(fates(dryRun = TRUE), c(dead = TRUE, ours = FALSE, theirs = FALSE))
  expect_identical(objects_in(), basename(sort(segment_file(names(all)))))
  # Somebody who makes a new one, with other presence numbers.
  answer <- run_in(local_session(), function() {
    options(sharedmemory.reclaim = FALSE)
    allocateSharedMemory(10, "new", lifetime = "process")
    listSharedObjects()$state
  })
  expect_identical(answer, c("orphan", "live", "live", "live"))
  expect_identical(run_in(session, function() {
    allocateSharedMemory(10, "again")
    reclaimSharedMemory(persistent = TRUE)$removed
  }), c(FALSE, TRUE, FALSE, FALSE, FALSE))
  expect_true(hasSharedMemory(allocateSharedMemory(10, "more")))
  expect_identical(
    states()[c("again", "more", "ours", "theirs")],
    c(again = "live", more = "live", ours = "live", theirs = "live")
  )
  freeSharedMemory(c("again", "more", "ours", "theirs", "new"))
})

test_that("a process that opens and closes every file of /dev/shm stays alive", {
  local_clean_shm()
  skip_if_not_linux()
  initialSharedObjectPackageData()
  session <- local_session()
  run_in(session, function(namespace) {
    allocateSharedMemory(10, "a", lifetime = "process")
    for (file in list.files("/dev/shm", namespace, full.names = TRUE)) {
      readBin(file, "raw", 10)
      con <- file(file, "r+b")
      close(con)
    }
    NULL
  }, this_namespace())
  expect_identical(states(), c(a = "live"))
  expect_identical(fates(), c(a = FALSE))
  expect_true(end_session(session))
})

# ---- at the same time ----------------------------------------------------------------

test_that("two processes may reclaim at once", {
  local_clean_shm()
  skip_on_os("windows")
  ours <- allocateSharedMemory(rep(10, 20), lifetime = "process")
  dead <- allocate_and_die(function() {
    allocateSharedMemory(rep(10, 2000), lifetime = "process")
  })
  sessions <- list(local_session(), local_session())
  for (session in sessions) {
    session$call(function() {
      result <- reclaimSharedMemory()
      list(result$Id[result$removed], unique(result$reason))
    })
  }
  answers <- lapply(sessions, answer_of)
  removed <- unlist(lapply(answers, `[[`, 1))
  expect_identical(anyDuplicated(removed), 0L)
  expect_setequal(removed, dead)
  expect_identical(listSharedObjects()$Id, ours)
  freeSharedMemory(ours)
})

test_that("a name has no successor while somebody is removing it", {
  local_clean_shm()
  skip_if_not_linux()
  initialSharedObjectPackageData()
  allocate_and_die(function() allocateSharedMemory(10, "a", lifetime = "process"))
  # Stopped when it has judged, holds the object, and has looked again.
  session <- local_halted("unlink", function() reclaimSharedMemory()$removed)
  withr::local_envvar(SHAREDMEMORY_TIMEOUT = "0.1")
  expect_identical(kind_of(freeSharedMemory("a")), "busy")
  expect_true(hasSharedMemory("a"))
  expect_identical(go_on(session), TRUE)
  expect_identical(allocateSharedMemory(10, "a"), "a")
  expect_identical(fates(), c(a = FALSE))
  expect_true(hasSharedMemory("a"))
  freeSharedMemory("a")
})

test_that("what is being created while others reclaim is left alone", {
  skip_if_not_linux()
  namespace <- local_namespace()
  # This one has found no control object, and is slow.
  slow <- local_halted("opendir", function() reclaimSharedMemory()$removed, namespace)
  creator <- local_stopped_creator(namespace)
  expect_false(any(go_on(slow)))
  expect_identical(go_on(creator), "slow")
  expect_true(run_in(creator, function() hasSharedMemory("slow")))
  run_in(creator, function() freeSharedMemory("slow"))
})

test_that("the same if the control object was removed meanwhile", {
  skip_if_not_linux()
  namespace <- local_namespace()
  joined <- local_session(namespace)
  run_in(joined, function() initialSharedObjectPackageData())
  slow <- local_halted("opendir", function() reclaimSharedMemory()$removed, namespace)
  unlink(control_file(namespace))
  creator <- local_stopped_creator(namespace)
  expect_false(any(go_on(slow)))
  expect_identical(go_on(creator), "slow")
  expect_true(run_in(creator, function() hasSharedMemory("slow")))
  run_in(creator, function() freeSharedMemory("slow"))
})

test_that("a process that maps a reclaimed segment keeps its memory", {
  local_clean_shm()
  skip_on_os("windows")
  use_native()
  allocate_and_die(function() allocateSharedMemory(100, "a", lifetime = "process"))
  pointer <- mapSharedMemory("a")
  poke(pointer, charToRaw("still here"))
  expect_identical(fates(), c(a = TRUE))
  expect_false(hasSharedMemory("a"))
  expect_identical(rawToChar(peek(pointer, 10)), "still here")
  expect_identical(listSharedObjects(mappedBy = TRUE)$mappedBy, list())
  unmapSharedMemory("a")
})

# ---- by itself -----------------------------------------------------------------------

test_that("the first allocation removes what crashes have left", {
  skip_if_not_linux()
  namespace <- local_namespace()
  leave <- function() {
    options(sharedmemory.reclaim = FALSE)
    allocateSharedMemory(10, "process", lifetime = "process")
    allocateSharedMemory(10, "freed")
  }
  allocate_and_die(leave, namespace = namespace)
  plant_incomplete("half", namespace)

  off <- local_session(namespace)
  answer <- run_in(off, function() {
    options(sharedmemory.reclaim = FALSE)
    id <- allocateSharedMemory(10)
    options(sharedmemory.reclaim = NULL)
    # Looking does not reclaim, nor does a later allocation.
    freeSharedMemory(c(id, allocateSharedMemory(10)))
    listSharedObjects()$Id
  })
  expect_identical(answer, c("freed", "half", "process"))

  on <- local_session(namespace)
  expect_identical(
    run_in(on, function() listSharedObjects()$Id), c("freed", "half", "process")
  )
  answer <- run_in(on, function() {
    output <- capture.output(id <- allocateSharedMemory(10))
    freeSharedMemory(id)
    list(output, listSharedObjects()$Id)
  })
  expect_identical(answer, list(character(), "freed"))
  run_in(on, function() freeSharedMemory("freed"))
  run_in(off, function() releaseSharedObjectPackageData())
})

test_that("crashes do not add up, and no allocation takes long over them", {
  skip_if_not_linux()
  skip_if_no_fork()
  namespace <- local_namespace()
  allocate_and_die(function() {
    allocateSharedMemory(rep(10, 1000), lifetime = "process")
  }, namespace = namespace)
  # Each child is a process that allocates for the first time.
  answer <- run_in(local_session(namespace), function() {
    initialSharedObjectPackageData()
    count <- function() nrow(listSharedObjects())
    left <- count()
    times <- numeric()
    while (length(times) < 15 && left[length(left)] > 0) {
      time <- parallel::mccollect(parallel::mcparallel({
        time <- system.time(id <- allocateSharedMemory(10))[["elapsed"]]
        freeSharedMemory(id)
        time
      }))
      times <- c(times, time[[1]])
      left <- c(left, count())
    }
    reclaimSharedMemory()
    list(left = left, time = stats::median(times))
  })
  # Each of them gets on, ...
  expect_true(all(diff(answer$left) < 0), label = toString(answer$left))
  # ... but does not do everything.
  expect_gt(length(answer$left), 2)
  expect_lt(answer$time, 0.5)
})

test_that("a part of a reclaim's table is printed as any data frame is", {
  local_clean_shm()
  found <- reclaimSharedMemory(dryRun = TRUE)
  expect_output(print(found[, c("state", "removed")]), "state *removed|0 rows")
})
