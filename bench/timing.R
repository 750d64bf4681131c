# Timing: works and floors take turns, so that what disturbs the machine disturbs both.

floor_library <- function() file.path(tempdir(), paste0("floor", .Platform$dynlib.ext))

build_floor <- function(folder) {
  place <- file.path(tempdir(), "floor.c")
  file.copy(file.path(folder, "floor.c"), place)
  Sys.unsetenv("MAKEFLAGS") # of a make that called us
  log <- system2(file.path(R.home("bin"), "R"),
                 c("CMD", "SHLIB", shQuote(place)), stdout = TRUE, stderr = TRUE)
  if (!file.exists(floor_library())) stop(paste(log, collapse = "\n"))
  dyn.load(floor_library())
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

# A work and its floor, each a function that returns seconds per piece of work, or one
# number for each of the names. The floor may be several ways to do it, of which the one
# with the least median counts. `others`, by name, do the same, for comparison and for
# the goals in `also`, which name one of them.
#
# kind: "times" (ours by the floor's, to be at most the goal), "bandwidth" (the floor's
# by ours, to be at least the goal), "above" (ours less the floor's, in seconds, to
# be at most the goal), "absolute" (ours, in seconds; the floor's is for scale), "bytes"
# (the same in bytes), "private" (the same, where less than a thousandth of the floor's
# is nothing). `warm`: a first turn does not count.
work <- function(name, goal, ours, floor, kind = "times", rounds = 21, others = list(),
                 also = NULL, warm = TRUE) {
  list(name = name, goal = goal, ours = ours,
       floor = if (is.function(floor)) list(floor) else floor,
       kind = kind, rounds = min(rounds, most_rounds()), others = others, also = also,
       warm = warm)
}

# ROUNDS=1 in the environment is a rehearsal: the figures are worth little.
most_rounds <- function() as.numeric(Sys.getenv("ROUNDS", "Inf"))

# What each of the functions returned in each round: one matrix, functions by rounds,
# for each number that they return.
take_turns <- function(functions, rounds, warm) {
  if (warm) for (run in functions) run()
  turns <- lapply(seq_len(rounds), function(round) {
    times <- vector("list", length(functions))
    for (i in sample(length(functions))) times[[i]] <- functions[[i]]()
    do.call(rbind, times) # none always comes first
  })
  lapply(seq_len(ncol(turns[[1]])), function(part) {
    vapply(turns, function(turn) turn[, part], numeric(length(functions)))
  })
}

measure <- function(work) {
  all <- take_turns(c(work$floor, work$ours, lapply(work$others, or_nothing)),
                    work$rounds, work$warm)
  do.call(rbind, lapply(seq_along(all), function(i) judge(work, i, all[[i]])))
}

# What another package cannot do is left out.
or_nothing <- function(run) {
  function() tryCatch(run(), error = function(e) {
    message("  not measured: ", conditionMessage(e))
    NA_real_
  })
}

# A row for the goal to the floor, and one for each that is also to be reached.
judge <- function(work, part, turns) {
  ways <- length(work$floor)
  middle <- apply(turns, 1, stats::median)
  others <- stats::setNames(middle[-seq_len(ways + 1)], names(work$others))
  best <- turns[which.min(middle[seq_len(ways)]), ]
  ours <- turns[ways + 1, ]
  rows <- judge_one(work$name[part], work$goal[part], work$kind, ours, best, others)
  for (other in intersect(names(work$also), names(work$others))) {
    theirs <- turns[ways + 1 + match(other, names(work$others)), ]
    if (anyNA(theirs)) next
    rows <- rbind(rows, judge_one(paste("the same: of", other), work$also[[other]],
                                  work$kind, ours, theirs, numeric()))
  }
  rows
}

judge_one <- function(name, goal, kind, ours, floor, others) {
  # the ratio within a turn, then the median: a slow turn is slow for both
  value <- switch(kind,
    times = ours / floor,
    bandwidth = floor / ours,
    above = ours - floor,
    absolute = ours,
    bytes = ours,
    private = ours)
  result <- data.frame(
    work = name, kind = kind, goal = goal, value = stats::median(value),
    ours = stats::median(ours), floor = stats::median(floor))
  result$reached <- switch(kind,
    bandwidth = result$value >= goal,
    private = result$value <= goal + result$floor / 1000,
    result$value <= goal)
  result$others <- list(others)
  message(sprintf("%-52s %s", name, format_value(result)))
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
  else if (kind %in% c("bytes", "private")) format_bytes(value)
  else sprintf(if (value < 0.05) "%.4fx" else "%.2fx", value)
}

format_bytes <- function(x) {
  if (abs(x) < 1e4) sprintf("%.0f B", x)
  else if (abs(x) < 1e6) sprintf("%.0f KiB", x / 2^10)
  else sprintf("%.1f MiB", x / 2^20)
}

# What a row's kind is counted in.
format_amount <- function(x, kind) {
  if (kind %in% c("bytes", "private")) format_bytes(x) else format_seconds(x)
}

has_package <- function(package) requireNamespace(package, quietly = TRUE)
