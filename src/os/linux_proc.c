/* Linux: what /proc and the file system tell of memory, limits and processes. */
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)

#include "linux.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

/* ---- space ------------------------------------------------------------- */

/* A line "Key:   123 kB" of /proc/meminfo, in bytes; 0 if there is none. */
static uint64_t meminfo(const char *text, const char *key) {
  const char *line = strstr(text, key);
  uint64_t kib = 0;
  if (line && sscanf(line + strlen(key), ": %" SCNu64, &kib) != 1) kib = 0;
  return kib * 1024;
}

static size_t read_text(const char *path, char *buffer, size_t length) {
  int fd = os_sys.open(path, O_RDONLY | O_CLOEXEC, 0);
  buffer[0] = '\0';
  if (fd < 0) return 0;
  ssize_t got;
  do got = os_sys.pread(fd, buffer, length - 1, 0);
  while (got < 0 && errno == EINTR);
  posix_shut(fd);
  buffer[got > 0 ? got : 0] = '\0';
  return got > 0 ? (size_t)got : 0;
}

uint64_t os_free_space(void) {
  uint64_t room = UINT64_MAX;
  struct statvfs fs;
  /* A tmpfs mounted without a size reports 0 blocks: no limit of its own. */
  if (statvfs(DIRECTORY, &fs) == 0 && fs.f_blocks > 0)
    room = (uint64_t)fs.f_bavail * fs.f_frsize;
  /* tmpfs pages are memory. /dev/shm may be larger than what is left of it, and
   * reserving more than that ends in the out-of-memory killer, not in ENOSPC. */
  char text[4096];
  if (read_text("/proc/meminfo", text, sizeof text) > 0) {
    uint64_t memory = meminfo(text, "MemAvailable") + meminfo(text, "SwapFree");
    if (memory > 0 && memory < room) room = memory;
  }
  return room;
}

static uint64_t read_number(const char *path) {
  char text[32];
  uint64_t value;
  if (read_text(path, text, sizeof text) == 0 ||
      sscanf(text, "%" SCNu64, &value) != 1)
    return UINT64_MAX;
  return value;
}

/* Not by stdio, whose buffer may need a mapping itself (it does in musl), and one
 * may ask because there are none left. */
static uint64_t own_mappings(void) {
  uint64_t lines = 0;
  char block[4096];
  int fd = os_sys.open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return UINT64_MAX;
  for (ssize_t got; (got = read(fd, block, sizeof block)) > 0;)
    for (ssize_t i = 0; i < got; i++) lines += block[i] == '\n';
  posix_shut(fd);
  return lines;
}

/* mmap() says ENOMEM for a full address space and for too many mappings alike;
 * they have different remedies. */
bool linux_mappings_used_up(void) {
  uint64_t most = read_number("/proc/sys/vm/max_map_count");
  uint64_t mappings = own_mappings();
  return most != UINT64_MAX && mappings != UINT64_MAX && mappings + 2 >= most;
}

bool linux_mappings_run_out(void) {
  enum { SHARE = 64 }; /* the others' part of the limit: 1 in 64, some 1,000 */
  static _Atomic uint64_t most; /* as it was when we last came near it */
  uint64_t mapped = posix_mapped;
  if (mapped < most - most / SHARE) return false;
  most = read_number("/proc/sys/vm/max_map_count");
  return mapped >= most - most / SHARE;
}

/* ---- process ----------------------------------------------------------- */

static uint64_t inode_of(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 ? (uint64_t)status.st_ino : 0;
}

/* A pid means something in one pid namespace; the start time counts from the
 * boot of one time namespace. Both are needed to recognise a process. */
static uint64_t pid_space(void) {
  uint64_t pids = inode_of("/proc/self/ns/pid");
  uint64_t times = inode_of("/proc/self/ns/time"); /* 0 before Linux 5.6 */
  return pids == 0 ? 0 : pids ^ (times << 32);
}

/* State and start time (clock ticks since boot). False if there is no such
 * process, or if we may not see it: then *gone tells which. */
static bool read_process(const char *pid, char *state, uint64_t *start,
                         bool *gone) {
  char path[300], text[1024];
  snprintf(path, sizeof path, "/proc/%s/stat", pid);
  errno = 0;
  bool there = read_text(path, text, sizeof text) > 0;
  /* ESRCH: it ended between open and read. */
  *gone = !there && (errno == ENOENT || errno == ESRCH);
  if (!there) return false;
  /* The second field is the command's name in parentheses and may itself have
   * blanks and parentheses; the state is next, the start time the 20th. */
  char *at = strrchr(text, ')');
  if (!at || sscanf(at, ") %c", state) != 1) return false;
  for (int field = 0; at && field < 20; field++) at = strchr(at + 1, ' ');
  return at && sscanf(at, " %" SCNu64, start) == 1;
}

void os_process_self(os_process *self) {
  char state;
  bool gone;
  self->pid = (uint64_t)getpid();
  self->pid_space = pid_space();
  if (!read_process("self", &state, &self->start, &gone)) self->start = 0;
}

/* Does /proc tell of our own pid namespace? A container may have its host's, and
 * then the numbers in it are other processes. */
static bool proc_is_ours(void) {
  char self[24];
  ssize_t length = readlink("/proc/self", self, sizeof self - 1);
  if (length <= 0) return false;
  self[length] = '\0';
  return strtoull(self, NULL, 10) == (unsigned long long)getpid();
}

os_life os_process_life(const os_process *process) {
  char pid[24], state;
  uint64_t start;
  bool gone;
  /* Somebody else's pids, a process that could not tell, or no /proc here. */
  if (process->start == 0 || process->pid_space == 0 ||
      process->pid_space != pid_space() || !proc_is_ours())
    return OS_LIFE_UNKNOWN;
  snprintf(pid, sizeof pid, "%" PRIu64, process->pid);
  /* With hidepid a process may only be hidden: kill() knows. */
  if (!read_process(pid, &state, &start, &gone))
    return gone && kill((pid_t)process->pid, 0) != 0 && errno == ESRCH
               ? OS_DEAD
               : OS_LIFE_UNKNOWN;
  /* A zombie has ended; only its parent has not asked yet. */
  return start == process->start && state != 'Z' && state != 'X' ? OS_ALIVE
                                                                 : OS_DEAD;
}

/* From arguments that are separated by NUL: the script, as `Rscript x.R` and
 * `R -f x.R` pass it on, or the command without its folder. */
void os_process_command(uint64_t pid, char *buffer, size_t length) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%" PRIu64 "/cmdline", pid);
  size_t size = read_text(path, text, sizeof text);
  const char *name = strrchr(text, '/');
  buffer[0] = '\0';
  if (size == 0) return;
  name = name ? name + 1 : text;
  for (size_t at = 0; at < size; at += strlen(text + at) + 1) {
    if (strcmp(text + at, "--args") == 0) break;
    if (strncmp(text + at, "--file=", 7) == 0) name = text + at + 7;
    if (strcmp(text + at, "-f") == 0 && at + 3 < size) name = text + at + 3;
  }
  snprintf(buffer, length, "%s", name);
  /* Rscript writes "~+~" for the blanks of a name. */
  for (char *at; (at = strstr(buffer, "~+~")) != NULL;) {
    *at = ' ';
    memmove(at + 1, at + 3, strlen(at + 3) + 1);
  }
}

/* ---- who maps what, and what will bite ------------------------------------- */

struct mapping_visitor {
  const char *prefix;
  bool (*visit)(uint64_t pid, const uint64_t identity[2], void *context);
  void *context;
};

/* One line of /proc/<pid>/maps: address, access, offset, device, inode, path. */
static bool visit_line(const char *line, uint64_t pid,
                       const struct mapping_visitor *visitor) {
  unsigned major, minor;
  uint64_t inode;
  const char *path = strstr(line, DIRECTORY);
  if (!path || strncmp(path + sizeof DIRECTORY - 1, visitor->prefix,
                       strlen(visitor->prefix)) != 0 ||
      sscanf(line, "%*s %*s %*s %x:%x %" SCNu64, &major, &minor, &inode) != 3)
    return true;
  uint64_t identity[2] = {(uint64_t)makedev(major, minor), inode};
  return visitor->visit(pid, identity, visitor->context);
}

static bool visit_process(const char *pid,
                          const struct mapping_visitor *visitor) {
  char path[300], *line = NULL;
  size_t room = 0;
  bool go_on = true;
  snprintf(path, sizeof path, "/proc/%s/maps", pid);
  FILE *maps = fopen(path, "re");
  if (!maps) return true; /* ended, or not ours to look into */
  while (go_on && getline(&line, &room, maps) > 0)
    go_on = visit_line(line, strtoull(pid, NULL, 10), visitor);
  free(line);
  fclose(maps);
  return go_on;
}

os_status os_mappings(const char *prefix,
                      bool (*visit)(uint64_t pid, const uint64_t identity[2],
                                    void *context),
                      void *context) {
  struct mapping_visitor visitor = {prefix, visit, context};
  DIR *directory = opendir("/proc");
  if (!directory) return (os_status){OS_UNSUPPORTED, errno};
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
        !visit_process(entry->d_name, &visitor))
      break;
  closedir(directory);
  return OS_SUCCESS;
}

/* ---- copied pages ---------------------------------------------------------- */

/* /proc/self/pagemap has 64 bits per page: 63 present, 62 swapped, 61 the page is
 * the file's. What is there and not the file's was copied. */
os_status os_mapping_written(const void *address, uint64_t size,
                             bool *written) {
  const uint64_t mapped = (uint64_t)3 << 62, of_file = (uint64_t)1 << 61;
  uint64_t entries[2048], page = os_page_size();
  uint64_t at = (uint64_t)(uintptr_t)address / page;
  uint64_t end = at + (size + page - 1) / page;
  os_status status = OS_SUCCESS;
  *written = false;
  int fd = os_sys.open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return (os_status){OS_UNSUPPORTED, errno};
  while (at < end && !*written && status.code == OS_OK) {
    size_t room = sizeof entries / sizeof *entries;
    size_t count = end - at < room ? (size_t)(end - at) : room;
    status = posix_read_all(fd, entries, count * sizeof *entries,
                            (off_t)(at * sizeof *entries));
    for (size_t i = 0; i < count && status.code == OS_OK; i++)
      if ((entries[i] & mapped) && !(entries[i] & of_file)) *written = true;
    at += count;
  }
  posix_shut(fd);
  if (status.code != OS_OK) status.code = OS_UNSUPPORTED;
  return status;
}

/* ---- the machine ------------------------------------------------------------- */

os_status os_place(uint64_t place[2]) {
  static _Atomic uint64_t boot; /* does not change while we run */
  struct stat directory;
  if (boot == 0) {
    char text[64];
    errno = ENOENT;
    size_t length =
        read_text("/proc/sys/kernel/random/boot_id", text, sizeof text);
    os_status failure = posix_last();
    if (length > 0)
      boot = posix_hash(text, length, 1);
    else if (failure.code != OS_NOT_FOUND && failure.code != OS_DENIED)
      return failure;
  }
  place[0] = boot;
  place[1] = stat(DIRECTORY, &directory) == 0 ? (uint64_t)directory.st_dev : 0;
  return OS_SUCCESS;
}

/* systemd's logind removes a user's shared memory when his last session ends,
 * unless that is switched off or he is a system user. */
static bool removed_at_logout(void) {
  struct stat status;
  enum { FIRST_REGULAR_USER = 1000 };
  if (geteuid() < FIRST_REGULAR_USER ||
      stat("/run/systemd/system", &status) != 0)
    return false;
  char text[8192];
  if (read_text("/etc/systemd/logind.conf", text, sizeof text) == 0)
    return true;
  const char *setting = strstr(text, "\nRemoveIPC=");
  return !setting || strncmp(setting + 11, "no", 2) != 0;
}

void os_limits_get(os_limits *limits) {
  struct statvfs fs;
  limits->capacity = limits->used = UINT64_MAX;
  if (statvfs(DIRECTORY, &fs) == 0 && fs.f_blocks > 0) {
    limits->capacity = (uint64_t)fs.f_blocks * fs.f_frsize;
    limits->used = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
  }
  limits->free = os_free_space();
  limits->max_mappings = read_number("/proc/sys/vm/max_map_count");
  limits->mappings = own_mappings();
  limits->cleaned_at_logout = removed_at_logout();
}

#else
typedef int not_linux; /* C wants a declaration in every file */
#endif
