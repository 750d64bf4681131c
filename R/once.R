#' Evaluate once, for all processes
#'
#' The first process that calls `shareOnce()` with a name evaluates `code` and shares
#' its value under this name, as [share()] does. All others wait for it and open it, as
#' [openShared()] does. Whoever comes later finds it at once.
#'
#' If `code` fails, or its process dies or is interrupted, the next one that waits
#' takes over. The error is that of its own process; the others do not see it. Nobody
#' ever sees a value that is not complete.
#'
#' While somebody evaluates, there is a small segment besides whose name begins with
#' `"once."`. If its process was killed and nobody took over, it stays until the next
#' call with this name has a value, or [reclaimSharedMemory()] with
#' `persistent = TRUE`.
#'
#' Within `code`, `shareOnce()` with the same name is the error `deadlock`.
#'
#' @param name A name, of at most 195 bytes; see [sharedmemory].
#' @param code What to evaluate, if nobody has. It is an argument like any other: what
#'   does not evaluate it costs nothing.
#' @param timeout How many seconds to wait for the others at most. Evaluating `code`
#'   takes as long as it takes.
#' @param lifetime Until when the value stays, as in [share()]. With `"object"`, when
#'   nobody uses it any more, the next one that comes evaluates `code` again.
#' @return The value of `code`, shared.
#' @section Errors:
#' `sharedmemory_error_timeout`; `_argument` if something else has the name; those of
#' [share()], and of `code`.
#' @seealso [share()], [openShared()], [withSharedLock()]
#' @examplesIf .Platform$OS.type == "unix" && Sys.info()[["sysname"]] == "Linux"
#' # in each of several workers: one of them reads the file
#' tables <- shareOnce("example-once", {
#'   message("this takes long")
#'   data.frame(x = rnorm(1e4))
#' })
#'
#' # somebody else has
#' same <- shareOnce("example-once", stop("not evaluated"))
#' identical(tables, same)
#' freeSharedMemory("example-once")
#' @export
shareOnce <- function(name, code, timeout = Inf,
                      lifetime = c("object", "process", "freed")) {
  call <- sys.call()
  check_timeout(timeout, call)
  end <- proc.time()[["elapsed"]] + timeout
  repeat {
    found <- find_shared(name)
    if (is.null(found$absent)) return(found$value)
    left <- max(0, end - proc.time()[["elapsed"]])
    found <- pass_gate(name_of_gate(found$absent, call), left, function() {
      found <- find_shared(name)
      if (is.null(found$absent)) found else list(value = share(code, name, lifetime))
    })
    if (!is.null(found)) return(found$value)
  }
}

check_timeout <- function(timeout, call) {
  good <- is.numeric(timeout) && length(timeout) == 1 && isTRUE(timeout >= 0)
  if (!good)
    throw_argument("share", "`timeout` must be a number of seconds, 0 or more, or Inf",
                   call = call)
}

name_of_gate <- function(id, call) {
  if (nchar(id, "bytes") > 195)
    throw_argument("share", "`name` has more than 195 bytes; shareOnce() needs 5 for ",
                   "a name of its own", call = call)
  paste0("once.", id)
}

# In a list, as the value may be NULL. If there is none, `absent` is the id that `name`
# stands for. A method for its class may make other text of it than openShared() and
# share() do, and then who waits for the same value would wait at another gate.
find_shared <- function(name) {
  tryCatch(list(value = openShared(name)),
           sharedmemory_error_not_found = function(e) list(absent = e$id))
}

# `code` in turn with others who pass this gate: a segment, of whose lock it is. Who
# passed removes it, so whoever has waited looks whether it is still the one that others
# find; if not, NULL: try again.
pass_gate <- function(name, timeout, code) {
  gate <- sharedArray(allocateSharedMemory(1, name), "raw")
  withSharedLock(gate, {
    if (is_current(gate, name)) tryCatch(code(), finally = freeSharedMemory(name))
  }, timeout, recovered = function() NULL)
}

is_current <- function(gate, name) {
  hasSharedMemory(name) && !is.na(sharedMemoryId(gate))
}
