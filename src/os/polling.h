/* Waiting for a word where the system cannot wake another process: look at it
 * again and again. */
#ifndef SHAREDMEMORY_OS_POLLING_H
#define SHAREDMEMORY_OS_POLLING_H

#include "system.h"

#include <stdatomic.h>

static inline bool os_poll(const _Atomic uint32_t *word, uint32_t value,
                           uint64_t deadline) {
  enum { SHORTEST = 50 * 1000, LONGEST = 5 * 1000 * 1000 }; /* nanoseconds */
  uint64_t pause = SHORTEST;
  while (atomic_load(word) == value) {
    uint64_t now = smem__os_steady_clock();
    if (now >= deadline) return true;
    smem__os_sleep(deadline - now < pause ? deadline - now : pause);
    pause = pause * 2 < LONGEST ? pause * 2 : LONGEST;
  }
  return false;
}

#endif
