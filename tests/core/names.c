/* Ids, numbers, namespaces, and names that change hands. */
#include "test.h"

static bool is_valid(const char *id, size_t length) {
  const char *why;
  bool valid = smem_id_is_valid(id, length, &why);
  CHECK(valid == !why);
  return valid;
}

TEST(valid_ids) {
  static char long_id[SMEM_ID_MAX + 2];
  const char *good[] = {"a",
                        "0",
                        "42",
                        "-",
                        ".",
                        "..",
                        " ",
                        "a b",
                        "a.b",
                        "%s",
                        "\\",
                        "a\\b",
                        "\"",
                        "~",
                        "na\xC3\xAFve",
                        "\xE6\xBC\xA2\xE5\xAD\x97",
                        "\xF0\x9F\x98\x80",
                        "\xC2\xA0",
                        "\xED\x9F\xBF",
                        "\xEE\x80\x80",
                        "\xF4\x8F\xBF\xBF"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (!is_valid(good[i], strlen(good[i])))
      test_fail(__FILE__, __LINE__, "refused: %s", good[i]);
  memset(long_id, 'x', sizeof long_id);
  CHECK(is_valid(long_id, SMEM_ID_MAX));
  CHECK(!is_valid(long_id, SMEM_ID_MAX + 1));
  memcpy(long_id + SMEM_ID_MAX - 1, "\xC3\xA9", 2);
  CHECK(!is_valid(long_id, SMEM_ID_MAX)); /* half a character */
}

TEST(invalid_ids) {
  const struct {
    const char *id;
    size_t length;
  } bad[] = {
      {"", 0},
      {"a/b", 3},
      {"a/", 2},
      {"a\0b", 3},
      {"a\n", 2},
      {"\x1F", 1},
      {"\x7F", 1},
      {"\xC2\x80", 2}, /* control characters of Latin 1 */
      {"\xC2\x9F", 2},
      {"\xE2\x80\xA8", 3}, /* ends of lines and paragraphs */
      {"\xE2\x80\xAE", 3}, /* from right to left */
      {"\xE2\x81\xA9", 3},
      {"\x80", 1},
      {"\xC0\xAF", 2}, /* "/" in too long a form */
      {"\xC1\xBF", 2},
      {"\xE0\x80\xAF", 3},
      {"\xE0\x9F\xBF", 3},
      {"\xF0\x80\x80\xAF", 4},
      {"\xF0\x8F\xBF\xBF", 4},
      {"\xED\xA0\x80", 3}, /* surrogates */
      {"\xED\xBF\xBF", 3},
      {"\xF4\x90\x80\x80", 4}, /* beyond Unicode */
      {"\xF5\x80\x80\x80", 4},
      {"\xFF", 1},
      {"a\xC3", 2}, /* cut off */
      {"a\xE6\xBC", 3},
      {"\xE6\xBC"
       "a",
       3},
      {"\xC3(", 2},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (is_valid(bad[i].id, bad[i].length))
      test_fail(__FILE__, __LINE__, "accepted: number %d", (int)i);
}

/* Names of other programs' objects: one level, none of ours. */
TEST(raw_ids) {
  static char long_id[SMEM_ID_MAX + 2];
  const char *good[] = {"/a",     "/ ",   "/...", "/.a",          "/a.b",
                        "/psm_1", "/sme", "/1",   "/Smem",        "/ smem",
                        "/sem.x", "/%s",  "/\\",  "/na\xC3\xAFve"};
  const struct {
    const char *id;
    size_t length;
  } bad[] = {
      {"/", 1},
      {"/.", 2},
      {"/..", 3},
      {"//", 2},
      {"//a", 3},
      {"/a/", 3},
      {"/a/b", 4},
      {"/../a", 5},
      {"/smem", 5},
      {"/smem.", 6},
      {"/smem.1000.a", 12},
      {"/smem-control.1000", 18},
      {"/smemory", 8},
      {"/a\n", 3},
      {"/\x7F", 2},
      {"/\xC2\x80", 3},
      {"/\xFF", 2},
      {"/a\xC3", 3},
      {"/a\0b", 4},
      {"/\0", 2},
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    CHECK(smem_id_is_raw(good[i]));
    if (!is_valid(good[i], strlen(good[i])))
      test_fail(__FILE__, __LINE__, "refused: %s", good[i]);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (is_valid(bad[i].id, bad[i].length))
      test_fail(__FILE__, __LINE__, "accepted: number %d", (int)i);
  CHECK(!smem_id_is_raw("a") && !smem_id_is_raw("") && !smem_id_is_raw("a/"));
  memset(long_id, 'x', sizeof long_id);
  long_id[0] = '/';
  CHECK(is_valid(long_id, SMEM_ID_MAX));
  CHECK(!is_valid(long_id, SMEM_ID_MAX + 1));
  memcpy(long_id + SMEM_ID_MAX - 1, "\xC3\xA9", 2);
  CHECK(!is_valid(long_id, SMEM_ID_MAX));
}

TEST(numbers_as_ids) {
  const char *not_numbers[] = {"",
                               "0",
                               "042",
                               "1a",
                               "a1",
                               "-1",
                               "+1",
                               " 1",
                               "1 ",
                               "1.0",
                               "9007199254740993",
                               "18446744073709551617",
                               "99999999999999999999999999"};
  uint64_t number;
  char id[SMEM_NUMBER_SIZE];
  for (size_t i = 0; i < sizeof not_numbers / sizeof *not_numbers; i++)
    CHECK(!smem_id_is_number(not_numbers[i], &number));
  const uint64_t numbers[] = {1, 9, 10, 99, 4294967296u, SMEM_MAX_NUMBER};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    smem_id_of_number(numbers[i], id);
    CHECK(smem_id_is_number(id, &number) && number == numbers[i]);
  }
  smem_id_of_number(0, id);
  CHECK(strcmp(id, "0") == 0);
}

TEST(names_in_full) {
  static char longest[SMEM_ID_MAX + 1], other[SMEM_ID_MAX + 1];
  const char *names[] = {longest, other,   "na\xC3\xAFve",     "a\\b", " ",
                         "..",    "a b.c", "\xF0\x9F\x98\x80", "0",    "042"};
  memset(longest, 'x', SMEM_ID_MAX);
  memset(other, 'x', SMEM_ID_MAX);
  other[SMEM_ID_MAX - 1] = 'y';
  for (int i = 0; i < 10; i++) {
    CHECK_OK(allocate_exclusive(names[i], 10));
    *map(names[i]) = (unsigned char)(i + 1);
  }
  CHECK_EQUAL(10, count_listed());
  for (int i = 0; i < 10; i++) {
    CHECK_EQUAL(i + 1, *map(names[i]));
    CHECK_EQUAL(SMEM_LIVE, listed_state(names[i]));
    CHECK_OK(free_id(names[i]));
    CHECK_EQUAL(-1, listed_state(names[i]));
  }
}

/* ---- numbers as names ---------------------------------------------------- */

TEST(spent_numbers_as_names) {
  CHECK_EQUAL(1, allocate_number(100));
  *map("1") = 4;
  CHECK_OK(allocate("1", 10)); /* may be opened */
  CHECK_EQUAL(4, *map("1"));
  CHECK_CODE(SMEM_EXISTS, allocate_exclusive("1", 10));
  CHECK_OK(free_id("1"));
  CHECK_CODE(SMEM_ARGUMENT, allocate("1", 10)); /* but not come back */
  CHECK(strcmp(error.id, "1") == 0);
  CHECK_CODE(SMEM_ARGUMENT, allocate_exclusive("1", 10));
  CHECK_EQUAL(0, count_listed());
}

TEST(the_counter_skips_names) {
  smem_request requests[] = {SMEM_REQUEST_INIT(1, NULL),
                             SMEM_REQUEST_INIT(1, NULL),
                             SMEM_REQUEST_INIT(1, NULL)};
  uint64_t index;
  CHECK_EQUAL(1, allocate_number(1));
  CHECK_OK(allocate("3", 1));
  CHECK_EQUAL(2, allocate_number(1));
  CHECK_EQUAL(4, allocate_number(1));
  CHECK_OK(allocate("6", 1));
  CHECK_OK(smem_allocate(requests, 3, SMEM_UNTIL_FREED, false, &error));
  CHECK_EQUAL(5, requests[0].number);
  CHECK_EQUAL(7, requests[1].number);
  CHECK_EQUAL(8, requests[2].number);
  CHECK_OK(smem_last_index(&index, &error));
  CHECK_EQUAL(8, index);
  CHECK_EQUAL(8, count_listed());
  for (unsigned i = 1; i <= 8; i++) CHECK_OK(free_id(number_id(i)));
}

/* ---- namespaces ---------------------------------------------------------- */

#ifndef _WIN32 /* the environment of a C runtime is not that of its process */
TEST(invalid_namespaces) {
  uint64_t index;
  const char *bad[] = {
      "a b", "a/b", "a.b", "..", "na\xC3\xAFve", "seventeen-letters", "%s"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    set_variable("SHAREDMEMORY_NAMESPACE", bad[i]);
    CHECK_CODE(SMEM_ARGUMENT, allocate("a", 1));
    CHECK(strstr(message(), "SHAREDMEMORY_NAMESPACE") != NULL);
    CHECK_CODE(SMEM_ARGUMENT, find_id("a"));
    CHECK_CODE(SMEM_ARGUMENT, try_map("a"));
    CHECK_CODE(SMEM_ARGUMENT, free_id("a"));
    CHECK_CODE(SMEM_ARGUMENT, can_free_id("a"));
    CHECK_CODE(SMEM_ARGUMENT, smem_last_index(&index, &error));
    CHECK_CODE(SMEM_ARGUMENT, smem_join(&error));
  }
}

ROLE(neighbour) {
  await_flag(0, 1);
  set_variable("SHAREDMEMORY_NAMESPACE", argument);
  CHECK_EQUAL(0, count_listed());
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_OK(free_id("a"));
  CHECK_OK(allocate_exclusive("a", 1));
  CHECK_EQUAL(1, allocate_number(1));
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("1"));
}

TEST(namespaces_are_apart) {
  char other[40]; /* one begins like the other */
  snprintf(other, sizeof other, "%.15so", getenv("SHAREDMEMORY_NAMESPACE"));
  /* Started first: a forked child would go on in our namespace. */
  process_id second = START(neighbour, other);
  CHECK_OK(allocate("a", 1));
  CHECK_EQUAL(1, allocate_number(1));
  raise_flag(0);
  FINISH(second);
  CHECK_EQUAL(2, count_listed());
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("1"));
}

TEST(the_namespace_is_read_anew) {
  char other[40];
  CHECK_EQUAL(1, allocate_number(1));
  CHECK_OK(free_id("1"));
  snprintf(other, sizeof other, "%.15so", getenv("SHAREDMEMORY_NAMESPACE"));
  set_variable("SHAREDMEMORY_NAMESPACE", other);
  CHECK_EQUAL(2, allocate_number(1));
  CHECK_OK(free_id("2"));
  CHECK_OK(smem_leave(&error)); /* nothing mapped, nothing owned */
  CHECK_EQUAL(1, allocate_number(1));
  CHECK_OK(free_id("1"));
}

TEST(the_namespace_is_read_once) {
  char space[32];
  snprintf(space, sizeof space, "%s", getenv("SHAREDMEMORY_NAMESPACE"));
  CHECK_OK(allocate("a", 1));
  set_variable("SHAREDMEMORY_NAMESPACE", "elsewhere");
  CHECK_OK(find_id("a"));
  CHECK_OK(smem_leave(&error)); /* owns "a", so it stays */
  CHECK_OK(find_id("a"));
  set_variable("SHAREDMEMORY_NAMESPACE", space);
  CHECK_OK(free_id("a"));
}

/* ---- a name that changes hands ------------------------------------------- */

ROLE(successor) {
  CHECK_OK(free_id(argument));
  CHECK_OK(allocate_exclusive(argument, 1));
  *map(argument) = 2;
}

TEST(replaced_elsewhere) {
  CHECK_OK(allocate("a", 1));
  unsigned char *at = map("a");
  *at = 1;
  PLAY(successor, "a");
  CHECK_CODE(SMEM_REPLACED, map_id("a", SMEM_READ_WRITE));
  CHECK_CODE(SMEM_REPLACED, map_id("a", SMEM_READ_ONLY));
  CHECK_EQUAL(1, *at);
  unmap_id("a"); /* the failures were not counted */
  CHECK(!smem__mapping_any());
  CHECK_EQUAL(2, *map("a"));
  CHECK_OK(free_id("a"));
}

ROLE(liberator) { CHECK_OK(free_id(argument)); }

TEST(freed_elsewhere) {
  CHECK_OK(allocate("a", 1));
  unsigned char *at = map("a");
  *at = 1;
  PLAY(liberator, "a");
  CHECK(map("a") == at);
  CHECK_EQUAL(1, *at);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  unmap_id("a");
  unmap_id("a");
  CHECK_CODE(SMEM_NOT_FOUND, try_map("a"));
}

/* Who only maps does not keep the counter's object: with the last process that
 * allocated it goes, and the next counts from 1 again. */
ROLE(first_allocator) {
  CHECK_EQUAL(1, allocate_number(1));
  *map("1") = 7;
  raise_flag(0);
  await_flag(1, 1);
  CHECK_OK(free_id("1"));
}

ROLE(second_allocator) {
  await_flag(2, 1);
  uint64_t number = allocate_number(1);
  *map(number_id(number)) = 8;
  atomic_store(&shared->number[0], number);
}

TEST(a_number_never_means_another_segment) {
  process_id second = START(second_allocator, ""); /* inherits no mapping */
  process_id first = START(first_allocator, "");
  await_flag(0, 1);
  unsigned char *at = map("1");
  raise_flag(1);
  FINISH(first);
  raise_flag(2);
  FINISH(second);
  CHECK_EQUAL(7, *at);
  if (shared->number[0] == 1) { /* the same number was handed out again */
    CHECK_CODE(SMEM_REPLACED, map_id("1", SMEM_READ_WRITE));
    unmap_id("1");
    CHECK_EQUAL(8, *map("1"));
  }
  clean_namespace();
}

/* A name may be the largest number; the counter has to live with it. */
TEST(the_largest_number_as_name) {
  const char *id = "9007199254740992";
  CHECK_OK(allocate(id, 1));
  CHECK_EQUAL(1, allocate_number(1));
  smem_stop();
  unlink(control_path()); /* as after a restart of all processes */
  CHECK(allocate_number(1) > 0);
  clean_namespace();
}
#endif
