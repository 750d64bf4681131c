/* A shared memory file system that is full, read-only or missing. Each test
 * mounts one of its own, where it may. */
#ifdef __linux__

#include "test.h"

#include <sched.h>
#include <sys/mount.h>

#define SHM "/dev/shm"

static void mount_own(unsigned long flags, const char *options) {
  mount_apart();
  if (mount("tmpfs", SHM, "tmpfs", flags, options) != 0)
    test_skip("may not mount a file system");
}

static smem_code fill(uint64_t size, unsigned *count) {
  for (;;) {
    smem_request request = SMEM_REQUEST_INIT(size, NULL);
    smem_code code =
        smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error);
    if (code != SMEM_OK) return code;
    ++*count;
    map(number_id(request.number));
  }
}

static void free_numbers(unsigned last) {
  for (unsigned i = 1; i <= last; i++) CHECK_OK(free_id(number_id(i)));
  CHECK_OK(smem_leave(&error));
  CHECK_EQUAL(0, count_objects());
}

static bool touch(const smem_entry *entry, void *context) {
  memset(map(entry->id), 1, (size_t)entry->capacity);
  ++*(unsigned *)context;
  return true;
}

/* What was allocated is there: writing to all of it raises no SIGBUS. */
TEST(filled_to_the_last_page) {
  unsigned count = 0, touched = 0;
  uint64_t index;
  mount_own(0, "mode=1777,size=1m");
  CHECK_CODE(SMEM_NO_SPACE, fill(60000, &count));
  CHECK(count > 10);
  CHECK_CODE(SMEM_NO_SPACE, fill(1, &count));
  CHECK_OK(smem_list(touch, &touched, &error));
  CHECK_EQUAL(count, touched);
  CHECK_OK(smem_last_index(&index, &error));
  free_numbers((unsigned)index);
}

TEST(no_room_for_the_control_object) {
  mount_own(0, "mode=1777,nr_inodes=1");
  skip_if_portable("it is not in this file system there");
  CHECK_CODE(SMEM_NO_SPACE, smem_join(&error));
  CHECK_CODE(SMEM_NO_SPACE, allocate("a", 1));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
}

/* Not even the owners of its files can be asked. */
TEST(closed_to_us) {
  uint64_t index;
  skip_if_portable(
      "names are listed, and control objects are, elsewhere there");
  mount_own(0, "mode=0700");
  CHECK(setresgid(65534, 65534, 65534) == 0);
  CHECK(setresuid(65534, 65534, 65534) == 0);
  CHECK_CODE(SMEM_PERMISSION, can_free_id("a"));
  CHECK_CODE(SMEM_PERMISSION, find_id("a"));
  CHECK_CODE(SMEM_PERMISSION, free_id("a"));
  CHECK_CODE(SMEM_PERMISSION, allocate("a", 1));
  CHECK_CODE(SMEM_PERMISSION, smem_last_index(&index, &error));
}

TEST(no_space) {
  mount_own(0, "mode=1777,size=1m");
  CHECK_OK(allocate("a", 100000));
  CHECK_CODE(SMEM_NO_SPACE, allocate("b", 2000000));
  CHECK(strstr(message(), "no room for 2000000 bytes") != NULL);
#ifndef SHAREDMEMORY_OS_PORTABLE /* does not know how much there is */
  CHECK(strstr(message(), " leaves ") != NULL);
  CHECK(strstr(message(), "18446744073709551615") == NULL);
#endif
  CHECK(strstr(message(), "mount -o remount") != NULL);
  CHECK(!path_exists(segment_path("b")));
  smem_request requests[] = {SMEM_REQUEST_INIT(400000, NULL),
                             SMEM_REQUEST_INIT(400000, NULL),
                             SMEM_REQUEST_INIT(400000, NULL)};
  CHECK_CODE(SMEM_NO_SPACE,
             smem_allocate(requests, 3, SMEM_UNTIL_FREED, false, &error));
  CHECK_EQUAL(3, error.element);
  CHECK_EQUAL(1, count_listed());
  CHECK_OK(allocate("c", 500000)); /* and what was undone is free again */
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("c"));
  free_numbers(0);
}

static void fill_with_a_file(void) {
  static char block[4096];
  int fd = open(SHM "/filler", O_WRONLY | O_CREAT, 0600);
  CHECK(fd >= 0);
  while (write(fd, block, sizeof block) > 0) {
  }
  CHECK_EQUAL(ENOSPC, errno);
  close(fd);
}

TEST(no_space_for_the_control_object) {
  uint64_t index;
  skip_if_portable("it is elsewhere there");
  mount_own(0, "mode=1777,size=1m");
  fill_with_a_file();
  CHECK_CODE(SMEM_NO_SPACE, smem_join(&error));
  CHECK_CODE(SMEM_NO_SPACE, allocate("a", 1));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_OK(smem_last_index(&index, &error));
  CHECK_EQUAL(0, count_listed());
  CHECK_EQUAL(0, count_objects());
  CHECK(unlink(SHM "/filler") == 0);
  CHECK_OK(allocate("a", 1));
  CHECK_OK(free_id("a"));
  free_numbers(0);
}

/* Full only of names. */
TEST(no_inode_left) {
  mount_own(0, "mode=1777,size=1m,nr_inodes=3");
  CHECK_OK(allocate("a", 1));
  smem_code code = allocate("b", 1);
  if (code == SMEM_OK) code = allocate("c", 1); /* the control is elsewhere */
  CHECK_CODE(SMEM_NO_SPACE, code);
  CHECK_OK(free_id("a"));
  CHECK_OK(allocate("c", 1));
  clean_namespace();
}

TEST(a_read_only_file_system) {
  uint64_t index;
  mount_own(MS_RDONLY, "mode=1777,size=1m");
  CHECK(smem_join(&error) != SMEM_OK || allocate("a", 1) != SMEM_OK);
  CHECK(strstr(message(), "Read-only") != NULL);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_last_index(&index, &error));
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(smem_leave(&error));
}

ROLE(fills_in) {
  CHECK_OK(allocate("a", 5000));
  CHECK_OK(write_bytes("a", 0, "hello", 6));
  mail_reference("a");
}

/* It was mounted so later: what is there can be looked at. */
TEST(segments_on_a_read_only_file_system) {
  char text[6] = "";
  smem_handle *handle;
  mount_own(0, "mode=1777,size=1m");
  PLAY(fills_in, "");
  CHECK(mount("tmpfs", SHM, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) == 0);
  CHECK_OK(read_bytes("a", 0, text, 6));
  CHECK(strcmp(text, "hello") == 0);
  CHECK(write_bytes("a", 0, "world", 6) != SMEM_OK);
  CHECK(strstr(message(), "Read-only") != NULL);
  CHECK(try_open("a", SMEM_READ_WRITE) != SMEM_OK);
  CHECK(strstr(message(), "Read-only") != NULL);
  CHECK_OK(try_open("a", SMEM_READ_ONLY));
  CHECK_OK(smem_open("a", SMEM_PRIVATE, &handle, &error));
  strcpy(handle->address, "world");
  CHECK_OK(read_bytes("a", 0, text, 6));
  CHECK(strcmp(text, "hello") == 0);
  smem_close(handle);
  CHECK(free_id("a") != SMEM_OK);
  CHECK(mount("tmpfs", SHM, "tmpfs", MS_REMOUNT, "size=1m") == 0);
  clean_namespace();
}

#ifndef SHAREDMEMORY_OS_PORTABLE /* cannot tell file systems apart */
ROLE(in_a_container) {
  smem_reference reference = read_mail();
  mount_own(0, "mode=1777,size=1m");
  CHECK_CODE(SMEM_ELSEWHERE, try_open_reference(&reference));
  CHECK_OK(allocate("a", 5000)); /* one of the same name does not help */
  CHECK_CODE(SMEM_ELSEWHERE, try_open_reference(&reference));
  mail_reference("a");
  reference = read_mail();
  CHECK_OK(try_open_reference(&reference));
  raise_flag(0);
  await_flag(1, 1);
}

TEST(references_into_and_out_of_a_container) {
  need_usual_directory();
  CHECK_OK(allocate("a", 5000));
  mail_reference("a");
  smem_reference ours = read_mail();
  process_id other = START(in_a_container, "");
  while (shared->flag[0] == 0 && !shared->skipped[0]) sleep_ms(1);
  if (shared->skipped[0]) {
    CHECK_EQUAL(SKIPPED, finish(other));
    CHECK_OK(free_id("a"));
    host_exit(SKIPPED);
  }
  smem_reference theirs = read_mail();
  CHECK_CODE(SMEM_ELSEWHERE, try_open_reference(&theirs));
  CHECK_OK(try_open_reference(&ours));
  raise_flag(1);
  FINISH(other);
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_leave(&error));
}
#endif

/* As in a bare chroot. */
TEST(no_shared_memory_file_system) {
  uint64_t index;
  mount_own(0, "mode=1777,size=1m");
  CHECK(umount(SHM) == 0);
  if (mount("tmpfs", "/dev", "tmpfs", 0, "size=1m") != 0)
    test_skip("may not mount a file system");
  CHECK_CODE(SMEM_SYSTEM, allocate("a", 1)); /* not: no such segment */
  CHECK(strstr(message(), SHM) != NULL);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, try_map("a"));
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_last_index(&index, &error));
  CHECK_EQUAL(0, index);
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(smem_leave(&error));
}

#else
typedef int not_linux_at_all;
#endif
