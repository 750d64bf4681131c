/* Start, fork, leave. */
#include "sync.h"

void smem__sync_start(void) {
  smem__party_start();
  smem__latch_start();
}

void smem__sync_before_fork(void) {
  smem__latch_before_fork();
  smem__party_before_fork();
}

void smem__sync_after_fork(void) {
  smem__party_after_fork();
  smem__latch_after_fork();
}

/* A child is somebody else, and holds nothing. */
void smem__sync_in_child(void) {
  smem__party_in_child();
  smem__latch_in_child();
}

/* Whoever is entering meanwhile looks at smem__sync_own after it has, and we
 * look for it after it is 0. So one of the two sees the other. */
bool smem__sync_leave(bool must) {
  uint64_t was;
  struct control *before = smem__party_withdraw(&was);
  if (!must && was != 0 &&
      (smem__sync_open_now > 0 || smem__latch_any_held(was))) {
    smem__party_return(before, was);
    return false;
  }
  if (before) smem__control_release(before);
  if (must || (smem__sync_open_now == 0 && !smem__latch_any_held_here()))
    smem__sync_forget_all();
  return true;
}
