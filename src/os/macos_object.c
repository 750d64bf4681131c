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
 *   lock an object                 a byte of a file beside the record; the
 * control object is a regular file in the user's temporary directory names of
 * over 31 bytes         a hash; the footer has the name in full
 *
 * How a segment comes into being, and what a killed creator leaves behind:
 *
 *   state        size   last 8 bytes   reached by
 *   absent         -         -
 *   incomplete     0         -         shm_open(O_EXCL, 0600), with its lock
 * held incomplete   full        0         ftruncate complete     full checksum
 * the footer, its checksum word last
 *
 * Only names that begin with "smem" have a footer; another program's object is
 * complete from its first byte on. It has no identity either: its last bytes
 * may change at any time.
 *
 * On Linux with SHAREDMEMORY_OS_PORTABLE these files stand in for linux_*.c, so
 * that they can be tested there. */
#include "macos.h"
#ifdef OS_MACOS

#include <stdatomic.h>
#include <sys/file.h>

enum {
  FOOTER = 1024,
  WORD = 8,
  WORDS = 2 * WORD, /* of the seal, and the last */
  CONSTANT = FOOTER - WORDS - OS_TAIL_LIVE
};

/* ---- parts of objects ---------------------------------------------------- */

struct window {
  void *base;
  size_t length;
  char *at; /* the bytes asked for */
};

static os_status window_open(int fd, uint64_t offset, size_t length,
                             int protection, struct window *window) {
  size_t before = (size_t)(offset % smem__os_page_size());
  window->length = length + before;
  window->base = smem__os_sys.mmap(NULL, window->length, protection, MAP_SHARED,
                                   fd, (off_t)(offset - before));
  if (window->base == MAP_FAILED) return smem__posix_last();
  window->at = (char *)window->base + before;
  return OS_SUCCESS;
}

static void window_close(struct window *window) {
  int kept = errno;
  smem__os_sys.munmap(window->base, window->length);
  errno = kept;
}

static _Atomic uint64_t *last_word(struct window *window, size_t length) {
  return (_Atomic uint64_t *)(void *)(window->at + length - WORD);
}

static _Atomic uint64_t *seal_word(struct window *window) {
  return last_word(window, FOOTER - WORD);
}

/* Is the footer there, and which one is it? */
static os_status inspect_footer(int fd, os_info *info) {
  struct window window;
  if (info->size == 0) return (os_status){OS_INCOMPLETE, 0};
  /* Not made by us: who reads the footer will say what is wrong. */
  if (info->size < FOOTER || info->size % WORD != 0) return OS_SUCCESS;
  os_status status =
      window_open(fd, info->size - FOOTER, FOOTER, PROT_READ, &window);
  if (status.code != OS_OK) return status;
  if (atomic_load_explicit(last_word(&window, FOOTER), memory_order_acquire)) {
    info->identity[0] = smem__posix_hash(window.at, CONSTANT, 1);
    info->identity[1] = smem__posix_hash(window.at, CONSTANT, 2);
    info->sealed = atomic_load(seal_word(&window)) != 0;
  } else {
    status.code = OS_INCOMPLETE;
  }
  window_close(&window);
  return status;
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
  return inspect_footer(fd, info);
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
  if (size > INT64_MAX || size > smem__os_free_space(NULL, 0))
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
                                  os_interrupted interrupted) {
  os_status status = reserve((int)object, size, interrupted);
  /* What could not be reserved must not be touched, not even to see that it is
   * incomplete. */
  if (status.code != OS_OK && smem__os_sys.ftruncate((int)object, 0) != 0)
    return status;
  return status;
}

os_status smem__os_object_publish(os_object object, uint64_t size,
                                  const void *tail, size_t length) {
  struct window window;
  uint64_t word;
  os_status status = window_open((int)object, size - length, length,
                                 PROT_READ | PROT_WRITE, &window);
  if (status.code != OS_OK) return status;
  memcpy(window.at, tail, length - WORD);
  memcpy(&word, (const char *)tail + length - WORD, WORD);
  /* Who sees this word sees all the rest of the footer. */
  atomic_store_explicit(last_word(&window, length), word, memory_order_release);
  window_close(&window);
  return OS_SUCCESS;
}

static os_status open_object(const char *name, int flags, int *fd,
                             os_info *info) {
  struct macos_path path = smem__macos_name(name);
  /* What cannot be opened tells no owner. A link, where there are links, lies
   * in a directory whose sticky bit protects what belongs to others. */
  memset(info, 0, sizeof *info);
  info->user = smem__os_user();
  *fd = smem__os_sys.shm_open(path.text, flags | POSIX_SAFE_FLAGS, 0);
  if (*fd < 0) {
    os_status failure = smem__posix_last();
    /* glibc's shm_open() makes EISDIR into EINVAL; our names are valid. */
    if (errno == EINVAL) failure.code = OS_NOT_REGULAR;
    return failure;
  }
  os_status status = inspect(*fd, name, info);
  if (status.code != OS_OK) smem__posix_shut(*fd);
  return status;
}

os_status smem__os_object_open(const char *name, bool writable,
                               os_object *object, os_info *info) {
  int fd;
  os_status status = open_object(name, writable ? O_RDWR : O_RDONLY, &fd, info);
  if (status.code != OS_OK) return status;
  if (writable && info->sealed) {
    smem__posix_shut(fd);
    return (os_status){OS_SEALED, 0};
  }
  *object = fd;
  return status;
}

os_status smem__os_object_seal(const char *name, const uint64_t identity[2],
                               bool sealed) {
  struct window window;
  os_info info;
  int fd;
  os_status status = open_object(name, O_RDWR, &fd, &info);
  if (status.code != OS_OK) return status;
  if (memcmp(identity, info.identity, sizeof info.identity) != 0)
    status = (os_status){OS_NOT_FOUND, 0};
  else
    status = window_open(fd, info.size - FOOTER, FOOTER, PROT_READ | PROT_WRITE,
                         &window);
  if (status.code == OS_OK) {
    atomic_store(seal_word(&window), sealed);
    window_close(&window);
  }
  smem__posix_shut(fd);
  return status;
}

/* There is nothing like stat() by name, so that of another user's object only
 * OS_DENIED is known. */
os_status smem__os_object_stat(const char *name, os_info *info) {
  int fd;
  os_status status = open_object(name, O_RDONLY, &fd, info);
  if (status.code == OS_OK) smem__posix_shut(fd);
  return status;
}

static bool can_be_held(os_status status) {
  return status.code == OS_OK || status.code == OS_INCOMPLETE;
}

/* Looked at twice: where nothing is no lock is made, and what is there may be
 * another one until it is locked. */
os_status smem__os_object_claim(const char *name, os_object *object,
                                os_info *info) {
  int lock, fd = -1;
  os_status status = smem__os_object_stat(name, info);
  info->incomplete = status.code == OS_INCOMPLETE;
  if (!can_be_held(status)) return status;
  status = smem__macos_lock(name, &lock);
  if (status.code != OS_OK) return status;
  status = open_object(name, O_RDONLY, &fd, info);
  info->incomplete = status.code == OS_INCOMPLETE;
  if (can_be_held(status) && info->user != smem__os_user())
    status = (os_status){OS_DENIED, EPERM};
  if (can_be_held(status)) {
    *object = smem__macos_held(info->incomplete ? -1 : fd, lock);
    return OS_SUCCESS;
  }
  if (status.code == OS_DENIED && fd >= 0 && !info->incomplete)
    smem__posix_shut(fd);
  smem__posix_shut(lock);
  return status;
}

os_status smem__os_object_read(os_object object, uint64_t offset, void *buffer,
                               size_t length) {
  struct stat status;
  struct window window;
  if (length == 0) return OS_SUCCESS;
  if (smem__os_sys.fstat((int)object, &status) != 0) return smem__posix_last();
  uint64_t size = (uint64_t)status.st_size;
  if (offset > size || length > size - offset)
    return (os_status){OS_FAILED, 0}; /* shorter than it said */
  os_status result =
      window_open((int)object, offset, length, PROT_READ, &window);
  if (result.code != OS_OK) return result;
  memcpy(buffer, window.at, length);
  window_close(&window);
  return OS_SUCCESS;
}

os_status smem__os_object_write(os_object object, uint64_t offset,
                                const void *buffer, size_t length) {
  struct window window;
  if (length == 0) return OS_SUCCESS;
  os_status status =
      window_open((int)object, offset, length, PROT_READ | PROT_WRITE, &window);
  if (status.code != OS_OK) return status;
  memcpy(window.at, buffer, length);
  window_close(&window);
  return OS_SUCCESS;
}

/* shm_unlink() lets root, and on some systems whoever may write, remove what
 * belongs to others. */
os_status smem__os_object_remove(const char *name) {
  struct macos_path path = smem__macos_name(name);
  os_info info;
  int fd;
  os_status status = open_object(name, O_RDONLY, &fd, &info);
  if (status.code == OS_OK) smem__posix_shut(fd);
  bool is_known = status.code == OS_OK || status.code == OS_INCOMPLETE ||
                  status.code == OS_NOT_REGULAR;
  if (!is_known || info.directory) return status;
  if (info.user != smem__os_user()) return (os_status){OS_DENIED, EPERM};
  return smem__os_sys.shm_unlink(path.text) == 0 ? OS_SUCCESS
                                                 : smem__posix_last();
}

os_status smem__os_object_remove_own(const char *name) {
  return smem__os_object_remove(name);
}

/* Objects are made under their names here. */
os_status smem__os_object_make(uint64_t size, os_interrupted interrupted,
                               os_object *object) {
  (void)size;
  (void)interrupted;
  (void)object;
  return (os_status){OS_UNSUPPORTED, 0};
}

os_status smem__os_object_publish_sealed(os_object object, const char *name) {
  (void)object;
  (void)name;
  return (os_status){OS_UNSUPPORTED, 0};
}

os_status smem__os_object_open_sealed(const char *name, os_object *object,
                                      os_info *info) {
  (void)name;
  (void)object;
  (void)info;
  return (os_status){OS_UNSUPPORTED, 0};
}

#endif
