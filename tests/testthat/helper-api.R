# The C interface for other packages: native/api.c, which calls each of its functions
# as it is told, and the example packages.

api_functions <- list(
  allocate = function(bytes = 100, name = NULL, lifetime = 0, exclusive = 0) {
    .Call("api_allocate", bytes, name, lifetime, exclusive)
  },
  open = function(id, readonly = 1) .Call("api_open", id, readonly),
  close = function(handle) .Call("api_close", handle),
  sizes = function(handle) .Call("api_sizes", handle),
  peek = function(handle, count) .Call("api_peek", handle, count),
  poke = function(handle, bytes) .Call("api_poke", handle, bytes),
  free = function(id) .Call("api_free", id),
  exists = function(id) .Call("api_exists", id),
  extent = function(id) .Call("api_extent", id),
  inspect = function(id) .Call("api_inspect", id),
  last_index = function() .Call("api_last_index"),
  write = function(id, bytes, offset = 0, length = base::length(bytes)) {
    .Call("api_write", id, offset, bytes, length)
  },
  seal = function(id) .Call("api_seal", id),
  view = function(handle, type = 0, offset = 0, length = 1, live = 0) {
    .Call("api_view", handle, type, offset, length, live)
  },
  latch_open = function(id) .Call("api_latch_open", id),
  lock = function(latch, shared = 0, timeout = 0) {
    .Call("api_lock", latch, shared, timeout)
  },
  unlock = function(latch) .Call("api_unlock", latch),
  lock_repaired = function(latch) .Call("api_lock_repaired", latch),
  latch_close = function(latch) .Call("api_latch_close", latch),
  semaphore = function(id, n = 0) .Call("api_sync_open", 1, id, n),
  event = function(id, n = 1) .Call("api_sync_open", 2, id, n),
  barrier = function(id, n = 0) .Call("api_sync_open", 3, id, n),
  acquire = function(sync, timeout = 0) .Call("api_acquire", sync, timeout),
  release = function(sync) .Call("api_release", sync),
  permits = function(sync) .Call("api_permits", sync),
  event_wait = function(sync, timeout = 0) .Call("api_event_wait", sync, timeout),
  event_set = function(sync, set = TRUE) .Call("api_event_set", sync, set),
  barrier_wait = function(sync, timeout = 0) .Call("api_barrier_wait", sync, timeout),
  sync_close = function(sync) .Call("api_sync_close", sync),
  error_kind = function(code) .Call("api_error_kind", code)
)
api <- lapply(api_functions, function(fun) {
  fun <- utils::removeSource(fun)
  environment(fun) <- globalenv()
  fun
})

# In this process, and in sessions as a list `api`.
use_api <- function(...) {
  built <- native_library("api")
  if (is.null(known[["api loaded"]])) {
    dyn.load(built)
    known[["api loaded"]] <- TRUE
  }
  for (session in list(...)) {
    run_in(session, function(built, functions) {
      dyn.load(built)
      assign("api", functions, globalenv())
      NULL
    }, built, api)
  }
}

api_codes <- c(
  "argument", "not_found", "exists", "too_small", "replaced", "no_space",
  "no_memory", "too_many_maps", "too_many_files", "busy", "corrupt",
  "permission", "control", "interrupted", "unsupported", "system", "bounds",
  "elsewhere", "sealed", "unsealed", "timeout", "deadlock", "not_held", "broken"
)

expect_ok <- function(answer) {
  expect_identical(answer$code, 0L, label = answer$error$message)
  # The record is left alone.
  expect_identical(answer$error$code, 0L)
  expect_identical(answer$error$message, "")
  answer$value
}

# The code, and a record that says the same. `id`: whose fault it is; NULL: it cannot
# be told in R's terms.
expect_code <- function(answer, kind, id = "", message = ".") {
  expect_identical(c("ok", api_codes)[answer$code + 1], kind)
  expect_identical(answer$error$code, answer$code)
  expect_identical(answer$error$kind, kind)
  if (!is.null(id)) expect_identical(answer$error$id, id)
  expect_match(answer$error$message, "^cannot [a-z ]+")
  expect_match(answer$error$message, message)
  invisible(answer)
}

# ---- the example packages ------------------------------------------------------------

# Installed into a library of their own; "" if that is not possible here.
install_clients <- function() {
  library <- tempfile("library")
  dir.create(library)
  # Installing compiles in the folder.
  file.copy(system.file("examples", package = "sharedmemory"), library,
            recursive = TRUE)
  sources <- file.path(library, "examples", c("clientc", "clientcpp"))
  answer <- callr::rcmd(
    "INSTALL", c(paste0("--library=", library), "--no-test-load", sources),
    libpath = .libPaths(), timeout = 300, fail_on_status = FALSE
  )
  if (answer$status == 0) return(library)
  cat(answer$stdout, answer$stderr)
  ""
}

client_library <- function() {
  skip_if_not_installed("callr")
  native_library("api") # skips without a compiler
  skip_if_not(has_tool(Sys.getenv("MAKE", "make")), "no make")
  installed <- once("clients", install_clients())
  expect_true(nzchar(installed), label = "installing the example packages")
  installed
}

# A session in which `client` is the namespace of an example package.
local_client <- function(package, frame = parent.frame()) {
  library <- client_library()
  session <- local_session(frame = frame)
  run_in(session, function(package, library) {
    assign("client", loadNamespace(package, library), globalenv())
    NULL
  }, package, library)
  session
}
