# A gigabyte at a time.

add_up <- function(x, n) {
  sum <- 0
  for (i in seq_len(n)) sum <- sum + x[i]
  sum
}

bulk_works <- function() {
  n <- 2^27 # doubles
  x <- numeric(n) + seq_len(n) # not one of R's compact sequences, which know their sums
  .Call("floor_source", x)
  filled <- allocateSharedMemory(8 * n)
  writeSharedMemory(filled, x)
  sealSharedMemory(filled)
  view <- viewSharedMemory(filled)
  sum(view)
  write <- function() {
    id <- allocateSharedMemory(8 * n)
    on.exit(freeSharedMemory(id))
    seconds(writeSharedMemory(id, x))
  }
  constant <- .Call("floor_constant")
  short <- viewSharedMemory(filled, length = length(constant))
  first_sum <- function() seconds(sum(viewSharedMemory(filled)))
  message_of <- as.raw(seq_along(serialize(view, NULL)) %% 256)
  works <- list(
    work("write 1 GiB into a fresh segment: of the best way", 0.95, write,
         list(floor_of("write_1"), floor_of("write_4"), floor_of("write_16"),
              floor_of("write_map"), floor_of("write_populate")),
         "bandwidth", rounds = 11),
    work("the same: of mmap + memcpy", 1.8, write, floor_of("write_map"),
         "bandwidth", rounds = 11),
    work("read 1 GiB into a fresh vector: of the best way", 0.95,
         function() {
           gc(full = TRUE)
           seconds(readSharedMemory(filled))
         },
         list(floor_of("read_file"), floor_of("read_map")), "bandwidth",
         rounds = 7),
    work("sum of a 1 GiB view, warm, to that of a vector", 1.02,
         function() seconds(sum(view)), function() seconds(sum(x)),
         rounds = 15),
    work("x[i] loop over a view, to the least ALTREP vector", 1.1,
         function() seconds(add_up(short, length(short))),
         function() seconds(add_up(constant, length(constant))), rounds = 41),
    work("first sum of a 1 GiB view, to a loop of C", 1.05, first_sum,
         floor_of("sum_map"), rounds = 7),
    work("serialize + unserialize a 1 GiB view, first element", 1.3,
         function() seconds(for (i in 1:500) {
           unserialize(serialize(view, NULL))[1]
         }, 500),
         function() {
           .Call("floor_run", "map_load", 500L) +
             seconds(for (i in 1:500) unserialize(serialize(message_of, NULL))[1],
                     500)
         })
  )
  list(works = works, end = function() freeSharedMemory(filled))
}
