/* Shared by the files macos_*.c. */
#ifndef SHAREDMEMORY_OS_MACOS_H
#define SHAREDMEMORY_OS_MACOS_H

#include "posix.h"

#ifdef OS_MACOS

#define MACOS_RECORD_PREFIX "smem-names."
#define MACOS_CONTROL_PREFIX "smem-control."

enum {
  MACOS_NAME_LIMIT = 31, /* PSHMNAMLEN, with the slash */
  MACOS_PATH_SIZE = 1024 /* the temporary directory and the longest name */
};

struct macos_path {
  char text[MACOS_PATH_SIZE];
};

#define MACOS_LOCK_PREFIX "smem-locks."

/* What shm_open() wants for a name. */
struct macos_path smem__macos_name(const char *name);

/* The user's temporary directory, and a file of it. */
const char *smem__macos_temp(void);
struct macos_path smem__macos_temp_path(const char *prefix, const char *name);

/* Open a regular file, also one that is closed to its owner. With OS_DENIED
 * `info` tells whose it is, if the system does. */
os_status smem__macos_open_file(const char *path, int flags, int *fd,
                                os_info *info);

/* ---- macos_lock.c -------------------------------------------------------- */

/* Lock what bears this name: OS_BUSY. Close the descriptor to let go. */
os_status smem__macos_lock(const char *name, int *fd);
/* The object together with its lock; fd may be -1. */
os_object smem__macos_held(int fd, int lock);

/* ---- macos_record.c: the names there may be objects of ------------------- */

struct macos_record {
  char *text;
  const char **names; /* sorted, each once */
  size_t count;
};

struct macos_path smem__macos_record_path(const char *name);
struct macos_path smem__macos_lock_path(const char *name);
os_status smem__macos_record_open(const char *path, int flags, int *fd,
                                  os_info *info);
void smem__macos_record_close(int fd);

/* Open and lock what bears the path once the lock is there. */
os_status smem__macos_record_lock(const char *path, int flags, int how, int *fd,
                                  os_info *info);
os_status smem__macos_record_append(int fd, const char *name);
os_status smem__macos_record_read(int fd, uint64_t size,
                                  struct macos_record *record);
void smem__macos_record_free(struct macos_record *record);

/* Drop names that are not in use any more, if the record has become long. */
void smem__macos_record_rewrite(const char *path, uint64_t size);

/* Remove a record that names nothing any more and has no control object. */
void smem__macos_record_sweep(const char *path);

/* OS_OK, OS_NOT_FOUND, or why it cannot be told. */
os_status smem__macos_exists(const char *name);

#endif
#endif
