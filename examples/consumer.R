# The numbers of producer.c as a vector, which is the segment itself.
library(sharedmemory)
wave <- viewSharedMemory("waves")
stopifnot(length(wave) == 1e6, all.equal(wave[1001], sin(1)))
cat(sprintf("%d numbers, from %.3f to %.3f\n", length(wave), min(wave), max(wave)))
freeSharedMemory("waves")
