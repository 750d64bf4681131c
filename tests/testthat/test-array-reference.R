# An array is a reference: names, mappings, other processes, and what may come from a
# file.

test_that("an assignment through one name shows under all", {
  local_clean_shm()
  a <- local_array("double", as.double(1:6))
  b <- a
  kept <- list(a)
  change <- function(x) x[1] <- 100
  change(b)
  expect_identical(a[1], 100)
  kept[[1]][2] <- 200
  expect_identical(a[2], 200)
  dim(b) <- c(2, 3)
  expect_null(dim(a))
  b[2, 3] <- 600
  expect_identical(a[], c(100, 200, 3, 4, 5, 600))
  values <- a[]
  a[3] <- -1
  expect_identical(values[3], 3)
  other <- sharedArray(sharedMemoryId(a))
  other[4] <- 400
  expect_identical(a[4], 400)
})

test_that("it is what it is called", {
  local_clean_shm()
  a <- local_array("double", as.double(1:6))
  expect_true(inherits(a, "sharedArray"))
  expect_true(is.shared(a))
  expect_type(sharedMemoryId(a), "character")
  expect_true(hasSharedMemory(sharedMemoryId(a)))
  expect_identical(a, {
    b <- a
    b
  })
  expect_false(identical(a, sharedArray(sharedMemoryId(a))))
})

test_that("it keeps its memory when the segment is unmapped or freed", {
  local_clean_shm()
  gc()
  id <- allocateSharedMemory(8 * 4)
  a <- sharedArray(id)
  mapSharedMemory(id)
  a[] <- 1:4
  unmapSharedMemory(id)
  expect_identical(a[2], 2)
  freeSharedMemory(id)
  a[3] <- 30
  expect_identical(a[], c(1, 2, 30, 4))
  expect_identical(count_mapped(), 1L)
  rm(a)
  gc()
  expect_identical(count_mapped(), 0L)
})

test_that("the mapping goes with the last handle on it, and with a failed call", {
  local_clean_shm()
  id <- allocateSharedMemory(64)
  withr::defer(freeSharedMemory(id))
  a <- sharedArray(id)
  b <- a
  dim(b) <- c(2, 4)
  expect_identical(count_mapped(), 1L)
  rm(a)
  gc()
  b[1, 1] <- 5
  expect_identical(b[[1]], 5)
  rm(b)
  gc()
  expect_identical(count_mapped(), 0L)
  expect_identical(kind_of(sharedArray(id, dim = 1e6)), "bounds")
  expect_identical(count_mapped(), 0L)
})

test_that("a forked child writes into the same memory", {
  skip_if_no_fork()
  local_clean_shm()
  a <- local_array("integer", 1:4)
  job <- parallel::mcparallel({
    a[2] <- 20L
    rm(a)
    gc()
    NULL
  })
  parallel::mccollect(job)
  expect_identical(a[], c(1L, 20L, 3L, 4L))
})

test_that("it travels as a reference, with type and dim", {
  local_clean_shm()
  for (type in array_types) {
    a <- local_array(type, rep_len(array_samples[[type]], 6), c(2, 3))
    bytes <- serialize(a, NULL)
    expect_lt(length(bytes), 500)
    b <- unserialize(bytes)
    expect_identical(dim(b), c(2L, 3L))
    expect_same_bits(b[], a[], info = type)
    b[1, 2] <- array_samples[[type]][6]
    expect_same_bits(a[1, 2], array_samples[[type]][6], info = type)
  }
  a <- local_array("double", as.double(1:6))
  expect_identical(serialize(a, NULL), serialize(a, NULL))
  file <- withr::local_tempfile()
  saveRDS(list(a, a), file)
  back <- readRDS(file)
  expect_identical(length(back[[1]]), 6L)
  expect_identical(back[[2]][3], 3)
  dim(back[[1]]) <- c(3, 2)
  expect_identical(back[[1]][3, 2], 6)
  # A handle made before it is opened opens for itself.
  fresh <- unserialize(serialize(a, NULL))
  dim(fresh) <- 6
  expect_identical(sum(fresh), 21)
})

test_that("workers of parallel write into it", {
  local_clean_shm()
  a <- local_array("double", double(4))
  cluster <- parallel::makePSOCKcluster(2, setup_strategy = "sequential")
  withr::defer(parallel::stopCluster(cluster))
  parallel::clusterCall(cluster, function(paths) {
    .libPaths(paths)
    loadNamespace("sharedmemory")
    NULL
  }, .libPaths())
  parallel::clusterApply(cluster, 1:4, function(i, a) {
    a[i] <- i * 10
    NULL
  }, a)
  expect_identical(a[], c(10, 20, 30, 40))
})

test_that("a session gets it and sends it back", {
  local_clean_shm()
  a <- local_array("uint8", 1:4)
  session <- local_session()
  b <- run_in(session, function(a) {
    a[1] <- 255
    a
  }, a)
  expect_identical(a[1], 255L)
  expect_identical(b[], a[])
})

test_that("a stale reference is an error at its first use, and says which", {
  local_clean_shm()
  id <- allocateSharedMemory(8, "array-stale")
  a <- sharedArray(id)
  bytes <- serialize(a, NULL)
  freeSharedMemory(id)
  b <- unserialize(bytes)
  expect_identical(kind_of(b[]), "not_found")
  expect_identical(kind_of(b[1] <- 1), "not_found")
  expect_identical(kind_of(sum(b)), "not_found")
  expect_identical(length(b), 1L)
  expect_identical(sharedMemoryId(b), id)
  expect_match(printed(b), "was freed", all = FALSE)
  expect_output(str(b), "was freed")
  allocateSharedMemory(8, "array-stale")
  expect_identical(kind_of(b[]), "replaced")
  a[1] <- 5 # still its own memory
  expect_identical(readSharedMemory(id), 0)
  freeSharedMemory(id)
  # There once more: opened then.
  id <- allocateSharedMemory(8)
  fresh <- unserialize(serialize(sharedArray(id), NULL))
  withr::with_envvar(c(none = "x"), expect_identical(fresh[1], 0))
  freeSharedMemory(id)
})

test_that("an array of a sealed segment can be read, and assigned to by nobody", {
  local_clean_shm()
  a <- local_array("double", c(1, 2, 3))
  id <- sharedMemoryId(a)
  sealSharedMemory(id)
  b <- sharedArray(id)
  sent <- unserialize(serialize(a, NULL))
  for (x in list(b, sent)) {
    expect_identical(x[1:3], c(1, 2, 3))
    expect_identical(sum(x[1:3]), 6)
    expect_identical(kind_of(x[1] <- 5), "sealed")
    expect_identical(kind_of(x[[1]] <- 5), "sealed")
    expect_identical(kind_of(x[] <- 5), "sealed")
    dim(x) <- c(1, length(x))
    expect_identical(kind_of(x[1, 1] <- 5), "sealed")
  }
  expect_identical(readSharedMemory(id, length = 3), c(1, 2, 3))
})

test_that("what is not an array made by sharedArray() is refused", {
  local_clean_shm()
  id <- allocateSharedMemory(64)
  withr::defer(freeSharedMemory(id))
  pointer <- mapSharedMemory(id)
  fakes <- list(
    structure(1:3, class = "sharedArray"), structure(list(), class = "sharedArray"),
    structure(null_pointer(), class = "sharedArray"),
    structure(new.env(), class = "sharedArray")
  )
  for (fake in fakes) {
    expect_identical(kind_of(fake[1]), "argument")
    expect_identical(kind_of(fake[1] <- 1), "argument")
    expect_identical(kind_of(length(fake)), "argument")
    expect_identical(kind_of(sum(fake)), "argument")
    expect_identical(kind_of(dim(fake)), "argument")
  }
  # An address that is not that of an array.
  class(pointer) <- "sharedArray"
  expect_identical(kind_of(pointer[1]), "argument")
  attr(pointer, "class") <- NULL
  unmapSharedMemory(id)
})

# ---- forged -------------------------------------------------------------------------

# All of it works, or is an error of this package.
use <- function(x) {
  for (fun in list(
    function() length(x), function() dim(x), function() x[1], function() x[],
    function() x[1] <- x[1], function() sum(x), function() sharedMemoryId(x),
    function() utils::capture.output(str(x)), function() x[1, 1]
  )) {
    tryCatch(fun(), sharedmemory_error = function(e) NULL)
  }
}

# (R itself may crash at bits that are flipped in what it writes around the state.)
test_that("each flipped bit of a state is noticed", {
  local_clean_shm()
  a <- local_array("double", as.double(1:6), c(2, 3))
  state <- array_state(a)
  reference <- state[[1]]
  kinds <- character()
  for (at in seq_along(reference)) {
    for (bit in 0:7) {
      forged <- replace(reference, at, xor(reference[at], as.raw(2^bit)))
      x <- with_array_state(a, list(forged, state[[2]]))
      kinds <- c(kinds, kind_of(x[1] <- 0), kind_of(x[2, 2]))
      use(x)
    }
  }
  expect_identical(unique(kinds), "argument")
  expect_identical(a[], matrix(as.double(1:6), 2))
})

test_that("states of the wrong shape and type are refused", {
  local_clean_shm()
  a <- local_array("double", as.double(1:6), c(2, 3))
  id <- sharedMemoryId(a)
  state <- array_state(a)
  good <- with_array_state(a, state)
  expect_identical(good[], a[])
  reference <- state[[1]]
  shapes <- list(
    NULL, 1, "x", list(), list(reference), list(reference, NULL, NULL),
    list(NULL, NULL), list("x", c(2L, 3L)), list(raw(), NULL), list(raw(1000), NULL),
    list(reference[-1], NULL), list(c(reference, as.raw(0)), NULL),
    list(reference, c(2, 3)), list(reference, c(2L, 4L)), list(reference, integer()),
    list(reference, c(-2L, -3L)), list(reference, c(NA, 3L)), list(reference, "6"),
    list(reference, rep(.Machine$integer.max, 60)), list(reference, c(0L, 3L)),
    list(as.integer(reference), NULL), list(reference, as.raw(6)), quote(f(x)),
    list(reference, list(2L, 3L)), new.env(parent = emptyenv()), sum
  )
  for (shape in shapes) {
    x <- with_array_state(a, shape)
    info <- paste(deparse(shape), collapse = " ")
    expect_identical(kind_of(x[1]), "argument", info = info)
    expect_identical(kind_of(length(x)), "argument", info = info)
    expect_identical(kind_of(x[1] <- 1), "argument", info = info)
    expect_identical(kind_of(serialize(x, NULL)), "none", info = info)
  }
  expect_identical(with_array_state(a, list(reference, NULL))[6], 6)
  many <- replace(rep(1L, 1e5), 1, 6L)
  expect_identical(with_array_state(a, list(reference, many))[[6]], 6)
  expect_identical(readSharedMemory(id), as.double(1:6))
})

test_that("thousands of references with a good checksum and bad contents", {
  local_clean_shm()
  a <- local_array("double", as.double(1:6))
  reference <- array_state(a)[[1]]
  withr::local_seed(11)
  kinds <- character()
  for (k in 1:3000) {
    forged <- reference
    at <- sample(c(6, 33:48), sample(1:4, 1)) # form, offset, length
    forged[at] <- as.raw(sample(0:255, length(at), TRUE))
    x <- with_array_state(a, list(with_checksum(forged), NULL))
    kinds <- c(kinds, kind_of(x[1]))
    if (k %% 10 == 0) use(x)
  }
  expect_identical(setdiff(kinds, c("none", "argument", "bounds")), character())
  expect_gt(sum(kinds == "bounds"), 100)
  expect_gt(sum(kinds == "argument"), 100)
})

test_that("a worker needs no set-up: what arrives loads the package", {
  local_clean_shm()
  id <- allocateSharedMemory(80)
  a <- sharedArray(id)
  a[] <- 1:10
  worker <- local_session()
  worker$run(function() unloadNamespace("sharedmemory"))
  file <- withr::local_tempfile()
  saveRDS(list(first = a, again = a), file)
  answer <- run_in(worker, function(a, file) {
    before <- a[2]
    a[2] <- 20
    unloadNamespace("sharedmemory")
    b <- readRDS(file)$again
    c(before, b[2], length(b), sum(b))
  }, a, file)
  expect_identical(answer, c(2, 20, 10, 73))
  expect_identical(a[2], 20)
  freeSharedMemory(id)
})
