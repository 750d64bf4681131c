# Elements and blocks of a sharedArray. (A method of R's own, with nothing but an empty
# .Call in it, is what R's search for methods costs.)

array_works <- function() {
  n <- 20000L
  rows <- 1e5
  columns <- 40
  id <- allocateSharedMemory(8 * rows * columns)
  a <- sharedArray(id, dim = c(rows, columns))
  a[] <- 1
  x <- matrix(1, rows, columns)
  value <- as.double(seq_len(rows * columns)) + 0
  two <- getNativeSymbolInfo("floor_call2")
  closure <- compiler::cmpfun(function(x, i) .Call(two, x, i))
  registerS3method("[", "floor", compiler::cmpfun(function(x, i) .Call(two, x, i)))
  object <- structure(list(), class = "floor")
  each <- function(code) compiler::cmpfun(function() seconds(code(), n))
  call <- each(function() for (i in seq_len(n)) closure(a, i))
  total <- rows * columns
  out <- function(run, every) {
    function() seconds(.Call("floor_copy_out", x, run, every))
  }
  into <- function(run, every) {
    function() seconds(.Call("floor_copy_in", x, value, run, every))
  }
  all <- seq_len(total)
  some <- seq_len(rows / 10)
  few <- value[seq_len(columns * rows / 10)]
  many <- 1:5
  head <- x[, many]
  works <- list(
    work("a[i], to a closure with an empty .Call", 2,
         each(function() for (i in seq_len(n)) a[i]), call),
    work("a[i], to a method of [ with an empty .Call", 2,
         each(function() for (i in seq_len(n)) a[i]),
         each(function() for (i in seq_len(n)) object[i])),
    work("a[i] <- v, to a closure with an empty .Call", 2,
         each(function() for (i in seq_len(n)) a[i] <- 1), call),
    work("a[1:n], 32 MB: of memcpy into a new vector", 0.9,
         function() seconds(a[all]), out(total, total), "bandwidth"),
    work("a[]: of memcpy into a new vector", 0.9,
         function() seconds(a[]), out(total, total), "bandwidth"),
    work("a[1:k, ], blocks of 80 kB: of memcpy", 0.9,
         function() seconds(a[some, ]), out(rows / 10, rows), "bandwidth"),
    work("a[, 1:5], 4 MB: of memcpy", 0.9,
         function() seconds(a[, many], 1),
         function() seconds(.Call("floor_copy_out", head, rows, rows)),
         "bandwidth"),
    work("a[1:n] <- v, 32 MB: of memcpy", 0.9,
         function() seconds(a[all] <- value), into(total, total), "bandwidth"),
    work("a[1:k, ] <- v: of memcpy", 0.9,
         function() seconds(a[some, ] <- few), into(rows / 10, rows), "bandwidth"),
    work("sum(a), to that of a vector", 1.2,
         function() seconds(sum(a)), function() seconds(sum(x)))
  )
  list(works = works, end = function() freeSharedMemory(id))
}
