# Views that travel: serialized, to other processes, from another time.

# How the first use of what came in fails.
first_use <- function(x) kind_of(sum(x))

test_that("a view is serialized as a reference, whatever its length", {
  local_clean_shm()
  for (type in names(type_sizes)) {
    for (n in c(0, 1, 100, 1e6)) {
      id <- local_sealed(vector(type, n))
      for (live in unique(c(FALSE, type != "logical"))) {
        x <- viewSharedMemory(id, type, length = n, live = live)
        state <- serialize(x, NULL)
        expect_lt(length(state), 300)
        y <- unserialize(state)
        expect_identical(sharedMemoryId(y), id)
        expect_identical(y, x)
      }
    }
  }
  # The longest of ids, and of the texts that go with it.
  id <- allocateSharedMemory(80, strrep("x", 200))
  sealSharedMemory(id)
  expect_lt(length(serialize(viewSharedMemory(id), NULL)), 500)
  freeSharedMemory(id)
})

test_that("every way of serializing gives the same values, and a view if it can", {
  skip_if_portable()
  local_clean_shm()
  for (type in names(samples)) {
    id <- local_sealed(samples[[type]])
    x <- viewSharedMemory(id, type)
    for (xdr in c(TRUE, FALSE)) {
      y <- unserialize(serialize(x, NULL, xdr = xdr))
      expect_same_bits(y, samples[[type]], type)
      expect_true(is.shared(y))
    }
    y <- unserialize(serialize(x, NULL, ascii = TRUE))
    expect_same_bits(y, samples[[type]], type)
    expect_true(is.shared(y))
    # Older formats have no references.
    y <- unserialize(serialize(x, NULL, version = 2))
    expect_same_bits(y, samples[[type]], type)
    expect_false(is.shared(y))
    file <- withr::local_tempfile()
    for (compress in c(TRUE, FALSE)) {
      saveRDS(x, file, compress = compress)
      expect_same_bits(readRDS(file), samples[[type]], type)
      expect_identical(sharedMemoryId(readRDS(file)), id)
    }
    save(x, file = file)
    loaded <- new.env()
    load(file, loaded)
    expect_identical(sharedMemoryId(loaded$x), id)
  }
})

test_that("attributes travel with the reference", {
  local_clean_shm()
  for (n in c(10, 100)) {
    id <- local_sealed(as.double(seq_len(n)))
    for (live in c(FALSE, TRUE)) {
      shapes <- list(
        structure(viewSharedMemory(id, live = live), dim = c(2, n / 2)),
        .Date(viewSharedMemory(id, live = live)),
        local({
          x <- viewSharedMemory(id, live = live)
          y <- x
          attr(y, "unit") <- "m"
          y
        })
      )
      for (x in shapes) {
        y <- unserialize(serialize(x, NULL))
        expect_lt(length(serialize(x, NULL)), 500)
        expect_identical(y, x)
        expect_identical(sharedMemoryId(y), id)
      }
    }
  }
})

test_that("views travel inside of other things", {
  local_clean_shm()
  id <- local_sealed(as.double(1:1e5))
  x <- viewSharedMemory(id)
  add <- utils::removeSource(function() sum(x))
  environment(add) <- list2env(list(x = x), parent = globalenv())
  nested <- list(
    a = list(x), d = data.frame(x = x), e = list2env(list(x = x), parent = emptyenv()),
    f = add, g = structure(list(x), class = "thing")
  )
  state <- serialize(nested, NULL)
  expect_lt(length(state), 1e4)
  came <- unserialize(state)
  for (y in list(came$a[[1]], came$d$x, came$e$x, came$g[[1]])) {
    expect_identical(sharedMemoryId(y), id)
    expect_identical(y[1e5], 1e5)
  }
  expect_identical(came$f(), sum(1:1e5))
})

test_that("a live view arrives live, and one that was sealed stays sealed", {
  skip_if_portable()
  local_clean_shm()
  session <- local_session()
  id <- local_segment(as.double(1:100))
  live <- viewSharedMemory(id, live = TRUE)
  run_in(session, function(x) {
    theirs <<- x
    NULL
  }, live)
  writeSharedMemory(id, -1)
  expect_identical(run_in(session, function() theirs[1:2]), c(-1, 2))
  # Of a segment that lost its seal, as only a program can do that changes its mode,
  # no view that relies on it comes back.
  skip_if_not_linux()
  sealSharedMemory(id)
  sent <- serialize(viewSharedMemory(id), NULL)
  Sys.chmod(segment_file(id), "600", use_umask = FALSE)
  expect_identical(first_use(unserialize(sent)), "unsealed")
})

test_that("what was modified privately travels by value", {
  skip_if_portable()
  local_clean_shm()
  for (n in c(10, 1000)) {
    values <- as.double(seq_len(n))
    id <- local_sealed(values)
    x <- viewSharedMemory(id)
    x[2] <- -1
    y <- unserialize(serialize(x, NULL))
    expect_identical(y, replace(values, 2, -1))
    expect_false(is.shared(y))
    # Having been read through is not a modification, if the system tells.
    x <- viewSharedMemory(id)
    x == 1
    x %*% x
    order(x)
    y <- unserialize(serialize(x, NULL))
    expect_identical(y, x)
    if (file.exists("/proc/self/pagemap")) expect_true(is.shared(y))
  }
})

# ---- to other processes --------------------------------------------------------------

test_that("a cluster of workers shares a view without copying it", {
  skip_on_cran()
  skip_if_less_room(2^30)
  skip_if_not(file.exists("/proc/self/smaps_rollup"), "no smaps_rollup")
  local_clean_shm()
  id <- allocateSharedMemory(2^29)
  withr::defer(freeSharedMemory(id))
  writeSharedMemory(id, as.double(1:1000), offset = 2^28)
  sealSharedMemory(id)
  withr::local_envvar(TMPDIR = tempdir())
  cluster <- parallel::makePSOCKcluster(4)
  withr::defer(parallel::stopCluster(cluster))
  parallel::clusterCall(cluster, function(paths) {
    .libPaths(paths)
    library(sharedmemory)
    NULL
  }, .libPaths())
  measure <- function() {
    anonymous <- parallel::clusterCall(cluster, function() {
      gc()
      line <- grep("^Anonymous:", readLines("/proc/self/smaps_rollup"), value = TRUE)
      as.numeric(gsub("[^0-9]", "", line)) * 1024
    })
    sum(unlist(anonymous))
  }
  use <- function(name) {
    parallel::clusterCall(cluster, function(name) {
      x <- get(name, globalenv())
      c(sum(x), mean(x) * length(x), max(x), x %*% x)
    }, name)
  }
  # The first time R compiles and loads what it needs.
  small <- viewSharedMemory(id, length = 1000, offset = 2^28)
  parallel::clusterExport(cluster, "small", environment())
  for (i in 1:3) use("small")
  measure()
  before <- measure()
  x <- viewSharedMemory(id)
  parallel::clusterExport(cluster, "x", environment())
  answers <- use("x")
  expect_lt(measure() - before, 16 * 2^20)
  for (answer in answers) {
    expect_equal(answer, c(500500, 500500, 1000, sum((1:1000)^2)))
  }
  expect_identical(
    parallel::clusterEvalQ(cluster, sharedmemory::sharedMemoryId(x)),
    rep(list(id), 4)
  )
})

test_that("future carries references", {
  skip_if_not_installed("future")
  local_clean_shm()
  id <- local_sealed(as.double(1:1e5))
  x <- viewSharedMemory(id)
  cluster <- parallel::makePSOCKcluster(1)
  withr::defer(parallel::stopCluster(cluster))
  parallel::clusterCall(cluster, function(paths) .libPaths(paths), .libPaths())
  old <- future::plan(future::cluster, workers = cluster)
  withr::defer(future::plan(old), priority = "first")
  answer <- future::future(c(sum(x), sharedmemory::is.shared(x)))
  expect_identical(future::value(answer), c(sum(1:1e5), 1))
  # As vignette("views") says, some versions measure the values, others the reference.
  withr::local_options(future.globals.maxSize = 1e5)
  if (packageVersion("future") < "1.34.0")
    expect_error(future::value(future::future(sum(x))), "maxSize")
  else
    expect_identical(future::value(future::future(sum(x))), sum(1:1e5))
  withr::local_options(future.globals.maxSize = Inf)
  expect_identical(future::value(future::future(sum(x))), sum(1:1e5))
})

# What rests on that is in vignette("views") under "With other packages".
test_that("two views of the same elements have one serialized form", {
  local_clean_shm()
  id <- local_sealed(as.double(1:100))
  form <- function(...) serialize(viewSharedMemory(id, ...), NULL)
  expect_identical(form(), form())
  expect_identical(form(length = 9, offset = 8), form(length = 9, offset = 8))
  expect_false(identical(form(length = 9), form(length = 9, offset = 8)))
  expect_false(identical(form(), serialize(as.double(1:100), NULL)))
})

test_that("a receiver in another namespace gets the sender's segment", {
  local_clean_shm()
  other <- local_namespace()
  session <- local_session(other)
  allocateSharedMemory(80, "a")
  writeSharedMemory("a", as.double(1:10))
  sealSharedMemory("a")
  answer <- run_in(session, function(x) {
    # One of the same id, which it is not.
    allocateSharedMemory(80, "a")
    sealSharedMemory("a")
    seen <- list(sum(x), sharedMemoryId(x), sum(viewSharedMemory("a")))
    freeSharedMemory("a")
    seen
  }, viewSharedMemory("a"))
  expect_identical(answer, list(55, NA_character_, 0))
  freeSharedMemory("a")
})

# ---- references that lead nowhere --------------------------------------------------

test_that("the first use of a stale reference says what became of it", {
  local_clean_shm()
  for (live in c(FALSE, TRUE)) {
    allocateSharedMemory(80, c("a", "b"))
    if (!live) sealSharedMemory(c("a", "b"))
    states <- lapply(c("a", "b"), function(id) {
      serialize(viewSharedMemory(id, live = live), NULL)
    })
    freeSharedMemory(c("a", "b"))
    allocateSharedMemory(800, "b")
    writeSharedMemory("b", as.double(1:100))
    if (!live) sealSharedMemory("b")
    a <- unserialize(states[[1]])
    b <- unserialize(states[[2]])
    expect_identical(first_use(a), "not_found")
    expect_identical(first_use(b), "replaced")
    error <- expect_refused(sum(b), "replaced")
    expect_identical(error$id, "b")
    expect_identical(error$op, "view")
    # Not the successor's memory, neither to read nor to write.
    expect_identical(kind_of(b[1]), "replaced")
    expect_identical(kind_of(b[1] <- 7), "replaced")
    expect_identical(kind_of(b[] <- 7), "replaced")
    expect_identical(kind_of(-b), "replaced")
    expect_identical(readSharedMemory("b"), as.double(1:100))
    # What needs no memory works.
    for (x in list(a, b)) {
      expect_length(x, 10)
      expect_identical(class(x), "numeric")
      expect_true(is.shared(x))
      y <- x
      attr(y, "unit") <- "m"
      expect_identical(first_use(y), first_use(x))
      # It goes on travelling.
      expect_identical(first_use(unserialize(serialize(x, NULL))), first_use(x))
      expect_error(capture.output(print(x)), class = "sharedmemory_error")
      expect_error(capture.output(str(x)), class = "sharedmemory_error")
      expect_error(x[[3]], class = "sharedmemory_error")
      expect_error(identical(x, 1:10 + 0), class = "sharedmemory_error")
    }
    freeSharedMemory("b")
  }
})

test_that("a reference from before the ids started over finds nothing wrong", {
  skip_if_not_linux()
  namespace <- local_namespace()
  file <- withr::local_tempfile()
  first <- run_in(local_session(namespace), function(file) {
    id <- allocateSharedMemory(80)
    writeSharedMemory(id, as.double(1:10))
    sealSharedMemory(id)
    saveRDS(viewSharedMemory(id), file)
    freeSharedMemory(id)
    gc() # who holds a view does not leave
    releaseSharedObjectPackageData()
    id
  }, file)
  expect_identical(objects_in(namespace), character())
  answer <- run_in(local_session(namespace), function(file) {
    id <- allocateSharedMemory(80)
    writeSharedMemory(id, rep(-1, 10))
    x <- readRDS(file)
    kind <- tryCatch(sum(x), error = function(e) class(e)[1])
    freeSharedMemory(id)
    gone <- tryCatch(sum(x), error = function(e) class(e)[1])
    list(id, length(x), kind, gone)
  }, file)
  expect_identical(answer, list(
    first, 10L, "sharedmemory_error_replaced", "sharedmemory_error_not_found"
  ))
})

test_that("other shared memory is elsewhere, also with the same names in it", {
  skip_if_portable()
  local_clean_shm()
  skip_if_cannot_unshare()
  allocateSharedMemory(80, "a")
  sealSharedMemory("a")
  answer <- in_small_shm(function(state) {
    kind <- function(x) tryCatch(sum(x), error = function(e) class(e)[1])
    x <- unserialize(state)
    before <- kind(x)
    allocateSharedMemory(80, "a")
    after <- kind(x)
    message <- tryCatch(sum(x), error = conditionMessage)
    freeSharedMemory("a")
    list(length(x), before, after, message)
  }, serialize(viewSharedMemory("a"), NULL))
  elsewhere <- "sharedmemory_error_elsewhere"
  expect_identical(answer[1:3], list(10L, elsewhere, elsewhere))
  expect_match(answer[[4]], "readSharedMemory")
  freeSharedMemory("a")
})

test_that("errors of stale references leave R's memory in order", {
  local_clean_shm()
  id <- allocateSharedMemory(8 * 1000)
  sealSharedMemory(id)
  state <- serialize(viewSharedMemory(id), NULL)
  freeSharedMemory(id)
  answer <- run_in(local_session(), function(state) {
    x <- unserialize(state)
    fail <- function(i) {
      # With a writable pointer, with one to read, and by elements.
      uses <- list(function() x %*% x, function() sum(x), function() x[[5]])
      ballast <- numeric(2000)
      tryCatch(uses[[i %% 3 + 1]](), error = function(e) class(e)[1])
    }
    for (i in 1:1000) fail(i)
    collected <- FALSE
    reg.finalizer(new.env(), function(e) collected <<- TRUE)
    before <- sum(gc()[, 2])
    kinds <- vapply(1:10000, fail, "")
    # Without garbage collection this were 160 MB.
    grown <- sum(gc()[, 2]) - before
    list(unique(kinds), grown, collected)
  }, state)
  expect_identical(answer[[1]], "sharedmemory_error_not_found")
  expect_lt(answer[[2]], 10)
  expect_true(answer[[3]])
})

test_that("garbage collection at every allocation finds nothing unprotected", {
  skip_on_cran()
  local_clean_shm()
  answer <- run_in(local_session(), function() {
    cycle <- function(name, live) {
      id <- allocateSharedMemory(800, name)
      writeSharedMemory(id, as.double(100:1))
      mapSharedMemory(id)
      if (!live) sealSharedMemory(id)
      x <- viewSharedMemory(id, live = live)
      y <- x
      y[1] <- 7
      attr(y, "unit") <- "m"
      z <- unserialize(serialize(x, NULL))
      n <- -viewSharedMemory(id, "integer", 3, 8, live)
      freeSharedMemory(id)
      stale <- unserialize(serialize(x, NULL))
      kind <- tryCatch(stale[1], error = function(e) class(e)[1])
      bad <- tryCatch(viewSharedMemory(id), error = function(e) class(e)[1])
      list(y[1:2], z[2], length(n), sum(x[]) > 0, sharedMemoryId(y), kind, bad)
    }
    calm <- list(cycle("a", FALSE), cycle("a", TRUE))
    gctorture(TRUE)
    tortured <- list(cycle("a", FALSE), cycle("a", TRUE))
    gctorture(FALSE)
    identical(calm, tortured) && calm[[1]][[1]][1] == 7
  })
  expect_true(answer)
})
