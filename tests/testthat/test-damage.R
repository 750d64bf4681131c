# Segments that are damaged.

damage <- list(
  "truncated by a byte" = function(file) truncate_to(file, 12288 - 1),
  "truncated by a page" = function(file) truncate_to(file, 8192),
  "truncated within the footer" = function(file) truncate_to(file, 12288 - 100),
  "longer by a page" = function(file) {
    cat(strrep("x", 4096), file = file, append = TRUE)
  },
  "first byte of the footer" = function(file) change_byte(file, 12288 - 1024),
  "version" = function(file) change_byte(file, 12288 - 1024 + 8),
  "a size in the footer" = function(file) change_byte(file, 12288 - 1024 + 18),
  "middle of the footer" = function(file) change_byte(file, 12288 - 512),
  "last byte of the footer" = function(file) change_byte(file, 12288 - 1)
)

test_that("a damaged segment is corrupt, and can still be freed", {
  local_clean_shm()
  skip_if_not_linux()
  for (what in names(damage)) {
    allocateSharedMemory(10000, "a")
    expect_identical(file.size(segment_file("a")), 12288)
    damage[[what]](segment_file("a"))
    expect_refused(hasSharedMemory("a"), "corrupt", info = what)
    expect_refused(getSharedMemorySize("a"), "corrupt", info = what)
    expect_refused(mapSharedMemory("a"), "corrupt", info = what)
    expect_refused(allocateSharedMemory(10, "a"), "corrupt", info = what)
    expect_identical(listSharedObjects()$size, NA_real_, info = what)
    expect_null(freeSharedMemory("a"))
    expect_false(hasSharedMemory("a"))
  }
})

test_that("the payload is the user's own business", {
  local_clean_shm()
  skip_if_not_linux()
  allocateSharedMemory(10000, "a")
  change_byte(segment_file("a"), 0)
  change_byte(segment_file("a"), 12288 - 1025)
  expect_true(hasSharedMemory("a"))
  expect_gte(getSharedMemorySize("a"), 10000)
  freeSharedMemory("a")
})

test_that("a segment under another one's name is corrupt", {
  local_clean_shm()
  skip_if_not_linux()
  allocateSharedMemory(10, "a")
  file.rename(segment_file("a"), segment_file("b"))
  expect_false(hasSharedMemory("a"))
  expect_refused(hasSharedMemory("b"), "corrupt")
  freeSharedMemory("b")
  # Nor is a copy another segment: its footer has the id of the original.
  allocateSharedMemory(10, "a")
  file.copy(segment_file("a"), segment_file("c"))
  expect_refused(mapSharedMemory("c"), "corrupt")
  freeSharedMemory(c("a", "c"))
})

test_that("a segment that is damaged while it is mapped stays mapped", {
  local_clean_shm()
  skip_if_not_linux()
  use_native()
  allocateSharedMemory(10, "a")
  pointer <- mapSharedMemory("a")
  poke(pointer, as.raw(3))
  change_byte(segment_file("a"), 4095)
  expect_refused(mapSharedMemory("a", readonly = TRUE), "corrupt")
  expect_identical(peek(pointer, 1), as.raw(3))
  freeSharedMemory("a")
  expect_true(is_null(pointer))
})
