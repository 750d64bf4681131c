# Owners that die, namespaces of pids, and what is printed.

states <- function(...) {
  listed <- listSharedObjects(...)
  stats::setNames(listed$state, listed$Id)
}

fates <- function(...) {
  result <- reclaimSharedMemory(...)
  stats::setNames(result$removed, result$Id)
}

# What `fun` allocates has a dead owner when this returns.
allocate_and_die <- function(fun, ..., namespace = this_namespace(),
                             environment = character(), frame = parent.frame()) {
  session <- local_session(namespace, environment, frame)
  result <- run_in(session, fun, ...)
  kill_hard(session)
  result
}

# ---- a namespace of pids that shares /dev/shm --------------------------------

pid_space_arguments <- function() {
  c(if (!is_root()) "-r", "-p", "-f", "--mount-proc")
}

skip_if_no_pid_space <- function() {
  skip_if_not_linux()
  skip_if_not(has_tool("unshare"), "no unshare")
  allowed <- once("pid space", {
    status <- suppressWarnings(system2(
      "unshare", c(pid_space_arguments(), "true"),
      stdout = FALSE, stderr = FALSE, timeout = 30
    ))
    status == 0
  })
  skip_if_not(allowed, "no pid namespace of our own allowed")
}

# The first process there is a shell, which buries the dead.
in_pid_space <- function(fun, ..., namespace = this_namespace()) {
  shell <- c("sh", "-c", shQuote("\"$@\"; exit $?"), "sh")
  run_through(
    "unshare", c(pid_space_arguments(), shell), fun, list(...),
    c(outer_environment(namespace), TMPDIR = tempdir())
  )
}

# ---- processes that stop where they are told -------------------------------------

process_state <- function(pid) {
  file <- file.path("/proc", pid, "stat")
  line <- tryCatch(readLines(file), error = function(e) "", warning = function(w) "")
  sub("^.*[)] (.).*$", "\\1", line)
}

wait_until_stopped <- function(session) {
  stopped <- function() process_state(session$get_pid()) == "T"
  expect_true(eventually(stopped), label = "stopped")
}

go_on <- function(session) {
  tools::pskill(session$get_pid(), tools::SIGCONT)
  answer_of(session)
}

local_stoppable <- function(namespace = this_namespace(), frame = parent.frame()) {
  skip_if_not_linux()
  local_session(namespace, c(LD_PRELOAD = native_library("stop")), frame)
}

# Start allocating, and be stopped, or killed, at this system call.
allocate_until <- function(session, call, name, signal = tools::SIGSTOP) {
  run_in(session, function() initialSharedObjectPackageData())
  session$call(function(call, name, signal) {
    Sys.setenv(SIGNAL_AT = call, SIGNAL_NUMBER = signal)
    allocateSharedMemory(10, name)
  }, list(call, name, signal))
}

# A session in the middle of allocating "slow".
local_stopped_creator <- function(namespace = this_namespace(), call = "pwrite",
                                  signal = tools::SIGSTOP,
                                  frame = parent.frame()) {
  session <- local_stoppable(namespace, frame)
  allocate_until(session, call, "slow", signal)
  if (signal == tools::SIGSTOP) {
    wait_until_stopped(session)
  } else {
    session$wait(deadline * 1000)
  }
  session
}

# A session that has stopped in `fun` before the call opendir() or unlink().
local_halted <- function(call, fun, namespace = this_namespace(),
                         frame = parent.frame()) {
  skip_if_not_linux()
  preload <- c(LD_PRELOAD = native_library("halt"))
  session <- local_session(namespace, preload, frame)
  session$call(function(call, fun) {
    Sys.setenv(HALT_AT = call)
    fun()
  }, list(call, fun))
  wait_until_stopped(session)
  session
}

# ---- things in the way -----------------------------------------------------------

plant_incomplete <- function(id, namespace = this_namespace()) {
  file <- segment_file(id, namespace)
  file.create(file)
  Sys.chmod(file, "0000", use_umask = FALSE)
}

plant_damaged <- function() {
  writeLines("no segment", segment_file("text"))
  writeBin(raw(4096), segment_file("zero"))
  dir.create(segment_file("directory"))
  file.symlink("/dev/null", segment_file("link"))
  allocateSharedMemory(10, "bitflip")
  change_byte(segment_file("bitflip"), 4095)
}

damaged_ids <- c("bitflip", "directory", "link", "text", "zero")

remove_damaged <- function() {
  unlink(segment_file("directory"), recursive = TRUE)
  freeSharedMemory(setdiff(damaged_ids, "directory"))
}

give_to_other_user <- function(id, namespace = this_namespace()) {
  system2("chown", c("65534:65534", shQuote(segment_file(id, namespace))))
}

# ---- what is printed -----------------------------------------------------------------

printed <- function(x, ...) utils::capture.output(print(x, ...))

expect_fits <- function(x, ..., info = NULL) {
  lines <- printed(x, ...)
  too_long <- lines[nchar(lines, "width") > 80]
  expect_identical(too_long, character(), info = info)
  invisible(lines)
}

draw <- function(x, device = function() grDevices::pdf(NULL), ...) {
  device()
  on.exit(grDevices::dev.off())
  before <- graphics::par("mar", "mfrow", "xpd")
  plot(x, ...)
  expect_identical(graphics::par("mar", "mfrow", "xpd"), before)
}
