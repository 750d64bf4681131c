# Views: vectors like any other.

test_that("a view has the values of the segment, bit for bit, in every type", {
  local_clean_shm()
  for (type in names(samples)) {
    id <- local_sealed(samples[[type]])
    for (live in unique(c(FALSE, type != "logical"))) {
      x <- viewSharedMemory(id, type, live = live)
      expect_same_bits(x, samples[[type]], type)
      expect_null(attributes(x))
      each <- lapply(seq_along(x), function(i) bits(x[[i]]))
      expect_identical(each, lapply(samples[[type]], bits))
      expect_true(is.shared(x))
      expect_identical(sharedMemoryId(x), id)
    }
  }
})

test_that("the length is what was asked for at allocation, or what is asked", {
  local_clean_shm()
  id <- allocateSharedMemory(83)
  withr::defer(freeSharedMemory(id))
  sealSharedMemory(id)
  lengths <- vapply(names(type_sizes), function(type) {
    length(viewSharedMemory(id, type))
  }, 0L)
  expect_identical(lengths, c(
    raw = 83L, logical = 20L, integer = 20L, double = 10L, complex = 5L
  ))
  expect_length(viewSharedMemory(id, offset = 16), 8)
  expect_length(viewSharedMemory(id, length = 3, offset = 16), 3)
  expect_identical(viewSharedMemory(id, length = 0), numeric())
  expect_identical(viewSharedMemory(id, offset = 80), numeric())
  capacity <- getSharedMemorySize(id)
  expect_identical(viewSharedMemory(id, "raw", capacity), raw(capacity))
  error <- expect_refused(viewSharedMemory(id, "raw", capacity + 1), "bounds")
  expect_match(conditionMessage(error), paste(capacity + 1, "elements"))
  expect_identical(error$op, "view")
  expect_identical(error$id, id)
  expect_refused(viewSharedMemory(id, length = 2^52), "bounds")
  expect_refused(viewSharedMemory(id, offset = 88), "bounds")
  expect_refused(viewSharedMemory(id, offset = -8), "bounds")
})

test_that("arguments that make no sense are refused", {
  local_clean_shm()
  id <- local_sealed(1)
  for (type in list("character", NA_character_, 1, c("raw", "raw"))) {
    expect_refused(viewSharedMemory(id, type))
  }
  for (number in list(NA, Inf, 0.5, "1", c(1, 2))) {
    expect_refused(viewSharedMemory(id, length = number))
    expect_refused(viewSharedMemory(id, offset = number))
  }
  expect_refused(viewSharedMemory(id, length = -1))
  for (flag in list(NA, 1, NULL, c(TRUE, FALSE))) {
    expect_refused(viewSharedMemory(id, live = flag))
  }
  # Elements lie where the processor expects them.
  for (type in setdiff(names(type_sizes), "raw")) {
    error <- expect_refused(viewSharedMemory(id, type, 0, offset = 2))
    expect_match(conditionMessage(error), "multiple of")
  }
  expect_refused(viewSharedMemory(c(id, id)))
  freeSharedMemory("gone")
  expect_refused(viewSharedMemory("gone"), "not_found")
})

test_that("only views are views", {
  local_clean_shm()
  x <- local_view(1:10)
  for (other in list(1:10, 1, "a", NULL, list(x), sum, 1:10 + 0L, factor("a"))) {
    expect_identical(is.shared(other), FALSE)
    expect_identical(sharedMemoryId(other), NA_character_)
  }
  expect_false(is.shared(x + 1L))
  expect_false(is.shared(x[1:3]))
})

# ---- all of base R -----------------------------------------------------------------

# The same call on a view and on an ordinary vector.
calls <- list(
  identity, length, typeof, class, mode, str, summary, print, format, toString,
  dput, deparse, is.na, anyNA, is.numeric, is.vector, object.size,
  rev, unique, duplicated, anyDuplicated, table, as.list, as.character,
  as.integer, as.double, as.complex, as.logical, as.vector, as.factor,
  paste = function(x) paste(x, x, sep = "-"),
  head = function(x) head(x, 3),
  tail = function(x) tail(x, 3),
  "x[i]" = function(x) x[c(2, 5, 5)],
  "x[-i]" = function(x) x[-1],
  "x[0]" = function(x) x[0],
  "x[NA]" = function(x) x[NA],
  "x[too far]" = function(x) x[length(x) + 1],
  "x[is.na]" = function(x) x[is.na(x)],
  "x[[i]]" = function(x) x[[4]],
  "x[[too far]]" = function(x) x[[length(x) + 1]],
  c = function(x) c(x, x),
  rep = function(x) rep(x, 2),
  lapply = function(x) lapply(x, identity),
  sapply = function(x) sapply(x, typeof),
  Filter = function(x) Filter(Negate(is.na), x),
  "for" = function(x) {
    for (i in x) last <- i
    last
  },
  identical = function(x) identical(x, x[]),
  all.equal = function(x) all.equal(x, rev(x)),
  "==" = function(x) x == x[2],
  "%in%" = function(x) x[3:5] %in% x,
  match = function(x) match(x, rev(x)),
  which = function(x) which(x == x[4]),
  split = function(x) split(x, rep_len(1:2, length(x))),
  matrix = function(x) matrix(x, 2),
  array = function(x) array(x, c(2, 1, 5)),
  rbind = function(x) rbind(x, x),
  cbind = function(x) cbind(x, a = x),
  t = function(x) t(x),
  data.frame = function(x) data.frame(i = seq_along(x), x = x),
  aggregate = function(x) tapply(x, rep_len(1:2, length(x)), length),
  ifelse = function(x) ifelse(is.na(x), "none", "some"),
  names = function(x) stats::setNames(x, letters[seq_along(x)]),
  "by name" = function(x) stats::setNames(x, letters[seq_along(x)])[c("b", "z")],
  dim = function(x) structure(x, dim = c(2L, 5L)),
  "m[i, ]" = function(x) structure(x, dim = c(2L, 5L))[2, ],
  dimnames = function(x) {
    dim(x) <- c(2, 5)
    dimnames(x) <- list(c("a", "b"), NULL)
    x["b", , drop = FALSE]
  },
  apply = function(x) apply(structure(x, dim = c(2L, 5L)), 1, length),
  attribute = function(x) attributes(structure(x, unit = "m")),
  serialize = function(x) unserialize(serialize(x, NULL)),
  writeBin = function(x) writeBin(x, raw()),
  "modified" = function(x) {
    x[2] <- x[4]
    x
  },
  "modified to the end" = function(x) {
    x[] <- x[4]
    x
  },
  "longer" = function(x) {
    x[length(x) + 2] <- x[1]
    x
  },
  "of another type" = function(x) {
    x[1] <- "a"
    x
  }
)

# Those that calculate.
numeric_calls <- list(
  sum, prod, mean, range, min, max, sort, order, rank, cumsum, cumprod, cummax,
  median, var, quantile, diff, sqrt, exp, abs, floor, round, sign, which.max,
  which.min, rowsum = function(x) rowsum(x, rep_len(1:2, length(x))),
  "+" = function(x) x + 1L,
  "-" = function(x) -x,
  "*" = function(x) x * x,
  "/" = function(x) 1 / x,
  "%%" = function(x) x %% 2L,
  ">" = function(x) x[x > 2],
  "sum, na.rm" = function(x) sum(x, na.rm = TRUE),
  "range, na.rm" = function(x) range(x, na.rm = TRUE),
  "sort, last" = function(x) sort(x, na.last = TRUE),
  "%*%" = function(x) x %*% x,
  "m %*% m" = function(x) structure(x, dim = c(2L, 5L)) %*% matrix(x, 5),
  crossprod = function(x) crossprod(structure(x, dim = c(5L, 2L))),
  outer = function(x) outer(x, x),
  colSums = function(x) colSums(structure(x, dim = c(2L, 5L))),
  rowMeans = function(x) rowMeans(structure(x, dim = c(2L, 5L)), na.rm = TRUE),
  apply = function(x) apply(structure(x, dim = c(2L, 5L)), 2, sum),
  sweep = function(x) sweep(structure(x, dim = c(2L, 5L)), 1, 1:2),
  scale = function(x) scale(x),
  cut = function(x) cut(x, 3),
  hist = function(x) hist(x, plot = FALSE)$counts,
  density = function(x) density(x, na.rm = TRUE)$y,
  lm = function(x) unname(coef(lm(x ~ seq_along(x)))),
  fft = function(x) fft(x),
  approx = function(x) approx(seq_along(x), x, n = 20)$y,
  pmin = function(x) pmin(x, 2),
  Date = function(x) format(structure(x, class = "Date")),
  difftime = function(x) format(as.difftime(x, units = "hours")),
  POSIXct = function(x) as.POSIXct(x, origin = "1970-01-01", tz = "UTC"),
  sprintf = function(x) sprintf("%s", x),
  formatC = function(x) formatC(x),
  bitwAnd = function(x) bitwAnd(as.integer(x), 3L),
  seq = function(x) seq_len(max(x, na.rm = TRUE) %% 10)
)

# With what it prints, and what it warns of.
recorded <- function(fun, x) {
  value <- NULL
  printed <- utils::capture.output(value <- outcome(fun, x))
  list(value, printed)
}

# Which kind of NaN complex arithmetic gives is up to the processor.
same <- function(a, b) identical(a, b) || isTRUE(all.equal(a, b, tolerance = 0))

label <- function(calls) {
  given <- names(calls)
  paste(seq_along(calls), if (is.null(given)) "" else given)
}

test_that("all of R gives on a view what it gives on an ordinary vector", {
  local_clean_shm()
  tables <- c(calls, numeric_calls)
  names(tables) <- label(tables)
  compare <- function(values) {
    id <- local_sealed(values)
    before <- content(id)
    expect_each(names(tables), function(name) {
      x <- viewSharedMemory(id, typeof(values))
      attributes(x) <- attributes(values)
      same(recorded(tables[[name]], x), recorded(tables[[name]], values))
    })
    # One view for all of them: none of the calls has changed it.
    x <- viewSharedMemory(id, typeof(values))
    for (call in tables) recorded(call, x)
    expect_same_bits(x, values)
    expect_identical(content(id), before)
  }
  for (values in samples) compare(values)
  compare(c(3.5, 1, 4, 1, 5, 9, 2, 6, 5, 3))
  compare(c(3L, 1L, 4L, 1L, 5L, 9L, 2L, 6L, 5L, 3L))
})

test_that("so it is for views with a class, and for long ones", {
  local_clean_shm()
  classed <- list(
    date = .Date(c(19000, NA, 0, -1, 18000)),
    time = .POSIXct(c(1e9, NA, 0, 1.5, 2e9), tz = "UTC"),
    factor = factor(c("b", "a", NA, "b", "c")),
    ordered = factor(c("b", "a", NA, "b", "c"), ordered = TRUE),
    difftime = as.difftime(c(1, NA, 3, 2, 5), units = "mins"),
    matrix = matrix(c(1:5, 5:1), 5, dimnames = list(letters[1:5], c("x", "y"))),
    named = stats::setNames(c(3, 1, NA, 2, 5), letters[1:5]),
    series = stats::ts(c(3, 1, 4, 1, 5), start = 2000)
  )
  uses <- list(
    identity, format, summary, print, str, sort, order, rev, unique, table,
    range, as.character, as.integer, is.na, length, dim, names, levels, class,
    inherits = function(x) inherits(x, "Date"),
    "[" = function(x) x[2:4],
    "[[" = function(x) x[[1]],
    "==" = function(x) x == x[1],
    c = function(x) c(x, x),
    rep = function(x) rep(x, 2),
    frame = function(x) data.frame(x = x),
    subset = function(x) subset(data.frame(x = x), !is.na(x)),
    merge = function(x) merge(data.frame(x = x), data.frame(x = x[1:2])),
    split = function(x) split(x, x),
    diff = function(x) diff(x),
    plus = function(x) x + 1,
    cut = function(x) cut(x, 2),
    seq = function(x) seq_along(x),
    assign = function(x) {
      x[2] <- x[1]
      x
    },
    rename = function(x) {
      names(x) <- NULL
      x
    },
    unclass = function(x) unclass(x),
    t = function(x) t(x),
    tapply = function(x) tapply(seq_along(x), x, sum),
    serialize = function(x) unserialize(serialize(x, NULL))
  )
  names(uses) <- label(uses)
  for (what in names(classed)) {
    for (times in c(1, 20)) {
      values <- classed[[what]]
      if (times > 1 && is.null(dim(values))) values <- rep(values, times)
      id <- local_sealed(unclass(values))
      expect_each(paste(what, names(uses)), function(name) {
        use <- uses[[substring(name, nchar(what) + 2)]]
        x <- viewSharedMemory(id, typeof(values), length = length(values))
        attributes(x) <- attributes(values)
        is.shared(x) && identical(recorded(use, x), recorded(use, values))
      })
    }
  }
})

test_that("attributes stay with the view, and with it alone", {
  local_clean_shm()
  for (n in c(10, 100)) {
    id <- local_sealed(as.double(seq_len(n)))
    x <- viewSharedMemory(id)
    y <- x
    dim(x) <- c(2, n / 2)
    attr(x, "unit") <- "m"
    expect_null(attributes(y))
    expect_null(attributes(viewSharedMemory(id)))
    x[1, 2] <- -1
    expect_identical(attributes(x), list(dim = c(2L, as.integer(n / 2)), unit = "m"))
    expect_identical(sharedMemoryId(x), id)
    names(y) <- seq_len(n)
    y[["3"]] <- 7
    expect_identical(y[["3"]], 7)
    expect_identical(readSharedMemory(id), as.double(seq_len(n)))
  }
})

test_that("a view with attributes can be read, sent and read again", {
  local_clean_shm()
  for (type in names(samples)) {
    values <- rep_len(samples[[type]], 100)
    id <- local_sealed(values)
    x <- viewSharedMemory(id, type)
    names(x) <- names(values) <- paste0("n", 1:100)
    for (i in 1:3) {
      expect_identical(x, values)
      expect_identical(unserialize(serialize(list(x, x), NULL)), list(values, values))
      expect_identical(x[x == values[1]], values[values == values[1]])
    }
    x[2] <- x[1]
    x[3] <- x[1]
    values[2:3] <- values[1]
    serialize(x, NULL)
    expect_identical(x, values)
    expect_same_bits(viewSharedMemory(id, type)[1:10], samples[[type]])
  }
})
