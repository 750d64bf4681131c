/* Linux: which machine this is, its memory and its limits. */
#include "linux.h"
#ifdef OS_LINUX

#include <sys/resource.h>
#include <sys/statvfs.h>

os_status smem__os_place(const char *directory, uint64_t place[2]) {
  static _Atomic uint64_t boot; /* does not change while we run */
  struct stat status;
  if (boot == 0) {
    char text[64];
    errno = ENOENT;
    size_t length = smem__linux_read_text("/proc/sys/kernel/random/boot_id",
                                          text, sizeof text);
    os_status failure = smem__posix_last();
    if (length > 0)
      boot = smem__hash(text, length, 1);
    else if (failure.code != OS_NOT_FOUND && failure.code != OS_DENIED)
      return failure;
  }
  place[0] = boot;
  place[1] = 0;
  if (stat(smem__linux_directory(directory).text, &status) == 0)
    place[1] = (uint64_t)status.st_dev;
  /* Of a directory that is not the root of a file system the device says too
   * little: another container may have another one of it. */
  if (directory[0])
    place[1] = smem__hash(&status.st_ino, sizeof status.st_ino, place[1]);
  return OS_SUCCESS;
}

/* systemd's logind removes a user's shared memory when the last session ends,
 * unless that is switched off or it is a system user. */
bool smem__os_cleans_at_logout(void) {
  struct stat status;
  enum { FIRST_REGULAR_USER = 1000 };
  if (geteuid() < FIRST_REGULAR_USER ||
      stat("/run/systemd/system", &status) != 0)
    return false;
  char text[8192];
  if (smem__linux_read_text("/etc/systemd/logind.conf", text, sizeof text) == 0)
    return true;
  const char *setting = strstr(text, "\nRemoveIPC=");
  return !setting || strncmp(setting + 11, "no", 2) != 0;
}

void smem__os_capacity(const char *directory, uint64_t *capacity,
                       uint64_t *used) {
  struct statvfs fs;
  *capacity = *used = UINT64_MAX;
  if (statvfs(smem__linux_directory(directory).text, &fs) != 0 ||
      fs.f_blocks == 0)
    return;
  *capacity = (uint64_t)fs.f_blocks * fs.f_frsize;
  *used = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
}

/* Beyond it the kernel would send SIGXFSZ: see smem__linux_reserve(). */
uint64_t smem__os_largest(void) {
  struct rlimit most;
  if (getrlimit(RLIMIT_FSIZE, &most) != 0 || most.rlim_cur == RLIM_INFINITY)
    return UINT64_MAX;
  return (uint64_t)most.rlim_cur;
}

void smem__os_mapping_counts(uint64_t *most, uint64_t *own) {
  *most = smem__linux_read_number("/proc/sys/vm/max_map_count");
  *own = smem__linux_own_mappings();
}

#endif
