# Random objects come back as they were: here, from a stream, changed, and in a worker.
# SHAREDMEMORY_TEST_OBJECTS sets how many; the long form has 100,000.

count_random <- function() {
  asked <- suppressWarnings(as.numeric(Sys.getenv("SHAREDMEMORY_TEST_OBJECTS")))
  if (is.na(asked)) 1500 else asked
}

same_random <- function(x, y) {
  identical(without_environments(x), without_environments(y))
}

change_randomly <- function(x) {
  if (length(x) == 0 || !is.vector(x) && !is.data.frame(x)) return(x)
  i <- sample(length(x), 1)
  if (is.list(x)) x[[i]] <- 5 else x[i] <- x[[sample(length(x), 1)]]
  x
}

test_that("random objects", {
  local_objects()
  seed <- sample.int(1e9, 1)
  for (k in seq_len(count_random())) {
    set.seed(seed + k)
    x <- random_object()
    shared <- share(x)
    received <- unserialize(serialize(shared, NULL))
    where <- seed + k
    set.seed(where)
    expected <- change_randomly(x)
    set.seed(where)
    changed <- change_randomly(shared)
    fine <- c(
      shared = same_random(shared, x), received = same_random(received, x),
      changed = same_random(changed, expected),
      unshared = same_random(unshare(shared), x),
      kept = same_random(shared, x), again = same_random(received, x)
    )
    if (!all(fine)) {
      fail(sprintf("seed %d: %s", seed + k, toString(names(fine)[!fine])))
      break
    }
  }
  succeed()
  rm(shared, received, changed)
  gc()
})

test_that("random objects in a worker", {
  local_objects()
  session <- local_session()
  seed <- sample.int(1e9, 1)
  for (k in seq_len(count_random() / 50)) {
    set.seed(seed + k)
    x <- lapply(1:10, function(i) random_object())
    shared <- share(x)
    there <- run_in(session, function(shared) {
      list(unshare(shared), shared)
    }, shared)
    if (!all(same_random(there[[1]], x), same_random(there[[2]], x))) {
      fail(sprintf("seed %d", seed + k))
      break
    }
  }
  succeed()
  run_in(session, function() {
    gc()
    NULL
  })
  rm(shared, there)
  gc()
})
