/* macOS: processes. */
#include "macos.h"
#ifdef OS_MACOS

#ifdef __APPLE__
#include <libproc.h>
#include <sys/sysctl.h>
#endif

/* Pids are the whole machine's. */
enum { PID_SPACE = 1 };

#ifdef __APPLE__
/* False and *gone if there is no such process. */
static bool start_of(uint64_t pid, uint64_t *start, bool *gone) {
  struct kinfo_proc info;
  size_t length = sizeof info;
  int query[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, (int)pid};
  bool asked = sysctl(query, 4, &info, &length, NULL, 0) == 0;
  *gone = asked && (length == 0 || info.kp_proc.p_stat == SZOMB);
  if (!asked || *gone || length != sizeof info) return false;
  *start = (uint64_t)info.kp_proc.p_starttime.tv_sec * 1000000u +
           (uint64_t)info.kp_proc.p_starttime.tv_usec;
  return true;
}
#else
/* Other systems are not asked; then nothing is proved. */
static bool start_of(uint64_t pid, uint64_t *start, bool *gone) {
  (void)pid;
  (void)start;
  *gone = false;
  return false;
}
#endif

void smem__os_process_self(os_process *self) {
  bool gone;
  *self = (os_process){(uint64_t)getpid(), 0, PID_SPACE};
  if (!start_of(self->pid, &self->start, &gone)) self->start = 0;
}

os_life smem__os_process_life(const os_process *process) {
  uint64_t start;
  bool gone;
  if (process->start == 0 || process->pid_space != PID_SPACE)
    return OS_LIFE_UNKNOWN;
  if (!start_of(process->pid, &start, &gone))
    return gone ? OS_DEAD : OS_LIFE_UNKNOWN;
  return start == process->start ? OS_ALIVE : OS_DEAD;
}

void smem__os_process_command(uint64_t pid, char *buffer, size_t length) {
  buffer[0] = '\0';
#ifdef __APPLE__
  if (proc_name((int)pid, buffer, (uint32_t)length) <= 0) buffer[0] = '\0';
#else
  (void)pid;
  (void)length;
#endif
}

#endif
