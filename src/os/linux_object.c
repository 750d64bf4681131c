/* Linux: named objects are files of the tmpfs at /dev/shm, or of a directory
 * that smem__os_directory() has found good.
 *
 * shm_open() is, in glibc and musl, open() in this directory. It is opened
 * directly here because listing and examining need the path anyway, because
 * older systems have shm_open() in a library of its own (librt), and because
 * glibc's changes some error numbers.
 *
 * How a segment comes into being, and what a killed creator leaves behind:
 *
 *   state        size   lock    reached by
 *   absent         -      -
 *   being made     0     held   open(O_EXCL, 0600), flock; fallocate(KEEP_SIZE)
 *   abandoned      0     free   the death of the creator
 *   complete     full           pwrite of the footer, which also sets the size
 *   sealed       full           mode 0400 in place of 0600
 *
 * The footer lies within one page, and the kernel sets the size after it has
 * copied the bytes: a size other than 0 means that the footer is there.
 *
 * Whoever removes an object holds it from the look to the unlink, its creator
 * from the flock to the close. So cleaning lies wholly before the creator's
 * lock, and then the creator sees that the name is gone and starts again; or
 * wholly after the close, and then the size is not 0 any more. And whoever
 * unlinks a name has seen, holding the object, that the object has it; a
 * successor needs an unlink first; so the unlink hits this object. (The name of
 * an unnamed segment never comes back, and may go without.) */
#include "linux.h"
#ifdef OS_LINUX

#include <stdio.h>
#include <sys/resource.h>

/* tmpfs hands out pages on first access; with the file system full that would
 * be SIGBUS in the middle of somebody's assignment. So they are reserved here,
 * where ENOSPC is an error that can be reported. fallocate() gives up, and
 * gives back its pages, at any signal: with a profiler's timer running one
 * large call would never get through, so it goes in chunks that shrink. */
os_status smem__linux_reserve(int fd, uint64_t size, uint64_t largest,
                              os_interrupted interrupted) {
  uint64_t chunk = (uint64_t)64 << 20, granted = 0;
  const uint64_t smallest = (uint64_t)64 << 10;
  /* Beyond this limit the kernel sends SIGXFSZ, which ends the process. */
  if (size > largest) return (os_status){OS_NO_SPACE, EFBIG};
  for (uint64_t done = 0; done < size;) {
    /* Asked for all that is to come, or everybody else on the machine would
     * meet a full file system while we fill it only to find that it does not
     * fit. */
    if (granted == 0 && !smem__linux_room_take(fd, size - done, &granted))
      return (os_status){OS_NO_SPACE, ENOSPC};
    uint64_t step = granted < chunk ? granted : chunk;
    if (smem__os_sys.reserve(fd, (off_t)done, (off_t)step) == 0) {
      done += step;
      granted -= step;
    } else if (errno != EINTR) {
      return smem__posix_last();
    } else if (chunk > smallest) {
      chunk /= 2;
    }
    if (done < size && interrupted && interrupted())
      return (os_status){OS_INTERRUPTED, EINTR};
  }
  return OS_SUCCESS;
}

/* Nothing was created and nothing is there: may nobody create here? */
static os_status why_denied(const char *name) {
  struct linux_path path = smem__linux_directory_of(name);
  if (faccessat(AT_FDCWD, path.text, W_OK | X_OK, AT_EACCESS) == 0)
    return (os_status){OS_DENIED, EACCES};
  if (errno == EROFS) return smem__posix_last();
  return (os_status){OS_CLOSED, EACCES};
}

os_status smem__os_object_create(const char *name, uint64_t size,
                                 os_object *object) {
  struct linux_path path = smem__linux_path_of(name);
  int fd = -1;
  (void)size; /* it gets that when it is complete */
  os_status status = smem__posix_file_create(path.text, &fd);
  *object = fd;
  return status.number == EACCES ? why_denied(name) : status;
}

os_status smem__os_object_reserve(os_object object, uint64_t size,
                                  uint64_t largest,
                                  os_interrupted interrupted) {
  return smem__linux_reserve((int)object, size, largest, interrupted);
}

os_status smem__os_object_publish(os_object object, uint64_t size,
                                  const void *tail, size_t length) {
  return smem__posix_write_all((int)object, tail, length,
                               (off_t)(size - length));
}

void smem__os_object_close(os_object object) { smem__posix_shut((int)object); }

static bool is_own_file(const struct stat *status) {
  return S_ISREG(status->st_mode) && status->st_uid == geteuid();
}

static bool has_mode(const struct stat *status, mode_t mode) {
  return is_own_file(status) && (status->st_mode & 0600) == mode;
}

/* Nobody may write to it any more. (A control object is never sealed.) */
static bool is_sealed(const struct stat *status, enum linux_kind kind) {
  return kind == LINUX_SEGMENT && has_mode(status, 0400) && status->st_size > 0;
}

/* A creator that was killed under a strange umask leaves a file that is closed
 * to its owner. Through an opening: the path may lead to another one by now. */
static os_status open_up(const char *path, enum linux_kind kind) {
  char itself[40];
  struct stat status;
  int fd = smem__os_sys.open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
  if (fd < 0) return smem__posix_last();
  snprintf(itself, sizeof itself, "/proc/self/fd/%d", fd);
  os_status result = OS_SUCCESS;
  if (smem__os_sys.fstat(fd, &status) != 0)
    result = smem__posix_last();
  else if (!is_own_file(&status))
    result = (os_status){OS_DENIED, EACCES};
  else if (!has_mode(&status, 0600) && !is_sealed(&status, kind) &&
           smem__os_sys.chmod(itself, 0600) != 0)
    result = smem__posix_last();
  smem__posix_shut(fd);
  return result;
}

/* It was closed to us. OS_OK: look again. */
static os_status settle_closed(const char *path, enum linux_kind kind) {
  struct stat status;
  if (smem__os_sys.lstat(path, &status) != 0)
    return errno == ENOENT ? OS_SUCCESS : smem__posix_last();
  if (has_mode(&status, 0600)) return OS_SUCCESS; /* another one of this name */
  if (!is_own_file(&status)) return (os_status){OS_DENIED, EACCES};
  if (!smem__posix_is_plain(&status)) return (os_status){OS_NOT_REGULAR, 0};
  if (is_sealed(&status, kind)) return (os_status){OS_SEALED, 0};
  os_status opened = open_up(path, kind);
  return opened.code == OS_NOT_FOUND ? OS_SUCCESS : opened;
}

os_status smem__linux_open_own(const char *path, enum linux_kind kind,
                               int flags, int *fd) {
  enum { ATTEMPTS = 1000 }; /* each one lost to somebody who freed or created */
  for (int attempt = 0;; attempt++) {
    *fd = smem__os_sys.open(path, flags | POSIX_SAFE_FLAGS, 0600);
    if (*fd >= 0) return OS_SUCCESS;
    os_status failure = smem__posix_last();
    if (failure.code != OS_DENIED || kind == LINUX_ANOTHERS ||
        attempt == ATTEMPTS)
      return failure;
    os_status settled = settle_closed(path, kind);
    if (settled.code != OS_OK) return settled;
  }
}

os_status smem__os_object_open(const char *name, bool writable,
                               os_object *object, os_info *info) {
  struct linux_path path = smem__linux_path_of(name);
  bool own = os_is_own_name(name);
  struct stat status;
  int fd;
  os_status result =
      smem__linux_open_own(path.text, own ? LINUX_SEGMENT : LINUX_ANOTHERS,
                           writable ? O_RDWR : O_RDONLY, &fd);
  if (result.code != OS_OK) return result;
  if (smem__os_sys.fstat(fd, &status) != 0) {
    result = smem__posix_last();
  } else {
    smem__posix_info(&status, info);
    /* Another program may give its own object as many names as it likes. */
    if (!(own ? smem__posix_is_plain(&status) : S_ISREG(status.st_mode)))
      result.code = OS_NOT_REGULAR;
    else if (own && info->size == 0)
      result.code = OS_INCOMPLETE;
    else if (own && writable && info->sealed)
      result.code = OS_SEALED;
  }
  return smem__posix_hand_over(result, fd, object);
}

static os_status open_to_hold(const char *path, int *fd) {
  return smem__linux_open_own(path, LINUX_SEGMENT, O_RDONLY, fd);
}

os_status smem__os_object_claim(const char *name, os_object *object,
                                os_info *info) {
  struct linux_path path = smem__linux_path_of(name);
  return smem__posix_file_claim(open_to_hold, path.text, object, info);
}

os_status smem__os_object_seal(const char *name, const uint64_t identity[2],
                               bool sealed) {
  struct linux_path path = smem__linux_path_of(name);
  os_info info;
  int fd;
  os_status status =
      smem__linux_open_own(path.text, LINUX_SEGMENT, O_RDONLY, &fd);
  if (status.code != OS_OK) return status;
  status = smem__posix_inspect(fd, &info);
  if (status.code == OS_OK &&
      memcmp(identity, info.identity, sizeof info.identity) != 0)
    status = (os_status){OS_NOT_FOUND, 0};
  if (status.code == OS_OK &&
      smem__os_sys.fchmod(fd, sealed ? 0400 : 0600) != 0)
    status = smem__posix_last();
  smem__posix_shut(fd);
  return status;
}

/* ---- objects that are sealed before they have a name --------------------- */

os_status smem__os_object_make(const char *name, uint64_t size,
                               os_object *object) {
  struct linux_path path = smem__linux_directory_of(name);
  int fd = smem__os_sys.open(path.text, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
  *object = fd;
  if (fd >= 0) return OS_SUCCESS; /* name and size it gets when published */
  /* An overlay has no files without a name before Linux 6.1. */
  if (!smem__linux_is_without_tmpfile(errno)) return smem__posix_last();
  return smem__os_object_create(name, size, object);
}

static bool has_name(os_object object) {
  struct stat status;
  return smem__os_sys.fstat((int)object, &status) == 0 && status.st_nlink > 0;
}

void smem__os_object_unmake(os_object object, const char *name) {
  if (has_name(object)) smem__os_object_remove_own(name);
  smem__os_object_close(object);
}

/* linkat() by the descriptor alone takes a privilege. */
os_status smem__os_object_publish_sealed(os_object object, const char *name,
                                         uint64_t size, const void *tail,
                                         size_t length) {
  char self[40];
  os_status status = smem__os_object_publish(object, size, tail, length);
  if (status.code != OS_OK) return status;
  if (smem__os_sys.fchmod((int)object, 0400) != 0) return smem__posix_last();
  if (!name || has_name(object)) return OS_SUCCESS;
  struct linux_path path = smem__linux_path_of(name);
  snprintf(self, sizeof self, "/proc/self/fd/%d", (int)object);
  if (smem__os_sys.linkat(AT_FDCWD, self, AT_FDCWD, path.text,
                          AT_SYMLINK_FOLLOW) != 0)
    return smem__posix_last();
  return OS_SUCCESS;
}

/* The mode is opened through a descriptor of the very object. */
static os_status open_with_mode(const struct linux_path *path, int *fd) {
  *fd = -1;
  int seen = smem__os_sys.open(path->text, O_RDONLY | POSIX_SAFE_FLAGS, 0);
  if (seen < 0) return smem__posix_last();
  os_status status = OS_SUCCESS;
  if (smem__os_sys.fchmod(seen, 0600) == 0)
    *fd = smem__os_sys.open(path->text, O_RDWR | POSIX_SAFE_FLAGS, 0);
  if (*fd < 0) status = smem__posix_last();
  smem__os_sys.fchmod(seen, 0400);
  smem__posix_shut(seen);
  return status;
}

/* Root opens any mode. */
os_status smem__os_object_open_sealed(const char *name, os_object *object,
                                      os_info *info) {
  enum { ATTEMPTS = 100 }; /* each one lost to somebody who seals it again */
  struct linux_path path = smem__linux_path_of(name);
  os_status status = {OS_DENIED, 0};
  int fd = smem__os_sys.open(path.text, O_RDWR | POSIX_SAFE_FLAGS, 0);
  if (fd < 0) status = smem__posix_last();
  for (int i = 0; fd < 0 && status.code == OS_DENIED && i < ATTEMPTS; i++)
    status = open_with_mode(&path, &fd);
  if (fd < 0)
    return status.code == OS_DENIED ? (os_status){OS_BUSY, 0} : status;
  return smem__posix_hand_over(smem__posix_inspect(fd, info), fd, object);
}

os_status smem__os_object_stat(const char *name, os_info *info) {
  struct linux_path path = smem__linux_path_of(name);
  struct stat status;
  if (smem__os_sys.lstat(path.text, &status) != 0) return smem__posix_last();
  smem__posix_info(&status, info);
  if (!S_ISREG(status.st_mode)) return (os_status){OS_NOT_REGULAR, 0};
  bool incomplete = os_is_own_name(name) && info->size == 0;
  return (os_status){incomplete ? OS_INCOMPLETE : OS_OK, 0};
}

os_status smem__os_object_read(os_object object, uint64_t offset, void *buffer,
                               size_t length) {
  return smem__posix_read_all((int)object, buffer, length, (off_t)offset);
}

/* write() fills fresh pages of a tmpfs more than twice as fast as a mapping,
 * where taking the page fault costs more than copying the page. */
os_status smem__os_object_write(os_object object, uint64_t offset,
                                const void *buffer, size_t length) {
  struct rlimit most;
  void *window;
  /* write() behind this limit is SIGXFSZ, although the file does not grow. */
  if (getrlimit(RLIMIT_FSIZE, &most) != 0 || most.rlim_cur == RLIM_INFINITY ||
      offset + length <= most.rlim_cur)
    return smem__posix_write_all((int)object, buffer, length, (off_t)offset);
  uint64_t before = offset % smem__os_page_size();
  os_status status = smem__linux_map(object, offset - before, before + length,
                                     OS_READ_WRITE, &window);
  if (status.code != OS_OK) return status;
  memcpy((char *)window + before, buffer, length);
  smem__os_unmap(window, before + length);
  return status;
}

os_status smem__os_object_remove(const char *name) {
  /* The sticky bit of /dev/shm protects other users' files from everybody but
   * root, so root looks first. */
  if (geteuid() == 0) {
    struct linux_path path = smem__linux_path_of(name);
    struct stat status;
    if (smem__os_sys.lstat(path.text, &status) != 0) return smem__posix_last();
    if (status.st_uid != 0) return (os_status){OS_DENIED, EPERM};
  }
  return smem__os_object_remove_own(name);
}

os_status smem__os_object_remove_own(const char *name) {
  struct linux_path path = smem__linux_path_of(name);
  return smem__os_sys.unlink(path.text) == 0 ? OS_SUCCESS : smem__posix_last();
}

#endif
