# Bad arguments, full memory, interrupts, and segments that another process has damaged.

test_that("arguments are checked", {
  local_objects()
  for (name in list(NA, "", "a/b", c("a", "b"), list(1), character(), -1, "\n")) {
    expect_refused(share(1, name))
  }
  for (lifetime in list("never", NA, 1, c("freed", "object"), NULL)) {
    expect_refused(share(1, lifetime = lifetime))
  }
  expect_refused(share(1, "/raw"))
  expect_refused(openShared(c("a", "b")))
  expect_refused(openShared("nobody"), "not_found")
  id <- allocateSharedMemory(4000)
  error <- expect_refused(openShared(id))
  expect_match(conditionMessage(error), "does not hold a shared object")
  x <- share(1:10 + 0, "taken")
  expect_refused(share(2, "taken"), "exists")
  expect_identical(openShared("taken"), 1:10 + 0)
  freeSharedMemory(id)
  number <- allocateSharedMemory(1)
  freeSharedMemory(number)
  expect_refused(share(1, number))
  rm(x)
  gc()
})

test_that("what cannot be shared by itself is given back", {
  local_objects()
  for (x in list(NULL, quote(a), globalenv(), mean, sum, quote(f(x)), y ~ x)) {
    expect_identical(share(x), x)
  }
  expect_identical(nrow(listSharedObjects()), 0L)
  # But it has a place under a name.
  f <- share(function(x) x + 1, "function", "freed")
  expect_identical(openShared("function")(2), 3)
  freeSharedMemory("function")
})

test_that("full memory: nothing is left, and the object is as it was", {
  skip_if_cannot_unshare()
  answer <- in_small_shm(function() {
    x <- list(1:10 / 2, strings = rep(c("a", "b"), 5))
    big <- list(stats::runif(3e5), paste0("s", 1:1e4))
    error <- tryCatch(share(big), error = function(e) e)
    left <- list.files("/dev/shm", "^smem[.]")
    fits <- share(x)
    list(class(error)[1], left, identical(fits, x), conditionMessage(error),
         identical(unshare(fits), x))
  }, size = "1m")
  expect_identical(answer[[1]], "sharedmemory_error_no_space")
  expect_identical(answer[[2]], character())
  expect_true(answer[[3]])
  expect_match(answer[[4]], "no room for")
  expect_true(answer[[5]])
})

test_that("what was sent and not opened gives way, the oldest first", {
  skip_if_portable()
  skip_if_cannot_unshare()
  answer <- in_small_shm(function() {
    ids <- character()
    for (i in 1:3) {
      x <- share(rep(i + 0, 5e4))
      ids[i] <- sharedMemoryId(x)
      serialize(x, NULL)
      rm(x)
      gc()
    }
    there <- listSharedObjects()$Id
    error <- tryCatch(allocateSharedMemory(1e7), error = function(e) class(e)[1])
    useless <- listSharedObjects()$Id
    allocateSharedMemory(5e5, "plain")
    list(ids, there, error, useless, listSharedObjects()$Id)
  }, size = "1m")
  expect_identical(answer[[2]], answer[[1]][2:3])
  # Of what could not be enough nothing goes.
  expect_identical(answer[[3]], "sharedmemory_error_no_space")
  expect_identical(answer[[4]], answer[[1]][2:3])
  # For an allocation too.
  expect_identical(answer[[5]], c(answer[[1]][3], "plain"))
})

test_that("interrupted in the middle", {
  skip_on_os("windows")
  skip_if_less_room(2e9)
  local_objects()
  flag <- local_flag()
  answer <- interrupt_in(function(flag) {
    x <- numeric(2.5e7)
    file.create(flag)
    repeat share(x)
  }, flag, ready = function() {
    ready <- file.exists(flag)
    if (ready) Sys.sleep(0.3)
    ready
  }, after = function() {
    gc()
    NULL
  })
  expect_interrupted(answer)
})

test_that("a stub says what is wrong, and may come to life", {
  local_objects()
  x <- share(list(a = stats::runif(1e4), s = rep(letters, 100)), "there")
  bytes <- serialize(x, NULL)
  values <- unshare(x)
  rm(x)
  gc()
  # Whoever has lost it finds nothing.
  for (i in 1:2) {
    stub <- unserialize(bytes)
    expect_identical(length(stub), 2L)
    error <- tryCatch(stub$a[1], error = identity)
    expect_s3_class(error, "sharedmemory_error_not_found")
    expect_match(conditionMessage(error), "unshare")
    expect_identical(kind_of(sum(stub$a)), "not_found")
    expect_identical(kind_of(paste(stub$s)), "not_found")
    # It can be handed on and copied, and is lost there too.
    again <- unserialize(serialize(stub, NULL))
    expect_identical(kind_of(again$s[2]), "not_found")
  }
  y <- share(1:5 + 0.5, "there")
  expect_identical(kind_of(stub$a[1]), "replaced")
  rm(y, stub, again)
  gc()
})

test_that("a reference from elsewhere", {
  skip_if_portable()
  skip_if_cannot_unshare()
  local_objects()
  x <- share(stats::runif(1e4))
  bytes <- serialize(x, NULL)
  answer <- in_small_shm(function(bytes) {
    x <- unserialize(bytes)
    list(length(x), class(tryCatch(x[1], error = identity))[1])
  }, bytes)
  expect_identical(answer, list(10000L, "sharedmemory_error_elsewhere"))
  rm(x)
  gc()
})

# A second R in which crashes show. It changes 8 bytes at a time of the object `name`,
# and looks at all that can be read.
try_damages <- function(session, name, file, places, values, per_place = 3) {
  run_in(session, function(name, file, places, values, per_place) {
    look <- function() {
      x <- openShared(name)
      y <- unshare(x)
      utils::capture.output(utils::str(x), print(utils::object.size(y)))
      serialize(y, NULL)
      z <- unserialize(serialize(x, NULL))
      if (is.list(z)) lapply(z, function(e) try(sort(e), silent = TRUE))
      identical(x, z)
      "read"
    }
    size <- file.size(file)
    original <- readBin(file, "raw", size)
    Sys.chmod(file, "0600")
    con <- file(file, "r+b")
    on.exit(close(con))
    put <- function(at, bytes) {
      seek(con, at, rw = "write")
      writeBin(bytes, con)
      flush(con)
    }
    kinds <- character()
    for (at in places) {
      for (value in sample(values, per_place)) {
        put(at, value)
        outcome <- tryCatch(look(), sharedmemory_error = function(e) "refused",
                            error = function(e) paste("other:", conditionMessage(e)))
        kinds <- c(kinds, outcome)
        put(at, original[at + seq_along(value)])
        gc()
      }
    }
    table(kinds)
  }, name, file, places, values, per_place)
}

damaging <- list(
  as.raw(rep(0, 8)), as.raw(rep(255, 8)), as.raw(c(1, 0, 0, 0, 0, 0, 0, 0)),
  as.raw(c(0, 0, 0, 0, 1, 0, 0, 0)), as.raw(c(7, 3, 9, 1, 200, 5, 11, 128)),
  as.raw(c(16, 0, 0, 0, 0, 0, 0, 64)), as.raw(c(8, 1)), as.raw(c(3, 7)), as.raw(255)
)

test_that("whatever is written over any field, R reads it or says so", {
  skip_if_not_linux()
  local_objects()
  session <- local_worker()
  x <- list(a = 1:100 / 2, s = rep(c("a", "b", "\u00e9", NA), 200), few = c("x", NA),
            l = rep(c(TRUE, NA), 600), f = factor(rep(1:3, 300)),
            m = matrix(1:4, 2, dimnames = list(c("a", "b"), NULL)), q = quote(a + b),
            d = data.frame(u = 1:600, v = 600:1 + 0), t = stats::ts(1:30, start = 2),
            n = list(list(1, NULL), 2:700))
  share(x, "target", "freed")
  file <- segment_file("target")
  bytes <- readBin(file, "raw", 160)
  word <- function(at) sum(as.numeric(bytes[at + 1:8]) * 256^(0:7))
  nodes <- word(24)
  node_at <- word(32)
  header <- seq(0, 120, by = 8)
  table <- node_at + seq(0, nodes * 32 - 8, by = 8)
  data <- seq(128, node_at - 8, by = 8)
  places <- c(header, sample(table, min(length(table), 40)), sample(data, 40))
  kinds <- try_damages(session, "target", file, places, damaging)
  # Text may come out garbled, a sequence as long as R allows, an attribute as NA.
  fine <- paste0("^(read|refused|other: invalid multibyte|other: cannot allocate|",
                 "other: missing value)")
  expect_identical(grep(fine, names(kinds), value = TRUE, invert = TRUE), character())
  expect_gt(kinds[["refused"]], 30)
  run_in(session, function() {
    gc()
    NULL
  })
  freeSharedMemory("target")
})

test_that("another version's format is refused by its name", {
  skip_if_not_linux()
  local_objects()
  share(1:10 + 0, "future", "freed")
  Sys.chmod(segment_file("future"), "0600")
  write_into(segment_file("future"), 8, as.raw(9))
  gc()
  error <- tryCatch(openShared("future"), error = identity)
  expect_s3_class(error, "sharedmemory_error_corrupt")
  expect_match(conditionMessage(error), "another version")
  freeSharedMemory("future")
})

test_that("references that are not ours", {
  local_objects()
  x <- share(stats::runif(1000))
  bytes <- serialize(x, NULL, xdr = FALSE)
  expect_identical(unserialize(bytes), x)
  # What is ours in the stream; R's own part of a damaged one crashes R.
  start <- grepRaw("SMRF", bytes)
  numbers <- grepRaw(writeBin(c(0, 1000), raw()), bytes, fixed = TRUE)
  ours <- c(start + 0:60, numbers + 0:15)
  for (i in 1:400) {
    broken <- bytes
    broken[sample(ours, 1)] <- as.raw(sample(0:255, 1))
    answer <- tryCatch(suppressWarnings(unserialize(broken)), error = function(e) NULL)
    if (is.double(answer)) try(answer[1], silent = TRUE)
  }
  expect_identical(x, unserialize(bytes))
  rm(x, answer)
  gc()
})
