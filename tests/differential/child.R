# One R process that tries the functions of a package, or a table of expressions:
#
#   Rscript child.R WAY FORM SUBJECT FIRST FOLDER [trace]
#
# SUBJECT is a package or `expressions:NAME`, FORM `short` or `full`. Begins with its
# function number FIRST. FOLDER/progress has the one being tried, with `trace` each
# call; after a crash the parent reads it there. FOLDER/result grows by one line for
# each that was tried.
arguments <- commandArgs(TRUE)
way <- arguments[1]
form <- arguments[2]
subject <- arguments[3]
first <- as.integer(arguments[4])
folder <- arguments[5]
trace <- length(arguments) > 5

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1]))
library(sharedmemory)
for (file in c("vectors.R", "compare.R", "functions.R", "expressions.R"))
  source(file.path(here, file))
writeLines(format(Sys.getpid()), Sys.getenv("DIFFERENTIAL_CHILD", tempfile()))
empty <- tempfile("differential")
dir.create(empty)
setwd(empty)
options(warn = 1, device = function(...) grDevices::pdf(NULL), digits = 15,
        lifecycle_verbosity = "quiet", browserNLdisabled = TRUE,
        keep.source = FALSE, useFancyQuotes = FALSE, sharedmemory.handoff = 0)
progress <- file(file.path(folder, "progress"), "w")
results <- file(file.path(folder, "result"), "a")
tell <- function(...) {
  writeLines(paste(..., sep = "\t"), progress)
  flush(progress)
}

# ---- cases -------------------------------------------------------------------

case <- function(type, n = 65, attributes = "none", place = "variable",
                 elements = "plain") {
  list(type = type, n = n, elements = elements, attributes = attributes,
       place = place)
}
short_cases <- function() {
  c(
    lapply(types_tried, case),
    lapply(types_tried, case, n = 1),
    lapply(setdiff(lengths_tried, c(1, 65)), function(n) case("double", n)),
    lapply(names(places_of_vector)[-1], function(p) case("double", 65, "none", p)),
    lapply(c("integer", "logical"), case, n = 64, place = "temporary"),
    lapply(c("integer", "double", "logical"), case, elements = "odd"),
    lapply(setdiff(names(attribute_kinds), c("none", "factor", "ordered")),
           function(a) case("double", 64, a)),
    lapply(c("Date", "names", "dim"), function(a) case("double", 65, a, "temporary")),
    lapply(c("factor", "ordered", "dimnames"), function(a) case("integer", 65, a)),
    list(case("logical", 64, "names"), case("integer", 65, "Date", "element"))
  )
}
full_cases <- function() {
  all <- expand.grid(
    type = types_tried, n = lengths_tried, attributes = names(attribute_kinds),
    place = names(places_of_vector), elements = c("plain", "odd"),
    stringsAsFactors = FALSE
  )
  lapply(seq_len(nrow(all)), function(i) as.list(all[i, ]))
}

places_of_vector <- list(
  variable = quote(x), temporary = quote(make()), element = quote(l$a),
  column = quote(df$v), list = quote(l), frame = quote(df)
)
with_vector <- function(call, place) {
  do.call(substitute, list(call, list(V = places_of_vector[[place]])))
}

label_of <- function(call, case) {
  sprintf("%s  [%s, %g long, %s, %s, %s elements]",
          paste(deparse(call, width.cutoff = 200), collapse = " "),
          case$type, case$n, case$attributes, case$place, case$elements)
}

# ---- a function --------------------------------------------------------------

try_case <- function(call, case) {
  pair <- pair_for(case)
  if (is.null(pair)) return(NULL)
  call <- with_vector(call, case$place)
  if (trace) tell(label_of(call, case))
  wrong <- try_call(call, pair)
  if (length(wrong)) {
    found <<- c(found, paste(label_of(call, case), wrong, sep = ": "))
  }
}

# Some functions take for n elements n * n times what they take for one: what is slow
# for few is not tried with many. Nor do all others wait for one function. And what
# refuses all types is in the short form only tried with what is more than its elements.
try_all <- function(calls, cases) {
  found <<- character()
  for (call in calls) try_everywhere(call, cases)
  found
}
try_everywhere <- function(call, cases) {
  longest <- 0
  values <- count[["values"]]
  enough <- processor_time() + if (form == "full") 60 else 0.3
  for (i in seq_along(cases)) {
    case <- cases[[i]]
    refuses <- i > 2 * length(types_tried) && count[["values"]] == values
    if (form == "short" && refuses && is_bare(case)) next
    if (processor_time() > enough || (case$n > 65 && longest > 0.02)) {
      count_one("slow")
      next
    }
    began <- processor_time()
    try_case(call, case)
    longest <- max(longest, (processor_time() - began) / 3) # evaluated thrice
  }
}
is_bare <- function(case) {
  case$attributes == "none" && !case$place %in% c("list", "frame")
}
processor_time <- function() sum(proc.time()[1:2])
found <- character()

one_line <- function(text) gsub("[\n\t\r]+", " ", text)

try_subject <- function(name, calls, cases) {
  tell(name)
  before <- count
  started <- processor_time()
  wrong <- try_all(calls, cases)
  took <- processor_time() - started
  line <- c(name, count - before, round(took, 2), length(wrong),
            one_line(head(wrong, 5)))
  writeLines(paste(line, collapse = "\t"), results)
  flush(results)
}

# ---- all ---------------------------------------------------------------------

is_table <- startsWith(subject, "expressions:")
cases <- if (form == "full") full_cases() else short_cases()
of_r <- subject %in% c("base", "stats", "utils")
optional <- if (form == "full") 6 else if (of_r) 1 else 0
if (is_table) {
  table <- expressions[[sub("expressions:", "", subject)]]
  names <- vapply(table, function(e) one_line(paste(deparse(e), collapse = " ")), "")
} else {
  names <- functions_of(subject)
}

sink(printed)
for (i in seq_along(names)) {
  if (i < first) next
  name <- names[i]
  if (is_table) {
    try_subject(name, table[i], cases)
    next
  }
  reason <- reason_to_leave_out(name)
  if (is.null(reason) && !length(formals_of(subject, name)) &&
      is.null(special_calls[[paste0(subject, "::", name)]]))
    reason <- "takes no argument"
  if (!is.null(reason)) {
    writeLines(paste(name, "left out", reason, sep = "\t"), results)
    next
  }
  try_subject(name, calls_of(subject, name, optional),
              cases_for(name, cases))
  if (trace) break
}
sink()
free_all()
tell("done")
unlink(Sys.getenv("DIFFERENTIAL_CHILD"))
