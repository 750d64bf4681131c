/* macOS: regular files: the control object and the record. */
#include "macos.h"
#ifdef OS_MACOS

/* A umask that takes rights from the owner, and a death before the fchmod(),
 * leave a file that is closed to ourselves. Only its owner can replace a file
 * in a directory with the sticky bit: chmod by path cannot hit another's. */
static bool open_up(const char *path, const struct stat *status) {
  return S_ISREG(status->st_mode) && status->st_uid == geteuid() &&
         (status->st_mode & 0600) != 0600 &&
         smem__os_sys.chmod(path, 0600) == 0;
}

/* With OS_DENIED `info` tells whose it is, if the system does. */
os_status smem__macos_open_file(const char *path, int flags, int *fd,
                                os_info *info) {
  struct stat status;
  *fd = smem__os_sys.open(path, flags | POSIX_SAFE_FLAGS, 0600);
  if (*fd < 0 && errno == EACCES && smem__os_sys.lstat(path, &status) == 0) {
    smem__posix_info(&status, info);
    if (!open_up(path, &status)) return (os_status){OS_DENIED, EACCES};
    *fd = smem__os_sys.open(path, flags | POSIX_SAFE_FLAGS, 0600);
  }
  if (*fd < 0) return smem__posix_last();
  os_status result = smem__posix_inspect(*fd, info);
  if (result.code == OS_OK && info->size == 0 &&
      info->user == smem__os_user() && smem__os_sys.fchmod(*fd, 0600) != 0)
    result = smem__posix_last();
  if (result.code != OS_OK) smem__posix_shut(*fd);
  return result;
}

#endif
