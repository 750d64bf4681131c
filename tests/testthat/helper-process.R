# Other processes: R in a second session or in the background, as another user,
# with a small shared memory file system. Every wait has a deadline.

# Long enough for a loaded machine; nothing waits that long when all is well.
deadline <- 60

eventually <- function(condition, seconds = deadline) {
  end <- Sys.time() + seconds
  while (!condition()) {
    if (Sys.time() > end) return(FALSE)
    Sys.sleep(0.01)
  }
  TRUE
}

# A killed R leaves its temporary directory, so it gets one within ours.
child_environment <- function(namespace, extra = character()) {
  environment <- c(
    callr::rcmd_safe_env(),
    SHAREDMEMORY_NAMESPACE = namespace,
    TMPDIR = tempdir()
  )
  environment[names(extra)] <- extra
  environment
}

# ---- a session: a second R that does one thing after the other ---------------

local_session <- function(namespace = this_namespace(),
                          environment = character(), frame = parent.frame()) {
  skip_if_not_installed("callr")
  options <- callr::r_session_options(
    libpath = .libPaths(),
    env = child_environment(namespace, environment)
  )
  session <- callr::r_session$new(options, wait_timeout = deadline * 1000)
  withr::defer(end_session(session), frame)
  run_in(session, function() library(sharedmemory))
  session
}

# Ends it as R ends normally; FALSE if it had to be killed. close() would kill
# it at once, also when it has something to do at its end.
end_session <- function(session) {
  if (!session$is_alive()) return(TRUE)
  try(close(session$get_input_connection()), silent = TRUE)
  session$wait(deadline * 1000)
  ended <- !session$is_alive()
  session$kill()
  ended
}

kill_hard <- function(process) {
  tools::pskill(process$get_pid(), tools::SIGKILL)
  process$wait(deadline * 1000)
  expect_false(process$is_alive())
}

run_in <- function(session, fun, ...) {
  session$call(fun, list(...))
  answer_of(session)
}

answer_of <- function(session) {
  repeat {
    if (session$poll_process(deadline * 1000) == "timeout") {
      session$kill()
      stop("the other R has not answered within ", deadline, " seconds")
    }
    message <- session$read()
    if (is.null(message)) next
    if (!is.null(message$error)) stop(message$error)
    if (message$code == 200) return(message$result)
    if (message$code >= 500) stop("the other R has crashed: ", message$message)
  }
}

# ---- in the background -------------------------------------------------------

start_r <- function(fun, ..., namespace = this_namespace(),
                    environment = character(), frame = parent.frame()) {
  skip_if_not_installed("callr")
  log <- tempfile("log")
  process <- callr::r_bg(
    fun, list(...),
    libpath = .libPaths(), stdout = log, stderr = "2>&1",
    env = child_environment(namespace, environment)
  )
  withr::defer(
    {
      process$kill()
      unlink(log)
    },
    frame
  )
  process
}

result_of <- function(process) {
  process$wait(deadline * 1000)
  if (process$is_alive()) {
    process$kill()
    stop("the other R has not ended within ", deadline, " seconds")
  }
  process$get_result()
}

# A file by which a background process says that it has got somewhere.
local_flag <- function(frame = parent.frame()) {
  flag <- tempfile("flag")
  withr::defer(unlink(flag), frame)
  flag
}

wait_for_file <- function(file) {
  expect_true(eventually(function() file.exists(file)), label = "came so far")
}

# ---- interrupted ---------------------------------------------------------------

# `work` in another R, which is interrupted when `ready` says that it has begun.
# `after` looks around there before anything else happens.
interrupt_in <- function(work, ..., ready, after = function() NULL) {
  process <- start_r(function(work, args, after) {
    library(sharedmemory)
    environment(work) <- globalenv()
    environment(after) <- globalenv()
    answer <- tryCatch(
      {
        do.call(work, args)
        "finished"
      },
      interrupt = function(e) "interrupted",
      error = function(e) class(e)[1]
    )
    seen <- after()
    # R goes on, and the package too.
    left <- listSharedObjects()$Id
    id <- allocateSharedMemory(10)
    goes_on <- hasSharedMemory(id)
    freeSharedMemory(id)
    list(answer = answer, seen = seen, left = left, goes_on = goes_on)
  }, work, list(...), after)
  expect_true(eventually(function() ready() || !process$is_alive()))
  process$interrupt()
  result_of(process)
}

expect_interrupted <- function(answer, left = character()) {
  expect_identical(answer$answer, "interrupted")
  expect_identical(answer$left, left)
  expect_true(answer$goes_on)
}

# ---- through another command -------------------------------------------------

# The function and its result go through pipes, as another user may read nothing
# of ours.
run_through <- function(command, arguments, fun, args, environment) {
  task <- rapply(list(fun, args), without_surroundings, "function", how = "replace")
  text <- c(
    "task <- unserialize(charToRaw(paste0(",
    paste0(
      "  ", encode(serialize(task, NULL, ascii = TRUE)),
      collapse = ",\n"
    ),
    ")))",
    "suppressPackageStartupMessages(library(sharedmemory))",
    "result <- do.call(task[[1]], task[[2]])",
    "cat('\\nRESULT\\n')",
    "cat(rawToChar(serialize(result, NULL, ascii = TRUE)))"
  )
  input <- tempfile("input")
  errors <- tempfile("errors")
  on.exit(unlink(c(input, errors)))
  writeLines(text, input)
  r <- file.path(R.home("bin"), "R")
  set <- paste0(names(environment), "=", environment)
  output <- suppressWarnings(system2(
    command,
    c(
      arguments, "env", shQuote(set), shQuote(r), "--vanilla", "--slave",
      "--file=-"
    ),
    stdin = input, stdout = TRUE, stderr = errors, timeout = deadline
  ))
  at <- match("RESULT", output)
  if (is.na(at)) {
    stop(
      "the other R has not come to its end (status ", attr(output, "status"), "): ",
      paste(c(output, readLines(errors)), collapse = "\n")
    )
  }
  unserialize(charToRaw(paste0(output[-seq_len(at)], "\n", collapse = "")))
}

# The source text comes with that of the whole file, the environment with all helpers
# and what they keep: half a minute for R to read.
without_surroundings <- function(fun) {
  environment(fun) <- globalenv()
  utils::removeSource(fun)
}

# R reads no very long lines, so one string literal per line.
encode <- function(bytes) {
  lines <- strsplit(rawToChar(bytes), "\n", fixed = TRUE)[[1]]
  vapply(
    paste0(lines, "\n"), deparse, "",
    width.cutoff = 500, USE.NAMES = FALSE
  )
}

outer_environment <- function(namespace) {
  c(
    R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep),
    SHAREDMEMORY_NAMESPACE = namespace
  )
}

as_other_user <- function(fun, ..., namespace = this_namespace()) {
  # Ours it may not enter. R cleans up there when it ends.
  run_through(
    "setpriv", c("--reuid=65534", "--regid=65534", "--clear-groups"),
    fun, list(...),
    c(outer_environment(namespace), TMPDIR = "/tmp")
  )
}

# `fun` in a mount namespace where /dev/shm is a fresh tmpfs of this size, and in a
# control group, if one is given.
in_small_shm <- function(fun, ..., size = "1m", environment = character(),
                         group = NULL) {
  mount <- sprintf(
    "mount -t tmpfs -o size=%s tmpfs /dev/shm && exec \"$@\"", size
  )
  if (!is.null(group)) mount <- sprintf("echo $$ > %s/cgroup.procs && %s", group, mount)
  run_through(
    "unshare", c(unshare_arguments(), "sh", "-c", shQuote(mount), "sh"),
    fun, list(...),
    c(outer_environment(this_namespace()), TMPDIR = tempdir(), environment)
  )
}
