/* Shared memory file systems that are not as they should be. These tests put
 * one of their own over /dev/shm, for themselves alone. */
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)

#include "test.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>

#include "../harness/faults.h"

enum { NOBODY = 65534 };

/* Mount it over /dev/shm. `options` may be NULL. */
static void mount_here(const char *type, unsigned long flags,
                       const char *options) {
  mount_apart();
  if (mount("none", "/dev/shm", type, flags, options) != 0)
    test_skip("nothing can be mounted here");
}

static void check_place(const char *advice) {
  CHECK_CODE(SMEM_SYSTEM, allocate("a", 1));
  if (!strstr(message(), advice) || strstr(message(), "NAMESPACE") ||
      strstr(message(), "room"))
    test_fail(__FILE__, __LINE__, "no '%s', or more: %s", advice, message());
  CHECK_CODE(SMEM_SYSTEM, smem_join(&error));
  CHECK_EQUAL(0, count_listed());
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
}

TEST(a_directory_where_only_root_may_create) {
  mount_here("tmpfs", 0, "mode=0755");
  CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
  check_place("chmod 1777 /dev/shm");
}

/* The control object was made before. */
ROLE(nobody_creates) {
  CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
  CHECK_OK(smem_join(&error));
  CHECK(chmod("/dev/shm", 0700) != 0);
  raise_flag(0);
  await_flag(1, 1);
  CHECK_CODE(SMEM_SYSTEM, allocate("a", 1));
  CHECK(strstr(message(), "chmod 1777 /dev/shm") != NULL);
  raise_flag(2);
  await_flag(3, 1);
}

TEST(a_directory_that_is_closed_later) {
  mount_here("tmpfs", 0, "mode=1777");
  process_id nobody = START(nobody_creates, "");
  await_flag(0, 1);
  CHECK(chmod("/dev/shm", 0755) == 0);
  raise_flag(1);
  await_flag(2, 1);
  CHECK(chmod("/dev/shm", 01777) == 0);
  raise_flag(3);
  FINISH(nobody);
}

TEST(a_file_system_that_is_read_only) {
  mount_here("tmpfs", MS_RDONLY, NULL);
  check_place("remount,rw /dev/shm");
}

TEST(a_file_system_that_cannot_reserve) {
  mount_here("ramfs", 0, NULL);
  check_place("mount -t tmpfs");
  CHECK(!path_exists(control_path()));
}

/* ---- hard links ---------------------------------------------------------- */

static const char *linked = "/dev/shm/smem-test-linked";

static void check_content(const char *expected) {
  char text[100] = "";
  FILE *file = fopen(linked, "r");
  CHECK(file && fgets(text, sizeof text, file));
  fclose(file);
  if (strcmp(text, expected) != 0)
    test_fail(__FILE__, __LINE__, "the file is '%s' now", text);
}

TEST(a_link_under_the_name_of_the_control_object) {
  static char content[9000];
  mount_here("tmpfs", 0,
             "mode=1777"); /* a name that the runner need not know */
  memset(content, 'x', sizeof content - 1);
  plant_file(linked, content, 0600);
  CHECK(link(linked, control_path()) == 0);
  CHECK_CODE(SMEM_CONTROL, smem_join(&error));
  CHECK_CODE(SMEM_CONTROL, allocate("a", 1));
  CHECK_EQUAL(sizeof content - 1, stat_of(linked).st_size);
  char byte;
  int fd = open(linked, O_RDONLY);
  for (size_t i = 0; i < sizeof content - 1; i++)
    CHECK(read(fd, &byte, 1) == 1 && byte == 'x');
  close(fd);
  CHECK(unlink(control_path()) == 0);
  CHECK_OK(smem_join(&error));
}

/* What is not a control object, and of one name: it is replaced, and as it was.
 */
TEST(a_file_under_the_name_of_the_control_object) {
  mount_here("tmpfs", 0, "mode=1777");
  plant_file(control_path(), "x", 0600);
  CHECK(truncate(control_path(), 10000) == 0);
  int fd = open(control_path(), O_RDONLY);
  struct stat status;
  CHECK_OK(smem_join(&error));
  CHECK(fd >= 0 && fstat(fd, &status) == 0);
  CHECK_EQUAL(10000, status.st_size);
  CHECK_EQUAL(0, status.st_nlink);
  CHECK(stat_of(control_path()).st_ino != status.st_ino);
  close(fd);
}

TEST(a_link_under_the_name_of_a_segment) {
  const mode_t modes[] = {0600, 0400, 0000};
  mount_here("tmpfs", 0, "mode=1777");
  CHECK_OK(smem_join(&error));
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    plant_file(linked, "mine", modes[i]);
    CHECK(link(linked, segment_path("a")) == 0);
    CHECK_CODE(SMEM_CORRUPT, find_id("a"));
    CHECK_CODE(SMEM_CORRUPT, try_map("a"));
    CHECK_CODE(SMEM_CORRUPT, write_bytes("a", 0, "yours", 5));
    CHECK_CODE(SMEM_CORRUPT, allocate("a", 1));
    CHECK_EQUAL(SMEM_DAMAGED, listed_state("a"));
    check_content("mine");
    CHECK_EQUAL(modes[i], stat_of(linked).st_mode & 0777);
    CHECK_OK(free_id("a")); /* this name only */
    check_content("mine");
    CHECK(unlink(linked) == 0);
  }
}

/* A complete segment that has got a second name. */
TEST(a_segment_with_a_second_name) {
  mount_here("tmpfs", 0, "mode=1777");
  CHECK_OK(allocate("a", 1));
  CHECK(link(segment_path("a"), linked) == 0);
  CHECK_CODE(SMEM_CORRUPT, try_map("a"));
  CHECK(unlink(linked) == 0);
  CHECK_OK(try_map("a"));
}

/* ---- calls that do not do what they say -----------------------------------
 */

static int entries_left;
static struct dirent *(*read_entry)(DIR *directory);

static struct dirent *end_in_an_error(DIR *directory) {
  if (entries_left-- > 0) return read_entry(directory);
  errno = EIO;
  return NULL;
}

ROLE(leaver) {
  CHECK_OK(smem_join(&error));
  read_entry = smem__os_sys.readdir;
  smem__os_sys.readdir = end_in_an_error;
  smem_stop();
  smem__os_sys.readdir = read_entry;
}

ROLE(maker) { CHECK_OK(allocate("a", 1)); }

/* That a directory cannot be read does not mean that nothing is there. */
TEST(an_error_at_the_end_of_the_directory) {
  size_t count = 0;
  uint64_t identity[2] = {0, 0};
  PLAY(maker, "");
  PLAY(leaver, "");
  CHECK(path_exists(control_path()));
  read_entry = smem__os_sys.readdir;
  smem__os_sys.readdir = end_in_an_error;
  for (entries_left = 0; entries_left < 2; entries_left++) {
    int before = entries_left;
    CHECK_CODE(SMEM_SYSTEM, smem_list(count_entry, &count, &error));
    entries_left = before;
    CHECK_CODE(SMEM_SYSTEM, smem_shares(count_share, &count, &error));
    entries_left = before;
    CHECK_CODE(SMEM_SYSTEM,
               smem_reclaim(false, true, ignore_fate, NULL, &error));
    entries_left = before;
    CHECK(smem__os_mappings("smem.", false, NULL, identity).code == OS_FAILED);
    entries_left = before;
  }
  smem__os_sys.readdir = read_entry;
  CHECK_EQUAL(1, count_listed());
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_join(&error));
}

static ssize_t write_nothing(int fd, const void *from, size_t length,
                             off_t offset) {
  (void)fd, (void)from, (void)length, (void)offset;
  return 0;
}
static ssize_t read_nothing(int fd, void *to, size_t length, off_t offset) {
  (void)fd, (void)to, (void)length, (void)offset;
  return 0;
}

/* An error, not a loop without end. */
TEST(calls_that_copy_nothing) {
  char byte;
  CHECK_OK(allocate("a", 1));
  ssize_t (*really)(int, const void *, size_t, off_t) = smem__os_sys.pwrite;
  smem__os_sys.pwrite = write_nothing;
  CHECK_CODE(SMEM_SYSTEM, write_bytes("a", 0, "x", 1));
  CHECK_CODE(SMEM_SYSTEM, allocate("b", 1));
  smem__os_sys.pwrite = really;
  CHECK(!path_exists(segment_path("b")));
  smem__os_sys.pread = read_nothing;
  CHECK_CODE(SMEM_SYSTEM, read_bytes("a", 0, &byte, 1));
  smem__os_sys.pread = pread;
  CHECK_OK(free_id("a"));
}

#else
typedef int not_linux;
#endif
