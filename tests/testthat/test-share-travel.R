# Shared objects in other processes; what people use for that is in
# test-share-backends.R.

test_that("a worker gets a reference, and its changes are its own", {
  local_objects()
  session <- local_worker()
  for (kind in c("frame", "unique", "double", "nested", "s4", "names", "factor")) {
    x <- object_kinds()[[kind]]
    shared <- share(x)
    expect_lt(length(serialize(shared, NULL)), 0.4 * length(serialize(x, NULL)))
    answer <- run_in(session, function(shared, x) {
      same <- identical(shared, x)
      id <- sharedMemoryId(shared)
      list(same = same, id = id, is = is.shared(shared), back = shared)
    }, shared, if (kind == "s4") shared else x)
    expect_true(answer$same, info = kind)
    expect_true(answer$is, info = kind)
    expect_identical(answer$id, sharedMemoryId(shared), info = kind)
    expect_identical(answer$back, x, info = kind)
    expect_identical(sharedMemoryId(answer$back), answer$id)
    rm(shared, answer)
  }
  run_in(session, function() {
    gc()
    NULL
  })
  gc()
})

test_that("changes in a worker come back by value, the rest by reference", {
  local_objects()
  session <- local_worker()
  x <- list(a = stats::runif(1e5), b = stats::runif(1e5))
  shared <- share(x)
  back <- run_in(session, function(shared) {
    shared$b[7] <- 0
    shared
  }, shared)
  x$b[7] <- 0
  expect_identical(back, x)
  expect_true(is.shared(back$a))
  expect_false(is.shared(back$b))
  expect_false(identical(shared, x))
  run_in(session, function() {
    gc()
    NULL
  })
  rm(shared, back)
  gc()
})

test_that("a worker shares its result and ends", {
  local_objects()
  session <- local_session()
  x <- run_in(session, function() {
    share(list(data = seq(0, 1, length.out = 1e5), s = "x"))
  })
  expect_true(end_session(session))
  expect_identical(x$data[c(1, 1e5)], c(0, 1))
  expect_true(is.shared(x))
  # It was opened as often as it was sent, so that its name is gone: what we send on of
  # it goes by value.
  expect_identical(nrow(listSharedObjects()), 0L)
  expect_identical(unserialize(serialize(x, NULL)), x)
  expect_gt(length(serialize(x, NULL)), 8e5)
})

test_that("a worker ends before its result is looked at", {
  local_objects()
  session <- local_session()
  bytes <- run_in(session, function() serialize(share(stats::rnorm(1e5)), NULL))
  expect_true(end_session(session))
  reclaimSharedMemory()
  expect_identical(listSharedObjects()$state, "orphan")
  x <- unserialize(bytes)
  expect_identical(length(x), 100000L)
  expect_false(anyNA(x))
  rm(x)
  gc()
  expect_identical(nrow(listSharedObjects()), 0L)
})

test_that("forked workers", {
  skip_if_no_fork()
  local_objects()
  x <- share(list(stats::runif(1e5), rep(c("a", "b"), 1e4)))
  answers <- parallel::mclapply(1:4, function(i) {
    gc()
    x[[1]][i] <- -1
    list(sum(x[[1]] < 0), unique(x[[2]]), x, share(rep(i, 1e5)))
  }, mc.cores = 2)
  for (i in 1:4) {
    expect_identical(answers[[i]][[1]], 1L)
    expect_identical(answers[[i]][[2]], c("a", "b"))
    expect_identical(answers[[i]][[3]][[1]][i], -1)
    expect_identical(answers[[i]][[3]][[2]], x[[2]])
    expect_identical(answers[[i]][[4]], rep(i, 1e5))
  }
  # No gc of a child has taken anything from us.
  expect_true(hasSharedMemory(sharedMemoryId(x)))
  expect_identical(sum(x[[1]] < 0), 0L)
  rm(x, answers)
  gc()
})

test_that("openShared() by name, in another process", {
  local_objects()
  session <- local_session()
  model <- stats::lm(dist ~ speed, datasets::cars)
  x <- share(model, "model")
  there <- run_in(session, function() {
    m <- openShared("model")
    list(stats::predict(m, data.frame(speed = 10)), is.shared(m))
  })
  expect_identical(there[[1]], stats::predict(model, data.frame(speed = 10)))
  expect_identical(there[[2]], is.shared(x))
  expect_identical(kind_of(run_in(session, function() NULL)), "none")
  rm(x)
  gc()
  expect_identical(kind_of(openShared("model")), "not_found")
})

test_that("saveRDS() stores a reference, which unshare() avoids", {
  local_objects()
  file <- withr::local_tempfile()
  x <- share(stats::runif(1e4))
  values <- unshare(x)
  saveRDS(x, file)
  saveRDS(unshare(x), paste0(file, "2"))
  freeSharedMemory(sharedMemoryId(x))
  stub <- readRDS(file)
  # This process still has it.
  expect_identical(stub, values)
  session <- local_session()
  answer <- run_in(session, function(file) {
    x <- readRDS(file)
    list(length(x), tryCatch(x[1], error = function(e) class(e)[1]),
         readRDS(paste0(file, "2")))
  }, file)
  expect_identical(answer[[1]], 10000L)
  expect_identical(answer[[2]], "sharedmemory_error_not_found")
  expect_identical(answer[[3]], values)
  rm(x, stub)
  gc()
})
