# Every kind of object comes back as it was.

expect_equal_object <- function(x, y, info) {
  x <- without_environments(x)
  y <- without_environments(y)
  expect_true(same_in_all(x, y), info = info)
}

test_that("what is shared is what it was", {
  local_objects()
  kinds <- object_kinds()
  for (kind in names(kinds)) {
    x <- kinds[[kind]]
    before <- serialize(x, NULL)
    shared <- share(x)
    expect_equal_object(shared, x, info = kind)
    # A second look, at what was made by the first.
    expect_equal_object(shared, x, info = kind)
    expect_identical(serialize(x, NULL), before, info = kind)
  }
  rm(shared)
  gc()
})

test_that("what was sent is what it was", {
  local_objects()
  kinds <- object_kinds()
  for (kind in names(kinds)) {
    shared <- share(kinds[[kind]])
    received <- unserialize(serialize(shared, NULL))
    expect_equal_object(received, kinds[[kind]], info = kind)
    # Handed on.
    again <- unserialize(serialize(received, NULL))
    expect_equal_object(again, kinds[[kind]], info = kind)
  }
  rm(shared, received, again)
  gc()
})

test_that("unshare() gives an ordinary object", {
  local_objects()
  kinds <- object_kinds()
  for (kind in names(kinds)) {
    shared <- share(kinds[[kind]])
    ordinary <- unshare(shared)
    expect_equal_object(ordinary, kinds[[kind]], info = kind)
    expect_false(is.shared(ordinary), info = kind)
    rm(shared)
  }
  gc()
  expect_identical(count_mapped(), 0L)
})

test_that("is.shared() knows what is shared, and sharedMemoryId() where", {
  local_objects()
  kinds <- object_kinds()
  vectors <- vapply(kinds, function(x) length(x) > 0, NA)
  without <- c("nulls", "language", "lengths", "sequence")
  for (kind in setdiff(names(kinds)[vectors], without)) {
    shared <- share(kinds[[kind]])
    expect_true(is.shared(shared), info = kind)
    id <- sharedMemoryId(shared)
    expect_true(id %in% listSharedObjects()$Id, info = kind)
    expect_false(is.shared(kinds[[kind]]), info = kind)
    expect_identical(sharedMemoryId(kinds[[kind]]), NA_character_, info = kind)
  }
  rm(shared)
  gc()
  for (x in list(NULL, quote(a), globalenv(), mean, 1)) expect_false(is.shared(x))
})

test_that("encodings stay, and strings of this process's character set are UTF-8", {
  local_objects()
  few <- c("a", "\u00e9", latin1(0xe9), bytes_string(0xff), NA, "")
  for (x in list(few, rep(few, 1000), paste0("\u00fc", 1:30000))) {
    shared <- share(x)
    expect_identical(Encoding(shared), Encoding(x))
    expect_identical(lapply(shared, charToRaw)[!is.na(x)],
                     lapply(x, charToRaw)[!is.na(x)])
    expect_identical(is.na(shared), is.na(x))
  }
  native <- rep(enc2native("\u00e9"), 600)
  Encoding(native) <- "unknown"
  expect_identical(share(native), native)
  rm(shared)
  gc()
})

test_that("strings come back whichever form they are stored in", {
  local_objects()
  n <- 150000
  different <- paste0("key", seq_len(n))
  forms <- list(
    all_different = different,
    nearly = replace(different, c(5, 70000, n), NA),
    in_blocks = rep(different[1:30000], each = 5),
    in_turns = rep(different[1:20000], length.out = n),
    by_chance = different[(seq_len(n)^2 * 7919) %% 30011 + 1],
    late = c(different[1:60000], rep(different[1:3], 30000)),
    long_at_once = c(strrep("x", 4e6), different),
    long_later = c(different, strrep("y", c(1e6, 0, 5e6)), "z", NA, ""),
    all_long = strrep("abc", seq_len(2000)),
    marked_late = c(different, "\u00e9", latin1(0xe9), bytes_string(0xff), "end")
  )
  for (form in names(forms)) {
    shared <- share(forms[[form]])
    expect_true(is.shared(shared), info = form)
    expect_identical(shared, forms[[form]], info = form)
    expect_identical(Encoding(shared), Encoding(forms[[form]]), info = form)
  }
  # What is there several times is stored once.
  for (form in c("in_blocks", "in_turns", "by_chance")) {
    shared <- share(forms[[form]])
    expect_lt(getSharedMemorySize(sharedMemoryId(shared)), 1e6)
  }
  rm(shared)
  gc()
})

test_that("environments, functions and what shares them keep their identity", {
  local_objects()
  state <- new.env()
  state$count <- 1
  state$self <- state
  count <- function() state$count <- state$count + 1
  ask <- function() state$count
  both <- list2env(list(state = state), parent = baseenv())
  environment(count) <- environment(ask) <- both
  body(count) <- quote(assign("count", get("count", state) + 1, state))
  body(ask) <- quote(get("count", state))
  shared <- share(list(count = count, ask = ask, state = state, data = 1:2000 / 2))
  expect_identical(shared$ask(), 1)
  shared$count()
  expect_identical(shared$ask(), 2)
  expect_identical(shared$state$count, 2)
  expect_identical(shared$state$self, shared$state)
  # As with every copy of an environment, it is another one.
  expect_identical(ask(), 1)
  rm(shared)
  gc()
})

test_that("promises, active bindings, locked environments: as R sends them", {
  local_objects()
  promise <- (function(x, y) environment())(stop("not asked for"), 2)
  active <- new.env()
  makeActiveBinding("now", function() 7, active)
  locked <- list2env(list(a = 1))
  lockEnvironment(locked, TRUE)
  x <- list(promise, active, locked, methods::new("externalptr"), globalenv(),
            baseenv(), asNamespace("stats"), 1:3000 / 2)
  received <- unserialize(serialize(share(x), NULL))
  expect_identical(received[[1]]$y, 2)
  expect_error(received[[1]]$x, "not asked for")
  expect_identical(received[[2]]$now, 7)
  expect_true(environmentIsLocked(received[[3]]))
  expect_identical(typeof(received[[4]]), "externalptr")
  expect_identical(received[5:7], x[5:7])
  expect_identical(received[[8]], x[[8]])
  rm(received)
  gc()
})

test_that("a vector that occurs several times is there once", {
  local_objects()
  x <- stats::runif(1e5)
  shared <- share(list(x, x, list(x), structure(list(x), class = "c")))
  expect_lt(listSharedObjects()$size, 1.1 * 8e5)
  for (element in list(shared[[1]], shared[[2]], shared[[3]][[1]], shared[[4]][[1]])) {
    expect_identical(element, x)
  }
  rm(shared, element)
  gc()
})

test_that("sequences and what R keeps compact are not expanded", {
  local_objects()
  shared <- share(list(1:2000000000, 5:-5, numbers = 3e9:(3e9 + 1e8)))
  expect_lt(listSharedObjects()$size, 5000)
  expect_identical(shared[[1]][2e9], 2000000000L)
  expect_identical(shared[[2]], 5:-5)
  expect_identical(shared$numbers[3], 3e9 + 2)
  # A vector that R makes element by element, as it is asked for them.
  strings <- as.character(1:100000)
  expect_identical(share(strings), as.character(1:100000))
  # converted, of numbers for which `:` gives integers
  expect_identical(share(as.double(1:5000)), as.double(1:5000))
  expect_identical(share(list(as.double(5:-5)))[[1]], as.double(5:-5))
  rm(shared)
  gc()
})

test_that("a list of many small vectors", {
  local_objects()
  x <- lapply(seq_len(1e5), function(i) c(i, i + 1))
  shared <- share(x)
  expect_identical(shared, x)
  expect_true(is.shared(shared))
  # One reference; where lists are ordinary, no more than the values.
  expect_lt(length(serialize(shared, NULL)), 1.01 * length(serialize(x, NULL)))
  rm(shared)
  gc()
})

test_that("deeply nested lists", {
  local_objects()
  x <- list(1:2000 / 2)
  for (i in 1:300) x <- list(x, i)
  expect_identical(share(x), x)
  expect_identical(unserialize(serialize(share(x), NULL)), x)
  gc()
})

test_that("sharing what is shared copies nothing", {
  local_objects()
  for (x in list(stats::runif(1e4), letters, rep(letters, 100))) {
    shared <- share(x)
    again <- share(shared)
    expect_identical(sharedMemoryId(again), sharedMemoryId(shared))
    expect_identical(nrow(listSharedObjects()), 1L)
    # But under another name it is another object.
    named <- share(shared, "named")
    expect_identical(named, x)
    expect_identical(nrow(listSharedObjects()), 2L)
    rm(shared, again, named)
    gc()
  }
})

test_that("Matrix's sparse classes", {
  skip_if_not_installed("Matrix")
  local_objects()
  sparse <- getExportedValue("Matrix", "sparseMatrix")
  m <- sparse(i = c(1:2000, 5), j = c(2000:1, 7), x = 1:2001 / 2)
  shared <- share(m)
  expect_identical(shared, m)
  expect_identical(shared %*% rep(1, 2000), m %*% rep(1, 2000))
  received <- unserialize(serialize(shared, NULL))
  expect_identical(received, m)
  expect_true(methods::validObject(received))
  rm(shared, received)
  gc()
})
