# A shared object is a value: it behaves as the ordinary one does, and nothing that is
# done to it reaches the segment, or another's view of it.

# `change` of a shared object gives what it gives of an ordinary one, here and of what
# was received, and leaves all others alone.
expect_value <- function(x, change, info = NULL) {
  expected <- change(x)
  shared <- share(x)
  received <- unserialize(serialize(shared, NULL))
  expect_identical(change(shared), expected, info = info)
  expect_identical(shared, x, info = info)
  expect_identical(received, x, info = info)
  # A second time, and on one that only one name refers to.
  expect_identical(change(received), expected, info = info)
  expect_identical(change(unserialize(serialize(shared, NULL))), expected, info = info)
  changed <- change(shared)
  expect_identical(unserialize(serialize(changed, NULL)), expected, info = info)
  expect_identical(unserialize(serialize(shared, NULL)), x, info = info)
  expect_identical(unshare(changed), expected, info = info)
}

test_that("assignments to vectors", {
  local_objects()
  for (n in c(10, 600, 20000)) {
    x <- list(
      as.raw(seq_len(n) %% 256), rep(c(TRUE, NA), n / 2), seq_len(n) + 0L,
      seq_len(n) / 3, complex(real = seq_len(n)), rep(c("a", NA, "b"), length.out = n),
      paste0("s", seq_len(n))
    )
    for (v in x) {
      other <- v[n]
      expect_value(v, function(x) { x[3] <- other; x }, info = typeof(v))
      expect_value(v, function(x) { x[[n]] <- x[[1]]; x[1:2] <- other; x },
                   info = typeof(v))
      expect_value(v, function(x) { x[n + 5] <- other; x }, info = typeof(v))
      expect_value(v, function(x) { x[] <- other; x }, info = typeof(v))
      expect_value(v, function(x) { names(x) <- seq_along(x); x }, info = typeof(v))
      expect_value(v, function(x) { dim(x) <- c(2, n / 2); x[2, ] <- other; x })
      expect_value(v, function(x) { attr(x, "a") <- "b"; class(x) <- "k"; x })
      expect_value(v, function(x) { y <- x; y[2] <- other; list(x, y) })
      expect_value(v, function(x) rev(x), info = typeof(v))
      expect_value(v, function(x) { length(x) <- 3; x })
      if (!is.raw(v)) expect_value(v, function(x) { is.na(x) <- 2; x })
    }
  }
  gc()
})

test_that("reading does not make it travel by value", {
  local_objects()
  x <- stats::runif(1e5)
  shared <- share(x)
  expect_identical(sum(shared > .5), sum(x > .5))
  expect_identical(order(shared), order(x))
  expect_identical(sort(shared), sort(x))
  expect_identical(shared %*% shared, x %*% x)
  expect_identical(range(shared), range(x))
  expect_identical(shared[1], x[1])
  expect_identical(-shared, -x)
  expect_identical(unique(shared), unique(x))
  expect_lt(length(serialize(shared, NULL)), 300)
  s <- share(rep(c("a", NA, "c"), 1e4))
  expect_identical(match("c", s), 3L)
  expect_identical(unique(s), c("a", NA, "c"))
  expect_identical(toupper(s)[3], "C")
  expect_identical(sort(s)[1], "a")
  expect_identical(paste(s)[2], "NA")
  expect_lt(length(serialize(s, NULL)), 300)
  rm(shared, s)
  gc()
})

test_that("assignments to lists and data frames", {
  local_objects()
  kinds <- object_kinds()
  frame <- kinds$frame
  expect_value(frame, function(x) { x$new <- x$d * 2; x })
  expect_value(frame, function(x) { x$d[5] <- 0; x })
  expect_value(frame, function(x) { x[["s"]][1:3] <- "new"; x })
  expect_value(frame, function(x) { x[2, "i"] <- 7L; x })
  expect_value(frame, function(x) { names(x)[2] <- "renamed"; x })
  expect_value(frame, function(x) { levels(x$f)[2] <- "BB"; x })
  expect_value(frame, function(x) { x$d <- NULL; x })
  expect_value(frame, function(x) x[order(x$f, -x$d), ])
  expect_value(frame, function(x) subset(x, l & f == "a", c(i, s)))
  expect_value(frame[1:5], function(x) {
    merge(x[1:50, ], x[40:60, c("i", "d")], by = "i")
  })
  expect_value(frame[c("d", "f")], function(x) stats::aggregate(d ~ f, x, mean))
  expect_value(frame[1:4], function(x) rbind(x, x))
  expect_value(kinds$rows, function(x) { rownames(x) <- NULL; x })
  nested <- kinds$nested
  expect_value(nested, function(x) { x$a$b$c[[1]][2] <- -1; x })
  expect_value(nested, function(x) { x[["d"]] <- list(1); x })
  expect_value(nested, function(x) { x$a <- NULL; x })
  expect_value(nested, function(x) rapply(x, function(v) v, how = "list"))
  expect_value(kinds$scalars, function(x) { x[[2]] <- "z"; x })
  expect_value(kinds$scalars, function(x) { x[[7]] <- 1; x })
  expect_value(kinds$same, function(x) { x[[2]][1] <- 0; x })
  expect_value(kinds$s4, function(x) { x@x[2] <- 0; x@y[[1]][1] <- "new"; x })
  expect_value(kinds$s4data, function(x) { x[2] <- 0; x@unit <- "km"; x })
  expect_value(kinds$matrix, function(x) { x[2, 3] <- 0; t(x) %*% x })
  expect_value(kinds$factor, function(x) { x[1] <- "high"; droplevels(x) })
  expect_value(kinds$date, function(x) { x[1] <- x[2] + 1; x + 5 })
  gc()
})

test_that("compiled code that writes into what it is given", {
  local_objects()
  use_native()
  x <- stats::runif(1e5)
  shared <- share(x)
  other <- unserialize(serialize(shared, NULL))
  expect_identical(!share(rep(c(TRUE, FALSE), 4e4)), rep(c(FALSE, TRUE), 4e4))
  expect_identical(stats::setNames(shared, NULL) + 1, x + 1)
  expect_identical(structure(shared, class = "Date") + 1,
                   structure(x, class = "Date") + 1)
  expect_identical(shared, x)
  rm(shared, other)
  gc()
})

test_that("data.table changes by reference", {
  skip_if_not_installed("data.table")
  local_objects()
  # It takes only callers for its own that know it, as the global environment does.
  work <- function() {
    of_package <- function(name) getExportedValue("data.table", name)
    x <- of_package("data.table")(
      a = 3:1 + 0L, b = c("x", "y", "z"), d = seq(3000, 1) / 7
    )
    shared <- sharedmemory::share(x)
    same <- identical(shared[a == 2, sum(d)], x[a == 2, sum(d)])
    mine <- of_package("copy")(shared)
    expected <- of_package("copy")(x)
    for (table in list(mine, expected)) {
      of_package("setorder")(table, a, d)
      table[, e := d * 2]
      table[a == 1, d := 0]
    }
    # In place, on what is shared.
    of_package("setorder")(shared, d)
    list(same, all.equal(mine, expected), all.equal(shared, x[order(d)]),
         all.equal(unserialize(serialize(shared, NULL)), x[order(d)]))
  }
  environment(work) <- globalenv()
  expect_identical(work(), list(TRUE, TRUE, TRUE, TRUE))
})

test_that("a private copy takes the pages that are written, and no more", {
  skip_if_not_linux()
  local_objects()
  x <- share(numeric(4e6))
  private <- function() {
    lines <- readLines("/proc/self/smaps_rollup")
    as.numeric(gsub("[^0-9]", "", grep("^Private_Dirty:", lines, value = TRUE)))
  }
  skip_if_not(file.exists("/proc/self/smaps_rollup"))
  gc()
  before <- private()
  x[1e6] <- 5
  x[[3e6]]
  expect_lt(private() - before, 8000) # kilobytes, of 32,000
  expect_identical(x[c(1, 1e6, 4e6)], c(0, 5, 0))
  rm(x)
  gc()
})

test_that("nothing is taken where a shared object is only read", {
  skip_if_not_linux()
  skip_if_not(file.exists("/proc/self/smaps_rollup"))
  local_objects()
  x <- share(stats::runif(4e6))
  y <- openShared(sharedMemoryId(x))
  # Of the segment's own mappings, what this process has copied.
  private <- function() {
    lines <- readLines("/proc/self/smaps")
    heads <- grepl("^[0-9a-f]+-[0-9a-f]+ ", lines)
    ours <- cumsum(heads) %in%
      which(grepl("/dev/shm/smem.", lines[heads], fixed = TRUE))
    dirty <- grep("^Anonymous:", lines[ours], value = TRUE)
    sum(as.numeric(gsub("[^0-9]", "", dirty)))
  }
  for (read in list(
    function(x) x[1], function(x) x > .5, sum, order, function(x) identical(x, x + 0),
    function(x) x %*% x, function(x) x[x > .5], mean, stats::median, sort,
    function(x) x == 1
  )) {
    read(x)
  }
  expect_identical(private(), 0)
  rm(x, y)
  gc()
})

test_that("elements are those of the vector asked for, also where another one was", {
  local_objects()
  first <- function(x, i) x[i]
  for (k in 1:300) {
    x <- share(rep(k + 0, 600))
    y <- share(rep(-k + 0, 600))
    right <- c(first(x, 7) == k, first(y, 8) == -k, first(x, 9) == k)
    if (!all(right)) fail(paste("round", k))
    rm(x, y)
    gc(full = FALSE)
  }
  succeed()
})
