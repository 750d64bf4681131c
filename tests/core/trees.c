/* Objects: written whole or not at all, read with every number checked, and how
 * long they stay. */
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)

#include "../../src/core/object/object_internal.h"
#include "../harness/faults.h"
#include "test.h"

/* ---- an object: list(doubles, strings) ----------------------------------- */

enum { DOUBLES = 9000, NODES = 3 };

static double values[DOUBLES];

/* Two different strings, "a" and "bc", and NA, in five elements. */
static const int64_t offsets[] = {0, 1, 3, 3};
static const uint8_t validity[8] = {3}, indexes[8] = {0, 1, 2, 1, 0};
static const char text[] = "abc";

struct layout {
  smem_node nodes[NODES];
  smem_string_block block;
  uint64_t block_at, node_at, size;
};

static struct layout lay_out(void) {
  struct layout layout = {
      .nodes = {{.kind = SMEM_LIST, .length = 2, .where = 1},
                {.kind = SMEM_DOUBLE, .length = DOUBLES},
                {.kind = SMEM_STRINGS, .length = 5}}};
  layout.nodes[1].where = smem_place(SMEM_OBJECT_HEADER, sizeof values);
  layout.block_at = smem_place(layout.nodes[1].where + sizeof values, 4096);
  layout.nodes[2].where = layout.block_at;
  uint64_t at = layout.block_at + sizeof layout.block;
  layout.block = (smem_string_block){.unique = 3,
                                     .bytes = 3,
                                     .offsets_at = at,
                                     .validity_at = at + 32,
                                     .index_at = at + 40,
                                     .text_at = at + 48,
                                     .width = 1};
  layout.node_at = at + 56;
  layout.size = layout.node_at + sizeof layout.nodes;
  return layout;
}

static smem_code write_all(smem_writer *writer, const struct layout *layout) {
  smem_code code = smem_write_pad(writer, layout->nodes[1].where, &error);
  const struct {
    const void *bytes;
    size_t length;
  } parts[] = {{&layout->block, sizeof layout->block},
               {offsets, sizeof offsets},
               {validity, sizeof validity},
               {indexes, sizeof indexes},
               {text, 3}};
  if (code == SMEM_OK)
    code = smem_write_next(writer, values, sizeof values, &error);
  if (code == SMEM_OK) code = smem_write_pad(writer, layout->block_at, &error);
  for (size_t i = 0; i < sizeof parts / sizeof *parts && code == SMEM_OK; i++)
    code = smem_write_next(writer, parts[i].bytes, parts[i].length, &error);
  if (code == SMEM_OK) code = smem_write_pad(writer, layout->node_at, &error);
  if (code == SMEM_OK)
    code = smem_write_next(writer, layout->nodes, sizeof layout->nodes, &error);
  return code;
}

static smem_code make(const char *name, smem_lifetime lifetime,
                      smem_reference *reference) {
  struct layout layout = lay_out();
  smem_writer *writer;
  for (int i = 0; i < DOUBLES; i++) values[i] = i / 7.0;
  smem_code code = smem_write_begin(layout.size, &writer, &error);
  if (code != SMEM_OK) return code;
  code = write_all(writer, &layout);
  if (code != SMEM_OK) {
    smem_write_abandon(writer);
    return code;
  }
  smem_publication publication = {.name = name,
                                  .lifetime = lifetime,
                                  .trace = "a call",
                                  .what = "list",
                                  .extent = "2",
                                  .nodes = NODES,
                                  .node_at = layout.node_at};
  return smem_publish(writer, &publication, reference, &error);
}

static smem_handle *open_object(const smem_reference *reference) {
  smem_handle *handle;
  bool mine;
  CHECK_OK(smem_object_open(reference, false, &handle, &mine, &error));
  CHECK(!mine);
  return handle;
}

static void check_object(const smem_handle *handle) {
  smem_tree tree;
  smem_node node;
  smem_strings strings;
  smem_text found;
  CHECK(!smem_tree_open(&tree, handle->address, handle->capacity,
                        handle->generation));
  CHECK_EQUAL(NODES, tree.nodes);
  CHECK(!smem_tree_node(&tree, 1, &node));
  CHECK_EQUAL(0, node.where % smem__os_page_size()); /* pages of its own */
  CHECK(memcmp(tree.bytes + node.where, values, sizeof values) == 0);
  CHECK(!smem_tree_node(&tree, 2, &node));
  CHECK(!smem_tree_strings(&tree, &node, &strings));
  CHECK_EQUAL(1, smem_strings_key(&strings, 3));
  CHECK(!smem_strings_text(&strings, 1, &found));
  CHECK(found.length == 2 && memcmp(found.text, "bc", 2) == 0);
  CHECK(!smem_strings_text(&strings, 2, &found));
  CHECK(!found.text);
  CHECK(smem_tree_node(&tree, 3, &node) != NULL);
}

TEST(objects_are_read_as_they_were_written) {
  smem_reference reference;
  for (int i = 0; i < 2; i++) {
    const char *name = i ? "model" : NULL;
    CHECK_OK(make(name, SMEM_UNTIL_FREED, &reference));
    smem_handle *handle = open_object(&reference);
    check_object(handle);
    smem_close(handle);
    CHECK_EQUAL(0400, stat_of(segment_path(reference.id)).st_mode & 0777);
    CHECK_OK(free_id(reference.id));
  }
}

TEST(a_name_is_not_taken_twice) {
  smem_reference reference;
  CHECK_OK(make("model", SMEM_UNTIL_FREED, &reference));
  CHECK_CODE(SMEM_EXISTS, make("model", SMEM_UNTIL_FREED, &reference));
  CHECK_OK(free_id("model"));
  plant_incomplete("model"); /* of a dead creator: it goes */
  CHECK_OK(make("model", SMEM_UNTIL_FREED, &reference));
  CHECK_OK(free_id("model"));
  CHECK_CODE(SMEM_ARGUMENT, make("/raw", SMEM_UNTIL_FREED, &reference));
  uint64_t number = allocate_number(1);
  CHECK_OK(free_id(number_id(number)));
  CHECK_CODE(SMEM_ARGUMENT,
             make(number_id(number), SMEM_UNTIL_FREED, &reference));
}

TEST(nothing_is_seen_before_all_is_there) {
  struct layout layout = lay_out();
  smem_writer *writer;
  CHECK_OK(smem_write_begin(layout.size, &writer, &error));
  CHECK_OK(write_all(writer, &layout));
  CHECK_EQUAL(0, count_listed());
  /* Not a byte more than was planned. */
  CHECK_CODE(SMEM_SYSTEM, smem_write_next(writer, "x", 1, &error));
  smem_write_abandon(writer);
  CHECK_EQUAL(0, count_listed());
  clean_namespace();
}

/* ---- killed, and failing ------------------------------------------------- */

ROLE(killed_sharer) {
  smem_reference reference;
  fault_arm(FAULT_KILL, strtoul(argument, NULL, 10));
  CHECK_OK(make("model", SMEM_OF_OBJECT, &reference));
  fault_disarm();
  exit(0);
}

ROLE(heir) {
  smem_reference reference;
  CHECK_OK(allocate("other", 1));
  CHECK_OK(free_id("other"));
  /* Whole, or not there at all. */
  if (find_id("model") == SMEM_OK) {
    smem_handle *handle;
    bool mine;
    CHECK_OK(smem_open("model", SMEM_READ_ONLY, &handle, &error));
    smem_refer(handle, &reference);
    for (int i = 0; i < DOUBLES; i++) values[i] = i / 7.0;
    check_object(handle);
    smem_close(handle);
    CHECK_OK(smem_object_open(&reference, true, &handle, &mine, &error));
    CHECK(mine); /* its owner is dead */
    smem_close(handle);
    smem_object_let_go(&reference);
  }
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
  smem_reference reference;
  size_t before = count_descriptors();
  fault_arm(FAULT_ERROR, strtoul(argument, NULL, 10));
  smem_code code = make("model", SMEM_OF_OBJECT, &reference);
  if (!fault_disarm()) raise_flag(0);
  if (code != SMEM_OK) {
    CHECK(code == error.code);
    CHECK_CODE(SMEM_NOT_FOUND, find_id("model"));
    CHECK_OK(make("model", SMEM_OF_OBJECT, &reference));
  }
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

/* ---- life ---------------------------------------------------------------- */

static const uint64_t hour = UINT64_C(3600) * 1000 * 1000 * 1000;

static bool is_there(const smem_reference *reference) {
  return find_id(reference->id) == SMEM_OK;
}

TEST(what_was_not_sent_goes_at_once) {
  smem_reference reference;
  CHECK_OK(make(NULL, SMEM_OF_OBJECT, &reference));
  smem_handle *handle = open_object(&reference);
  smem_object_let_go(&reference);
  CHECK(!is_there(&reference));
  check_object(handle); /* whoever has it open keeps the memory */
  smem_close(handle);
  CHECK(!smem_object_sent(&reference, hour));
  CHECK_EQUAL(0, smem_object_sweep());
}

TEST(what_was_sent_waits_until_it_was_opened) {
  smem_reference reference;
  CHECK_OK(make(NULL, SMEM_OF_OBJECT, &reference));
  CHECK(smem_object_sent(&reference, hour));
  CHECK(smem_object_sent(&reference, 0)); /* does not shorten it */
  smem_object_let_go(&reference);
  CHECK_EQUAL(1, smem_object_sweep());
  smem_close(open_object(&reference));
  CHECK_EQUAL(1, smem_object_sweep());
  smem_object_received(&reference);
  CHECK_EQUAL(0, smem_object_sweep());
  CHECK(!is_there(&reference));
}

TEST(or_until_the_time_is_over) {
  smem_reference reference;
  CHECK_OK(make(NULL, SMEM_OF_OBJECT, &reference));
  CHECK(smem_object_sent(&reference, UINT64_C(300) * 1000 * 1000));
  smem_object_let_go(&reference);
  CHECK_EQUAL(1, smem_object_sweep());
  while (smem_object_sweep() > 0) sleep_ms(20);
  CHECK(!is_there(&reference));
}

ROLE(sender_that_ends) {
  smem_reference reference;
  CHECK_OK(make("kept", SMEM_OF_OBJECT, &reference));
  CHECK_OK(make("sent", SMEM_OF_OBJECT, &reference));
  CHECK(smem_object_sent(&reference, hour));
  if (*argument == 'l') smem_object_let_go(&reference);
  smem_stop();
}

static void nothing_mapped(smem_reference *reference) {
  smem_handle *handle;
  CHECK_OK(smem_open("sent", SMEM_READ_ONLY, &handle, &error));
  smem_refer(handle, reference);
  smem_close(handle);
}

static void count_fates(const smem_entry *entry, smem_fate fate, void *counts) {
  (void)entry;
  ((int *)counts)[fate]++;
}

TEST(at_its_end_a_process_hands_over_what_it_has_sent) {
  const char *ways[] = {"", "l"};
  for (int i = 0; i < 2; i++) {
    int fates[SMEM_KEPT_SENT + 1] = {0};
    smem_reference reference;
    smem_handle *handle;
    bool mine;
    PLAY(sender_that_ends, ways[i]);
    CHECK_CODE(SMEM_NOT_FOUND, find_id("kept"));
    CHECK_OK(smem_reclaim(false, false, count_fates, fates, &error));
    CHECK_EQUAL(1, fates[SMEM_KEPT_SENT]);
    nothing_mapped(&reference);
    CHECK_OK(smem_object_open(&reference, false, &handle, &mine, &error));
    CHECK(mine);
    smem_close(handle);
    /* Only one becomes responsible. */
    CHECK_OK(smem_object_open(&reference, false, &handle, &mine, &error));
    CHECK(!mine);
    smem_close(handle);
    smem_object_let_go(&reference);
    CHECK_CODE(SMEM_NOT_FOUND, find_id("sent"));
  }
  clean_namespace();
}

static smem_reference inherited;
ROLE(child_that_lets_go) {
  smem_object_let_go(&inherited);
  CHECK_EQUAL(0, smem_object_sweep());
  smem_stop();
}

TEST(a_child_owns_nothing_of_its_parents) {
  CHECK_OK(make("model", SMEM_OF_OBJECT, &inherited));
  PLAY(child_that_lets_go, "");
  CHECK_OK(find_id("model"));
  smem_object_let_go(&inherited);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("model"));
}

#else
typedef int not_linux; /* C wants a declaration in every file */
#endif
