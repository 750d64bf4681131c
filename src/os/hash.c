/* The hash that tells names and footers apart. */
#include "system.h"

uint64_t smem__hash(const void *data, size_t length, uint64_t state) {
  const char *at = data;
  while (length > 0) {
    uint64_t word = 0;
    size_t step = length < sizeof word ? length : sizeof word;
    memcpy(&word, at, step);
    state = (state ^ word) * 0x9E3779B97F4A7C15u;
    state ^= state >> 29;
    at += step;
    length -= step;
  }
  state *= 0xBF58476D1CE4E5B9u;
  return state ^ (state >> 32);
}
