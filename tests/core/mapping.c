/* Mappings: many, taken back, and of what is freed meanwhile. */
#ifndef _WIN32

#include "../harness/faults.h"
#include "test.h"

TEST(many_are_mapped) {
  enum { MANY = 300 };
  for (int i = 1; i <= MANY; i++) {
    CHECK_EQUAL(i, allocate_number(1));
    *map(number_id((uint64_t)i)) = (unsigned char)i;
  }
  for (int i = 1; i <= MANY; i++)
    CHECK_EQUAL((unsigned char)i, *map(number_id((uint64_t)i)));
  for (int i = 1; i <= MANY; i++) {
    unmap_id(number_id((uint64_t)i));
    CHECK_OK(free_id(number_id((uint64_t)i)));
  }
  CHECK(!smem__mapping_any());
}

TEST(a_mapping_is_taken_back) {
  int mine;
  CHECK_OK(allocate("a", 1));
  smem_mapping *mapping = map_with("a", SMEM_READ_ONLY);
  smem_mapping_set_note(mapping, SMEM_READ_ONLY, &mine);
  map_with("a", SMEM_READ_ONLY);
  undo_map("a", SMEM_READ_ONLY); /* counts one less */
  CHECK(smem_mapping_address(mapping, SMEM_READ_ONLY) != NULL);
  map_with("a", SMEM_READ_WRITE);
  smem_mapping_set_note(mapping, SMEM_READ_WRITE, mapping);
  undo_map("a", SMEM_READ_WRITE);
  CHECK(smem_mapping_address(mapping, SMEM_READ_WRITE) == NULL);
  CHECK(smem_mapping_note(mapping, SMEM_READ_WRITE) == NULL);
  CHECK(smem_mapping_address(mapping, SMEM_READ_ONLY) != NULL);
  CHECK(notes_gone == 1 && note_gone == mapping);
  undo_map("a", SMEM_READ_ONLY); /* the last one */
  CHECK(notes_gone == 2 && note_gone == &mine);
  CHECK(!smem__mapping_any());
  undo_map("a", SMEM_READ_ONLY); /* of nothing */
  CHECK_OK(free_id("a"));
}

/* A thread that cannot tell takes back: what has a note stays. */
TEST(taken_back_where_nobody_can_be_told) {
  const char *id = "a";
  CHECK_OK(allocate(id, 1));
  smem_mapping *mapping = map_with(id, SMEM_READ_ONLY);
  map_with(id, SMEM_READ_WRITE);
  smem_mapping_set_note(mapping, SMEM_READ_WRITE, mapping);
  smem_undo_map(&id, 1, SMEM_READ_WRITE, NULL);
  CHECK(smem_mapping_address(mapping, SMEM_READ_WRITE) != NULL);
  smem_undo_map(&id, 1, SMEM_READ_ONLY, NULL); /* the last one */
  CHECK(!smem__mapping_any());
  *(char *)smem_mapping_address(mapping, SMEM_READ_WRITE) = 1;
  smem_collect(count_note);
  CHECK(notes_gone == 1 && note_gone == mapping);
  CHECK_OK(free_id(id));
}

ROLE(allocator) {
  allocate_number(1);
  raise_flag(0);
  await_flag(1, 1);
}

/* Who cannot join maps all the same, and looks each time whether the number has
 * come to mean another segment. */
TEST(mapped_without_the_counter) {
  process_id owner = START(allocator, "");
  need_listing_of_what_is_planted();
  await_flag(0, 1);
  write_at(control_path(), 0, "damaged!", 8);
  CHECK_CODE(SMEM_CONTROL, smem_join(&error));
  for (int i = 0; i < 2; i++) CHECK_OK(map_id("1", SMEM_READ_ONLY));
  CHECK(rename(segment_path("1"), segment_path("2")) == 0);
  CHECK_OK(map_id("1", SMEM_READ_ONLY)); /* freed: is kept */
  plant_file(segment_path("1"), "another", 0600);
  CHECK_CODE(SMEM_REPLACED, map_id("1", SMEM_READ_ONLY));
  for (int i = 0; i < 3; i++) unmap_id("1");
  raise_flag(1);
  FINISH(owner);
  clean_namespace();
}

static smem_code free_untold(const char *id) {
  return smem_free(&id, 1, NULL, &error);
}

TEST(freed_where_nobody_can_be_told) {
  CHECK_OK(free_untold("a")); /* is neither there nor mapped */
  CHECK_OK(allocate("a", 1));
  unsigned char *at = map("a"); /* without a note too: others may touch it */
  CHECK(mkdir(segment_path("b"), 0700) == 0);
  CHECK_AMONG(CODE(CORRUPT) | CODE(SYSTEM), free_untold("b"));
  CHECK(rmdir(segment_path("b")) == 0);
  size_t before = count_mappings();
  CHECK_OK(free_untold("a"));
  *at = 1;
  CHECK_EQUAL(before, count_mappings());
  smem_collect(count_note);
  CHECK_EQUAL(before - 1, count_mappings());
  CHECK_EQUAL(0, notes_gone);
}

static void move_away(const char *place) {
  (void)place;
  rename(segment_path("1"), segment_path("2"));
}

/* Between any two looks of a map its object is freed. */
TEST(freed_while_it_is_mapped) {
  process_id owner = START(allocator, "");
  need_listing_of_what_is_planted();
  await_flag(0, 1);
  bool moved = true;
  for (unsigned long at = 1; moved; at += FAULT_STEP) {
    fault_hook = move_away;
    fault_arm(FAULT_HOOK, at);
    CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), try_map("1"));
    moved = fault_disarm();
    rename(segment_path("2"), segment_path("1"));
    CHECK_OK(smem_leave(&error));
  }
  raise_flag(1);
  FINISH(owner);
  clean_namespace();
}

#else
typedef int not_posix;
#endif
