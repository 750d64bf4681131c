# Locks from R: what lock and unlock add to two .Calls that do nothing.

sync_works <- function() {
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
         }), calls),
    work("withSharedLock(array, NULL)", 1.5e-6, held(array), calls, "absolute"),
    work("withSharedLock(id, NULL), mapped", 1.5e-6, held(id), calls, "absolute")
  )
  list(works = works, end = function() freeSharedMemory(id))
}
