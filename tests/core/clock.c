/* The clock is set, forward and back. */
#ifdef __linux__

#include "test.h"

#include <sys/syscall.h>
#include <time.h>

static _Atomic int64_t seconds_ahead;

/* In place of the C library's: the wall clock of this program can be set. */
int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = (int)syscall(SYS_clock_gettime, clock, now);
  if (clock == CLOCK_REALTIME) now->tv_sec += (time_t)seconds_ahead;
  return result;
}

static void note_created(const smem_entry *entry, void *context) {
  *(uint64_t *)context = entry->created;
}

static uint64_t created_of(const char *id) {
  uint64_t created = 0;
  char path[300];
  size_t none = 0;
  CHECK_OK(smem_inspect(id, NULL, &none, path, sizeof path, note_created,
                        &created, &error));
  return created;
}

static void live_once(const char *id) {
  char byte = 7;
  CHECK_OK(allocate_exclusive(id, 1));
  CHECK_OK(write_bytes(id, 0, &byte, 1));
  CHECK_OK(try_open(id, SMEM_READ_ONLY));
  CHECK_EQUAL(7, *map(id));
  CHECK_EQUAL(SMEM_LIVE, listed_state(id));
  CHECK_OK(free_id(id));
}

/* A machine without a battery wakes up in 1970; one that asks the network comes
 * back from 2100. */
TEST(the_clock_is_set) {
  const int64_t year = 365 * 86400;
  const int64_t ahead[] = {0, -10, 75 * year, -10 * year, 0};
  CHECK_OK(allocate("before", 1));
  uint64_t before = created_of("before");
  for (int i = 0; i < 5; i++) {
    seconds_ahead = ahead[i];
    live_once("a");
    CHECK_EQUAL(before, created_of("before"));
    CHECK_EQUAL(SMEM_LIVE, listed_state("before"));
    CHECK_OK(smem_leave(&error));
  }
  seconds_ahead = -time(NULL);
  CHECK_OK(allocate("then", 1));
  seconds_ahead = 0;
  CHECK(created_of("then") < before);
  CHECK_OK(free_id("then"));
  CHECK_OK(free_id("before"));
}

ROLE(dying_owner) {
  seconds_ahead = -1000000;
  CHECK_OK(allocate_for_process(argument));
  raise_flag(0);
  await_flag(1, 1);
}

/* Whether an owner lives has nothing to do with what time it says it is. */
TEST(the_clock_is_set_while_owners_die) {
  smem_fate fate = SMEM_KEPT_CHANGED;
  process_id owner = START(dying_owner, "a");
  await_flag(0, 1);
  CHECK_OK(smem_reclaim(false, false, note_fate, &fate, &error));
  CHECK_EQUAL(SMEM_KEPT_LIVE, fate);
  kill_process(owner);
  finish(owner);
  seconds_ahead = -2000000;
  CHECK_OK(smem_reclaim(false, false, note_fate, &fate, &error));
  CHECK_EQUAL(SMEM_REMOVED, fate);
  clean_namespace();
}

/* Whoever waits does so for as long as it takes, not until some time of day. */
TEST(the_clock_is_set_back_while_waiting) {
  set_variable("SHAREDMEMORY_TIMEOUT", "0.05");
  CHECK_OK(smem_join(&error));
  process_id creator = start_creator("a");
  for (int i = 0; i < 20; i++) {
    seconds_ahead -= 100000;
    CHECK_CODE(SMEM_BUSY, allocate("a", 1));
  }
  raise_flag(1);
  FINISH(creator);
  CHECK_OK(allocate("a", 1));
  clean_namespace();
}

#else
typedef int not_linux_at_all;
#endif
