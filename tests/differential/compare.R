# One call on an ordinary vector and on one in shared memory: is there a difference?

# ---- what a call gives -------------------------------------------------------

# What a call prints. A connection that stays open costs less than one for each call.
printed <- file("")
drain <- function() {
  # A call may have left sinks of its own.
  while (sink.number() > 1) sink()
  readLines(printed, warn = FALSE)
}

said <- function(condition) {
  list(class(condition), without_addresses(message_of(condition)))
}
# What asks for a pointer to a list's elements refuses lists in words of its own, but
# from R 4.5 on R itself refuses the pointer before that.
refused_by_r <- function(plain, first) {
  plain$state == "error" && first$state == "error" &&
    grepl("^cannot take a writable DATAPTR of an ALTLIST", first$value[[2]])
}
# The tidyverse lays its messages out for a terminal, which takes longer than the call.
message_of <- function(condition) {
  if (!inherits(condition, "rlang_error")) return(conditionMessage(condition))
  paste(c(condition$message, if (is.character(condition$body)) condition$body),
        collapse = "\n")
}
without_addresses <- function(text) {
  gsub("<(pointer|environment)[^>]*>|0x[0-9a-f]+", "<address>", text)
}

seconds_allowed <- 2 # of the processor
is_timeout <- function(e) grepl("reached (elapsed|CPU) time limit", message_of(e))
is_memory <- function(e) grepl("cannot allocate", message_of(e))

evaluate <- function(call, scene) {
  heard <- list()
  note <- function(condition, restart) {
    if (length(heard) < 50) heard[[length(heard) + 1]] <<- said(condition)
    invokeRestart(restart)
  }
  state <- "value"
  set.seed(1)
  setTimeLimit(cpu = seconds_allowed, elapsed = 20 * seconds_allowed, transient = TRUE)
  value <- tryCatch(
    withCallingHandlers(
      eval(call, scene),
      warning = function(w) note(w, "muffleWarning"),
      message = function(m) note(m, "muffleMessage")
    ),
    error = function(e) {
      state <<- if (is_timeout(e)) "slow" else if (is_memory(e)) "memory" else "error"
      said(e)
    }
  )
  setTimeLimit()
  list(state = state, value = value, heard = heard, printed = drain())
}

# ---- are two results the same? -----------------------------------------------

identical_here <- function(a, b) {
  identical(a, b, num.eq = FALSE, ignore.bytecode = TRUE, ignore.srcref = TRUE)
}

# Environments and pointers are other ones each time; what is in them may be compared.
# The rest stays what it is.
settled <- function(x, depth = 0) {
  if (depth > 6) return("deeper")
  if (is.environment(x)) return(settled_environment(x, depth))
  if (typeof(x) == "externalptr") return("pointer")
  if (typeof(x) == "weakref") return("weak reference")
  if (typeof(x) == "closure") {
    return(list(formals(x), body(x), settled(environment(x), depth + 1)))
  }
  if (is.pairlist(x) && !is.null(x)) x <- as.list(x)
  if (!is.null(attributes(x)) && !isS4(x)) {
    own <- attributes(x)
    own <- settled_list(own[names(own) != "srcref"], depth + 1)
    x <- if (is.list(x)) unclass(x) else x
    return(list(settled_bare(x, depth), own[order(names(own))]))
  }
  settled_bare(x, depth)
}
settled_bare <- function(x, depth) {
  if (is.list(x)) return(settled_list(x, depth + 1))
  if (is.character(x)) return(without_addresses(x))
  if (is.call(x) || is.expression(x)) return(without_addresses(deparse(x)))
  attributes(x) <- NULL
  x
}
settled_list <- function(x, depth) {
  keep <- names(x)
  x <- lapply(seq_along(x), function(i) settled(.subset2(x, i), depth))
  names(x) <- keep
  x
}
settled_environment <- function(x, depth) {
  known <- isNamespace(x) || !is.null(attr(x, "name")) || nzchar(environmentName(x))
  if (known || depth > 2 || exists("make", x, inherits = FALSE)) return("environment")
  names <- sort(ls(x, all.names = TRUE))
  inside <- lapply(names, function(name) {
    tryCatch(settled(get(name, x), depth + 3), error = function(e) "error")
  })
  stats::setNames(inside, names)
}

same_result <- function(a, b) {
  if (identical_here(a, b)) return(TRUE)
  identical_here(settled(a), settled(b))
}

# ---- has anything changed that must not have? --------------------------------

# A function that changes its argument in place, as data.table's do, does so to an
# ordinary vector as well; what it must not touch is the segment and other views.
changes <- function(pair) {
  segment <- pair$segment
  apart <- vapply(places, function(place) {
    !identical(pair$plain[[place]], pair$shared[[place]],
               num.eq = FALSE, single.NA = FALSE) &&
      !same_result(pair$plain[[place]], pair$shared[[place]])
  }, NA)
  c(
    if (!identical(segment$bytes(), segment$before)) "the bytes in shared memory",
    if (!identical(segment$second, segment$values, num.eq = FALSE, single.NA = FALSE))
      "another view",
    places[apart]
  )
}

# ---- a call ------------------------------------------------------------------

# What is wrong, in words; character() if nothing is. Counts go to `count`.
try_call <- function(call, pair) {
  count_one("calls")
  plain <- evaluate(call, pair$plain)
  if (plain$state %in% c("slow", "memory")) {
    count_one(plain$state)
    forget_pair(pair)
    return(character())
  }
  first <- evaluate(call, pair$shared)
  wrong <- c(
    character(),
    if (!same_result(plain, first) && !refused_by_r(plain, first))
      described("another result", plain, first),
    altered(pair)
  )
  if (!length(wrong) && first$state == "value")
    wrong <- c(wrong, second_time(call, pair, first))
  if (first$state %in% c("slow", "memory")) {
    count_one(first$state)
    forget_pair(pair)
    return(character())
  }
  if (length(wrong) && !is_repeatable(call, pair, plain)) {
    count_one("unrepeatable")
    forget_pair(pair)
    return(character())
  }
  count_one(if (plain$state == "value") "values" else "refused")
  if (length(wrong)) free_all() else if (is_touched(pair)) forget_pair(pair)
  wrong
}

is_touched <- function(pair) {
  !identical(mget(places, pair$plain), pair$untouched, num.eq = FALSE)
}

altered <- function(pair) {
  changed <- tryCatch(changes(pair), error = function(e) {
    paste("cannot be used any more:", conditionMessage(e))
  })
  if (length(changed)) paste("changed:", toString(changed))
}

# A function that has changed its argument in place need not give the same again.
second_time <- function(call, pair, first) {
  again <- evaluate(call, pair$shared)
  if (again$state %in% c("slow", "memory")) return(NULL)
  if (!same_result(first, again)) {
    ordinary <- evaluate(call, pair$plain)
    if (!same_result(ordinary, again))
      return(described("another result the second time", ordinary, again))
  }
  altered(pair)
}

# On ordinary vectors that nothing has touched. What is not is nothing to measure by.
is_repeatable <- function(call, pair, plain) {
  untouched <- fresh_scene(pair)
  same_result(evaluate(call, untouched), evaluate(call, fresh_scene(pair))) &&
    same_result(evaluate(call, fresh_scene(pair)), plain)
}

described <- function(what, ordinary, shared) {
  sprintf("%s: ordinary %s, shared %s", what, in_short(ordinary), in_short(shared))
}
in_short <- function(result) {
  text <- paste(deparse(result$value, nlines = 3), collapse = " ")
  printed <- paste(result$printed, collapse = " ")
  paste0(result$state, " ", substr(text, 1, 160),
         if (nzchar(printed)) paste0(", printed ", substr(printed, 1, 80)),
         if (length(result$heard)) paste(", heard", length(result$heard)))
}

# ---- counts ------------------------------------------------------------------

count <- c(calls = 0, values = 0, refused = 0, slow = 0, memory = 0, unrepeatable = 0)
count_one <- function(what) count[[what]] <<- count[[what]] + 1
