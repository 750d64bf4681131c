/* Objects: written whole or not at all, read with every number checked, and how
 * long they stay. */
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
  smem_code code = smem_write_begin(name, layout.size, &writer, &error);
  if (code != SMEM_OK) return code;
  code = write_all(writer, &layout);
  if (code != SMEM_OK) {
    smem_write_abandon(writer);
    return code;
  }
  smem_publication publication = {.lifetime = lifetime,
                                  .trace = "a call",
                                  .what = "list",
                                  .extent = "2",
                                  .nodes = NODES,
                                  .node_at = layout.node_at};
  return smem_publish(writer, &publication, reference, &error);
}

/* A list of as many parts. */
static smem_code make_of(const char *name, const smem_part *parts, size_t count,
                         smem_reference *reference) {
  smem_node node = {.kind = SMEM_LIST, .length = count, .where = 1};
  unsigned char bytes[SMEM_PART_SIZE];
  uint64_t part_at = SMEM_OBJECT_HEADER;
  smem_publication publication = {
      .lifetime = SMEM_OF_OBJECT,
      .nodes = count + 1,
      .node_at = part_at + count * sizeof bytes,
      .part_at = part_at,
      .parts = parts,
      .part_count = count,
  };
  smem_writer *writer;
  smem_code code = smem_write_begin(
      name, publication.node_at + (count + 1) * sizeof node, &writer, &error);
  if (code != SMEM_OK) return code;
  for (size_t i = 0; i < count && code == SMEM_OK; i++) {
    smem_part_write(&parts[i], bytes);
    code = smem_write_next(writer, bytes, sizeof bytes, &error);
  }
  for (size_t i = 0; i <= count && code == SMEM_OK; i++) {
    code = smem_write_next(writer, &node, sizeof node, &error);
    node = (smem_node){.kind = SMEM_PART,
                       .length = 2,
                       .where = i,
                       .more = smem_part_more(0, SMEM_LIST)};
  }
  if (code == SMEM_OK)
    return smem_publish(writer, &publication, reference, &error);
  smem_write_abandon(writer);
  return code;
}

/* An object, and one that has it as a part. */
static smem_code make_two(smem_reference *model, smem_reference *outer) {
  smem_part part = {.is_object = true};
  smem_code code = make("model", SMEM_OF_OBJECT, model);
  part.reference = *model;
  if (code == SMEM_OK) code = make_of("outer", &part, 1, outer);
  return code;
}

static void open_by_name(const char *id, smem_reference *reference) {
  smem_handle *handle;
  CHECK_OK(smem_open(id, SMEM_READ_ONLY, &handle, &error));
  smem_refer(handle, reference);
  smem_close(handle);
}

static smem_handle *open_object(const smem_reference *reference) {
  smem_handle *handle;
  bool mine;
  CHECK_OK(
      smem_object_open(reference, SMEM_BY_REFERENCE, &handle, &mine, &error));
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
    CHECK_CODE(SMEM_SEALED, try_open(reference.id, SMEM_READ_WRITE));
    CHECK_OK(free_id(reference.id));
  }
}

TEST(a_name_is_not_taken_twice) {
  smem_reference reference;
  CHECK_OK(make("model", SMEM_UNTIL_FREED, &reference));
  CHECK_CODE(SMEM_EXISTS, make("model", SMEM_UNTIL_FREED, &reference));
  CHECK_OK(free_id("model"));
#ifndef _WIN32
  plant_incomplete("model"); /* of a dead creator: it goes */
  CHECK_OK(make("model", SMEM_UNTIL_FREED, &reference));
  CHECK_OK(free_id("model"));
#endif
  CHECK_CODE(SMEM_ARGUMENT, make("/raw", SMEM_UNTIL_FREED, &reference));
  uint64_t number = allocate_number(1);
  CHECK_OK(free_id(number_id(number)));
  CHECK_CODE(SMEM_ARGUMENT,
             make(number_id(number), SMEM_UNTIL_FREED, &reference));
}

TEST(nothing_is_seen_before_all_is_there) {
  struct layout layout = lay_out();
  smem_writer *writer;
  CHECK_OK(smem_write_begin(NULL, layout.size, &writer, &error));
  CHECK_OK(write_all(writer, &layout));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("1"));
  int state = listed_state("1"); /* where it has its name from the start */
  CHECK(state == -1 || state == SMEM_INCOMPLETE);
  /* Not a byte more than was planned. */
  CHECK_CODE(SMEM_SYSTEM, smem_write_next(writer, "x", 1, &error));
  smem_write_abandon(writer);
  CHECK_EQUAL(0, count_listed());
}

/* ---- killed, and failing ------------------------------------------------- */
#ifndef _WIN32

ROLE(killed_sharer) {
  smem_reference reference, outer;
  fault_arm(FAULT_KILL, strtoul(argument, NULL, 10));
  CHECK_OK(make_two(&reference, &outer));
  fault_disarm();
  exit(0);
}

ROLE(heir) {
  smem_reference reference, outer;
  smem_handle *handle;
  bool mine;
  CHECK_OK(allocate("other", 1));
  CHECK_OK(free_id("other"));
  /* Whole, or not there at all. */
  if (find_id("outer") == SMEM_OK) {
    open_by_name("outer", &outer);
    CHECK_OK(smem_object_open(&outer, SMEM_BY_NAME, &handle, &mine, &error));
    CHECK(mine);
    smem_close(handle);
    smem_object_let_go(&outer); /* the part is ours as well, and stays */
    open_by_name("model", &reference);
    smem_object_let_go(&reference);
  }
  if (find_id("model") == SMEM_OK) {
    CHECK_OK(smem_open("model", SMEM_READ_ONLY, &handle, &error));
    smem_refer(handle, &reference);
    for (int i = 0; i < DOUBLES; i++) values[i] = i / 7.0;
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
  smem_code code = make_two(&reference, &outer);
  if (!fault_disarm()) raise_flag(0);
  if (code != SMEM_OK) {
    CHECK(code == error.code);
    CHECK_CODE(SMEM_NOT_FOUND, find_id("outer"));
    if (*reference.id) smem_object_let_go(&reference);
    CHECK_CODE(SMEM_NOT_FOUND, find_id("model"));
    CHECK_OK(make_two(&reference, &outer));
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

/* On Windows memory goes with the last process that has it. */
#ifndef _WIN32
ROLE(sender_that_ends) {
  smem_reference reference;
  CHECK_OK(make("kept", SMEM_OF_OBJECT, &reference));
  CHECK_OK(make("sent", SMEM_OF_OBJECT, &reference));
  CHECK(smem_object_sent(&reference, hour));
  if (*argument == 'l') smem_object_let_go(&reference);
  smem_stop();
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
    open_by_name("sent", &reference);
    CHECK_OK(smem_object_open(&reference, SMEM_BY_REFERENCE, &handle, &mine,
                              &error));
    CHECK(mine);
    smem_close(handle);
    /* Only one becomes responsible. */
    CHECK_OK(smem_object_open(&reference, SMEM_BY_REFERENCE, &handle, &mine,
                              &error));
    CHECK(!mine);
    smem_close(handle);
    smem_object_let_go(&reference);
    CHECK_CODE(SMEM_NOT_FOUND, find_id("sent"));
  }
  clean_namespace();
}

ROLE(owner_that_ends_later) {
  smem_reference reference;
  CHECK_OK(make("model", SMEM_OF_OBJECT, &reference));
  CHECK(smem_object_sent(&reference, hour));
  raise_flag(0);
  await_flag(1, 1);
  host_exit(0); /* an end like kill -9 */
}

TEST(what_is_let_go_just_before_its_owners_end_goes_after_that) {
  for (int i = 0; i < 2; i++) {
    smem_reference reference;
    smem_handle *handle;
    bool mine;
    shared->flag[0] = shared->flag[1] = 0;
    process_id owner = START(owner_that_ends_later, "");
    await_flag(0, 1);
    open_by_name("model", &reference);
    CHECK_OK(smem_object_open(&reference, SMEM_BY_REFERENCE, &handle, &mine,
                              &error));
    CHECK(!mine);
    smem_close(handle);
    smem_object_let_go(&reference);
    CHECK(is_there(&reference));
    raise_flag(1);
    CHECK_EQUAL(0, finish(owner));
    if (i == 0)
      while (is_there(&reference)) smem_object_sweep(), sleep_ms(20);
    else
      smem__object_stop(); /* the end of this process is the last look */
    CHECK(!is_there(&reference));
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

#endif
/* ---- parts --------------------------------------------------------------- */

static smem_part part_of(const smem_reference *reference) {
  return (smem_part){*reference, true};
}

TEST(parts_are_read_as_they_were_written) {
  smem_reference inner, outer;
  smem_part found;
  smem_tree tree;
  smem_node node;
  CHECK_OK(make_two(&inner, &outer));
  smem_handle *handle = open_object(&outer);
  CHECK(!smem_tree_open(&tree, handle->address, handle->capacity,
                        handle->generation));
  CHECK_EQUAL(1, tree.parts);
  CHECK(!smem_tree_node(&tree, 1, &node));
  CHECK_EQUAL(SMEM_PART, node.kind);
  CHECK_EQUAL(SMEM_LIST, smem_part_kind(node.more));
  CHECK_EQUAL(0, smem_part_node(node.more));
  CHECK(!smem_tree_part(&tree, 0, &found));
  CHECK(found.is_object && strcmp(found.reference.id, "model") == 0);
  CHECK_EQUAL(inner.generation, found.reference.generation);
  CHECK(smem_tree_part(&tree, 1, &found) != NULL);
  smem_close(handle);
  smem_object_let_go(&outer);
  smem_object_let_go(&inner);
  CHECK_EQUAL(0, count_listed());
}

TEST(a_part_stays_as_long_as_what_has_it) {
  smem_reference first, second, outer;
  CHECK_OK(make("first", SMEM_OF_OBJECT, &first));
  smem_part parts[2] = {part_of(&first)};
  CHECK_OK(make_of("second", parts, 1, &second));
  parts[1] = part_of(&second);
  CHECK_OK(make_of("outer", parts, 2, &outer));
  smem_object_let_go(&first);
  smem_object_let_go(&second);
  CHECK_EQUAL(0, smem_object_sweep()); /* of those that somebody may come for */
  CHECK(is_there(&first) && is_there(&second));
  CHECK(smem_object_sent(&outer, hour));
  smem_object_let_go(&outer);
  CHECK_EQUAL(1, smem_object_sweep());
  CHECK(is_there(&first) && is_there(&second) && is_there(&outer));
  smem_close(open_object(&outer)); /* not before its parts are open too */
  CHECK_EQUAL(1, smem_object_sweep());
  smem_object_received(&outer);
  CHECK_EQUAL(0, smem_object_sweep());
  CHECK_EQUAL(0, count_listed());
}

TEST(only_what_stays_as_long_may_be_a_part) {
  const smem_lifetime lifetimes[] = {SMEM_OF_OBJECT, SMEM_OF_PROCESS,
                                     SMEM_UNTIL_FREED};
  for (int i = 0; i < 3; i++) {
    smem_reference inner;
    CHECK_OK(make("inner", lifetimes[i], &inner));
    for (int k = 0; k < 3; k++)
      CHECK_EQUAL(i == k || i == 2, smem_object_may_hold(lifetimes[k], &inner));
    smem_reference other = inner;
    other.generation++;
    CHECK(!smem_object_may_hold(lifetimes[i], &other));
    smem_object_let_go(&inner);
    CHECK_OK(free_id("inner"));
    CHECK(!smem_object_may_hold(lifetimes[i], &inner));
  }
  smem_reference open = {.id = "plain"};
  CHECK_OK(allocate("plain", 1));
  open_by_name("plain", &open);
  CHECK(!smem_object_may_hold(SMEM_OF_OBJECT, &open)); /* not sealed */
  CHECK_OK(free_id("plain"));
}

#ifndef _WIN32
ROLE(holder_that_ends) {
  smem_reference inner, outer;
  CHECK_OK(make_two(&inner, &outer));
  CHECK(smem_object_sent(&outer, hour));
  if (*argument == 'k') host_exit(0); /* an end like kill -9 */
  smem_object_let_go(&inner);
  smem_stop();
}

TEST(parts_are_handed_over_with_what_has_them) {
  const char *ends[] = {"stop", "kill"};
  for (int i = 0; i < 2; i++) {
    int fates[SMEM_KEPT_SENT + 1] = {0};
    smem_reference outer, inner;
    smem_handle *handle;
    bool mine;
    PLAY(holder_that_ends, ends[i]);
    CHECK_OK(smem_reclaim(false, false, count_fates, fates, &error));
    CHECK_EQUAL(2, fates[SMEM_KEPT_SENT]);
    open_by_name("outer", &outer);
    open_by_name("model", &inner);
    CHECK_OK(
        smem_object_open(&outer, SMEM_BY_REFERENCE, &handle, &mine, &error));
    CHECK(mine);
    smem_close(handle);
    CHECK_OK(smem_object_open(&inner, SMEM_AS_PART, &handle, &mine, &error));
    smem_object_let_go(&inner);
    CHECK(is_there(&inner));
    smem_close(handle);
    smem_object_received(&outer);
    smem_object_let_go(&outer);
    CHECK_EQUAL(0, smem_object_sweep());
    CHECK_EQUAL(0, count_listed());
    clean_namespace();
  }
}

#endif

TEST(what_waits_gives_way_if_that_is_enough) {
  smem_reference older, newer;
  CHECK_OK(make("older", SMEM_OF_OBJECT, &older));
  CHECK_OK(make("newer", SMEM_OF_OBJECT, &newer));
  CHECK(smem_object_sent(&older, hour) && smem_object_sent(&newer, hour));
  smem_object_let_go(&older);
  smem_object_let_go(&newer);
  /* All of it would not be. */
  smem_code code = allocate("huge", UINT64_C(1) << 52);
  CHECK(code == (sizeof(void *) < 8 ? SMEM_NO_MEMORY : SMEM_NO_SPACE));
  CHECK(is_there(&older) && is_there(&newer));
  CHECK(smem__object_drop_oldest(1));
  CHECK(!is_there(&older) && is_there(&newer));
  CHECK(smem__object_drop_oldest(1));
  CHECK(!smem__object_drop_oldest(1));
  CHECK_EQUAL(0, count_listed());
}
