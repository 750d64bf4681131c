/* Segments are private to their user. Root can open what belongs to others, so
 * the package has to refuse by itself; these tests need root to play both. */
#ifndef _WIN32

#include "test.h"

#include <grp.h>

enum { NOBODY = 65534 };

static void need_root(void) {
  if (geteuid() != 0) test_skip("needs root");
}

static void become_nobody(void) {
  if (geteuid() != 0) return;
  CHECK(setgroups(0, NULL) == 0);
  CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

static void check_refused(smem_code code, const char *user) {
  CHECK_EQUAL(SMEM_PERMISSION, code);
  CHECK_EQUAL(SMEM_PERMISSION, error.code);
  CHECK(strstr(message(), "SHAREDMEMORY_NAMESPACE") != NULL);
#ifdef SHAREDMEMORY_OS_PORTABLE
  (void)user; /* it cannot tell whose an object is that it cannot open */
#else
  if (!strstr(message(), user))
    test_fail(__FILE__, __LINE__, "does not name %s: %s", user, message());
#endif
}

static void check_not_opened(const char *id, const char *user) {
  const smem_access accesses[] = {SMEM_READ_WRITE, SMEM_READ_ONLY,
                                  SMEM_PRIVATE};
  char byte;
  for (int i = 0; i < 3; i++) check_refused(try_open(id, accesses[i]), user);
  check_refused(read_bytes(id, 0, &byte, 1), user);
  check_refused(write_bytes(id, 0, "x", 1), user);
}

static void check_all_refused(const char *id, const char *user) {
  uint64_t size;
  check_refused(find_id(id), user);
  check_refused(smem_size(id, &size, &error), user);
  check_refused(try_map(id), user);
  check_not_opened(id, user);
  check_refused(free_id(id), user);
  check_refused(can_free_id(id), user);
}

ROLE(nobody_holds) {
  become_nobody();
  CHECK_OK(allocate(argument, 1));
  raise_flag(0);
  await_flag(1, 1);
  CHECK_OK(find_id(argument));
  CHECK_OK(free_id(argument));
}

/* The other user's control object has our namespace's name, too. */
TEST(roots_view_of_another_user) {
  uint64_t index;
  need_root();
  process_id nobody = START(nobody_holds, "a");
  await_flag(0, 1);
  check_all_refused("a", "65534");
  CHECK(path_exists(segment_path("a")));
  check_refused(allocate("a", 1), "65534");
  check_refused(allocate("b", 1), "65534");
  check_refused(smem_join(&error), "65534");
  check_refused(smem_last_index(&index, &error), "65534");
  CHECK_OK(smem_leave(&error));
#ifndef SHAREDMEMORY_OS_PORTABLE /* the record is the other user's too */
  CHECK_EQUAL(SMEM_FOREIGN, listed_state("a"));
#endif
  CHECK(!path_exists(segment_path("b")));
  raise_flag(1);
  FINISH(nobody);
}

ROLE(nobody_looks) {
  uint64_t index;
  become_nobody();
  await_flag(0, 1);
  check_all_refused(argument, "root");
  CHECK(path_exists(segment_path(argument)));
  check_refused(allocate(argument, 1), "root");
  check_refused(allocate("b", 1), "root");
  check_refused(smem_last_index(&index, &error), "root");
#ifndef SHAREDMEMORY_OS_PORTABLE
  CHECK_EQUAL(SMEM_FOREIGN, listed_state(argument));
#endif
  CHECK_OK(smem_leave(&error));
}

TEST(another_users_view_of_root) {
  need_root();
  process_id nobody = START(nobody_looks, "a"); /* before it could inherit */
  CHECK_OK(allocate("a", 1));
  *map("a") = 5;
  raise_flag(0);
  FINISH(nobody);
  CHECK_EQUAL(5, *map("a"));
  CHECK_OK(find_id("a"));
  CHECK_OK(free_id("a"));
}

/* ---- other programs' objects --------------------------------------------- */

/* Also where its owner lets everybody in: what another user made is not ours.
 */
static void check_raw_refused(const char *user) {
  char id[64];
  snprintf(id, sizeof id, "%s", raw_id("a"));
  check_all_refused(id, user);
}

ROLE(nobody_makes_raw) {
  become_nobody();
  plant_file(raw_path("a"), "hello", (mode_t)strtol(argument, NULL, 8));
}

TEST(roots_view_of_anothers_raw_object) {
  const char *modes[] = {"0", "0600", "0666"};
  need_root();
  for (int i = 0; i < 3; i++) {
    PLAY(nobody_makes_raw, modes[i]);
    struct stat before = stat_of(raw_path("a"));
    check_raw_refused("65534");
    struct stat after = stat_of(raw_path("a"));
    CHECK(before.st_ino == after.st_ino && before.st_mode == after.st_mode);
    CHECK(before.st_size == after.st_size);
    CHECK(unlink(raw_path("a")) == 0);
  }
}

ROLE(nobody_sees_raw) {
  become_nobody();
  check_raw_refused("root");
}

TEST(anothers_view_of_roots_raw_object) {
  const mode_t modes[] = {0600, 0644, 0666};
  need_root();
  for (int i = 0; i < 3; i++) {
    plant_file(raw_path("a"), "hello", modes[i]);
    PLAY(nobody_sees_raw, "");
    CHECK_EQUAL(5, stat_of(raw_path("a")).st_size);
    CHECK_OK(free_id(raw_id("a")));
  }
}

/* A reference is not a key. */
ROLE(nobody_has_mail) {
  smem_reference reference = read_mail();
  smem_handle *handle;
  become_nobody();
  check_refused(
      smem_open_reference(&reference, SMEM_READ_ONLY, &handle, &error), "root");
}

TEST(anothers_reference) {
  need_root();
  CHECK_OK(allocate("a", 1));
  mail_reference("a");
  PLAY(nobody_has_mail, "");
  CHECK_OK(free_id("a"));
}

ROLE(nobody_plants) {
  become_nobody();
  plant_incomplete(argument);
}

/* Half-made by another: not ours to clean. */
TEST(anothers_incomplete_segment) {
  need_root();
  skip_if_portable("the modes of objects are another matter there");
  PLAY(nobody_plants, "a");
  CHECK_OK(smem_join(&error));
  check_refused(free_id("a"), "65534");
  check_refused(can_free_id("a"), "65534");
  check_refused(find_id("a"), "65534");
  check_refused(allocate("a", 1), "65534");
  CHECK_EQUAL(SMEM_FOREIGN, listed_state("a"));
  CHECK(unlink(segment_path("a")) == 0);
}

ROLE(nobody_sees_incomplete) {
  become_nobody();
  check_refused(find_id(argument), "root");
  check_refused(try_map(argument), "root");
}

TEST(roots_incomplete_segment) {
  need_root();
  skip_if_portable("the modes of objects are another matter there");
  plant_incomplete("a");
  PLAY(nobody_sees_incomplete, "a");
  CHECK(unlink(segment_path("a")) == 0);
}

/* With modes that keep things also from their owner, unless that is root. */
ROLE(nobody_repairs) {
  uint64_t index;
  become_nobody();
  plant_file(control_path(), "", 0);
  CHECK_OK(smem_last_index(&index, &error));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_OK(allocate("a", 1));
  CHECK_OK(free_id("a"));
  smem_stop();
#ifndef SHAREDMEMORY_OS_PORTABLE
  plant_incomplete("a");
  CHECK_EQUAL(SMEM_INCOMPLETE, listed_state("a"));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_OK(allocate_exclusive("a", 1));
  CHECK(chmod(segment_path("a"), 0) == 0);
  CHECK_OK(find_id("a"));
  CHECK_OK(try_map("a"));
  CHECK_OK(free_id("a"));
#endif
}

TEST(closed_to_its_own_owner) {
  if (geteuid() != 0) {
    nobody_repairs("");
    return;
  }
  PLAY(nobody_repairs, "");
}

#else
typedef int not_posix;
#endif
