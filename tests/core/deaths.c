/* Creating, removing, joining and leaving while processes are killed: what was
 * made is there until it is removed, nothing half-made is seen, and nothing
 * stays behind. */
#ifndef _WIN32

#include "../harness/faults.h"
#include "test.h"

#include <pthread.h>

enum { WORKERS = 3, NAMES = 3, LASTS = 1500 /* ms */ };

/* flag[0]: it is over. number[0]: how much was done. */
static bool goes_on(void) { return atomic_load(&shared->flag[0]) == 0; }

static unsigned chance(unsigned below) {
  static unsigned state;
  if (state == 0) state = (unsigned)getpid() * 2654435761u | 1;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}

static const char *some_name(void) {
  static const char *const names[NAMES] = {"x", "y", "9000000"};
  return names[chance(NAMES)];
}

static void pause_a_little(void) {
  if (chance(8) == 0) sleep_ms(1);
}

/* ---- segments ------------------------------------------------------------ */

/* It was made here, and only its owner's death lets anybody else remove it. */
static void check_until_freed(const char *id) {
  struct footer before, after;
  read_footer_of(id, &before);
  pause_a_little();
  CHECK_OK(find_id(id));
  unsigned char *at = map(id);
  CHECK(at[0] == 0 && at[999] == 0);
  at[0] = 1;
  read_footer_of(id, &after);
  CHECK_EQUAL(before.generation, after.generation);
  CHECK_OK(free_id(id));
  atomic_fetch_add(&shared->number[0], 1);
}

ROLE(maker) {
  while (goes_on()) {
    const char *name = some_name();
    smem_code code = allocate_exclusive(name, 1000);
    CHECK_AMONG(CODE(OK) | CODE(EXISTS) | CODE(NOT_FOUND), code);
    if (code == SMEM_OK) check_until_freed(name);
    check_until_freed(number_id(allocate_number(1000)));
  }
}

ROLE(reclaimer) {
  while (goes_on())
    CHECK_OK(smem_reclaim(false, true, ignore_fate, NULL, &error));
}

/* Whoever looks sees what is whole, or nothing. */
ROLE(onlooker) {
  while (goes_on()) {
    const char *name = some_name();
    CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND) | CODE(REPLACED), try_map(name));
    CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), find_id(name));
    smem__opening_clean(segment_path(name) + strlen("/dev/shm/"));
    count_listed();
  }
}

/* Kill one of the first `workers` again and again, and put another in its
 * place. */
static void kill_for_a_while(process_id *processes, int workers,
                             process_id (*start)(void)) {
  uint64_t end = now_ms() + LASTS;
  while (now_ms() < end) {
    process_id *victim = &processes[chance((unsigned)workers)];
    sleep_ms(1 + chance(4) * TEST_SLOWNESS);
    kill_process(*victim);
    CHECK_EQUAL(KILLED + SIGKILL, finish(*victim));
    *victim = start();
  }
  raise_flag(0);
}

static process_id start_maker(void) { return START(maker, ""); }

TEST_FOR(makers_are_killed, 60) {
  process_id processes[WORKERS + 3];
  CHECK_OK(smem_join(&error)); /* or numbers would begin again */
  for (int i = 0; i < WORKERS; i++) processes[i] = start_maker();
  processes[WORKERS] = START(reclaimer, "");
  processes[WORKERS + 1] = START(reclaimer, "");
  processes[WORKERS + 2] = START(onlooker, "");
  kill_for_a_while(processes, WORKERS, start_maker);
  for (int i = 0; i < WORKERS + 3; i++) FINISH(processes[i]);
  CHECK(shared->number[0] > 0);
  CHECK_OK(smem_reclaim(false, true, ignore_fate, NULL, &error));
  CHECK_OK(smem_leave(&error));
  clean_namespace();
}

/* ---- the control object -------------------------------------------------- */

/* Whoever is joined is joined to what others find. */
ROLE(visitor) {
  while (goes_on()) {
    CHECK_OK(smem_join(&error));
    check_joined();
    pause_a_little();
    check_joined();
    CHECK_OK(smem_leave(&error));
    atomic_fetch_add(&shared->number[0], 1);
  }
}

static process_id start_visitor(void) { return START(visitor, ""); }

TEST_FOR(visitors_are_killed, 60) {
  process_id processes[WORKERS];
  for (int i = 0; i < WORKERS; i++) processes[i] = start_visitor();
  kill_for_a_while(processes, WORKERS, start_visitor);
  for (int i = 0; i < WORKERS; i++) FINISH(processes[i]);
  CHECK(shared->number[0] > 0);
  clean_namespace();
}

/* ---- openings under way in a forked child -------------------------------- */

static void stop_here(const char *place) {
  if (strcmp(place, "reserve") != 0) return;
  raise_flag(1);
  await_flag(2, 1); /* never */
}

static void *create_and_stop(void *unused) {
  fault_hook = stop_here;
  for (unsigned long at = 1;; at++) {
    fault_arm(FAULT_HOOK, at);
    allocate("a", 1);
    free_id("a");
  }
  return unused;
}

ROLE(child_who_lives_on) {
  raise_flag(3);
  await_flag(4, 1);
}

/* It dies while it makes something, and has just forked. */
ROLE(parent_who_dies) {
  pthread_t thread;
  CHECK_OK(smem_join(&error));
  CHECK(pthread_create(&thread, NULL, create_and_stop, NULL) == 0);
  await_flag(1, 1);
  START(child_who_lives_on, "");
  await_flag(3, 1);
  kill(getpid(), SIGKILL);
}

TEST(a_child_of_a_dead_creator) {
  uint64_t before = now_ms();
  CHECK_EQUAL(KILLED + SIGKILL, finish(START(parent_who_dies, "")));
  CHECK(path_exists(segment_path("a")));
  CHECK_OK(free_id("a"));
  CHECK(!path_exists(segment_path("a")));
  CHECK_OK(allocate_exclusive("a", 1));
  CHECK_OK(free_id("a"));
  CHECK(now_ms() - before < 3000 * TEST_SLOWNESS);
  raise_flag(4);
  CHECK_OK(smem_leave(&error));
}

#else
typedef int not_posix;
#endif
