/* The system calls of the POSIX implementation, as a table.
 *
 * Only the POSIX implementation includes this, by way of posix.h. A test build
 * (SHAREDMEMORY_TEST_SYSCALLS) may put its own function in any place: to make
 * the n-th call fail, or to kill the process there. Otherwise the table is
 * constant. What only informs and cannot fail a call (statvfs, stdio on /proc)
 * goes round it. */
#ifndef SHAREDMEMORY_OS_SYSCALLS_H
#define SHAREDMEMORY_OS_SYSCALLS_H

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* X(result, name, parameters, arguments) */
#define OS_SYSCALLS(X)                                                         \
  X(int, open, (const char *path, int flags, mode_t mode),                     \
    (path, flags, mode))                                                       \
  X(int, unlink, (const char *path), (path))                                   \
  X(int, shm_open, (const char *name, int flags, mode_t mode),                 \
    (name, flags, mode))                                                       \
  X(int, shm_unlink, (const char *name), (name))                               \
  X(int, close, (int fd), (fd))                                                \
  X(int, fstat, (int fd, struct stat *status), (fd, status))                   \
  X(int, lstat, (const char *path, struct stat *status), (path, status))       \
  X(int, chmod, (const char *path, mode_t mode), (path, mode))                 \
  X(int, fchmod, (int fd, mode_t mode), (fd, mode))                            \
  X(int, reserve, (int fd, off_t offset, off_t length), (fd, offset, length))  \
  X(int, ftruncate, (int fd, off_t length), (fd, length))                      \
  X(ssize_t, pread, (int fd, void *buffer, size_t length, off_t offset),       \
    (fd, buffer, length, offset))                                              \
  X(ssize_t, pwrite,                                                           \
    (int fd, const void *buffer, size_t length, off_t offset),                 \
    (fd, buffer, length, offset))                                              \
  X(void *, mmap,                                                              \
    (void *hint, size_t length, int protection, int flags, int fd,             \
     off_t offset),                                                            \
    (hint, length, protection, flags, fd, offset))                             \
  X(int, linkat,                                                               \
    (int from, const char *path, int to, const char *name, int flags),         \
    (from, path, to, name, flags))                                             \
  X(int, munmap, (void *address, size_t length), (address, length))            \
  X(int, flock, (int fd, int operation), (fd, operation))                      \
  X(int, lock, (int fd, int command, struct flock *lock), (fd, command, lock)) \
  X(struct dirent *, readdir, (DIR * directory), (directory))                  \
  X(void *, calloc, (size_t count, size_t length), (count, length))

struct os_syscalls {
#define X(result, name, parameters, arguments) result(*name) parameters;
  OS_SYSCALLS(X)
#undef X
};

#ifdef SHAREDMEMORY_TEST_SYSCALLS
extern struct os_syscalls smem__os_sys;
#else
extern const struct os_syscalls smem__os_sys;
#endif

#endif
