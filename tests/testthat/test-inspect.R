# One segment, closely.

test_that("everything about a segment, and its bytes", {
  local_clean_shm()
  use_native()
  allocateSharedMemory(100, "a", lifetime = "process")
  poke(mapSharedMemory("a"), c(as.raw(c(0, 255, 31, 127)), charToRaw("Hello ~")))
  seen <- inspectSharedMemory("a")
  listed <- listSharedObjects()
  expect_s3_class(seen, "sharedmemory_inspection", exact = TRUE)
  for (column in names(listed)) {
    expect_identical(seen[[column]], listed[[column]], info = column)
  }
  expect_identical(seen$mappedBy, Sys.getpid())
  expect_identical(seen$wrong, NA_character_)
  expect_length(seen$bytes, 256)
  expect_identical(rawToChar(seen$bytes[5:11]), "Hello ~")
  lines <- expect_fits(seen)
  expect_match(
    lines, fixed = TRUE, all = FALSE,
    "00000000  00 ff 1f 7f 48 65 6c 6c 6f 20 7e 00 00 00 00 00  ....Hello ~....."
  )
  expect_match(lines, "^000000f0  ", all = FALSE)
  expect_match(lines, "its owner is there", all = FALSE)
  skip_if_not_linux()
  expect_identical(seen$path, segment_file("a"))
  expect_match(lines, segment_file("a"), fixed = TRUE, all = FALSE)
  expect_match(seen$user, system("id -u", intern = TRUE), fixed = TRUE)
  freeSharedMemory("a")
})

test_that("as many bytes as asked for, if there are", {
  local_clean_shm()
  id <- allocateSharedMemory(5000)
  size <- getSharedMemorySize(id)
  for (n in c(0, 1, 15, 16, 17, size, size + 1, 1e6)) {
    seen <- inspectSharedMemory(id, n)
    expect_identical(seen$bytes, raw(min(n, size)), info = n)
    dump <- grep("^[0-9a-f]{8}  ", expect_fits(seen), value = TRUE)
    expect_length(dump, ceiling(min(n, size) / 16))
  }
  # Integers, and numbers as ids, are good as well.
  expect_length(inspectSharedMemory(as.numeric(id), 3L)$bytes, 3)
  # Looking leaves nothing behind.
  before <- shared_state()
  inspectSharedMemory(id)
  expect_identical(shared_state(), before)
  freeSharedMemory(id)
})

test_that("bad arguments are refused", {
  local_clean_shm()
  allocateSharedMemory(10, "a")
  for (n in list(-1, NA, NA_real_, NaN, Inf, 1.5, 2^31, "x", TRUE, c(1, 2), numeric(),
                 list(1), factor(1))) {
    expect_refused(inspectSharedMemory("a", n), info = deparse(n))
  }
  for (id in list(NA, "", character(), c("a", "a"), NULL, TRUE, -1, "a/b", list("a"))) {
    expect_refused(inspectSharedMemory(id), info = deparse(id))
  }
  freeSharedMemory("a")
})

test_that("what does not exist is not found", {
  local_clean_shm()
  error <- expect_refused(inspectSharedMemory("nothing"), "not_found")
  expect_identical(error$id, "nothing")
  expect_identical(objects_in(), character())
})

test_that("the damaged can be looked at", {
  local_clean_shm()
  skip_if_not_linux()
  plant_damaged()
  for (id in damaged_ids) {
    seen <- inspectSharedMemory(id)
    expect_identical(seen$state, "damaged", info = id)
    expect_false(is.na(seen$wrong), info = id)
    expect_identical(seen$path, segment_file(id), info = id)
    expect_identical(seen$size, NA_real_)
    lines <- expect_fits(seen, info = id)
    text <- paste(trimws(lines), collapse = " ") # it may have been broken
    expect_match(text, seen$wrong, fixed = TRUE)
  }
  expect_match(inspectSharedMemory("bitflip")$wrong, "checksum")
  remove_damaged()
  plant_incomplete("half")
  # It might be one that somebody has only just begun to make.
  is_abandoned <- function() kind_of(inspectSharedMemory("half")) == "none"
  expect_true(eventually(is_abandoned))
  seen <- inspectSharedMemory("half")
  expect_identical(seen$state, "incomplete")
  expect_identical(seen$bytes, raw())
  expect_fits(seen)
  freeSharedMemory("half")
})

test_that("the bytes of what is damaged are shown, for they tell most", {
  local_clean_shm()
  skip_if_not_linux()
  writeLines("no segment", segment_file("text"))
  expect_identical(inspectSharedMemory("text")$bytes, charToRaw("no segment\n"))
  freeSharedMemory("text")
})

test_that("another user's cannot be looked at", {
  skip_if_no_other_user()
  local_clean_shm()
  allocateSharedMemory(10, "a")
  give_to_other_user("a")
  error <- expect_refused(inspectSharedMemory("a"), "permission")
  expect_match(conditionMessage(error), "65534")
  unlink(segment_file("a"))
})

test_that("an orphan says so", {
  local_clean_shm()
  skip_on_os("windows")
  allocate_and_die(function() allocateSharedMemory(10, "a"))
  seen <- inspectSharedMemory("a")
  expect_identical(seen$state, "orphan")
  expect_match(expect_fits(seen), "its owner is dead", all = FALSE)
  freeSharedMemory("a")
})

test_that("a long call is broken into lines", {
  local_clean_shm()
  withr::local_options(sharedmemory.trace = TRUE)
  a_function_with_a_long_name <- function(...) allocateSharedMemory(10, "a")
  another_one_with_a_long_name <- function(x) a_function_with_a_long_name(x, 1:10)
  another_one_with_a_long_name("and an argument")
  expect_fits(inspectSharedMemory("a"))
  freeSharedMemory("a")
})
