# Sealed segments, and what needs them.

test_that("nobody writes to a sealed segment, in any process", {
  local_clean_shm()
  id <- local_sealed(c(3, 1, 4))
  attempts <- function(id) {
    kind <- function(code) tryCatch({ code; "none" }, error = function(e) class(e)[1])
    found <- c(
      write = kind(writeSharedMemory(id, 1)), map = kind(mapSharedMemory(id)),
      readonly = kind(mapSharedMemory(id, readonly = TRUE)),
      view = kind(viewSharedMemory(id)), read = kind(readSharedMemory(id)),
      seal = kind(sealSharedMemory(id))
    )
    unmapSharedMemory(id)
    found
  }
  expected <- c(
    write = "sharedmemory_error_sealed", map = "sharedmemory_error_sealed",
    readonly = "none", view = "none", read = "none", seal = "none"
  )
  expect_identical(attempts(id), expected)
  expect_identical(run_in(local_session(), attempts, id), expected)
  expect_identical(readSharedMemory(id), c(3, 1, 4))
  error <- expect_refused(writeSharedMemory(id, 1), "sealed")
  expect_identical(error$id, id)
  expect_match(conditionMessage(error), "new segment")
})

test_that("several are sealed together, or none", {
  local_clean_shm()
  ids <- c(local_segment(1), local_segment(2))
  sealed <- function() listSharedObjects()$sealed
  expect_null(sealSharedMemory(character()))
  expect_refused(sealSharedMemory(c(ids, "missing")), "not_found")
  expect_identical(sealed(), c(FALSE, FALSE))
  expect_identical(withVisible(sealSharedMemory(ids))$visible, FALSE)
  expect_identical(sealed(), c(TRUE, TRUE))
  expect_refused(sealSharedMemory("/another"))
  expect_refused(sealSharedMemory(NA_character_))
  expect_refused(sealSharedMemory("a/b"))
})

test_that("a pointer from before the seal stays, and is told in the help", {
  local_clean_shm()
  id <- local_segment(c(1, 2))
  pointer <- mapSharedMemory(id)
  sealSharedMemory(id)
  expect_identical(mapSharedMemory(id), pointer)
  unmapSharedMemory(c(id, id))
  expect_refused(mapSharedMemory(id), "sealed")
})

test_that("the system keeps others from writing", {
  skip_if_not_linux()
  local_clean_shm()
  id <- local_sealed(1)
  expect_identical(format(file.mode(segment_file(id))), "400")
  skip_if(is_root(), "root may write to anything")
  expect_error(suppressWarnings(file(segment_file(id), "r+b")))
})

# ---- views of what is not sealed ------------------------------------------------

test_that("a view needs a sealed segment, and the error names the ways on", {
  local_clean_shm()
  id <- local_segment(c(1, 2, 3))
  error <- expect_refused(viewSharedMemory(id), "unsealed")
  for (way in c("sealSharedMemory", "readSharedMemory", "sharedArray", "live = TRUE")) {
    expect_match(conditionMessage(error), way, fixed = TRUE)
  }
  expect_identical(error$id, id)
  expect_identical(count_mapped(), 0L)
  expect_refused(viewSharedMemory(id, length = 100), "unsealed")
  expect_refused(viewSharedMemory(id, length = 1000, live = TRUE), "bounds")
})

test_that("a live view shows what others write, except where it was modified", {
  local_clean_shm()
  page <- 4096 / 8
  id <- local_segment(numeric(4 * page))
  x <- viewSharedMemory(id, live = TRUE)
  x[1] <- 1
  writeSharedMemory(id, rep(5, 4 * page))
  expect_identical(x[c(1, 2)], c(1, 0))
  expect_identical(x[4 * page], 5)
  expect_identical(viewSharedMemory(id, live = TRUE)[1:2], c(5, 5))
  # It stays one when it travels.
  y <- run_in(local_session(), function(x) x, viewSharedMemory(id, live = TRUE))
  writeSharedMemory(id, rep(6, 4 * page))
  expect_identical(y[c(1, 4 * page)], c(6, 6))
})

test_that("there are no live views of logicals", {
  local_clean_shm()
  id <- local_segment(c(TRUE, NA))
  error <- expect_refused(viewSharedMemory(id, "logical", live = TRUE))
  expect_match(conditionMessage(error), "bool8")
})

test_that("no vector changes a segment, and none changes by itself", {
  local_clean_shm()
  for (n in c(1, 63, 64, 65, 1000)) {
    flags <- local_sealed(rep_len(c(TRUE, FALSE, NA), n))
    numbers <- local_sealed(as.double(seq_len(n)))
    before <- list(content(flags), content(numbers))
    w <- viewSharedMemory(flags, "logical")
    x <- viewSharedMemory(numbers)
    expect_identical(sum(!w, na.rm = TRUE), sum(!w, na.rm = TRUE))
    expect_identical(!w, !rep_len(c(TRUE, FALSE, NA), n))
    expect_identical(w[], rep_len(c(TRUE, FALSE, NA), n))
    dated <- function() structure(viewSharedMemory(numbers), class = "Date")
    d <- dated()
    expect_identical(d + 1, dated() + 1)
    expect_identical(unclass(d)[], as.double(seq_len(n)))
    timed <- structure(x, class = c("POSIXct", "POSIXt"), tzone = "UTC")
    expect_identical(timed - 5, .POSIXct(seq_len(n) - 5, "UTC"))
    spans <- structure(x, class = "difftime", units = "secs")
    expect_identical(spans * 2, as.difftime(seq_len(n) * 2, units = "secs"))
    named <- stats::setNames(viewSharedMemory(numbers), seq_len(n)) + 1
    expect_identical(named, stats::setNames(seq_len(n) + 1, seq_len(n)))
    expect_identical(unname(viewSharedMemory(numbers)) * 2, seq_len(n) * 2)
    expect_identical(ifelse(w, 1, 0), ifelse(w[], 1, 0))
    expect_identical(stats::ave(x), rep(mean(seq_len(n)), n))
    expect_identical(x[], as.double(seq_len(n)))
    expect_identical(list(content(flags), content(numbers)), before)
  }
})

test_that("a worker that reads does not change its parent's data", {
  local_clean_shm()
  id <- local_sealed(rep(c(TRUE, FALSE), 500))
  w <- viewSharedMemory(id, "logical")
  expect_identical(run_in(local_session(), function(w) c(sum(!w), sum(!w)), w),
                   c(500L, 500L))
  expect_identical(sum(w), 500L)
})

# ---- bytes that would crash R ---------------------------------------------------

test_that("logical bytes are made proper when they are read", {
  local_clean_shm()
  id <- local_segment(c(0L, 1L, 2L, -1L, NA, 256L))
  expected <- c(FALSE, TRUE, TRUE, TRUE, NA, TRUE)
  x <- readSharedMemory(id, "logical")
  expect_identical(as.integer(x), as.integer(expected))
  expect_identical(unique(x), c(FALSE, TRUE, NA))
  expect_identical(as.vector(table(x)), c(1L, 4L))
})

test_that("a logical view of other values is an error that names the first", {
  local_clean_shm()
  values <- replace(rep(0:1, 5000), 7001, 7L)
  id <- local_sealed(values)
  error <- expect_refused(viewSharedMemory(id, "logical"))
  expect_match(conditionMessage(error), "element 7001 is 7")
  expect_match(conditionMessage(error), "bool8")
  proper <- viewSharedMemory(id, "logical", length = 7000)
  expect_identical(unique(proper), c(FALSE, TRUE))
  expect_identical(sum(viewSharedMemory(id, "logical", offset = 4 * 7001)), 1500L)
})

test_that("a logical view that arrives is looked through at its first use", {
  local_clean_shm()
  good <- local_view(c(TRUE, FALSE, NA))
  arrived <- unserialize(serialize(good, NULL))
  expect_identical(arrived[], c(TRUE, FALSE, NA))
  expect_identical(run_in(local_session(), function(x) which(x), good), 1L)
  # Only root, or a change of the mode, can have written to it meanwhile.
  skip_if_not_linux()
  skip_if_not_root()
  id <- local_sealed(c(TRUE, TRUE))
  sent <- serialize(viewSharedMemory(id, "logical"), NULL)
  write_into(segment_file(id), 4, 9L)
  x <- unserialize(sent)
  expect_identical(length(x), 2L)
  expect_identical(kind_of(unique(x)), "argument")
})

test_that("sorting a view is safe while others try to write", {
  local_clean_shm()
  id <- local_sealed(rep(1:1000, 200))
  x <- viewSharedMemory(id, "integer")
  session <- local_session()
  session$call(function(id) {
    end <- Sys.time() + 1
    refused <- 0
    while (Sys.time() < end) {
      tryCatch(writeSharedMemory(id, rep(.Machine$integer.max, 1000)),
               sharedmemory_error_sealed = function(e) refused <<- refused + 1)
    }
    refused
  }, list(id))
  for (i in 1:5) {
    expect_identical(order(x), order(rep(1:1000, 200)))
    expect_identical(sort(x, method = "radix"), rep(1:1000, each = 200))
  }
  session$poll_process(5000)
  expect_gt(session$read()$result, 0)
})
