/* A process dies, or stops, at every system call of what it does. */
#ifndef _WIN32

#include "../harness/faults.h"
#include "spill.h"
#include "test.h"
#include "trees.h"

static smem_request requests[3];

static void allocate_three(void) {
  requests[0] = (smem_request)SMEM_REQUEST_INIT(1, "x");
  requests[1] = (smem_request)SMEM_REQUEST_INIT(1, NULL);
  requests[2] = (smem_request)SMEM_REQUEST_INIT(1, "y");
  CHECK_OK(smem_allocate(requests, 3, SMEM_UNTIL_FREED, true, &error));
}

static void allocate_row(void) {
  for (int i = 0; i < 3; i++)
    requests[i] = (smem_request)SMEM_REQUEST_INIT(1, NULL);
  CHECK_OK(smem_allocate(requests, 3, SMEM_UNTIL_FREED, false, &error));
}

static void allocate_a(void) { CHECK_OK(allocate_exclusive("a", 5000)); }
static void allocate_unnamed(void) { allocate_number(5000); }
static void join(void) { CHECK_OK(smem_join(&error)); }
static void free_a(void) { CHECK_OK(free_id("a")); }
static void leave(void) { CHECK_OK(smem_leave(&error)); }
static void allocate_own(void) { CHECK_OK(allocate_for_process("a")); }
static void allocate_over_incomplete(void) {
  plant_incomplete("a");
  allocate_a();
}
static void nothing(void) {}

/* What the victim does; it is armed before `act`. */
static void (*prepare)(void), (*act)(void);

ROLE(victim) {
  prepare();
  fault_arm(FAULT_KILL, strtoul(argument, NULL, 10));
  act();
  fault_disarm();
  exit(0);
}

static bool is_settled(const smem_entry *entry, void *context) {
  (void)context;
  CHECK(entry->state == SMEM_LIVE || entry->state == SMEM_ORPHAN ||
        entry->state == SMEM_INCOMPLETE);
  return true;
}

/* Each name is absent or whole, or was half-made and is cleaned away. */
static void check_name(const char *id) {
  if (find_id(id) == SMEM_OK) {
    unsigned char *at = map(id);
    for (int i = 0; i < 1000; i++) CHECK_EQUAL(0, at[i]);
    CHECK_OK(free_id(id));
  } else {
    CHECK_CODE(SMEM_NOT_FOUND, find_id(id));
    CHECK_OK(free_id(id));
    CHECK(!path_exists(segment_path(id)));
  }
}

static void check_segments(bool same_name) {
  uint64_t before = now_ms();
  if (same_name)
    CHECK_OK(allocate("a", 1000)); /* the same name as the victim */
  else
    CHECK_OK(allocate("z", 1000));
  CHECK(now_ms() - before < 1000 * TEST_SLOWNESS);
  CHECK_OK(smem_list(is_settled, NULL, &error));
  const char *names[] = {"a", "x", "y", "z", "1", "2", "3"};
  for (int i = 0; i < 7; i++) check_name(names[i]);
  CHECK_EQUAL(0, count_listed());
}

/* What all others find and do then, "x": under the name that the victim had to
 * do with. */
static void (*check_after)(bool same_name) = check_segments;
ROLE(survivor) { check_after(*argument == 'x'); }

/* At each call in turn, until there are no more. */
static void kill_at_each_call(void (*before)(void), void (*during)(void)) {
  int status = KILLED;
  prepare = before;
  act = during;
  for (int at = 1; status != 0; at += FAULT_STEP) {
    char text[16];
    snprintf(text, sizeof text, "%d", at);
    status = finish(START(victim, text));
    CHECK(status == 0 || status == KILLED + SIGKILL);
    PLAY(survivor, at % 2 ? "x" : "");
    CHECK_EQUAL(0, count_objects());
  }
}

/* What is left is closed to its owner, until somebody needs it. */
static void join_under_umask_777(void) {
  join();
  umask(0777);
}
static void join_under_umask_277(void) {
  join();
  umask(0277);
}
static void umask_777(void) { umask(0777); }
TEST(killed_under_a_strange_umask) {
  kill_at_each_call(join_under_umask_777, allocate_a);
  kill_at_each_call(join_under_umask_277, allocate_a);
  kill_at_each_call(umask_777, allocate_unnamed);
}

TEST(killed_while_joining) { kill_at_each_call(nothing, join); }
TEST(killed_while_allocating) { kill_at_each_call(join, allocate_a); }
TEST(killed_while_allocating_first) { kill_at_each_call(nothing, allocate_a); }
TEST(killed_while_replacing) {
  kill_at_each_call(join, allocate_over_incomplete);
}
TEST(killed_while_allocating_unnamed) {
  kill_at_each_call(join, allocate_unnamed);
}
TEST(killed_in_a_row_of_numbers) { kill_at_each_call(join, allocate_row); }
TEST(killed_in_a_batch) { kill_at_each_call(join, allocate_three); }
TEST(killed_while_freeing) { kill_at_each_call(allocate_a, free_a); }
TEST(killed_while_leaving) { kill_at_each_call(join, leave); }
TEST(killed_while_leaving_as_owner) { kill_at_each_call(allocate_a, leave); }
TEST(killed_while_stopping) { kill_at_each_call(join, smem_stop); }
TEST(killed_while_freeing_its_own) {
  kill_at_each_call(allocate_own, smem_stop);
}

#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)
/* Nobody else is told where to look. */
static void spill_and_join(void) {
  spill();
  join();
}
static void allocate_and_free_spilled(void) {
  char id[SMEM_NUMBER_SIZE];
  smem_id_of_number(allocate_number(5000), id);
  CHECK_OK(free_id(id));
}
static void allocate_spilled(void) {
  spill_and_join();
  allocate_a();
}
static void share_named_spilled(void) {
  smem_reference reference;
  CHECK_OK(make_object("a", SMEM_UNTIL_FREED, &reference));
}
static void share_spilled(void) {
  smem_reference reference;
  CHECK_OK(make_object(NULL, SMEM_UNTIL_FREED, &reference));
}
static void check_shared(bool same_name) {
  (void)same_name;
  CHECK_OK(smem_list(is_settled, NULL, &error));
  CHECK_OK(smem_reclaim(false, true, ignore_fate, NULL, &error));
  CHECK_EQUAL(0, count_listed());
}
TEST(killed_while_spilling) {
  begin_spilling("size=8k,mode=0700");
  kill_at_each_call(spill, allocate_unnamed);
  kill_at_each_call(spill_and_join, allocate_and_free_spilled);
  kill_at_each_call(spill_and_join, allocate_a);
  kill_at_each_call(allocate_spilled, free_a);
  check_after = check_shared;
  kill_at_each_call(spill_and_join, share_spilled);
  kill_at_each_call(spill_and_join, share_named_spilled);
  end_spilling();
}
#endif

/* What the process only looks at, or writes into, stays whole. */
static void open_and_close(void) {
  smem_reference reference;
  smem_handle *handle;
  CHECK_OK(smem_open("a", SMEM_PRIVATE, &handle, &error));
  smem_refer(handle, &reference);
  smem_close(handle);
  CHECK_OK(smem_open_reference(&reference, SMEM_READ_WRITE, &handle, &error));
  smem_close(handle);
}
static void write_and_read(void) {
  static char zeros[5000];
  CHECK_OK(smem_write("a", 0, zeros, sizeof zeros, &error));
  CHECK_OK(smem_read("a", 0, zeros, sizeof zeros, &error));
}
TEST(killed_while_opening) { kill_at_each_call(allocate_a, open_and_close); }
TEST(killed_while_writing) { kill_at_each_call(allocate_a, write_and_read); }

static void allocate_several(void) {
  allocate_three();
  CHECK_OK(allocate("z", 5000));
}
static void free_several(void) {
  const char *ids[] = {"x", "y", "z"};
  CHECK_OK(smem_free(ids, 3, NULL, &error));
}
static void map_and_unmap(void) { CHECK_OK(try_map("a")); }
static void plant_a(void) { plant_incomplete("a"); }
static void reclaim(void) {
  CHECK_OK(smem_reclaim(false, true, ignore_fate, NULL, &error));
}
TEST(killed_while_freeing_several) {
  kill_at_each_call(allocate_several, free_several);
}
TEST(killed_while_mapping) { kill_at_each_call(allocate_a, map_and_unmap); }
TEST(killed_while_reclaiming) { kill_at_each_call(plant_a, reclaim); }

/* ---- writing together ---------------------------------------------------- */

static smem_code lock_a(smem_latch **latch) {
  CHECK_OK(smem_latch_open("a", latch, &error));
  return smem_lock(*latch, SMEM_EXCLUSIVE, 0, NULL, &error);
}
static void lock_and_hold(void) {
  smem_latch *latch;
  CHECK_OK(lock_a(&latch));
  CHECK_OK(write_bytes("a", 0, "x", 1));
}
static smem_sync *open_a(smem_sync_kind kind) {
  smem_sync *sync;
  CHECK_OK(smem_sync_open(kind, "a", 1, &sync, &error));
  return sync;
}
static void acquire(void) {
  smem_sync *semaphore = open_a(SMEM_SEMAPHORE);
  CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
  smem_sync_close(semaphore); /* the permit stays held */
}
static void set_event(void) {
  smem_sync *event = open_a(SMEM_EVENT);
  smem_event_set(event);
  CHECK_OK(smem_event_wait(event, 0, &error));
  smem_sync_close(event);
}
static void wait_at_barrier(void) {
  smem_sync *barrier = open_a(SMEM_BARRIER);
  CHECK_OK(smem_barrier_wait(barrier, SMEM_FOREVER, &error));
  smem_sync_close(barrier);
}

/* The dead hold nothing: what they had is taken at once. */
static void check_lock(bool again) {
  smem_latch *latch;
  CHECK_OK(allocate("a", 1000));
  CHECK_OK(lock_a(&latch));
  CHECK_OK(smem_unlock(latch, &error));
  smem_latch_close(latch);
  CHECK_OK(free_id("a"));
  if (again) check_lock(false);
}
static void check_semaphore(bool again) {
  smem_sync *semaphore = open_a(SMEM_SEMAPHORE);
  CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
  CHECK_OK(smem_release(semaphore, &error));
  smem_sync_close(semaphore);
  free_a();
  if (again) check_semaphore(false);
}
static void check_event(bool again) {
  smem_sync *event = open_a(SMEM_EVENT);
  smem_event_reset(event);
  CHECK(!smem_event_is_set(event));
  CHECK_CODE(SMEM_TIMEOUT, smem_event_wait(event, 0, &error));
  smem_sync_close(event);
  free_a();
  if (again) check_event(false);
}
/* A barrier whose party died is broken for good, or was not entered yet. */
static void check_barrier(bool again) {
  smem_sync *barrier = open_a(SMEM_BARRIER);
  CHECK_AMONG(CODE(OK) | CODE(BROKEN) | CODE(ARGUMENT),
              smem_barrier_wait(barrier, 0, &error));
  smem_sync_close(barrier);
  free_a();
  if (again) check_barrier(false);
}

static void kill_and_check(void (*before)(void), void (*during)(void),
                           void (*after)(bool)) {
  check_after = after;
  kill_at_each_call(before, during);
}
TEST(killed_while_locking) {
  kill_and_check(allocate_a, lock_and_hold, check_lock);
}
TEST(killed_while_acquiring) {
  kill_and_check(nothing, acquire, check_semaphore);
}
TEST(killed_while_waiting_for_an_event) {
  kill_and_check(nothing, set_event, check_event);
}
TEST(killed_at_a_barrier) {
  kill_and_check(nothing, wait_at_barrier, check_barrier);
}

/* ---- stopped, not dead --------------------------------------------------- */

static uint64_t slow_number; /* what the creator is to get; 0: the name "a" */
static const char *slow_id(void) {
  return slow_number ? number_id(slow_number) : "a";
}

ROLE(slow_creator) {
  unsigned long at = strtoul(argument, NULL, 10);
  fault_arm(FAULT_STOP, at);
  if (slow_number)
    CHECK_EQUAL(slow_number, allocate_number(100));
  else
    CHECK_OK(allocate("a", 100));
  if (!fault_disarm()) raise_flag(0);
  *map(slow_id()) = 77;
}

/* Whoever meets it meanwhile is told so soon, or is not concerned: only who
 * wants to create it has to do with its creator. */
enum { ALLOCATE, EXISTS, MAP };
ROLE(observer) {
  uint64_t before = now_ms();
  smem_code code;
  int what = atoi(argument);
  if (what == ALLOCATE)
    code = allocate(slow_number ? "z" : "a", 100);
  else if (what == EXISTS)
    code = find_id(slow_id());
  else
    code = try_map(slow_id());
  CHECK_AMONG(what == ALLOCATE ? CODE(OK) | CODE(BUSY)
                               : CODE(OK) | CODE(NOT_FOUND),
              code);
  CHECK(now_ms() - before < 5000 * TEST_SLOWNESS);
  if (code == SMEM_BUSY) atomic_fetch_add(&shared->number[what], 1);
}

static void stop_at(int at) {
  char text[16];
  int status;
  snprintf(text, sizeof text, "%d", at);
  pid_t pid = (pid_t)START(slow_creator, text);
  CHECK(waitpid(pid, &status, WUNTRACED) == pid);
  if (!WIFSTOPPED(status)) {
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return;
  }
  process_id observers[] = {START(observer, "0"), START(observer, "1"),
                            START(observer, "2")};
  for (int i = 0; i < 3; i++) FINISH(observers[i]);
  kill(pid, SIGCONT);
  FINISH(pid);
}

static void stop_at_each_call(void) {
  set_variable("SHAREDMEMORY_TIMEOUT", "0.3");
  for (int at = 1; atomic_load(&shared->flag[0]) == 0; at += FAULT_STEP) {
    stop_at(at);
    CHECK_EQUAL(77, *map(slow_id())); /* done by the creator in the end */
    CHECK_OK(free_id(slow_id()));
    clean_namespace();
    if (slow_number) slow_number++; /* this process has not forgotten */
  }
  CHECK(shared->number[ALLOCATE] > 0); /* also before there is a page to join */
}

TEST_FOR(stopped_while_allocating, 60) { stop_at_each_call(); }
TEST_FOR(stopped_while_allocating_unnamed, 60) {
  slow_number = 1;
  stop_at_each_call();
}

/* The same, killed instead of resumed: nobody waits for the dead. */
ROLE(impatient) {
  uint64_t before = now_ms();
  CHECK_OK(allocate("a", 100));
  CHECK(now_ms() - before < 1000 * TEST_SLOWNESS);
}

TEST(stopped_then_killed) {
  set_variable("SHAREDMEMORY_TIMEOUT", "20");
  for (int at = 1; atomic_load(&shared->flag[0]) == 0; at += 3) {
    char text[16];
    int status;
    snprintf(text, sizeof text, "%d", at);
    pid_t pid = (pid_t)START(slow_creator, text);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    if (WIFSTOPPED(status)) {
      kill(pid, SIGKILL);
      CHECK_EQUAL(KILLED + SIGKILL, finish(pid));
    }
    PLAY(impatient, "");
    clean_namespace();
  }
}

/* Whoever wants it too waits while the creator is at work, and gets it. */
static void pause_creator(const char *place) {
  if (strcmp(place, "reserve") != 0) return;
  raise_flag(1);
  await_flag(2, 1);
}

ROLE(paused_creator) {
  fault_hook = pause_creator;
  for (unsigned long at = 1; shared->flag[1] == 0; at++) {
    fault_arm(FAULT_HOOK, at);
    CHECK_OK(allocate("a", 100));
    fault_disarm();
    if (shared->flag[1] == 0) CHECK_OK(free_id("a"));
  }
}

ROLE(waiting_sharer) {
  raise_flag(3);
  CHECK_OK(allocate("a", 100));
  CHECK_OK(try_map("a"));
}

TEST(waits_for_a_creator_at_work) {
  process_id creator = START(paused_creator, "");
  await_flag(1, 1);
  process_id waiting = START(waiting_sharer, "");
  await_flag(3, 1);
  sleep_ms(50);
  raise_flag(2);
  FINISH(creator);
  FINISH(waiting);
  CHECK_OK(free_id("a"));
  clean_namespace();
}

#else
typedef int not_posix;
#endif
