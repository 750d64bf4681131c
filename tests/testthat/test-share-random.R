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

test_that("random objects in a worker, changed here and there", {
  local_objects()
  session <- local_worker()
  seed <- sample.int(1e9, 1)
  change_all <- function(x, seed) {
    set.seed(seed)
    for (i in seq_along(x)) if (!is.null(x[[i]])) x[[i]] <- change_randomly(x[[i]])
    x
  }
  change_there <- list(change_randomly, change_all)
  for (k in seq_len(count_random() / 10)) {
    set.seed(seed + k)
    x <- lapply(1:10, function(i) random_object())
    shared <- share(x)
    there <- run_in(session, function(shared, functions, seed) {
      change_all <- functions[[2]]
      environment(change_all) <- list2env(list(change_randomly = functions[[1]]))
      list(unshared = unshare(shared), received = shared,
           changed = change_all(shared, seed), after = shared)
    }, shared, change_there, k)
    here <- change_all(shared, k)
    expected <- list(unshared = x, received = x, changed = change_all(x, k), after = x)
    fine <- c(mapply(same_random, there[names(expected)], expected),
              here = same_random(here, expected$changed), kept = same_random(shared, x))
    if (!all(fine)) {
      fail(sprintf("seed %d: %s", seed + k, toString(names(fine)[!fine])))
      break
    }
  }
  succeed()
  run_in(session, function() {
    gc()
    NULL
  })
  rm(shared, there, here)
  gc()
})
