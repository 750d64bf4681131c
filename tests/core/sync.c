/* The lock of a segment, semaphores, events, barriers and counters: what each
 * promises. */
#include "../../src/core/sync/sync.h"
#include "test.h"

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

static const uint64_t millisecond = 1000 * 1000;

static smem_latch *open_latch(const char *id) {
  smem_latch *latch;
  CHECK_OK(smem_latch_open(id, &latch, &error));
  return latch;
}

static smem_code lock(smem_latch *latch, smem_mode mode, uint64_t timeout) {
  return smem_lock(latch, mode, timeout, NULL, &error);
}

static void end(void) {
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_leave(&error));
}

/* ---- the lock ---------------------------------------------------------------
 */

ROLE(tries_to_lock) {
  smem_latch *latch = open_latch("a");
  smem_mode mode = argument[0] == 's' ? SMEM_SHARED : SMEM_EXCLUSIVE;
  CHECK_CODE(SMEM_TIMEOUT, lock(latch, mode, 0));
  CHECK_CODE(SMEM_TIMEOUT, lock(latch, mode, 20 * millisecond));
  smem_latch_close(latch);
}

ROLE(locks_at_once) {
  smem_latch *latch = open_latch("a");
  smem_mode mode = argument[0] == 's' ? SMEM_SHARED : SMEM_EXCLUSIVE;
  CHECK_OK(lock(latch, mode, 0));
  CHECK_OK(smem_unlock(latch, &error));
  smem_latch_close(latch);
}

TEST(a_lock_excludes_others) {
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch("a");
  CHECK_OK(lock(latch, SMEM_EXCLUSIVE, SMEM_FOREVER));
  PLAY(tries_to_lock, "exclusive");
  PLAY(tries_to_lock, "shared");
  CHECK_OK(smem_unlock(latch, &error));
  PLAY(locks_at_once, "exclusive");
  CHECK_OK(lock(latch, SMEM_SHARED, 0));
  PLAY(locks_at_once, "shared");
  PLAY(tries_to_lock, "exclusive");
  CHECK_OK(smem_unlock(latch, &error));
  PLAY(locks_at_once, "exclusive");
  smem_latch_close(latch);
  end();
}

TEST(a_lock_of_oneself_is_an_error) {
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch("a");
  for (int first = SMEM_EXCLUSIVE; first <= SMEM_SHARED; first++)
    for (int second = SMEM_EXCLUSIVE; second <= SMEM_SHARED; second++) {
      CHECK_OK(lock(latch, first, SMEM_FOREVER));
      CHECK_CODE(SMEM_DEADLOCK, lock(latch, second, SMEM_FOREVER));
      CHECK_OK(smem_unlock(latch, &error));
    }
  CHECK_CODE(SMEM_NOT_HELD, smem_unlock(latch, &error));
  smem_latch_close(latch);
  end();
}

/* Whoever closes it, frees the segment or has it unmapped holds on. */
TEST(a_lock_outlives_its_opening) {
  smem_latch *latch;
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_latch_mapped("a", &latch, &error));
  CHECK(!latch);
  map("a");
  CHECK_OK(smem_latch_mapped("a", &latch, &error));
  CHECK(latch != NULL);
  CHECK_OK(lock(latch, SMEM_EXCLUSIVE, 0));
  CHECK_OK(free_id("a"));
  CHECK(smem_latch_held("a") == latch);
  CHECK_OK(smem_unlock(latch, &error));
  CHECK(!smem_latch_held("a"));
  CHECK_OK(smem_leave(&error));
}

TEST(many_locks_at_once) {
  enum { MANY = 50 };
  smem_latch *latches[MANY];
  uint64_t numbers[MANY];
  for (int i = 0; i < MANY; i++) {
    numbers[i] = allocate_number(1);
    latches[i] = open_latch(number_id(numbers[i]));
    CHECK_OK(lock(latches[i], i % 2 ? SMEM_SHARED : SMEM_EXCLUSIVE, 0));
  }
  for (int i = 0; i < MANY; i++) {
    CHECK(smem_latch_held(number_id(numbers[i])) == latches[i]);
    CHECK_OK(smem_unlock(latches[i], &error));
    smem_latch_close(latches[i]);
    CHECK_OK(free_id(number_id(numbers[i])));
  }
  CHECK_OK(smem_leave(&error));
}

/* ---- death ------------------------------------------------------------------
 */

#ifndef _WIN32
ROLE(locks_and_stays) {
  smem_latch *latch = open_latch("a");
  CHECK_OK(lock(latch, argument[0] == 's' ? SMEM_SHARED : SMEM_EXCLUSIVE,
                SMEM_FOREVER));
  shared->number[0] = (uint64_t)getpid();
  raise_flag(0);
  await_flag(1, 1);
}

TEST(a_dead_holder_is_told_of_once) {
  smem_told told = SMEM_TOLD_INIT;
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch("a");
  process_id holder = START(locks_and_stays, "exclusive");
  await_flag(0, 1);
  kill_process(holder);
  finish(holder);
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, SMEM_FOREVER, &told, &error));
  CHECK(told.died && told.dirty && told.time > 0);
  CHECK_EQUAL(shared->number[0], told.pid);
  CHECK_OK(smem_unlock(latch, &error)); /* not repaired */
  CHECK_OK(smem_lock(latch, SMEM_SHARED, 0, &told, &error));
  CHECK(!told.died && told.dirty && told.pid == shared->number[0]);
  CHECK_OK(smem_unlock(latch, &error));
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, 0, &told, &error));
  smem_lock_repaired(latch);
  CHECK_OK(smem_unlock(latch, &error));
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, 0, &told, &error));
  CHECK(!told.died && !told.dirty);
  CHECK_OK(smem_unlock(latch, &error));
  smem_latch_close(latch);
  end();
}

/* Also by who does not wait. */
TEST(a_dead_holder_is_found_by_who_only_tries) {
  smem_told told = SMEM_TOLD_INIT;
  int holders = 0;
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch("a");
  for (int theirs = SMEM_EXCLUSIVE; theirs <= SMEM_SHARED; theirs++)
    for (int ours = SMEM_EXCLUSIVE; ours <= SMEM_SHARED; ours++) {
      process_id holder = START(locks_and_stays, theirs ? "shared" : "excl");
      await_flag(0, ++holders);
      kill_process(holder);
      finish(holder);
      CHECK_OK(smem_lock(latch, ours, 0, &told, &error));
      CHECK(told.died == (theirs == SMEM_EXCLUSIVE));
      CHECK_OK(smem_unlock(latch, &error));
    }
  smem_latch_close(latch);
  end();
}

TEST(a_dead_reader_leaves) {
  smem_told told = SMEM_TOLD_INIT;
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch("a");
  process_id holder = START(locks_and_stays, "shared");
  await_flag(0, 1);
  CHECK_CODE(SMEM_TIMEOUT, lock(latch, SMEM_EXCLUSIVE, 80 * millisecond));
  kill_process(holder);
  finish(holder);
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, SMEM_FOREVER, &told, &error));
  CHECK(!told.died && !told.dirty);
  CHECK_OK(smem_unlock(latch, &error));
  smem_latch_close(latch);
  end();
}

ROLE(waits_for_the_lock) {
  smem_latch *latch = open_latch("a");
  CHECK_OK(lock(latch, SMEM_EXCLUSIVE, SMEM_FOREVER));
  CHECK_OK(smem_unlock(latch, &error));
  smem_latch_close(latch);
}

static bool note_waiting(const smem_entry *entry, void *waiting) {
  *(unsigned *)waiting = entry->waiting;
  return true;
}

/* Slots where all bear the presence of somebody who died while waiting. */
TEST(the_dead_take_no_place_of_those_who_wait) {
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch("a");
  process_id dead = START(locks_and_stays, "exclusive");
  await_flag(0, 1);
  for (int i = 0; i < LOCK_SLOTS; i++)
    latch->words->slot[i] = SYNC_WHO(latch->words->word) | SLOT_WAITS;
  kill_process(dead);
  finish(dead);
  CHECK_OK(lock(latch, SMEM_EXCLUSIVE, SMEM_FOREVER));
  process_id waiter = START(waits_for_the_lock, "");
  for (unsigned waiting = 0; waiting == 0; sleep_ms(5))
    CHECK_OK(smem_list(note_waiting, &waiting, &error));
  CHECK_OK(smem_unlock(latch, &error));
  FINISH(waiter);
  smem_latch_close(latch);
  end();
}

TEST(a_stopped_holder_is_alive) {
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch("a");
  process_id holder = START(locks_and_stays, "exclusive");
  await_flag(0, 1);
  kill((pid_t)holder, SIGSTOP);
  CHECK_CODE(SMEM_TIMEOUT, lock(latch, SMEM_EXCLUSIVE, 200 * millisecond));
  kill((pid_t)holder, SIGCONT);
  raise_flag(1);
  FINISH(holder); /* a normal end is a death too */
  smem_told told = SMEM_TOLD_INIT;
  CHECK_OK(smem_lock(latch, SMEM_SHARED, SMEM_FOREVER, &told, &error));
  CHECK(told.died && told.dirty);
  CHECK_OK(smem_unlock(latch, &error));
  smem_latch_close(latch);
  end();
}

TEST(a_child_holds_nothing_of_its_parents) {
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch("a");
  CHECK_OK(lock(latch, SMEM_EXCLUSIVE, 0));
  pid_t child = fork();
  if (child == 0) {
    CHECK(!smem_latch_held("a"));
    CHECK_CODE(SMEM_NOT_HELD, smem_unlock(latch, &error));
    CHECK_CODE(SMEM_TIMEOUT, lock(latch, SMEM_EXCLUSIVE, 80 * millisecond));
    _exit(0);
  }
  FINISH(child);
  CHECK_OK(smem_unlock(latch, &error));
  smem_latch_close(latch);
  end();
}
#endif

/* Whatever another process has written there. */
TEST(words_full_of_noise) {
  CHECK_OK(allocate("a", 1));
  smem_latch *latch = open_latch("a");
  for (int round = 0; round < ROUNDS(200); round++) {
    uint64_t *words = (uint64_t *)(void *)latch->words;
    for (size_t i = 0; i < sizeof *latch->words / 8; i++)
      words[i] = smem__process_random();
    for (int mode = SMEM_EXCLUSIVE; mode <= SMEM_SHARED; mode++) {
      smem_code code = lock(latch, mode, 0);
      CHECK_AMONG(CODE(OK) | CODE(TIMEOUT), code);
      if (code == SMEM_OK) CHECK_OK(smem_unlock(latch, &error));
    }
    CHECK_EQUAL(1, count_listed());
    smem_lock_break(latch);
    CHECK_OK(lock(latch, SMEM_EXCLUSIVE, 0));
    CHECK_OK(smem_unlock(latch, &error));
  }
  smem_latch_close(latch);
  end();
}

/* ---- semaphores, events, barriers -------------------------------------------
 */

static smem_sync *open_sync(smem_sync_kind kind, uint32_t count) {
  smem_sync *sync;
  CHECK_OK(smem_sync_open(kind, "a", count, &sync, &error));
  return sync;
}

ROLE(holds_a_permit) {
  smem_sync *semaphore = open_sync(SMEM_SEMAPHORE, 2);
  CHECK_OK(smem_acquire(semaphore, SMEM_FOREVER, NULL, &error));
  raise_flag(0);
  await_flag(1, 1);
}

TEST(a_semaphore_counts_and_gets_the_permits_of_the_dead_back) {
  smem_sync *semaphore = open_sync(SMEM_SEMAPHORE, 2), *other;
  uint32_t available, held;
  smem_told told = SMEM_TOLD_INIT;
  CHECK_CODE(SMEM_NOT_HELD, smem_release(semaphore, &error));
  CHECK_CODE(SMEM_ARGUMENT,
             smem_sync_open(SMEM_SEMAPHORE, "a", 3, &other, &error));
  CHECK_CODE(SMEM_ARGUMENT, smem_sync_open(SMEM_EVENT, "a", 1, &other, &error));
  process_id holder = START(holds_a_permit, "");
  await_flag(0, 1);
  CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
  smem_permits(semaphore, &available, &held);
  CHECK(available == 0 && held == 1);
  CHECK_CODE(SMEM_TIMEOUT,
             smem_acquire(semaphore, 80 * millisecond, NULL, &error));
  kill_process(holder);
  finish(holder);
  CHECK_OK(smem_acquire(semaphore, 0, &told, &error));
  CHECK(told.died);
  CHECK_OK(smem_release(semaphore, &error));
  CHECK_OK(smem_release(semaphore, &error));
  CHECK_CODE(SMEM_NOT_HELD, smem_release(semaphore, &error));
  smem_sync_close(semaphore);
  end();
}

TEST(nothing_is_taken_for_another_kind) {
  static const smem_sync_kind all[] = {SMEM_SEMAPHORE, SMEM_EVENT,
                                       SMEM_BARRIER};
  for (unsigned i = 0; i < 3; i++) {
    smem_sync *sync;
    uint32_t available = 9, held = 9;
    CHECK_OK(smem_sync_open(all[i], "a", i == 1 ? 1 : 2, &sync, &error));
    if (i != 0) {
      CHECK_CODE(SMEM_ARGUMENT, smem_acquire(sync, 0, NULL, &error));
      CHECK_CODE(SMEM_ARGUMENT, smem_release(sync, &error));
      smem_permits(sync, &available, &held);
      CHECK(available == 0 && held == 0);
    }
    if (i != 1) {
      CHECK_CODE(SMEM_ARGUMENT, smem_event_wait(sync, 0, &error));
      smem_event_set(sync);
      CHECK(!smem_event_is_set(sync));
      smem_event_reset(sync);
    }
    if (i != 2) CHECK_CODE(SMEM_ARGUMENT, smem_barrier_wait(sync, 0, &error));
    if (i == 0) { /* and it is what it was */
      smem_permits(sync, &available, &held);
      CHECK(available == 2 && held == 0);
    }
    smem_sync_close(sync);
    end();
  }
}

#if defined(__linux__) && TEST_SLOWNESS == 1
/* The kernel ends who calls it, but for this exit. As in <linux/seccomp.h>,
 * which not every C library's compiler finds. */
enum { STRICT = 1 };
TEST(without_contention_nothing_calls_the_system) {
  CHECK_OK(allocate("b", 1));
  pid_t child = fork();
  if (child == 0) {
    smem_latch *latch = open_latch("b");
    smem_sync *semaphore = open_sync(SMEM_SEMAPHORE, 2);
    prctl(PR_SET_SECCOMP, STRICT);
    for (int mode = SMEM_EXCLUSIVE; mode <= SMEM_SHARED; mode++) {
      bool good = lock(latch, mode, SMEM_FOREVER) == SMEM_OK &&
                  smem_acquire(semaphore, 0, NULL, &error) == SMEM_OK &&
                  smem_release(semaphore, &error) == SMEM_OK &&
                  smem_unlock(latch, &error) == SMEM_OK;
      if (!good) syscall(SYS_exit, 1);
    }
    syscall(SYS_exit, 0);
  }
  FINISH(child);
  CHECK_OK(free_id("b"));
  CHECK_OK(free_id("a"));
  clean_namespace();
}
#endif

ROLE(waits_for_the_event) {
  smem_sync *event = open_sync(SMEM_EVENT, 1);
  raise_flag(0);
  CHECK_OK(smem_event_wait(event, SMEM_FOREVER, &error));
  smem_sync_close(event);
}

TEST(an_event_wakes_all) {
  process_id waiting[2];
  smem_sync *event = open_sync(SMEM_EVENT, 1);
  CHECK_CODE(SMEM_TIMEOUT, smem_event_wait(event, 10 * millisecond, &error));
  for (int i = 0; i < 2; i++) waiting[i] = START(waits_for_the_event, "");
  await_flag(0, 2);
  sleep_ms(100);
  smem_event_set(event);
  smem_event_reset(event); /* they get it all the same */
  for (int i = 0; i < 2; i++) FINISH(waiting[i]);
  CHECK(!smem_event_is_set(event));
  smem_event_set(event);
  CHECK_OK(smem_event_wait(event, 0, &error));
  smem_sync_close(event);
  end();
}

enum { MEETINGS = ROUNDS(2000) };
ROLE(meets) {
  smem_sync *barrier = open_sync(SMEM_BARRIER, 3);
  for (uint64_t i = 1; i <= MEETINGS; i++) {
    atomic_fetch_add(&shared->number[0], 1);
    CHECK_OK(smem_barrier_wait(barrier, SMEM_FOREVER, &error));
    uint64_t now = shared->number[0];
    CHECK(now >= 3 * i && now < 3 * i + 3);
    CHECK_OK(smem_barrier_wait(barrier, SMEM_FOREVER, &error));
  }
  smem_sync_close(barrier);
}

TEST_FOR(a_barrier_lets_nobody_ahead, 60) {
  process_id parties[3];
  smem_sync *barrier = open_sync(SMEM_BARRIER, 3);
  for (int i = 0; i < 3; i++) parties[i] = START(meets, "");
  for (int i = 0; i < 3; i++) FINISH(parties[i]);
  smem_sync_close(barrier);
  end();
}

ROLE(meets_once) {
  smem_sync *barrier = open_sync(SMEM_BARRIER, 2);
  CHECK_OK(smem_barrier_wait(barrier, SMEM_FOREVER, &error));
  await_flag(1, 1);
}

TEST(a_barrier_breaks_when_a_party_dies) {
  smem_sync *barrier = open_sync(SMEM_BARRIER, 2);
  process_id other = START(meets_once, "");
  CHECK_OK(smem_barrier_wait(barrier, SMEM_FOREVER, &error));
  kill_process(other);
  finish(other);
  CHECK_CODE(SMEM_BROKEN, smem_barrier_wait(barrier, SMEM_FOREVER, &error));
  CHECK_CODE(SMEM_BROKEN, smem_barrier_wait(barrier, SMEM_FOREVER, &error));
  smem_sync_close(barrier);
  end();
}

TEST(counters_do_not_overflow) {
  _Alignas(8) int32_t i = INT32_MAX - 1, i_before;
  _Alignas(8) uint32_t u = 1, u_before;
  _Alignas(8) int64_t l = INT64_MAX - 1, l_before;
  CHECK(smem_add_int32(&i, 1, &i_before) && i_before == INT32_MAX - 1);
  CHECK(!smem_add_int32(&i, 1, &i_before) && i == INT32_MAX);
  CHECK(smem_add_uint32(&u, -1, &u_before) && u == 0);
  CHECK(!smem_add_uint32(&u, -1, &u_before) && u == 0);
  CHECK(smem_add_int64(&l, 1, &l_before) && !smem_add_int64(&l, 1, &l_before));
  CHECK(smem_compare_and_set(&u, &(uint32_t){0}, &(uint32_t){7}, 4) && u == 7);
  CHECK(!smem_compare_and_set(&u, &(uint32_t){0}, &(uint32_t){8}, 4));
}
