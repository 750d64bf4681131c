/* POSIX: what all systems do alike with an open object. */
#include "posix.h"
#ifdef OS_POSIX

void smem__posix_shut(int fd) {
  int kept = errno;
  /* Not again after EINTR: Linux has released the number by then, and another
   * thread may have it already. */
  smem__os_sys.close(fd);
  errno = kept;
}

os_status smem__posix_hand_over(os_status status, int fd, os_object *object) {
  if (status.code == OS_OK)
    *object = fd;
  else
    smem__posix_shut(fd);
  return status;
}

void smem__posix_info(const struct stat *status, os_info *info) {
  info->size = (uint64_t)status->st_size;
  info->resident = (uint64_t)status->st_blocks * 512; /* whatever st_blksize */
  info->identity[0] = (uint64_t)status->st_dev;
  info->identity[1] = (uint64_t)status->st_ino;
  info->user = (uint64_t)status->st_uid;
#ifdef __APPLE__
  info->changed = (uint64_t)status->st_ctimespec.tv_sec * 1000000000u +
                  (uint64_t)status->st_ctimespec.tv_nsec;
#else
  info->changed = (uint64_t)status->st_ctim.tv_sec * 1000000000u +
                  (uint64_t)status->st_ctim.tv_nsec;
#endif
  info->unlinked = status->st_nlink == 0;
  info->directory = S_ISDIR(status->st_mode);
  info->sealed = (status->st_mode & 0600) == 0400;
}

/* A file with a second name is somebody's file that has got here by a hard
 * link. */
bool smem__posix_is_plain(const struct stat *status) {
  return S_ISREG(status->st_mode) && status->st_nlink <= 1;
}

os_status smem__posix_inspect(int fd, os_info *info) {
  struct stat status;
  if (smem__os_sys.fstat(fd, &status) != 0) return smem__posix_last();
  smem__posix_info(&status, info);
  return smem__posix_is_plain(&status) ? OS_SUCCESS
                                       : (os_status){OS_NOT_REGULAR, 0};
}

struct dirent *smem__posix_next_entry(DIR *directory, os_status *status) {
  errno = 0;
  struct dirent *entry = smem__os_sys.readdir(directory);
  *status = errno == 0 || entry ? OS_SUCCESS : smem__posix_last();
  return entry;
}

os_status smem__posix_read_all(int fd, void *buffer, size_t length,
                               off_t offset) {
  char *at = buffer;
  while (length > 0) {
    ssize_t done = smem__os_sys.pread(fd, at, length, offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return smem__posix_last();
    if (done == 0) return (os_status){OS_FAILED, 0}; /* shorter than it said */
    at += done;
    offset += done;
    length -= (size_t)done;
  }
  return OS_SUCCESS;
}

os_status smem__posix_write_all(int fd, const void *buffer, size_t length,
                                off_t offset) {
  const char *at = buffer;
  while (length > 0) {
    ssize_t done = smem__os_sys.pwrite(fd, at, length, offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return smem__posix_last();
    if (done == 0) return (os_status){OS_FAILED, 0}; /* or for ever */
    at += done;
    offset += done;
    length -= (size_t)done;
  }
  return OS_SUCCESS;
}

/* The kernel keeps a named object until it is unlinked. */
os_status smem__os_object_keep(const char *name, os_object object) {
  (void)name;
  (void)object;
  return OS_SUCCESS;
}

#endif
