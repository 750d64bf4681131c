test_that("allocate, map, unmap, free work without a name and with one", {
  local_clean_shm()

  id <- allocateSharedMemory(10L)
  expect_true(hasSharedMemory(id))
  ptr <- mapSharedMemory(id)
  expect_true(getSharedMemorySize(id) >= 10)
  unmapSharedMemory(id)
  freeSharedMemory(id)
  expect_false(hasSharedMemory(id))

  name <- "SharedObjectExample"
  if (!hasSharedMemory(name)) {
    allocateSharedMemory(10L, name)
    expect_true(hasSharedMemory(name))
    ptr <- mapSharedMemory(name)
    expect_true(getSharedMemorySize(name) >= 10)
    unmapSharedMemory(name)
    freeSharedMemory(name)
    expect_false(hasSharedMemory(name))
  } else {
    fail("the namespace of this test was not empty")
  }
})

test_that("the values have the types that callers rely on", {
  local_clean_shm()
  expect_identical(initialSharedObjectPackageData(), NULL)
  expect_invisible(initialSharedObjectPackageData())
  id <- allocateSharedMemory(10)
  expect_type(id, "character")
  expect_identical(allocateSharedMemory(10, "a"), "a")
  expect_identical(hasSharedMemory(id), TRUE)
  expect_type(getSharedMemorySize(id), "double")
  pointer <- mapSharedMemory(id)
  expect_type(pointer, "externalptr")
  expect_false(looks_null(pointer))
  expect_null(expect_invisible(unmapSharedMemory(id)))
  expect_null(expect_invisible(freeSharedMemory(c(id, "a"))))
  expect_null(expect_invisible(releaseSharedObjectPackageData()))
})

test_that("an unnamed segment's id is the counter's next number", {
  local_clean_shm()
  before <- getLastIndex()
  expect_identical(before, 0L)
  for (i in 1:3) {
    id <- allocateSharedMemory(10)
    expect_identical(getLastIndex(), as.integer(id))
    expect_identical(as.integer(id), before + i)
    freeSharedMemory(id)
  }
  # Numbers are not used again while somebody is there who may remember them.
  expect_identical(allocateSharedMemory(10), "4")
  # Names do not count.
  allocateSharedMemory(10, "a")
  expect_identical(getLastIndex(), 4L)
  freeSharedMemory(c("4", "a"))
})

test_that("a new control object counts on from the segments that are there", {
  local_clean_shm()
  skip_if_not_linux()
  allocateSharedMemory(10, "7")
  # Somebody has cleaned up /dev/shm, but not everything.
  unlink(control_file())
  expect_identical(getLastIndex(), 7L)
  expect_identical(allocateSharedMemory(10), "8")

  # Beyond the integers of R: a double, and the id is all its digits.
  allocateSharedMemory(10, 2^31 + 5)
  unlink(control_file())
  id <- allocateSharedMemory(10)
  expect_identical(id, "2147483654")
  expect_identical(getLastIndex(), 2147483654)
  freeSharedMemory(c("7", "8", 2^31 + 5, id))
})

test_that("the counter steps over names that are numbers", {
  local_clean_shm()
  id <- as.integer(allocateSharedMemory(10))
  named <- allocateSharedMemory(5000, id + 1)
  after <- allocateSharedMemory(10)
  expect_identical(named, as.character(id + 1L))
  expect_identical(after, as.character(id + 2L))
  expect_identical(getLastIndex(), id + 2L)
  # In a batch, where the numbers are taken in a row, too.
  allocateSharedMemory(10, id + 4)
  ids <- allocateSharedMemory(rep(10, 3))
  expect_length(unique(c(ids, id + 4)), 4)
  expect_gte(getSharedMemorySize(named), 5000)
  freeSharedMemory(c(id, named, after, id + 4, ids))
})

test_that("a number that the counter has handed out can be opened, not made", {
  local_clean_shm()
  id <- allocateSharedMemory(10)
  expect_identical(allocateSharedMemory(10, id), id)
  freeSharedMemory(id)
  expect_refused(allocateSharedMemory(10, id))
})

test_that("an existing name is opened if it is large enough", {
  local_clean_shm()
  expect_identical(allocateSharedMemory(5000, "a"), "a")
  size <- getSharedMemorySize("a")
  expect_identical(allocateSharedMemory(5000, "a"), "a")
  expect_identical(allocateSharedMemory(1, "a"), "a")
  expect_identical(allocateSharedMemory(size, "a"), "a")
  expect_identical(getSharedMemorySize("a"), size)
  expect_refused(allocateSharedMemory(size + 1, "a"), "too_small")
  expect_refused(allocateSharedMemory(1, "a", exclusive = TRUE), "exists")
  freeSharedMemory("a")
  expect_identical(allocateSharedMemory(1, "a", exclusive = TRUE), "a")
  freeSharedMemory("a")
})

test_that("mapping counts, and free ends it whatever the count", {
  local_clean_shm()
  id <- allocateSharedMemory(10)
  first <- mapSharedMemory(id)
  second <- mapSharedMemory(id)
  unmapSharedMemory(id)
  expect_false(looks_null(first))
  expect_false(looks_null(second))
  unmapSharedMemory(id)
  expect_true(looks_null(first))
  expect_true(looks_null(second))
  # One too many must not be remembered against the next mapping.
  unmapSharedMemory(id)
  third <- mapSharedMemory(id)
  expect_false(looks_null(third))
  mapSharedMemory(id)
  freeSharedMemory(id)
  expect_true(looks_null(third))
  expect_false(hasSharedMemory(id))
  expect_identical(count_mapped(), 0L)
})

test_that("unmapping and freeing what is not there does nothing", {
  local_clean_shm()
  expect_null(unmapSharedMemory("never"))
  expect_null(freeSharedMemory("never"))
  id <- allocateSharedMemory(10)
  expect_null(unmapSharedMemory(id))
  expect_true(hasSharedMemory(id))
  freeSharedMemory(id)
  expect_null(freeSharedMemory(id))
  expect_null(unmapSharedMemory(id))
})

test_that("what does not exist has no size and cannot be mapped", {
  local_clean_shm()
  expect_false(hasSharedMemory("never"))
  expect_refused(getSharedMemorySize("never"), "not_found")
  expect_refused(mapSharedMemory("never"), "not_found")
  id <- allocateSharedMemory(10)
  freeSharedMemory(id)
  expect_refused(getSharedMemorySize(id), "not_found")
  expect_refused(mapSharedMemory(id), "not_found")
})

test_that("sizes are at least what was asked for, and all of it is zero", {
  local_clean_shm()
  use_native()
  # Around the places where another page is needed, with and without the footer.
  sizes <- c(1, 10, 3071:3073, 4095:4097, 7168, 7169, 1e6, 2^20)
  ids <- allocateSharedMemory(sizes)
  actual <- getSharedMemorySize(ids)
  expect_true(all(actual >= sizes))
  expect_true(all(actual < sizes + 2 * 4096))
  for (i in seq_along(ids)) {
    pointer <- mapSharedMemory(ids[i])
    expect_identical(peek(pointer, actual[i]), raw(actual[i]))
    # The whole capacity may be used, and the segment is still one afterwards.
    expect_true(fill(pointer, actual[i], 255))
    unmapSharedMemory(ids[i])
  }
  expect_identical(getSharedMemorySize(ids), actual)
  freeSharedMemory(ids)

  # Memory that was used before is not handed on.
  id <- allocateSharedMemory(1e6)
  expect_identical(peek(mapSharedMemory(id), 1e6), raw(1e6))
  freeSharedMemory(id)
})

test_that("contents stay from one mapping to the next", {
  local_clean_shm()
  use_native()
  id <- allocateSharedMemory(100)
  poke(mapSharedMemory(id), charToRaw("abc"), offset = 97)
  unmapSharedMemory(id)
  expect_identical(peek(mapSharedMemory(id), 3, 97), charToRaw("abc"))
  freeSharedMemory(id)
})

test_that("nothing is open and nothing mapped that need not be", {
  local_clean_shm()
  skip_if_not_linux()
  initialSharedObjectPackageData()
  open <- length(list.files("/proc/self/fd"))
  ids <- allocateSharedMemory(rep(10, 500))
  mapSharedMemory(ids)
  expect_identical(count_mapped(), 500L)
  # However many segments: no descriptor stays open for them.
  expect_identical(length(list.files("/proc/self/fd")), open)
  unmapSharedMemory(ids)
  expect_identical(count_mapped(), 0L)
  freeSharedMemory(ids)
})

test_that("loading the package and looking around creates nothing", {
  skip_if_not_linux()
  namespace <- local_namespace()
  session <- local_session(namespace)
  expect_identical(objects_in(namespace), character())
  run_in(session, function() {
    hasSharedMemory("a")
    listSharedObjects()
    getLastIndex()
    unmapSharedMemory("a")
    freeSharedMemory("a")
    try(getSharedMemorySize("a"), silent = TRUE)
    try(mapSharedMemory("a"), silent = TRUE)
    releaseSharedObjectPackageData()
  })
  expect_identical(objects_in(namespace), character())
  run_in(session, function() initialSharedObjectPackageData())
  expect_length(objects_in(namespace), 1)
  run_in(session, function() releaseSharedObjectPackageData())
  expect_identical(objects_in(namespace), character())
  # The next use sets it up again by itself.
  id <- run_in(session, function() allocateSharedMemory(10))
  expect_length(objects_in(namespace), 2)
  run_in(session, function(id) freeSharedMemory(id), id)
})

test_that("only the owner may open a segment, whatever the umask", {
  local_clean_shm()
  skip_if_not_linux()
  for (mask in c("0000", "0022", "0777")) {
    old <- Sys.umask(mask)
    ids <- tryCatch(
      allocateSharedMemory(10, c("", paste0("mask", mask))),
      finally = Sys.umask(old)
    )
    files <- c(segment_file(ids), control_file())
    expect_identical(
      format(file.info(files)$mode), rep("600", 3),
      info = mask
    )
    expect_false(looks_null(mapSharedMemory(ids[1])))
    freeSharedMemory(ids)
    releaseSharedObjectPackageData()
  }
})

test_that("children of mclapply() leave orphans, as the help says", {
  local_clean_shm()
  skip_if_no_fork()
  ids <- run_in(local_session(), function() {
    options(sharedmemory.reclaim = FALSE)
    initialSharedObjectPackageData()
    unlist(parallel::mclapply(1:2, function(i) {
      allocateSharedMemory(10, lifetime = "process")
    }, mc.cores = 2))
  })
  are_orphans <- function() identical(listSharedObjects()$state, rep("orphan", 2))
  expect_true(eventually(are_orphans))
  expect_setequal(reclaimSharedMemory()$Id, ids)
  expect_identical(hasSharedMemory(ids), c(FALSE, FALSE))
})
