/* Every system call of every operation fails once. Then the operation fails, or
 * does without; nothing has leaked; and the next attempt goes well. */
#ifndef _WIN32

#include "../harness/faults.h"
#include "test.h"

struct operation {
  const char *name;
  void (*prepare)(void);
  smem_code (*act)(void);
  void (*undo)(void); /* what act() did, if it went well */
};

/* ---- the operations ------------------------------------------------------ */

static void nothing(void) {}
static void make_a(void) { CHECK_OK(allocate("a", 5000)); }
static void free_a(void) { CHECK_OK(free_id("a")); }
static void map_a(void) {
  make_a();
  map("a");
}
static void join(void) { CHECK_OK(smem_join(&error)); }
static void leave(void) { CHECK_OK(smem_leave(&error)); }
static void plant_a(void) {
  join();
  plant_incomplete("a");
}

static smem_code act_join(void) { return smem_join(&error); }
static smem_code act_leave(void) { return smem_leave(&error); }
static smem_code act_stop(void) {
  smem_stop();
  return SMEM_OK;
}

static uint64_t numbered;
static smem_code act_unnamed(void) {
  smem_request request = SMEM_REQUEST_INIT(5000, NULL);
  smem_code code = smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error);
  numbered = request.number;
  return code;
}
static void free_number(void) { CHECK_OK(free_id(number_id(numbered))); }

static smem_code act_exclusive(void) { return allocate_exclusive("a", 5000); }
static smem_code act_open(void) { return allocate("a", 5000); }

static smem_request batch[] = {SMEM_REQUEST_INIT(1, "x"),
                               SMEM_REQUEST_INIT(1, NULL),
                               SMEM_REQUEST_INIT(1, "y")};
static smem_code act_batch(void) {
  return smem_allocate(batch, 3, SMEM_UNTIL_FREED, true, &error);
}
static void free_batch(void) {
  CHECK_OK(free_id("x"));
  CHECK_OK(free_id("y"));
  CHECK_OK(free_id(number_id(batch[1].number)));
}

static smem_code act_map(void) { return map_id("a", SMEM_READ_WRITE); }
static void unmap_a(void) { unmap_id("a"); }
static smem_code act_unmap(void) {
  unmap_a();
  return SMEM_OK;
}
static smem_code act_free(void) { return free_id("a"); }
static smem_code act_can_free(void) { return can_free_id("a"); }
static smem_code act_exists(void) {
  bool exists;
  return smem_exists("a", &exists, &error);
}
static smem_code act_size(void) {
  uint64_t size;
  return smem_size("a", &size, &error);
}
static smem_code act_list(void) { return smem_list(pass_entry, NULL, &error); }
static smem_code act_index(void) {
  uint64_t index;
  return smem_last_index(&index, &error);
}
static smem_code act_reclaim(void) {
  return smem_reclaim(false, true, ignore_fate, NULL, &error);
}
static void see(const smem_entry *entry, void *context) {
  (void)entry;
  (void)context;
}
static smem_code act_inspect(void) {
  char bytes[16], path[300];
  size_t length = sizeof bytes;
  return smem_inspect("a", bytes, &length, path, sizeof path, see, NULL,
                      &error);
}
static void add(const smem_share *share, void *context) {
  (void)share;
  (void)context;
}
static smem_code act_shares(void) { return smem_shares(add, NULL, &error); }

/* ---- handles, bytes, references and raw objects -------------------------- */

static smem_handle *handle;

/* Another process makes the segment and the reference: so nothing that is
 * looked up once per process is known here. */
ROLE(maker_of_a_reference) {
  make_a();
  mail_reference("a");
}
static void make_a_elsewhere(void) { PLAY(maker_of_a_reference, ""); }

static smem_code act_open_handle(void) {
  return smem_open("a", SMEM_READ_WRITE, &handle, &error);
}
static smem_code act_open_private(void) {
  return smem_open("a", SMEM_PRIVATE, &handle, &error);
}
static smem_code act_open_reference(void) {
  smem_reference reference = read_mail();
  return smem_open_reference(&reference, SMEM_READ_ONLY, &handle, &error);
}
/* What went wrong before must not make this reference one that leads nowhere.
 */
static void close_handle(void) {
  smem_reference mine, others = read_mail();
  smem_refer(handle, &mine);
  CHECK(memcmp(mine.place, others.place, sizeof mine.place) == 0);
  CHECK_EQUAL(others.generation, mine.generation);
  CHECK_OK(try_open_reference(&mine));
  smem_close(handle);
  free_a();
}
static void open_private(void) {
  make_a_elsewhere();
  CHECK_OK(act_open_private());
}
/* Who cannot look must say yes. */
static smem_code act_ask_written(void) {
  bool written = smem_handle_is_written(handle);
  CHECK(written || strcmp(fault_place(), "open") != 0);
  return SMEM_OK;
}

static char bytes[5000];
static smem_code act_read(void) {
  return smem_read("a", 0, bytes, sizeof bytes, &error);
}
static smem_code act_write(void) {
  return smem_write("a", 0, bytes, sizeof bytes, &error);
}

static void plant_raw(void) { plant_file(raw_path("a"), "hello", 0600); }
static void free_raw(void) { CHECK_OK(free_id(raw_id("a"))); }
static smem_code act_map_raw(void) {
  return map_id(raw_id("a"), SMEM_READ_WRITE);
}
static smem_code act_open_raw(void) {
  return smem_open(raw_id("a"), SMEM_PRIVATE, &handle, &error);
}
static void close_raw(void) {
  smem_close(handle);
  free_raw();
}
static smem_code act_read_raw(void) {
  return smem_read(raw_id("a"), 0, bytes, 5, &error);
}
static smem_code act_free_raw(void) { return free_id(raw_id("a")); }

/* ---- many at once -------------------------------------------------------- */

static const char *const several[] = {"x", "y", "z"};
static void make_several(void) {
  for (int i = 0; i < 3; i++) CHECK_OK(allocate(several[i], 5000));
}
static void free_several(void) {
  CHECK_OK(smem_free(several, 3, NULL, &error));
}
static smem_code act_map_several(void) {
  smem_mapping *mappings[3];
  return smem_map(several, 3, SMEM_READ_ONLY, mappings, &error);
}
static smem_code act_free_several(void) {
  return smem_free(several, 3, NULL, &error);
}
static void unmap_and_free_several(void) {
  smem_unmap(several, 3, count_note);
  free_several();
}
static smem_code act_reclaim_some(void) {
  smem_reclaim_some(1000000);
  return SMEM_OK;
}

/* ---- writing together ---------------------------------------------------- */

static smem_code lock_and_unlock(smem_latch *latch) {
  smem_code code = smem_lock(latch, SMEM_EXCLUSIVE, 0, NULL, &error);
  return code == SMEM_OK ? smem_unlock(latch, &error) : code;
}
static smem_code act_lock(void) {
  smem_latch *latch;
  smem_code code = smem_latch_open("a", &latch, &error);
  if (code != SMEM_OK) return code;
  code = lock_and_unlock(latch);
  smem_latch_close(latch);
  return code;
}
static smem_code act_lock_mapped(void) {
  smem_latch *latch;
  smem_code code = smem_latch_mapped("a", &latch, &error);
  return code == SMEM_OK ? lock_and_unlock(latch) : code;
}
static smem_code act_lock_reference(void) {
  smem_reference reference = read_mail();
  smem_latch *latch;
  smem_code code = smem_latch_open_reference(&reference, &latch, &error);
  if (code != SMEM_OK) return code;
  code = lock_and_unlock(latch);
  smem_latch_close(latch);
  return code;
}

static smem_code pass_semaphore(smem_sync *semaphore) {
  smem_code code = smem_acquire(semaphore, 0, NULL, &error);
  return code == SMEM_OK ? smem_release(semaphore, &error) : code;
}
static smem_code pass_event(smem_sync *event) {
  smem_event_set(event);
  return smem_event_wait(event, 0, &error);
}
static smem_code pass_barrier(smem_sync *barrier) {
  return smem_barrier_wait(barrier, SMEM_FOREVER, &error);
}
static smem_code pass(smem_sync_kind kind, smem_code (*use)(smem_sync *)) {
  smem_sync *sync;
  smem_code code = smem_sync_open(kind, "a", 1, &sync, &error);
  if (code != SMEM_OK) return code;
  code = use(sync);
  smem_sync_close(sync);
  return code;
}
static smem_code act_semaphore(void) {
  return pass(SMEM_SEMAPHORE, pass_semaphore);
}
static smem_code act_event(void) { return pass(SMEM_EVENT, pass_event); }
static smem_code act_barrier(void) { return pass(SMEM_BARRIER, pass_barrier); }
static void make_semaphore(void) { CHECK_OK(act_semaphore()); }

ROLE(maker_of_a_semaphore) {
  smem_sync *sync;
  smem_reference reference;
  CHECK_OK(smem_sync_open(SMEM_SEMAPHORE, "a", 1, &sync, &error));
  smem_sync_refer(sync, &reference);
  smem_reference_write(&reference, shared->mail);
  smem_sync_close(sync);
}
static void make_semaphore_elsewhere(void) { PLAY(maker_of_a_semaphore, ""); }
static smem_code act_semaphore_by_reference(void) {
  smem_reference reference = read_mail();
  smem_sync *sync;
  smem_code code =
      smem_sync_open_reference(SMEM_SEMAPHORE, &reference, &sync, &error);
  if (code != SMEM_OK) return code;
  code = pass_semaphore(sync);
  smem_sync_close(sync);
  return code;
}

/* ---- lifetimes ----------------------------------------------------------- */

static void make_own(void) { CHECK_OK(allocate_for_process("a")); }

static const struct operation operations[] = {
    {"join", nothing, act_join, leave},
    {"join again", join, act_join, nothing},
    {"leave", join, act_leave, nothing},
    {"leave as owner", make_a, act_leave, nothing},
    {"stop", join, act_stop, nothing},
    {"stop as owner", make_own, act_stop, nothing},
    {"allocate first", nothing, act_unnamed, free_number},
    {"allocate", join, act_unnamed, free_number},
    {"create", join, act_exclusive, free_a},
    {"create over incomplete", plant_a, act_exclusive, free_a},
    {"open", make_a, act_open, nothing},
    {"batch", join, act_batch, free_batch},
    {"batch first", nothing, act_batch, free_batch},
    {"map", make_a, act_map, unmap_a},
    {"map again", map_a, act_map, unmap_a},
    {"unmap", map_a, act_unmap, nothing},
    {"free", map_a, act_free, nothing},
    {"free absent", nothing, act_free, nothing},
    {"can free", make_a, act_can_free, nothing},
    {"exists", make_a, act_exists, nothing},
    {"exists incomplete", plant_a, act_exists, free_a},
    {"size", make_a, act_size, nothing},
    {"list", make_a, act_list, nothing},
    {"reclaim", make_a, act_reclaim, nothing},
    {"reclaim incomplete", plant_a, act_reclaim, free_a}, /* if still there */
    {"inspect", make_a, act_inspect, nothing},
    {"shares", make_a, act_shares, nothing},
    {"index", make_a, act_index, nothing},
    {"index from afar", nothing, act_index, nothing},
    {"open handle", make_a_elsewhere, act_open_handle, close_handle},
    {"open private", make_a_elsewhere, act_open_private, close_handle},
    {"open reference", make_a_elsewhere, act_open_reference, close_handle},
    {"ask if written", open_private, act_ask_written, close_handle},
    {"read", make_a, act_read, free_a},
    {"write", make_a, act_write, free_a},
    {"map raw", plant_raw, act_map_raw, free_raw},
    {"open raw", plant_raw, act_open_raw, close_raw},
    {"read raw", plant_raw, act_read_raw, free_raw},
    {"free raw", plant_raw, act_free_raw, nothing},
    {"map several", make_several, act_map_several, unmap_and_free_several},
    {"free several", make_several, act_free_several, nothing},
    {"reclaim some", plant_a, act_reclaim_some, free_a},
    {"lock", make_a, act_lock, free_a},
    {"lock mapped", map_a, act_lock_mapped, free_a},
    {"lock by reference", make_a_elsewhere, act_lock_reference, free_a},
    {"semaphore first", nothing, act_semaphore, free_a},
    {"semaphore", make_semaphore, act_semaphore, free_a},
    {"semaphore by reference", make_semaphore_elsewhere,
     act_semaphore_by_reference, free_a},
    {"event first", nothing, act_event, free_a},
    {"barrier first", nothing, act_barrier, free_a},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* ---- one failure --------------------------------------------------------- */

/* What may not change where an operation fails. */
struct state {
  size_t descriptors, mappings, objects;
  bool joined;
};

static struct state look(void) {
  return (struct state){count_descriptors(), count_mappings(), count_objects(),
                        control_descriptor() >= 0};
}

static bool is_unchanged(struct state before, struct state after) {
  if (before.descriptors == after.descriptors &&
      before.mappings == after.mappings)
    /* What a dead creator left may be gone. */
    return after.objects <= before.objects;
  /* Or it has joined, and has all of it. */
  return !before.joined && after.joined &&
         after.descriptors == before.descriptors + 1 &&
         after.mappings == before.mappings + 1;
}

static const struct operation *under_test;
static fault kind_of_fault;

static void fail_here(const char *what, int count) {
  test_fail(__FILE__, __LINE__, "%s, call %d (%s): %s%s%s", under_test->name,
            count, fault_place(), what, error.code ? ": " : "",
            error.code ? message() : "");
}

ROLE(victim_of_failure) {
  int at = atoi(argument);
  under_test->prepare();
  struct state before = look();
  fault_arm(kind_of_fault, (unsigned long)at);
  smem_code code = under_test->act();
  if (!fault_disarm()) raise_flag(0);
  struct state after = look();
  if (code != SMEM_OK && kind_of_fault == FAULT_TRANSIENT)
    fail_here("gave up", at);
  if (code != SMEM_OK && code != error.code) fail_here("lost its error", at);
  if (code != SMEM_OK && !is_unchanged(before, after)) fail_here("leaks", at);
  if (code != SMEM_OK && under_test->act() != SMEM_OK)
    fail_here("does not work any more", at);
  under_test->undo();
  smem_unmap_all(count_note);
  smem_stop();
  after = look();
  if (after.mappings > 0) fail_here("leaks mappings", at);
  if (count_descriptors() != (size_t)shared->number[0])
    fail_here("leaks descriptors", at);
}

/* Each operation in the fresh process that it would have. */
static void fail_all(fault kind) {
  kind_of_fault = kind;
  atomic_store(&shared->number[0], count_descriptors());
  for (int i = 0; i < OPERATIONS; i++) {
    under_test = &operations[i];
    atomic_store(&shared->flag[0], 0);
    for (int at = 1; atomic_load(&shared->flag[0]) == 0; at += FAULT_STEP) {
      char text[16];
      snprintf(text, sizeof text, "%d", at);
      PLAY(victim_of_failure, text);
      if (count_objects() > 0) clean_namespace();
    }
  }
}

TEST_FOR(every_call_fails, 60) { fail_all(FAULT_ERROR); }
TEST_FOR(every_call_is_interrupted, 60) { fail_all(FAULT_TRANSIENT); }

#else
typedef int not_posix;
#endif
