/* Locks, permits and places when the control object is lost: somebody has
 * removed it by hand, and those who notice have joined another one. */
#ifndef _WIN32

#include "../../src/core/sync/sync.h"
#include "test.h"

static const uint64_t millisecond = 1000 * 1000;

static void look_again(void) {
  struct call call = {SMEM_OP_LOCK, "", 0, NULL, false};
  smem__sync_look(&call);
}

static void lose_control(void) {
  CHECK(unlink(control_path()) == 0);
  look_again();
  CHECK(path_exists(control_path()));
}

static smem_latch *open_latch(void) {
  smem_latch *latch;
  CHECK_OK(smem_latch_open("a", &latch, &error));
  return latch;
}

static smem_sync *open_sync(smem_sync_kind kind, uint32_t count) {
  smem_sync *sync;
  CHECK_OK(smem_sync_open(kind, "s", count, &sync, &error));
  return sync;
}

static void end(void) {
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("s"));
  CHECK_OK(smem_leave(&error));
  CHECK_EQUAL(0, count_objects());
}

/* ---- one's own ----------------------------------------------------------- */

ROLE(gets_neither) {
  smem_latch *latch = open_latch();
  smem_sync *semaphore = open_sync(SMEM_SEMAPHORE, 2);
  CHECK_CODE(SMEM_TIMEOUT, smem_lock(latch, SMEM_EXCLUSIVE, 0, NULL, &error));
  CHECK_CODE(SMEM_TIMEOUT, smem_acquire(semaphore, 0, NULL, &error));
  smem_sync_close(semaphore);
  smem_latch_close(latch);
}

ROLE(gets_both) {
  smem_latch *latch = open_latch();
  smem_sync *semaphore = open_sync(SMEM_SEMAPHORE, 2);
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, 0, NULL, &error));
  CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
  CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
  CHECK_OK(smem_release(semaphore, &error));
  CHECK_OK(smem_release(semaphore, &error));
  CHECK_OK(smem_unlock(latch, &error));
  smem_sync_close(semaphore);
  smem_latch_close(latch);
}

/* What was taken before is still ours, others wait for it, and it can be given
 * back; nobody takes its holder for dead, not even itself. */
TEST(what_is_held_survives_a_lost_control_object) {
  uint32_t available, held;
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch();
  smem_sync *semaphore = open_sync(SMEM_SEMAPHORE, 2);
  for (int mode = SMEM_EXCLUSIVE; mode <= SMEM_SHARED; mode++) {
    CHECK_OK(smem_lock(latch, mode, 0, NULL, &error));
    CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
    lose_control();
    CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
    smem_permits(semaphore, &available, &held);
    CHECK(available == 0 && held == 2);
    CHECK_CODE(SMEM_TIMEOUT,
               smem_acquire(semaphore, 120 * millisecond, NULL, &error));
    CHECK_CODE(SMEM_DEADLOCK,
               smem_lock(latch, SMEM_EXCLUSIVE, 0, NULL, &error));
    PLAY(gets_neither, "");
    CHECK_OK(smem_unlock(latch, &error));
    CHECK_CODE(SMEM_NOT_HELD, smem_unlock(latch, &error));
    CHECK_OK(smem_release(semaphore, &error));
    CHECK_OK(smem_release(semaphore, &error));
    CHECK_CODE(SMEM_NOT_HELD, smem_release(semaphore, &error));
    PLAY(gets_both, "");
  }
  smem_sync_close(semaphore);
  smem_latch_close(latch);
  end();
}

/* More often than anything is remembered. */
TEST(lost_again_and_again) {
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch();
  smem_sync *semaphore = open_sync(SMEM_SEMAPHORE, 2);
  for (int i = 0; i < 20; i++) {
    CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, 0, NULL, &error));
    CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
    lose_control();
    CHECK_OK(smem_unlock(latch, &error));
    CHECK_OK(smem_release(semaphore, &error));
  }
  PLAY(gets_both, "");
  smem_sync_close(semaphore);
  smem_latch_close(latch);
  end();
}

TEST(a_child_has_none_of_what_its_parent_held_before) {
  CHECK_OK(allocate("a", 1));
  smem_sync *semaphore = open_sync(SMEM_SEMAPHORE, 2);
  CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
  lose_control();
  pid_t child = fork();
  if (child == 0) {
    CHECK_CODE(SMEM_NOT_HELD, smem_release(semaphore, &error));
    _exit(0);
  }
  FINISH(child);
  CHECK_OK(smem_release(semaphore, &error));
  smem_sync_close(semaphore);
  end();
}

/* ---- those of the dead --------------------------------------------------- */

ROLE(holds_all) {
  smem_latch *latch = open_latch();
  smem_sync *semaphore = open_sync(SMEM_SEMAPHORE, 2);
  CHECK_OK(smem_lock(latch, argument[0] == 's' ? SMEM_SHARED : SMEM_EXCLUSIVE,
                     0, NULL, &error));
  CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
  CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
  raise_flag(0);
  pause();
}

/* Who was joined to the same one has it open still, and so its proof. */
TEST(the_dead_of_a_lost_control_object_are_proved) {
  smem_told told = SMEM_TOLD_INIT;
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch();
  smem_sync *semaphore = open_sync(SMEM_SEMAPHORE, 2);
  for (int shared_mode = 0; shared_mode < 2; shared_mode++) {
    process_id holder = START(holds_all, shared_mode ? "shared" : "excl");
    await_flag(0, 1 + shared_mode);
    lose_control();
    CHECK_CODE(SMEM_TIMEOUT, smem_lock(latch, SMEM_EXCLUSIVE, 0, NULL, &error));
    CHECK_CODE(SMEM_TIMEOUT, smem_acquire(semaphore, 0, NULL, &error));
    kill_process(holder);
    finish(holder);
    CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, 0, &told, &error));
    CHECK(told.died == !shared_mode);
    smem_lock_repaired(latch);
    CHECK_OK(smem_unlock(latch, &error));
    for (int i = 0; i < 2; i++) {
      CHECK_OK(smem_acquire(semaphore, 0, &told, &error));
      CHECK(told.died);
    }
    for (int i = 0; i < 2; i++) CHECK_OK(smem_release(semaphore, &error));
  }
  smem_sync_close(semaphore);
  smem_latch_close(latch);
  end();
}

ROLE(meets_then_waits) {
  smem_sync *barrier = open_sync(SMEM_BARRIER, 2);
  CHECK_OK(smem_barrier_wait(barrier, SMEM_FOREVER, &error));
  raise_flag(0);
  pause();
}

TEST(a_party_that_dies_after_the_loss_breaks_the_barrier) {
  CHECK_OK(allocate("a", 1));
  smem_sync *barrier = open_sync(SMEM_BARRIER, 2);
  process_id other = START(meets_then_waits, "");
  CHECK_OK(smem_barrier_wait(barrier, SMEM_FOREVER, &error));
  await_flag(0, 1);
  lose_control();
  kill_process(other);
  finish(other);
  CHECK_CODE(SMEM_BROKEN, smem_barrier_wait(barrier, SMEM_FOREVER, &error));
  smem_sync_close(barrier);
  end();
}

/* Who comes later cannot know, and takes nothing; by force it can. */
ROLE(takes_by_force) {
  smem_latch *latch = open_latch();
  CHECK_CODE(SMEM_TIMEOUT,
             smem_lock(latch, SMEM_EXCLUSIVE, 120 * millisecond, NULL, &error));
  smem_lock_break(latch);
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, 0, NULL, &error));
  smem_lock_repaired(latch);
  CHECK_OK(smem_unlock(latch, &error));
  smem_latch_close(latch);
}

TEST(who_was_not_there_proves_nothing) {
  CHECK_OK(allocate("a", 1));
  smem_sync_close(open_sync(SMEM_SEMAPHORE, 2));
  process_id holder = START(holds_all, "excl");
  await_flag(0, 1);
  CHECK(unlink(control_path()) == 0);
  kill_process(holder);
  finish(holder);
  PLAY(takes_by_force, "");
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("s"));
  clean_namespace();
}

#else
typedef int not_posix;
#endif
