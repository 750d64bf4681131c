/* macOS: shared memory objects as their own locks, which they are not there.
 *
 * In their place a byte of a file beside the record is locked, by the hash of
 * the object's name, each through an opening of its own: so threads are
 * excluded too, and a death lets go of it. Where a system has only locks that
 * belong to processes it is the whole file, and all who make or remove objects
 * of the namespace wait for each other. */
#include "macos.h"
#ifdef OS_MACOS

/* The descriptor of the object, and above it that of its lock, plus 1. */
_Static_assert(sizeof(os_object) >= 8, "two descriptors fit");

os_object smem__macos_held(int fd, int lock) {
  return fd < 0 ? lock : (os_object)fd | ((os_object)lock + 1) << 32;
}

void smem__os_object_close(os_object object) {
  smem__posix_shut((int)(object & INT32_MAX));
  if (object >> 32) smem__posix_shut((int)(object >> 32) - 1);
}

static int try_lock(int fd, const char *name) {
#ifdef F_OFD_SETLK
  struct flock lock;
  memset(&lock, 0, sizeof lock);
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = (off_t)(smem__hash(name, strlen(name), 1) >> 2);
  lock.l_len = 1;
  return smem__os_sys.lock(fd, F_OFD_SETLK, &lock);
#else
  (void)name;
  return smem__os_sys.flock(fd, LOCK_EX | LOCK_NB);
#endif
}

os_status smem__macos_lock(const char *name, int *fd) {
  struct macos_path path = smem__macos_lock_path(name);
  for (;;) {
    os_info info;
    os_status status =
        smem__macos_open_file(path.text, O_RDWR | O_CREAT, fd, &info);
    if (status.code != OS_OK) return status;
    if (try_lock(*fd, name) == 0)
      status = smem__posix_inspect(*fd, &info);
    else if (errno == EAGAIN || errno == EACCES)
      status = (os_status){OS_BUSY, errno};
    else
      status = smem__posix_last();
    if (status.code == OS_OK && !info.unlinked) return status;
    smem__posix_shut(*fd);
    /* Removed before we had it: there may be another one by now. */
    if (status.code != OS_OK) return status;
  }
}

#endif
