/* Locks, of this process and of others. */
#ifndef _WIN32

#include "test.h"

ROLE(holder) {
  struct call call = {"find", "a", 0, &error, false};
  struct control *control;
  struct lock lock;
  CHECK_OK(control_join(&call, &control));
  CHECK_OK(lock_take(&call, control->file, LOCK_NAME, 1, &lock));
  raise_flag(0);
  await_flag(1, 1);
  lock_drop(&lock);
  control_release(control);
}

static bool always(void) { return true; }

TEST(locks_of_one_process) {
  struct call call = {"find", "a", 0, &error, false};
  struct control *control;
  struct lock first, second, third;
  set_variable("SHAREDMEMORY_TIMEOUT", "0.05");
  CHECK_OK(control_join(&call, &control));
  CHECK_OK(lock_take(&call, control->file, LOCK_NUMBER + 1, 1, &first));
  CHECK_OK(lock_take(&call, control->file, LOCK_NUMBER + 5, 2, &second));
  CHECK_CODE(SMEM_BUSY,
             lock_take(&call, control->file, LOCK_NUMBER, 10, &third));
  CHECK(lock_is_held(control->file, LOCK_NUMBER + 1));
  CHECK(lock_is_held(control->file, LOCK_NUMBER + 6));
  CHECK(!lock_is_held(control->file, LOCK_NUMBER + 3));
  lock_drop(&first); /* which is not the last one taken */
  CHECK(!lock_is_held(control->file, LOCK_NUMBER + 1));
  lock_drop(&second);
  CHECK_OK(lock_take(&call, control->file, LOCK_NUMBER, 10, &third));
  lock_drop(&third);
  /* Who cleans up does not ask for interrupts, and gives up in time as well. */
  process_id other = START(holder, "");
  await_flag(0, 1);
  smem_start(always);
  CHECK_CODE(SMEM_INTERRUPTED,
             lock_take(&call, control->file, LOCK_NAME, 1, &third));
  call.must_finish = true;
  CHECK_CODE(SMEM_BUSY, lock_take(&call, control->file, LOCK_NAME, 1, &third));
  raise_flag(1);
  FINISH(other);
  control_release(control);
  clean_namespace();
}

#else
typedef int not_posix;
#endif
