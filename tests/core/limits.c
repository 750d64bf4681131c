/* What a process may have of descriptors and mappings. */
#ifdef __linux__

#include "test.h"

#include <sys/mman.h>
#include <sys/resource.h>

TEST_FOR(any_number_of_segments_on_few_descriptors, 60) {
  const unsigned count = ROUNDS(5000);
  CHECK_OK(smem_join(&error));
  size_t before = count_descriptors();
  for (unsigned i = 1; i <= count; i++) {
    CHECK_EQUAL(i, allocate_number(1));
    memcpy(map(number_id(i)), &i, sizeof i);
  }
  CHECK_EQUAL(before, count_descriptors());
  for (unsigned i = 1; i <= count; i++) {
    CHECK(memcmp(map(number_id(i)), &i, sizeof i) == 0);
    CHECK_OK(free_id(number_id(i)));
  }
  CHECK_EQUAL(before, count_descriptors());
  CHECK_EQUAL(1, count_mappings());
}

TEST(few_descriptors_will_do) {
#ifdef TEST_VALGRIND
  test_skip("valgrind has some of its own");
#endif
  struct rlimit limit = {16, 16};
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  for (unsigned i = 1; i <= 100; i++) {
    CHECK_EQUAL(i, allocate_number(1));
    map(number_id(i));
  }
  CHECK_EQUAL(100, count_listed());
  for (unsigned i = 1; i <= 100; i++) CHECK_OK(free_id(number_id(i)));
}

TEST(no_descriptor_left) {
#ifdef TEST_VALGRIND
  test_skip("valgrind has some of its own");
#endif
  int taken[64], count = 0;
  uint64_t size;
  CHECK_OK(allocate("a", 1));
  map("a");
  mail_reference("a");
  struct rlimit limit = {32, 32};
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  while ((taken[count] = dup(0)) >= 0) count++;
  CHECK_CODE(SMEM_TOO_MANY_FILES, find_id("a"));
  CHECK_CODE(SMEM_TOO_MANY_FILES, smem_size("a", &size, &error));
  CHECK_CODE(SMEM_TOO_MANY_FILES, try_map("b"));
  CHECK_CODE(SMEM_TOO_MANY_FILES, try_open("a", SMEM_PRIVATE));
  CHECK_CODE(SMEM_TOO_MANY_FILES, read_bytes("a", 0, &size, 1));
  CHECK_CODE(SMEM_TOO_MANY_FILES, write_bytes("a", 0, &size, 1));
  smem_reference reference = read_mail();
  CHECK_CODE(SMEM_TOO_MANY_FILES, try_open_reference(&reference));
  CHECK_CODE(SMEM_TOO_MANY_FILES, allocate("b", 1));
  CHECK(strstr(message(), "ulimit -n") != NULL);
  while (count > 0) close(taken[--count]);
  CHECK_OK(free_id("a"));
  CHECK_EQUAL(0, count_listed());
}

/* ---- mappings ------------------------------------------------------------ */

/* Use up what the kernel grants, but for some: pages of changing protection
 * count one each. */
static char *use_up_mappings(size_t *pages, size_t spare) {
  if (sizeof(void *) < 8) test_skip("there the address space is used up first");
  const size_t most = (size_t)1 << 20, page = (size_t)smem__os_page_size();
  char *at = mmap(NULL, most * page, PROT_NONE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  size_t i = 0;
  CHECK(at != MAP_FAILED);
  while (i < most && mprotect(at + i * page, page, PROT_READ) == 0) i += 2;
  CHECK(i < most && i > 2 * spare);
  CHECK(munmap(at + (i - spare) * page, (most - i + spare) * page) == 0);
  *pages = i - spare;
  return at;
}

/* The error that is to be expected; other systems do not tell. */
static smem_code too_many_or_skip(void) {
#if defined(TEST_VALGRIND) || defined(TEST_ASAN) || defined(TEST_TSAN)
  test_skip("the tool has its own limit");
#endif
  FILE *limit = fopen("/proc/sys/vm/max_map_count", "r");
  long most = 0;
  if (!limit || fscanf(limit, "%ld", &most) != 1 || most > 500000)
    test_skip("there are as many as one likes");
  fclose(limit);
#ifdef SHAREDMEMORY_OS_PORTABLE
  return SMEM_NO_MEMORY;
#else
  return SMEM_TOO_MANY_MAPS;
#endif
}

TEST_FOR(too_many_mappings, 60) {
  enum { SPARE = 400 };
  const smem_code expected = too_many_or_skip();
  size_t pages;
  unsigned mapped = 0;
  smem_code code;
  for (unsigned i = 1; i <= SPARE; i++) allocate_number(1);
  char *used = use_up_mappings(&pages, SPARE / 2);
  do code = map_id(number_id(++mapped), SMEM_READ_WRITE);
  while (code == SMEM_OK);
  CHECK_CODE(expected, code);
  CHECK(strstr(message(), "vm.max_map_count") || expected == SMEM_NO_MEMORY);
  CHECK(mapped > 10);
  unmap_id("1");
  unmap_id("2");
  unmap_id("3");
  map(number_id(mapped));
  CHECK(munmap(used, pages * (size_t)smem__os_page_size()) == 0);
  for (unsigned i = 1; i <= SPARE; i++) CHECK_OK(try_map(number_id(i)));
  for (unsigned i = 1; i <= SPARE; i++) CHECK_OK(free_id(number_id(i)));
}

/* The same with handles, of which nothing is left where it fails. */
TEST_FOR(too_many_handles, 60) {
  enum { SPARE = 200 };
  static smem_handle *handles[SPARE];
  const smem_access accesses[] = {SMEM_READ_WRITE, SMEM_PRIVATE};
  const smem_code expected = too_many_or_skip();
  size_t pages, count = 0;
  smem_code code;
  CHECK_OK(allocate("a", 5000));
  mail_reference("a");
  smem_reference reference = read_mail();
  char *used = use_up_mappings(&pages, SPARE / 2);
  while ((code = smem_open("a", accesses[count % 2], &handles[count],
                           &error)) == SMEM_OK)
    CHECK(++count < SPARE);
  CHECK_CODE(expected, code);
  for (int i = 0; i < 10; i++) {
    CHECK_CODE(expected, try_open("a", accesses[i % 2]));
    CHECK_CODE(expected, try_open_reference(&reference));
  }
  CHECK(count > 10);
#ifndef SHAREDMEMORY_OS_PORTABLE /* which needs a mapping for it */
  char byte;
  CHECK_OK(write_bytes("a", 0, "x", 1));
  CHECK_OK(read_bytes("a", 0, &byte, 1));
  struct rlimit limit = {1024, RLIM_INFINITY};
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  CHECK_CODE(expected, write_bytes("a", 2000, "x", 1));
#endif
  smem_close(handles[--count]);
  CHECK_OK(try_open("a", SMEM_READ_WRITE));
  CHECK(munmap(used, pages * (size_t)smem__os_page_size()) == 0);
  CHECK_EQUAL(count + 1, count_mappings()); /* and the control object's */
  while (count > 0) smem_close(handles[--count]);
  CHECK_OK(free_id("a"));
}

/* No address space: told apart from too many. */
TEST(no_address_space) {
#if defined(TEST_VALGRIND) || defined(TEST_ASAN) || defined(TEST_TSAN)
  test_skip("the tool needs the address space itself");
#endif
  CHECK_OK(allocate("a", (uint64_t)16 << 20));
  struct rlimit limit = {(rlim_t)12 << 20, RLIM_INFINITY};
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  CHECK_CODE(SMEM_NO_MEMORY, try_map("a"));
  CHECK(strstr(message(), "ulimit -v") != NULL);
  CHECK_CODE(SMEM_NO_MEMORY, try_open("a", SMEM_PRIVATE));
  CHECK_CODE(SMEM_NO_MEMORY, try_open("a", SMEM_READ_ONLY));
  char byte; /* what cannot be mapped can be read, where it is short */
  CHECK_OK(read_bytes("a", ((uint64_t)16 << 20) - 1, &byte, 1));
  limit.rlim_cur = RLIM_INFINITY;
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  CHECK_OK(try_map("a"));
  CHECK_OK(free_id("a"));
}

/* Beyond it the kernel would end the process by SIGXFSZ. */
TEST(a_limit_on_the_size_of_files) {
  skip_if_portable("macOS has no such limit for shared memory");
  struct rlimit limit = {1 << 20, 1 << 20};
  CHECK_OK(smem_join(&error));
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  CHECK_CODE(SMEM_NO_SPACE, allocate("a", 8 << 20));
  CHECK_OK(allocate("a", 1000));
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_leave(&error));
}

/* The segment does not grow by it, and yet write() would end the process. */
TEST(a_write_behind_the_limit_on_files) {
  enum { SIZE = 200000, LIMIT = 50001 };
  static char from[SIZE], to[SIZE];
  const uint64_t offsets[] = {0,         LIMIT - 1,  LIMIT,     LIMIT + 1,
                              SIZE / 2,  SIZE - 100, 3 * 4096,  SIZE - 1,
                              LIMIT - 9, 4095,       20 * 4096, 1};
  CHECK_OK(allocate("a", SIZE));
  for (size_t i = 0; i < sizeof from; i++) from[i] = (char)(i % 127);
  struct rlimit limit = {LIMIT, RLIM_INFINITY};
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  size_t descriptors = count_descriptors(), mappings = count_mappings();
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    for (uint64_t length = 0; length <= SIZE - offsets[i];
         length = 3 * length + 1) {
      CHECK_OK(write_bytes("a", offsets[i], from, length));
      CHECK_OK(read_bytes("a", 0, to, SIZE));
      CHECK(memcmp(to + offsets[i], from, length) == 0);
    }
    memset(from, (int)i, sizeof from);
  }
  CHECK_CODE(SMEM_BOUNDS, write_bytes("a", SIZE + 4096, from, 1));
  CHECK_OK(write_bytes("a", 0, from, SIZE));
  CHECK_OK(read_bytes("a", 0, to, SIZE));
  CHECK(memcmp(to, from, SIZE) == 0);
  CHECK_EQUAL(descriptors, count_descriptors());
  CHECK_EQUAL(mappings, count_mappings());
  CHECK_OK(try_map("a")); /* the footer is as it was */
  CHECK_OK(free_id("a"));
}

/* ---- nothing can be asked ------------------------------------------------ */

ROLE(leaver) { CHECK_OK(allocate("a", 1)); }

/* Nothing can be listed, which is not a reason to say that there is nothing. */
TEST(without_a_descriptor_left) {
  need_listing_of_what_is_planted();
  struct rlimit limit = {0, 0};
  size_t count = 0;
  uint64_t index;
  PLAY(leaver, "");
  limit.rlim_max = RLIM_INFINITY;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  rlim_t before = limit.rlim_cur;
  int lowest = dup(0); /* of those that are free */
  close(lowest);
  limit.rlim_cur = (rlim_t)lowest;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK_CODE(SMEM_TOO_MANY_FILES, smem_list(count_entry, &count, &error));
  CHECK_CODE(SMEM_UNSUPPORTED,
             smem_mapped_by(NULL, false, never_mapped, NULL, &error));
  CHECK_CODE(SMEM_TOO_MANY_FILES, smem_join(&error));
  CHECK_CODE(SMEM_TOO_MANY_FILES, smem_last_index(&index, &error));
  limit.rlim_cur = before;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  clean_namespace();
}

#else
typedef int not_linux_at_all;
#endif
