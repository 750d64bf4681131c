/* Linux: the table of system calls. */
#include "linux.h"
#ifdef OS_LINUX

static int real_open(const char *path, int flags, mode_t mode) {
  return open(path, flags, mode);
}
static int real_reserve(int fd, off_t offset, off_t length) {
  return fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length);
}
static int real_lock(int fd, int command, struct flock *lock) {
  return fcntl(fd, command, lock);
}

#ifndef SHAREDMEMORY_TEST_SYSCALLS
const
#endif
    struct os_syscalls smem__os_sys = {
        .open = real_open,
        .unlink = unlink,
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
