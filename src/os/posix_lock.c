/* POSIX: locks of ranges of bytes.
 *
 * A classic POSIX record lock belongs to the process and is lost as soon as
 * anything in the process opens and closes the same file: reading /dev/shm with
 * file.copy() would make us look dead. An open-file-description lock belongs to
 * the opening: it goes when the last descriptor of that opening goes, and the
 * kernel sees to that after kill -9 too. A forked child shares the opening, so
 * the child must close its copy (smem__os_at_fork). Where a system has no such
 * locks the classic ones must do. */
#include "posix.h"
#ifdef OS_POSIX

#ifdef F_OFD_SETLK
#define LOCK_SET F_OFD_SETLK
#define LOCK_GET F_OFD_GETLK
#else
#define LOCK_SET F_SETLK
#define LOCK_GET F_GETLK
#endif

static struct flock lock_range(short type, uint64_t offset, uint64_t length) {
  struct flock lock;
  memset(&lock, 0, sizeof lock); /* l_pid must be 0 for F_OFD_* */
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = (off_t)offset;
  lock.l_len = (off_t)length;
  return lock;
}

os_status smem__os_lock(os_object control, uint64_t offset, uint64_t length) {
  struct flock lock = lock_range(F_WRLCK, offset, length);
  if (smem__os_sys.lock((int)control, LOCK_SET, &lock) == 0) return OS_SUCCESS;
  if (errno == EAGAIN || errno == EACCES) return (os_status){OS_BUSY, errno};
  return smem__posix_last();
}

void smem__os_unlock(os_object control, uint64_t offset, uint64_t length) {
  struct flock lock = lock_range(F_UNLCK, offset, length);
  smem__os_sys.lock((int)control, LOCK_SET, &lock);
}

os_status smem__os_lock_query(os_object control, uint64_t offset,
                              uint64_t length, bool *held) {
  struct flock lock = lock_range(F_WRLCK, offset, length);
  if (smem__os_sys.lock((int)control, LOCK_GET, &lock) != 0)
    return smem__posix_last();
  *held = lock.l_type != F_UNLCK;
  return OS_SUCCESS;
}

#endif
