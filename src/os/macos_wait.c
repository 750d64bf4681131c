/* macOS: waiting for a word. Before 14.4 it has no means to wake another
 * process. */
#include "macos.h"
#include "polling.h"
#ifdef OS_MACOS

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
