# A container in all but name: /dev/shm has the 64 MiB that Docker gives it, and there
# is much more to share.

# SHAREDMEMORY_TEST_MB: how much is shared.
megabytes <- function() as.numeric(Sys.getenv("SHAREDMEMORY_TEST_MB", "200"))

# What four workers have of `mb` million bytes, and what is left.
share_with_four <- function(mb) {
  # Bytes of memory, each page divided among those who have it.
  memory <- function(cl) {
    here <- function() {
      gc()
      line <- grep("^Pss:", readLines("/proc/self/smaps_rollup"), value = TRUE)
      as.numeric(gsub("[^0-9]", "", line)) * 1024
    }
    environment(here) <- globalenv()
    sum(here(), unlist(parallel::clusterCall(cl, here)))
  }
  cl <- parallel::makePSOCKcluster(4)
  on.exit(parallel::stopCluster(cl))
  parallel::clusterEvalQ(cl, {
    library(sharedmemory)
    sum(as.numeric(1:10))
  })
  before <- memory(cl)
  x <- rep_len(as.numeric(1:1000), mb * 1e6 / 8)
  expected <- sum(x)
  x <- tryCatch(share(x), error = identity)
  if (inherits(x, "error")) {
    return(list(class = class(x)[1], message = conditionMessage(x),
                segments = nrow(listSharedObjects())))
  }
  look <- function(x) {
    assign("x", x, globalenv())
    list(sum = sum(x), shared = sharedmemory::is.shared(x))
  }
  environment(look) <- globalenv()
  seen <- parallel::clusterCall(cl, look, x)
  result <- list(
    sum = expected, seen = seen, own = sum(x), memory = memory(cl) - before,
    directory = sharedMemoryStatus()$directory,
    segments = nrow(listSharedObjects())
  )
  parallel::clusterEvalQ(cl, {
    rm(x, envir = globalenv())
    gc()
  })
  rm(x)
  gc()
  c(result, list(after = nrow(listSharedObjects()), shm = list.files("/dev/shm")))
}

# On this disk, if it has room.
local_disk <- function(bytes, frame = parent.frame()) {
  skip_if_not(has_tool("df"), "no df")
  free <- as.numeric(system2("df", c("-B1", "--output=avail", tempdir()),
                             stdout = TRUE)[2])
  skip_if(free < 2 * bytes, "too little room on the disk")
  path <- withr::local_tempdir(.local_envir = frame)
  Sys.chmod(path, "700")
  normalizePath(path)
}

# In a group that is full the kernel takes back what is on the disk as well.
expect_shared_with_four <- function(group = NULL, setting = "SHAREDMEMORY_DIR") {
  bytes <- megabytes() * 1e6
  disk <- local_disk(bytes)
  answer <- in_small_shm(share_with_four, megabytes(), size = "64m", group = group,
                         environment = setNames(disk, setting))
  if (!is.null(answer$message)) fail(answer$message)
  expect_identical(answer$directory, if (setting == "SHAREDMEMORY_DIR") disk else "")
  expect_identical(answer$own, answer$sum)
  expect_identical(answer$seen, rep(list(list(sum = answer$sum, shared = TRUE)), 4))
  # One copy, with what R itself takes for a pass over it.
  if (is.null(group)) expect_gt(answer$memory, 0.9 * bytes)
  expect_lt(answer$memory, 1.2 * bytes + 3e7)
  expect_identical(answer$segments, 1L)
  expect_identical(answer$after, 0L)
  if (setting == "SHAREDMEMORY_DIR") expect_identical(answer$shm, character())
  # The workers may end after the master.
  clean <- function() length(list.files(disk, all.files = TRUE, no.. = TRUE)) == 0
  expect_true(eventually(clean), label = "the directory is empty")
}

test_that("a directory on the disk has room for what is too large for /dev/shm", {
  skip_if_cannot_unshare()
  skip_if_two_workers()
  skip_if_less_room(megabytes() * 1e6)
  expect_shared_with_four()
})

test_that("what is too large for /dev/shm is spilled", {
  skip_if_cannot_unshare()
  skip_if_two_workers()
  skip_if_less_room(megabytes() * 1e6)
  expect_shared_with_four(setting = "SHAREDMEMORY_SPILL")
})

# Enough for five R and the original, not for the copy as well, until it is written.
expect_shared_in_group <- function(setting) {
  skip_if_cannot_unshare()
  skip_if_not_root()
  skip_if_two_workers()
  skip_if_less_room(megabytes() * 1e6)
  group <- local_group(megabytes() * 1e6 + 4.5e8)
  skip_if(is.null(group), "no control group can be made here")
  expect_shared_with_four(group, setting)
}

test_that("it has room where the memory is limited too", {
  expect_shared_in_group("SHAREDMEMORY_DIR")
})

test_that("what is spilled has room where the memory is limited too", {
  expect_shared_in_group("SHAREDMEMORY_SPILL")
})

test_that("without it there is an error that names it, and nothing is left", {
  skip_if_cannot_unshare()
  skip_if_two_workers()
  skip_if_less_room(megabytes() * 1e6)
  answer <- in_small_shm(function(share_with_four, mb) {
    c(share_with_four(mb), list(shm = list.files("/dev/shm"),
                                used = sharedMemoryStatus()$used))
  }, share_with_four, megabytes(), size = "64m")
  expect_identical(answer$class, "sharedmemory_error_no_space")
  expect_match(answer$message, "SHAREDMEMORY_DIR")
  expect_match(answer$message, "sharedmemory.spill", fixed = TRUE)
  expect_identical(answer$segments, 0L)
  expect_identical(setdiff(answer$shm, basename(control_file())), character())
  expect_lt(answer$used, 1e6)
})

test_that("the option spills, FALSE does not, and what is not a path is refused", {
  skip_if_cannot_unshare()
  disk <- local_disk(1e7)
  answer <- in_small_shm(function(disk) {
    kind <- function(spill) {
      options(sharedmemory.spill = spill)
      tryCatch({
        ids <- allocateSharedMemory(c(10, 2e6))
        seen <<- list(table = listSharedObjects(), printed = capture.output(print(
          listSharedObjects()
        )), status = sharedMemoryStatus()$spill)
        freeSharedMemory(ids)
        "room"
      }, error = function(e) class(e)[1])
    }
    seen <- NULL
    list(none = kind(NULL), off = kind(FALSE), wrong = kind(TRUE), path = kind("here"),
         on = kind(disk), off_again = kind(FALSE), left = nrow(listSharedObjects()),
         seen = seen)
  }, disk)
  is_large <- answer$seen$table$size > 1e6
  expect_identical(answer$seen$table$directory, c("", disk)[1 + is_large])
  expect_match(answer$seen$printed, sprintf("1 in %s", disk), fixed = TRUE, all = FALSE)
  expect_identical(answer$seen$status, disk)
  answer$seen <- NULL
  full <- "sharedmemory_error_no_space"
  wrong <- "sharedmemory_error_argument"
  expect_identical(answer, list(none = full, off = full, wrong = wrong, path = wrong,
                                on = "room", off_again = full, left = 0L))
})
