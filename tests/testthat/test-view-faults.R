# Views, reads and writes on a machine that lacks something.

test_that("with /dev/shm full, all that is there can be read and written", {
  skip_if_cannot_unshare()
  answers <- in_small_shm(function() {
    fits <- function() tryCatch(allocateSharedMemory(50000), error = function(e) NULL)
    ids <- character()
    while (!is.null(id <- fits())) ids <- c(ids, id)
    system("cat /dev/zero > /dev/shm/full 2> /dev/null")
    for (id in ids) {
      writeSharedMemory(id, seq_len(12500))
      writeSharedMemory(id, -1L, 49996)
    }
    private <- viewSharedMemory(ids[1], "integer", live = TRUE)
    private[] <- 0L
    sums <- vapply(ids, function(id) sum(readSharedMemory(id, "integer")), 0)
    list(count = length(ids), sums = unique(unname(sums)), private = sum(private))
  })
  expect_gt(answers$count, 10)
  expect_identical(answers$sums, sum(1:12499) - 1)
  expect_identical(answers$private, 0L)
})

test_that("what is on a file system that became read-only can be looked at", {
  skip_if_cannot_unshare()
  skip_if_not_root()
  answers <- in_small_shm(function() {
    kind <- function(code) tryCatch({ code; "none" }, error = function(e) class(e)[1])
    id <- allocateSharedMemory(80)
    writeSharedMemory(id, as.double(1:10))
    before <- viewSharedMemory(id, live = TRUE)
    # over itself, for what is open to be written cannot become read-only
    mounted <- system(paste("mount --bind /dev/shm /dev/shm &&",
                            "mount -o remount,bind,ro /dev/shm"))
    if (mounted != 0) return(NULL)
    x <- viewSharedMemory(id, live = TRUE)
    x[1] <- 100
    result <- list(
      sum(x), sum(readSharedMemory(id)), sum(before),
      kinds = c(kind(sealSharedMemory(id)), kind(mapSharedMemory(id)),
                kind(writeSharedMemory(id, 1)), kind(freeSharedMemory(id))),
      still = hasSharedMemory(id)
    )
    system("umount -l /dev/shm") # views are still open on it
    freeSharedMemory(id)
    result
  })
  skip_if(is.null(answers), "may not remount")
  expect_identical(answers[[1]], sum(2:10) + 100)
  expect_identical(unname(answers[2:3]), list(55, 55))
  expect_identical(answers$kinds, rep("sharedmemory_error_system", 4))
  expect_true(answers$still)
})

test_that("without descriptors left views stay, and copies are made of their values", {
  skip_if_not_linux()
  local_clean_shm()
  session <- local_session()
  use_native(session)
  answers <- run_in(session, function() {
    kind <- function(code) tryCatch({ code; "none" }, error = function(e) class(e)[1])
    id <- allocateSharedMemory(80)
    writeSharedMemory(id, as.double(1:10))
    x <- viewSharedMemory(id, live = TRUE)
    y <- x
    sent <- serialize(x, NULL)
    numbers <- 0:999
    taken <- file.exists(file.path("/proc/self/fd", numbers))
    limit_files(numbers[!taken][1])
    y[1] <- 100 # R asks for a duplicate of the view
    late <- unserialize(sent)
    result <- list(sum = sum(x), changed = sum(y), kinds = c(
      kind(viewSharedMemory(id, live = TRUE)), kind(readSharedMemory(id)),
      kind(writeSharedMemory(id, 1)), kind(late[1])))
    limit_files(1000)
    result$late <- sum(late)
    rm(x, y, late)
    freeSharedMemory(id)
    result
  })
  expect_identical(answers$sum, 55)
  expect_identical(answers$changed, 154)
  expect_identical(answers$kinds, rep("sharedmemory_error_too_many_files", 4))
  expect_identical(answers$late, 55)
})

test_that("a limit on the size of files is none on writing what is there", {
  skip_if_portable()
  skip_if_not_linux()
  local_clean_shm()
  id <- allocateSharedMemory(3e6)
  answers <- run_through(
    "sh", c("-c", shQuote("ulimit -f 1000; exec \"$@\""), "sh"),
    function(id) {
      writeSharedMemory(id, as.raw(rep(7, 1e6)), 2e6)
      writeSharedMemory(id, as.raw(1))
      kind <- tryCatch(allocateSharedMemory(3e6), error = function(e) class(e)[1])
      small <- allocateSharedMemory(1000)
      freeSharedMemory(small)
      kind
    },
    list(id), c(outer_environment(this_namespace()), TMPDIR = tempdir())
  )
  expect_identical(answers, "sharedmemory_error_no_space")
  expect_identical(readSharedMemory(id, "raw")[c(1, 2, 2e6 + 1, 3e6)],
                   as.raw(c(1, 0, 7, 7)))
  freeSharedMemory(id)
})
