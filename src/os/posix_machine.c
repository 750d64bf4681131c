/* POSIX: pages, clocks, chance. */
#include "posix.h"
#ifdef OS_POSIX

#include <time.h>

uint64_t smem__os_page_size(void) {
  static _Atomic uint64_t size; /* does not change while we run */
  if (size == 0) size = (uint64_t)sysconf(_SC_PAGESIZE);
  return size;
}

static uint64_t clock_now(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t smem__os_wall_clock(void) { return clock_now(CLOCK_REALTIME); }
uint64_t smem__os_steady_clock(void) { return clock_now(CLOCK_MONOTONIC); }

void smem__os_sleep(uint64_t nanoseconds) {
  struct timespec span = {(time_t)(nanoseconds / 1000000000u),
                          (long)(nanoseconds % 1000000000u)};
  nanosleep(&span, NULL); /* a signal ends it early, as the caller wants */
}

uint64_t smem__os_entropy(void) {
  uint64_t value = 0;
  int fd = smem__os_sys.open("/dev/urandom", O_RDONLY | O_CLOEXEC, 0);
  if (fd >= 0) {
    if (smem__os_sys.pread(fd, &value, sizeof value, 0) !=
        (ssize_t)sizeof value)
      value = 0;
    smem__posix_shut(fd);
  }
  /* Without the device (a bare chroot, no descriptor left) time and pid still
   * tell two processes, and two moments of one, from each other. */
  return value ^ (smem__os_wall_clock() * 0x9E3779B97F4A7C15u) ^
         ((uint64_t)getpid() << 32) ^ smem__os_steady_clock();
}

#endif
