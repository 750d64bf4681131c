/* Shared by the files posix_*.c and what goes with them: linux_*.c or
 * macos_*.c. */
#ifndef SHAREDMEMORY_OS_POSIX_H
#define SHAREDMEMORY_OS_POSIX_H

#include "system.h"

#ifdef OS_POSIX
#include "syscalls.h"

#include <errno.h>

/* errno -> os_status. */
os_status smem__posix_status(int number);
os_status smem__posix_last(void);

/* Close, keeping errno. (musl has a posix_close() of its own.) */
void smem__posix_shut(int fd);

/* Close it if `status`, which is returned, is an error; else it is *object. */
os_status smem__posix_hand_over(os_status status, int fd, os_object *object);

void smem__posix_info(const struct stat *status, os_info *info);

/* A regular file under no other name. */
bool smem__posix_is_plain(const struct stat *status);

/* fstat, and the checks that hold for every object: a regular file or a shared
 * memory object. OS_NOT_REGULAR otherwise. */
os_status smem__posix_inspect(int fd, os_info *info);

/* ---- posix_file.c: regular files that are their own locks ---------------- */

/* Create it, closed to all but its owner whatever the umask, and hold it.
 * OS_EXISTS; OS_BUSY: somebody took it for a dead creator's and removed it. */
os_status smem__posix_file_create(const char *path, int *fd);
/* Hold what is open, and look at it: OS_BUSY; OS_NOT_FOUND: it has lost its
 * name. */
os_status smem__posix_file_hold(int fd, os_info *info);
void smem__posix_file_let_go(int fd);
/* Open with `open`, hold and look at what bears the path: OS_BUSY; OS_DENIED:
 * another user's. */
os_status smem__posix_file_claim(os_status (*open)(const char *path, int *fd),
                                 const char *path, os_object *object,
                                 os_info *info);

/* ---- posix_object.c ------------------------------------------------------ */

/* Flags of open() that keep a planted link or FIFO harmless. */
#define POSIX_SAFE_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

/* The next entry. NULL at the end, and on an error, of which *status tells. */
struct dirent *smem__posix_next_entry(DIR *directory, os_status *status);

/* pread or pwrite all of it, also through signals. */
os_status smem__posix_read_all(int fd, void *buffer, size_t length,
                               off_t offset);
os_status smem__posix_write_all(int fd, const void *buffer, size_t length,
                                off_t offset);

/* How many mappings smem__posix_map() has made that are still there. */
extern _Atomic uint64_t smem__posix_mapped;

/* Map a range of an object; the offset is a multiple of the page size. *address
 * is NULL on an error. */
os_status smem__posix_map(int fd, uint64_t offset, uint64_t size,
                          os_access access, void **address);

#endif
#endif
