# Objects of other programs, by their names in the system: "/name".

skip_if_not_linux()

# The name of an object that no other test has, removed at the end.
local_raw <- function(bytes = NULL, frame = parent.frame()) {
  name <- paste0(this_namespace(), "-", basename(tempfile("raw")))
  file <- file.path("/dev/shm", name)
  withr::defer(unlink(file), frame)
  if (!is.null(bytes)) writeBin(bytes, file)
  paste0("/", name)
}

raw_file <- function(id) paste0("/dev/shm", id)

# ---- Python ------------------------------------------------------------------------

# The first of them that has numpy.
python_with_numpy <- function() {
  once("python", {
    has_numpy <- function(python) {
      0 == suppressWarnings(system2(
        python, c("-c", shQuote("import numpy, multiprocessing.shared_memory")),
        stdout = FALSE, stderr = FALSE
      ))
    }
    candidates <- c("/usr/bin/python3", Sys.which("python3"))
    found <- Filter(function(python) nzchar(python) && has_numpy(python), candidates)
    if (length(found) > 0) found[[1]] else ""
  })
}

# What the program prints. `name` is sys.argv[1], without the "/".
python <- function(lines, id) {
  skip_if(python_with_numpy() == "", "no python3 with numpy")
  script <- withr::local_tempfile(fileext = ".py")
  writeLines(c(
    "import sys, numpy",
    "from multiprocessing import resource_tracker, shared_memory",
    "name = sys.argv[1]",
    # Without this it is unlinked when the program ends, whoever made it.
    "def keep(shm): resource_tracker.unregister('/' + shm.name, 'shared_memory')",
    lines
  ), script)
  errors <- withr::local_tempfile()
  output <- suppressWarnings(system2(
    python_with_numpy(), c(shQuote(script), shQuote(sub("^/", "", id))),
    stdout = TRUE, stderr = errors, timeout = deadline
  ))
  if (!is.null(attr(output, "status"))) stop(paste(readLines(errors), collapse = "\n"))
  output
}

test_that("R writes and numpy sums, by the name that inspectSharedMemory() tells", {
  local_clean_shm()
  id <- local_segment(as.double(1:1000))
  path <- inspectSharedMemory(id, 0)$path
  expect_identical(dirname(path), "/dev/shm")
  answer <- python(c(
    "shm = shared_memory.SharedMemory(name)",
    "keep(shm)",
    "x = numpy.ndarray(1000, dtype='float64', buffer=shm.buf)",
    "print(int(x.sum()))",
    "x[0] = -1",
    "del x",
    "shm.close()"
  ), basename(path))
  expect_identical(answer, "500500")
  # What it wrote is here, and the segment is still one.
  expect_identical(readSharedMemory(id, length = 2), c(-1, 2))
  expect_true(hasSharedMemory(id))
})

test_that("Python unlinks what it only attached to, unless it is kept from it", {
  local_clean_shm()
  id <- allocateSharedMemory(80)
  writeSharedMemory(id, 7)
  x <- viewSharedMemory(id, live = TRUE)
  path <- inspectSharedMemory(id, 0)$path
  lines <- c("shm = shared_memory.SharedMemory(name)", "print('attached')")
  expect_identical(python(c(lines, "keep(shm)"), basename(path)), "attached")
  expect_true(hasSharedMemory(id))
  expect_identical(python(lines, basename(path)), "attached")
  # Its tracker does it when Python has ended already.
  expect_true(eventually(function() !hasSharedMemory(id), 20))
  # Whoever looks at it still does.
  expect_identical(x[1], 7)
})

test_that("Python creates, and R views, writes, measures, maps and frees", {
  local_clean_shm()
  use_native()
  id <- local_raw()
  python(c(
    "shm = shared_memory.SharedMemory(name, create=True, size=8000)",
    "keep(shm)",
    "x = numpy.ndarray(1000, dtype='float64', buffer=shm.buf)",
    "x[:] = numpy.arange(1, 1001)",
    "del x",
    "shm.close()"
  ), id)
  expect_true(hasSharedMemory(id))
  expect_identical(getSharedMemorySize(id), 8000)
  expect_refused(viewSharedMemory(id), "unsealed")
  x <- viewSharedMemory(id, live = TRUE)
  expect_identical(sum(x), 500500)
  expect_identical(sharedMemoryId(x), id)
  expect_identical(readSharedMemory(id, length = 3), c(1, 2, 3))
  writeSharedMemory(id, c(-1, -2, -3))
  pointer <- mapSharedMemory(id)
  expect_identical(readBin(peek(pointer, 8, 24), "double"), 4)
  poke(pointer, writeBin(-4, raw()), 24)
  answer <- python(c(
    "shm = shared_memory.SharedMemory(name)",
    "keep(shm)",
    "x = numpy.ndarray(1000, dtype='float64', buffer=shm.buf)",
    "print(*x[:5].astype('int'))",
    "del x",
    "shm.close()"
  ), id)
  expect_identical(answer, "-1 -2 -3 -4 5")
  freeSharedMemory(id)
  expect_true(is_null(pointer))
  expect_false(file.exists(raw_file(id)))
  expect_identical(x[4:5], c(-4, 5))
})

# ---- without Python ------------------------------------------------------------------

test_that("an object of another program has all of its bytes, and no more", {
  local_clean_shm()
  id <- local_raw(as.raw(rep_len(1:100, 5000)))
  expect_identical(getSharedMemorySize(id), 5000)
  expect_identical(content(id), as.raw(rep_len(1:100, 5000)))
  view <- function(...) viewSharedMemory(id, ..., live = TRUE)
  expect_length(view(), 625)
  expect_length(view("complex"), 312)
  expect_identical(view("raw", 1, 4999)[1], as.raw(100))
  writeSharedMemory(id, as.raw(0), 4999)
  expect_refused(writeSharedMemory(id, as.raw(0:1), 4999), "bounds")
  expect_refused(readSharedMemory(id, "raw", 1, 5000), "bounds")
  expect_refused(view("raw", 1, 5000), "bounds")
  expect_identical(file.size(raw_file(id)), 5000)
  expect_identical(inspectSharedMemory(id)$path, raw_file(id))
  # It is nobody's of ours.
  expect_identical(nrow(listSharedObjects()), 0L)
  expect_false(id %in% reclaimSharedMemory()$Id)
  expect_true(file.exists(raw_file(id)))
})

test_that("what nobody knows of it is not made up", {
  local_clean_shm()
  id <- local_raw(raw(5000))
  found <- inspectSharedMemory(id)
  expect_identical(found$state, "unknown")
  expect_identical(found$size, 5000)
  expect_true(is.na(found$pid))
  expect_true(is.na(found$created))
  expect_true(is.na(found$lifetime))
  shown <- expect_fits(found)
  expect_false(any(grepl("1970|lifetime", shown)))
})

test_that("references to it travel, and notice a successor", {
  local_clean_shm()
  session <- local_session(local_namespace())
  id <- local_raw(raw(8000))
  w <- viewSharedMemory(id, live = TRUE)
  answer <- run_in(session, function(w) {
    id <- sharedMemoryId(w)
    writeSharedMemory(id, 5)
    stopifnot(w[1] == 5)
    id
  }, w)
  expect_identical(answer, id)
  expect_identical(readSharedMemory(id, length = 1), 5)
  state <- serialize(w, NULL)
  # Another one of this name, while the old is kept so that its inode is.
  unlink(raw_file(id))
  expect_identical(kind_of(sum(unserialize(state))), "not_found")
  writeBin(raw(8000), raw_file(id))
  expect_identical(kind_of(sum(unserialize(state))), "replaced")
  expect_identical(w[1], 5)
  freeSharedMemory(id)
})

test_that("a mapping of it is counted, unmapped and freed like any other", {
  local_clean_shm()
  use_native()
  id <- local_raw(as.raw(rep(1, 4096)))
  pointer <- mapSharedMemory(id)
  expect_true(identical(mapSharedMemory(id), pointer))
  unmapSharedMemory(id)
  expect_false(is_null(pointer))
  unmapSharedMemory(id)
  expect_true(is_null(pointer))
  expect_true(write_faults(mapSharedMemory(id, readonly = TRUE)))
  freeSharedMemory(id)
  expect_false(hasSharedMemory(id))
  expect_null(freeSharedMemory(id))
})

test_that("an empty object is out of bounds, and can be freed", {
  local_clean_shm()
  id <- local_raw(raw())
  expect_identical(getSharedMemorySize(id), 0)
  expect_identical(readSharedMemory(id), numeric())
  for (use in list(
    function() viewSharedMemory(id, live = TRUE), function() mapSharedMemory(id),
    function() writeSharedMemory(id, 1), function() readSharedMemory(id, length = 1)
  )) {
    expect_refused(use(), "bounds")
  }
  freeSharedMemory(id)
  expect_false(file.exists(raw_file(id)))
})

test_that("our own segments are reached by their ids only", {
  local_clean_shm()
  id <- allocateSharedMemory(80)
  for (name in c(
    inspectSharedMemory(id, 0)$path, segment_file(id), control_file(),
    "/dev/shm/smem.other.1", "/dev/shm/smem-control.other"
  )) {
    name <- sub("^/dev/shm", "", name)
    for (use in list(
      viewSharedMemory, readSharedMemory, mapSharedMemory, getSharedMemorySize,
      freeSharedMemory, function(id) writeSharedMemory(id, 1)
    )) {
      error <- expect_refused(use(name), info = name)
      expect_match(conditionMessage(error), "reached by their ids")
    }
  }
  expect_true(hasSharedMemory(id))
  freeSharedMemory(id)
})

test_that("names that name nothing are refused, and nothing is allocated", {
  local_clean_shm()
  for (name in c("/", "/.", "/..", "//", "/a/b", "/../tmp/x", "/a\n")) {
    expect_refused(viewSharedMemory(name), info = name)
    expect_refused(freeSharedMemory(name), info = name)
  }
  id <- local_raw()
  error <- expect_refused(allocateSharedMemory(80, id))
  expect_match(conditionMessage(error), "other programs")
  expect_false(file.exists(raw_file(id)))
  for (use in list(viewSharedMemory, readSharedMemory, mapSharedMemory)) {
    expect_refused(use(id), "not_found")
  }
  expect_false(hasSharedMemory(id))
})

test_that("another user's object is refused, to root as well", {
  skip_if_not_root()
  local_clean_shm()
  id <- local_raw(raw(80))
  system2("chown", c("65534", shQuote(raw_file(id))))
  for (use in list(
    viewSharedMemory, function(id) viewSharedMemory(id, live = TRUE),
    readSharedMemory, function(id) writeSharedMemory(id, 1), mapSharedMemory,
    getSharedMemorySize, freeSharedMemory
  )) {
    error <- expect_refused(use(id), "permission")
    expect_match(conditionMessage(error), "65534")
  }
  expect_identical(readBin(raw_file(id), "raw", 100), raw(80))
})

test_that("links, directories and FIFOs are not objects", {
  local_clean_shm()
  for (plant in list(
    function(file) file.symlink("/etc/hostname", file), dir.create,
    function(file) system2("mkfifo", shQuote(file))
  )) {
    id <- local_raw()
    plant(raw_file(id))
    for (use in list(viewSharedMemory, readSharedMemory, mapSharedMemory)) {
      expect_refused(use(id), "corrupt")
    }
    unlink(raw_file(id), recursive = TRUE)
  }
})
