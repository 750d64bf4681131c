/* Windows: waiting for a word. WaitOnAddress() wakes only within a
 * process. */
#include "polling.h"
#include "windows_system.h"
#ifdef OS_WINDOWS

bool smem__os_wait(const _Atomic uint32_t *word, uint32_t value, uint32_t bits,
                   uint64_t deadline) {
  (void)bits;
  return os_poll(word, value, deadline);
}

/* Nobody sleeps for long. */
void smem__os_wake(_Atomic uint32_t *word, uint32_t bits, bool all) {
  (void)word;
  (void)bits;
  (void)all;
}

#endif
