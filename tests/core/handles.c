/* Handles: mappings that nobody but their holder takes away. */
#include "test.h"

/* Where private memory cannot be had a handle says so, and is read-only. */
static smem_handle *open_private(const char *id) {
  smem_handle *handle = open_handle(id, SMEM_PRIVATE);
  if (handle->access != SMEM_PRIVATE)
    test_skip("this system has no private mappings of shared memory");
  return handle;
}

TEST(what_a_handle_tells) {
  uint64_t capacity, requested;
  smem_reference reference;
  const smem_access accesses[] = {SMEM_READ_WRITE, SMEM_READ_ONLY};
  const char *id = number_id(allocate_number(5000));
  CHECK_OK(smem_extent(id, &capacity, &requested, &error));
  CHECK_EQUAL(5000, requested);
  for (int i = 0; i < 2; i++) {
    smem_handle *handle = open_handle(id, accesses[i]);
    CHECK_EQUAL(capacity, handle->capacity);
    CHECK_EQUAL(requested, handle->requested);
    CHECK_EQUAL(accesses[i], handle->access);
    CHECK(handle->generation != 0);
    CHECK_EQUAL(accesses[i] == SMEM_READ_WRITE, smem_handle_is_written(handle));
    smem_refer(handle, &reference);
    CHECK_EQUAL(handle->generation, reference.generation);
    CHECK(strcmp(reference.id, id) == 0);
    CHECK(reference.offset == 0 && reference.length == 0);
    CHECK_EQUAL(0, reference.form);
    smem_close(handle);
  }
  smem_close(NULL);
  CHECK_OK(free_id(id));
  CHECK_CODE(SMEM_NOT_FOUND, try_open(id, SMEM_READ_ONLY));
  CHECK(error.op == SMEM_OP_MAP && strcmp(error.id, id) == 0);
}

static void touch_all(smem_handle *handle, int value) {
  unsigned char *at = handle->address;
  for (uint64_t i = 0; i < handle->capacity; i++) CHECK_EQUAL(value, at[i]);
}

TEST(handles_outlive_the_segment) {
  CHECK_OK(allocate("a", 5000));
  smem_handle *one = open_handle("a", SMEM_READ_WRITE);
  smem_handle *two = open_handle("a", SMEM_READ_ONLY);
  CHECK(one->address != two->address);
  CHECK(!smem__mapping_any()); /* and an unmap does not concern them */
  unmap_id("a");
  *map("a") = 0;
  unmap_id("a");
  memset(one->address, 7, (size_t)one->capacity);
  touch_all(two, 7);
  CHECK_OK(free_id("a"));
  CHECK_OK(allocate_exclusive("a", 5000)); /* a successor: not theirs */
  memset(map("a"), 1, 5000);
  touch_all(one, 7);
  memset(one->address, 8, (size_t)one->capacity);
  touch_all(two, 8);
  smem_close(one);
  touch_all(two, 8);
  smem_close(two);
  CHECK_EQUAL(1, *map("a"));
  CHECK_OK(free_id("a"));
}

ROLE(frees) { CHECK_OK(free_id(argument)); }

TEST(handles_outlive_a_free_elsewhere) {
  CHECK_OK(allocate("a", 5000));
  smem_handle *handle = open_handle("a", SMEM_READ_WRITE);
  memset(handle->address, 7, (size_t)handle->capacity);
  PLAY(frees, "a");
  touch_all(handle, 7);
  smem_close(handle);
  CHECK_OK(free_id("a"));
}

ROLE(maker_that_leaves) {
  CHECK_OK(allocate(argument, 5000));
  memset(map(argument), 5, 5000);
  raise_flag(0);
  await_flag(1, 1);
}

TEST(handles_outlive_the_maker) {
  process_id maker = START(maker_that_leaves, "a");
  await_flag(0, 1);
  smem_handle *handle = open_handle("a", SMEM_READ_WRITE);
  kill_process(maker);
  finish(maker);
  CHECK_EQUAL(5, *(unsigned char *)handle->address);
  CHECK_OK(free_id("a"));
  CHECK_EQUAL(5, ((unsigned char *)handle->address)[4999]);
  smem_close(handle);
#ifndef _WIN32
  clean_namespace();
#endif
}

ROLE(writes_to_read_only) {
  static smem_handle *volatile handle; /* no tool is to find it lost */
  handle = open_handle(argument, SMEM_READ_ONLY);
  volatile char *at = handle->address;
  CHECK_EQUAL(9, *at);
  host_expect_crash();
  raise_flag(0);
  *at = 1;
  raise_flag(1);
}

TEST(a_read_only_handle_is_read_only) {
  CHECK_OK(allocate("a", 1));
  *map("a") = 9;
  CHECK(finish(START(writes_to_read_only, "a")) != 0);
  CHECK_EQUAL(1, shared->flag[0]);
  CHECK_EQUAL(0, shared->flag[1]);
  CHECK_OK(free_id("a"));
}

/* ---- private ------------------------------------------------------------- */

ROLE(writes_at_each_page) {
  unsigned char *at = map("a");
  for (uint64_t i = 0; i < 16; i++) at[i * smem__os_page_size()] = 9;
}

TEST(private_writes_stay_private) {
  const uint64_t page = smem__os_page_size();
  CHECK_OK(allocate("a", 16 * page));
  unsigned char *all = map("a");
  smem_handle *one = open_private("a"), *two = open_private("a");
  unsigned char *mine = one->address, *others = two->address;
  mine[0] = 1;
  mine[15 * page] = 2;
  CHECK(all[0] == 0 && all[15 * page] == 0);
  CHECK(others[0] == 0 && others[15 * page] == 0);
  PLAY(writes_at_each_page, "");
  CHECK_EQUAL(1, mine[0]); /* pages of its own */
  CHECK_EQUAL(2, mine[15 * page]);
  for (uint64_t i = 1; i < 15; i++) CHECK_EQUAL(9, mine[i * page]);
  for (uint64_t i = 0; i < 16; i++) CHECK_EQUAL(9, others[i * page]);
  memset(mine, 3, (size_t)one->capacity);
  CHECK_EQUAL(9, all[0]);
  CHECK_EQUAL(0, all[one->capacity - 1]);
  smem_close(one);
  CHECK_EQUAL(9, others[0]);
  smem_close(two);
  CHECK_OK(try_map("a")); /* the footer was in the private pages too */
  CHECK_OK(free_id("a"));
}

TEST(private_writes_after_the_free) {
  CHECK_OK(allocate("a", 5000));
  memset(map("a"), 4, 5000);
  smem_handle *one = open_private("a"), *two = open_private("a");
  CHECK_OK(free_id("a"));
  memset(one->address, 5, 5000);
  CHECK_EQUAL(4, ((unsigned char *)two->address)[4999]);
  smem_close(one);
  smem_close(two);
}

#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)
static unsigned read_all(const smem_handle *handle) {
  const volatile unsigned char *at = handle->address;
  unsigned sum = 0;
  for (uint64_t i = 0; i < handle->capacity; i += smem__os_page_size())
    sum += at[i];
  return sum + at[handle->capacity - 1];
}

/* 2048 pages are looked up at once. */
TEST(written_is_what_was_written) {
  const uint64_t page = smem__os_page_size(), pages = 3 * 2048 + 5;
  const uint64_t places[] = {0,           1,           2047 * page,
                             2048 * page, 4096 * page, (pages - 1) * page};
  CHECK_OK(allocate("a", (pages - 1) * page + 100));
  memset(map("a"), 1, (size_t)(pages * page - FOOTER_SIZE));
  for (int i = 0; i < 6; i++) {
    smem_handle *handle = open_private("a");
    CHECK_EQUAL(pages * page - FOOTER_SIZE, handle->capacity);
    CHECK(!smem_handle_is_written(handle)); /* nothing was even touched */
    CHECK_EQUAL(pages + 1, read_all(handle));
    CHECK(!smem_handle_is_written(handle));
    ((unsigned char *)handle->address)[places[i]] = 1; /* what it was before */
    CHECK(smem_handle_is_written(handle));
    smem_close(handle);
  }
  CHECK_OK(free_id("a"));
}

TEST(writes_of_others_do_not_count) {
  CHECK_OK(allocate("a", 100000));
  smem_handle *handle = open_private("a");
  read_all(handle);
  memset(map("a"), 2, 100000);
  smem_handle *other = open_private("a");
  memset(other->address, 3, (size_t)other->capacity);
  CHECK_OK(write_bytes("a", 50000, "x", 1));
  read_all(handle);
  CHECK(!smem_handle_is_written(handle));
  CHECK(smem_handle_is_written(other));
  CHECK_OK(free_id("a"));
  CHECK(!smem_handle_is_written(handle));
  smem_close(handle);
  smem_close(other);
}

TEST(written_before_and_after_a_fork) {
  CHECK_OK(allocate("a", 100000));
  smem_handle *before = open_private("a"), *after = open_private("a");
  *(unsigned char *)before->address = 1;
  read_all(after);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    CHECK(smem_handle_is_written(before));
    CHECK(!smem_handle_is_written(after));
    ((unsigned char *)after->address)[99999] = 1;
    CHECK(smem_handle_is_written(after));
    smem_close(before);
    smem_close(after);
    _exit(0);
  }
  CHECK_EQUAL(0, finish(child));
  CHECK(smem_handle_is_written(before));
  CHECK(!smem_handle_is_written(after));
  CHECK_EQUAL(0, ((unsigned char *)after->address)[99999]);
  smem_close(before);
  smem_close(after);
  CHECK_OK(free_id("a"));
}
#else
/* Who cannot tell must say yes. */
TEST(written_if_nobody_knows) {
  CHECK_OK(allocate("a", 1));
  smem_handle *handle = open_private("a");
  CHECK(smem_handle_is_written(handle));
  smem_close(handle);
  CHECK_OK(free_id("a"));
}
#endif

/* ---- fork, and what is left ---------------------------------------------- */

#ifndef _WIN32
static smem_handle *inherited;
ROLE(child_with_a_handle) {
  unsigned char *at = inherited->address;
  CHECK_EQUAL(1, *at);
  *at = 2;
  CHECK_OK(free_id("a"));
  *at = 3;
  smem_close(inherited);
  CHECK_EQUAL(0, count_mappings());
}

TEST(a_child_inherits_handles) {
  CHECK_OK(allocate("a", 1));
  inherited = open_handle("a", SMEM_READ_WRITE);
  unsigned char *at = inherited->address;
  *at = 1;
  smem_stop(); /* it leaves no mapping but the handle's */
  CHECK_EQUAL(1, count_mappings());
  PLAY(child_with_a_handle, "");
  CHECK_EQUAL(3, *at);
  smem_close(inherited);
  clean_namespace();
}

TEST(handles_leave_nothing) {
  const smem_access accesses[] = {SMEM_READ_WRITE, SMEM_READ_ONLY,
                                  SMEM_PRIVATE};
  smem_handle *handles[30];
  CHECK_OK(allocate("a", 5000));
  smem_close(open_handle("a", SMEM_PRIVATE)); /* what is looked up once */
  size_t descriptors = count_descriptors(), mappings = count_mappings();
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 30; i++) handles[i] = open_handle("a", accesses[i % 3]);
    CHECK_EQUAL(descriptors, count_descriptors());
    CHECK_EQUAL(mappings + 30, count_mappings());
    for (int i = 0; i < 30; i++) smem_handle_is_written(handles[i]);
    CHECK_CODE(SMEM_NOT_FOUND, try_open("b", accesses[round % 3]));
    for (int i = 0; i < 30; i++) smem_close(handles[(i * 7) % 30]);
    CHECK_EQUAL(descriptors, count_descriptors());
    CHECK_EQUAL(mappings, count_mappings());
  }
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_leave(&error)); /* handles do not keep the namespace */
}

/* A process that only looks creates nothing. */
ROLE(only_looks) {
  smem_handle *handle = open_handle("a", SMEM_PRIVATE);
  CHECK_EQUAL(-1, control_descriptor());
  smem_close(handle);
}

TEST(nobody_joins_for_a_handle) {
  process_id other = START(maker_that_leaves, "a");
  await_flag(0, 1);
  PLAY(only_looks, "");
  raise_flag(1);
  FINISH(other);
  CHECK_OK(free_id("a"));
  clean_namespace();
}

TEST(is_a_handle_findable) {
  smem_handle *handle;
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_open("a", SMEM_READ_ONLY, &handle, &error));
  CHECK(smem_handle_is_findable(handle));
  CHECK_OK(free_id("a"));
  CHECK(!smem_handle_is_findable(handle));
  CHECK_OK(allocate("a", 1)); /* another one */
  CHECK(!smem_handle_is_findable(handle));
  smem_close(handle);
  CHECK_OK(free_id("a"));
}
#endif
