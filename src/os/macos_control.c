/* macOS: the control object, a regular file. */
#include "macos.h"
#ifdef OS_MACOS

static void create_file(struct macos_path path) {
  os_info info;
  int fd;
  if (smem__macos_open_file(path.text, O_WRONLY | O_CREAT, &fd, &info).code ==
      OS_OK)
    smem__posix_shut(fd);
}

/* The record and the file of locks come and go with the control object, so that
 * creating a segment in vain leaves nothing behind. Should that fail here, it
 * is done there. */
static void create_companions(const char *name) {
  create_file(smem__macos_record_path(name));
  create_file(smem__macos_lock_path(name));
}

os_status smem__os_control_open(const char *name, os_object *object,
                                os_info *info) {
  struct macos_path path = smem__macos_temp_path("", name);
  int fd;
  os_status status = smem__macos_open_file(path.text, O_RDWR, &fd, info);
  if (status.code == OS_OK) *object = fd;
  return status;
}

os_status smem__os_control_create(const char *name, os_object *object) {
  struct macos_path path = smem__macos_temp_path("", name);
  int fd;
  os_status status = smem__posix_file_create(path.text, &fd);
  if (status.code != OS_OK) return status;
  create_companions(name);
  *object = fd;
  return status;
}

static os_status open_file(const char *path, int *fd) {
  os_info info;
  return smem__macos_open_file(path, O_RDWR, fd, &info);
}

os_status smem__os_control_claim(const char *name, os_object *object,
                                 os_info *info) {
  struct macos_path path = smem__macos_temp_path("", name);
  return smem__posix_file_claim(open_file, path.text, object, info);
}

/* Writing is what reserves a file's blocks on every system. */
os_status smem__os_control_publish(os_object object, const void *page,
                                   size_t size) {
  os_status status = smem__posix_write_all((int)object, page, size, 0);
  if (status.code == OS_OK) smem__posix_file_let_go((int)object);
  return status;
}

/* Its companions go with it if the record names nothing any more. */
os_status smem__os_control_remove(const char *name) {
  struct macos_path path = smem__macos_temp_path("", name);
  struct macos_path record = smem__macos_record_path(name);
  struct stat status;
  if (smem__os_sys.lstat(path.text, &status) != 0) return smem__posix_last();
  if (status.st_uid != geteuid()) return (os_status){OS_DENIED, EPERM};
  if (smem__os_sys.unlink(path.text) != 0) return smem__posix_last();
  smem__macos_record_sweep(record.text);
  return OS_SUCCESS;
}

#endif
