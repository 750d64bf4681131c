/* Objects: written whole or not at all, and read with every number checked. */
#include "trees.h"
#include "../harness/faults.h"
#include "../harness/read_tree.h"

TEST(objects_are_read_as_they_were_written) {
  smem_reference reference;
  for (int i = 0; i < 2; i++) {
    const char *name = i ? "model" : NULL;
    CHECK_OK(make_object(name, SMEM_UNTIL_FREED, &reference));
    smem_handle *handle = open_object(&reference);
    check_object(handle);
    smem_close(handle);
    CHECK_CODE(SMEM_SEALED, try_open(reference.id, SMEM_READ_WRITE));
    CHECK_OK(free_id(reference.id));
  }
}

TEST(a_name_is_not_taken_twice) {
  smem_reference reference;
  CHECK_OK(make_object("model", SMEM_UNTIL_FREED, &reference));
  CHECK_CODE(SMEM_EXISTS, make_object("model", SMEM_UNTIL_FREED, &reference));
  CHECK_OK(free_id("model"));
#ifndef _WIN32
  plant_incomplete("model"); /* of a dead creator: it goes */
  CHECK_OK(make_object("model", SMEM_UNTIL_FREED, &reference));
  CHECK_OK(free_id("model"));
#endif
  CHECK_CODE(SMEM_ARGUMENT, make_object("/raw", SMEM_UNTIL_FREED, &reference));
  uint64_t number = allocate_number(1);
  CHECK_OK(free_id(number_id(number)));
  CHECK_CODE(SMEM_ARGUMENT,
             make_object(number_id(number), SMEM_UNTIL_FREED, &reference));
}

TEST(nothing_is_seen_before_all_is_there) {
  struct layout layout = lay_out_object();
  smem_writer *writer;
  CHECK_OK(smem_write_begin(NULL, layout.size, &writer, &error));
  CHECK_OK(write_object(writer, &layout));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("1"));
  int state = listed_state("1"); /* where it has its name from the start */
  CHECK(state == -1 || state == SMEM_INCOMPLETE);
  /* Not a byte more than was planned. */
  CHECK_CODE(SMEM_SYSTEM, smem_write_next(writer, "x", 1, &error));
  smem_write_abandon(writer);
  CHECK_EQUAL(0, count_listed());
}

/* ---- of one page --------------------------------------------------------- */

TEST(nothing_is_seen_of_a_small_one_either) {
  smem_writer *writer;
  CHECK_OK(begin_small_object("small", &writer));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("small"));
  CHECK_CODE(SMEM_NOT_FOUND, try_map("small"));
  int state = listed_state("small");
  CHECK(state == -1 || state == SMEM_INCOMPLETE);
  smem_write_abandon(writer);
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(begin_small_object("small", &writer));
  CHECK_OK(publish_small_object(writer));
  CHECK_EQUAL(SMEM_LIVE, listed_state("small"));
  CHECK_CODE(SMEM_EXISTS, begin_small_object("small", &writer));
  CHECK_OK(free_id("small"));
}

/* ---- for another machine ------------------------------------------------- */

struct taken {
  unsigned char bytes[DOUBLES * 8 + 8192];
  uint64_t length, until;
};

static smem_code take(void *context, const void *bytes, uint64_t length,
                      smem_error *wrong) {
  struct taken *taken = context;
  (void)wrong;
  CHECK(length <= sizeof taken->bytes - taken->length);
  memcpy(taken->bytes + taken->length, bytes, (size_t)length);
  taken->length += length;
  return taken->length <= taken->until ? SMEM_OK : SMEM_INTERRUPTED;
}

static smem_code take_object(struct taken *taken, struct layout *layout) {
  smem_writer *writer;
  *layout = lay_out_object();
  CHECK_OK(smem_write_to(take, taken, layout->size, &writer, &error));
  smem_code code = write_object(writer, layout);
  if (code == SMEM_OK) {
    CHECK_EQUAL(layout->size, smem_write_at(writer));
    CHECK(smem_write_next(writer, "x", 1, NULL) == SMEM_SYSTEM);
    code = smem_write_flush(writer, &error);
  }
  smem_write_abandon(writer);
  return code;
}

/* The bytes that a writer hands on are those that it would have written. */
TEST(bytes_for_another_machine) {
  static struct taken taken;
  struct layout layout;
  smem_reference reference;
  taken.until = UINT64_MAX;
  CHECK_OK(make_object("model", SMEM_UNTIL_FREED, &reference));
  CHECK_OK(take_object(&taken, &layout));
  CHECK_EQUAL(layout.size - SMEM_OBJECT_HEADER, taken.length);
  smem_handle *handle;
  CHECK_OK(smem_open("model", SMEM_READ_ONLY, &handle, &error));
  CHECK(memcmp((char *)handle->address + SMEM_OBJECT_HEADER, taken.bytes,
               (size_t)taken.length) == 0);
  smem_close(handle);
  CHECK_OK(free_id("model"));
  CHECK_EQUAL(0, count_listed());
  taken.length = 0;
  taken.until = 1000; /* whoever takes them has had enough */
  CHECK_EQUAL(SMEM_INTERRUPTED, take_object(&taken, &layout));
}

/* ---- killed, and failing ------------------------------------------------- */
#ifndef _WIN32

ROLE(killed_sharer) {
  smem_reference reference, outer;
  fault_arm(FAULT_KILL, strtoul(argument, NULL, 10));
  CHECK_OK(make_two_objects(&reference, &outer));
  fault_disarm();
  exit(0);
}

/* Stopped before each call in turn: until all is there nothing is, and what is
 * there is sealed. */
ROLE(stopped_sharer) {
  smem_writer *writer;
  fault_arm(FAULT_STOP, strtoul(argument, NULL, 10));
  CHECK_OK(begin_small_object("small", &writer));
  CHECK_OK(publish_small_object(writer));
  if (!fault_disarm()) raise_flag(0);
}

ROLE(tries_to_write) {
  CHECK_AMONG(CODE(NOT_FOUND) | CODE(SEALED), try_map("small"));
}

TEST_FOR(it_is_sealed_from_the_first_moment_on, 60) {
  CHECK_OK(smem_join(&error));
  for (int at = 1; shared->flag[0] == 0; at += FAULT_STEP) {
    char number[16];
    int status;
    snprintf(number, sizeof number, "%d", at);
    pid_t pid = (pid_t)START(stopped_sharer, number);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    PLAY(tries_to_write, "");
    if (WIFSTOPPED(status)) {
      kill(pid, SIGCONT);
      FINISH(pid);
    }
    PLAY(tries_to_write, "");
    CHECK_OK(free_id("small"));
  }
}

ROLE(heir) {
  smem_reference reference, outer;
  smem_handle *handle;
  bool mine;
  CHECK_OK(allocate("other", 1));
  CHECK_OK(free_id("other"));
  /* Whole, or not there at all. */
  if (find_id("outer") == SMEM_OK) {
    refer_by_name("outer", &outer);
    CHECK_OK(smem_object_open(&outer, SMEM_BY_NAME, &handle, &mine, &error));
    CHECK(mine);
    smem_close(handle);
    smem_object_let_go(&outer); /* the part is ours as well, and stays */
    refer_by_name("model", &reference);
    smem_object_let_go(&reference);
  }
  if (find_id("model") == SMEM_OK) {
    CHECK_OK(smem_open("model", SMEM_READ_ONLY, &handle, &error));
    smem_refer(handle, &reference);
    check_object(handle);
    smem_close(handle);
    CHECK_OK(
        smem_object_open(&reference, SMEM_BY_NAME, &handle, &mine, &error));
    CHECK(mine); /* its owner is dead */
    smem_close(handle);
    smem_object_let_go(&reference);
  }
  CHECK_OK(smem_reclaim(false, false, ignore_fate, NULL, &error));
  CHECK_EQUAL(0, count_listed());
}

TEST_FOR(killed_at_each_call_it_leaves_nothing_half_made, 60) {
  int status = KILLED;
  for (int at = 1; status != 0; at += FAULT_STEP) {
    char number[16];
    snprintf(number, sizeof number, "%d", at);
    status = finish(START(killed_sharer, number));
    CHECK(status == 0 || status == KILLED + SIGKILL);
    PLAY(heir, "");
    CHECK_EQUAL(0, count_objects());
  }
}

ROLE(failing_sharer) {
  smem_reference reference = {0}, outer = {0};
  size_t before = count_descriptors();
  fault_arm(FAULT_ERROR, strtoul(argument, NULL, 10));
  smem_code code = make_two_objects(&reference, &outer);
  if (!fault_disarm()) raise_flag(0);
  if (code != SMEM_OK) {
    CHECK(code == error.code);
    CHECK_CODE(SMEM_NOT_FOUND, find_id("outer"));
    if (*reference.id) smem_object_let_go(&reference);
    CHECK_CODE(SMEM_NOT_FOUND, find_id("model"));
    CHECK_OK(make_two_objects(&reference, &outer));
  }
  smem_object_let_go(&outer);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("outer"));
  smem_object_let_go(&reference);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("model"));
  smem_stop();
  CHECK_EQUAL(before, count_descriptors());
}

TEST_FOR(a_failure_at_any_call_changes_nothing, 60) {
  for (int at = 1; shared->flag[0] == 0; at += FAULT_STEP) {
    char number[16];
    snprintf(number, sizeof number, "%d", at);
    PLAY(failing_sharer, number);
    CHECK_EQUAL(0, count_objects());
  }
}

#endif

/* ---- damaged ------------------------------------------------------------- */

static bool read_all(const unsigned char *bytes, uint64_t size,
                     uint64_t generation) {
  smem_tree tree;
  if (smem_tree_open(&tree, bytes, size, generation)) return false;
  for (uint64_t i = 0; i < tree.nodes; i++) {
    smem_node node;
    if (smem_tree_node(&tree, i, &node)) return false;
    read_node(&tree, i);
  }
  return true;
}

/* In memory that ends where the object does, so that the sanitizers see a step
 * too far. */
TEST(damaged_objects) {
  static const unsigned char masks[] = {0x01, 0x80, 0xff};
  struct layout layout = lay_out_object();
  smem_reference reference;
  CHECK_OK(make_object("model", SMEM_UNTIL_FREED, &reference));
  unsigned char *bytes = malloc(layout.size);
  CHECK(bytes != NULL);
  CHECK_OK(read_bytes("model", 0, bytes, layout.size));
  CHECK(read_all(bytes, layout.size, reference.generation));
  CHECK(!read_all(bytes, layout.size, reference.generation + 1));
  unsigned refused = 0;
  for (uint64_t at = 0; at < layout.size; at++) {
    if (at == SMEM_OBJECT_HEADER) at = layout.strings_at; /* the doubles */
    for (int i = 0; i < 3; i++) {
      bytes[at] ^= masks[i];
      refused += !read_all(bytes, layout.size, reference.generation);
      bytes[at] ^= masks[i];
    }
  }
  CHECK(refused > 100);
  for (uint64_t size = 0; size < layout.size; size += 97)
    CHECK(!read_all(bytes, size, reference.generation));
  free(bytes);
  CHECK_OK(free_id("model"));
}
