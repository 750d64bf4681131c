# What is large, and vectors that have no memory, which must not get any.

# Of the type of `kind`, computed as its elements are asked for; see native/computed.c.
computed <- function(kind, n) {
  built <- native_library("computed")
  make <- once("computed", getNativeSymbolInfo("computed", dyn.load(built)))
  .Call(make, kind, as.numeric(n))
}

# The same as ordinary vectors.
expected_values <- function(kind, n) {
  i <- seq_len(n) - 1
  switch(typeof(kind),
    raw = as.raw(i %% 251), logical = c(FALSE, TRUE, NA)[i %% 3 + 1],
    integer = as.integer(i %% 251), double = i %% 251 / 2,
    character = ifelse(i %% 7 == 0, NA_character_, paste0("s", i %% 251))
  )
}

test_that("vectors without memory are shared without being expanded", {
  local_objects()
  for (kind in list(raw(1), NA, 1L, 1, "")) {
    for (n in c(1, 511, 4097, 100000)) {
      x <- computed(kind, n)
      expected <- expected_values(kind, n)
      if (!is.character(x)) expect_error(identical(x, expected), "expanded")
      expect_identical(share(x), expected)
      expect_identical(share(list(x, 1))[[1]], expected)
      expect_identical(unserialize(serialize(share(x), NULL)), expected)
    }
  }
  # R's own, bare and with attributes, for which R wraps it: three numbers.
  for (x in list(structure(1:1000000, note = "wrapped"), .Date(1:1000000),
                 structure(3e9:(3e9 + 1e6), class = "big"))) {
    looks <- function() grepl("compact", utils::capture.output(.Internal(inspect(x))))
    before <- looks()
    gc()
    shared <- share(list(x, 1:600 / 2))
    expect_identical(looks(), before)
    if (any(before)) expect_lt(listSharedObjects()$size, 10000)
    expect_identical(shared[[1]], x)
    expect_identical(unserialize(serialize(shared, NULL))[[1]], x)
    rm(shared)
    gc()
  }
  strings <- as.character(1:1000000 + 0)
  expect_identical(share(strings)[c(1, 1e6)], c("1", "1e+06"))
  gc()
})

test_that("a list with a million elements", {
  skip_if_less_room(5e8)
  local_objects()
  session <- local_worker()
  n <- 1000000L
  x <- lapply(seq_len(n), function(i) i)
  names(x) <- sprintf("e%d", seq_len(n))
  x[[n]] <- list("last", NULL)
  shared <- share(x)
  expect_identical(shared, x)
  answer <- run_in(session, function(x) {
    list(length(x), x[[5]], x$e999999, x[[1e6]], is.shared(names(x)),
         sum(vapply(x[1:1000], identity, 1L)))
  }, shared)
  expect_identical(answer, list(n, 5L, 999999L, list("last", NULL), TRUE, 500500L))
  # One reference, where lists can be such; else no more than the values.
  expect_lt(length(serialize(shared, NULL)), 1.01 * length(serialize(x, NULL)))
  x[[7]] <- shared[[7]] <- "new"
  expect_identical(shared, x)
  run_in(session, function() {
    gc()
    NULL
  })
  rm(shared)
  gc()
})

# More than 2^31 elements, here, in a worker, and changed.
expect_long <- function(kind, value) {
  local_objects()
  session <- local_worker()
  n <- 2^31 + 10
  x <- computed(kind, n)
  last <- x[n]
  shared <- share(x)
  expect_identical(length(shared), n)
  expect_gt(listSharedObjects()$size, 2^31)
  at <- c(1, 252, 2^31 - 1, 2^31, 2^31 + 1, n)
  expect_identical(shared[at], x[at])
  expect_lt(length(serialize(shared, NULL)), 1000)
  there <- run_in(session, function(x, at, value) {
    seen <- list(length(x), x[at], x[[length(x)]])
    x[length(x)] <- value # copies a page
    c(seen, list(x[length(x)]))
  }, shared, at, value)
  expect_identical(there, list(n, x[at], last, value))
  changed <- shared
  changed[2^31 + 1] <- value
  expect_identical(changed[2^31 + 1], value)
  expect_identical(shared[2^31 + 1], x[2^31 + 1])
  run_in(session, function() {
    gc()
    NULL
  })
  rm(shared, changed)
  gc()
}

test_that("raw vectors of more than 2^31 elements", {
  skip_if(.Machine$sizeof.pointer < 8, "32 bits")
  skip_if_less_room(2.2e9)
  expect_long(raw(1), as.raw(255))
})

# They take 8.6 GiB, and most of a machine that other tests want too.
test_that("integer vectors of more than 2^31 elements", {
  skip_if(.Machine$sizeof.pointer < 8, "32 bits")
  skip_if(Sys.getenv("SHAREDMEMORY_TEST_LARGE") == "", "SHAREDMEMORY_TEST_LARGE=1")
  skip_if(3 * room_for_tests() < 1e10, "less than 10 GB of shared memory")
  expect_long(1L, -1L)
})
