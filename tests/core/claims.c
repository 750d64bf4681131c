/* Claims to numbers: whom they keep out, and when they do not count. */
#ifndef _WIN32

#include "../harness/faults.h"
#include "test.h"

#include <pthread.h>
#include <stddef.h>

/* ---- a creator that is held up at its first reservation ------------------ */

static void pause_at_reserve(const char *place) {
  if (strcmp(place, "reserve") != 0) return;
  raise_flag(0);
  await_flag(1, 1);
}

/* Its number goes into shared->number[0]. The calls before are made once more for
 * each, which must not have created anything yet. */
static void create_with_a_pause(void) {
  CHECK_OK(smem_join(&error));
  fault_hook = pause_at_reserve;
  for (unsigned long at = 1; shared->flag[0] == 0; at++) {
    fault_arm(FAULT_HOOK, at);
    uint64_t number = allocate_number(100);
    fault_disarm();
    atomic_store(&shared->number[0], number);
    if (shared->flag[0] == 0) CHECK_OK(free_id(number_id(number)));
  }
}

ROLE(held_up) { create_with_a_pause(); }

static const char *paused_id(void) {
  uint64_t last;
  CHECK_OK(smem_last_index(&last, &error));
  CHECK(path_exists(segment_path(number_id(last))));
  return number_id(last);
}

TEST(a_claimed_number_is_left_alone) {
  smem_fate fate = SMEM_KEPT_LIVE;
  set_variable("SHAREDMEMORY_TIMEOUT", "0.2");
  process_id creator = START(held_up, "");
  await_flag(0, 1);
  const char *id = paused_id();
  CHECK_CODE(SMEM_BUSY, find_id(id));
  CHECK_CODE(SMEM_BUSY, try_map(id));
  CHECK_CODE(SMEM_BUSY, allocate(id, 1));
  CHECK_EQUAL(-1, listed_state(id));
  CHECK_OK(smem_reclaim(false, true, note_fate, &fate, &error));
  CHECK(fate != SMEM_REMOVED);
  /* Nobody who wants a number of his own waits for it. */
  CHECK_OK(free_id(number_id(allocate_number(1))));
  raise_flag(1);
  FINISH(creator);
  CHECK_EQUAL(shared->number[0], strtoull(id, NULL, 10));
  CHECK_OK(try_map(id));
  clean_namespace();
}

ROLE(releaser) {
  sleep_ms(50);
  raise_flag(1);
}

TEST(who_waits_for_a_claimed_number_gets_it) {
  process_id creator = START(held_up, "");
  await_flag(0, 1);
  process_id other = START(releaser, "");
  CHECK_OK(find_id(paused_id()));
  FINISH(other);
  FINISH(creator);
  clean_namespace();
}

/* The same within one process, whose own locks the kernel does not show it. */
static void *create_in_a_thread(void *nothing) {
  create_with_a_pause();
  return nothing;
}

TEST(a_thread_waits_for_another_ones_number) {
  pthread_t creator;
  set_variable("SHAREDMEMORY_TIMEOUT", "0.2");
  CHECK_OK(smem_join(&error));
  CHECK(pthread_create(&creator, NULL, create_in_a_thread, NULL) == 0);
  await_flag(0, 1);
  const char *id = paused_id();
  CHECK_CODE(SMEM_BUSY, find_id(id));
  CHECK_EQUAL(-1, listed_state(id));
  raise_flag(1);
  CHECK(pthread_join(creator, NULL) == 0);
  CHECK_OK(find_id(id));
  CHECK_OK(free_id(id));
}

/* ---- the lock of a number keeps creators out ----------------------------- */

ROLE(creator_of_one) {
  CHECK_EQUAL(2, allocate_number(1));
  raise_flag(0);
}

TEST(who_has_the_lock_keeps_creators_out) {
  struct control *control;
  struct lock lock;
  struct call call = {"test", "2", 0, &error, false};
  CHECK_EQUAL(1, allocate_number(1));
  CHECK_OK(control_join(&call, &control));
  CHECK_OK(claim_lock(&call, control, &lock));
  process_id creator = START(creator_of_one, "");
  sleep_ms(50);
  CHECK_EQUAL(0, shared->flag[0]);
  CHECK(!path_exists(segment_path("2")));
  lock_drop(&lock);
  FINISH(creator);
  CHECK_EQUAL(3, allocate_number(1)); /* above: without a lock again */
  control_release(control);
  clean_namespace();
}

/* ---- a full table -------------------------------------------------------- */

static void write_claims(uint64_t presence, uint64_t first, uint64_t count) {
  const uint64_t words[] = {presence, first, count};
  for (int i = 0; i < CLAIMS; i++)
    write_at(control_path(),
             (long)(offsetof(struct control_page, claims) +
                    (size_t)i * sizeof(struct claim_entry)),
             words, sizeof words);
}

TEST(claims_of_the_dead_do_not_count) {
  const uint64_t nobodys[] = {1000000, LOCK_PRESENCES, UINT64_MAX};
  CHECK_OK(smem_join(&error));
  for (int i = 0; i < 3; i++) {
    write_claims(nobodys[i], 0, UINT64_MAX);
    for (int round = 0; round < CLAIMS + 2; round++)
      CHECK_OK(free_id(number_id(allocate_number(1))));
    write_claims(nobodys[i], 0, UINT64_MAX);
    plant_incomplete("99999");
    CHECK_CODE(SMEM_NOT_FOUND, find_id("99999"));
    CHECK(!path_exists(segment_path("99999")));
  }
  CHECK_OK(smem_leave(&error));
}

ROLE(bystander) {
  CHECK_OK(allocate("bystander", 1));
  raise_flag(0);
  await_flag(1, 1);
}

TEST(a_full_table_is_waited_for) {
  struct footer footer;
  smem_request request = {1, NULL, 0};
  set_variable("SHAREDMEMORY_TIMEOUT", "0.2");
  CHECK_OK(smem_join(&error));
  process_id other = START(bystander, "");
  await_flag(0, 1);
  read_footer_of("bystander", &footer);
  write_claims(footer.owner.presence, 500, 1);
  CHECK_CODE(SMEM_BUSY,
             smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error));
  CHECK_OK(allocate("a", 1)); /* names need no claim */
  kill_process(other);
  CHECK_EQUAL(KILLED + SIGKILL, finish(other));
  CHECK_OK(free_id(number_id(allocate_number(1))));
  clean_namespace();
}

/* ---- the table is lost --------------------------------------------------- */

/* While a creator is held up, in each of these ways; then its object may be taken
 * for a dead one's. It has to notice, and what it returns must be there. */
static void lose(int how) {
  if (how == 0) write_claims(0, 0, 0);
  if (how == 1) CHECK(unlink(control_path()) == 0);
  if (how == 2) CHECK(truncate(control_path(), 0) == 0);
  if (how == 3) CHECK(truncate(control_path(), 100) == 0);
}

ROLE(newcomer) {
  CHECK_AMONG(CODE(OK) | CODE(CONTROL), smem_join(&error));
  CHECK_CODE(SMEM_NOT_FOUND, find_id(argument));
  if (shared->number[1] == 0) CHECK(!path_exists(segment_path(argument)));
  raise_flag(1);
}

TEST(a_lost_claim_is_noticed) {
  for (int how = 0; how < 4; how++) {
    atomic_store(&shared->flag[0], 0);
    atomic_store(&shared->flag[1], 0);
    process_id creator = START(held_up, "");
    await_flag(0, 1);
    char id[SMEM_NUMBER_SIZE];
    snprintf(id, sizeof id, "%s", paused_id());
    lose(how);
    atomic_store(&shared->number[1], (uint64_t)how);
    PLAY(newcomer, id);
    FINISH(creator);
    CHECK_OK(find_id(number_id(shared->number[0])));
    clean_namespace();
  }
}

/* ---- locks --------------------------------------------------------------- */

/* Numbers that are being created are as good as locked. */
TEST(claims_keep_locks_away) {
  struct call call = {"allocate", "", 0, &error, false};
  struct control *control;
  struct claim claim = {0};
  struct lock lock;
  uint64_t first;
  CHECK_OK(control_join(&call, &control));
  CHECK_OK(claim_begin(&call, control, &claim));
  CHECK_OK(claim_numbers(&call, &claim, 2, &first));
  CHECK(!claim_try_lock(control, number_id(first), &lock));
  CHECK(!claim_try_lock(control, number_id(first + 1), &lock));
  CHECK(!lock_is_held(control->file, LOCK_NUMBER + first));
  CHECK(claim_end(&claim, true));
  CHECK(claim_try_lock(control, number_id(first), &lock));
  lock_drop(&lock);
  control_release(control);
  clean_namespace();
}

#else
typedef int not_posix;
#endif
