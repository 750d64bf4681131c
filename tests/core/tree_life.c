/* How long objects stay, and what they have as parts. */
#include "trees.h"

/* ---- life ---------------------------------------------------------------- */

static const uint64_t hour = UINT64_C(3600) * 1000 * 1000 * 1000;

static bool is_there(const smem_reference *reference) {
  return find_id(reference->id) == SMEM_OK;
}

TEST(what_was_not_sent_goes_at_once) {
  smem_reference reference;
  CHECK_OK(make_object(NULL, SMEM_OF_OBJECT, &reference));
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
  CHECK_OK(make_object(NULL, SMEM_OF_OBJECT, &reference));
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
  CHECK_OK(make_object(NULL, SMEM_OF_OBJECT, &reference));
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
  CHECK_OK(make_object("kept", SMEM_OF_OBJECT, &reference));
  CHECK_OK(make_object("sent", SMEM_OF_OBJECT, &reference));
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
    refer_by_name("sent", &reference);
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
  CHECK_OK(make_object("model", SMEM_OF_OBJECT, &reference));
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
    refer_by_name("model", &reference);
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
  CHECK_OK(make_object("model", SMEM_OF_OBJECT, &inherited));
  PLAY(child_that_lets_go, "");
  CHECK_OK(find_id("model"));
  smem_object_let_go(&inherited);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("model"));
}

static smem_writer *begun;
static struct layout laid_out;

static smem_code publish_begun(smem_reference *reference) {
  smem_publication publication = {.lifetime = SMEM_UNTIL_FREED,
                                  .nodes = NODES,
                                  .node_at = laid_out.node_at};
  return smem_publish(begun, &publication, reference, &error);
}

ROLE(child_that_abandons) { smem_write_abandon(begun); }

/* Not into a file that has got the number of the descriptor. */
ROLE(child_that_publishes) {
  smem_reference reference;
  int files[64];
  char path[] = "/tmp/sharedmemory_child_XXXXXX";
  files[0] = mkstemp(path);
  CHECK(files[0] >= 0 && unlink(path) == 0);
  for (int i = 1; i < 64; i++) files[i] = dup(files[0]);
  CHECK_CODE(SMEM_SYSTEM, publish_begun(&reference));
  CHECK_EQUAL(0, lseek(files[0], 0, SEEK_END));
}

TEST(a_child_writes_nothing_of_its_parents) {
  smem_reference reference;
  laid_out = lay_out_object();
  CHECK_OK(smem_write_begin("model", laid_out.size, &begun, &error));
  CHECK_OK(write_object(begun, &laid_out));
  PLAY(child_that_abandons, "");
  PLAY(child_that_publishes, "");
  CHECK_CODE(SMEM_NOT_FOUND, find_id("model"));
  CHECK_OK(publish_begun(&reference));
  CHECK_OK(find_id("model"));
  CHECK_OK(free_id("model"));
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
  CHECK_OK(make_two_objects(&inner, &outer));
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
  CHECK_OK(make_object("first", SMEM_OF_OBJECT, &first));
  smem_part parts[2] = {part_of(&first)};
  CHECK_OK(make_object_of("second", parts, 1, &second));
  parts[1] = part_of(&second);
  CHECK_OK(make_object_of("outer", parts, 2, &outer));
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
    CHECK_OK(make_object("inner", lifetimes[i], &inner));
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
  refer_by_name("plain", &open);
  CHECK(!smem_object_may_hold(SMEM_OF_OBJECT, &open)); /* not sealed */
  CHECK_OK(free_id("plain"));
}

#ifndef _WIN32
ROLE(holder_that_ends) {
  smem_reference inner, outer;
  CHECK_OK(make_two_objects(&inner, &outer));
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
    refer_by_name("outer", &outer);
    refer_by_name("model", &inner);
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
  CHECK_OK(make_object("older", SMEM_OF_OBJECT, &older));
  CHECK_OK(make_object("newer", SMEM_OF_OBJECT, &newer));
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
