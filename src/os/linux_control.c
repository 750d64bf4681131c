/* Linux: the control object, a file beside the others. */
#include "linux.h"
#ifdef OS_LINUX

os_status os_control_open(const char *name, os_object *object, os_info *info) {
  struct linux_path path = linux_path_of(name);
  int fd;
  os_status result = linux_open_own(&path, LINUX_CONTROL, O_RDWR, &fd);
  if (result.code == OS_DENIED) {
    struct stat status;
    if (os_sys.lstat(path.text, &status) == 0) posix_info(&status, info);
  }
  if (result.code != OS_OK) return result;
  result = posix_inspect(fd, info);
  if (result.code == OS_OK)
    *object = fd;
  else
    posix_shut(fd);
  return result;
}

os_status os_control_create(const char *name, os_object *object) {
  return os_object_create(name, 0, object);
}

os_status os_control_claim(const char *name, os_object *object, os_info *info) {
  return linux_claim(name, object, info);
}

os_status os_control_publish(os_object object, const void *page, size_t size) {
  os_status status = linux_reserve((int)object, size, NULL);
  if (status.code == OS_OK)
    status = posix_write_all((int)object, page, size, 0);
  if (status.code == OS_OK) posix_file_let_go((int)object);
  return status;
}

os_status os_control_remove(const char *name) { return os_object_remove(name); }

#endif
