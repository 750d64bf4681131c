/* Sealed segments: read by everybody, written by nobody, for good. */
#include "test.h"

static smem_code seal_id(const char *id) { return smem_seal(&id, 1, &error); }

static bool is_sealed(const char *id) {
  smem_handle *handle = open_handle(id, SMEM_READ_ONLY);
  bool sealed = handle->sealed;
  smem_close(handle);
  return sealed;
}

static void check_only_read(const char *id) {
  char byte = 0;
  CHECK_CODE(SMEM_SEALED, try_map(id));
  CHECK_CODE(SMEM_SEALED, try_open(id, SMEM_READ_WRITE));
  CHECK_CODE(SMEM_SEALED, write_bytes(id, 0, "z", 1));
  CHECK_OK(try_open(id, SMEM_READ_ONLY));
  CHECK_OK(try_open(id, SMEM_PRIVATE));
  CHECK_OK(read_bytes(id, 0, &byte, 1));
  CHECK_EQUAL('a', byte);
  CHECK_OK(find_id(id));
  CHECK(is_sealed(id));
}

ROLE(only_reads) { check_only_read(argument); }

TEST(sealed_for_all_who_come_later) {
  CHECK_OK(allocate("a", 5000));
  CHECK_OK(write_bytes("a", 0, "a", 1));
  CHECK(!is_sealed("a"));
  CHECK_OK(seal_id("a"));
  check_only_read("a");
  PLAY(only_reads, "a");
  CHECK_OK(seal_id("a"));
  check_only_read("a");
  CHECK_OK(allocate("a", 5000)); /* opens it */
  CHECK_CODE(SMEM_EXISTS, allocate_exclusive("a", 1));
  CHECK_OK(free_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_OK(allocate("a", 5000));
  CHECK(!is_sealed("a"));
  CHECK_OK(free_id("a"));
}

TEST(mappings_from_before_a_seal) {
  CHECK_OK(allocate("a", 5000));
  unsigned char *mapped = map("a");
  smem_handle *handle = open_handle("a", SMEM_READ_WRITE);
  CHECK(!handle->sealed);
  CHECK_OK(seal_id("a"));
  mapped[0] = 'a';
  ((char *)handle->address)[1] = 'b';
  CHECK_OK(try_map("a")); /* which counts that mapping once more */
  unmap_id("a");
  check_only_read("a");
  smem_close(handle);
  CHECK_OK(free_id("a"));
}

static bool see_sealed(const smem_entry *entry, void *context) {
  CHECK(entry->sealed == (strcmp(entry->id, "a") == 0));
  ++*(int *)context;
  return true;
}

TEST(seals_in_the_list) {
  int seen = 0;
  CHECK_OK(allocate("a", 1));
  CHECK_OK(allocate("b", 1));
  CHECK_OK(seal_id("a"));
  CHECK_OK(smem_list(see_sealed, &seen, &error));
  CHECK_EQUAL(2, seen);
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("b"));
}

TEST(all_are_sealed_or_none) {
  const char *all[] = {"a", "b", "missing"}, *twice[] = {"a", "b", "a"};
  CHECK_OK(allocate("a", 1));
  CHECK_OK(allocate("b", 1));
  CHECK_OK(smem_seal(all, 0, &error));
  CHECK_CODE(SMEM_NOT_FOUND, smem_seal(all, 3, &error));
  CHECK_EQUAL(3, error.element);
  CHECK(strcmp(error.id, "missing") == 0);
  CHECK(!is_sealed("a") && !is_sealed("b"));
  CHECK_OK(seal_id("b"));
  CHECK_CODE(SMEM_NOT_FOUND, smem_seal(all, 3, &error));
  CHECK(!is_sealed("a") && is_sealed("b"));
  CHECK_OK(smem_seal(twice, 3, &error));
  CHECK(is_sealed("a") && is_sealed("b"));
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("b"));
}

TEST(what_cannot_be_sealed) {
  CHECK_CODE(SMEM_NOT_FOUND, seal_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, seal_id("1"));
  CHECK_CODE(SMEM_ARGUMENT, seal_id("/another"));
}

#ifndef _WIN32
#include "../harness/faults.h"

static void die_or_fail_while_sealing(fault what, unsigned long at) {
  const char *both[] = {"a", "b"};
  fault_arm(what, at);
  smem_code code = smem_seal(both, 2, &error);
  bool struck = fault_disarm();
  CHECK(is_sealed("a") == (code == SMEM_OK));
  CHECK(is_sealed("b") == (code == SMEM_OK));
  if (!struck) raise_flag(0);
}

ROLE(seals_under_faults) {
  die_or_fail_while_sealing(FAULT_ERROR, strtoul(argument, NULL, 10));
}
ROLE(seals_and_is_killed) {
  die_or_fail_while_sealing(FAULT_KILL, strtoul(argument, NULL, 10));
}

static void at_each_call(bool killed) {
  for (int at = 1; atomic_load(&shared->flag[0]) == 0; at += FAULT_STEP) {
    char text[16];
    snprintf(text, sizeof text, "%d", at);
    CHECK_OK(allocate("a", 1));
    CHECK_OK(allocate("b", 1));
    if (killed)
      finish(START(seals_and_is_killed, text));
    else
      PLAY(seals_under_faults, text);
    /* Whole in any case, and can be sealed now. */
    CHECK_OK(seal_id("a"));
    CHECK_OK(seal_id("b"));
    CHECK_OK(free_id("a"));
    CHECK_OK(free_id("b"));
  }
}

TEST(sealing_fails_at_each_call) { at_each_call(false); }
TEST(killed_while_sealing) { at_each_call(true); }

TEST(the_seal_of_the_system) {
  skip_if_portable("there only the library obeys it");
  CHECK_OK(allocate("a", 1));
  CHECK_EQUAL(0600, stat_of(segment_path("a")).st_mode & 07777);
  CHECK_OK(seal_id("a"));
  CHECK_EQUAL(0400, stat_of(segment_path("a")).st_mode & 07777);
  if (geteuid() != 0)
    CHECK(open(segment_path("a"), O_RDWR) < 0 && errno == EACCES);
  CHECK_OK(free_id("a"));
}
#endif
