/* References: as bytes that nobody is to believe, and to what they lead. */
#include "test.h"

enum { CHECKSUM = 48, TEXT = 56 }; /* where they are */

static void set_text(char *text, const char *letters, size_t length) {
  for (size_t i = 0; i < length; i++)
    text[i] = letters[smem__process_random() % strlen(letters)];
  text[length] = '\0';
}

static smem_reference some_reference(size_t space, size_t id) {
  smem_reference reference = {{smem__process_random(), smem__process_random()},
                              smem__process_random(),
                              smem__process_random(),
                              smem__process_random(),
                              (uint8_t)smem__process_random(),
                              "",
                              ""};
  set_text(reference.space, "abcXYZ019_-", space);
  set_text(reference.id, "abc XYZ.019\\%", id);
  return reference;
}

static bool is_same(const smem_reference *a, const smem_reference *b) {
  return a->place[0] == b->place[0] && a->place[1] == b->place[1] &&
         a->generation == b->generation && a->offset == b->offset &&
         a->length == b->length && a->form == b->form &&
         strcmp(a->space, b->space) == 0 && strcmp(a->id, b->id) == 0;
}

/* In memory of just this size, so that a sanitizer sees a step too far. */
static const char *read_copy(const unsigned char *bytes, size_t length,
                             smem_reference *reference) {
  unsigned char *exact = malloc(length > 0 ? length : 1);
  CHECK(exact != NULL);
  memcpy(exact, bytes, length);
  memset(reference, 255, sizeof *reference);
  const char *why =
      smem_reference_read(exact + (length > 0 ? 0 : 1), length, reference);
  free(exact);
  return why;
}

static void check_refused(const unsigned char *bytes, size_t length) {
  smem_reference reference;
  const char *why = read_copy(bytes, length, &reference);
  CHECK(why && strlen(why) > 10);
}

static void check_round_trip(const smem_reference *reference) {
  unsigned char bytes[SMEM_REFERENCE_SIZE];
  smem_reference back;
  size_t length = smem_reference_write(reference, bytes);
  CHECK_EQUAL(TEXT + strlen(reference->space) + strlen(reference->id), length);
  const char *why = read_copy(bytes, length, &back);
  if (why) test_fail(__FILE__, __LINE__, "%s: %s", reference->id, why);
  CHECK(is_same(reference, &back));
}

TEST(references_of_all_sizes) {
  for (size_t space = 1; space <= NAMESPACE_MAX; space++)
    for (size_t id = 1; id <= SMEM_ID_MAX; id++) {
      smem_reference reference = some_reference(space, id);
      check_round_trip(&reference);
      memset(reference.place, 255, sizeof reference.place);
      reference.generation = reference.offset = reference.length = UINT64_MAX;
      check_round_trip(&reference);
    }
  for (size_t id = 2; id <= SMEM_ID_MAX; id++) { /* raw: without namespace */
    smem_reference reference = some_reference(0, id);
    memcpy(reference.id, "/x", 2);
    check_round_trip(&reference);
  }
  smem_reference reference = some_reference(3, 1);
  strcpy(reference.id, "\xE6\xBC\xA2 na\xC3\xAFve");
  check_round_trip(&reference);
}

/* They travel between machines: the bytes are these, on all of them. */
TEST(the_bytes_of_a_reference) {
  const smem_reference reference = {
      {1, 0x0807060504030201u}, 3, 4, 0xFFFFFFFFFFFFFFFEu, 6, "ns", "id"};
  const unsigned char expected[TEXT] = {
      'S', 'M', 'R', 'F', 1,    6,    2,    2,    1,    0,    0,    0,
      0,   0,   0,   0,   1,    2,    3,    4,    5,    6,    7,    8,
      3,   0,   0,   0,   0,    0,    0,    0,    4,    0,    0,    0,
      0,   0,   0,   0,   0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  unsigned char bytes[SMEM_REFERENCE_SIZE];
  CHECK_EQUAL(TEXT + 4, smem_reference_write(&reference, bytes));
  CHECK(memcmp(bytes, expected, CHECKSUM) == 0);
  CHECK(memcmp(bytes + TEXT, "nsid", 4) == 0);
}

/* ---- damaged ------------------------------------------------------------- */

static void check_damages(size_t space, size_t id) {
  unsigned char bytes[2 * SMEM_REFERENCE_SIZE] = {0};
  smem_reference reference = some_reference(space, id);
  size_t length = smem_reference_write(&reference, bytes);
  for (size_t bit = 0; bit < 8 * length; bit++) {
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    check_refused(bytes, length);
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
  }
  for (size_t shorter = 0; shorter < length; shorter++)
    check_refused(bytes, shorter);
  for (size_t longer = length + 1; longer <= sizeof bytes; longer++)
    check_refused(bytes, longer);
  CHECK(!read_copy(bytes, length, &reference));
}

TEST(damaged_references) {
  const size_t ids[] = {1, 2, 17, SMEM_ID_MAX};
  for (int i = 0; i < 4; i++) {
    check_damages(1, ids[i]);
    check_damages(NAMESPACE_MAX, ids[i]);
  }
}

/* The one of the format, so that lies have a checksum that fits. */
static void seal(unsigned char *bytes, size_t length) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (size_t i = 0; i < length; i++)
    if (i < CHECKSUM || i >= TEXT) hash = (hash ^ bytes[i]) * 0x100000001B3u;
  for (int i = 0; i < 8; i++)
    bytes[CHECKSUM + i] = (unsigned char)(hash >> (8 * i));
}

/* A whole reference with these texts, whatever they are. */
static size_t forge(unsigned char *bytes, const void *space, size_t of_space,
                    const void *id, size_t of_id) {
  memcpy(bytes, "SMRF\1\0", 6);
  memset(bytes + 6, 0, TEXT - 6);
  bytes[6] = (unsigned char)of_space;
  bytes[7] = (unsigned char)of_id;
  memcpy(bytes + TEXT, space, of_space);
  memcpy(bytes + TEXT + of_space, id, of_id);
  seal(bytes, TEXT + of_space + of_id);
  return TEXT + of_space + of_id;
}

TEST(forged_references) {
  unsigned char bytes[TEXT + 2 * 255];
  smem_reference reference;
  const struct {
    const char *space, *id;
    size_t of_id;
  } bad[] = {{"", "a", 1},
             {"s", "", 0},
             {"", "", 0},
             {"a.b", "a", 1},
             {"a/b", "a", 1},
             {"..", "a", 1},
             {"a b", "a", 1},
             {"na\xC3\xAF", "a", 1},
             {"s", "a/b", 3},
             {"s", "../a", 4},
             {"s", "a\n", 2},
             {"s", "\xFF", 1},
             {"s", "a\xC3", 2},
             {"s", "a\0b", 3},
             {"s", "\0", 1},
             {"s", "a\0", 2},
             {"s", "/raw", 4},
             {"", "/", 1},
             {"", "/..", 3},
             {"", "/a/b", 4},
             {"", "/../a", 5},
             {"", "/smem.s.a", 9},
             {"", "/smem-control.s", 15}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    check_refused(bytes, forge(bytes, bad[i].space, strlen(bad[i].space),
                               bad[i].id, bad[i].of_id));
  check_refused(bytes, forge(bytes, "a\0b", 3, "a", 1));
  check_refused(bytes, forge(bytes, "\0", 1, "a", 1));
  CHECK(!read_copy(bytes, forge(bytes, "s", 1, "a", 1), &reference));
}

/* Lengths that no text may have. */
TEST(references_with_long_texts) {
  unsigned char bytes[TEXT + 2 * 255], letters[255];
  smem_reference reference;
  memset(letters, 'x', sizeof letters);
  for (size_t space = 0; space <= 255; space++)
    for (size_t id = 0; id <= 255; id += 5) {
      size_t length = forge(bytes, letters, space, letters, id);
      bool is_good =
          space >= 1 && space <= NAMESPACE_MAX && id >= 1 && id <= SMEM_ID_MAX;
      CHECK_EQUAL(is_good, !read_copy(bytes, length, &reference));
    }
}

TEST(random_bytes_as_references) {
  unsigned char bytes[TEXT + 2 * 255];
  smem_reference reference;
  for (int round = 0; round < ROUNDS(100000); round++) {
    size_t length = smem__process_random() % sizeof bytes;
    for (size_t i = 0; i < length; i += 8) {
      uint64_t word = smem__process_random();
      memcpy(bytes + i, &word, length - i < 8 ? length - i : 8);
    }
    check_refused(bytes, length);
    if (length < TEXT) continue;
    /* With all of a header: what is read in the end obeys the grammar. */
    memcpy(bytes, "SMRF\1", 5);
    bytes[6] = (unsigned char)(round % 20);
    if (length < (size_t)TEXT + bytes[6]) continue;
    bytes[7] = (unsigned char)(length - TEXT - bytes[6]);
    seal(bytes, length);
    if (read_copy(bytes, length, &reference)) continue;
    CHECK(smem_is_utf8(reference.id));
    CHECK(reference.space[0] || smem_id_is_raw(reference.id));
  }
}

/* ---- where they lead ----------------------------------------------------- */

static smem_reference reference_to(const char *id) {
  mail_reference(id);
  return read_mail();
}

ROLE(opens_the_mail) {
  smem_handle *handle;
  smem_reference reference = read_mail(), same;
  CHECK_OK(smem_open_reference(&reference, SMEM_READ_WRITE, &handle, &error));
  CHECK_EQUAL(atoi(argument), *(unsigned char *)handle->address);
  *(unsigned char *)handle->address = 99;
  smem_refer(handle, &same);
  CHECK(is_same(&reference, &same));
  smem_close(handle);
}

TEST(a_reference_leads_to_the_memory) {
  CHECK_OK(allocate("a", 5000));
  const char *ids[] = {"a", number_id(allocate_number(5000))};
  for (int i = 0; i < 2; i++) {
    unsigned char *at = map(ids[i]);
    *at = 7;
    mail_reference(ids[i]);
    PLAY(opens_the_mail, "7");
    CHECK_EQUAL(99, *at);
    CHECK_OK(free_id(ids[i]));
  }
}

TEST(a_reference_opens_with_any_access) {
  const smem_access accesses[] = {SMEM_READ_WRITE, SMEM_READ_ONLY,
                                  SMEM_PRIVATE};
  CHECK_OK(allocate("a", 5000));
  unsigned char *at = map("a");
  smem_reference reference = reference_to("a");
  reference.offset = UINT64_MAX; /* the client's, not looked at */
  reference.length = UINT64_MAX;
  for (int i = 0; i < 3; i++) {
    smem_handle *handle;
    CHECK_OK(smem_open_reference(&reference, accesses[i], &handle, &error));
    *at = (unsigned char)i;
    CHECK_EQUAL(i, *(unsigned char *)handle->address);
    CHECK_EQUAL(5000, handle->requested);
    CHECK_EQUAL(reference.generation, handle->generation);
    smem_close(handle);
  }
  CHECK_OK(free_id("a"));
}

TEST(a_reference_to_what_was_freed) {
  CHECK_OK(allocate("a", 5000));
  smem_handle *handle = open_handle("a", SMEM_READ_WRITE);
  smem_reference reference = reference_to("a");
  CHECK_OK(try_open_reference(&reference));
  CHECK_OK(free_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, try_open_reference(&reference));
  CHECK(error.op == SMEM_OP_MAP && strcmp(error.id, "a") == 0);
  smem_refer(handle, &reference); /* still open here, and not to be found */
  CHECK_CODE(SMEM_NOT_FOUND, try_open_reference(&reference));
  CHECK_OK(allocate_exclusive("a", 5000));
  CHECK_CODE(SMEM_REPLACED, try_open_reference(&reference));
  smem_close(handle);
  CHECK_CODE(SMEM_REPLACED, try_open_reference(&reference));
  reference = reference_to("a");
  CHECK_OK(try_open_reference(&reference));
  CHECK_OK(free_id("a"));
}

/* Another machine has nothing of this name, or something else. */
static void check_elsewhere(smem_reference reference) {
  smem_handle *handle;
  for (int bit = 0; bit < 64; bit++)
    for (int i = 0; i < 2; i++) {
      smem_reference moved = reference;
      moved.place[i] ^= UINT64_C(1) << bit;
      CHECK_CODE(SMEM_ELSEWHERE,
                 smem_open_reference(&moved, SMEM_READ_ONLY, &handle, &error));
    }
  CHECK(strstr(message(), "smem_read()") != NULL);
}

TEST(a_reference_from_elsewhere) {
  CHECK_OK(allocate("a", 5000));
  smem_reference reference = reference_to("a");
  CHECK_OK(free_id("a"));
  check_elsewhere(reference);
  CHECK_OK(allocate("a", 5000));
  check_elsewhere(reference);
  CHECK_OK(free_id("a"));
}

/* /dev/shm mounted a second time: two ways to the very same segment. */
TEST(a_reference_to_a_segment_that_is_here_needs_no_place) {
  CHECK_OK(allocate("a", 5000));
  smem_reference reference = reference_to("a");
  reference.place[1] ^= 1;
  CHECK_OK(try_open_reference(&reference));
  CHECK_OK(free_id("a"));
}

ROLE(maker_of_a_reference) {
  const char *id = *argument ? argument : number_id(allocate_number(5000));
  if (*argument) CHECK_OK(allocate(id, 5000));
  *map(id) = 7;
  mail_reference(id);
  raise_flag(0);
  await_flag(1, 1);
}

TEST(a_reference_outlives_its_maker) {
  process_id maker = START(maker_of_a_reference, "a");
  await_flag(0, 1);
  unsigned char *at = map("a"); /* on Windows it would go with its maker */
  kill_process(maker);
  finish(maker);
  CHECK_EQUAL(7, *at);
  PLAY(opens_the_mail, "7");
  CHECK_EQUAL(99, *at);
  CHECK_OK(free_id("a"));
#ifndef _WIN32
  clean_namespace();
#endif
}

#ifndef _WIN32

ROLE(neighbour_with_mail) {
  await_flag(0, 1);
  set_variable("SHAREDMEMORY_NAMESPACE", argument);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  opens_the_mail("7");
  CHECK_OK(allocate("a", 1)); /* the other's own of this name is not meant */
  *map("a") = 1;
  opens_the_mail("99");
  CHECK_EQUAL(1, *map("a"));
  CHECK_OK(free_id("a"));
}

TEST(a_reference_to_another_namespace) {
  char other[40];
  snprintf(other, sizeof other, "%.15so", getenv("SHAREDMEMORY_NAMESPACE"));
  process_id second = START(neighbour_with_mail, other);
  CHECK_OK(allocate("a", 5000));
  *map("a") = 7;
  mail_reference("a");
  raise_flag(0);
  FINISH(second);
  CHECK_EQUAL(99, *map("a"));
  CHECK_OK(free_id("a"));
}

ROLE(opens_it) {
  smem_reference reference = read_mail();
  CHECK_OK(try_open_reference(&reference));
}

TEST(a_reference_and_a_number_that_came_back) {
  process_id maker = START(maker_of_a_reference, "");
  await_flag(0, 1);
  smem_reference reference = read_mail();
  PLAY(opens_it, "");
  CHECK_OK(free_id("1"));
  raise_flag(1);
  FINISH(maker);
  CHECK(!path_exists(control_path())); /* the counter starts over */
  CHECK_EQUAL(1, allocate_number(5000));
  CHECK_CODE(SMEM_REPLACED, try_open_reference(&reference));
  CHECK_EQUAL(0, *map("1"));
  CHECK_OK(free_id("1"));
  CHECK_CODE(SMEM_NOT_FOUND, try_open_reference(&reference));
}

/* Whoever holds a handle of a segment keeps its number from coming back. */
ROLE(makes_another) {
  CHECK_EQUAL(2, allocate_number(5000));
  CHECK_OK(free_id("2"));
}

TEST(a_number_that_somebody_holds) {
  process_id maker = START(maker_of_a_reference, "");
  await_flag(0, 1);
  smem_reference reference = read_mail();
  smem_handle *handle;
  CHECK_OK(smem_open_reference(&reference, SMEM_READ_ONLY, &handle, &error));
  CHECK_OK(free_id("1"));
  raise_flag(1);
  FINISH(maker); /* it was the last to have made something */
  CHECK_OK(smem_leave(&error));
  PLAY(makes_another, "");
  CHECK(smem_id_means(&reference, handle));
  smem_close(handle);
  CHECK_OK(smem_leave(&error));
  CHECK(!path_exists(control_path()));
}

/* Does the id alone mean the segment of the reference, or nothing? */
TEST(what_an_id_means) {
  CHECK_OK(allocate("a", 5000));
  smem_handle *handle = open_handle("a", SMEM_READ_ONLY);
  smem_reference reference, other;
  smem_refer(handle, &reference);
  CHECK(smem_id_means(&reference, handle) && smem_id_means(&reference, NULL));
  other = reference;
  strcpy(other.space, "another");
  CHECK(!smem_id_means(&other, NULL));
  CHECK_OK(free_id("a"));
  CHECK(smem_id_means(&reference, handle) && smem_id_means(&reference, NULL));
  CHECK_OK(allocate("a", 5000));
  CHECK(!smem_id_means(&reference, handle) && !smem_id_means(&reference, NULL));
  smem_close(handle);
  CHECK_OK(free_id("a"));
}

/* Under the name is what nobody has referred to. */
TEST(a_reference_and_a_strange_successor) {
  CHECK_OK(allocate("a", 5000));
  smem_reference reference = reference_to("a");
  CHECK_OK(free_id("a"));
  plant_incomplete("a");
  CHECK_CODE(SMEM_REPLACED, try_open_reference(&reference));
  CHECK_OK(free_id("a"));
  plant_file(segment_path("a"), "hello", 0600);
  CHECK_CODE(SMEM_CORRUPT, try_open_reference(&reference));
  CHECK_OK(free_id("a"));
  CHECK(mkfifo(segment_path("a"), 0600) == 0);
  CHECK_CODE(SMEM_CORRUPT, try_open_reference(&reference));
  CHECK_OK(free_id("a"));
}
#endif
