/* One segment is looked at, whatever it is. */
#ifndef _WIN32

#include "test.h"

static void note_state(const smem_entry *entry, void *context) {
  *(smem_state *)context = entry->state;
}

static smem_code inspect(const char *id, size_t *length, smem_state *state) {
  char bytes[10], path[300];
  *length = sizeof bytes;
  return smem_inspect(id, bytes, length, path, sizeof path, note_state, state,
                      &error);
}

TEST(damaged_ones_are_inspected) {
  size_t length;
  smem_state state;
  need_listing_of_what_is_planted();
  CHECK_CODE(SMEM_NOT_FOUND, inspect("a", &length, &state));
  plant_file(segment_path("a"), "damaged", 0600);
  CHECK_OK(inspect("a", &length, &state));
  CHECK_EQUAL(SMEM_DAMAGED, state);
  CHECK_EQUAL(7, length);
  CHECK(symlink("/nowhere", segment_path("b")) == 0);
  CHECK_OK(inspect("b", &length, &state));
  CHECK_EQUAL(SMEM_DAMAGED, state);
  CHECK_EQUAL(0, length);
  plant_incomplete("c");
  CHECK_OK(inspect("c", &length, &state));
  CHECK_EQUAL(SMEM_INCOMPLETE, state);
  CHECK_EQUAL(0, length);
  if (chown(segment_path("a"), 65533, (gid_t)-1) == 0)
    CHECK_CODE(SMEM_PERMISSION, inspect("a", &length, &state));
  unlink(segment_path("a"));
  unlink(segment_path("b"));
  unlink(segment_path("c"));
}

#else
typedef int not_posix;
#endif
