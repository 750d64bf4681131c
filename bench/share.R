#!/usr/bin/env Rscript
# Sharing whole objects beside R's own serialize():  bench/share.R [MiB of numbers]
#
# Medians of three, in milliseconds. "arrive": unserialize(), and the first element;
# "again": the second pass over all elements.
suppressPackageStartupMessages(library(sharedmemory))
Sys.setenv(SHAREDMEMORY_NAMESPACE = sprintf("bench-%d", Sys.getpid()))
options(sharedmemory.handoff = 0)

mib <- as.numeric(c(commandArgs(TRUE), "100")[1])
median_ms <- function(fun) {
  times <- replicate(3, {
    gc(FALSE)
    system.time(fun())[["elapsed"]]
  })
  stats::median(times) * 1000
}

row <- function(what, x, scan) {
  bytes <- serialize(x, NULL, xdr = FALSE)
  shared <- share(x)
  reference <- serialize(shared, NULL, xdr = FALSE)
  first <- function(bytes) {
    y <- unserialize(bytes)
    while (is.list(y)) y <- y[[1]]
    y[1]
  }
  received <- unserialize(reference)
  once <- system.time(scan(received))[["elapsed"]] * 1000
  plain <- unserialize(bytes)
  data.frame(
    object = what, serialize = median_ms(function() serialize(x, NULL, xdr = FALSE)),
    share = median_ms(function() share(x)), bytes = length(reference),
    arrive_plain = median_ms(function() first(bytes)),
    arrive = median_ms(function() for (i in 1:5) first(reference)) / 5,
    scan_plain = median_ms(function() scan(plain)), scan = once,
    again = median_ms(function() scan(received))
  )
}

n <- mib * 2^20 / 8
strings <- paste0("key", seq_len(1e6))
frame <- data.frame(u = strings, v = sample(strings[1:50], 1e6, TRUE),
                    f = factor(sample(letters, 1e6, TRUE)), i = sample.int(1e6))
for (name in letters[1:6]) frame[[name]] <- stats::runif(1e6)
works <- list(
  list(sprintf("%g MiB of doubles", mib), stats::runif(n), sum),
  list("data frame 1e6 x 10", frame, function(x) sum(nchar(x$u)) + sum(x$a)),
  list("1e6 strings, 100 different", rep(strings[1:100], 1e4),
       function(x) sum(x == "key5")),
  list("100,000 small vectors", lapply(1:1e5, function(i) c(i, i)),
       function(x) length(lapply(x, sum)))
)
for (work in works) print(format(do.call(row, work), digits = 3), row.names = FALSE)
