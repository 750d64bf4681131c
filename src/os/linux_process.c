/* Linux: what /proc tells of processes. */
#include "linux.h"
#ifdef OS_LINUX

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

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
  bool there = smem__linux_read_text(path, text, sizeof text) > 0;
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

void smem__os_process_self(os_process *self) {
  char state;
  bool gone;
  self->pid = (uint64_t)getpid();
  self->pid_space = pid_space();
  if (!read_process("self", &state, &self->start, &gone)) self->start = 0;
}

/* Does /proc tell of our own pid namespace? A container may have its host's,
 * and then the numbers in it are other processes. */
static bool proc_is_ours(void) {
  char self[24];
  ssize_t length = readlink("/proc/self", self, sizeof self - 1);
  if (length <= 0) return false;
  self[length] = '\0';
  return strtoull(self, NULL, 10) == (unsigned long long)getpid();
}

os_life smem__os_process_life(const os_process *process) {
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
void smem__os_process_command(uint64_t pid, char *buffer, size_t length) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%" PRIu64 "/cmdline", pid);
  size_t size = smem__linux_read_text(path, text, sizeof text);
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

#endif
