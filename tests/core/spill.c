/* Segments for which there is no room go to another directory, and are found
 * there. A tiny file system is mounted for a test alone. */
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)

#include "../harness/faults.h"
#include "test.h"

#include <sched.h>
#include <sys/mount.h>

#include "spill.h"
#include "trees.h"

static char small[300], large[300];

static void make(char path[300], const char *word) {
  snprintf(path, 300, "%s-%s", temporary_directory(), word);
  CHECK(mkdir(path, 0700) == 0);
}

static void mount_tmpfs(const char *path, const char *options) {
  if (mount("none", path, "tmpfs", 0, options) == 0) return;
  test_skip("this kernel does not mount it here");
}

void begin_spilling(const char *room) {
  mount_apart();
  make(small, "small");
  make(large, "large");
  mount_tmpfs(small, room);
  CHECK_OK(smem_leave(&error));
  set_variable("SHAREDMEMORY_DIR", small);
}

void spill(void) {
  char path[300];
  snprintf(path, sizeof path, "%s", getenv("SHAREDMEMORY_DIR"));
  memcpy(strrchr(path, '-'), "-large", 7);
  set_variable("SHAREDMEMORY_SPILL", path);
}

void end_spilling(void) {
  set_variable("SHAREDMEMORY_SPILL", NULL);
  CHECK_OK(smem_leave(&error));
  set_variable("SHAREDMEMORY_DIR", NULL);
  CHECK(rmdir(large) == 0); /* it is empty */
  CHECK(umount(small) == 0 && rmdir(small) == 0);
}

static const char *path_in(const char *directory, const char *id) {
  static char path[600];
  const char *name = strrchr(segment_path(id), '/');
  snprintf(path, sizeof path, "%s%s", directory, name);
  return path;
}
static bool lies_in(const char *directory, const char *id) {
  return path_exists(path_in(directory, id));
}

static smem_code allocate_unnamed(uint64_t size, uint64_t *number) {
  smem_request request = SMEM_REQUEST_INIT(size, NULL);
  smem_code code = smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error);
  *number = request.number;
  return code;
}

/* Of a process that knows nothing yet. */
static void forget(void) {
  set_variable("SHAREDMEMORY_SPILL", NULL);
  CHECK_OK(smem_leave(&error));
}

/* Another process, which has not been told where to look. */
ROLE(other_finds_it) {
  forget();
  CHECK_OK(find_id("1"));
  CHECK_EQUAL(1, count_listed());
  smem_reference reference = read_mail();
  CHECK_OK(try_open_reference(&reference));
  CHECK_EQUAL(7, map("1")[9999]);
  (void)argument;
}
ROLE(other_namespace_opens_it) {
  set_variable("SHAREDMEMORY_DIR", NULL);
  forget();
  smem_reference reference = read_mail();
  CHECK_OK(try_open_reference(&reference));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("1"));
  (void)argument;
}
ROLE(other_frees_it) {
  forget();
  CHECK_OK(free_id("1"));
  (void)argument;
}

TEST(what_does_not_fit_is_spilled) {
  uint64_t number;
  begin_spilling("size=8k,mode=0700");
  CHECK_CODE(SMEM_NO_SPACE, allocate_unnamed(10000, &number));
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(smem_leave(&error));
  spill();
  CHECK_OK(allocate_unnamed(10000, &number));
  CHECK_EQUAL(1, number);
  CHECK(lies_in(large, "1") && !lies_in(small, "1"));
  map("1")[9999] = 7;
  unmap_id("1"); /* the roles begin without */
  mail_reference("1");
  PLAY(other_finds_it, "");
  PLAY(other_namespace_opens_it, "");
  CHECK_OK(allocate_unnamed(1000, &number)); /* there is room for this one */
  CHECK(lies_in(small, "2"));
  CHECK_OK(free_id("2"));
  PLAY(other_frees_it, "");
  CHECK_CODE(SMEM_NOT_FOUND, find_id("1"));
  CHECK_EQUAL(0, count_listed());
  end_spilling();
}

/* A name is in one place: where it lies is seen by everybody who looks for it,
 * or wants to make it. */
ROLE(other_has_the_name) {
  forget();
  CHECK_OK(find_id("n"));
  CHECK_EQUAL(SMEM_LIVE, listed_state("n"));
  CHECK_CODE(SMEM_EXISTS, allocate_exclusive("n", 100));
  CHECK_CODE(SMEM_TOO_SMALL, allocate("n", 20000));
  CHECK_OK(allocate("n", 100)); /* opens it */
  CHECK_EQUAL(7, map("n")[9999]);
  CHECK_EQUAL(1, count_listed());
  smem_reference reference = read_mail(), another;
  CHECK_OK(try_open_reference(&reference));
  CHECK_CODE(SMEM_EXISTS, make_object("n", SMEM_UNTIL_FREED, &another));
}
ROLE(other_frees_the_name) {
  forget();
  CHECK_OK(free_id("n"));
}

TEST(names_are_spilled) {
  begin_spilling("size=8k,mode=0700");
  CHECK_CODE(SMEM_NO_SPACE, allocate("n", 10000));
  CHECK_OK(smem_leave(&error));
  spill();
  CHECK_OK(allocate_exclusive("n", 10000));
  CHECK(lies_in(large, "n") && !lies_in(small, "n"));
  map("n")[9999] = 7;
  unmap_id("n");
  mail_reference("n");
  PLAY(other_has_the_name, "");
  PLAY(other_frees_the_name, "");
  CHECK_CODE(SMEM_NOT_FOUND, find_id("n"));
  CHECK_OK(allocate_exclusive("n", 1000)); /* there is room for this one */
  CHECK(lies_in(small, "n") && !lies_in(large, "n"));
  CHECK_OK(free_id("n"));
  CHECK_EQUAL(0, count_listed());
  end_spilling();
}

ROLE(other_has_the_name_beside) {
  forget();
  CHECK_OK(find_id("n"));
  CHECK_CODE(SMEM_EXISTS, allocate_exclusive("n", 100));
  CHECK_OK(find_id("n"));
}
static void plant_incomplete_in(const char *directory, const char *id) {
  plant_file(path_in(directory, id), "", 0600);
}

/* What creators leave that were killed half-way, here and there. */
TEST(names_that_dead_creators_left) {
  smem_reference reference;
  begin_spilling("size=12k,mode=0700");
  spill();
  CHECK_OK(allocate("n", 10000));
  plant_incomplete("n");
  PLAY(other_has_the_name_beside, "");
  CHECK_OK(free_id("n"));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("n"));
  CHECK_OK(allocate_exclusive("n", 1000));
  CHECK_OK(free_id("n"));
  plant_incomplete_in(large, "n");
  CHECK_CODE(SMEM_NOT_FOUND, find_id("n"));
  CHECK_OK(allocate_exclusive("n", 10000));
  CHECK(lies_in(large, "n"));
  CHECK_OK(free_id("n"));
  plant_incomplete("m");
  plant_incomplete_in(large, "m");
  CHECK_OK(allocate("full", 1));
  CHECK_OK(make_object("m", SMEM_UNTIL_FREED, &reference));
  CHECK(lies_in(large, "m"));
  const char *ids[] = {"m", "full"};
  CHECK_OK(smem_free(ids, 2, NULL, &error));
  CHECK_EQUAL(0, count_listed());
  end_spilling();
}

/* One name, for which there is room here and not, made by many at once: it is
 * never twice. */
enum { CREATED, OWNERS, FILES };
static void make_it_alone(int i) {
  smem_reference reference;
  bool is_object = i % 3 == 0;
  smem_code code = is_object ? make_object("n", SMEM_UNTIL_FREED, &reference)
                             : allocate_exclusive("n", i % 2 ? 1000 : 10000);
  CHECK_AMONG(CODE(OK) | CODE(EXISTS) | CODE(NOT_FOUND), code);
  if (code != SMEM_OK) return;
  CHECK_EQUAL(0, atomic_fetch_add(&shared->number[OWNERS], 1));
  atomic_fetch_add(&shared->number[CREATED], 1);
  atomic_fetch_add(&shared->number[FILES], lies_in(large, "n"));
  usleep(200); /* for the others */
  atomic_fetch_sub(&shared->number[OWNERS], 1);
  CHECK_OK(free_id("n"));
}
ROLE(makes_it) {
  int seed = atoi(argument);
  spill();
  for (int i = 0; i < ROUNDS(2000); i++) make_it_alone(i * 7 + seed);
}
TEST(a_name_is_never_in_both_places) {
  process_id makers[4];
  begin_spilling("size=12k,mode=0700");
  spill();
  CHECK_OK(smem_join(&error));
  for (int i = 0; i < 4; i++) {
    char seed[16];
    snprintf(seed, sizeof seed, "%d", i);
    makers[i] = START(makes_it, seed);
  }
  for (int i = 0; i < 4; i++) FINISH(makers[i]);
  uint64_t created = shared->number[CREATED], there = shared->number[FILES];
  CHECK(there > 0 && there < created);
  CHECK_EQUAL(0, count_listed());
  end_spilling();
}

/* Between any two calls of whoever makes one here another process spills one of
 * that name: only one of them is made. */
static bool it_was_tried;
ROLE(spills_the_name) {
  spill();
  await_flag(0, 1);
  CHECK_AMONG(CODE(OK) | CODE(EXISTS) | CODE(BUSY),
              allocate_exclusive("n", 200000));
  raise_flag(1);
}
static void let_another_spill(const char *place) {
  (void)place;
  it_was_tried = true;
  raise_flag(0);
  await_flag(1, 1);
}

enum { SEGMENT, OBJECT, SMALL_OBJECT, KINDS };
static smem_code make_one(int kind) {
  smem_reference reference;
  smem_writer *writer;
  if (kind == SEGMENT) return allocate_exclusive("n", 1000);
  if (kind == OBJECT) return make_object("n", SMEM_UNTIL_FREED, &reference);
  smem_code code = begin_small_object("n", &writer);
  return code == SMEM_OK ? publish_small_object(writer) : code;
}

static void spill_at_each_call(int kind) {
  it_was_tried = true;
  for (unsigned long at = 1; it_was_tried; at += FAULT_STEP) {
    it_was_tried = false;
    shared->flag[0] = shared->flag[1] = 0;
    process_id other = START(spills_the_name, "");
    fault_hook = let_another_spill;
    fault_arm(FAULT_HOOK, at);
    smem_code code = make_one(kind);
    fault_disarm();
    if (!it_was_tried) raise_flag(0); /* it comes too late */
    FINISH(other);
    CHECK_AMONG(CODE(OK) | CODE(EXISTS), code);
    CHECK_EQUAL(1, lies_in(small, "n") + lies_in(large, "n"));
    CHECK_EQUAL(code == SMEM_OK, lies_in(small, "n"));
    CHECK_OK(find_id("n"));
    CHECK_EQUAL(1, count_listed());
    CHECK_OK(free_id("n"));
    CHECK_OK(smem_leave(&error));
  }
}

TEST_FOR(another_spills_the_name_meanwhile, 60) {
  begin_spilling("size=96k,mode=0700");
  set_variable("SHAREDMEMORY_TIMEOUT", "0.02");
  for (int kind = 0; kind < KINDS; kind++) spill_at_each_call(kind);
  set_variable("SHAREDMEMORY_TIMEOUT", NULL);
  end_spilling();
}

TEST(objects_are_spilled) {
  smem_reference reference;
  begin_spilling("size=12k,mode=0700");
  CHECK_OK(allocate("f", 1));
  CHECK_OK(allocate("g", 1));
  CHECK_CODE(SMEM_NO_SPACE, make_object(NULL, SMEM_UNTIL_FREED, &reference));
  spill();
  const char *names[] = {NULL, "object"};
  for (int i = 0; i < 2; i++) {
    CHECK_OK(make_object(names[i], SMEM_UNTIL_FREED, &reference));
    CHECK(lies_in(large, reference.id) && !lies_in(small, reference.id));
    smem_handle *handle = open_object(&reference);
    check_object(handle);
    smem_close(handle);
    CHECK_EQUAL(3, count_listed());
    CHECK_OK(free_id(reference.id));
  }
  CHECK_OK(free_id("f"));
  CHECK_OK(free_id("g"));
  end_spilling();
}

/* Those who wait for each other meet where it lies. */
ROLE(other_waits) {
  smem_sync *sync;
  forget();
  CHECK_OK(smem_sync_open(SMEM_SEMAPHORE, "s", 0, &sync, &error));
  raise_flag(0);
  CHECK_OK(smem_acquire(sync, UINT64_MAX, NULL, &error));
  smem_sync_close(sync);
}
TEST(what_is_waited_for_is_spilled) {
  smem_sync *sync;
  begin_spilling("size=4k,mode=0700");
  spill();
  CHECK_OK(smem_sync_open(SMEM_SEMAPHORE, "s", 1, &sync, &error));
  CHECK(lies_in(large, "s"));
  CHECK_OK(smem_acquire(sync, UINT64_MAX, NULL, &error));
  process_id other = START(other_waits, "");
  await_flag(0, 1);
  sleep_ms(50);
  CHECK_OK(smem_release(sync, &error));
  FINISH(other);
  smem_sync_close(sync);
  CHECK_OK(free_id("s"));
  end_spilling();
}

TEST(a_directory_to_spill_to_that_is_full) {
  uint64_t number;
  begin_spilling("size=8k,mode=0700");
  mount_tmpfs(large, "size=16k,mode=0700");
  spill();
  CHECK_CODE(SMEM_NO_SPACE, allocate_unnamed(100000, &number));
  CHECK(strstr(message(), "the directory to spill to") != NULL);
  CHECK_OK(allocate_unnamed(10000, &number)); /* 12 KiB of it */
  CHECK_CODE(SMEM_NO_SPACE, allocate_unnamed(10000, &number));
  CHECK_EQUAL(1, count_listed());
  smem_reclaim(false, false, ignore_fate, NULL, &error);
  CHECK_EQUAL(1, count_listed());
  CHECK_OK(free_id("2"));
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(smem_leave(&error));
  CHECK(umount(large) == 0);
  end_spilling();
}

TEST(a_directory_to_spill_to_that_is_not_good) {
  uint64_t number;
  begin_spilling("size=8k,mode=0700");
  set_variable("SHAREDMEMORY_SPILL", "/proc/self");
  CHECK(allocate_unnamed(10000, &number) != SMEM_OK);
  CHECK(strstr(message(), "SHAREDMEMORY_SPILL") != NULL);
  set_variable("SHAREDMEMORY_SPILL", "nowhere");
  CHECK_CODE(SMEM_ARGUMENT, allocate_unnamed(10000, &number));
  CHECK_OK(allocate_unnamed(1000, &number)); /* it is not needed */
  CHECK_EQUAL(1, count_listed());
  char id[SMEM_NUMBER_SIZE];
  smem_id_of_number(number, id);
  CHECK_OK(free_id(id));
  end_spilling();
}

/* The first one that was needed is that of the namespace. */
ROLE(another_setting) {
  uint64_t number;
  set_variable("SHAREDMEMORY_SPILL", temporary_directory());
  CHECK_OK(allocate_unnamed(10000, &number));
  CHECK(lies_in(argument, "2"));
  CHECK_EQUAL(2, count_listed());
  CHECK_OK(free_id("2"));
}

TEST(a_namespace_spills_to_one_directory) {
  uint64_t number;
  begin_spilling("size=8k,mode=0700");
  spill();
  CHECK_OK(allocate_unnamed(10000, &number));
  PLAY(another_setting, large);
  CHECK_OK(free_id("1"));
  end_spilling();
}

/* Those of dead owners are reclaimed there. */
ROLE(dies_with_one) {
  smem_request request = SMEM_REQUEST_INIT(10000, NULL);
  spill();
  CHECK_OK(smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error));
  CHECK_EQUAL(1, count_listed());
  raise(SIGKILL);
  (void)argument;
}

TEST(what_was_spilled_is_reclaimed) {
  begin_spilling("size=8k,mode=0700");
  CHECK_OK(smem_join(&error));
  CHECK_EQUAL(KILLED + SIGKILL, finish(START(dies_with_one, "")));
  CHECK_EQUAL(1, count_listed());
  CHECK_EQUAL(SMEM_ORPHAN, listed_state("1"));
  CHECK_OK(smem_reclaim(false, false, ignore_fate, NULL, &error));
  CHECK_EQUAL(0, count_listed());
  end_spilling();
}

#else
typedef int nothing_to_test_here;
#endif
