# Views with readonly = FALSE: what lands in the segment, and what must not.
#
# R treats short and long vectors differently: from 64 elements on it may wrap one
# to set attributes or to assign. It also assigns in another way once it has
# compiled a function, at the second or third call. Hence lengths and rounds.

lengths_to_try <- c(10, 100)
rounds <- 4

# Assignments to a view `x`, reached in all ways, which make one element -1.
# `other` is a second name of the same view; `fresh()` makes a new one.
assignments <- list(
  "x[i]" = function(x, ...) x[3] <- -1,
  "x[i], integer" = function(x, ...) x[3] <- -1L,
  "x[[i]]" = function(x, ...) x[[3]] <- -1,
  "x[logical]" = function(x, ...) x[x == 3] <- -1,
  "x[range]" = function(x, ...) x[2:4] <- c(2, -1, 4),
  "x[]" = function(x, ...) x[] <- replace(x, 3, -1),
  "in a loop" = function(x, ...) for (i in 3:1) x[4 - i] <- c(-1, 2, 1)[i],
  "another name" = function(x, ...) {
    y <- x
    y[3] <- -1
  },
  "a third name" = function(x, ...) {
    y <- x
    z <- y
    z[3] <- -1
    stopifnot(x[3] == -1, y[3] == -1)
  },
  "list" = function(x, ...) {
    l <- list(a = x)
    l$a[3] <- -1
  },
  "list, its only name" = function(fresh, ...) {
    l <- list(a = fresh())
    l$a[3] <- -1
  },
  "copy of a list" = function(x, ...) {
    l <- list(a = x)
    k <- l
    k[["a"]][3] <- -1
  },
  "nested list" = function(x, ...) {
    l <- list(a = list(b = x))
    l$a$b[[3]] <- -1
  },
  "data frame column" = function(x, ...) {
    d <- data.frame(i = seq_along(x))
    d$a <- x
    d$a[3] <- -1
  },
  "data frame cell" = function(x, ...) {
    d <- data.frame(i = seq_along(x), a = x)
    d[3, "a"] <- -1
  },
  "environment" = function(x, ...) {
    e <- new.env()
    e$x <- x
    e$x[3] <- -1
  },
  "enclosing function" = function(x, ...) {
    inner <- function() x[3] <<- -1
    inner()
  },
  "argument" = function(x, ...) {
    set <- function(v) {
      v[3] <- -1
      NULL
    }
    set(x)
  },
  "argument without a name" = function(fresh, ...) {
    set <- function(v) v[3] <- -1
    set(fresh())
  },
  "value of a function" = function(x, ...) {
    set <- function(v) {
      v[1] <- 1
      v
    }
    y <- set(x)
    y[3] <- -1
  },
  "replace()" = function(x, ...) replace(x, 3, -1),
  "matrix" = function(x, ...) {
    dim(x) <- c(length(x) / 2, 2)
    x[3, 1] <- -1
  },
  "column of a matrix" = function(x, ...) {
    dim(x) <- c(2, length(x) / 2)
    m <- x
    m[, 2] <- c(-1, 4)
  },
  "matrix by structure()" = function(fresh, ...) {
    m <- structure(fresh(), dim = c(5, length(fresh()) / 5))
    m[3, 1] <- -1
  },
  "array" = function(x, ...) {
    dim(x) <- c(5, 1, length(x) / 5)
    x[3, 1, 1] <- -1
  },
  "named element" = function(x, ...) {
    names(x) <- paste0("n", seq_along(x))
    x[["n3"]] <- -1
  },
  "date" = function(x, ...) {
    class(x) <- "Date"
    x[1] <- .Date(1)
    x[3] <- .Date(-1)
  }
)

test_that("an assignment lands in the segment, however the view is reached", {
  local_clean_shm()
  for (n in lengths_to_try) {
    values <- as.double(seq_len(n))
    id <- local_segment(values)
    fresh <- function() viewSharedMemory(id, readonly = FALSE)
    lands <- function(what, x) {
      writeSharedMemory(id, values)
      assignments[[what]](x = x, fresh = fresh)
      identical(readSharedMemory(id), replace(values, 3, -1))
    }
    for (round in seq_len(rounds)) {
      expect_each(names(assignments), function(what) lands(what, fresh()))
      # ... and of a view that keeps a name here.
      expect_each(names(assignments), function(what) {
        x <- fresh()
        lands(what, x) && x[3] == -1
      })
    }
  }
})

test_that("every type can be assigned", {
  local_clean_shm()
  for (values in samples) {
    for (n in lengths_to_try) {
      all <- rep_len(values, n)
      id <- local_segment(rep_len(values[2], n))
      x <- viewSharedMemory(id, typeof(values), readonly = FALSE)
      for (i in seq_len(n)) x[i] <- all[i]
      expect_same_bits(readSharedMemory(id, typeof(values)), all)
      x[] <- values[2]
      expect_same_bits(x, rep_len(values[2], n))
      x[] <- all
      expect_same_bits(readSharedMemory(id, typeof(values)), all)
      expect_identical(sharedMemoryId(x), id)
    }
  }
})

test_that("another process sees an assignment at once, and this one its", {
  local_clean_shm()
  session <- local_session()
  for (n in lengths_to_try) {
    id <- local_segment(as.double(seq_len(n)))
    x <- viewSharedMemory(id, readonly = FALSE)
    run_in(session, function(id) {
      theirs <<- viewSharedMemory(id, readonly = FALSE)
      reader <<- viewSharedMemory(id)
      NULL
    }, id)
    look <- function() run_in(session, function() c(theirs[2], reader[2]))
    x[2] <- 22
    expect_identical(look(), c(22, 22))
    y <- x
    y[2] <- 23
    expect_identical(look(), c(23, 23))
    l <- list(x)
    l[[1]][2] <- 24
    expect_identical(look(), c(24, 24))
    d <- data.frame(x = x)
    d$x[2] <- 25
    expect_identical(look(), c(25, 25))
    run_in(session, function() {
      theirs[2] <<- 26
      NULL
    })
    expect_identical(c(x[2], y[2], l[[1]][2], d$x[2]), rep(26, 4))
    # A private change of the reader's shows nowhere else.
    run_in(session, function() {
      reader[2] <<- 27
      NULL
    })
    expect_identical(x[2], 26)
    expect_identical(look(), c(26, 27))
    run_in(session, function() {
      rm(theirs, reader, envir = globalenv())
      gc()
    })
  }
})

# ---- what must not write ---------------------------------------------------------

# Of a view, or of a call that makes one: `x()`.
readings <- list(
  "-" = function(x) -x(),
  "+" = function(x) x() + 1,
  "+ integer" = function(x) 1L + x(),
  "x + x" = function(x) x() + x(),
  "*" = function(x) 2 * x(),
  "^" = function(x) x()^2,
  "%%" = function(x) x() %% 3,
  "%/%" = function(x) x() %/% 3,
  "==" = function(x) x() == 3,
  "!" = function(x) !x(),
  sqrt = function(x) sqrt(x()),
  exp = function(x) exp(x()),
  log = function(x) log(x()),
  log2 = function(x) log2(x()),
  abs = function(x) abs(-x()),
  round = function(x) round(x(), 1),
  signif = function(x) signif(x(), 1),
  floor = function(x) floor(x() / 7),
  trunc = function(x) trunc(x()),
  sin = function(x) sin(x()),
  gamma = function(x) lgamma(x()),
  beta = function(x) beta(x(), x()),
  cumsum = function(x) cumsum(x()),
  cumprod = function(x) cumprod(x()),
  rev = function(x) rev(x()),
  sort = function(x) sort(x()),
  "sort, decreasing" = function(x) sort(x(), decreasing = TRUE),
  "sort, quick" = function(x) sort(x(), method = "quick"),
  "sort, shell" = function(x) sort(x(), method = "shell"),
  "sort, partial" = function(x) sort(x(), partial = 3),
  order = function(x) order(x()),
  rank = function(x) rank(x()),
  median = function(x) median(x()),
  quantile = function(x) quantile(x()),
  mad = function(x) mad(x()),
  fivenum = function(x) fivenum(x()),
  scale = function(x) scale(x()),
  pmin = function(x) pmin(x(), 3),
  pmax = function(x) pmax(3, x()),
  ifelse = function(x) ifelse(x() > 3, x(), 0),
  diff = function(x) diff(x()),
  outer = function(x) outer(x(), 1:3),
  crossprod = function(x) crossprod(x()),
  "%*%" = function(x) x() %*% x(),
  fft = function(x) fft(x()),
  filter = function(x) stats::filter(x(), c(1, 1)),
  convolve = function(x) convolve(x(), c(1, 2), type = "open"),
  cut = function(x) cut(x(), 3),
  findInterval = function(x) findInterval(x(), c(1, 5)),
  tabulate = function(x) tabulate(x()),
  unique = function(x) unique(x()),
  duplicated = function(x) duplicated(x()),
  vapply = function(x) vapply(x(), function(e) e + 1, 0),
  Map = function(x) Map(`+`, x(), 1),
  Reduce = function(x) Reduce(`+`, x(), accumulate = TRUE),
  jitter = function(x) jitter(x()),
  sample = function(x) sample(x()),
  c = function(x) -c(x()),
  as.vector = function(x) -as.vector(x()),
  as.numeric = function(x) as.numeric(x()) * 2,
  as.integer = function(x) as.integer(x()) * 2L,
  "x[]" = function(x) -x()[],
  rep = function(x) -rep(x(), 1),
  append = function(x) append(x(), 1),
  head = function(x) -head(x(), 3),
  matrix = function(x) -matrix(x(), 2),
  t = function(x) t(x()),
  aperm = function(x) aperm(array(x(), c(1, 2, length(x()) / 2))),
  rowSums = function(x) rowSums(matrix(x(), 2)),
  "length<-" = function(x) {
    y <- x()
    length(y) <- 3
    y[1] <- -7
    y
  },
  "a type that it cannot hold" = function(x) {
    y <- x()
    y[1] <- "a"
    y[2] <- "b"
    y
  },
  "complex into double" = function(x) {
    y <- x()
    y[1] <- 1i
    y
  },
  "list into double" = function(x) {
    y <- x()
    y[1] <- list(1)
    y
  },
  "behind the end" = function(x) {
    y <- x()
    y[length(y) + 1] <- 0
    y[1] <- -7
    y
  },
  "NULL into it" = function(x) {
    y <- as.list(x())
    y[1] <- NULL
    y
  },
  "`[<-`()" = function(x) `[<-`(x() + 0, 1, -7)
)

# Ways to a view that has a name nowhere: R writes the result of arithmetic over
# such an operand.
temporaries <- list(
  view = function(id) viewSharedMemory(id, readonly = FALSE),
  "value of a function" = function(id) {
    x <- viewSharedMemory(id, readonly = FALSE)
    x
  },
  names = function(id) {
    x <- viewSharedMemory(id, readonly = FALSE)
    names(x) <- seq_along(x)
    x
  },
  setNames = function(id) {
    n <- length(viewSharedMemory(id))
    stats::setNames(viewSharedMemory(id, readonly = FALSE), seq_len(n))
  },
  dim = function(id) {
    x <- viewSharedMemory(id, readonly = FALSE)
    dim(x) <- c(length(x) / 2, 2)
    x
  },
  attribute = function(id) {
    x <- viewSharedMemory(id, readonly = FALSE)
    attr(x, "unit") <- "m"
    x
  },
  "assigned to" = function(id) {
    x <- viewSharedMemory(id, readonly = FALSE)
    x[1] <- x[1]
    x
  },
  unserialized = function(id) {
    unserialize(serialize(viewSharedMemory(id, readonly = FALSE), NULL))
  },
  element = function(id) list(viewSharedMemory(id, readonly = FALSE))[[1]]
)

test_that("results, sorting and temporaries never write into the segment", {
  local_clean_shm()
  withr::local_seed(1)
  for (n in lengths_to_try) {
    values <- as.double(c(5, 3, 9, seq_len(n - 3)))
    id <- local_segment(values)
    before <- content(id)
    kept <- viewSharedMemory(id, readonly = FALSE)
    leaves_it <- function(reading, x) {
      writeSharedMemory(id, values)
      outcome(readings[[reading]], x)
      identical(content(id), before)
    }
    for (round in seq_len(2)) {
      expect_each(names(readings), function(reading) {
        leaves_it(reading, function() kept)
      })
      for (way in temporaries) {
        expect_each(names(readings), function(reading) {
          leaves_it(reading, function() way(id))
        })
      }
    }
    # One that has been written over is an ordinary vector from then on.
    result <- -viewSharedMemory(id, readonly = FALSE)
    expect_identical(result, -values)
    expect_false(isSharedMemoryView(result))
    result[1] <- 0
    expect_identical(content(id), before)
    expect_identical(unserialize(serialize(result, NULL)), result)
  }
})

test_that("results are those of an ordinary vector, also of temporaries", {
  local_clean_shm()
  for (n in lengths_to_try) {
    values <- as.double(c(5, 3, 9, seq_len(n - 3)))
    id <- local_segment(values)
    fresh <- function() viewSharedMemory(id, readonly = FALSE)
    expect_each(
      setdiff(names(readings), c("jitter", "sample")),
      function(reading) {
        identical(
          outcome(readings[[reading]], fresh),
          outcome(readings[[reading]], function() values)
        )
      }
    )
  }
})

test_that("what the segment cannot hold gives an ordinary vector", {
  local_clean_shm()
  for (n in lengths_to_try) {
    values <- as.double(seq_len(n))
    id <- local_segment(values)
    view <- function() viewSharedMemory(id, readonly = FALSE)
    changes <- list(
      character = function(x) replace(x, 1, "a"),
      complex = function(x) replace(x, 1, 1i),
      list = function(x) replace(x, 1, list("a")),
      longer = function(x) {
        x[length(x) + 2] <- 0
        x
      },
      shorter = function(x) {
        length(x) <- 2
        x
      },
      storage = function(x) {
        storage.mode(x) <- "integer"
        x
      }
    )
    for (what in names(changes)) {
      x <- view()
      changed <- changes[[what]](x)
      expect_identical(changed, changes[[what]](values), info = what)
      expect_false(isSharedMemoryView(changed), info = what)
      expect_identical(sharedMemoryId(changed), NA_character_, info = what)
      # The view itself is what it was.
      expect_identical(sharedMemoryId(x), id, info = what)
      expect_identical(readSharedMemory(id), values, info = what)
    }
  }
})

test_that("attributes belong to the name that they are set on", {
  local_clean_shm()
  for (n in lengths_to_try) {
    id <- local_segment(as.double(seq_len(n)))
    x <- viewSharedMemory(id, readonly = FALSE)
    y <- x
    names(y) <- seq_len(n)
    expect_null(names(x))
    dim(x) <- c(2, n / 2)
    expect_null(dim(y))
    z <- x
    class(z) <- "thing"
    attr(z, "unit") <- "m"
    expect_identical(attributes(x), list(dim = c(2L, as.integer(n / 2))))
    # They stay the same memory.
    x[1, 1] <- 11
    y[2] <- 22
    z[3] <- 33
    for (each in list(x, y, z)) {
      expect_identical(as.vector(unclass(each))[1:3], c(11, 22, 33))
      expect_identical(sharedMemoryId(each), id)
    }
    expect_identical(readSharedMemory(id, n = 3), c(11, 22, 33))
  }
})

test_that("a writable view is written through the C interface of R, too", {
  local_clean_shm()
  use_native()
  id <- local_segment(as.double(1:100))
  x <- viewSharedMemory(id, readonly = FALSE)
  overwrite(x, 7)
  expect_identical(readSharedMemory(id), rep(7, 100))
  # A temporary is not the segment's.
  overwrite(viewSharedMemory(id, readonly = FALSE)[], 8)
  expect_identical(readSharedMemory(id), rep(7, 100))
})

test_that("offset and length limit what can be assigned", {
  local_clean_shm()
  id <- local_segment(as.double(1:10))
  x <- viewSharedMemory(id, length = 3, offset = 16, readonly = FALSE)
  x[] <- 0
  expect_identical(readSharedMemory(id), c(1, 2, 0, 0, 0, 6:10))
  none <- viewSharedMemory(id, length = 0, offset = 80, readonly = FALSE)
  none[] <- numeric()
  expect_identical(none, numeric())
  # All that there is, up to the footer: the segment stays valid.
  capacity <- getSharedMemorySize(id)
  all <- viewSharedMemory(id, "raw", length = capacity, readonly = FALSE)
  all[] <- as.raw(255)
  expect_identical(getSharedMemorySize(id), capacity)
  expect_identical(readSharedMemory(id, "raw", n = capacity), rep(as.raw(255), capacity))
})

test_that("x[] is an ordinary vector, for what writes into shallow copies", {
  local_clean_shm()
  for (x in list(c(TRUE, FALSE, NA), as.raw(1:3))) {
    id <- local_segment(x)
    view <- viewSharedMemory(id, typeof(x), length(x), readonly = FALSE)
    expect_false(isSharedMemoryView(view[]))
    expect_identical(!view[], !x)
    expect_identical(readSharedMemory(id, typeof(x), length(x)), x)
  }
})
