/* What else a machine does to a process: its clock is set, its timers fire, its
 * umask is anything. */
#ifdef __linux__

#include "test.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

/* ---- the clock ----------------------------------------------------------- */

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
  smem_request request = {1, argument, 0, NULL};
  seconds_ahead = -1000000;
  CHECK_OK(smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error));
  raise_flag(0);
  await_flag(1, 1);
}

static void note_fate(const smem_entry *entry, smem_fate fate, void *context) {
  *(smem_fate *)context = fate;
  (void)entry;
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

ROLE(stopped_creator) {
  os_object control;
  os_info info;
  struct lock lock;
  struct call call = {"allocate", argument, 0, &error, false};
  const char *name = strrchr(control_path(), '/') + 1;
  CHECK_OK(smem_join(&error));
  CHECK(os_control_open(name, false, &control, &info).code == OS_OK);
  CHECK_OK(lock_take(&call, control, lock_of_id(argument), 1, &lock));
  raise_flag(0);
  await_flag(1, 1);
  lock_drop(&lock);
  os_object_close(control);
}

/* Who waits does so for as long as it takes, not until some time of day. */
TEST(the_clock_is_set_back_while_waiting) {
  setenv("SHAREDMEMORY_TIMEOUT", "0.05", 1);
  CHECK_OK(smem_join(&error));
  process_id creator = START(stopped_creator, "a");
  await_flag(0, 1);
  for (int i = 0; i < 20; i++) {
    seconds_ahead -= 100000;
    CHECK_CODE(SMEM_BUSY, allocate("a", 1));
  }
  raise_flag(1);
  FINISH(creator);
  CHECK_OK(allocate("a", 1));
  clean_namespace();
}

/* ---- signals ------------------------------------------------------------- */

static atomic_ulong signals;
static void count_signal(int number) {
  (void)number;
  atomic_fetch_add(&signals, 1);
}

static void storm(int flags, suseconds_t microseconds) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = count_signal;
  action.sa_flags = flags;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  struct itimerval timer = {{0, microseconds}, {0, microseconds}};
  CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

/* Everything, with a timer at 1 kHz whose signals restart what they interrupt,
 * or do not. */
static void work(void) {
  static char bytes[1 << 20];
  CHECK_OK(allocate("a", sizeof bytes));
  mail_reference("a");
  smem_reference reference = read_mail();
  for (int i = 0; i < ROUNDS(300); i++) {
    memset(bytes, i, sizeof bytes);
    CHECK_OK(write_bytes("a", 0, bytes, sizeof bytes));
    CHECK_OK(read_bytes("a", 0, bytes, sizeof bytes));
    CHECK_EQUAL(i % 256, (unsigned char)bytes[sizeof bytes - 1]);
    CHECK_OK(try_open("a", SMEM_PRIVATE));
    CHECK_OK(try_open_reference(&reference));
    CHECK_OK(free_id(number_id(allocate_number(1 << 20))));
    CHECK_OK(smem_leave(&error));
  }
  CHECK_OK(free_id("a"));
}

/* Under valgrind hardly a system call would begin before the next signal. */
TEST(work_in_a_storm_of_signals) {
  const int flags[] = {SA_RESTART, 0};
  for (int i = 0; i < 2; i++) {
    signals = 0;
    storm(flags[i], TEST_SLOWNESS > 8 ? 50000 : 1000);
    do work();
    while (signals == 0);
    storm(flags[i], 0);
  }
  CHECK_EQUAL(0, count_listed());
}

/* ---- masks --------------------------------------------------------------- */

/* damage.c has allocating and mapping. */
TEST(handles_and_bytes_under_any_umask) {
  const mode_t masks[] = {0777, 0, 0277};
  char byte = 3;
  for (int i = 0; i < 3; i++) {
    umask(masks[i]);
    uint64_t number = allocate_number(10);
    CHECK_OK(write_bytes(number_id(number), 9, &byte, 1));
    CHECK_OK(read_bytes(number_id(number), 9, &byte, 1));
    CHECK_OK(try_open(number_id(number), SMEM_READ_WRITE));
    mail_reference(number_id(number));
    smem_reference reference = read_mail();
    CHECK_OK(try_open_reference(&reference));
    CHECK_EQUAL(0600, stat_of(segment_path(number_id(number))).st_mode & 07777);
    CHECK_OK(free_id(number_id(number)));
    CHECK_OK(smem_leave(&error));
  }
}

#else
typedef int not_linux_at_all;
#endif
