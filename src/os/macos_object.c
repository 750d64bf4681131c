/* macOS, and any other POSIX system: named objects that only shm_open() knows.
 *
 * What macOS cannot do, and what is done instead:
 *
 *   read() or write() an object    a mapping of the pages concerned
 *   tell two objects apart         fstat() has no device and inode there, so a
 *                                  hash of the footer, which is random
 *   set the size more than once    ftruncate() at creation, full size at once
 *   list the objects               a record of the names (see "the record")
 *   seal an object                 a word of the footer, as fchmod() is refused
 *   lock an object                 a byte of a file beside the record
 *   lock bytes                     the control object is a regular file in the
 *                                  user's temporary directory
 *   names of over 31 bytes         a hash; the footer has the name in full
 *
 * How a segment comes into being, and what a killed creator leaves behind:
 *
 *   state        size   last 8 bytes   reached by
 *   absent         -         -
 *   incomplete     0         -         shm_open(O_EXCL, 0600), its lock held
 *   incomplete   full        0         ftruncate
 *   complete     full    checksum      the footer, its checksum word last
 *
 * Only names that begin with "smem" have a footer; another program's object is
 * complete from its first byte on. It has no identity either: its last bytes
 * may change at any time.
 *
 * On Linux with SHAREDMEMORY_OS_PORTABLE these files stand in for linux_*.c, so
 * that they can be tested there. */
#include "macos.h"
#include "mapped.h"
#ifdef OS_MACOS

#include <sys/file.h>

/* ---- parts of objects ---------------------------------------------------- */

/* Whoever touches what lies beyond the end is killed. */
os_status smem__window_open(os_object object, uint64_t offset, size_t length,
                            bool writable, struct os_window *window) {
  size_t before = (size_t)(offset % smem__os_page_size());
  int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  struct stat status;
  if (smem__os_sys.fstat((int)object, &status) != 0) return smem__posix_last();
  uint64_t size = (uint64_t)status.st_size;
  if (offset > size || length > size - offset)
    return (os_status){OS_FAILED, 0}; /* shorter than it said */
  window->length = length + before;
  window->base = smem__os_sys.mmap(NULL, window->length, protection, MAP_SHARED,
                                   (int)object, (off_t)(offset - before));
  if (window->base == MAP_FAILED) return smem__posix_last();
  window->at = (char *)window->base + before;
  return OS_SUCCESS;
}

void smem__window_close(struct os_window *window) {
  int kept = errno;
  smem__os_sys.munmap(window->base, window->length);
  errno = kept;
}

/* macOS tells neither type nor links of a shared memory object, and not which
 * one it is: all are 0. The identity of our own is in the footer; that another
 * program's was replaced goes unnoticed there. */
static os_status inspect(int fd, const char *name, os_info *info) {
  struct stat status;
  if (smem__os_sys.fstat(fd, &status) != 0) return smem__posix_last();
  smem__posix_info(&status, info);
  info->unlinked = false;
  info->sealed = false;
  if ((status.st_mode & S_IFMT) != 0 && !S_ISREG(status.st_mode))
    return (os_status){OS_NOT_REGULAR, 0};
  if (!os_is_own_name(name)) return OS_SUCCESS;
  info->identity[0] = info->identity[1] = 0;
  return smem__mapped_inspect(fd, info);
}

/* ---- objects ------------------------------------------------------------- */

static os_status reserve(int fd, uint64_t size, os_interrupted interrupted) {
  uint64_t chunk = (uint64_t)64 << 20;
  const uint64_t smallest = (uint64_t)64 << 10;
  for (uint64_t done = 0; done < size;) {
    uint64_t step = size - done < chunk ? size - done : chunk;
    if (smem__os_sys.reserve(fd, (off_t)done, (off_t)step) == 0)
      done += step;
    else if (errno != EINTR)
      return smem__posix_last();
    else if (chunk > smallest) /* a profiler's timer interrupts each one */
      chunk /= 2;
    if (done < size && interrupted && interrupted())
      return (os_status){OS_INTERRUPTED, EINTR};
  }
  return OS_SUCCESS;
}

/* Nobody else may open it, and its owner must. What the umask took away cannot
 * be given back on macOS, where fchmod() is refused on these objects. */
static os_status give_mode(int fd) {
  struct stat status;
  if (smem__os_sys.fstat(fd, &status) != 0) return smem__posix_last();
  if ((status.st_mode & 0777) == 0600 || smem__os_sys.fchmod(fd, 0600) == 0)
    return OS_SUCCESS;
  return (os_status){OS_DENIED, errno};
}

static os_status give_size(int fd, uint64_t size) {
  if (size > INT64_MAX || size > smem__os_free_space("", NULL, 0))
    return (os_status){OS_NO_SPACE, ENOSPC};
  if (smem__os_sys.ftruncate(fd, (off_t)size) == 0) return OS_SUCCESS;
  os_status status = smem__posix_last();
  /* macOS has this for a lack of memory too; the descriptor is a good one. */
  if (errno == EINVAL || errno == EFBIG) status.code = OS_NO_SPACE;
  return status;
}

/* The caller holds the name's lock. */
static os_status create_object(const char *name, uint64_t size, int *fd) {
  struct macos_path path = smem__macos_name(name);
  *fd = smem__os_sys.shm_open(
      path.text, O_RDWR | O_CREAT | O_EXCL | POSIX_SAFE_FLAGS, 0600);
  if (*fd < 0) return smem__posix_last();
  os_status status = give_mode(*fd);
  if (status.code == OS_OK) status = give_size(*fd, size);
  if (status.code == OS_OK) return status;
  smem__os_sys.shm_unlink(path.text);
  smem__posix_shut(*fd);
  return status;
}

static os_status create_held(const char *name, uint64_t size,
                             os_object *object) {
  int lock, fd;
  os_status status = smem__macos_lock(name, &lock);
  if (status.code != OS_OK) return status;
  status = create_object(name, size, &fd);
  if (status.code == OS_OK)
    *object = smem__macos_held(fd, lock);
  else
    smem__posix_shut(lock);
  return status;
}

os_status smem__os_object_create(const char *name, uint64_t size,
                                 os_object *object) {
  struct macos_path record = smem__macos_record_path(name);
  os_info info;
  int record_fd;
  os_status status = smem__macos_record_lock(
      record.text, O_WRONLY | O_APPEND | O_CREAT, LOCK_SH, &record_fd, &info);
  if (status.code != OS_OK) return status;
  status = smem__macos_record_append(record_fd, name);
  if (status.code == OS_OK) status = create_held(name, size, object);
  smem__macos_record_close(record_fd);
  if (status.code == OS_OK) smem__macos_record_rewrite(record.text, info.size);
  return status;
}

os_status smem__os_object_reserve(os_object object, uint64_t size,
                                  uint64_t largest,
                                  os_interrupted interrupted) {
  (void)largest;
  os_status status = reserve((int)object, size, interrupted);
  /* What could not be reserved must not be touched, not even to see that it is
   * incomplete. */
  if (status.code != OS_OK && smem__os_sys.ftruncate((int)object, 0) != 0)
    return status;
  return status;
}

os_status smem__mapped_open(const char *name, bool writable, os_object *object,
                            os_info *info) {
  struct macos_path path = smem__macos_name(name);
  /* What cannot be opened tells no owner. A link, where there are links, lies
   * in a directory whose sticky bit protects what belongs to others. */
  memset(info, 0, sizeof *info);
  info->user = smem__os_user();
  int fd = smem__os_sys.shm_open(
      path.text, (writable ? O_RDWR : O_RDONLY) | POSIX_SAFE_FLAGS, 0);
  if (fd < 0) {
    os_status failure = smem__posix_last();
    /* glibc's shm_open() makes EISDIR into EINVAL; our names are valid. */
    if (errno == EINVAL) failure.code = OS_NOT_REGULAR;
    return failure;
  }
  return smem__posix_hand_over(inspect(fd, name, info), fd, object);
}

static bool can_be_held(os_status status) {
  return status.code == OS_OK || status.code == OS_INCOMPLETE;
}

/* Looked at twice: where nothing is no lock is made, and what is there may be
 * another one until it is locked. */
os_status smem__os_object_claim(const char *name, os_object *object,
                                os_info *info) {
  os_object opened = -1;
  int lock;
  os_status status = smem__os_object_stat(name, info);
  info->incomplete = status.code == OS_INCOMPLETE;
  if (!can_be_held(status)) return status;
  status = smem__macos_lock(name, &lock);
  if (status.code != OS_OK) return status;
  status = smem__mapped_open(name, false, &opened, info);
  info->incomplete = status.code == OS_INCOMPLETE;
  if (can_be_held(status) && info->user == smem__os_user()) {
    *object = smem__macos_held((int)opened, lock);
    return OS_SUCCESS;
  }
  smem__posix_shut(lock);
  if (!can_be_held(status)) return status;
  if (status.code == OS_OK) smem__os_object_close(opened);
  return (os_status){OS_DENIED, EPERM};
}

/* shm_unlink() lets root, and on some systems whoever may write, remove what
 * belongs to others. */
os_status smem__os_object_remove(const char *name) {
  struct macos_path path = smem__macos_name(name);
  os_info info;
  os_status status = smem__os_object_stat(name, &info);
  bool is_known = status.code == OS_OK || status.code == OS_INCOMPLETE ||
                  status.code == OS_NOT_REGULAR;
  if (!is_known || info.directory) return status;
  if (info.user != smem__os_user()) return (os_status){OS_DENIED, EPERM};
  return smem__os_sys.shm_unlink(path.text) == 0 ? OS_SUCCESS
                                                 : smem__posix_last();
}

#endif
