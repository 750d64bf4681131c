/* Segments on the file systems of disks, which are made in a file and mounted
 * for a test alone. */
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)

#include "test.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

enum { SIZE = 8 << 20 };

/* From <linux/loop.h>, which not every C library finds. */
enum { SET_FD = 0x4C00, SET_STATUS = 0x4C04, GET_FREE = 0x4C82, AUTOCLEAR = 4 };
struct loop_status {
  uint64_t before[5];
  uint32_t numbers[3], flags;
  uint64_t behind[22];
};
_Static_assert(sizeof(struct loop_status) == 232, "as the kernel has it");

/* ---- a disk of our own --------------------------------------------------- */

static char image[300], disk[300];

static void remove_image(void) {
  unlink(image);
  rmdir(disk);
}

static void skip_disk(const char *why) {
  remove_image();
  test_skip(why);
}

/* What the command says is not of interest. */
static bool run(const char *format, const char *a, const char *b) {
  char command[1000];
  snprintf(command, sizeof command, format, a, b);
  strcat(command, " >/dev/null 2>&1");
  return system(command) == 0;
}

/* Taken by what is mounted from it, and gone when that is. */
static bool attach(int file, char device[32]) {
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  struct loop_status status = {.flags = AUTOCLEAR};
  for (int tries = 0; control >= 0 && tries < 50; tries++) {
    snprintf(device, 32, "/dev/loop%d", ioctl(control, GET_FREE));
    int fd = open(device, O_RDWR | O_CLOEXEC);
    if (fd < 0) break;
    if (ioctl(fd, SET_FD, file) == 0) {
      CHECK(ioctl(fd, SET_STATUS, &status) == 0);
      close(control);
      return true; /* the descriptor keeps it until it is mounted */
    }
    close(fd); /* somebody was faster */
  }
  close(control);
  return false;
}

static void mount_disk(const char *type, const char *make, off_t size) {
  char device[32];
  mount_apart();
  snprintf(disk, sizeof disk, "%s/disk", temporary_directory());
  snprintf(image, sizeof image, "%s/image", temporary_directory());
  int file = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  CHECK(file >= 0 && ftruncate(file, size) == 0 && mkdir(disk, 0700) == 0);
  if (!run("command -v mkfs.%s%s", type, "")) skip_disk("no mkfs for it");
  if (!run(make, image, "")) skip_disk("mkfs does not make it");
  if (!attach(file, device)) skip_disk("no loop device");
  if (mount(device, disk, type, 0, NULL) != 0)
    skip_disk("this kernel does not mount it");
  close(file);
  CHECK(chmod(disk, 0700) == 0);
}

/* ---- what is done there -------------------------------------------------- */

static bool see_mapped(uint64_t pid, const uint64_t identity[2],
                       uint64_t copied, void *context) {
  uint64_t *seen = context;
  (void)identity, (void)copied;
  seen[0]++;
  seen[1] += pid == (uint64_t)getpid();
  return true;
}

ROLE(owns_until_killed) {
  CHECK_OK(allocate_for_process("o"));
  CHECK_OK(allocate("freed", SIZE));
  map("freed")[SIZE - 1] = 42;
  raise_flag(0);
  await_flag(1, 1);
}

static void check_mapped_by(uint64_t expected) {
  uint64_t seen[2] = {0, 0};
  CHECK_OK(smem_mapped_by("freed", false, see_mapped, seen, &error));
  CHECK_EQUAL(expected, seen[0]);
  CHECK_EQUAL(1, seen[1]);
}

/* The owner is killed: what was its own goes, and what was not is whole. */
static void outlive_an_owner(void) {
  unsigned counts[8] = {0};
  process_id owner = START(owns_until_killed, "");
  await_flag(0, 1);
  CHECK_EQUAL(42, map("freed")[SIZE - 1]);
  check_mapped_by(2);
  kill_process(owner);
  CHECK_EQUAL(KILLED + SIGKILL, finish(owner));
  check_mapped_by(1);
  CHECK_EQUAL(SMEM_ORPHAN, listed_state("o"));
  CHECK_OK(smem_reclaim(false, false, count_fate, counts, &error));
  CHECK_EQUAL(1, counts[SMEM_REMOVED]);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("o"));
  CHECK_EQUAL(42, map("freed")[SIZE - 1]);
  CHECK_OK(free_id("freed"));
}

/* A file system that has no room is an error, not a bus error later on. */
static void fill_it(void) {
  CHECK_CODE(SMEM_NO_SPACE, allocate("b", (uint64_t)1 << 30));
  uint64_t number = 0;
  smem_request request = SMEM_REQUEST_INIT(SIZE, NULL);
  while (smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error) == SMEM_OK)
    memset(map(number_id(number = request.number)), 1, SIZE);
  CHECK_EQUAL(SMEM_NO_SPACE, error.code);
  CHECK(number > 0);
  for (; number > 0; number--) CHECK_OK(free_id(number_id(number)));
}

static void use(const char *directory) {
  const char *id = "a";
  char text[6] = "";
  set_variable("SHAREDMEMORY_DIR", directory);
  CHECK_OK(allocate("a", SIZE));
  CHECK_OK(write_bytes("a", SIZE - 6, "hello", 6));
  CHECK(memcmp(map("a") + SIZE - 6, "hello", 6) == 0);
  mail_reference("a");
  smem_reference reference = read_mail();
  CHECK_OK(try_open_reference(&reference));
  CHECK_OK(smem_seal(&id, 1, &error));
  CHECK(write_bytes("a", 0, "x", 1) == SMEM_SEALED);
  CHECK_OK(read_bytes("a", SIZE - 6, text, 6));
  CHECK(strcmp(text, "hello") == 0);
  CHECK_EQUAL(1, count_listed());
  CHECK_OK(free_id("a"));
  outlive_an_owner();
  fill_it();
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(smem_leave(&error));
  set_variable("SHAREDMEMORY_DIR", NULL);
}

static void unmount_disk(void) {
  CHECK(umount(disk) == 0);
  remove_image();
}

/* On the disk; or skip. */
static void mount_inside(const char *path, const char *type,
                         const char *options) {
  if (mount("none", path, type, 0, options) == 0) return;
  unmount_disk();
  test_skip("this kernel does not mount it");
}

static void use_disk(void) {
  use(disk);
  unmount_disk();
}

TEST_FOR(on_ext4, 60) {
  mount_disk("ext4", "mkfs.ext4 -q -F %s%s", (off_t)64 << 20);
  use_disk();
}

/* As a container has it for all that is not mounted into it. */
TEST_FOR(on_an_overlay, 60) {
  char merged[400], options[1500];
  const char *const parts[] = {"lower", "upper", "work", "merged"};
  mount_disk("ext4", "mkfs.ext4 -q -F %s%s", (off_t)64 << 20);
  for (int i = 0; i < 4; i++) {
    snprintf(merged, sizeof merged, "%s/%s", disk, parts[i]);
    CHECK(mkdir(merged, 0700) == 0);
  }
  snprintf(options, sizeof options,
           "lowerdir=%s/%s,upperdir=%s/%s,workdir=%s/%s", disk, parts[0], disk,
           parts[1], disk, parts[2]);
  mount_inside(merged, "overlay", options);
  use(merged);
  CHECK(umount(merged) == 0);
  unmount_disk();
}

/* A disk that is full is an error here too, and what is on it stays whole. */
TEST_FOR(spilled_to_a_disk_until_it_is_full, 60) {
  char small[400];
  mount_disk("ext4", "mkfs.ext4 -q -F %s%s", (off_t)64 << 20);
  snprintf(small, sizeof small, "%s/small", disk);
  CHECK(mkdir(small, 0700) == 0);
  mount_inside(small, "tmpfs", "size=1m,mode=0700");
  set_variable("SHAREDMEMORY_SPILL", disk);
  use(small);
  set_variable("SHAREDMEMORY_SPILL", NULL);
  CHECK(umount(small) == 0);
  unmount_disk();
}

/* The smallest that mkfs.xfs makes. */
TEST_FOR(on_xfs, 60) {
  mount_disk("xfs", "mkfs.xfs -q %s%s", (off_t)320 << 20);
  use_disk();
}

/* Where a mapping names another device than the file. */
TEST_FOR(on_btrfs, 60) {
  mount_disk("btrfs", "mkfs.btrfs -q %s%s", (off_t)128 << 20);
  use_disk();
}

#else
typedef int nothing_to_test_here;
#endif
