.onLoad <- function(libname, pkgname) {
  .Call(C_load, topenv())
}

.onUnload <- function(libpath) {
  library.dynam.unload("sharedmemory", libpath)
}
