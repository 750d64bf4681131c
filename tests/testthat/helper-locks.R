# Others who hold locks, permits and places.

# A session that holds the lock of `id`.
local_holder <- function(id, shared = FALSE, frame = parent.frame()) {
  session <- local_session(frame = frame)
  run_in(session, function(id, shared) {
    lockSharedMemory(id, shared = shared)
  }, id, shared)
  session
}

# The value of `code`, and the deaths that it was told of.
deaths_in <- function(code) {
  deaths <- list()
  value <- withCallingHandlers(code, sharedmemory_owner_died = function(w) {
    deaths <<- c(deaths, list(w))
    invokeRestart("muffleWarning")
  })
  list(value = value, deaths = deaths)
}

# How many wait for it now.
count_waiting <- function(id) {
  listed <- listSharedObjects()
  listed$waiting[match(id, listed$Id)]
}

wait_until_waiting <- function(id, count = 1) {
  waiting <- function() isTRUE(count_waiting(id) >= count)
  expect_true(eventually(waiting), label = paste(count, "waiting"))
}

stop_hard <- function(session) {
  tools::pskill(session$get_pid(), tools::SIGSTOP)
  wait_until_stopped(session)
}

continue <- function(session) tools::pskill(session$get_pid(), tools::SIGCONT)

members_of <- function(x) utils::.DollarNames(x, "")
