/* POSIX: files that are their own locks.
 *
 * flock() belongs to the opening, so that it excludes threads too, and goes
 * with its last descriptor, however that comes about. Unlike a lock of bytes it
 * can be had through an opening for reading, which is all that a sealed segment
 * allows. */
#include "posix.h"
#ifdef OS_POSIX

static os_status try_lock(int fd) {
  if (smem__os_sys.flock(fd, LOCK_EX | LOCK_NB) == 0) return OS_SUCCESS;
  if (errno == EWOULDBLOCK) return (os_status){OS_BUSY, errno};
  return smem__posix_last();
}

void smem__posix_file_let_go(int fd) { smem__os_sys.flock(fd, LOCK_UN); }

os_status smem__posix_file_hold(int fd, os_info *info) {
  os_status lock = try_lock(fd);
  if (lock.code != OS_OK && lock.code != OS_BUSY) return lock;
  os_status status = smem__posix_inspect(fd, info);
  info->incomplete = info->size == 0;
  if (status.code == OS_OK && info->unlinked)
    return (os_status){OS_NOT_FOUND, 0};
  return status.code == OS_OK ? lock : status;
}

os_status smem__posix_file_claim(os_status (*open)(const char *path, int *fd),
                                 const char *path, os_object *object,
                                 os_info *info) {
  for (;;) {
    int fd;
    os_status status = open(path, &fd);
    if (status.code != OS_OK) return status;
    status = smem__posix_file_hold(fd, info);
    if (status.code == OS_OK && info->user != smem__os_user())
      status = (os_status){OS_DENIED, EPERM};
    status = smem__posix_hand_over(status, fd, object);
    /* It lost its name before we had it: whatever bears the name now. */
    if (status.code != OS_NOT_FOUND) return status;
  }
}

/* A umask may have taken away what open() asked for. */
static os_status give_mode(int fd, const struct stat *status) {
  if ((status->st_mode & 0777) == 0600 || smem__os_sys.fchmod(fd, 0600) == 0)
    return OS_SUCCESS;
  return smem__posix_last();
}

/* Until we hold it others may take it for a dead creator's. They either remove
 * it or let go at once. */
static os_status hold_own(int fd) {
  enum { ATTEMPTS = 1000 };
  const uint64_t pause = 20000;
  for (int attempt = 0;; attempt++) {
    struct stat status;
    os_status lock = try_lock(fd);
    if (lock.code != OS_OK && lock.code != OS_BUSY) return lock;
    if (smem__os_sys.fstat(fd, &status) != 0) return smem__posix_last();
    if (status.st_nlink == 0) return (os_status){OS_BUSY, 0};
    if (lock.code == OS_OK) return give_mode(fd, &status);
    if (attempt == ATTEMPTS) return lock;
    smem__os_sleep(pause);
  }
}

os_status smem__posix_file_create(const char *path, int *fd) {
  *fd = smem__os_sys.open(path, O_RDWR | O_CREAT | O_EXCL | POSIX_SAFE_FLAGS,
                          0600);
  if (*fd < 0) return smem__posix_last();
  os_status status = hold_own(*fd);
  if (status.code == OS_OK) return status;
  smem__posix_shut(*fd);
  return status;
}

#endif
