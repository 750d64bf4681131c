/* Random numbers of each process, which a seed repeats. */
#include "soak.h"

static uint64_t state;

void random_start(uint64_t seed) { state = seed; }

uint64_t random_next(void) { return state = mix(state); }

unsigned random_below(unsigned limit) {
  return (unsigned)((random_next() >> 16) % limit);
}

bool one_in(unsigned n) { return random_below(n) == 0; }
