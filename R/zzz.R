.onLoad <- function(libname, pkgname) {
  .Call(C_load, topenv())
}

.onUnload <- function(libpath) {
  .Call(C_unload)
  library.dynam.unload("sharedmemory", libpath)
}
