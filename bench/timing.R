# Timing: works and floors take turns, so that what disturbs the machine disturbs both.

build_floor <- function(folder) {
  place <- file.path(tempdir(), "floor.c")
  file.copy(file.path(folder, "floor.c"), place)
  Sys.unsetenv("MAKEFLAGS") # of a make that called us
  log <- system2(file.path(R.home("bin"), "R"),
                 c("CMD", "SHLIB", shQuote(place)), stdout = TRUE, stderr = TRUE)
  library <- sub("[.]c$", .Platform$dynlib.ext, place)
  if (!file.exists(library)) stop(paste(log, collapse = "\n"))
  dyn.load(library)
}

now <- function() .Call("floor_now")

# Seconds that one of n repetitions takes.
seconds <- function(code, n = 1) {
  start <- now()
  force(code)
  (now() - start) / n
}

floor_of <- function(work, n = 1L) {
  force(work)
  function() .Call("floor_run", work, n)
}

# A work and its floor, each a function that returns seconds per piece of work. The
# floor may be several ways to do it, of which the one with the least median counts.
#
# kind: "times" (ours by the floor's, to be at most the goal), "bandwidth" (the floor's
# by ours, to be at least the goal), "above" (ours less the floor's, in seconds, to
# be at most the goal), "absolute" (ours, in seconds; the floor's is for scale).
work <- function(name, goal, ours, floor, kind = "times", rounds = 21) {
  list(name = name, goal = goal, ours = ours,
       floor = if (is.function(floor)) list(floor) else floor,
       kind = kind, rounds = rounds)
}

measure <- function(work) {
  ways <- length(work$floor)
  all <- c(work$floor, work$ours)
  turns <- vapply(seq_len(work$rounds + 1), function(turn) {
    times <- numeric(ways + 1)
    for (i in sample(ways + 1)) times[i] <- all[[i]]() # none always comes first
    times
  }, numeric(ways + 1))[, -1, drop = FALSE] # the first one warms up
  best <- which.min(apply(turns[seq_len(ways), , drop = FALSE], 1, stats::median))
  turns <- rbind(floor = turns[best, ], ours = turns[ways + 1, ])
  # the ratio within a turn, then the median: a slow turn is slow for both
  value <- switch(work$kind,
    times = turns["ours", ] / turns["floor", ],
    bandwidth = turns["floor", ] / turns["ours", ],
    above = turns["ours", ] - turns["floor", ],
    absolute = turns["ours", ])
  result <- data.frame(
    work = work$name, kind = work$kind, goal = work$goal,
    value = stats::median(value),
    ours = stats::median(turns["ours", ]), floor = stats::median(turns["floor", ]))
  result$reached <- if (work$kind == "bandwidth") result$value >= result$goal else
    result$value <= result$goal
  message(sprintf("%-52s %s", work$name, format_value(result)))
  result
}

format_seconds <- function(x) {
  unit <- if (x < 1e-3) c(1e6, "us") else if (x < 1) c(1e3, "ms") else c(1, "s")
  paste(formatC(x * as.numeric(unit[1]), digits = 3, format = "fg", flag = "#"),
        unit[2])
}

format_value <- function(result) {
  format_measure(result$value, result$kind)
}

format_measure <- function(value, kind) {
  if (kind %in% c("above", "absolute")) format_seconds(value)
  else sprintf("%.2fx", value)
}
