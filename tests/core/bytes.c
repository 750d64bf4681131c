/* Reading and writing without a mapping. */
#include "test.h"

enum { MIB = 1 << 20, CHUNK = 4 * MIB }; /* CHUNK: between two interrupts */

/* Never two equal bytes at distances that a wrong offset would have. */
static void fill(unsigned char *bytes, uint64_t length, unsigned seed) {
  for (uint64_t i = 0; i < length; i++)
    bytes[i] = (unsigned char)((i + seed) * 2654435761u >> 13);
}

static uint64_t capacity_of(const char *id) {
  uint64_t size;
  CHECK_OK(smem_size(id, &size, &error));
  return size;
}

TEST(bytes_at_any_place) {
  enum { SIZE = 20000 };
  static unsigned char from[SIZE], to[SIZE];
  CHECK_OK(allocate("a", SIZE));
  unsigned char *at = map("a");
  for (unsigned i = 0; i < 1000; i++) {
    uint64_t offset = smem__process_random() % SIZE;
    uint64_t length = smem__process_random() % (SIZE - offset + 1);
    fill(from, length, i);
    CHECK_OK(write_bytes("a", offset, from, length));
    CHECK(memcmp(at + offset, from, (size_t)length) == 0);
    memset(to, 0, sizeof to);
    CHECK_OK(read_bytes("a", offset, to, length));
    CHECK(memcmp(to, from, (size_t)length) == 0);
    for (uint64_t rest = length; rest < SIZE; rest++) CHECK_EQUAL(0, to[rest]);
  }
  CHECK_OK(free_id("a"));
}

TEST(a_write_changes_nothing_else) {
  static unsigned char before[12000], after[12000];
  CHECK_OK(allocate("a", sizeof before));
  fill(before, sizeof before, 1);
  CHECK_OK(write_bytes("a", 0, before, sizeof before));
  CHECK_OK(write_bytes("a", 4095, "middle", 6));
  CHECK_OK(read_bytes("a", 0, after, sizeof after));
  CHECK(memcmp(after + 4095, "middle", 6) == 0);
  memcpy(after + 4095, before + 4095, 6);
  CHECK(memcmp(before, after, sizeof before) == 0);
  CHECK_OK(free_id("a"));
}

/* ---- bounds -------------------------------------------------------------- */

static void check_outside(uint64_t offset, uint64_t length) {
  unsigned char mine[16] = "unchanged";
  CHECK_CODE(SMEM_BOUNDS, read_bytes("a", offset, mine, length));
  CHECK(error.op == SMEM_OP_READ && strcmp(error.id, "a") == 0);
  CHECK(strcmp((char *)mine, "unchanged") == 0);
  CHECK_CODE(SMEM_BOUNDS, write_bytes("a", offset, mine, length));
  CHECK(error.op == SMEM_OP_WRITE);
}

TEST(bytes_outside) {
  CHECK_OK(allocate("a", 5000));
  uint64_t size = capacity_of("a");
  const uint64_t lengths[] = {1, 2, 1024, size, UINT64_MAX / 2, UINT64_MAX};
  const uint64_t far[] = {size,           size + 1,       size + 1024,
                          UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX};
  for (size_t i = 0; i < sizeof far / sizeof *far; i++)
    for (size_t j = 0; j < sizeof lengths / sizeof *lengths; j++)
      check_outside(far[i], lengths[j]);
  for (uint64_t offset = 1; offset < size; offset += 511) {
    check_outside(offset, size - offset + 1);
    check_outside(offset, UINT64_MAX - offset);
    check_outside(offset, UINT64_MAX - offset + 1); /* the sum would be 0 */
    check_outside(offset, UINT64_MAX);
  }
  check_outside(size + 1, 0);
  check_outside(UINT64_MAX, 0);
  check_outside(123456789, 987654321);
  CHECK(strstr(message(), "123456789") && strstr(message(), "987654321"));
  unsigned char *at = map("a");
  for (uint64_t i = 0; i < size; i++) CHECK_EQUAL(0, at[i]);
  CHECK_OK(free_id("a"));
}

TEST(no_bytes) {
  CHECK_OK(allocate("a", 5000));
  uint64_t size = capacity_of("a");
  const uint64_t offsets[] = {0, 1, 4096, size - 1, size};
  for (int i = 0; i < 5; i++) {
    CHECK_OK(read_bytes("a", offsets[i], NULL, 0));
    CHECK_OK(write_bytes("a", offsets[i], NULL, 0));
    CHECK_OK(write_bytes("a", offsets[i], "x", 0));
  }
  CHECK_OK(free_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, read_bytes("a", 0, NULL, 0));
  CHECK_CODE(SMEM_NOT_FOUND, write_bytes("a", 0, NULL, 0));
  CHECK_CODE(SMEM_NOT_FOUND, write_bytes("17", 0, "x", 1));
  CHECK_EQUAL(0, count_listed());
}

/* What comes behind the last byte is not the user's. */
TEST(the_footer_is_out_of_reach) {
  static unsigned char ones[8192];
  uint64_t requested, capacity;
  memset(ones, 255, sizeof ones);
  const uint64_t sizes[] = {1, 3071, 3072, 3073, 5000, 7168};
  for (int i = 0; i < 6; i++) {
    CHECK_OK(allocate("a", sizes[i]));
    CHECK_OK(smem_extent("a", &capacity, &requested, &error));
    CHECK_EQUAL(sizes[i], requested);
    CHECK(capacity >= requested);
    if (capacity > sizeof ones) test_skip("the pages are too large");
    CHECK_OK(write_bytes("a", 0, ones, capacity));
    CHECK_OK(write_bytes("a", capacity - 1, ones, 1));
    CHECK_CODE(SMEM_BOUNDS, write_bytes("a", capacity, ones, 1));
    CHECK_OK(find_id("a"));
    CHECK_OK(try_map("a"));
    CHECK_OK(free_id("a"));
  }
}

/* ---- much ---------------------------------------------------------------- */

TEST(bytes_in_several_chunks) {
  const uint64_t size = 2 * CHUNK + MIB,
                 lengths[] = {CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK,
                              2 * CHUNK + 1};
  unsigned char *from = smem__os_allocate(size), *to = smem__os_allocate(size);
  CHECK(from && to);
  CHECK_OK(allocate("a", size));
  unsigned char *at = map("a");
  for (unsigned i = 0; i < 5; i++) {
    uint64_t offset = i * 1237 + 1;
    fill(from, lengths[i], i);
    CHECK_OK(write_bytes("a", offset, from, lengths[i]));
    CHECK(memcmp(at + offset, from, (size_t)lengths[i]) == 0);
    CHECK_OK(read_bytes("a", offset, to, lengths[i]));
    CHECK(memcmp(to, from, (size_t)lengths[i]) == 0);
  }
  smem__os_release(from);
  smem__os_release(to);
  CHECK_OK(free_id("a"));
}

/* ---- two processes ------------------------------------------------------- */

ROLE(answers) {
  char text[32];
  CHECK_OK(read_bytes(argument, 4090, text, sizeof text));
  CHECK(strcmp(text, "a question from the parent") == 0);
  CHECK_OK(write_bytes(argument, 4090, "an answer from the child", 25));
}

/* The last `context` bytes that were asked for, or none at all. */
static void *choose_last(uint64_t capacity, uint64_t requested,
                         uint64_t *offset, uint64_t *length, void *context) {
  static char to[8];
  *length = *(size_t *)context;
  CHECK(requested == 5000 && capacity >= requested);
  if (*length == 0) return NULL;
  memset(to, 0, sizeof to);
  *(char **)context = to;
  *offset = requested - *length;
  return to;
}

TEST(bytes_that_depend_on_the_segment) {
  union {
    size_t length;
    char *to;
  } chosen = {3};
  CHECK_OK(allocate("a", 5000));
  CHECK_OK(write_bytes("a", 4996, "abcd", 4));
  CHECK_OK(smem_read_some("a", choose_last, &chosen, &error));
  CHECK(strcmp(chosen.to, "bcd") == 0);
  chosen.length = 0;
  CHECK_CODE(SMEM_INTERRUPTED,
             smem_read_some("a", choose_last, &chosen, &error));
  CHECK(error.op == SMEM_OP_READ && strcmp(error.id, "a") == 0);
  chosen.length = 6000; /* from before its beginning */
  CHECK_CODE(SMEM_BOUNDS, smem_read_some("a", choose_last, &chosen, &error));
  CHECK_CODE(SMEM_NOT_FOUND, smem_read_some("b", NULL, NULL, &error));
  CHECK_OK(free_id("a"));
}

TEST(bytes_seen_by_another_process) {
  char text[32] = "a question from the parent";
  CHECK_OK(allocate("a", 5000));
  CHECK_OK(write_bytes("a", 4090, text, sizeof text));
  unsigned char *at = map("a");
  PLAY(answers, "a");
  CHECK(strcmp((char *)at + 4090, "an answer from the child") == 0);
  CHECK_OK(read_bytes("a", 4090, text, sizeof text));
  CHECK(strcmp(text, "an answer from the child") == 0);
  CHECK_OK(free_id("a"));
}

TEST(bytes_need_no_mapping) {
  char text[4];
  CHECK_OK(allocate("a", 5000));
  CHECK_OK(write_bytes("a", 10, "abc", 4));
  CHECK_OK(read_bytes("a", 10, text, 4));
  CHECK(strcmp(text, "abc") == 0);
  CHECK(!smem__mapping_any());
#ifndef _WIN32
  size_t descriptors = count_descriptors(), mappings = count_mappings();
  for (int i = 0; i < 100; i++) {
    CHECK_OK(write_bytes("a", 4095, "abc", 4));
    CHECK_OK(read_bytes("a", 4095, text, 4));
    CHECK_CODE(SMEM_BOUNDS, read_bytes("a", 99999, text, 4));
    CHECK_CODE(SMEM_NOT_FOUND, read_bytes("b", 0, text, 4));
  }
  CHECK_EQUAL(descriptors, count_descriptors());
  CHECK_EQUAL(mappings, count_mappings());
#endif
  CHECK_OK(free_id("a"));
}
