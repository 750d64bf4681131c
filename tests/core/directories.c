/* Segments in a directory of choice, on this file system and on that. What is
 * mounted here is so for a test alone. */
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)

#include "test.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "../harness/faults.h"

enum { NOBODY = 65534 };

/* In the test's own temporary directory; *room: 3 of them may be in use. */
static const char *path_of(const char *word) {
  static char ring[3][300];
  static unsigned at;
  char *path = ring[at++ % 3];
  snprintf(path, sizeof *ring, "%s/%s", temporary_directory(), word);
  return path;
}

static const char *make_directory(const char *word, mode_t mode) {
  const char *path = path_of(word);
  CHECK(mkdir(path, 0700) == 0 && chmod(path, mode) == 0);
  return path;
}

static void go_to(const char *directory) {
  CHECK_OK(smem_leave(&error));
  set_variable("SHAREDMEMORY_DIR", directory);
}

/* Nothing is left in this directory, which we are in, but the segment "a". */
static void end_in(const char *directory) {
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_leave(&error));
  CHECK(rmdir(directory) == 0);
  set_variable("SHAREDMEMORY_DIR", NULL);
}

/* ---- what is refused ----------------------------------------------------- */

static void check_refused(smem_code code, const char *directory,
                          const char *why) {
  uint64_t place[2];
  go_to(directory);
  CHECK_CODE(code, allocate("a", 1));
  CHECK(strstr(message(), "SHAREDMEMORY_DIR") != NULL);
  if (!strstr(message(), why))
    test_fail(__FILE__, __LINE__, "no '%s': %s", why, message());
  CHECK_CODE(code, find_id("a"));
  CHECK_CODE(code, smem_here(place, &error));
  CHECK_CODE(code, smem_join(&error));
  set_variable("SHAREDMEMORY_DIR", NULL);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
}

TEST(directories_that_are_not_there_or_not_absolute) {
  char longer[260];
  check_refused(SMEM_ARGUMENT, "shm", "absolute");
  check_refused(SMEM_ARGUMENT, ".", "absolute");
  check_refused(SMEM_ARGUMENT, "/", "must not be /");
  check_refused(SMEM_ARGUMENT, path_of("nothing"), "does not exist");
  check_refused(SMEM_ARGUMENT, "/dev/null", "is not a directory");
  memset(longer, 'x', sizeof longer - 1);
  longer[0] = '/', longer[sizeof longer - 1] = '\0';
  check_refused(SMEM_ARGUMENT, longer, "does not exist");
  check_refused(SMEM_ARGUMENT, "/tmp/\033[31m", "'/tmp/?");
}

/* `length` bytes long, in a directory that is there. */
static const char *make_long(char path[300], const char *above, size_t length) {
  size_t before = (size_t)snprintf(path, 300, "%s/", above);
  memset(path + before, 'x', length - before);
  path[length] = '\0';
  CHECK(mkdir(path, 0700) == 0);
  return path;
}

TEST(a_directory_with_a_long_path) {
  char above[300], path[300];
  make_long(above, temporary_directory(), 120);
  check_refused(SMEM_ARGUMENT, make_long(path, above, SMEM_DIRECTORY_MAX + 1),
                "longer than 200");
  CHECK(rmdir(path) == 0);
  go_to(make_long(path, above, SMEM_DIRECTORY_MAX));
  CHECK_OK(allocate("a", 1));
  mail_reference("a");
  smem_reference reference = read_mail();
  CHECK(strcmp(reference.directory, path) == 0);
  CHECK_OK(try_open_reference(&reference));
  end_in(path);
  CHECK(rmdir(above) == 0);
}

TEST(directories_from_which_others_may_remove) {
  if (geteuid() != 0) test_skip("needs root");
  const char *open_to_all = make_directory("all", 0777);
  check_refused(SMEM_ARGUMENT, open_to_all, "sticky");
  CHECK(chmod(open_to_all, 01777) == 0);
  go_to(open_to_all);
  CHECK_OK(allocate("a", 1));
  CHECK_OK(free_id("a"));
  go_to(NULL);
  CHECK(chmod(open_to_all, 0755) == 0);
  CHECK(chown(open_to_all, NOBODY, NOBODY) == 0);
  check_refused(SMEM_ARGUMENT, open_to_all, "belongs to another user");
  CHECK(rmdir(open_to_all) == 0);
}

ROLE(nobody_finds_it_closed) {
  CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
  check_refused(SMEM_ARGUMENT, argument, "cannot be");
}

TEST(directories_that_are_closed_to_the_user) {
  if (geteuid() != 0) test_skip("needs root");
  char shut[300], readable[300];
  snprintf(shut, sizeof shut, "%s", make_directory("shut", 0700));
  snprintf(readable, sizeof readable, "%s", make_directory("readable", 0755));
  CHECK(chmod(temporary_directory(), 0755) == 0);
  PLAY(nobody_finds_it_closed, readable);
  CHECK(chmod(temporary_directory(), 0700) == 0);
  PLAY(nobody_finds_it_closed, shut);
  CHECK(rmdir(shut) == 0 && rmdir(readable) == 0);
}

static void mount_on(const char *path, const char *type, unsigned long flags,
                     const char *options) {
  mount_apart();
  if (mount("none", path, type, flags, options) != 0) {
    rmdir(path);
    test_skip("this kernel does not mount it here");
  }
}

TEST(a_ramfs_is_refused) {
  const char *path = make_directory("fs", 0700);
  mount_on(path, "ramfs", 0, NULL);
  check_refused(SMEM_UNSUPPORTED, path, "cannot reserve");
  CHECK(umount(path) == 0 && rmdir(path) == 0);
}

TEST(a_hugetlbfs_is_refused) {
  const char *path = make_directory("fs", 0700);
  mount_on(path, "hugetlbfs", 0, NULL);
  check_refused(SMEM_UNSUPPORTED, path, "hugetlbfs");
  CHECK(umount(path) == 0 && rmdir(path) == 0);
}

TEST(a_directory_that_is_read_only) {
  const char *path = make_directory("fs", 0700);
  mount_on(path, "tmpfs", MS_RDONLY, NULL);
  check_refused(SMEM_ARGUMENT, path, "read-only");
  CHECK(umount(path) == 0 && rmdir(path) == 0);
}

/* ---- what is not --------------------------------------------------------- */

TEST(the_usual_directory_by_whichever_path) {
  uint64_t usual[2], named[2];
  CHECK_OK(smem_here(usual, &error));
  CHECK_OK(allocate("a", 1));
  go_to("/dev/../dev/shm/");
  CHECK_OK(find_id("a"));
  CHECK_OK(smem_here(named, &error));
  CHECK(memcmp(usual, named, sizeof usual) == 0);
  CHECK_OK(free_id("a"));
  go_to(NULL);
}

TEST(a_link_to_a_directory) {
  char path[300];
  snprintf(path, sizeof path, "%s", make_directory("real", 0700));
  CHECK(symlink(path, path_of("link")) == 0);
  go_to(path_of("link"));
  CHECK_OK(allocate("a", 1));
  CHECK(path_exists(segment_path("a")));
  go_to(path);
  CHECK_OK(find_id("a"));
  CHECK(unlink(path_of("link")) == 0);
  CHECK_OK(find_id("a"));
  end_in(path);
}

/* Who owns a segment stays in its namespace: so another process makes it. */
ROLE(makes_it_there) {
  go_to(*argument ? argument : NULL);
  CHECK_OK(allocate("a", 1));
  mail_reference("a");
}

/* The same id is another segment there. */
TEST(directories_do_not_see_each_other) {
  char path[300];
  uint64_t size;
  unsigned shares = 0;
  snprintf(path, sizeof path, "%s", make_directory("other", 0700));
  PLAY(makes_it_there, "");
  go_to(path);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_OK(allocate("a", 20000));
  CHECK_OK(smem_size("a", &size, &error));
  CHECK(size >= 20000);
  CHECK_EQUAL(1, count_listed());
  CHECK_OK(smem_shares(count_share, &shares, &error));
  CHECK_EQUAL(1, shares);
  CHECK_EQUAL(1, allocate_number(1));
  CHECK_OK(free_id("1"));
  end_in(path);
  CHECK_OK(find_id("a"));
  CHECK_OK(free_id("a"));
}

TEST(a_directory_that_goes) {
  char path[300];
  snprintf(path, sizeof path, "%s", make_directory("gone", 0700));
  go_to(path);
  CHECK_OK(allocate("a", 1));
  CHECK(unlink(segment_path("a")) == 0 && unlink(control_path()) == 0);
  CHECK(rmdir(path) == 0);
  CHECK_CODE(SMEM_SYSTEM, allocate("a", 1));
  CHECK(strstr(message(), path) && strstr(message(), "not there"));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_EQUAL(0, count_listed());
  go_to(NULL);
}

/* ---- limits -------------------------------------------------------------- */

ROLE(is_told_its_limits) {
  smem_limits limits = SMEM_LIMITS_INIT;
  struct rlimit most = {1 << 20, RLIM_INFINITY};
  go_to(argument);
  smem_limits_get(&limits);
  CHECK(strcmp(limits.directory, argument) == 0);
  CHECK(limits.free > 1 << 20 && strstr(limits.free_by, argument));
  CHECK(setrlimit(RLIMIT_FSIZE, &most) == 0);
  smem_limits_get(&limits);
  CHECK_EQUAL(1 << 20, limits.free);
  CHECK(strstr(limits.free_by, "ulimit -f") != NULL);
  CHECK_CODE(SMEM_NO_SPACE, allocate("a", 2 << 20));
  CHECK(strstr(message(), "ulimit -f") != NULL);
  CHECK(strstr(message(), "SHAREDMEMORY_DIR") != NULL);
  CHECK_OK(smem_leave(&error));
}

TEST(the_limit_that_bites_first_is_told) {
  char path[300];
  snprintf(path, sizeof path, "%s", make_directory("limited", 0700));
  PLAY(is_told_its_limits, path);
  CHECK(rmdir(path) == 0);
}

/* ---- references ---------------------------------------------------------- */

ROLE(finds_it_from_elsewhere) {
  smem_reference reference = read_mail();
  go_to(*argument ? argument : NULL);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_OK(try_open_reference(&reference));
  CHECK(!smem_id_means(&reference, NULL));
  smem_latch *latch;
  CHECK_OK(smem_latch_open_reference(&reference, &latch, &error));
  smem_latch_close(latch);
}

/* By those who have another directory, or none. */
TEST(references_lead_into_other_directories) {
  char here[300], there[300];
  smem_reference reference;
  snprintf(here, sizeof here, "%s", make_directory("here", 0700));
  snprintf(there, sizeof there, "%s", make_directory("there", 0700));
  PLAY(makes_it_there, here);
  PLAY(finds_it_from_elsewhere, there);
  PLAY(finds_it_from_elsewhere, "");
  reference = read_mail();
  go_to(here);
  CHECK(strcmp(reference.directory, here) == 0);
  CHECK(smem_id_means(&reference, NULL));
  CHECK_OK(free_id("a"));
  go_to(there);
  CHECK_CODE(SMEM_NOT_FOUND, try_open_reference(&reference));
  end_in(there);
  go_to(here);
  end_in(here);
}

static smem_reference reference_into(const char *directory) {
  PLAY(makes_it_there, directory);
  return read_mail();
}

/* What bears the path now is not what was meant. */
TEST(the_path_in_a_reference_is_not_believed) {
  char here[300], moved[300];
  smem_reference forged, reference;
  snprintf(here, sizeof here, "%s", make_directory("here", 0700));
  snprintf(moved, sizeof moved, "%s", path_of("moved"));
  reference = reference_into(here);
  go_to(NULL);
  CHECK_OK(try_open_reference(&reference));
  CHECK(rename(here, moved) == 0 && symlink(moved, here) == 0);
  CHECK_CODE(SMEM_ELSEWHERE, try_open_reference(&reference));
  CHECK(unlink(here) == 0);
  CHECK_CODE(SMEM_ELSEWHERE, try_open_reference(&reference));
  CHECK(mkdir(here, 0700) == 0);
  CHECK_CODE(SMEM_ELSEWHERE, try_open_reference(&reference));
  CHECK(rmdir(here) == 0 && rename(moved, here) == 0);
  const char *paths[] = {"/dev", "/proc/self/cwd", "/", "/tmp/../tmp"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    forged = reference;
    snprintf(forged.directory, sizeof forged.directory, "%s", paths[i]);
    CHECK(try_open_reference(&forged) != SMEM_OK);
  }
  if (geteuid() == 0) { /* others could put something else there */
    CHECK(chmod(here, 0777) == 0);
    CHECK_CODE(SMEM_ELSEWHERE, try_open_reference(&reference));
    CHECK(chmod(here, 0700) == 0 && chown(here, NOBODY, NOBODY) == 0);
    CHECK_CODE(SMEM_ELSEWHERE, try_open_reference(&reference));
    CHECK(chown(here, 0, 0) == 0);
  }
  go_to(here);
  end_in(here);
}

/* As a container does, to which a host gives it under another path. */
TEST(a_directory_that_has_another_path_here) {
  char here[300], there[300];
  mount_apart();
  snprintf(here, sizeof here, "%s", make_directory("here", 0700));
  snprintf(there, sizeof there, "%s", make_directory("there", 0700));
  smem_reference reference = reference_into(here);
  if (mount(here, there, "none", MS_BIND, NULL) != 0 ||
      mount("none", here, "tmpfs", 0, "mode=0700") != 0)
    test_skip("nothing can be mounted here");
  go_to(NULL);
  CHECK_CODE(SMEM_ELSEWHERE, try_open_reference(&reference));
  go_to(there);
  CHECK_OK(find_id("a"));
  CHECK_OK(try_open_reference(&reference));
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_leave(&error));
  CHECK(umount(there) == 0 && umount(here) == 0);
  CHECK(rmdir(there) == 0 && rmdir(here) == 0);
}

#else
typedef int nothing_to_test_here;
#endif
