# How long a shared object stays.

there <- function(id) hasSharedMemory(id)

test_that("what was never sent goes with the R object", {
  local_clean_shm()
  for (x in list(1:1000 / 2, rep("a", 1000), list(1:1000 / 2, "b"), 1)) {
    shared <- share(x)
    id <- sharedMemoryId(shared)
    expect_true(there(id))
    part <- if (is.list(shared)) shared[[1]] else shared
    rm(shared)
    gc()
    expect_true(there(id)) # as long as any part of it is in use
    expect_identical(part[1], if (is.list(x)) x[[1]][1] else x[1])
    rm(part)
    gc()
    expect_false(there(id))
    expect_identical(count_mapped(), 0L)
  }
})

test_that("what was sent stays until it was opened, or its time is over", {
  local_clean_shm()
  session <- local_session()
  withr::local_options(sharedmemory.handoff = 100)
  x <- share(1:1000 / 2)
  id <- sharedMemoryId(x)
  bytes <- list(serialize(x, NULL), serialize(x, NULL))
  rm(x)
  gc()
  open_there <- function(bytes) {
    x <- unserialize(bytes)
    sum(x)
  }
  expect_true(there(id))
  expect_identical(run_in(session, open_there, bytes[[1]]), sum(1:1000 / 2))
  share(1)
  expect_true(there(id))
  expect_identical(run_in(session, open_there, bytes[[2]]), sum(1:1000 / 2))
  share(1) # looks after those that were sent
  expect_false(there(id))

  withr::local_options(sharedmemory.handoff = 1)
  x <- share(1:1000 / 2)
  id <- sharedMemoryId(x)
  bytes <- serialize(x, NULL)
  rm(x)
  gc()
  expect_true(there(id))
  gone <- function() {
    allocateSharedMemory(1, "look")
    freeSharedMemory("look")
    !there(id)
  }
  expect_true(eventually(gone))
  expect_identical(kind_of(unserialize(bytes)[1]), "not_found")
  gc()
})

test_that("the list tells what is an object, and how often it was sent and opened", {
  local_objects()
  id <- allocateSharedMemory(10)
  x <- share(1:1000 / 2, "x")
  bytes <- list(serialize(x, NULL), serialize(x, NULL))
  y <- unserialize(bytes[[1]])
  listed <- listSharedObjects()
  expect_identical(listed$kind, c("segment", "object"))
  expect_identical(listed$sent, c(NA, 2))
  expect_identical(listed$opened, c(NA, 1))
  expect_identical(listed$lifetime, c("freed", "object"))
  expect_identical(listed$sealed, c(FALSE, TRUE))
  freeSharedMemory(id)
})

test_that("the lifetimes process and freed", {
  local_clean_shm()
  session <- local_session()
  run_in(session, function() {
    share(1:10 / 2, "process", "process")
    share(1:10 / 4, "freed", "freed")
    gc()
    NULL
  })
  expect_identical(sort(listSharedObjects()$lifetime), c("freed", "process"))
  expect_identical(openShared("process"), 1:10 / 2)
  expect_true(end_session(session))
  gc()
  expect_identical(listSharedObjects()$Id, "freed")
  expect_identical(openShared("freed"), 1:10 / 4)
  gc()
  freeSharedMemory("freed")
})

test_that("a process that ends takes what nobody waits for", {
  local_clean_shm()
  session <- local_session()
  run_in(session, function() {
    kept <<- share(1:1000 / 2, "kept")
    sent <<- share(1:1000 / 3, "sent")
    serialize(sent, NULL)
    NULL
  })
  expect_identical(sort(listSharedObjects()$Id), c("kept", "sent"))
  expect_true(end_session(session))
  expect_identical(listSharedObjects()$Id, "sent")
  expect_identical(reclaimSharedMemory()$removed, FALSE)
  x <- openShared("sent") # and is responsible from now on
  expect_identical(x, 1:1000 / 3)
  withr::local_options(sharedmemory.handoff = 0)
  rm(x)
  gc()
  # It was sent a moment ago; when that time is over it goes.
  freeSharedMemory("sent")
})

test_that("kill -9: reclaim removes what nobody waits for any more", {
  local_clean_shm()
  session <- local_session()
  run_in(session, function() {
    options(sharedmemory.handoff = 1.5)
    kept <<- share(1:1000 / 2, "kept")
    sent <<- share(1:1000 / 3, "sent")
    serialize(sent, NULL)
    NULL
  })
  kill_hard(session)
  result <- reclaimSharedMemory()
  expect_identical(result$Id[result$removed], "kept")
  expect_match(result$reason[!result$removed], "to whom it was sent")
  gone <- function() {
    reclaimSharedMemory()
    nrow(listSharedObjects()) == 0
  }
  expect_true(eventually(gone))
})

test_that("a forked child owns nothing of its parent's", {
  skip_if_no_fork()
  local_objects()
  x <- share(stats::runif(1e4))
  id <- sharedMemoryId(x)
  expected <- sum(x)
  job <- parallel::mcparallel({
    before <- sum(x)
    rm(x)
    gc()
    before
  })
  expect_identical(parallel::mccollect(job)[[1]], expected)
  expect_true(there(id))
  expect_identical(sum(x), expected)
  rm(x)
  gc()
})

test_that("whoever has it open keeps the memory, and sends it on by value", {
  local_objects()
  x <- share(stats::runif(1e4))
  y <- unserialize(serialize(x, NULL))
  expect_identical(y, x)
  freeSharedMemory(sharedMemoryId(x))
  expect_identical(y, x)
  expect_gt(length(serialize(y, NULL)), 80000)
  expect_identical(unserialize(serialize(y, NULL)), unshare(x))
  z <- y
  z[5] <- 0
  expect_identical(z[-5], unshare(x)[-5])
  rm(x, y, z)
  gc()
})

test_that("one mapping per object and process, and no descriptor", {
  skip_if_not_linux()
  local_objects()
  x <- share(lapply(1:50, function(i) stats::runif(1000)))
  received <- lapply(1:10, function(i) unserialize(serialize(x, NULL)))
  for (y in received) expect_identical(y, x)
  expect_identical(count_mapped(), 1L)
  opened <- Sys.readlink(dir("/proc/self/fd", full.names = TRUE))
  expect_identical(sum(grepl("/dev/shm/smem[.]", opened)), 0L)
  rm(x, y, received)
  gc()
  expect_identical(count_mapped(), 0L)
})

test_that("a shared object can be sealed only once, and not written", {
  skip_if_portable()
  local_objects()
  x <- share(1:1000 / 2)
  id <- sharedMemoryId(x)
  if (!is_root()) expect_error(writeBin(raw(1), segment_file(id)))
  expect_identical(as.character(file.mode(segment_file(id))), "400")
  rm(x)
  gc()
})
