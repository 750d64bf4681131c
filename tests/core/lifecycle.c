/* The life of a segment: allocate, map, unmap, free, seen by two processes. */
#include "test.h"

static bool is_filled(const unsigned char *at, int value, uint64_t size) {
  for (uint64_t i = 0; i < size; i++)
    if (at[i] != value) return false;
  return true;
}

TEST(one_life) {
  uint64_t size, number = allocate_number(100);
  const char *id = number_id(number);
  CHECK_EQUAL(1, number);
  CHECK_OK(find_id(id));
  CHECK_OK(smem_size(id, &size, &error));
  CHECK(size >= 100);
  unsigned char *at = map(id);
  CHECK(is_filled(at, 0, size));
  memset(at, 7, (size_t)size);
  unmap_id(id);
  at = map(id);
  CHECK(is_filled(at, 7, size));
  CHECK_OK(free_id(id));
  CHECK_CODE(SMEM_NOT_FOUND, find_id(id));
  CHECK_CODE(SMEM_NOT_FOUND, try_map(id));
  CHECK_CODE(SMEM_NOT_FOUND, smem_size(id, &size, &error));
  CHECK_EQUAL(0, count_listed());
}

TEST(capacity_holds_the_size) {
  const uint64_t sizes[] = {1,    3071,  3072,  3073,    4095,   4096,
                            4097, 65536, 65537, 1000000, 3145728};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint64_t size;
    const char *id = number_id(allocate_number(sizes[i]));
    CHECK_OK(smem_size(id, &size, &error));
    CHECK(size >= sizes[i]);
    CHECK_EQUAL(size, smem_mapping_capacity(map_with(id, SMEM_READ_WRITE)));
    CHECK(is_filled(map(id), 0, size));
    memset(map(id), 255, (size_t)size);
    CHECK_OK(try_map(id)); /* writing to all of it has left the footer alone */
    CHECK_OK(smem_size(id, &size, &error));
    CHECK_OK(free_id(id));
  }
}

ROLE(reader) {
  unsigned char *at = map(argument);
  CHECK(strcmp((char *)at, "from the parent") == 0);
  strcpy((char *)at, "from the child");
}

TEST(seen_by_another_process) {
  const char *id = number_id(allocate_number(1000));
  CHECK_OK(allocate("greeting", 1000));
  for (int i = 0; i < 2; i++, id = "greeting") {
    char *at = (char *)map(id);
    strcpy(at, "from the parent");
    PLAY(reader, id);
    CHECK(strcmp(at, "from the child") == 0);
    CHECK(strcmp(mapped_at(id, SMEM_READ_ONLY), "from the child") == 0);
    CHECK_OK(free_id(id));
  }
}

TEST(maps_are_counted) {
  smem_mapping *first, *second;
  int mine;
  CHECK_OK(allocate("a", 1));
  first = map_with("a", SMEM_READ_WRITE);
  second = map_with("a", SMEM_READ_WRITE);
  CHECK(first == second);
  CHECK(!smem_mapping_note(first, SMEM_READ_WRITE));
  smem_mapping_set_note(first, SMEM_READ_WRITE, &mine);
  unmap_id("a");
  CHECK_EQUAL(0, notes_gone);
  *(char *)smem_mapping_address(first, SMEM_READ_WRITE) = 1;
  unmap_id("a");
  CHECK(notes_gone == 1 && note_gone == &mine);
  CHECK(!smem__mapping_any());
  CHECK_OK(free_id("a"));
}

TEST(accesses_are_mapped_apart) {
  smem_mapping *mapping;
  CHECK_OK(allocate("a", 1));
  mapping = map_with("a", SMEM_READ_ONLY);
  char *read = smem_mapping_address(mapping, SMEM_READ_ONLY);
  CHECK(read && !smem_mapping_address(mapping, SMEM_READ_WRITE));
  CHECK(mapping == map_with("a", SMEM_READ_WRITE));
  char *write = smem_mapping_address(mapping, SMEM_READ_WRITE);
  CHECK(write && read != write);
  *write = 5;
  CHECK_EQUAL(5, *read);
  smem_mapping_set_note(mapping, SMEM_READ_ONLY, read);
  smem_mapping_set_note(mapping, SMEM_READ_WRITE, write);
  unmap_id("a"); /* one count for both */
  CHECK_EQUAL(0, notes_gone);
  unmap_id("a");
  CHECK_EQUAL(2, notes_gone);
  CHECK_OK(free_id("a"));
}

ROLE(writer_to_read_only) {
  volatile char *at = mapped_at(argument, SMEM_READ_ONLY);
  CHECK_EQUAL(9, *at);
  host_expect_crash();
  raise_flag(0);
  *at = 1;
  raise_flag(1);
}

TEST(read_only_is_read_only) {
  CHECK_OK(allocate("a", 1));
  unsigned char *at = map("a");
  *at = 9;
  CHECK(finish(START(writer_to_read_only, "a")) != 0);
  CHECK_EQUAL(1, shared->flag[0]);
  CHECK_EQUAL(0, shared->flag[1]);
  CHECK_EQUAL(9, *at);
  CHECK_OK(free_id("a"));
}

TEST(free_tells_what_is_gone) {
  int mine;
  CHECK_OK(allocate("a", 1));
  for (int i = 0; i < 3; i++)
    smem_mapping_set_note(map_with("a", SMEM_READ_WRITE), SMEM_READ_WRITE,
                          &mine);
  CHECK_OK(free_id("a"));
  CHECK(notes_gone == 1 && note_gone == &mine);
  CHECK(!smem__mapping_any());
  CHECK_OK(free_id("a"));
  CHECK_EQUAL(1, notes_gone);
}

TEST(the_unknown_may_be_freed_and_unmapped) {
  unmap_id("nobody knows");
  CHECK_OK(free_id("nobody knows"));
  CHECK_EQUAL(0, notes_gone);
  CHECK_OK(can_free_id("nobody knows"));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("nobody knows"));
  CHECK_CODE(SMEM_NOT_FOUND, try_map("nobody knows"));
  CHECK_CODE(SMEM_NOT_FOUND, try_map("17"));
  CHECK(strstr(message(), "17") != NULL);
}

TEST(unmap_all) {
  enum { COUNT = 200 };
  int mine;
  for (int i = 0; i < COUNT; i++)
    smem_mapping_set_note(
        map_with(number_id(allocate_number(1)), SMEM_READ_WRITE),
        SMEM_READ_WRITE, &mine);
  smem_unmap_all(count_note);
  CHECK_EQUAL(COUNT, notes_gone);
  CHECK(!smem__mapping_any());
  smem_unmap_all(count_note);
  CHECK_OK(try_map("1")); /* the table works again */
  for (unsigned i = 1; i <= COUNT; i++) CHECK_OK(free_id(number_id(i)));
}

/* ---- several at once ----------------------------------------------------- */

TEST(many_at_once) {
  enum { COUNT = 300 }; /* more than any table of locks may hold */
  static smem_request requests[COUNT];
  for (int i = 0; i < COUNT; i++)
    requests[i] = (smem_request)SMEM_REQUEST_INIT((uint64_t)i + 1, NULL);
  requests[10].name = "ten";
  CHECK_OK(smem_allocate(requests, COUNT, SMEM_UNTIL_FREED, true, &error));
  CHECK_EQUAL(COUNT, count_listed());
  CHECK_EQUAL(1, requests[0].number);
  CHECK_EQUAL(COUNT - 1, requests[COUNT - 1].number);
  CHECK_OK(free_id("ten"));
  for (unsigned i = 1; i < COUNT; i++) CHECK_OK(free_id(number_id(i)));
  CHECK_EQUAL(0, count_listed());
}

TEST(nothing_at_once) {
  CHECK_OK(smem_allocate(NULL, 0, SMEM_UNTIL_FREED, true, &error));
}

TEST(a_batch_is_undone) {
  smem_request requests[] = {
      SMEM_REQUEST_INIT(1, "first"), SMEM_REQUEST_INIT(1, NULL),
      SMEM_REQUEST_INIT(1, "taken"), SMEM_REQUEST_INIT(1, "last")};
  CHECK_OK(allocate("taken", 1));
  CHECK_CODE(SMEM_EXISTS,
             smem_allocate(requests, 4, SMEM_UNTIL_FREED, true, &error));
  CHECK_EQUAL(3, error.element);
  CHECK(strcmp(error.id, "taken") == 0);
  CHECK(strstr(message(), "element 3") != NULL);
  CHECK_EQUAL(1, count_listed());
  CHECK_OK(find_id("taken"));
  CHECK_OK(free_id("taken"));
}

TEST(a_batch_is_not_undone_beyond_what_it_made) {
  smem_request requests[] = {SMEM_REQUEST_INIT(1, "old"),
                             SMEM_REQUEST_INIT(1, "new"),
                             SMEM_REQUEST_INIT(9999, "small")};
  CHECK_OK(allocate("old", 1));
  CHECK_OK(allocate("small", 1));
  CHECK_CODE(SMEM_TOO_SMALL,
             smem_allocate(requests, 3, SMEM_UNTIL_FREED, false, &error));
  CHECK_EQUAL(3, error.element);
  CHECK_OK(find_id("old"));
  CHECK_OK(find_id("small"));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("new"));
  CHECK_OK(free_id("old"));
  CHECK_OK(free_id("small"));
}

TEST(a_name_twice_in_a_batch) {
  smem_request requests[] = {SMEM_REQUEST_INIT(1, "twin"),
                             SMEM_REQUEST_INIT(1, "twin")};
  CHECK_OK(smem_allocate(requests, 2, SMEM_UNTIL_FREED, false, &error));
  CHECK_EQUAL(1, count_listed());
  CHECK_OK(free_id("twin"));
  CHECK_CODE(SMEM_EXISTS,
             smem_allocate(requests, 2, SMEM_UNTIL_FREED, true, &error));
  CHECK_EQUAL(2, error.element);
  CHECK_EQUAL(0, count_listed());
}

/* More than any machine has: told before any of it is taken. */
TEST(far_too_large) {
  smem_request requests[] = {SMEM_REQUEST_INIT(1, NULL),
                             SMEM_REQUEST_INIT((uint64_t)1 << 50, NULL)};
  skip_if_portable("this system does not tell how much shared memory it has");
  CHECK_CODE(SMEM_NO_SPACE,
             smem_allocate(requests, 2, SMEM_UNTIL_FREED, false, &error));
  CHECK_EQUAL(2, error.element);
  CHECK(strstr(message(), "112589990684262") != NULL);
  CHECK_EQUAL(0, count_listed());
}

/* ---- create or open ------------------------------------------------------ */

TEST(create_or_open) {
  uint64_t size;
  CHECK_OK(allocate("a", 5000));
  *map("a") = 3;
  CHECK_OK(allocate("a", 10));
  CHECK_EQUAL(3, *map("a"));
  CHECK_OK(smem_size("a", &size, &error));
  CHECK_OK(allocate("a", size));
  CHECK_CODE(SMEM_TOO_SMALL, allocate("a", size + 1));
  CHECK(strstr(message(), "5121 bytes were asked") || size != 5120);
  CHECK_CODE(SMEM_EXISTS, allocate_exclusive("a", 10));
  CHECK(strcmp(error.id, "a") == 0 && error.op == SMEM_OP_ALLOCATE);
  CHECK_EQUAL(0, error.element);
  CHECK_EQUAL(1, count_listed());
  CHECK_OK(free_id("a"));
  CHECK_OK(allocate_exclusive("a", 10));
  CHECK_EQUAL(0, *map("a"));
  CHECK_OK(free_id("a"));
}

ROLE(opener) {
  CHECK_OK(allocate(argument, 100));
  CHECK_EQUAL(3, *map(argument));
  CHECK_CODE(SMEM_EXISTS, allocate_exclusive(argument, 1));
}

TEST(another_process_opens) {
  CHECK_OK(allocate("a", 100));
  *map("a") = 3;
  PLAY(opener, "a");
  CHECK_OK(find_id("a"));
  CHECK_OK(free_id("a"));
}

/* ---- the list ------------------------------------------------------------ */

static bool only_one(const smem_entry *entry, void *context) {
  *(uint64_t *)context += entry->capacity;
  return false;
}

TEST(the_list) {
  uint64_t seen = 0, size;
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_size("a", &size, &error));
  CHECK_OK(smem_list(only_one, &seen, &error));
  CHECK_EQUAL(size, seen);
  CHECK_OK(allocate("b", 1));
  seen = 0;
  CHECK_OK(smem_list(only_one, &seen, &error)); /* stops when told to */
  CHECK_EQUAL(size, seen);
  CHECK_EQUAL(SMEM_LIVE, listed_state("a"));
  CHECK_EQUAL(SMEM_LIVE, listed_state("b"));
  CHECK_EQUAL(2, count_listed());
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("b"));
}

TEST(the_last_index) {
  uint64_t index = 99;
  CHECK_OK(smem_last_index(&index, &error));
  CHECK_EQUAL(0, index);
  for (uint64_t i = 1; i <= 3; i++) {
    CHECK_EQUAL(i, allocate_number(1));
    CHECK_OK(smem_last_index(&index, &error));
    CHECK_EQUAL(i, index);
  }
  for (unsigned i = 1; i <= 3; i++) CHECK_OK(free_id(number_id(i)));
  CHECK_OK(smem_last_index(&index, &error));
  CHECK_EQUAL(3, index);
}

/* What only informs must not leave a control object behind. */
TEST(looking_creates_nothing) {
  uint64_t index;
  CHECK_OK(smem_last_index(&index, &error));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, try_map("a"));
  CHECK_OK(free_id("a"));
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(smem_leave(&error));
#ifndef _WIN32
  CHECK_EQUAL(0, count_objects());
#endif
}
