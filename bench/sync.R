# Locks: in C, as another package calls them, beside what the system has; and from R,
# beside two .Calls that do nothing.

build_sync <- function(folder) {
  place <- file.path(tempdir(), "sync.c")
  file.copy(file.path(folder, "sync.c"), place, overwrite = TRUE)
  flags <- paste0("-I", shQuote(system.file("include", package = "sharedmemory")))
  old <- Sys.getenv(c("PKG_CPPFLAGS", "PKG_LIBS"), names = TRUE)
  Sys.setenv(PKG_CPPFLAGS = flags, PKG_LIBS = "-pthread")
  on.exit(do.call(Sys.setenv, as.list(old)))
  log <- system2(file.path(R.home("bin"), "R"),
                 c("CMD", "SHLIB", shQuote(place)), stdout = TRUE, stderr = TRUE)
  library <- sub("[.]c$", .Platform$dynlib.ext, place)
  if (!file.exists(library)) stop(paste(log, collapse = "\n"))
  dyn.load(library)
}

locks_of <- function(work, n) {
  force(work)
  function() .Call("locks_run", work, n)
}

sync_in_c <- function() {
  beside <- function(name, goal, ours, theirs, n, ...) {
    work(name, goal, locks_of(ours, n), locks_of(theirs, n), ...)
  }
  list(
    beside("lock + unlock in C, to two compare-and-swaps", 1.6, "lock_alone",
           "cas_twice", 200000L, rounds = 101),
    beside("the same, to a robust mutex", 1.1, "lock_alone", "mutex_alone", 200000L,
           rounds = 101),
    beside("a lock handed over 6 times, to a bare `futex`", 1.1, "lock_passed",
           "futex_passed", 500L, rounds = 41),
    beside("the same, each on a processor of its own", 1.1, "lock_passed_on_two",
           "futex_passed_on_two", 500L, rounds = 41),
    beside("the same, both on one processor", 1.1, "lock_passed_on_one",
           "futex_passed_on_one", 500L, rounds = 41),
    beside("8 processes on one lock, to a robust mutex", 1.3, "lock_crowd",
           "mutex_crowd", 20000L, rounds = 41),
    beside("a waiter has it after its holder is killed", 0.05, "lock_of_dead",
           "mutex_of_dead", 10L, "absolute", rounds = 5)
  )
}

sync_works <- function() {
  build_sync(here)
  n <- 10000L
  id <- allocateSharedMemory(16)
  mapSharedMemory(id)
  array <- sharedArray(id)
  lock <- asNamespace("sharedmemory")$C_lock
  unlock <- asNamespace("sharedmemory")$C_unlock
  one <- getNativeSymbolInfo("floor_call")
  each <- function(code) compiler::cmpfun(function() seconds(code(), n))
  calls <- each(function() for (i in seq_len(n)) {
    .Call(one, array)
    .Call(one, array)
  })
  held <- function(id) {
    each(function() for (i in seq_len(n)) withSharedLock(id, NULL))
  }
  works <- list(
    work("lock + unlock by .Call, to two empty .Calls", 1.7,
         each(function() for (i in seq_len(n)) {
           .Call(lock, array, Inf, FALSE)
           .Call(unlock, array)
         }), calls, rounds = 101),
    work("`withSharedLock(array, NULL)`", 1.5e-6, held(array), calls, "absolute"),
    work("`withSharedLock(id, NULL)`, mapped", 1.5e-6, held(id), calls, "absolute")
  )
  list(works = c(sync_in_c(), works), end = function() freeSharedMemory(id))
}
