#!/usr/bin/env Rscript
# A vector in shared memory is a value like any other: each function gives for it what
# it gives for an ordinary one, and changes neither the shared memory nor another
# vector on it.
#
#   tests/differential/run [full] [SUBJECT...]
#
# Without `full` every function is tried with some of the types, lengths, attributes
# and places, with it with all of them, which takes hours. SUBJECT is a package or
# `expressions`; without one it is all of those below that are installed. What a
# function is tried with is in functions.R and child.R, expressions in expressions.R.
# Each subject has a process of its own, so that a crash is told with the call it was.
arguments <- commandArgs(TRUE)
form <- if ("full" %in% arguments) "full" else "short"
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
way <- Sys.getenv("DIFFERENTIAL_WAY", "view")
stall <- 45 # seconds without another function
source(file.path(here, "expressions.R"))

packages <- c("base", "stats", "utils", "dplyr", "vctrs", "data.table", "zoo")
subjects <- setdiff(arguments, "full")
if (!length(subjects)) subjects <- c("expressions", packages)
tables <- paste0("expressions:", names(expressions))
subjects <- unlist(lapply(subjects, function(s) {
  if (s == "expressions") tables else s
}))
needed <- sub("expressions:", "", subjects)
absent <- vapply(needed, function(p) {
  p %in% packages && !requireNamespace(p, quietly = TRUE)
}, NA)

namespace <- Sys.getenv("SHAREDMEMORY_NAMESPACE") # see run
Sys.setenv(LANGUAGE = "en", OMP_NUM_THREADS = "1", R_DATATABLE_NUM_THREADS = "1",
           TZ = "UTC")

# ---- a process ---------------------------------------------------------------

start_child <- function(subject, first, folder, trace) {
  child <- file.path(here, "child.R")
  command <- paste(
    "ulimit -v 12000000; exec", shQuote(file.path(R.home("bin"), "Rscript")),
    "--no-init-file", paste(shQuote(c(child, way, form, subject, first, folder, trace)),
                            collapse = " ")
  )
  processx::process$new("sh", c("-c", command), stdin = NULL, cleanup_tree = TRUE,
                        stdout = file.path(folder, "output"), stderr = "2>&1")
}

# TRUE if it came to its end; FALSE if it crashed, or had to be ended.
wait_for_child <- function(child, folder) {
  progress <- file.path(folder, "progress")
  began <- Sys.time()
  while (child$is_alive()) {
    child$wait(200)
    last <- if (file.exists(progress)) file.mtime(progress) else began
    if (difftime(Sys.time(), last, units = "secs") > stall) {
      child$kill_tree()
      return(FALSE)
    }
  }
  identical(last_line(progress), "done")
}

last_line <- function(file) {
  lines <- if (file.exists(file)) readLines(file, warn = FALSE)
  if (length(lines)) lines[length(lines)] else ""
}

# Which call it was: its function is tried once more, each call told before it is made.
explain_crash <- function(subject, first, folder) {
  apart <- file.path(folder, "apart")
  dir.create(apart, showWarnings = FALSE)
  unlink(list.files(apart, full.names = TRUE))
  child <- start_child(subject, first, apart, "trace")
  again <- !wait_for_child(child, apart)
  output <- tail(readLines(file.path(apart, "output"), warn = FALSE), 3)
  call <- if (again) last_line(file.path(apart, "progress")) else "not when tried alone"
  paste(c(call, output), collapse = " | ")
}

# ---- a subject ---------------------------------------------------------------

read_result <- function(folder) {
  file <- file.path(folder, "result")
  lines <- if (file.exists(file)) readLines(file, warn = FALSE)
  strsplit(lines, "\t", fixed = TRUE)
}

run_subject <- function(subject) {
  folder <- tempfile("subject")
  dir.create(folder)
  crashes <- character()
  first <- 1
  repeat {
    unlink(file.path(folder, "progress"))
    child <- start_child(subject, first, folder, character())
    if (wait_for_child(child, folder)) break
    first <- length(read_result(folder)) + 1
    name <- last_line(file.path(folder, "progress"))
    if (!nzchar(name)) {
      output <- readLines(file.path(folder, "output"), warn = FALSE)
      crashes <- c(crashes, paste("did not begin:", toString(tail(output, 5))))
      break
    }
    crashes <- c(crashes, paste0(name, ": crashed or hung: ",
                                 explain_crash(subject, first, folder)))
    cat(name, "\tcrashed\n", sep = "", append = TRUE,
        file = file.path(folder, "result"))
    first <- first + 1
  }
  list(lines = read_result(folder), crashes = crashes)
}

# ---- what came of it ---------------------------------------------------------

numbers_of <- function(lines) {
  tried <- Filter(function(line) length(line) >= 9, lines)
  numbers <- vapply(tried, function(line) as.numeric(line[2:9]), numeric(8))
  dimnames(numbers) <- list(
    c("calls", "values", "refused", "slow", "memory", "unrepeatable", "seconds",
      "wrong"),
    vapply(tried, `[`, "", 1)
  )
  numbers
}

tell_subject <- function(subject, outcome) {
  numbers <- numbers_of(outcome$lines)
  is_left_out <- function(line) identical(line[2], "left out")
  left_out <- Filter(is_left_out, outcome$lines)
  wrong <- Filter(function(line) length(line) > 9, outcome$lines)
  sums <- rowSums(numbers)
  cat(sprintf("%-24s %6d %8d %8d %8d %6d %6d %8.0f\n", subject, ncol(numbers),
              sums["calls"], sums["values"], sums["refused"], length(left_out),
              length(wrong) + length(outcome$crashes), sums["seconds"]))
  for (line in wrong) {
    cat(sprintf("  FAIL %s: %s of its calls\n", line[1], line[9]))
    cat(sprintf("    %s\n", line[-(1:9)]), sep = "")
  }
  cat(sprintf("  FAIL %s\n", outcome$crashes), sep = "")
  sums["functions"] <- ncol(numbers) + length(outcome$crashes)
  sums["failed"] <- length(wrong) + length(outcome$crashes)
  list(sums = sums, left_out = left_out,
       names = lapply(stats::setNames(nm = c("slow", "memory", "unrepeatable")),
                      function(row) colnames(numbers)[numbers[row, ] > 0]),
       never = colnames(numbers)[numbers["values", ] == 0])
}

wrapped <- function(what, names) {
  if (!length(names)) return(invisible())
  text <- paste0(what, ": ", toString(names))
  cat(strwrap(text, 88, exdent = 2), sep = "\n")
}

cat(sprintf("%s, way %s, form %s\n", R.version.string, way, form))
cat(sprintf("%-24s %6s %8s %8s %8s %6s %6s %8s\n", "", "tried", "calls", "values",
            "refused", "left", "failed", "seconds"))
told <- lapply(subjects[!absent], function(subject) {
  tell_subject(subject, run_subject(subject))
})

all_of <- function(what) unlist(lapply(told, function(t) t$names[[what]]))
total <- Reduce(`+`, lapply(told, `[[`, "sums"))
cat(sprintf(
  paste("\n%d functions and expressions tried in %d calls: %d values were the same,",
        "%d calls were refused alike, %d not compared\n"),
  total["functions"], total["calls"], total["values"], total["refused"],
  sum(total[c("slow", "memory", "unrepeatable")])
))
wrapped("took too long with some", all_of("slow"))
wrapped("no memory for some", all_of("memory"))
wrapped("do not give the same twice for ordinary vectors", all_of("unrepeatable"))
never <- unlist(lapply(told, `[[`, "never"))
wrapped(sprintf("%d gave no value for any vector", length(never)), never)
left_out <- do.call(c, lapply(told, `[[`, "left_out"))
for (reason in unique(vapply(left_out, `[`, "", 3))) {
  names <- vapply(Filter(function(line) line[3] == reason, left_out), `[`, "", 1)
  wrapped(sprintf("left out, %s (%d)", reason, length(names)), names)
}
wrapped("not installed", unique(needed[absent]))

left <- list.files("/dev/shm", paste0("^smem(-control)?[.]", namespace, "($|[.])"),
                   all.files = TRUE, full.names = TRUE)
crashed <- total["failed"] > 0
if (length(left) && !crashed) cat("FAIL left in /dev/shm:", basename(left), "\n")
failures <- total[["failed"]] + (length(left) > 0 && !crashed)
cat(sprintf("\n%d passed, %d failed, %d skipped\n", total[["functions"]] - failures,
            failures, sum(absent)))
quit(status = as.integer(failures > 0))
