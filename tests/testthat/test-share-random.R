# Random objects come back as they were: here, from a stream, changed, and in a worker.
# SHAREDMEMORY_TEST_OBJECTS sets how many; the long form has 100,000.

# An element of whatever vector or list, at any depth, or an attribute.
change_randomly <- function(x) {
  if (length(x) == 0 || !is.atomic(x) && !is.list(x)) return(x)
  i <- sample(length(x), 1)
  how <- sample(4, 1)
  if (how == 1) {
    attr(x, "changed") <- i
  } else if (!is.list(x)) {
    x[i] <- x[[sample(length(x), 1)]]
  } else if (how == 2) {
    x[[i]] <- 5
  } else if (!is.null(x[[i]])) {
    x[[i]] <- change_randomly(x[[i]])
  }
  x
}

change_all <- function(x, seed) {
  set.seed(seed)
  for (i in seq_along(x)) if (!is.null(x[[i]])) x[[i]] <- change_randomly(x[[i]])
  x
}

# What is asked in the worker, of the object as it came there and of a plain copy.
ask_there <- function(shared, plain, seed) {
  changed <- change_all(shared, seed)
  expected <- change_all(plain, seed)
  list(
    changed = changed,
    fine = c(
      received = same_random(shared, plain),
      unshared = same_random(unshare(shared), plain),
      changed = same_random(changed, expected)
    ),
    unshared = unshare(shared), received = shared
  )
}

# A worker knows the functions by their text: they are sent without where they are from.
functions_for_worker <- function() {
  functions <- list(
    ask_there = ask_there, change_all = change_all, change_randomly = change_randomly,
    same_random = same_random, without_environments = without_environments
  )
  lapply(functions, `environment<-`, globalenv())
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
  run_in(session, function(functions) {
    list2env(functions, globalenv())
    NULL
  }, functions_for_worker())
  for (k in seq_len(count_random() / 10)) {
    set.seed(seed + k)
    x <- lapply(1:10, function(i) random_object())
    shared <- share(x)
    there <- run_in(session, function(...) ask_there(...), shared, x, k)
    here <- change_all(shared, k)
    expected <- list(unshared = x, received = x, changed = change_all(x, k))
    back <- mapply(same_random, there[names(expected)], expected)
    fine <- c(there = there$fine, back = back,
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
