/* Signals, and users who do not want to wait. */
#ifndef _WIN32

#include "test.h"

#include <sys/time.h>

static atomic_ulong signals;
static void count_signal(int number) {
  (void)number;
  atomic_fetch_add(&signals, 1);
}

/* SA_RESTART, or 0: then every call is hit. */
static void storm(int flags, suseconds_t microseconds) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = count_signal;
  action.sa_flags = flags;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  struct itimerval timer = {{0, microseconds}, {0, microseconds}};
  CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

/* A profiler's timer; fallocate() of much gives up at each of its signals. */
TEST(a_gibibyte_in_a_storm_of_signals) {
  uint64_t size = (uint64_t)1 << 30;
#ifdef SHAREDMEMORY_OS_PORTABLE
  size >>= 2; /* posix_fallocate() starts each chunk again */
#endif
  if (smem__os_free_space("", NULL, 0) < 2 * size) test_skip("needs 2 GiB");
  storm(0, 1000);
  CHECK_OK(allocate("a", size));
  for (int i = 0; i < ROUNDS(2000); i++) {
    CHECK_OK(find_id("a"));
    CHECK_OK(allocate("b", 100));
    CHECK_OK(try_map("b"));
    CHECK_OK(free_id("b"));
  }
  storm(0, 0);
  CHECK(signals > 0);
  CHECK_OK(smem_size("a", &size, &error));
  CHECK_OK(free_id("a"));
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

/* ---- interrupts ---------------------------------------------------------- */

static unsigned asked, patience;
static bool impatient(void) { return ++asked > patience; }

TEST(a_large_allocation_is_interrupted) {
  const uint64_t size = (uint64_t)512 << 20;
  if (smem__os_free_space("", NULL, 0) < 2 * size) test_skip("needs 1 GiB");
  smem_start(impatient);
  for (patience = 0; patience < 4; patience++) {
    asked = 0;
    CHECK_CODE(SMEM_INTERRUPTED, allocate("a", size));
    CHECK(!path_exists(segment_path("a")));
    CHECK(strcmp(error.id, "a") == 0);
  }
  patience = 1000000;
  CHECK_OK(allocate("a", size));
  CHECK_OK(free_id("a"));
}

TEST(many_allocations_are_interrupted) {
  enum { COUNT = 2000 };
  static smem_request requests[COUNT];
  for (int i = 0; i < COUNT; i++)
    requests[i] = (smem_request)SMEM_REQUEST_INIT(1, NULL);
  smem_start(impatient);
  patience = 3;
  CHECK_CODE(SMEM_INTERRUPTED,
             smem_allocate(requests, COUNT, SMEM_UNTIL_FREED, false, &error));
  patience = 1000000;
  CHECK_EQUAL(0, count_listed());
}

/* What was copied until then stays copied; nothing else has changed. */
TEST(a_copy_is_interrupted) {
  enum { MIB = 1 << 20, CHUNK = 4 * MIB };
  char *ones = malloc(3 * CHUNK);
  CHECK(ones != NULL);
  memset(ones, 1, 3 * CHUNK);
  CHECK_OK(allocate("a", 3 * CHUNK));
  unsigned char *at = map("a");
  smem_start(impatient);
  for (patience = 0; patience < 2; patience++) {
    asked = 0;
    CHECK_CODE(SMEM_INTERRUPTED, write_bytes("a", 1, ones, 3 * CHUNK - 1));
    CHECK(strcmp(error.id, "a") == 0);
    unsigned end = (patience + 1) * CHUNK;
    CHECK(at[0] == 0 && at[1] == 1 && at[end] == 1 && at[end + 1] == 0);
    asked = 0;
    CHECK_CODE(SMEM_INTERRUPTED, read_bytes("a", 0, ones, 3 * CHUNK));
    CHECK(ones[0] == 0 && ones[end] == 1);
    ones[0] = 1;
  }
  asked = 0; /* the last chunk is done, so there is nothing to interrupt */
  CHECK_OK(write_bytes("a", 0, ones, 3 * CHUNK));
  CHECK_EQUAL(2, asked);
  asked = patience = 0;
  CHECK_OK(read_bytes("a", 5, ones, CHUNK));
  CHECK_EQUAL(0, asked);
  smem_start(NULL);
  free(ones);
  CHECK_OK(free_id("a"));
}

TEST(copies_in_a_storm_of_signals) {
  const uint64_t size = (uint64_t)16 << 20;
#ifdef TEST_VALGRIND
  test_skip("valgrind gives up a call for each signal, before it begins");
#endif
  char *from = malloc(size), *to = malloc(size);
  CHECK(from && to);
  CHECK_OK(allocate("a", size));
  storm(0, 100 * TEST_SLOWNESS);
  for (int i = 0; i < ROUNDS(10); i++) {
    memset(from, i, size);
    CHECK_OK(write_bytes("a", 0, from, size));
    CHECK_OK(read_bytes("a", 0, to, size));
    CHECK(memcmp(from, to, size) == 0);
  }
  storm(0, 0);
  CHECK(signals > 0);
  free(from);
  free(to);
  CHECK_OK(free_id("a"));
}

static bool stop_listing(const smem_entry *entry, void *context) {
  (void)entry;
  (void)context;
  return true;
}

TEST(a_list_is_interrupted) {
  enum { COUNT = 600 };
  static smem_request requests[COUNT];
  for (int i = 0; i < COUNT; i++)
    requests[i] = (smem_request)SMEM_REQUEST_INIT(1, NULL);
  CHECK_OK(smem_allocate(requests, COUNT, SMEM_UNTIL_FREED, false, &error));
  smem_start(impatient);
  CHECK_CODE(SMEM_INTERRUPTED, smem_list(stop_listing, NULL, &error));
  smem_start(NULL);
  CHECK_EQUAL(COUNT, count_listed());
  for (unsigned i = 1; i <= COUNT; i++) CHECK_OK(free_id(number_id(i)));
}

/* ---- waiting for somebody who does not come ------------------------------ */

/* Only a process that wants to create it waits for what is being created. */
static void check_wait(smem_code expected) {
  uint64_t before = now_ms();
  CHECK_CODE(expected, allocate("a", 1));
  CHECK_CODE(expected, allocate_exclusive("a", 1));
  CHECK(now_ms() - before < 10000);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, try_map("a"));
  CHECK_CODE(SMEM_NOT_FOUND, try_open("a", SMEM_READ_ONLY));
  CHECK_OK(free_id("a"));
  CHECK_CODE(expected, allocate("a", 1));
  CHECK_EQUAL(0, count_listed());
  CHECK(path_exists(segment_path("a")));
}

TEST(a_wait_ends) {
  set_variable("SHAREDMEMORY_TIMEOUT", "0.1");
  process_id other = start_creator("a");
  check_wait(SMEM_BUSY);
  set_variable("SHAREDMEMORY_TIMEOUT", "1000");
  smem_start(impatient);
  asked = patience = 0;
  check_wait(SMEM_INTERRUPTED);
  smem_start(NULL);
  CHECK_OK(allocate("b", 1)); /* others are not concerned */
  CHECK_OK(free_id("b"));
  kill_process(other);
  finish(other);
  CHECK_OK(allocate("a", 1));
  CHECK_OK(free_id("a"));
}

ROLE(allocator_who_leaves) { CHECK_OK(allocate("a", 1)); }

/* As who leaves does for a moment. */
ROLE(holder_of_all_presences) {
  os_info info;
  os_object control;
  const char *name = strrchr(control_path(), '/') + 1;
  CHECK(smem__os_control_open(name, &control, &info).code == OS_OK);
  CHECK(smem__os_lock(control, LOCK_PRESENCE, LOCK_PRESENCES).code == OS_OK);
  raise_flag(0);
  pause();
}

TEST(nobody_waits_for_who_leaves_for_ever) {
  PLAY(allocator_who_leaves, "");
  process_id other = START(holder_of_all_presences, "");
  await_flag(0, 1);
  set_variable("SHAREDMEMORY_TIMEOUT", "0.1");
  CHECK_CODE(SMEM_BUSY, smem_join(&error));
  CHECK_CODE(SMEM_BUSY, allocate("b", 1));
  kill_process(other);
  finish(other);
  CHECK_OK(smem_join(&error));
  check_joined();
  clean_namespace();
}

ROLE(joins_and_leaves) {
  set_variable("SHAREDMEMORY_TIMEOUT", "0.1");
  CHECK_OK(smem_join(&error));
  raise_flag(0);
  await_flag(1, 1);
  CHECK_OK(smem_leave(&error));
}

/* While somebody else is there nobody can be the last. */
TEST(who_leaves_does_not_wait_for_who_stays) {
  process_id other = START(joins_and_leaves, "");
  await_flag(0, 1);
  CHECK_OK(smem_join(&error));
  CHECK_OK(smem_leave(&error));
  CHECK(path_exists(control_path()));
  raise_flag(1);
  FINISH(other);
  CHECK(!path_exists(control_path()));
}

/* Nonsense there means the usual time. */
TEST(any_timeout) {
  const char *texts[] = {"", "0", "-1", "x", "nan", "inf", "1e300"};
  for (int i = 0; i < 7; i++) {
    set_variable("SHAREDMEMORY_TIMEOUT", texts[i]);
    CHECK_OK(allocate("a", 1));
    CHECK_OK(free_id("a"));
  }
}

/* ---- how long a user waits ----------------------------------------------- */

TEST(seconds_of_patience) {
  const char *bad[] = {"-1", "0", "nan", "1e7", "soon", ""};
  set_variable("SHAREDMEMORY_TIMEOUT", "0.25");
  CHECK_EQUAL(250000000, smem__process_timeout());
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    set_variable("SHAREDMEMORY_TIMEOUT", bad[i]);
    CHECK_EQUAL(5000000000u, smem__process_timeout());
  }
}

TEST(many_names_are_interrupted) {
  enum { MANY = 600 };
  static char names[MANY][16];
  static smem_request requests[MANY];
  need_listing_of_what_is_planted();
  for (int i = 0; i < MANY; i++) {
    snprintf(names[i], sizeof names[i], "n%d", i);
    requests[i] = (smem_request)SMEM_REQUEST_INIT(1, names[i]);
  }
  /* Asked while memory is reserved, too. */
  smem_start(impatient);
  patience = 0;
  CHECK_CODE(SMEM_INTERRUPTED,
             smem_allocate(requests, MANY, SMEM_UNTIL_FREED, true, &error));
  CHECK_EQUAL(0, count_objects() - path_exists(control_path()));
  patience = 1000000;
  CHECK_OK(smem_allocate(requests, MANY, SMEM_UNTIL_FREED, true, &error));
  for (int i = 0; i < MANY; i++) CHECK_OK(free_id(names[i]));
}

#else
typedef int not_posix;
#endif
