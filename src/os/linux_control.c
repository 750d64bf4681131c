/* Linux: the control object, a file beside the others. */
#include "linux.h"
#ifdef OS_LINUX

os_status os_control_open(const char *name, bool create, os_object *object,
                          os_info *info) {
  struct linux_path path = linux_path_of(name);
  int fd;
  os_status result = linux_open_own(&path, LINUX_CONTROL,
                                    O_RDWR | (create ? O_CREAT : 0), &fd);
  if (result.code == OS_DENIED) {
    /* Also fs.protected_regular: O_CREAT on another user's file in a sticky
     * directory is refused even to root. */
    struct stat status;
    if (os_sys.lstat(path.text, &status) == 0) posix_info(&status, info);
  }
  if (result.code != OS_OK) return result;
  result = posix_inspect(fd, info);
  /* The umask may have taken away what open() asked for. */
  if (result.code == OS_OK && info->user == os_user() && info->size == 0 &&
      os_sys.fchmod(fd, 0600) != 0)
    result = posix_last();
  if (result.code != OS_OK) {
    posix_shut(fd);
    return result;
  }
  *object = fd;
  return OS_SUCCESS;
}

os_status os_control_resize(os_object object, uint64_t size) {
  int fd = (int)object;
  static const char zeros[4096];
  os_info before;
  os_status status = posix_inspect(fd, &before);
  if (status.code == OS_OK) status = linux_reserve(fd, size, NULL);
  /* Never smaller: somebody may have the damaged one mapped and look at it. */
  if (status.code == OS_OK && before.size < size &&
      os_sys.ftruncate(fd, (off_t)size) != 0)
    status = posix_last();
  for (uint64_t at = 0; status.code == OS_OK && at < size; at += sizeof zeros)
    status = posix_write_all(fd, zeros,
                             size - at < sizeof zeros ? (size_t)(size - at)
                                                      : sizeof zeros,
                             (off_t)at);
  return status;
}

os_status os_control_remove(const char *name) { return os_object_remove(name); }

#endif
