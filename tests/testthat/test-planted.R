# Things in the place of a segment that are not segments.

plant <- list(
  link = function(file) file.symlink(planted_target(), file),
  dangling = function(file) file.symlink(tempfile("nowhere"), file),
  directory = function(file) dir.create(file),
  text = function(file) writeLines("no segment", file),
  page = function(file) writeBin(raw(4096), file),
  noise = function(file) {
    writeBin(as.raw((seq_len(8192) * 167) %% 251), file)
  }
)

planted_target <- function() file.path(tempdir(), "planted-target")

test_that("what is planted in the place of a segment is never followed", {
  local_clean_shm()
  skip_if_not_linux()
  writeLines("precious", planted_target())
  withr::defer(unlink(planted_target()))
  initialSharedObjectPackageData()
  for (kind in names(plant)) {
    file <- segment_file(kind)
    plant[[kind]](file)
    for (use in list(
      hasSharedMemory, getSharedMemorySize, mapSharedMemory,
      function(id) mapSharedMemory(id, readonly = TRUE),
      function(id) allocateSharedMemory(10, id)
    )) {
      expect_refused(use(kind), "corrupt", info = kind)
    }
    expect_null(unmapSharedMemory(kind))
    # An explicit free removes it; but not what may be full of something.
    if (kind == "directory") {
      expect_refused(freeSharedMemory(kind), "corrupt", info = kind)
      unlink(file, recursive = TRUE)
    } else {
      expect_null(freeSharedMemory(kind))
    }
    expect_false(hasSharedMemory(kind))
    expect_identical(allocateSharedMemory(10, kind), kind)
    freeSharedMemory(kind)
  }
  expect_identical(readLines(planted_target()), "precious")
})

test_that("a planted FIFO does not hang anybody", {
  local_clean_shm()
  skip_if_not_linux()
  skip_if_not(has_tool("mkfifo"), "no mkfifo")
  system2("mkfifo", shQuote(segment_file("fifo")))
  # In another process, for a call that hangs would hang the tests.
  session <- local_session()
  kinds <- run_in(session, function() {
    kind <- function(code) tryCatch(code, error = function(e) class(e)[1])
    c(
      kind(hasSharedMemory("fifo")), kind(getSharedMemorySize("fifo")),
      kind(mapSharedMemory("fifo")), kind(allocateSharedMemory(10, "fifo"))
    )
  })
  expect_identical(kinds, rep("sharedmemory_error_corrupt", 4))
  listed <- run_in(session, function() listSharedObjects())
  expect_identical(listed, listSharedObjects())
  expect_identical(listed$size, NA_real_)
  expect_null(run_in(session, function() freeSharedMemory("fifo")))
  expect_false(hasSharedMemory("fifo"))
})
