/* Linux: waiting for a word, by futex. */
#include "linux.h"
#ifdef OS_LINUX

#include <limits.h>
#include <sys/syscall.h>

/* As in <linux/futex.h>, which not every C library's compiler finds. */
enum { WAIT_BITSET = 9, WAKE_BITSET = 10 };

bool smem__os_wait(const _Atomic uint32_t *word, uint32_t value, uint32_t bits,
                   uint64_t deadline) {
  /* As the kernel knows it by this call, whatever time_t the C library has. */
  long moment[2] = {(long)(deadline / 1000000000u),
                    (long)(deadline % 1000000000u)};
  /* _BITSET: the moment is one of the steady clock, not a span. */
  return syscall(SYS_futex, word, WAIT_BITSET, value, moment, NULL, bits) < 0 &&
         errno == ETIMEDOUT;
}

void smem__os_wake(_Atomic uint32_t *word, uint32_t bits, bool all) {
  syscall(SYS_futex, word, WAKE_BITSET, all ? INT_MAX : 1, NULL, NULL, bits);
}

#endif
