/* Threads of one process, and a fork in the midst of them. */
#ifndef _WIN32

#include "test.h"

#include <pthread.h>

enum { THREADS = 8 };

static void run_threads(void *(*work)(void *)) {
  pthread_t threads[THREADS];
  static int numbers[THREADS];
  for (int i = 0; i < THREADS; i++) {
    numbers[i] = i;
    CHECK(pthread_create(&threads[i], NULL, work, &numbers[i]) == 0);
  }
  for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

/* ---- each with its own --------------------------------------------------- */

static void *live_alone(void *number) {
  char name[32];
  snprintf(name, sizeof name, "own-%d", *(int *)number);
  for (int i = 0; i < ROUNDS(800); i++) {
    uint64_t unnamed = allocate_number(100);
    unsigned char *one = map(number_id(unnamed));
    CHECK_EQUAL(0, one[50]);
    memset(one, *(int *)number, 100);
    CHECK_OK(allocate_exclusive(name, 1));
    unsigned char *two = map(name);
    CHECK(map(name) == two);
    *two = 1;
    unmap_id(name);
    CHECK_EQUAL(*(int *)number, one[50]);
    CHECK_OK(free_id(name));
    unmap_id(number_id(unnamed));
    CHECK_CODE(SMEM_NOT_FOUND, find_id(name));
    CHECK_OK(free_id(number_id(unnamed)));
  }
  return NULL;
}

TEST(threads_with_their_own_segments) {
  run_threads(live_alone);
  CHECK_EQUAL(0, count_listed());
  CHECK(!smem__mapping_any());
}

/* ---- all with the same --------------------------------------------------- */

static void *read_common(void *number) {
  (void)number;
  for (int i = 0; i < ROUNDS(4000); i++) {
    const char *id = number_id((uint64_t)(i % 3) + 1);
    smem_access access = i % 2 ? SMEM_READ_ONLY : SMEM_READ_WRITE;
    CHECK_EQUAL(42, *(unsigned char *)mapped_at(id, access));
    unmap_id(id);
  }
  return NULL;
}

TEST(threads_that_map_the_same) {
  for (unsigned i = 1; i <= 3; i++) {
    CHECK_EQUAL(i, allocate_number(1));
    *map(number_id(i)) = 42;
    unmap_id(number_id(i));
  }
  run_threads(read_common);
  CHECK(!smem__mapping_any());
  for (unsigned i = 1; i <= 3; i++) CHECK_OK(free_id(number_id(i)));
}

/* Whoever frees takes the memory from all: so nobody touches it here. */
static void *contend(void *number) {
  uint64_t size;
  (void)number;
  for (int i = 0; i < ROUNDS(800); i++) {
    const uint32_t gone = CODE(OK) | CODE(NOT_FOUND);
    CHECK_OK(allocate("common", 100));
    CHECK_AMONG(gone | CODE(EXISTS), allocate_exclusive("common", 100));
    CHECK_AMONG(gone, find_id("common"));
    CHECK_AMONG(gone, smem_size("common", &size, &error));
    CHECK_AMONG(gone | CODE(REPLACED), map_id("common", SMEM_READ_WRITE));
    if (i % 2) unmap_id("common");
    if (i % 3) CHECK_OK(free_id("common"));
    count_listed();
  }
  return NULL;
}

TEST(threads_that_contend_for_a_name) {
  run_threads(contend);
  CHECK_OK(free_id("common"));
  CHECK(!smem__mapping_any());
}

/* ---- handles ------------------------------------------------------------- */

static const uint32_t vanished = CODE(OK) | CODE(NOT_FOUND) | CODE(REPLACED);

/* Duplicate it by a reference; each has what it opened, whatever becomes of the
 * name meanwhile. All bytes of a segment that can be seen are 0 or 1. */
static void duplicate(const smem_handle *handle, smem_access access) {
  smem_reference reference;
  smem_handle *other;
  smem_refer(handle, &reference);
  smem_code code = smem_open_reference(&reference, access, &other, &error);
  CHECK_AMONG(vanished, code);
  if (code != SMEM_OK) return;
  CHECK_EQUAL(handle->generation, other->generation);
  if (access == SMEM_PRIVATE) memset(other->address, 5, 100);
  CHECK(*(volatile unsigned char *)handle->address <= 1);
  smem_close(other);
}

static void *use_handles(void *number) {
  char byte = 1;
  for (int i = 0; i < ROUNDS(2000); i++) {
    smem_handle *handle;
    smem_access access = (smem_access)(i % 3);
    smem_code code = smem_open("common", access, &handle, &error);
    CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), code);
    if (code == SMEM_OK) {
      duplicate(handle, (smem_access)(*(int *)number % 3));
      if (access == SMEM_PRIVATE) *(unsigned char *)handle->address = 1;
      CHECK(smem_handle_is_written(handle) == (access != SMEM_READ_ONLY));
      smem_close(handle);
    }
    CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), write_bytes("common", 0, &byte, 1));
    CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), read_bytes("common", 0, &byte, 1));
    CHECK(byte == 0 || byte == 1);
    byte = 1;
  }
  raise_flag(0);
  return NULL;
}

static void *free_and_allocate(void) {
  while (shared->flag[0] < THREADS - 1) {
    CHECK_OK(allocate("common", 5000));
    CHECK_AMONG(vanished, try_map("common"));
    CHECK_OK(free_id("common"));
  }
  return NULL;
}

static void *handle_work(void *number) {
  return *(int *)number == 0 ? free_and_allocate() : use_handles(number);
}

TEST(threads_with_handles) {
  CHECK_OK(smem_join(&error));
  CHECK_OK(allocate("common", 5000));
  smem_close(open_handle("common", SMEM_READ_ONLY));
  size_t descriptors = count_descriptors();
  run_threads(handle_work);
  CHECK_EQUAL(descriptors, count_descriptors());
  CHECK_EQUAL(1, count_mappings()); /* the control object's */
  CHECK_EQUAL(0, count_listed());
}

/* One handle is for all of them to look at. */
static smem_handle *common;

static void *look_at_common(void *number) {
  for (int i = 0; i < ROUNDS(2000); i++) {
    duplicate(common, (smem_access)(*(int *)number % 3));
    CHECK(!smem_handle_is_written(common));
  }
  return NULL;
}

TEST(threads_with_one_handle) {
  CHECK_OK(allocate("common", 5000));
  common = open_handle("common", SMEM_READ_ONLY);
  run_threads(look_at_common);
  CHECK_OK(free_id("common"));
  run_threads(look_at_common);
  smem_close(common);
  CHECK_EQUAL(1, count_mappings());
}

/* ---- joining and leaving ------------------------------------------------- */

static void *join_and_leave(void *number) {
  for (int i = 0; i < ROUNDS(800); i++) {
    CHECK_OK(smem_join(&error));
    if (*(int *)number % 2) {
      uint64_t unnamed = allocate_number(1);
      CHECK_OK(find_id(number_id(unnamed)));
      CHECK_OK(free_id(number_id(unnamed)));
    }
    CHECK_OK(smem_leave(&error));
  }
  return NULL;
}

/* One that leaves makes the process forget its namespace, which others may be
 * about to read: then they would go to a namespace without a name. */
TEST(threads_that_join_and_leave) {
  const char *nameless = "/dev/shm/smem-control.";
  bool before = path_exists(nameless); /* of somebody else's making */
  run_threads(join_and_leave);
  CHECK_OK(smem_leave(&error));
  CHECK(before || !path_exists(nameless));
  CHECK_EQUAL(0, count_objects());
}

static atomic_bool done;

static void *keep_leaving(void *nothing) {
  (void)nothing;
  while (!atomic_load(&done)) CHECK_OK(smem_leave(&error));
  return NULL;
}

/* One leaves all the time, the others have something to stay for. */
static void work_against_leaving(void *(*work)(void *)) {
  pthread_t leaver;
  atomic_store(&done, false);
  CHECK(pthread_create(&leaver, NULL, keep_leaving, NULL) == 0);
  run_threads(work);
  atomic_store(&done, true);
  CHECK(pthread_join(leaver, NULL) == 0);
  CHECK_OK(smem_leave(&error));
  CHECK_EQUAL(0, count_objects());
}

static void *allocate_and_look(void *number) {
  for (int i = 0; i < ROUNDS(800); i++) {
    struct footer footer;
    const char *id = number_id(allocate_number(1));
    read_footer_of(id, &footer);
    CHECK(presence_is_held(&footer));
    CHECK_OK(free_id(id));
    sleep_ms(*(int *)number % 2); /* let the last one leave at times */
  }
  return NULL;
}

TEST(a_segment_keeps_the_presence_of_who_leaves_meanwhile) {
  work_against_leaving(allocate_and_look);
}

static bool is_joined(void) {
  struct control *control = smem__presence_reference();
  if (control) smem__control_release(control);
  return control != NULL;
}

/* It is mapped, and nobody owns it any more. */
static void *map_and_look(void *number) {
  for (int i = 0; i < ROUNDS(800); i++) {
    const char *id = number_id(allocate_number(1));
    map(id);
    CHECK(unlink(segment_path(id)) == 0);
    for (int looks = 0; looks < 3; looks++) CHECK(is_joined());
    unmap_id(id);
    sleep_ms(*(int *)number % 2);
  }
  return NULL;
}

TEST(a_mapping_keeps_the_presence_of_who_leaves_meanwhile) {
  work_against_leaving(map_and_look);
}

/* ---- freed now, collected later ------------------------------------------ */

static const char *const both[] = {"common", "other"};

static void *keep_freeing(void *nothing) {
  (void)nothing;
  while (!atomic_load(&done)) CHECK_OK(smem_free(both, 2, NULL, &error));
  return NULL;
}

/* As R's main thread does: only the thread that collects unmaps, so what is
 * mapped may be touched until then, whoever frees it. Returns how many notes
 * were made. */
static unsigned map_and_collect(const char *id) {
  smem_mapping *mapping;
  smem_collect(count_note);
  CHECK_OK(allocate(id, 100));
  smem_code code = smem_map(&id, 1, SMEM_READ_WRITE, &mapping, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND) | CODE(REPLACED), code);
  if (code != SMEM_OK) return 0;
  bool fresh = !smem_mapping_note(mapping, SMEM_READ_WRITE);
  unsigned char *at = smem_mapping_address(mapping, SMEM_READ_WRITE);
  smem_mapping_set_note(mapping, SMEM_READ_WRITE, at);
  memset(at, 7, 100);
  CHECK_EQUAL(7, at[99]);
  if (smem__process_random() % 2) unmap_id(id);
  return fresh;
}

TEST(what_threads_free_stays_until_it_is_collected) {
  pthread_t threads[4];
  atomic_store(&done, false);
  for (int i = 0; i < 4; i++)
    CHECK(pthread_create(&threads[i], NULL, keep_freeing, NULL) == 0);
  unsigned noted = 0;
  for (int i = 0; i < ROUNDS(4000); i++)
    noted += map_and_collect(both[i % 3 == 0]);
  atomic_store(&done, true);
  for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK_OK(smem_free(both, 2, NULL, &error));
  smem_collect(count_note);
  /* Each was told of once. */
  CHECK(noted > 0);
  CHECK_EQUAL(noted, notes_gone);
  CHECK(!smem__mapping_any());
}

/* ---- what excludes threads of one process from each other ---------------- */

static smem_latch *latch;
static smem_sync *permit;
static unsigned long one, other; /* equal, when nobody is at work */

static void add_to_both(void) {
  CHECK_EQUAL(one, other);
  one++;
  other++;
}

static void *lock_and_add(void *number) {
  (void)number;
  for (int i = 0; i < ROUNDS(4000); i++) {
    smem_mode mode = i % 4 ? SMEM_EXCLUSIVE : SMEM_SHARED;
    CHECK_OK(smem_lock(latch, mode, SMEM_FOREVER, NULL, &error));
    if (mode == SMEM_EXCLUSIVE)
      add_to_both();
    else
      CHECK_EQUAL(one, other);
    CHECK_OK(smem_unlock(latch, &error));
  }
  return NULL;
}

TEST(threads_that_share_a_lock) {
  CHECK_OK(allocate("common", 1));
  CHECK_OK(smem_latch_open("common", &latch, &error));
  run_threads(lock_and_add);
  CHECK_EQUAL(THREADS * (ROUNDS(4000) - (ROUNDS(4000) + 3) / 4), one);
  smem_latch_close(latch);
  CHECK_OK(free_id("common"));
  CHECK_OK(smem_leave(&error));
}

static void *acquire_and_add(void *number) {
  (void)number;
  for (int i = 0; i < ROUNDS(4000); i++) {
    CHECK_OK(smem_acquire(permit, SMEM_FOREVER, NULL, &error));
    add_to_both();
    CHECK_OK(smem_release(permit, &error));
  }
  return NULL;
}

TEST(threads_that_share_a_permit) {
  CHECK_OK(smem_sync_open(SMEM_SEMAPHORE, "common", 1, &permit, &error));
  run_threads(acquire_and_add);
  CHECK_EQUAL(THREADS * ROUNDS(4000), one);
  smem_sync_close(permit);
  CHECK_OK(free_id("common"));
  CHECK_OK(smem_leave(&error));
}

/* ---- fork ---------------------------------------------------------------- */

static void *go_on(void *number) {
  while (shared->flag[0] == 0) {
    uint64_t unnamed = allocate_number(1);
    map(number_id(unnamed));
    CHECK_OK(free_id(number_id(unnamed)));
    (void)number;
  }
  return NULL;
}

/* ---- the environment ----------------------------------------------------- */

static atomic_bool done_allocating;

static void *allocate_and_free(void *nothing) {
  smem_error own = SMEM_ERROR_INIT;
  for (int i = 0; i < ROUNDS(500); i++) {
    smem_request request = SMEM_REQUEST_INIT(100, NULL);
    CHECK(smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &own) == SMEM_OK);
    char number[SMEM_NUMBER_SIZE];
    const char *id = number;
    smem_id_of_number(request.number, number);
    CHECK(smem_free(&id, 1, NULL, &own) == SMEM_OK);
  }
  atomic_store(&done_allocating, true);
  return nothing;
}

/* R's thread sets variables, which moves and frees what the environment is in,
 * while others are at work: they must not look there. */
TEST(the_environment_changes_while_threads_allocate) {
  pthread_t thread;
  char name[40], value[200];
  memset(value, 'x', sizeof value - 1);
  value[sizeof value - 1] = '\0';
  CHECK(pthread_create(&thread, NULL, allocate_and_free, NULL) == 0);
  for (unsigned i = 0; !atomic_load(&done_allocating); i++) {
    snprintf(name, sizeof name, "SMEM_TEST_%u", i % 2000);
    value[100 + i % 99] = '\0';
    set_variable(name, value);
    set_variable("SHAREDMEMORY_TAG", i % 2 ? "one" : "other");
    memset(value, 'x', sizeof value - 1);
  }
  pthread_join(thread, NULL);
}

/* The child of a process with threads has one, and all mutexes are free. */
static void live_in_child(int index) {
  char name[32];
  snprintf(name, sizeof name, "child-%d", index);
  CHECK_OK(allocate_exclusive(name, 1));
  *map(name) = 1;
  CHECK_OK(find_id(name));
  CHECK_OK(free_id(name));
  CHECK(allocate_number(1) > 0);
  CHECK_OK(smem_leave(&error));
  smem_stop();
  /* Not exit(): a sanitizer that looks for leaks there would wait for threads
   * that are not in this process. */
  _exit(0);
}

TEST(a_fork_while_threads_are_at_work) {
  pthread_t threads[4];
#ifdef TEST_ASAN
  test_skip("the sanitizer's allocator does not get through such a fork");
#elif defined(TEST_VALGRIND)
  test_skip("for valgrind, what other threads had at the fork is lost");
#endif
  for (int i = 0; i < 4; i++)
    CHECK(pthread_create(&threads[i], NULL, go_on, NULL) == 0);
  for (int i = 0; i < ROUNDS(100); i++) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) live_in_child(i);
    CHECK_EQUAL(0, finish(pid));
  }
  raise_flag(0);
  for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  clean_namespace();
}

#else
typedef int not_posix;
#endif
