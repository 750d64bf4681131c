/* The control object and its locks. */
#include "contract.h"

/* ---- smem__os_control_open, smem__os_control_stat ------------------------ */

CONTRACT(smem__os_control_open, finds_what_was_created) {
  os_object control, other;
  os_info info;
  CHECK_STATUS(OS_NOT_FOUND,
               smem__os_control_open(control_name(), &control, &info));
  CHECK_DONE(smem__os_control_create(control_name(), &control));
  CHECK_DONE(smem__os_control_open(control_name(), &other, &info));
  CHECK_EQUAL(0, info.size); /* not complete yet */
  CHECK_EQUAL(smem__os_user(), info.user);
  smem__os_object_close(other);
  smem__os_object_close(control);
}

ROLE(opens_it_as_another) {
  os_object control;
  os_info info;
  become_another_user();
  os_status status = smem__os_control_open(control_name(), &control, &info);
  if (status.code != OS_OK) CHECK_STATUS(OS_DENIED, status);
  CHECK_EQUAL(0, info.user); /* as if it were whose it is */
}

CONTRACT(smem__os_control_open, tells_whose_it_is) {
  need_another_user();
  os_object control = open_control();
  PLAY(opens_it_as_another, "");
  smem__os_object_close(control);
}

CONTRACT(smem__os_control_stat, follows_the_object) {
  os_object control = open_control(), other = open_control();
  os_info info, same;
  CHECK_DONE(smem__os_control_stat(control, &info));
  CHECK_DONE(smem__os_control_stat(other, &same));
  CHECK_EQUAL(4096, info.size);
  CHECK_EQUAL(info.identity[0], same.identity[0]);
  CHECK_EQUAL(info.identity[1], same.identity[1]);
  CHECK(!info.unlinked);
  CHECK_DONE(smem__os_control_remove(control_name()));
  CHECK_DONE(smem__os_control_stat(control, &info));
  CHECK_EQUAL(OUTLIVES, info.unlinked);
  smem__os_object_close(control);
  smem__os_object_close(other);
}

/* ---- smem__os_control_create, smem__os_control_claim,
 * smem__os_control_publish  */

CONTRACT(smem__os_control_create, refuses_a_name_that_is_taken) {
  os_object control, other;
  CHECK_DONE(smem__os_control_create(control_name(), &control));
  CHECK_STATUS(OS_EXISTS, smem__os_control_create(control_name(), &other));
  smem__os_object_close(control);
}

ROLE(begins_a_control_object) {
  os_object control;
  CHECK_DONE(smem__os_control_create(control_name(), &control));
  raise_flag(0);
  await_flag(1, 1);
}

CONTRACT(smem__os_control_claim, tells_what_a_dead_creator_left) {
  os_object control;
  os_info info;
  process_id creator = START(begins_a_control_object, "");
  await_flag(0, 1);
  CHECK_STATUS(OS_BUSY,
               smem__os_control_claim(control_name(), &control, &info));
  CHECK(info.incomplete);
  kill_process(creator);
  finish(creator);
  os_status status = smem__os_control_claim(control_name(), &control, &info);
  CHECK_EQUAL(OUTLIVES ? OS_OK : OS_NOT_FOUND, status.code);
  if (!OUTLIVES) return;
  CHECK(info.incomplete);
  smem__os_object_close(control);
}

ROLE(writes_into_the_control_object) {
  os_object control = open_control();
  void *address;
  CHECK_DONE(smem__os_object_map(control, 4096, OS_READ_WRITE, &address));
  CHECK_EQUAL(1, ((char *)address)[0]);
  CHECK_EQUAL(2, ((char *)address)[4095]);
  ((char *)address)[4095] = 3;
  smem__os_unmap(address, 4096);
  smem__os_object_close(control);
}

CONTRACT(smem__os_control_publish, gives_contents_that_all_share) {
  char page[4096] = {1};
  os_object control, other;
  os_info info;
  void *address;
  page[4095] = 2;
  CHECK_DONE(smem__os_control_create(control_name(), &control));
  CHECK_DONE(smem__os_control_publish(control, page, sizeof page));
  CHECK_DONE(smem__os_control_stat(control, &info));
  CHECK_EQUAL(4096, info.size);
  CHECK_DONE(smem__os_object_map(control, 4096, OS_READ_WRITE, &address));
  PLAY(writes_into_the_control_object, "");
  CHECK_EQUAL(3, ((char *)address)[4095]);
  /* Its creator holds it no longer, and has it open still. */
  CHECK_DONE(smem__os_control_claim(control_name(), &other, &info));
  CHECK(!info.incomplete);
  smem__os_object_close(other);
  smem__os_unmap(address, 4096);
  smem__os_object_close(control);
}

/* ---- smem__os_control_remove --------------------------------------------- */

CONTRACT(smem__os_control_remove, takes_the_name) {
  os_object control = open_control(), other;
  os_info info;
  CHECK_DONE(smem__os_control_remove(control_name()));
  smem__os_object_close(control);
  CHECK_STATUS(OS_NOT_FOUND,
               smem__os_control_open(control_name(), &other, &info));
  if (OUTLIVES)
    CHECK_STATUS(OS_NOT_FOUND, smem__os_control_remove(control_name()));
}

/* ---- smem__os_lock ------------------------------------------------------- */

static os_code lock_once(uint64_t offset, uint64_t length) {
  os_object control = open_control();
  os_status status = smem__os_lock(control, offset, length);
  if (status.code == OS_OK) smem__os_unlock(control, offset, length);
  smem__os_object_close(control);
  return status.code;
}

ROLE(finds_the_middle_locked) {
  CHECK_EQUAL(OS_BUSY, lock_once(10, 10));
  CHECK_EQUAL(OS_BUSY, lock_once(19, 1));
  CHECK_EQUAL(OS_BUSY, lock_once(5, 6));
  CHECK_EQUAL(OS_OK, lock_once(0, 10));
  CHECK_EQUAL(OS_OK, lock_once(20, 10));
}

CONTRACT(smem__os_lock, excludes_other_openings) {
  os_object control = open_control();
  CHECK_DONE(smem__os_lock(control, 10, 10));
  CHECK_DONE(smem__os_lock(control, 10, 10)); /* it has them already */
  PLAY(finds_the_middle_locked, "");
  CHECK_EQUAL(OS_BUSY, lock_once(10, 1)); /* another opening of our own */
  smem__os_unlock(control, 10, 10);
  CHECK_EQUAL(OS_OK, lock_once(10, 10));
  smem__os_object_close(control);
}

CONTRACT(smem__os_lock, reaches_behind_the_end) {
  os_object control = open_control();
  const uint64_t far = UINT64_C(1) << 60;
  CHECK_DONE(smem__os_lock(control, far, 3));
  CHECK_EQUAL(OS_BUSY, lock_once(far + 2, 1));
  CHECK_EQUAL(OS_OK, lock_once(far + 3, 1));
  smem__os_object_close(control);
  CHECK_EQUAL(OS_OK, lock_once(far, 3)); /* it went with the opening */
}

/* One byte of many is taken: none of them is kept. */
CONTRACT(smem__os_lock, takes_all_or_nothing) {
  os_object a = open_control(), b = open_control(), c = open_control();
  CHECK_DONE(smem__os_lock(a, 5, 1));
  CHECK_STATUS(OS_BUSY, smem__os_lock(b, 0, 10));
  CHECK_DONE(smem__os_lock(c, 0, 5));
  CHECK_DONE(smem__os_lock(c, 6, 4));
  smem__os_object_close(a);
  smem__os_object_close(b);
  smem__os_object_close(c);
}

ROLE(holds_a_lock) {
  os_object control = open_control();
  CHECK_DONE(smem__os_lock(control, 7, 1));
  raise_flag(0);
  await_flag(1, 1);
  smem__os_object_close(control);
}

CONTRACT(smem__os_lock, goes_with_a_process_that_is_killed) {
  os_object control = open_control();
  process_id holder = START(holds_a_lock, "");
  await_flag(0, 1);
  CHECK_STATUS(OS_BUSY, smem__os_lock(control, 7, 1));
  kill_process(holder);
  finish(holder);
  CHECK_DONE(smem__os_lock(control, 7, 1));
  smem__os_object_close(control);
}

enum { TURNS = 200 };

/* Two at once in what the lock guards would lose a step. */
ROLE(counts_under_the_lock) {
  os_object control = open_control();
  for (int i = 0; i < ROUNDS(TURNS);) {
    if (smem__os_lock(control, 0, 1).code != OS_OK) {
      smem__os_sleep(1000);
      continue;
    }
    uint64_t value = shared->number[0];
    if (i % 16 == 0) smem__os_sleep(1000);
    shared->number[0] = value + 1;
    smem__os_unlock(control, 0, 1);
    i++;
  }
  smem__os_object_close(control);
}

CONTRACT(smem__os_lock, is_held_by_one_at_a_time) {
  os_object control = open_control();
  process_id counters[3];
  for (int i = 0; i < 3; i++) counters[i] = START(counts_under_the_lock, "");
  for (int i = 0; i < 3; i++) FINISH(counters[i]);
  CHECK_EQUAL(3 * ROUNDS(TURNS), shared->number[0]);
  smem__os_object_close(control);
}

/* ---- smem__os_unlock ----------------------------------------------------- */

CONTRACT(smem__os_unlock, gives_up_the_part_that_is_named) {
  os_object control = open_control();
  CHECK_DONE(smem__os_lock(control, 0, 10));
  smem__os_unlock(control, 3, 2);
  CHECK_EQUAL(OS_BUSY, lock_once(2, 1));
  CHECK_EQUAL(OS_OK, lock_once(3, 2));
  CHECK_EQUAL(OS_BUSY, lock_once(5, 1));
  smem__os_unlock(control, 0, 100);
  CHECK_EQUAL(OS_OK, lock_once(0, 10));
  smem__os_unlock(control, 50, 1); /* nothing there */
  smem__os_object_close(control);
}

/* ---- smem__os_lock_query ------------------------------------------------- */

static bool is_held(os_object control, uint64_t offset, uint64_t length) {
  bool held = false;
  CHECK_DONE(smem__os_lock_query(control, offset, length, &held));
  return held;
}

CONTRACT(smem__os_lock_query, tells_of_others_and_not_of_oneself) {
  os_object control = open_control();
  CHECK(!is_held(control, 0, 10) && !is_held(control, 0, 1000));
  CHECK_DONE(smem__os_lock(control, 3, 1));
  CHECK(!is_held(control, 3, 1) && !is_held(control, 0, 1000));
  process_id holder = START(holds_a_lock, "");
  await_flag(0, 1);
  CHECK(is_held(control, 7, 1) && is_held(control, 0, 8));
  CHECK(is_held(control, 0, 1000));
  CHECK(!is_held(control, 8, 5) && !is_held(control, 0, 7));
  CHECK(!is_held(control, 8, 1000));
  raise_flag(1);
  FINISH(holder);
  CHECK(!is_held(control, 7, 1) && !is_held(control, 0, 1000));
  smem__os_object_close(control);
}
