library(testthat)
library(sharedmemory)

# Tests run in several processes, each in a namespace of its own that begins
# with this prefix. When all of them have ended, nothing that bears it may be
# left.
prefix <- sprintf("t%05x", sample.int(16^5, 1) - 1)
Sys.setenv(SHAREDMEMORY_TEST_PREFIX = prefix)

tryCatch(
  test_check("sharedmemory"),
  finally = {
    left <- list.files("/dev/shm", all.files = TRUE)
    left <- left[grepl(paste0("^smem(-control)?[.]", prefix), left)]
    if (length(left) > 0) {
      unlink(file.path("/dev/shm", left), recursive = TRUE)
      stop("the tests have left in /dev/shm: ", toString(left))
    }
  }
)
