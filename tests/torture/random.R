# Random and mutated arguments for every exported function:
#
#   Rscript random.R SEED COUNT [trace]
#
# Each call has to end in an error of this package or of R's own, or in the right
# answer, and nothing may be left in shared memory that was not asked for. With
# `trace` each call is printed before it is made, the last one being that of a
# crash. To be run where /dev/shm is small and its own, see run.
library(sharedmemory)

arguments <- commandArgs(TRUE)
seed <- as.integer(arguments[1])
count <- as.integer(arguments[2])
trace <- length(arguments) > 2
set.seed(seed)
options(warn = 1, digits = 15)
space <- Sys.getenv("SHAREDMEMORY_NAMESPACE")
exported <- grep("^[.]__", getNamespaceExports("sharedmemory"), value = TRUE,
                 invert = TRUE) # without the tables of methods
one_of <- function(x) x[[sample.int(length(x), 1)]]
chance <- function(p) runif(1) < p

# ---- what is there ------------------------------------------------------------

content <- list() # by id: the bytes of each segment that stands throughout
standing <- c("a", "caf\u00e9", "b c", strrep("n", 200))

stand <- function() {
  missing <- setdiff(standing, objects())
  for (id in missing) {
    bytes <- as.raw(sample.int(256, sample.int(9000, 1), TRUE) - 1L)
    allocateSharedMemory(length(bytes), id)
    writeSharedMemory(id, bytes)
    content[[id]] <<- bytes
  }
}

objects <- function() {
  prefix <- paste0("smem.", space, ".")
  files <- list.files("/dev/shm", all.files = TRUE, no.. = TRUE)
  Encoding(files) <- "UTF-8"
  substring(files[startsWith(files, prefix)], nchar(prefix) + 1)
}

# ---- values ---------------------------------------------------------------------

misbehave <- function(...) {
  stop(structure(class = c("misbehaviour", "error", "condition"),
                 list(message = "a method that misbehaves", call = NULL)))
}
for (generic in c("length", "[", "[[", "as.character", "as.vector", "format",
                  "print", "is.na", "xtfrm", "rep", "c", "levels", "dim",
                  "names", "as.double", "Ops", "Math", "Summary", "unique"))
  registerS3method(generic, "evil", misbehave, envir = baseenv())
registerS3method("length", "liar", function(x) 1e6, envir = baseenv())
registerS3method("as.character", "liar", function(x, ...) 1:3, envir = baseenv())
methods::setClass("Holder", representation(x = "ANY"))
methods::setClass("Text", contains = "character")

deep <- function(n) {
  x <- list()
  for (i in seq_len(n)) x <- list(x)
  x
}
marked <- function(text, encoding) {
  Encoding(text) <- encoding
  text
}

odd <- list(
  function() NULL, function() NA, function() NA_character_, function() NA_real_,
  function() NA_integer_, function() NaN, function() Inf, function() -Inf,
  function() -0, function() -1, function() -1L, function() 0.5, function() 2^31,
  function() 2^31 - 1, function() 2^53, function() 2^53 + 2, function() -2^53,
  function() 2^63, function() 2^64, function() 1e308, function() 5e-324,
  function() .Machine$integer.max, function() TRUE, function() FALSE,
  function() "", function() character(), function() numeric(),
  function() integer(), function() logical(), function() raw(),
  function() list(), function() as.raw(0:255), function() 1i,
  function() quote(x), function() quote(f(x)), function() y ~ x,
  function() expression(a, b), function() pairlist(a = 1),
  function() globalenv(), function() emptyenv(), function() new.env(),
  function() sum, function() function(x) x,
  function() methods::new("externalptr"), function() methods::new("Holder"),
  function() methods::new("Text", "a"), function() deep(2000),
  function() list("a", 1), function() list(a = list("a")),
  function() structure(1, class = "integer64"),
  function() structure(c(5e-324, NA), class = "integer64"),
  function() factor(c("a", "b c")), function() factor(NA),
  function() structure(7L, class = "factor", levels = "a"),
  function() structure(1L, class = "factor"),
  function() structure("a", class = "evil"),
  function() structure(1, class = "evil"),
  function() structure(list("a"), class = "evil"),
  function() structure("a", class = "liar"),
  function() structure(c("a", "b c"), dim = c(1L, 2L)),
  function() structure("a", names = "b"), function() Sys.time(),
  function() as.POSIXlt(Sys.time(), tz = "UTC"), function() data.frame(a = 1:2),
  function() 1:10, function() as.character(1:10), function() rev(1:3),
  function() sort(c(3, 1, 2)), function() seq(1, 1000, by = 1),
  function() strrep("x", 201), function() strrep("\u00e9", 101),
  function() strrep("y", 1e5), function() "a/b", function() "/", function() "..",
  function() ".", function() "/../etc/passwd", function() "//a",
  function() "a\nb", function() "\t", function() "\u0085", function() "\u202e",
  function() "\U0001F600", function() "%s%n%p", function() "9007199254740993",
  function() "042", function() marked("caf\xe9", "latin1"),
  function() marked("caf\xe9", "UTF-8"), function() marked("caf\xe9", "bytes"),
  function() marked("caf\xe9", "unknown"),
  function() viewSharedMemory("a", "raw", live = TRUE),
  function() viewSharedMemory("a", "integer", live = TRUE),
  function() viewSharedMemory("a", "double", live = TRUE, length = 1),
  function() mapSharedMemory("a", TRUE), function() sharedArray("a", "uint8"),
  function() paste0("/smem.", space, ".a"),
  function() paste0("/smem-control.", space)
)
odd_value <- function() one_of(odd)()

mutate <- function(x) {
  if (typeof(x) %in% c("externalptr", "environment")) return(x) # unclass() refuses them
  n <- length(unclass(x))
  tryCatch(
    switch(
      sample.int(14, 1),
      rep(x, sample.int(4, 1)), x[0], c(x, x[1], NA), c(x, odd_value()),
      as.character(x), as.list(x), factor(x), as.integer(x), as.double(x),
      structure(x, class = one_of(c("evil", "liar", "integer64", "factor", "Date",
                                    "POSIXct", "data.frame"))),
      structure(x, dim = c(1L, n)), structure(x, names = rep("n", n)),
      if (is.character(x)) corrupt(x) else x * one_of(c(-1, 0.5, 2^20, 2^40)),
      rep_len(x, sample.int(300, 1))
    ),
    error = function(e) x, warning = function(w) x
  )
}

# Bytes of a text changed, left out or put in.
corrupt <- function(x) {
  bytes <- charToRaw(x[1])
  at <- sample.int(length(bytes) + 1, 1)
  new <- as.raw(sample.int(255, 1))
  text <- rawToChar(append(bytes[-min(at, length(bytes))], new, at - 1))
  marked(text, one_of(c("UTF-8", "latin1", "bytes", "unknown")))
}

# ---- good arguments --------------------------------------------------------------

an_id <- function() one_of(c(standing, "absent", "12345678"))
ids <- function() if (chance(0.8)) an_id() else
  replicate(sample.int(4, 1), an_id())
flag <- function() chance(0.5)
a_type <- function() one_of(c("raw", "logical", "integer", "double", "complex",
                              "uint8", "int64", "float32", "bool8"))
a_vector <- function() one_of(list(raw(3), 1:5, c(1.5, NA), c(TRUE, NA), 1i,
                                   as.raw(1:200), as.double(1:2000)))
a_length <- function() one_of(c(0, 1, 10, 100, 1000))
good <- list(
  size = function() sample.int(one_of(c(10, 5000, 1e6)), one_of(c(1, 1, 1, 3)), TRUE),
  name = function() one_of(list("", "new", c("", "new", ""), ids())),
  lifetime = function() one_of(list("freed", "process", c("freed", "process"))),
  exclusive = flag, readonly = flag, live = flag, mappedBy = flag, dryRun = flag,
  persistent = function() FALSE, id = ids, type = a_type,
  n = a_length, length = a_length, dim = function() one_of(list(NULL, 3, c(2, 5))),
  offset = function() one_of(c(0, 8, 16, 100, 160)),
  end = function() one_of(list(NULL, 5, "5", 1e9)),
  start = function() one_of(list(NULL, 0, "1")), x = a_vector,
  code = function() 1, ... = function() "freed",
  .local_envir = function() new.env()
)

argument <- function(name) {
  value <- if (is.null(good[[name]])) odd_value() else good[[name]]()
  if (chance(0.45)) value else if (chance(0.5)) mutate(value) else odd_value()
}

# Values that evaluate to something only in the function: errors, and calls of
# this package in the midst of a call of this package.
lazy <- list(
  quote(misbehave()), quote(freeSharedMemory("a")),
  quote({ freeSharedMemory("b c"); "b c" }), quote(viewSharedMemory("a", live = TRUE)),
  quote({ gc(); "a" }), quote(unmapSharedMemory("a"))
)

random_call <- function() {
  name <- one_of(exported)
  formal <- setdiff(names(formals(getExportedValue("sharedmemory", name))), "...")
  # The frame of the caller is the default, and that is this program.
  formal <- formal[formal == ".local_envir" | runif(length(formal)) > 0.12]
  arguments <- lapply(stats::setNames(nm = formal), function(f)
    if (chance(0.01)) structure(list(one_of(lazy)), class = "lazy")
    else list(argument(f)))
  if (chance(0.02)) arguments <- c(arguments, list(zzz = list(odd_value())))
  list(name = name, arguments = arguments,
       lazy = any(vapply(arguments, inherits, NA, "lazy")))
}

make_call <- function(call) {
  values <- lapply(call$arguments, function(a)
    if (inherits(a, "lazy")) a[[1]] else call("quote", a[[1]]))
  eval(as.call(c(list(as.name(call$name)), values)))
}

# ---- outcomes --------------------------------------------------------------------

kinds <- c("argument", "not_found", "exists", "too_small", "replaced", "no_space",
           "no_memory", "too_many_maps", "too_many_files", "busy", "corrupt",
           "permission", "control", "unsupported", "bounds", "elsewhere",
           "sealed", "unsealed", "timeout", "deadlock", "not_held", "broken",
           "system")
own_errors <- paste(
  "unused argument", "is missing, with no default", "cannot allocate",
  "nested too deeply", "C stack usage", "matched by multiple",
  "matches multiple formal", sep = "|"
)

outcome_of_error <- function(e) {
  if (inherits(e, "sharedmemory_error")) {
    kind <- sub("sharedmemory_error_", "", class(e)[1])
    good <- kind %in% kinds && is.character(e$message) && nzchar(e$message) &&
      validUTF8(e$message) && length(e$id) == 1 && is.character(e$id) &&
      is.character(e$op) && length(e$op) == 1
    return(if (good) "refused" else "an error that lacks something")
  }
  if (inherits(e, "misbehaviour") || inherits(e, "expectation_failure") ||
      grepl(own_errors, conditionMessage(e)))
    return("R's own error")
  paste("error of another class:", conditionMessage(e))
}

attempt <- function(call) {
  warned <- NULL
  value <- NULL
  outcome <- tryCatch(
    withCallingHandlers({
      value <- withVisible(make_call(call))$value
      "answered"
    }, warning = function(w) {
      warned <<- conditionMessage(w)
      tryInvokeRestart("muffleWarning")
    }),
    error = outcome_of_error
  )
  if (!is.null(warned)) outcome <- paste("warning:", warned)
  list(outcome = outcome, value = value)
}

# ---- right answers ---------------------------------------------------------------

# The ids that an argument means, whatever its class says.
canonical <- function(x) {
  if (inherits(x, "factor")) {
    text <- attr(x, "levels")[as.integer(unclass(x))]
    return(enc2utf8(text))
  }
  x <- as.vector(unclass(x))
  enc2utf8(if (is.numeric(x)) sprintf("%.0f", x + 0) else as.character(x)) # not "-0"
}

is_there <- function(id, before) {
  raw <- startsWith(id, "/")
  ifelse(raw, file.exists(paste0("/dev/shm", id)), id %in% before)
}

bytes_of <- function(x) {
  attributes(x) <- NULL
  if (is.raw(x)) x[] else writeBin(x, raw())
}

plain <- function(x, otherwise) {
  if (is.null(x)) return(otherwise)
  attributes(x) <- NULL
  x
}

same_bytes <- function(value, id, type, offset, n) {
  offset <- plain(offset, 0)
  known <- content[[id]]
  bytes <- bytes_of(value)
  end <- min(offset + length(bytes), length(known))
  if (typeof(value) != type || (!is.null(n) && length(value) != n)) return(FALSE)
  expected <- known[seq_len(max(end - offset, 0)) + offset]
  # What is neither FALSE nor NA is read as TRUE.
  if (type == "logical") {
    whole <- length(expected) %/% 4
    codes <- readBin(expected, "integer", whole)
    return(identical(value[seq_len(whole)], as.logical(codes)))
  }
  identical(bytes[seq_along(expected)], expected)
}

# Of each function: is this the right value? The others have none worth checking.
right <- list(
  allocateSharedMemory = function(value, a, before)
    is.character(value) && !anyNA(value) && all(value %in% objects()) &&
      length(value) >= length(unclass(a$size)) * (length(unclass(a$name)) > 0),
  hasSharedMemory = function(value, a, before)
    identical(value, unname(is_there(canonical(a$id), before))) ||
      any(startsWith(canonical(a$id), "/")),
  getSharedMemorySize = function(value, a, before)
    is.double(value) && length(value) == length(canonical(a$id)) &&
      all(value >= 1 | startsWith(canonical(a$id), "/")),
  mapSharedMemory = function(value, a, before)
    if (length(canonical(a$id)) == 1) typeof(value) == "externalptr"
    else length(value) == length(canonical(a$id)),
  readSharedMemory = function(value, a, before)
    !canonical(a$id) %in% standing ||
      same_bytes(value, canonical(a$id), plain(a$type, "double"), a$offset,
                 plain(a$length, NULL)),
  viewSharedMemory = function(value, a, before)
    !canonical(a$id) %in% standing ||
      same_bytes(value, canonical(a$id), plain(a$type, "double"), a$offset,
                 plain(a$length, NULL)),
  sharedArray = function(value, a, before)
    !canonical(a$id) %in% standing ||
      !plain(a$type, "double") %in% c("raw", "double") ||
      same_bytes(value[], canonical(a$id), plain(a$type, "double"), a$offset, NULL),
  writeSharedMemory = function(value, a, before) {
    at <- plain(a$offset, 0)
    id <- canonical(a$id)
    # a view has changed with what it shows
    !id %in% standing || length(unclass(a$x)) == 0 || !is.na(sharedMemoryId(a$x)) ||
      identical(
      readSharedMemory(id, "raw", length(bytes_of(a$x)), at), bytes_of(a$x))
  },
  sharedMemoryId = function(value, a, before)
    is.character(value) && length(value) == 1,
  is.shared = function(value, a, before) is.logical(value),
  listSharedObjects = function(value, a, before)
    is.data.frame(value) && all(value$Id %in% before),
  reclaimSharedMemory = function(value, a, before)
    is.data.frame(value) && !any(value$removed),
  inspectSharedMemory = function(value, a, before)
    inherits(value, "sharedmemory_inspection"),
  sharedMemorySavings = function(value, a, before)
    is.data.frame(value) && all(value$Id %in% before),
  sharedMemoryStatus = function(value, a, before)
    inherits(value, "sharedmemory_status"),
  getLastIndex = function(value, a, before) is.numeric(value) && value >= 0,
  local_shared_memory = function(value, a, before) is.character(value)
)

judge_answer <- function(call, value, before) {
  check <- right[[call$name]]
  if (call$lazy || is.null(check)) return("answered")
  values <- lapply(call$arguments, `[[`, 1)
  good <- tryCatch(isTRUE(check(value, values, before)), error = function(e) {
    if (!inherits(e, "misbehaviour")) return(conditionMessage(e))
    TRUE
  })
  if (isTRUE(good)) return("answered")
  paste("wrong answer", if (is.character(good)) good)
}

# What may have changed: allocate returns what it made, free takes what it was
# told. Anything else is a segment left or lost.
judge_rest <- function(call, result, before) {
  now <- objects()
  made <- setdiff(now, before)
  gone <- setdiff(before, now)
  answered <- result$outcome == "answered"
  may_make <- call$name %in% c("allocateSharedMemory", "local_shared_memory")
  told <- if (may_make && answered) enc2utf8(result$value)
  # An object's segment is found by what is in the object.
  if (call$name %in% c("share", "shareOnce") && answered) told <- made
  if (call$name %in% c("sharedSemaphore", "sharedEvent", "sharedBarrier") && answered)
    told <- canonical(call$arguments$id[[1]])
  if (call$lazy) gone <- setdiff(gone, c("a", "b c"))
  if (call$name == "freeSharedMemory" && answered && !call$lazy)
    gone <- setdiff(gone, sub(paste0("^/smem.", space, "."), "",
                              canonical(call$arguments$id[[1]])))
  if (length(setdiff(made, told)) > 0)
    return(paste("left behind:", toString(setdiff(made, told))))
  if (length(gone) > 0) return(paste("lost:", toString(gone)))
  NULL
}

# ---- the loop --------------------------------------------------------------------

describe <- function(call) {
  text <- utils::capture.output(utils::str(
    lapply(call$arguments, function(a) unclass(a)[[1]]), max.level = 2,
    vec.len = 3, give.attr = TRUE, nchar.max = 80))
  paste(c(call$name, utils::head(text, 40)), collapse = "\n  ")
}

tidy_up <- function(call) {
  # A lock that is held keeps its segment mapped, also one that is gone.
  if (call$name == "lockSharedMemory")
    for (id in standing) tryCatch(unlockSharedMemory(id), error = function(e) NULL)
  extra <- setdiff(objects(), standing)
  if (call$lazy) extra <- c(extra, "a", "b c") # they may be others by now
  if (length(extra)) freeSharedMemory(extra)
  if (call$name == "writeSharedMemory")
    for (id in intersect(standing, objects()))
      tryCatch(writeSharedMemory(id, content[[id]]),
               sharedmemory_error_sealed = function(e) NULL)
  # Sealed ones have to be there too, but not for long.
  sealed <- with(listSharedObjects(), Id[sealed %in% TRUE])
  if (chance(0.2)) freeSharedMemory(intersect(sealed, standing))
  for (id in standing) while (TRUE) {
    unmapSharedMemory(id)
    if (chance(0.5)) break
  }
  stand()
}

tally <- c(answered = 0L, refused = 0L, "R's own error" = 0L)
failures <- 0L
failed <- function(i, call, why) {
  failures <<- failures + 1L
  if (failures > 20) return(invisible())
  cat(sprintf("call %d of seed %d: %s\n  ", i, seed, why))
  cat(tryCatch(describe(call), error = function(e) call$name), "\n")
}

stand()
for (i in seq_len(count)) {
  call <- random_call()
  if (trace) cat(i, tryCatch(describe(call), error = function(e) call$name), "\n")
  if (chance(0.01)) options(sharedmemory.trace = odd_value())
  if (chance(0.01)) options(sharedmemory.trace = NULL)
  before <- objects()
  result <- attempt(call)
  outcome <- result$outcome
  if (outcome == "answered") outcome <- judge_answer(call, result$value, before)
  left <- judge_rest(call, result, before)
  if (outcome %in% names(tally)) tally[outcome] <- tally[outcome] + 1L
  else failed(i, call, outcome)
  if (!is.null(left)) failed(i, call, left)
  result <- NULL
  tidy_up(call)
}

for (id in standing) freeSharedMemory(id)
unmapSharedMemory(standing)
options(sharedmemory.trace = NULL) # it may be an array, and then the last value
call <- NULL # its arguments may be views
invisible(gc())
maps <- grep("/smem[.]", readLines("/proc/self/maps"), value = TRUE)
if (length(maps)) failed(count, list(name = "at the end"), maps[1])
if (length(objects()) > 0)
  failed(count, list(name = "at the end"), toString(objects()))
cat(sprintf("random: %d calls, %d answered, %d refused, %d R's own errors, %d wrong\n",
            count, tally[1], tally[2], tally[3], failures))
quit(status = as.integer(failures > 0))
