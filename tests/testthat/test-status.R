# The whole machine.

test_that("the numbers are those of the system", {
  local_clean_shm()
  before <- sharedMemoryStatus()
  expect_s3_class(before, "sharedmemory_status", exact = TRUE)
  expect_identical(names(before),
                   c("namespace", "directory", "spill", "capacity", "used", "free",
                     "free_by", "shares", "limits"))
  expect_identical(before$namespace, this_namespace())
  expect_identical(names(before$shares), c("namespace", "user", "state", "segments",
                                           "resident"))
  expect_identical(names(before$limits), c("limit", "now", "remedy"))
  expect_identical(objects_in(), character())
  expect_false(this_namespace() %in% before$shares$namespace)

  allocateSharedMemory(c(1e6, 10))
  status <- sharedMemoryStatus()
  ours <- status$shares[status$shares$namespace == this_namespace(), ]
  expect_identical(ours$state, "live")
  expect_identical(ours$segments, 2)
  expect_identical(ours$resident, sum(listSharedObjects()$resident))
  expect_false(is.unsorted(-status$shares$resident))
  expect_fits(status)
  expect_output(expect_invisible(print(status)), this_namespace(), fixed = TRUE)
  freeSharedMemory(listSharedObjects()$Id)

  skip_if_not(has_tool("df"), "no df")
  df <- system2("df", c("-B1", "--output=size,used", "/dev/shm"), stdout = TRUE)[2]
  df <- as.numeric(strsplit(trimws(df), " +")[[1]])
  expect_identical(status$capacity, df[1])
  # Others are at work.
  expect_lte(status$used, status$capacity)
  expect_gt(status$free, 0)
  expect_lte(status$free, status$capacity)
})

test_that("all states, and what a dead test run left in its namespace, are told", {
  local_clean_shm()
  skip_if_not_linux()
  namespace <- local_namespace()
  allocate_and_die(function() {
    allocateSharedMemory(10, "process", lifetime = "process")
    allocateSharedMemory(1e5, "freed")
  }, namespace = namespace)
  plant_incomplete("half", namespace)
  writeLines("no segment", segment_file("damaged", namespace))
  status <- sharedMemoryStatus()
  theirs <- status$shares[status$shares$namespace == namespace, ]
  theirs <- theirs[order(theirs$state), ]
  expect_identical(theirs$state, c("damaged", "incomplete", "orphan"))
  expect_identical(theirs$segments, c(1, 1, 2))
  expect_gt(theirs$resident[3], 1e5)
  expect_match(theirs$user, system("id -u", intern = TRUE), fixed = TRUE)
  expect_match(status$limits$limit, "other namespaces hold memory", all = FALSE)
  expect_match(status$limits$remedy, "SHAREDMEMORY_NAMESPACE", all = FALSE)
  lines <- expect_fits(status)
  expect_match(lines, paste0("^", namespace, " .* orphan"), all = FALSE)
  # The remedy.
  run_in(local_session(namespace), function() {
    reclaimSharedMemory(persistent = TRUE)
    freeSharedMemory("damaged")
    initialSharedObjectPackageData()
    releaseSharedObjectPackageData()
  })
  expect_false(namespace %in% sharedMemoryStatus()$shares$namespace)
})

test_that("another user's memory is told, with the user's name", {
  skip_if_no_other_user()
  namespace <- local_namespace()
  as_other_user(function() {
    allocateSharedMemory(1e5, "theirs")
  }, namespace = namespace)
  shares <- sharedMemoryStatus()$shares
  shares <- shares[shares$namespace == namespace, ]
  expect_identical(shares$state, "foreign")
  expect_match(shares$user, "nobody.*65534")
  expect_gt(shares$resident, 1e5)
  unlink(file.path("/dev/shm", objects_in(namespace)))
})

test_that("a container's small file system is told, with the remedy", {
  skip_if_cannot_unshare()
  answer <- in_small_shm(function() {
    empty <- sharedMemoryStatus()
    printed <- capture.output(print(empty))
    allocateSharedMemory(rep(100e3, 9), "x")
    ids <- allocateSharedMemory(rep(100e3, 9))
    list(empty = empty, printed = printed, full = sharedMemoryStatus(),
         full_printed = capture.output(print(sharedMemoryStatus())))
  })
  expect_identical(answer$empty$capacity, 2^20)
  expect_identical(answer$empty$used, 0)
  expect_identical(nrow(answer$empty$shares), 0L)
  expect_match(answer$printed, "no segments", all = FALSE)
  expect_match(answer$empty$limits$limit, "small shared memory", all = FALSE)
  expect_match(answer$empty$limits$remedy, "--shm-size", all = FALSE)
  full <- match("shared memory file system nearly full", answer$full$limits$limit)
  expect_match(answer$full$limits$now[full], "^9[0-9] % used$|^100 % used$")
  expect_match(answer$full$limits$remedy[full], "listSharedObjects", fixed = TRUE)
  expect_gt(answer$full$used, 0.9 * 2^20)
  expect_true(all(nchar(c(answer$printed, answer$full_printed), "width") <= 80))
})

test_that("what is in the way does not keep the status from being told", {
  local_clean_shm()
  skip_if_not_linux()
  plant_damaged()
  namespace <- local_namespace()
  dir.create(control_file(namespace))
  writeLines("no segment", segment_file("a", namespace))
  others <- paste0("/dev/shm/smem.", c("", "x", ".x", "a b.c", strrep("x", 100)))
  others <- others[!file.exists(others)]
  file.create(others)
  withr::defer(unlink(others))
  shares <- expect_silent(sharedMemoryStatus())$shares
  expect_identical(shares$segments[shares$namespace == this_namespace()],
                   as.double(length(damaged_ids)))
  expect_identical(shares$state[shares$namespace == namespace], "damaged")
  expect_fits(sharedMemoryStatus())
  unlink(c(control_file(namespace), segment_file("a", namespace)), recursive = TRUE)
  remove_damaged()
})

test_that("large numbers are printed with all their digits, and with a unit", {
  local_clean_shm()
  allocateSharedMemory(10)
  status <- sharedMemoryStatus()
  status$shares$segments <- rep(1e5, nrow(status$shares))
  expect_output(print(status), " 100,000 ", fixed = TRUE)
  freeSharedMemory(listSharedObjects()$Id)
  expect_identical(sharedmemory:::format_count(c(1, 12345678, NA)),
                   c("1", "12,345,678", "?"))
})

test_that("the scale of a picture reaches its longest bar, in round numbers", {
  for (most in c(0, 4, 1000, 1024, 1025, 7 * 2^20, 1.3 * 2^30, 2^50)) {
    scale <- sharedmemory:::binary_scale(most)
    expect_identical(scale[1], 0)
    expect_gte(max(scale), most)
    expect_identical(anyDuplicated(sharedmemory:::bytes_text(scale)), 0L)
  }
})
