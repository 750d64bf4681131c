/* Waiting for a word where the system cannot wake another process: it is looked
 * at again and again. macOS has no means before 14.4, and WaitOnAddress() of
 * Windows wakes only within a process. */
#include "system.h"
#ifndef OS_LINUX

#include <stdatomic.h>

bool smem__os_wait(const _Atomic uint32_t *word, uint32_t value, uint32_t bits,
                   uint64_t deadline) {
  enum { SHORTEST = 50 * 1000, LONGEST = 5 * 1000 * 1000 }; /* nanoseconds */
  uint64_t pause = SHORTEST;
  (void)bits;
  while (atomic_load(word) == value) {
    uint64_t now = smem__os_steady_clock();
    if (now >= deadline) return true;
    smem__os_sleep(deadline - now < pause ? deadline - now : pause);
    pause = pause * 2 < LONGEST ? pause * 2 : LONGEST;
  }
  return false;
}

/* Nobody sleeps for long. */
void smem__os_wake(_Atomic uint32_t *word, uint32_t bits, bool all) {
  (void)word;
  (void)bits;
  (void)all;
}

#endif
