# The bytes behind a pointer. R itself cannot look at them, so a few lines of C
# are compiled, once per test process.

installed_headers <- function() system.file("include", package = "sharedmemory")

# `headers`: the folder of the sharedmemory.h that it is compiled with.
build_native <- function(name, headers = installed_headers()) {
  path <- test_path("native", paste0(name, ".c"))
  directory <- tempfile(paste0("native-", name))
  dir.create(directory)
  file.copy(path, directory)
  withr::local_dir(directory)
  withr::local_envvar(
    PKG_CPPFLAGS = paste0("-I", shQuote(headers)), PKG_LIBS = "-pthread"
  )
  suppressWarnings(system2(
    file.path(R.home("bin"), "R"),
    c("CMD", "SHLIB", paste0(name, ".c")),
    stdout = FALSE, stderr = FALSE, timeout = 120
  ))
  built <- file.path(directory, paste0(name, .Platform$dynlib.ext))
  if (file.exists(built)) built else ""
}

native_library <- function(name) {
  built <- once(paste("native", name), build_native(name))
  skip_if(built == "", "no C compiler")
  built
}

native_functions <- list(
  is_null = function(pointer) .Call("is_null", pointer),
  peek = function(pointer, length, offset = 0) {
    .Call("peek", pointer, offset, length)
  },
  poke = function(pointer, bytes, offset = 0) {
    .Call("poke", pointer, offset, bytes)
  },
  fill = function(pointer, length, byte) .Call("fill", pointer, length, byte),
  overwrite = function(x, value) .Call("overwrite", x, value),
  write_faults = function(pointer) .Call("write_faults", pointer),
  limit_files = function(count) .Call("limit_files", count)
)
native_functions <- lapply(native_functions, function(fun) {
  fun <- utils::removeSource(fun)
  environment(fun) <- globalenv()
  fun
})
is_null <- native_functions$is_null
peek <- native_functions$peek
poke <- native_functions$poke
fill <- native_functions$fill
overwrite <- native_functions$overwrite
write_faults <- native_functions$write_faults

# In this process, and in sessions as functions of the same names.
use_native <- function(...) {
  built <- native_library("bytes")
  if (is.null(known[["loaded"]])) {
    dyn.load(built)
    known[["loaded"]] <- TRUE
  }
  for (session in list(...)) {
    run_in(session, function(built, functions) {
      dyn.load(built)
      list2env(functions, globalenv())
      NULL
    }, built, native_functions)
  }
}

# Without C: a null pointer is identical to a fresh one, whatever its tag.
looks_null <- function(pointer) identical(pointer, methods::new("externalptr"))
