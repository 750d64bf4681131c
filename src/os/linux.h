/* Shared by the files linux_*.c. */
#ifndef SHAREDMEMORY_OS_LINUX_H
#define SHAREDMEMORY_OS_LINUX_H

#include "posix.h"

#ifdef OS_LINUX

#define DIRECTORY "/dev/shm/"

enum { LINUX_PATH_SIZE = OS_DIRECTORY_MAX + 300 };

struct linux_path {
  char text[LINUX_PATH_SIZE];
};

struct linux_path smem__linux_path_of(const char *name);
/* Of the directory that is before the last "/" of a name, or of "". */
struct linux_path smem__linux_directory_of(const char *name);
struct linux_path smem__linux_directory(const char *directory);

/* ---- linux_directory.c --------------------------------------------------- */

/* Has this process any other directory than the usual one? */
extern _Atomic bool smem__linux_chosen;
/* Is the file in memory, and not on a disk? */
bool smem__linux_is_memory(int fd);
/* Does this error of open() say that there are no files without a name? */
static inline bool smem__linux_is_without_tmpfile(int number) {
  return number == EOPNOTSUPP || number == EISDIR || number == EINVAL;
}

/* The least that control groups leave, if it is less than *least, and then by
 * which limit (may be NULL). `root` is in front of all paths that are read: "".
 */
void smem__linux_cgroup_least(const char *root, uint64_t *least, char *limit,
                              size_t length);

/* May so many bytes be reserved for this file? At least one: *step of them now,
 * and then ask again for the rest. */
bool smem__linux_room_take(int fd, uint64_t size, uint64_t *step);

/* Reserve the object's first `size` bytes, without making it longer. */
os_status smem__linux_reserve(int fd, uint64_t size, uint64_t largest,
                              os_interrupted interrupted);

/* Open a file, also one of ours that is closed to its owner, unless it is
 * sealed. */
enum linux_kind { LINUX_SEGMENT, LINUX_CONTROL, LINUX_ANOTHERS };
os_status smem__linux_open_own(const char *path, enum linux_kind kind,
                               int flags, int *fd);

/* smem__posix_map(), but some mappings are left to the rest of the process: it
 * needs some itself, to allocate memory and to load code, and does not survive
 * without. */
os_status smem__linux_map(os_object object, uint64_t offset, uint64_t size,
                          os_access access, void **address);

/* How many mappings this process has; UINT64_MAX if that is not told. */
uint64_t smem__linux_own_mappings(void);

/* A file of /proc or /etc, as far as the buffer goes; 0, and "", if it cannot
 * be read. Always terminated. */
size_t smem__linux_read_text(const char *path, char *buffer, size_t length);

/* The number in such a file; UINT64_MAX if there is none. */
uint64_t smem__linux_read_number(const char *path);

#endif
#endif
