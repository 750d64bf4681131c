# Single calls, which take microseconds.

latency_works <- function() {
  n <- 2000L
  batch <- 1000L
  id <- allocateSharedMemory(4096)
  mapped <- allocateSharedMemory(4096)
  mapSharedMemory(mapped)
  # Wrappers like the package's own, compiled as those are.
  one <- getNativeSymbolInfo("floor_call")
  two <- getNativeSymbolInfo("floor_call2")
  map_again <- compiler::cmpfun(function(id, readonly = FALSE) {
    .Call(two, id, readonly)
  })
  unmap_again <- compiler::cmpfun(function(id) invisible(.Call(one, id)))
  bare <- getNativeSymbolInfo("floor_look")
  look <- compiler::cmpfun(function(id) .Call(bare, id))
  looks <- function() {
    .Call("floor_look_begin")
    on.exit(.Call("floor_look_end"))
    seconds(for (i in seq_len(n)) look(id), n)
  }
  works <- list(
    work("allocate + free, 4 KiB", 1.4,
         function() seconds(for (i in seq_len(n)) {
           freeSharedMemory(allocateSharedMemory(4096))
         }, n),
         floor_of("allocate_free", n), rounds = 41),
    work("the same, 1,000 in one call, each", 1.2,
         function() seconds({
           freeSharedMemory(allocateSharedMemory(rep(4096, batch)))
         }, batch),
         floor_of("allocate_free", batch), rounds = 41),
    work("the same, to 1,000 created and then removed", 1.2,
         function() seconds({
           freeSharedMemory(allocateSharedMemory(rep(4096, batch)))
         }, batch),
         function() floor_of("thousand")() / batch, rounds = 41),
    work("map + unmap", 1.3,
         function() seconds(for (i in seq_len(n)) {
           mapSharedMemory(id)
           unmapSharedMemory(id)
         }, n),
         floor_of("map_unmap", n), rounds = 41),
    work("map + unmap of what is mapped", 1.5,
         function() seconds(for (i in seq_len(n)) {
           mapSharedMemory(mapped)
           unmapSharedMemory(mapped)
         }, n),
         function() seconds(for (i in seq_len(n)) {
           map_again(mapped)
           unmap_again(mapped)
         }, n), rounds = 41),
    work("has: above the floor", 1e-6,
         function() seconds(for (i in seq_len(n)) hasSharedMemory(id), n),
         looks, "above", rounds = 41),
    work("size: above the floor", 1e-6,
         function() seconds(for (i in seq_len(n)) getSharedMemorySize(id), n),
         looks, "above", rounds = 41)
  )
  list(works = works, end = function() freeSharedMemory(c(id, mapped)))
}
