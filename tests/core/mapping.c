/* Mappings: many, taken back, and of what is freed meanwhile. */
#ifndef _WIN32

#include "../harness/faults.h"
#include "test.h"

TEST(many_are_mapped) {
  enum { MANY = 300 };
  smem_detached detached;
  for (int i = 1; i <= MANY; i++) {
    CHECK_EQUAL(i, allocate_number(1));
    *map(number_id((uint64_t)i)) = (unsigned char)i;
  }
  for (int i = 1; i <= MANY; i++)
    CHECK_EQUAL((unsigned char)i, *map(number_id((uint64_t)i)));
  for (int i = 1; i <= MANY; i++) {
    smem_unmap(number_id((uint64_t)i), &detached);
    CHECK_OK(free_id(number_id((uint64_t)i)));
  }
  CHECK(!smem__mapping_any());
}

TEST(a_mapping_is_taken_back) {
  smem_mapping *mapping;
  smem_detached detached;
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_map("a", SMEM_READ_ONLY, &mapping, &error));
  mapping->attached[SMEM_READ_ONLY] = &detached;
  CHECK_OK(smem_map("a", SMEM_READ_ONLY, &mapping, &error));
  smem_undo_map("a", SMEM_READ_ONLY, false, &detached); /* counts one less */
  CHECK(mapping->address[SMEM_READ_ONLY] != NULL);
  CHECK_OK(smem_map("a", SMEM_READ_WRITE, &mapping, &error));
  smem_undo_map("a", SMEM_READ_WRITE, true, &detached);
  CHECK(mapping->address[SMEM_READ_WRITE] == NULL);
  CHECK(mapping->address[SMEM_READ_ONLY] != NULL);
  smem_undo_map("a", SMEM_READ_ONLY, true, &detached); /* the last one */
  CHECK(detached.attached[SMEM_READ_ONLY] == &detached);
  CHECK(!smem__mapping_any());
  smem_undo_map("a", SMEM_READ_ONLY, true, &detached); /* of nothing */
  CHECK_OK(free_id("a"));
}

ROLE(allocator) {
  allocate_number(1);
  raise_flag(0);
  await_flag(1, 1);
}

/* Who cannot join maps all the same, and looks each time whether the number has
 * come to mean another segment. */
TEST(mapped_without_the_counter) {
  smem_mapping *mapping;
  smem_detached detached;
  process_id owner = START(allocator, "");
  need_listing_of_what_is_planted();
  await_flag(0, 1);
  write_at(control_path(), 0, "damaged!", 8);
  CHECK_CODE(SMEM_CONTROL, smem_join(&error));
  CHECK_OK(smem_map("1", SMEM_READ_ONLY, &mapping, &error));
  CHECK_OK(smem_map("1", SMEM_READ_ONLY, &mapping, &error));
  CHECK(rename(segment_path("1"), segment_path("2")) == 0);
  CHECK_OK(
      smem_map("1", SMEM_READ_ONLY, &mapping, &error)); /* freed: is kept */
  plant_file(segment_path("1"), "another", 0600);
  CHECK_CODE(SMEM_REPLACED, smem_map("1", SMEM_READ_ONLY, &mapping, &error));
  for (int i = 0; i < 3; i++) smem_unmap("1", &detached);
  raise_flag(1);
  FINISH(owner);
  clean_namespace();
}

TEST(freed_for_later) {
  smem_detached detached;
  CHECK_OK(smem_free_later("a", &error)); /* is neither there nor mapped */
  CHECK(!smem_collect(&detached));
  CHECK_OK(allocate("a", 1));
  map("a");
  CHECK(mkdir(segment_path("b"), 0700) == 0);
  CHECK_AMONG(CODE(CORRUPT) | CODE(SYSTEM), smem_free_later("b", &error));
  CHECK(rmdir(segment_path("b")) == 0);
  CHECK_OK(smem_free_later("a", &error));
  CHECK(smem_collect(&detached));
  CHECK(!smem_collect(&detached));
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
