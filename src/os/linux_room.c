/* Linux: how much can still be allocated, and how it is handed out.
 *
 * Reserving more than the file system has is an error. More than the memory of
 * the machine or of a control group is not: the kernel kills somebody. So
 * nothing is reserved before a look at what is left. A look costs as much as
 * ten small segments, and they must not pay for it: each look leaves an
 * allowance, a small share of what was left, from which all threads take until
 * it is used up or stale. A larger segment is reserved step by step, each at
 * most a part of what a new look finds.
 *
 * So several processes that allocate at one moment, and do not know of each
 * other, take a part each of what is there, and see each other at their next
 * step. That is not a proof: a process that is held up between its look and its
 * step may find that the others have taken all the rest. The parts are so small
 * that they would have to take dozens of steps meanwhile; with an eighth, 4
 * processes in a group of 100 MB met it in one run of three. */
#include "linux.h"
#ifdef OS_LINUX

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/statvfs.h>

enum {
  SHARE = 512, /* of what was left goes into the allowance */
  PART = 32,   /* of what is left may be reserved before the next look */
  FRESH = 20 * 1000 * 1000, /* nanoseconds that an allowance holds */
  LEAST = 64 * 1024 /* bytes of a step, so that there is an end of them */
};

static _Atomic uint64_t allowance, looked;
static _Atomic uint64_t where; /* the device that it is of; 0: no directory of
                                  choice is in use, so there is only one */

/* A line "Key:   123 kB" of /proc/meminfo, in bytes; 0 if there is none. */
static uint64_t meminfo(const char *text, const char *key) {
  const char *line = strstr(text, key);
  uint64_t kib = 0;
  if (line && sscanf(line + strlen(key), ": %" SCNu64, &kib) != 1) kib = 0;
  return kib * 1024;
}

/* tmpfs pages are memory, and /dev/shm may be larger than what is left of it.
 */
static uint64_t memory_left(void) {
  char text[4096];
  int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[got > 0 ? got : 0] = '\0';
  uint64_t left = meminfo(text, "MemAvailable") + meminfo(text, "SwapFree");
  return left > 0 ? left : UINT64_MAX;
}

/* What is on a disk takes memory only as long as there is some to spare. */
static uint64_t room_of(int fd, const char *directory, char *limit,
                        size_t length) {
  uint64_t least = UINT64_MAX;
  struct statvfs fs;
  if (limit && length > 0) limit[0] = '\0';
  /* A tmpfs mounted without a size reports 0 blocks: no limit of its own. */
  if (fstatvfs(fd, &fs) == 0 && fs.f_blocks > 0) {
    least = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (limit)
      snprintf(limit, length, "the size of the file system at %.100s",
               directory);
  }
  if (!smem__linux_is_memory(fd)) return least;
  uint64_t memory = memory_left();
  if (memory < least) {
    least = memory;
    if (limit) snprintf(limit, length, "the memory of this machine");
  }
  smem__linux_cgroup_least("", &least, limit, length);
  return least;
}

uint64_t smem__os_free_space(const char *directory, char *limit,
                             size_t length) {
  const char *path = directory[0] ? directory : "/dev/shm";
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  uint64_t room = room_of(fd, path, limit, length);
  if (fd >= 0) close(fd);
  return room;
}

static bool is_fresh(uint64_t device) {
  return where == device && smem__os_steady_clock() - looked <= FRESH;
}

/* Which allowance a file takes from. (To ask each time would be a system call
 * more for each segment.) */
static uint64_t device_of(int fd) {
  struct stat status;
  if (!smem__linux_chosen) return 0;
  return fstat(fd, &status) == 0 ? (uint64_t)status.st_dev : 0;
}

static bool take(uint64_t device, uint64_t size) {
  uint64_t left = allowance;
  if (!is_fresh(device)) return false;
  while (size <= left)
    if (atomic_compare_exchange_weak(&allowance, &left, left - size))
      return true;
  return false;
}

bool smem__os_has_room(const char *directory, uint64_t size) {
  struct stat status;
  uint64_t device = 0;
  if (smem__linux_chosen &&
      stat(smem__linux_directory(directory).text, &status) == 0)
    device = (uint64_t)status.st_dev;
  return (is_fresh(device) && size <= allowance) ||
         size <= smem__os_free_space(directory, NULL, 0);
}

/* A forked child has to look for itself. (To ask for the pid each time would be
 * a system call more for each segment.) */
static void forget(void) { atomic_store(&looked, 0); }

static void forget_in_children(void) {
  static atomic_flag done = ATOMIC_FLAG_INIT;
  if (!atomic_flag_test_and_set(&done)) smem__os_at_fork(NULL, NULL, forget);
}

bool smem__linux_room_take(int fd, uint64_t size, uint64_t *step) {
  uint64_t device = device_of(fd);
  *step = size;
  if (take(device, size)) return true;
  uint64_t left = room_of(fd, "", NULL, 0);
  if (size > left) return false;
  if (*step > left / PART) *step = left / PART / LEAST * LEAST;
  if (*step < LEAST) *step = size < LEAST ? size : LEAST;
  atomic_store(&allowance, (left - *step) / SHARE);
  atomic_store(&where, device);
  atomic_store(&looked, smem__os_steady_clock());
  forget_in_children();
  return true;
}

#endif
