/* POSIX: the table of system calls. */
#include "posix.h"
#ifdef OS_POSIX

/* Variadic functions take their arguments elsewhere on arm64 macOS, so that a
 * pointer to them must not be called as one to an ordinary function. */
static int real_open(const char *path, int flags, mode_t mode) {
  return open(path, flags, mode);
}
static int real_lock(int fd, int command, struct flock *lock) {
  return fcntl(fd, command, lock);
}

#ifdef OS_LINUX
static int real_reserve(int fd, off_t offset, off_t length) {
  return fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length);
}
#else
static int real_shm_open(const char *name, int flags, mode_t mode) {
  return shm_open(name, flags, mode);
}

/* Shared memory is swap on macOS, and nothing can be reserved. */
static int real_reserve(int fd, off_t offset, off_t length) {
#if defined(__linux__) || defined(__FreeBSD__)
  int number = posix_fallocate(fd, offset, length);
  if (number == 0 || number == EINVAL || number == ENODEV ||
      number == EOPNOTSUPP)
    return 0;
  errno = number;
  return -1;
#else
  (void)fd;
  (void)offset;
  (void)length;
  return 0;
#endif
}
#endif

#ifndef SHAREDMEMORY_TEST_SYSCALLS
const
#endif
    struct os_syscalls smem__os_sys = {
        .open = real_open,
        .unlink = unlink,
#ifndef OS_LINUX /* which opens the files of its shared memory itself */
        .shm_open = real_shm_open,
        .shm_unlink = shm_unlink,
#endif
        .close = close,
        .fstat = fstat,
        .lstat = lstat,
        .chmod = chmod,
        .fchmod = fchmod,
        .reserve = real_reserve,
        .ftruncate = ftruncate,
        .pread = pread,
        .pwrite = pwrite,
        .mmap = mmap,
        .munmap = munmap,
        .lock = real_lock,
        .flock = flock,
        .readdir = readdir,
        .calloc = calloc,
        .linkat = linkat,
};

#endif
