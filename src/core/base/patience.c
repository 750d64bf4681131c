/* Waiting for somebody else, with a deadline.
 *
 * The kernel waits either not at all or for ever: a process that is only
 * stopped must not hang others, so we ask again and again. */
#include "base.h"

smem_code smem__patience_wait(const struct call *call,
                              struct patience *patience) {
  enum { SHORTEST = 20 * 1000, LONGEST = 5 * 1000 * 1000 }; /* nanoseconds */
  uint64_t now = smem__os_steady_clock();
  if (patience->deadline == 0)
    *patience = (struct patience){now + smem__process_timeout(), SHORTEST};
  if (now >= patience->deadline)
    return smem__fail(call, SMEM_BUSY, 0,
                      "another process has held its lock for %.3g seconds",
                      (double)smem__process_timeout() / 1e9);
  if (!call->must_finish && smem__process_interrupted())
    return smem__fail(call, SMEM_INTERRUPTED, 0, "interrupted while waiting");
  smem__os_sleep(patience->pause);
  if (patience->pause < LONGEST) patience->pause += patience->pause / 2;
  return SMEM_OK;
}

smem_code smem__patience_look(const struct call *call, uint64_t i) {
  enum { LOOK_EVERY = 256 };
  if (i % LOOK_EVERY != LOOK_EVERY - 1 || call->must_finish ||
      !smem__process_interrupted())
    return SMEM_OK;
  return smem__fail(call, SMEM_INTERRUPTED, 0, "interrupted");
}
