/* Linux: the control object, a file beside the others. */
#include "linux.h"
#ifdef OS_LINUX

os_status smem__os_control_open(const char *name, os_object *object,
                                os_info *info) {
  struct linux_path path = smem__linux_path_of(name);
  int fd;
  os_status result =
      smem__linux_open_own(path.text, LINUX_CONTROL, O_RDWR, &fd);
  if (result.code == OS_DENIED) {
    struct stat status;
    if (smem__os_sys.lstat(path.text, &status) == 0)
      smem__posix_info(&status, info);
  }
  if (result.code != OS_OK) return result;
  return smem__posix_hand_over(smem__posix_inspect(fd, info), fd, object);
}

os_status smem__os_control_create(const char *name, os_object *object) {
  return smem__os_object_create(name, 0, object);
}

os_status smem__os_control_claim(const char *name, os_object *object,
                                 os_info *info) {
  return smem__os_object_claim(name, object, info);
}

os_status smem__os_control_publish(os_object object, const void *page,
                                   size_t size) {
  os_status status =
      smem__linux_reserve((int)object, size, smem__os_largest(), NULL);
  if (status.code == OS_OK)
    status = smem__posix_write_all((int)object, page, size, 0);
  if (status.code == OS_OK) smem__posix_file_let_go((int)object);
  return status;
}

os_status smem__os_control_remove(const char *name) {
  return smem__os_object_remove(name);
}

#endif
