/* The bytes of objects: read, written, mapped. */
#include "contract.h"

#ifdef OS_POSIX
#include <sys/resource.h>
#endif

static os_object object;

static void make_object(void) { object = make(own_name("a")); }
static void remove_object(void) { unmake(object); }

/* ---- smem__os_object_read, smem__os_object_write ------------------------- */

CONTRACT(smem__os_object_read, reads_any_range) {
  unsigned char bytes[100];
  const uint64_t page = smem__os_page_size();
  make_object();
  unsigned char *at = map_object(object, OS_READ_WRITE);
  for (uint64_t i = 0; i < page + 50; i++) at[i] = (unsigned char)(i % 251);
  CHECK_DONE(smem__os_object_read(object, page - 50, bytes, 100));
  for (uint64_t i = 0; i < 100; i++)
    CHECK_EQUAL((page - 50 + i) % 251, bytes[i]);
  bytes[0] = 7;
  CHECK_DONE(smem__os_object_read(object, 3, bytes, 0));
  CHECK_EQUAL(7, bytes[0]);
  smem__os_unmap(at, object_size());
  remove_object();
}

/* It is shorter than somebody believes: an error, not an end of the process. */
CONTRACT(smem__os_object_read, fails_behind_the_end) {
  unsigned char bytes[2];
  make_object();
  CHECK_DONE(smem__os_object_read(object, object_size() - 2, bytes, 2));
  CHECK(smem__os_object_read(object, object_size() - 1, bytes, 2).code !=
        OS_OK);
  CHECK(smem__os_object_read(object, object_size(), bytes, 1).code != OS_OK);
  CHECK(smem__os_object_read(object, UINT64_C(1) << 40, bytes, 1).code !=
        OS_OK);
  remove_object();
}

ROLE(reads_what_was_written) {
  char text[6];
  os_object other = open_object(own_name("a"), false);
  CHECK_DONE(smem__os_object_read(other, smem__os_page_size() - 3, text, 6));
  CHECK(memcmp(text, "hello", 6) == 0);
  smem__os_object_close(other);
}

CONTRACT(smem__os_object_write, is_seen_by_all) {
  make_object();
  unsigned char *at = map_object(object, OS_READ_ONLY);
  os_object other = open_object(own_name("a"), true);
  CHECK_DONE(
      smem__os_object_write(other, smem__os_page_size() - 3, "hello", 6));
  CHECK_DONE(smem__os_object_write(other, 0, "", 0));
  CHECK(memcmp(at + smem__os_page_size() - 3, "hello", 6) == 0);
  CHECK_EQUAL(0, at[smem__os_page_size() - 4]);
  CHECK_EQUAL(0, at[smem__os_page_size() + 3]);
  PLAY(reads_what_was_written, "");
  smem__os_object_close(other);
  smem__os_unmap(at, object_size());
  remove_object();
}

#ifdef OS_POSIX
/* A limit on the size of files must not end the process by a signal. */
CONTRACT(smem__os_object_write, goes_well_behind_a_limit_on_files) {
  struct rlimit limit = {4096, RLIM_INFINITY};
  make_object();
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  CHECK_DONE(smem__os_object_write(object, smem__os_page_size(), "hello", 6));
  char text[6];
  CHECK_DONE(smem__os_object_read(object, smem__os_page_size(), text, 6));
  CHECK(memcmp(text, "hello", 6) == 0);
  limit.rlim_cur = RLIM_INFINITY;
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  remove_object();
}
#endif

/* ---- smem__os_object_map ------------------------------------------------- */

ROLE(answers_through_memory) {
  os_object other = open_object(own_name("a"), true);
  unsigned char *at = map_object(other, OS_READ_WRITE);
  smem__os_object_close(other); /* the mapping outlives it */
  CHECK_EQUAL(1, at[0]);
  at[object_size() - TAIL - 1] = 2;
  smem__os_unmap(at, object_size());
}

CONTRACT(smem__os_object_map, shares_between_processes) {
  make_object();
  unsigned char *at = map_object(object, OS_READ_WRITE);
  at[0] = 1;
  PLAY(answers_through_memory, "");
  CHECK_EQUAL(2, at[object_size() - TAIL - 1]);
  smem__os_unmap(at, object_size());
  remove_object();
}

static void write_to_what_is_mapped(os_access access, bool unmapped) {
  os_object other = open_object(own_name("a"), false);
  volatile unsigned char *at = map_object(other, access);
  if (unmapped) smem__os_unmap((void *)at, object_size());
  host_expect_crash();
  *at = 1;
  raise_flag(0); /* so it can be written to */
}

ROLE(writes_to_what_is_read_only) {
  write_to_what_is_mapped(OS_READ_ONLY, false);
}

CONTRACT(smem__os_object_map, read_only_is_for_reading) {
#if defined(TEST_ASAN) || defined(TEST_TSAN) || defined(TEST_VALGRIND)
  test_skip("reports the crash that is meant");
#endif
  make_object();
  CHECK(finish(START(writes_to_what_is_read_only, "")) != 0);
  CHECK_EQUAL(0, shared->flag[0]);
  unsigned char byte = 9;
  CHECK_DONE(smem__os_object_read(object, 0, &byte, 1));
  CHECK_EQUAL(0, byte);
  remove_object();
}

static bool map_a_copy(unsigned char **at) {
  void *address;
  os_object other = open_object(own_name("a"), false);
  os_status status =
      smem__os_object_map(other, object_size(), OS_COPY_ON_WRITE, &address);
  smem__os_object_close(other);
  if (status.code == OS_UNSUPPORTED) return false;
  CHECK_DONE(status);
  *at = address;
  return true;
}

CONTRACT(smem__os_object_map, copies_what_is_written) {
  unsigned char *copy, byte;
  make_object();
  if (map_a_copy(&copy)) {
    copy[0] = 1;
    CHECK_DONE(smem__os_object_read(object, 0, &byte, 1));
    CHECK_EQUAL(0, byte);
    CHECK_DONE(smem__os_object_write(object, smem__os_page_size(), "x", 1));
    CHECK_EQUAL('x', copy[smem__os_page_size()]); /* not yet copied */
    smem__os_unmap(copy, object_size());
  }
  remove_object();
}

#if defined(OS_POSIX) && !defined(TEST_ASAN) && !defined(TEST_TSAN) &&         \
    !defined(TEST_VALGRIND)
CONTRACT(smem__os_object_map, tells_that_the_address_space_is_full) {
  struct rlimit before, none;
  void *address = &none;
  make_object();
  CHECK(getrlimit(RLIMIT_AS, &before) == 0);
  none = before;
  none.rlim_cur = 4096;
  CHECK(setrlimit(RLIMIT_AS, &none) == 0);
  os_status status =
      smem__os_object_map(object, object_size(), OS_READ_WRITE, &address);
  CHECK(setrlimit(RLIMIT_AS, &before) == 0);
  CHECK_STATUS(OS_NO_MEMORY, status);
  CHECK(address == NULL);
  remove_object();
}
#endif

#if defined(OS_LINUX) && TEST_SLOWNESS == 1
/* Some are left to the rest of the process, which allocates memory with them.
 */
CONTRACT(smem__os_object_map, tells_that_mappings_are_used_up) {
  enum { MOST = 100000 };
  static void *addresses[MOST];
  uint64_t most, own;
  size_t count = 0;
  os_status status = {OS_OK, 0};
  smem__os_mapping_counts(&most, &own);
  if (most > MOST) test_skip("more mappings than are tried");
  make_object();
  while (status.code == OS_OK && count < MOST) {
    /* One page and two in turn: the kernel would make equal neighbours one. */
    status = smem__os_object_map(object, object_size() >> (count % 2),
                                 OS_READ_WRITE, &addresses[count]);
    count += status.code == OS_OK;
  }
  void *memory = malloc(64 << 20); /* which is a mapping */
  CHECK_STATUS(OS_TOO_MANY_MAPS, status);
  CHECK(memory != NULL);
  free(memory);
  while (count-- > 0)
    smem__os_unmap(addresses[count], object_size() >> (count % 2));
  CHECK_DONE(
      smem__os_object_map(object, object_size(), OS_READ_WRITE, addresses));
  smem__os_unmap(addresses[0], object_size());
  remove_object();
}
#endif

/* ---- smem__os_unmap ------------------------------------------------------ */

ROLE(writes_to_what_is_unmapped) {
  write_to_what_is_mapped(OS_READ_ONLY, true);
}

CONTRACT(smem__os_unmap, takes_it_away) {
#if defined(TEST_ASAN) || defined(TEST_TSAN) || defined(TEST_VALGRIND)
  test_skip("reports the crash that is meant");
#endif
  make_object();
  CHECK(finish(START(writes_to_what_is_unmapped, "")) != 0);
  CHECK_EQUAL(0, shared->flag[0]);
  remove_object();
}

/* One mapping is not the other's. */
CONTRACT(smem__os_unmap, leaves_other_mappings) {
  make_object();
  unsigned char *a = map_object(object, OS_READ_WRITE);
  unsigned char *b = map_object(object, OS_READ_WRITE);
  CHECK(a != b);
  *a = 4;
  smem__os_unmap(a, object_size());
  CHECK_EQUAL(4, *b);
  smem__os_unmap(b, object_size());
  remove_object();
}

/* ---- smem__os_mapping_written -------------------------------------------- */

/* The last byte counts too, and looking does not. */
CONTRACT(smem__os_mapping_written, tells_of_the_first_byte_written) {
  bool written = true;
  unsigned char *copy;
  make_object();
  if (!map_a_copy(&copy)) {
    remove_object();
    test_skip("nothing is copied here");
  }
  for (uint64_t i = 0; i < object_size(); i += 64)
    (void)*(volatile unsigned char *)(copy + i);
  os_status status = smem__os_mapping_written(copy, object_size(), &written);
  if (status.code != OS_UNSUPPORTED) {
    CHECK_DONE(status);
    CHECK(!written);
    copy[object_size() - 1] = 1;
    CHECK_DONE(smem__os_mapping_written(copy, object_size(), &written));
    CHECK(written);
  }
  smem__os_unmap(copy, object_size());
  remove_object();
  if (status.code == OS_UNSUPPORTED) test_skip("the system does not tell");
}

/* ---- smem__os_mappings --------------------------------------------------- */

struct mapped {
  uint64_t identity[2], pids[2];
  bool found[2];
  uint64_t copied; /* of the last one */
};

static bool note_mapping(uint64_t pid, const uint64_t identity[2],
                         uint64_t copied, void *context) {
  struct mapped *mapped = context;
  mapped->copied = copied;
  CHECK(identity[0] == mapped->identity[0] &&
        identity[1] == mapped->identity[1]);
  for (int i = 0; i < 2; i++) mapped->found[i] |= pid == mapped->pids[i];
  return true;
}

ROLE(maps_it) {
  os_process self;
  os_object other = open_object(own_name("a"), false);
  unsigned char *at = map_object(other, OS_READ_ONLY);
  smem__os_object_close(other);
  smem__os_process_self(&self);
  shared->number[0] = self.pid;
  raise_flag(0);
  await_flag(1, 1);
  smem__os_unmap(at, object_size());
}

CONTRACT(smem__os_mappings, tells_who_maps_it) {
  os_process self;
  make_object();
  os_info info = info_of(own_name("a"));
  unsigned char *at = map_object(object, OS_READ_WRITE);
  process_id other = START(maps_it, "");
  await_flag(0, 1);
  smem__os_process_self(&self);
  struct mapped mapped = {{info.identity[0], info.identity[1]},
                          {self.pid, shared->number[0]},
                          {false, false},
                          0};
  os_status status =
      smem__os_mappings(own_name("a"), false, note_mapping, &mapped);
  raise_flag(1);
  FINISH(other);
  smem__os_unmap(at, object_size());
  remove_object();
  if (status.code == OS_UNSUPPORTED) test_skip("the system does not tell");
  CHECK_DONE(status);
  CHECK(mapped.found[0] && mapped.found[1]);
  CHECK_EQUAL(UINT64_MAX, mapped.copied);
}

CONTRACT(smem__os_mappings, tells_what_was_copied) {
  os_process self;
  make_object();
  os_info info = info_of(own_name("a"));
  void *at;
  os_status can =
      smem__os_object_map(object, object_size(), OS_COPY_ON_WRITE, &at);
  if (can.code == OS_UNSUPPORTED) remove_object();
  if (can.code == OS_UNSUPPORTED) test_skip("no private mappings");
  smem__os_process_self(&self);
  for (uint64_t pages = 0; pages < 3; pages++) {
    struct mapped mapped = {{info.identity[0], info.identity[1]},
                            {self.pid, self.pid},
                            {false, false},
                            0};
    if (pages > 0)
      ((unsigned char *)at)[(pages - 1) * smem__os_page_size()] = 1;
    os_status status =
        smem__os_mappings(own_name("a"), true, note_mapping, &mapped);
    if (status.code == OS_UNSUPPORTED) remove_object();
    if (status.code == OS_UNSUPPORTED) test_skip("the system does not tell");
    CHECK_DONE(status);
    CHECK_EQUAL(pages * smem__os_page_size(), mapped.copied);
  }
  smem__os_unmap(at, object_size());
  remove_object();
}
