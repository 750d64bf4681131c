# A pointer is good, or it is null: never a wild address.

test_that("a pointer bears its id", {
  local_clean_shm()
  id <- allocateSharedMemory(10)
  allocateSharedMemory(10, "caf\u00e9")
  # R shows the tag of a pointer to nobody but its serialization.
  tag_of <- function(pointer) {
    text <- rawToChar(serialize(pointer, NULL, ascii = TRUE))
    strsplit(text, "\n", fixed = TRUE)[[1]]
  }
  expect_true(id %in% tag_of(mapSharedMemory(id)))
  expect_true("caf\\303\\251" %in% tag_of(mapSharedMemory("caf\u00e9")))
  freeSharedMemory(c(id, "caf\u00e9"))
})

test_that("every copy is null after the last unmap and after a free", {
  local_clean_shm()
  use_native()
  id <- allocateSharedMemory(100)
  for (end in list(unmapSharedMemory, freeSharedMemory)) {
    writable <- mapSharedMemory(id)
    readonly <- mapSharedMemory(id, readonly = TRUE)
    copies <- list(
      writable, readonly, mapSharedMemory(c(id, id)),
      mapSharedMemory(id, readonly = TRUE)
    )
    holder <- new.env()
    holder$pointer <- writable
    kept <- (function(p) function() p)(readonly)
    expect_false(is_null(writable))
    expect_false(is_null(readonly))
    for (i in 1:4) {
      unmapSharedMemory(id)
      expect_false(is_null(writable))
      expect_false(is_null(readonly))
    }
    # The fifth and last, or the free.
    end(id)
    for (pointer in c(unlist(copies), holder$pointer, kept())) {
      expect_true(is_null(pointer))
      expect_null(peek(pointer, 1))
      expect_false(poke(pointer, as.raw(1)))
    }
  }
  expect_identical(count_mapped(), 0L)
})

test_that("pointers of other segments are not concerned", {
  local_clean_shm()
  use_native()
  ids <- allocateSharedMemory(rep(10, 100))
  pointers <- mapSharedMemory(ids)
  for (i in seq_along(ids)) poke(pointers[[i]], as.raw(i))
  gone <- sample(100, 50)
  freeSharedMemory(ids[gone[1:25]])
  unmapSharedMemory(ids[gone[26:50]])
  expect_identical(which(vapply(pointers, is_null, NA)), sort(gone))
  for (i in setdiff(1:100, gone)) {
    expect_identical(peek(pointers[[i]], 1), as.raw(i))
  }
  freeSharedMemory(ids)
})

test_that("both kinds of pointer show the same bytes, one may write", {
  local_clean_shm()
  skip_on_os("windows")
  use_native()
  id <- allocateSharedMemory(100)
  readonly <- mapSharedMemory(id, readonly = TRUE)
  expect_true(write_faults(readonly))
  writable <- mapSharedMemory(id)
  expect_false(write_faults(writable))
  expect_true(write_faults(readonly))
  poke(writable, charToRaw("shared"))
  expect_identical(peek(readonly, 6), charToRaw("shared"))
  # In the other order, and one of them twice.
  unmapSharedMemory(c(id, id))
  writable <- mapSharedMemory(id)
  readonly <- mapSharedMemory(id, readonly = TRUE)
  expect_false(write_faults(writable))
  expect_true(write_faults(readonly))
  expect_identical(peek(readonly, 6), charToRaw("shared"))
  freeSharedMemory(id)
})

test_that("one count serves both kinds", {
  local_clean_shm()
  id <- allocateSharedMemory(10)
  writable <- mapSharedMemory(id)
  readonly <- mapSharedMemory(id, readonly = TRUE)
  unmapSharedMemory(id)
  expect_false(looks_null(writable))
  expect_false(looks_null(readonly))
  unmapSharedMemory(id)
  expect_true(looks_null(writable))
  expect_true(looks_null(readonly))
  freeSharedMemory(id)
})

test_that("a pointer that nobody holds does not unmap when it is collected", {
  skip_if_not_linux()
  local_clean_shm()
  use_native()
  id <- allocateSharedMemory(10)
  poke(mapSharedMemory(id), as.raw(9))
  gc()
  gc()
  expect_identical(count_mapped(), 1L)
  pointer <- mapSharedMemory(id)
  expect_identical(peek(pointer, 1), as.raw(9))
  unmapSharedMemory(c(id, id))
  expect_identical(count_mapped(), 0L)
  freeSharedMemory(id)
})

test_that("pointers outlive gc, and gc the pointers", {
  local_clean_shm()
  use_native()
  old <- gctorture2(20)
  withr::defer(gctorture2(old))
  for (i in 1:3) {
    ids <- allocateSharedMemory(rep(10, 3), c("", "caf\u00e9", ""))
    pointers <- mapSharedMemory(ids)
    mapSharedMemory(ids[1], readonly = TRUE)
    kind <- kind_of(mapSharedMemory(c(ids, "never")))
    unmapSharedMemory(ids[2])
    state <- vapply(pointers, is_null, NA)
    listed <- listSharedObjects()
    freeSharedMemory(ids)
  }
  gctorture2(old)
  expect_identical(kind, "not_found")
  expect_identical(state, c(FALSE, TRUE, FALSE))
  expect_identical(nrow(listed), 3L)
  expect_true(all(vapply(pointers, is_null, NA)))
})

test_that("a pointer that was saved and loaded again is null", {
  local_clean_shm()
  use_native()
  id <- allocateSharedMemory(10)
  pointer <- mapSharedMemory(id)
  file <- tempfile(fileext = ".rds")
  withr::defer(unlink(file))
  saveRDS(list(pointer, mapSharedMemory(id, readonly = TRUE)), file)
  loaded <- readRDS(file)
  expect_true(is_null(loaded[[1]]))
  expect_true(is_null(loaded[[2]]))
  expect_null(peek(loaded[[1]], 1))
  # It is nobody's: neither counted nor cleared.
  unmapSharedMemory(c(id, id))
  expect_true(is_null(pointer))
  rm(loaded)
  gc()

  session <- local_session()
  use_native(session)
  expect_true(run_in(session, function(file) {
    all(vapply(readRDS(file), is_null, NA))
  }, file))
  expect_identical(
    run_in(session, function(pointer) is_null(pointer), pointer), TRUE
  )
  freeSharedMemory(id)
})

test_that("a forked child has the mappings, and its unmapping is its own", {
  local_clean_shm()
  skip_if_no_fork()
  skip_if_not_installed("parallel")
  use_native()
  id <- allocateSharedMemory(100)
  pointer <- mapSharedMemory(id)
  poke(pointer, charToRaw("parent"))
  answers <- parallel::mclapply(1:2, function(i) {
    seen <- rawToChar(peek(pointer, 6))
    poke(pointer, charToRaw(paste0("child", i)), offset = 10 * i)
    unmapSharedMemory(id)
    list(seen = seen, null = is_null(pointer), has = hasSharedMemory(id))
  }, mc.cores = 2)
  for (answer in answers) {
    expect_identical(answer, list(seen = "parent", null = TRUE, has = TRUE))
  }
  expect_identical(rawToChar(peek(pointer, 6)), "parent")
  expect_identical(rawToChar(peek(pointer, 6, 10)), "child1")
  expect_identical(rawToChar(peek(pointer, 6, 20)), "child2")
  freeSharedMemory(id)
})

test_that("a child's free does not pull the memory from under the parent", {
  local_clean_shm()
  skip_if_no_fork()
  skip_if_not_installed("parallel")
  use_native()
  id <- allocateSharedMemory(100)
  pointer <- mapSharedMemory(id)
  poke(pointer, charToRaw("still"))
  job <- parallel::mcparallel(freeSharedMemory(id))
  expect_null(parallel::mccollect(job)[[1]])
  expect_false(hasSharedMemory(id))
  expect_identical(rawToChar(peek(pointer, 5)), "still")
  unmapSharedMemory(id)
  expect_true(is_null(pointer))
})

test_that("a child allocates for itself", {
  local_clean_shm()
  skip_if_no_fork()
  skip_if_not_installed("parallel")
  first <- allocateSharedMemory(10)
  ids <- parallel::mclapply(1:4, function(i) {
    ids <- allocateSharedMemory(rep(10, 50))
    pointers <- mapSharedMemory(ids)
    stopifnot(!any(vapply(pointers, looks_null, NA)))
    ids
  }, mc.cores = 2)
  ids <- unlist(ids)
  expect_length(ids, 200)
  expect_identical(anyDuplicated(c(first, ids)), 0L)
  expect_true(all(hasSharedMemory(c(first, ids))))
  freeSharedMemory(c(first, ids))
})

test_that("the package can go while pointers are alive, and come back", {
  skip_if_not_linux()
  local_clean_shm()
  session <- local_session()
  use_native(session)
  run_in(session, function() {
    id <<- allocateSharedMemory(rep(10, 3))
    own <<- allocateSharedMemory(10, "own", lifetime = "process")
    pointers <<- c(mapSharedMemory(id), mapSharedMemory(id[1], readonly = TRUE))
    poke(pointers[[1]], as.raw(5))
    detach("package:sharedmemory", unload = TRUE)
    stopifnot(!"sharedmemory" %in% loadedNamespaces())
    gc()
    gc()
  })
  answers <- run_in(session, function() {
    before <- vapply(pointers, is_null, NA)
    gc()
    library(sharedmemory)
    again <- mapSharedMemory(id)
    first <- peek(again[[1]], 1)
    reloaded <- vapply(again, is_null, NA)
    freeSharedMemory(id)
    list(
      before = before, first = first, reloaded = reloaded,
      after = vapply(c(pointers, again), is_null, NA),
      own = hasSharedMemory("own"), new = allocateSharedMemory(10),
      error = class(tryCatch(mapSharedMemory("never"), error = identity))[1]
    )
  })
  expect_identical(answers$before, rep(TRUE, 4))
  expect_identical(answers$first, as.raw(5))
  expect_identical(answers$reloaded, rep(FALSE, 3))
  expect_true(all(answers$after))
  # The unloading was the end of its owner's use of the package.
  expect_false(answers$own)
  expect_identical(answers$error, "sharedmemory_error_not_found")
  expect_true(hasSharedMemory(answers$new))
  freeSharedMemory(answers$new)
  # Unload with pointers alive, and end so.
  run_in(session, function() {
    id <<- allocateSharedMemory(10, lifetime = "process")
    pointers <<- mapSharedMemory(id)
    unloadNamespace("sharedmemory")
  })
  expect_true(end_session(session))
  expect_identical(session$get_exit_status(), 0L)
})
