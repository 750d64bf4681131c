/* Several ids in one call: all of them or none. */
#include "../harness/faults.h"
#include "test.h"

static const char *const abc[] = {"a", "b", "c"};

static void make_abc(void) {
  for (int i = 0; i < 3; i++) CHECK_OK(allocate(abc[i], 1));
}

static smem_code map_several(const char *const *ids, size_t count) {
  smem_mapping *mappings[8];
  return smem_map(ids, count, SMEM_READ_ONLY, mappings, &error);
}

static smem_code free_several(const char *const *ids, size_t count) {
  return smem_free(ids, count, count_note, &error);
}

static bool exists(const char *id) { return find_id(id) == SMEM_OK; }

TEST(several_are_mapped_unmapped_and_freed) {
  smem_mapping *mappings[3];
  make_abc();
  CHECK_OK(smem_map(abc, 3, SMEM_READ_WRITE, mappings, &error));
  for (int i = 0; i < 3; i++) {
    *(char *)smem_mapping_address(mappings[i], SMEM_READ_WRITE) = (char)i;
    CHECK(mappings[i] == map_with(abc[i], SMEM_READ_ONLY));
    smem_mapping_set_note(mappings[i], SMEM_READ_ONLY, mappings[i]);
  }
  smem_unmap(abc, 3, count_note);
  CHECK_EQUAL(0, notes_gone); /* each was mapped once more */
  smem_unmap(abc, 2, count_note);
  CHECK_EQUAL(2, notes_gone);
  CHECK_EQUAL(2, *map("c"));
  CHECK_OK(free_several(abc, 3));
  CHECK_EQUAL(3, notes_gone);
  CHECK(!smem__mapping_any());
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(free_several(abc, 3)); /* what does not exist is not an error */
}

TEST(none_of_no_ids) {
  CHECK_OK(smem_map(NULL, 0, SMEM_READ_ONLY, NULL, &error));
  CHECK_OK(smem_free(NULL, 0, count_note, &error));
  smem_unmap(NULL, 0, count_note);
  smem_undo_map(NULL, 0, SMEM_READ_ONLY, count_note);
}

/* What was mapped before stays, with its count and its accesses. */
TEST(one_that_cannot_be_mapped) {
  const char *const ids[] = {"a", "b", "a", "nothing", "c"};
  make_abc();
  smem_mapping *before = map_with("b", SMEM_READ_WRITE);
  CHECK_CODE(SMEM_NOT_FOUND, map_several(ids, 5));
  CHECK_EQUAL(4, error.element);
  CHECK(strcmp(error.id, "nothing") == 0);
  CHECK(smem_mapping_address(before, SMEM_READ_WRITE) != NULL);
  CHECK(smem_mapping_address(before, SMEM_READ_ONLY) == NULL);
  unmap_id("b");
  CHECK(!smem__mapping_any());
  CHECK_CODE(SMEM_NOT_FOUND, map_several(ids + 3, 1));
  CHECK_EQUAL(0, error.element);
  CHECK_OK(free_several(abc, 3));
}

TEST(an_id_twice) {
  const char *const ids[] = {"a", "a"};
  smem_mapping *mappings[2];
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_map(ids, 2, SMEM_READ_ONLY, mappings, &error));
  CHECK(mappings[0] == mappings[1]);
  unmap_id("a");
  CHECK(smem__mapping_any()); /* it counts twice */
  CHECK_OK(free_several(ids, 2));
  CHECK(!smem__mapping_any());
  CHECK(!exists("a"));
}

TEST(several_are_taken_back) {
  const char *const ids[] = {"a", "b", "a"};
  smem_mapping *mappings[3];
  make_abc();
  CHECK_OK(map_id("b", SMEM_READ_ONLY));
  CHECK_OK(smem_map(ids, 3, SMEM_READ_ONLY, mappings, &error));
  smem_undo_map(ids, 3, SMEM_READ_ONLY, count_note);
  unmap_id("b");
  CHECK(!smem__mapping_any());
  CHECK_OK(free_several(abc, 3));
}

#ifndef _WIN32

/* A folder is nobody's segment, and does not go. */
TEST(one_that_cannot_be_freed) {
  const char *const ids[] = {"a", "b", "folder", "c"};
  need_listing_of_what_is_planted();
  make_abc();
  smem_mapping_set_note(map_with("a", SMEM_READ_ONLY), SMEM_READ_ONLY, &error);
  CHECK(mkdir(segment_path("folder"), 0700) == 0);
  CHECK_CODE(SMEM_CORRUPT, free_several(ids, 4));
  CHECK_EQUAL(3, error.element);
  CHECK(strcmp(error.id, "folder") == 0);
  for (int i = 0; i < 3; i++) CHECK(exists(abc[i]));
  CHECK_EQUAL(0, notes_gone);
  CHECK(rmdir(segment_path("folder")) == 0);
  CHECK_OK(free_several(ids, 4));
  CHECK_EQUAL(1, notes_gone);
  CHECK_EQUAL(0, count_listed());
}

static bool has_begun;

/* When "a" is gone: "c", which was not there when it was looked for. */
static void put_c(const char *place) {
  (void)place;
  has_begun = !path_exists(segment_path("a"));
  if (has_begun) plant_file(segment_path("c"), "another", 0600);
}

/* It is not what was to be freed; what is mapped by its name goes. */
TEST(what_comes_after_the_look_is_not_freed) {
  need_listing_of_what_is_planted();
  fault_hook = put_c;
  for (unsigned long at = 1; !has_begun; at++) {
    make_abc();
    map("c");
    CHECK(unlink(segment_path("c")) == 0);
    fault_arm(FAULT_HOOK, at);
    CHECK_OK(free_several(abc, 3));
    CHECK(fault_disarm());
    CHECK(!exists("a") && !exists("b"));
    CHECK(!smem__mapping_any());
  }
  CHECK(unlink(segment_path("c")) == 0);
}

/* ---- interrupts ---------------------------------------------------------- */

enum { MANY = 600 };
static const char *many[MANY];

static void make_many(void) {
  static char ids[MANY][SMEM_NUMBER_SIZE];
  for (int i = 0; i < MANY; i++) {
    smem_id_of_number(allocate_number(1), ids[i]);
    many[i] = ids[i];
  }
}

static unsigned asked, patience;
static bool impatient(void) { return ++asked > patience; }

TEST(interrupted_while_many_are_mapped) {
  static smem_mapping *mappings[MANY];
  make_many();
  smem_start(impatient);
  patience = 1;
  CHECK_CODE(SMEM_INTERRUPTED,
             smem_map(many, MANY, SMEM_READ_ONLY, mappings, &error));
  CHECK_EQUAL(512, error.element);
  CHECK(!smem__mapping_any());
  patience = 100;
  CHECK_OK(smem_map(many, MANY, SMEM_READ_ONLY, mappings, &error));
  CHECK_OK(free_several(many, MANY));
}

/* Before anything is gone, or not at all. */
TEST(interrupted_while_many_are_freed) {
  make_many();
  smem_start(impatient);
  patience = 1;
  CHECK_CODE(SMEM_INTERRUPTED, free_several(many, MANY));
  CHECK_CODE(SMEM_INTERRUPTED, smem_seal(many, MANY, &error));
  patience = 100;
  for (int i = 0; i < MANY; i++) CHECK(exists(many[i]));
  CHECK_OK(map_id(many[0], SMEM_READ_WRITE)); /* none was sealed */
  asked = 0;
  CHECK_OK(free_several(many, MANY));
  CHECK_EQUAL(2, asked);
  CHECK_EQUAL(0, count_listed());
}
#endif
