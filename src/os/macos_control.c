/* macOS: the control object, a regular file. */
#include "macos.h"
#ifdef OS_MACOS

/* The record comes and goes with the control object, so that creating a segment
 * in vain leaves nothing behind. Should that fail here, it is done there. */
static void create_record(const char *name) {
  struct macos_path path = macos_record_path(name);
  os_info info;
  int fd;
  if (macos_record_open(path.text, O_WRONLY | O_CREAT, &fd, &info).code ==
      OS_OK)
    posix_shut(fd);
}

os_status os_control_open(const char *name, bool create, os_object *object,
                          os_info *info) {
  struct macos_path path = macos_temp_path("", name);
  int fd;
  os_status status =
      macos_open_file(path.text, O_RDWR | (create ? O_CREAT : 0), &fd, info);
  if (status.code != OS_OK) return status;
  if (create && info->size == 0) create_record(name);
  *object = fd;
  return status;
}

static os_status write_zeros(int fd, uint64_t size) {
  static const char zeros[4096];
  os_status status = OS_SUCCESS;
  for (uint64_t done = 0; done < size && status.code == OS_OK;) {
    uint64_t step = size - done < sizeof zeros ? size - done : sizeof zeros;
    status = posix_write_all(fd, zeros, (size_t)step, (off_t)done);
    done += step;
  }
  return status;
}

/* Writing zeros is what reserves a file's blocks on every system. The size
 * comes first, and all at once: a death in between leaves an object that is
 * full of zeros, and one that shrank would be SIGBUS for who has it mapped. */
os_status os_control_resize(os_object object, uint64_t size) {
  int fd = (int)object;
  os_info before;
  os_status status = posix_inspect(fd, &before);
  if (status.code != OS_OK) return status;
  if (before.size < size && os_sys.ftruncate(fd, (off_t)size) != 0)
    return posix_last();
  status = write_zeros(fd, size);
  if (status.code != OS_OK && before.size < size) {
    int kept = errno;
    if (os_sys.ftruncate(fd, (off_t)before.size) != 0) errno = kept;
  }
  return status;
}

/* Called when no process and no segment is left, so that the record names
 * nothing any more. */
os_status os_control_remove(const char *name) {
  struct macos_path path = macos_temp_path("", name);
  struct macos_path record = macos_record_path(name);
  struct stat status;
  if (os_sys.lstat(path.text, &status) != 0) return posix_last();
  if (status.st_uid != geteuid()) return (os_status){OS_DENIED, EPERM};
  os_sys.unlink(record.text);
  return os_sys.unlink(path.text) == 0 ? OS_SUCCESS : posix_last();
}

#endif
