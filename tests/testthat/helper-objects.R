# Objects of all kinds, and random ones.

latin1 <- function(bytes) `Encoding<-`(rawToChar(as.raw(bytes)), "latin1")
bytes_string <- function(bytes) `Encoding<-`(rawToChar(as.raw(bytes)), "bytes")

# What identical() would not tell apart: encodings, the S4 bit, compact row names.
marks_of <- function(x) {
  list(
    encoding = if (is.character(x)) Encoding(x),
    s4 = isS4(x), object = is.object(x), type = typeof(x)
  )
}

same_in_all <- function(x, y) {
  identical(x, y, attrib.as.set = FALSE) &&
    identical(marks_of(x), marks_of(y)) &&
    (!is.list(x) || is.object(x) ||
       all(mapply(function(a, b) identical(marks_of(a), marks_of(b)), x, y)))
}

setClass("SharedTestPoint", representation(x = "numeric", y = "list", z = "ANY"))
setClass("SharedTestNumber", contains = "numeric",
         representation(unit = "character"))

# Each big enough to have leaves, where its kind can be; all together they take some
# hundred KiB.
object_kinds <- function() {
  n <- 3000
  strings <- rep(c("a", "", NA, "\u00e9\u20ac", latin1(c(0x66, 0xe9)),
                   bytes_string(c(0x61, 0xff, 0xfe))), length.out = n)
  frame <- data.frame(
    i = seq_len(n) + 0L, d = seq_len(n) / 7, l = rep(c(TRUE, FALSE, NA), n / 3),
    s = strings, f = factor(rep(letters[1:5], n / 5)), stringsAsFactors = FALSE
  )
  frame$list <- rep(list(1L, "two", NULL, list(3)), n / 4)
  named <- stats::setNames(seq_len(n) * 1.5, paste0("name", seq_len(n)))
  tibble <- structure(frame[1:5], class = c("tbl_df", "tbl", "data.frame"))
  list(
    raw = as.raw(rep(0:255, 20)),
    logical = rep(c(TRUE, NA, FALSE), n),
    integer = c(NA, rep(c(-1L, .Machine$integer.max), n)),
    double = c(NA, NaN, -0, Inf, -Inf, seq_len(n) / 3),
    complex = complex(real = seq_len(n) / 3, imaginary = c(NA, seq_len(n - 1))),
    character = strings,
    unique = paste0("\u00fc", seq_len(20000), "x"),
    few = c("a", NA, "", "\u00e9", latin1(0xe9), bytes_string(0xff)),
    names = named,
    factor = factor(rep(c("low", NA, "high"), n), levels = c("low", "high")),
    ordered = factor(rep(1:3, n), ordered = TRUE),
    date = as.Date("2024-02-29") + seq_len(n),
    posixct = structure(seq_len(n) * 1e5, class = c("POSIXct", "POSIXt"),
                        tzone = "Europe/Berlin"),
    posixlt = as.POSIXlt(structure(seq_len(n) * 1e5,
                                   class = c("POSIXct", "POSIXt")), tz = "UTC"),
    difftime = structure(seq_len(n) / 7, class = "difftime", units = "hours"),
    integer64 = structure(seq_len(n) * 1e-300, class = "integer64"),
    matrix = matrix(seq_len(n) / 2, 30,
                    dimnames = list(NULL, paste0("c", seq_len(n / 30)))),
    array = array(seq_len(n), c(10, 10, 30), list(NULL, letters[1:10], NULL)),
    ts = stats::ts(seq_len(n) / 2, start = c(1990, 3), frequency = 12),
    frame = frame,
    rows = frame[c(5:1, 2000:2500), ],
    tibble = tibble,
    nested = list(a = list(b = list(c = list(seq_len(n) / 3, "x"))), d = NULL),
    mixed = list(NULL, 1, "a", list(), character(), NA, raw(), quote(f(x)),
                 as.name("s")),
    nulls = list(NULL, NULL),
    lengths = list(integer(), character(), list(), NULL, factor(character()),
                   data.frame(), matrix(0, 0, 3)),
    scalars = list(TRUE, 1L, 2.5, 1i, "s", as.raw(7)),
    s4 = methods::new("SharedTestPoint", x = seq_len(n) / 2,
                      y = list(strings, 1), z = NULL),
    s4data = methods::new("SharedTestNumber", seq_len(n) / 2, unit = "m"),
    language = list(quote(a + b), expression(x, y), formula = y ~ x + z, as.name("q")),
    pairlist = list(pairlist(a = 1, 2, b = "c"), seq_len(n) / 2),
    sequence = list(1:1000000, 10:-5, 3e9:(3e9 + 10), as.double(1:20)),
    same = rep(list(seq_len(n) / 9), 5),
    attributes = structure(1:3, big = seq_len(n) / 2, strings = strings,
                           nested = list(strings, list(1))),
    classed = structure(list(a = seq_len(n) / 3, b = "text"), class = c("one", "two")),
    model = stats::lm(dist ~ speed, data = datasets::cars)
  )
}

# identical() follows environments by pointer, so what has them is compared without.
without_environments <- function(x) {
  if (is.function(x)) environment(x) <- globalenv()
  if (inherits(x, "formula")) attr(x, ".Environment") <- NULL
  if (inherits(x, "lm")) x[c("call", "terms", "model")] <- NULL
  if (is.list(x) && !is.data.frame(x)) {
    kept <- attributes(x)
    x <- lapply(unclass(x), without_environments)
    attributes(x) <- kept
  }
  x
}

same_random <- function(x, y) {
  identical(without_environments(x), without_environments(y))
}

# Shared objects whose owner, this process, keeps them as long as anybody needs them:
# what was sent and not opened is not waited for. Otherwise it would be there for a
# minute after the test.
local_objects <- function(frame = parent.frame(), patience = 0) {
  local_clean_shm(frame)
  withr::local_options(sharedmemory.handoff = 0, .local_envir = frame)
  # What the test holds goes with its frame's variables, which live a little longer.
  withr::defer(
    {
      rm(list = ls(frame), envir = frame)
      gc()
      eventually(function() length(segments_in()) == 0, patience)
    },
    frame, priority = "first"
  )
}

# Asked to end, they take a moment.
local_cluster <- function(workers, frame = parent.frame()) {
  cluster <- parallel::makePSOCKcluster(workers)
  pids <- unlist(parallel::clusterCall(cluster, Sys.getpid))
  parallel::clusterCall(cluster, function(paths) .libPaths(paths), .libPaths())
  withr::defer(
    {
      parallel::stopCluster(cluster)
      eventually(function() !any(file.exists(file.path("/proc", pids))))
    },
    frame
  )
  cluster
}

# The leaves in it, of whatever object.
count_leaves <- function(x) {
  if (is.list(x) && !is.object(x)) return(sum(vapply(x, count_leaves, 0)))
  as.numeric(is.shared(x))
}

# Without the environment and the source that would make every copy another one.
plain_function <- as.function(alist(u = , u + 1), globalenv())

random_lengths <- c(0, 0, 1, 1, 2, 3, 5, 17, 63, 64, 65, 200, 511, 512, 513, 1025, 3000)

random_strings <- function(n) {
  pool <- c("", "a", "b", NA, "text", "\u00e4\u4e2d", latin1(c(0xe4, 0x41)),
            bytes_string(c(0x80, 0x42)), strrep("long", 40), "NA")
  kind <- sample(3, 1)
  if (kind == 1) return(sample(pool, n, TRUE))
  if (kind == 2) return(sample(paste0("k", seq_len(200)), n, TRUE))
  sprintf("%s%d", sample(c("x", "\u00f1", "yy"), n, TRUE), seq_len(n))
}

random_vector <- function(n) {
  switch(sample(9, 1),
    as.raw(sample(0:255, n, TRUE)),
    sample(c(TRUE, FALSE, NA), n, TRUE),
    sample(c(NA, -5:5, .Machine$integer.max), n, TRUE),
    sample(c(NA, NaN, Inf, -0, 0, 1.5, 1e300), n, TRUE) + 0,
    stats::rnorm(n),
    complex(real = stats::rnorm(n), imaginary = sample(c(NA, 1), n, TRUE)),
    random_strings(n),
    seq_len(n),
    sample(c(0, 1), n, TRUE) + seq(5, by = 1, length.out = n)
  )
}

random_attributes <- function(x, depth) {
  n <- length(x)
  switch(sample(8, 1),
    if (n > 0) stats::setNames(x, random_strings(n)) else x,
    if (n > 0 && n %% 2 == 0) array(x, c(2, n / 2)) else x,
    if (is.integer(x)) factor(x) else x,
    if (is.double(x)) structure(x, class = "Date") else x,
    structure(x, note = random_object(depth - 1), `odd name` = 1:2),
    structure(x, class = c("unknown", "class")),
    x, x
  )
}

count_random <- function() {
  asked <- suppressWarnings(as.numeric(Sys.getenv("SHAREDMEMORY_TEST_OBJECTS")))
  if (is.na(asked)) 1500 else asked
}

random_object <- function(depth = 3) {
  n <- sample(random_lengths, 1)
  if (depth <= 0 || stats::runif(1) < 0.4) {
    return(random_attributes(random_vector(n), depth))
  }
  n <- sample(c(0, 1, 2, 3, 8), 1)
  x <- lapply(seq_len(n), function(i) {
    if (stats::runif(1) < 0.1) NULL else random_object(depth - 1)
  })
  switch(sample(6, 1),
    if (n > 0) stats::setNames(x, sample(c("a", "b", "", "\u00e9"), n, TRUE)) else x,
    structure(x, class = "thing"),
    as.data.frame(lapply(1:2, function(i) stats::rnorm(sample(c(3, 600), 1))[1:3]),
                  col.names = c("u", "v")),
    c(x, list(quote(x[i]), plain_function)),
    x, x
  )
}

# What it sends back is not waited for either.
local_worker <- function(frame = parent.frame()) {
  session <- local_session(frame = frame)
  run_in(session, function() {
    options(sharedmemory.handoff = 0)
    NULL
  })
  session
}
