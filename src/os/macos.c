/* macOS, and any other POSIX system: named objects that only shm_open() knows.
 *
 * What macOS cannot do, and what is done instead:
 *
 *   read() or write() an object    a mapping of the pages concerned
 *   tell two objects apart         fstat() has no device and inode there, so a
 *                                  hash of the footer, which is random
 *   set the size more than once    ftruncate() at creation, full size at once
 *   list the objects               a record of the names (see "the record")
 *   lock an object                 the control object is a regular file in the
 *                                  user's temporary directory
 *   names of over 31 bytes         a hash; the footer has the name in full
 *
 * How a segment comes into being, and what a killed creator leaves behind:
 *
 *   state        size   last 8 bytes   reached by
 *   absent         -         -
 *   incomplete     0         -         shm_open(O_EXCL, 0600)
 *   incomplete   full        0         ftruncate
 *   complete     full    checksum      the footer, its checksum word last
 *
 * Only names that begin with "smem" have a footer; another program's object is
 * complete from its first byte on. It has no identity either: its last bytes
 * may change at any time.
 *
 * On Linux with SHAREDMEMORY_OS_PORTABLE this stands in for linux.c, so that it
 * can be tested there. */
#if !defined(_WIN32) &&                                                        \
    (!defined(__linux__) || defined(SHAREDMEMORY_OS_PORTABLE))

#include "posix.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#ifdef __APPLE__
#include <libproc.h>
#include <sys/sysctl.h>
#endif

#define RECORD_PREFIX "smem-names."
#define CONTROL_PREFIX "smem-control."

enum {
  NAME_LIMIT = 31,  /* PSHMNAMLEN of macOS, with the slash */
  TEMP_SIZE = 700,  /* the temporary directory */
  PATH_SIZE = 1024, /* that and the longest name */
  FOOTER = 1024,
  WORD = 8
};

/* Variadic functions take their arguments elsewhere on arm64 macOS, so that a
 * pointer to them must not be called as one to an ordinary function. */
static int real_lock(int fd, int command, struct flock *lock) {
  return fcntl(fd, command, lock);
}
static int real_open(const char *path, int flags, mode_t mode) {
  return open(path, flags, mode);
}
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

#ifndef SHAREDMEMORY_TEST_SYSCALLS
const
#endif
    struct os_syscalls os_sys = {
        .open = real_open,   .unlink = unlink,       .shm_open = real_shm_open,
        .shm_unlink = shm_unlink, .close = close,    .fstat = fstat,
        .lstat = lstat,      .chmod = chmod,         .fchmod = fchmod,
        .reserve = real_reserve,  .ftruncate = ftruncate, .pread = pread,
        .pwrite = pwrite,    .mmap = mmap,           .munmap = munmap,
        .lock = real_lock,   .calloc = calloc,
};

/* ---- names --------------------------------------------------------------- */

struct path {
  char text[PATH_SIZE];
};

/* What shm_open() wants: "/name", or "/smem" and 104 bits in hexadecimal, which
 * are 31 bytes again and no name that anybody gives. */
static struct path shm_name(const char *name) {
  struct path path;
  size_t length = strlen(name);
  if (length < NAME_LIMIT || !os_is_own_name(name))
    snprintf(path.text, sizeof path.text, "/%s", name);
  else
    snprintf(path.text, sizeof path.text,
             "/" OS_OWN_PREFIX "%016" PRIx64 "%010" PRIx64,
             posix_hash(name, length, 1),
             posix_hash(name, length, 2) >> 24);
  return path;
}

void os_object_path(const char *name, char *buffer, size_t length) {
  struct path path = shm_name(name);
  snprintf(buffer, length, "%s", path.text);
}

static char temp[TEMP_SIZE];
static pthread_once_t temp_once = PTHREAD_ONCE_INIT;

static bool set_temp(const char *directory) {
  size_t length = directory ? strlen(directory) : 0;
  while (length > 1 && directory[length - 1] == '/') length--;
  if (length == 0 || length >= sizeof temp || directory[0] != '/') return false;
  memcpy(temp, directory, length);
  temp[length] = '\0';
  return true;
}

/* Looked up once: with another TMPDIR half way through, a process would no
 * longer find its own control object. */
static void find_temp(void) {
#ifdef _CS_DARWIN_USER_TEMP_DIR
  char own[TEMP_SIZE];
  size_t length = confstr(_CS_DARWIN_USER_TEMP_DIR, own, sizeof own);
  if (length > 0 && length <= sizeof own && set_temp(own)) return;
#endif
  if (!set_temp(getenv("TMPDIR"))) set_temp("/tmp");
}

static struct path temp_path(const char *prefix, const char *name) {
  struct path path;
  pthread_once(&temp_once, find_temp);
  snprintf(path.text, sizeof path.text, "%s/%s%.255s", temp, prefix, name);
  return path;
}

/* ---- regular files ------------------------------------------------------- */

/* A umask that takes rights from the owner, and a death before the fchmod(),
 * leave a file that is closed to ourselves. Only its owner can replace a file
 * in a directory with the sticky bit: chmod by path cannot hit another's. */
static bool open_up(const char *path, const struct stat *status) {
  return S_ISREG(status->st_mode) && status->st_uid == geteuid() &&
         (status->st_mode & 0600) != 0600 && os_sys.chmod(path, 0600) == 0;
}

/* With OS_DENIED `info` tells whose it is, if the system does. */
static os_status open_file(const char *path, int flags, int *fd,
                           os_info *info) {
  struct stat status;
  *fd = os_sys.open(path, flags | POSIX_SAFE_FLAGS, 0600);
  if (*fd < 0 && errno == EACCES && os_sys.lstat(path, &status) == 0) {
    posix_info(&status, info);
    if (!open_up(path, &status)) return (os_status){OS_DENIED, EACCES};
    *fd = os_sys.open(path, flags | POSIX_SAFE_FLAGS, 0600);
  }
  if (*fd < 0) return posix_last();
  os_status result = posix_inspect(*fd, info);
  if (result.code == OS_OK && info->size == 0 && info->user == os_user() &&
      os_sys.fchmod(*fd, 0600) != 0)
    result = posix_last();
  if (result.code != OS_OK) posix_shut(*fd);
  return result;
}

/* ---- the record ------------------------------------------------------------
 *
 * One file per namespace beside its control object, to which each creator
 * appends the name, a line, before the object exists: so no object is ever
 * missing in it, and what it names too much is found out by opening it. It
 * would grow for ever, so it is rewritten with the names still in use.
 *
 *   who        lock       held over
 *   creator    shared     append and shm_open(): no rewriting in between, which
 *                         would see the name, miss the object and drop it
 *   rewriter   exclusive  read, check, rename() or unlink(); without waiting
 *   reader     none       the file is only ever appended to or replaced
 *
 * flock() belongs to the opening and so excludes threads as well. Who waited
 * for it may have the file that was replaced meanwhile: st_nlink tells. */

/* "smem.space.id" -> "space". */
static struct path record_path(const char *name) {
  char space[NAME_LIMIT] = "";
  const char *dot = strchr(name, '.');
  if (dot) {
    size_t length = strcspn(dot + 1, ".");
    if (length >= sizeof space) length = sizeof space - 1;
    memcpy(space, dot + 1, length);
  }
  return temp_path(RECORD_PREFIX, space);
}

static os_status record_open(const char *path, int flags, int *fd,
                             os_info *info) {
  os_status status = open_file(path, flags, fd, info);
  if (status.code == OS_OK && info->user != os_user()) {
    posix_shut(*fd);
    status = (os_status){OS_DENIED, EPERM};
  }
  return status;
}

static void record_close(int fd) {
  int kept = errno;
  /* A child forked by another thread may have the opening too, and with it the
   * lock. */
  flock(fd, LOCK_UN);
  errno = kept;
  posix_shut(fd);
}

/* Open and lock what bears the path once the lock is there. A rewriter that was
 * stopped must not hang us. */
static os_status record_lock(const char *path, int flags, int how, int *fd,
                             os_info *info) {
  const uint64_t pause = 1000000;
  for (int attempt = 0; attempt < 2000; attempt++) {
    os_status status = record_open(path, flags, fd, info);
    if (status.code != OS_OK) return status;
    if (flock(*fd, how | LOCK_NB) == 0) {
      status = posix_inspect(*fd, info);
      if (status.code == OS_OK && !info->unlinked) return status;
    } else if (errno == EWOULDBLOCK) {
      if (how == LOCK_EX) attempt = 2000;
      os_sleep(pause);
    } else if (errno != EINTR) {
      status = posix_last();
    }
    record_close(*fd);
    if (status.code != OS_OK) return status;
  }
  return (os_status){OS_BUSY, EWOULDBLOCK};
}

struct record {
  char *text;
  const char **names; /* sorted, each once */
  size_t count;
};

static void record_free(struct record *record) {
  os_release(record->text);
  os_release(record->names);
}

static int compare(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A line without its end is still being written, or its writer found the disk
 * full half way: its object does not exist yet, or never. */
static void split_lines(struct record *record, size_t length) {
  char *line = record->text;
  size_t lines = 0;
  for (char *at = line; at < record->text + length; at++)
    if (*at == '\n') {
      *at = '\0';
      if (at > line) record->names[lines++] = line;
      line = at + 1;
    }
  if (lines == 0) return;
  qsort(record->names, lines, sizeof *record->names, compare);
  record->count = 1;
  for (size_t i = 1; i < lines; i++)
    if (strcmp(record->names[i], record->names[record->count - 1]) != 0)
      record->names[record->count++] = record->names[i];
}

static os_status record_read(int fd, uint64_t size, struct record *record) {
  size_t length = (size_t)size;
  *record = (struct record){os_allocate(length + 1), NULL, 0};
  /* A name and its end are two bytes at least. */
  record->names = os_allocate((length / 2 + 1) * sizeof *record->names);
  os_status status = {OS_NO_MEMORY, ENOMEM};
  if (record->text && record->names)
    status = posix_read_all(fd, record->text, length, 0);
  if (status.code == OS_OK)
    split_lines(record, length);
  else
    record_free(record);
  return status;
}

/* OS_OK, OS_NOT_FOUND, or why it cannot be told. */
static os_status exists(const char *name) {
  struct path path = shm_name(name);
  int fd = os_sys.shm_open(path.text, O_RDONLY | POSIX_SAFE_FLAGS, 0);
  os_status status = fd >= 0 ? OS_SUCCESS : posix_last();
  if (fd >= 0) posix_shut(fd);
  bool is_there = status.code == OS_DENIED || status.code == OS_NOT_REGULAR;
  return is_there ? OS_SUCCESS : status;
}

/* The names still in use, as lines, over what was read. */
static os_status keep_lines(struct record *record, char *lines,
                            size_t *length) {
  *length = 0;
  for (size_t i = 0; i < record->count; i++) {
    os_status status = exists(record->names[i]);
    if (status.code == OS_NOT_FOUND) continue;
    if (status.code != OS_OK) return status;
    size_t step = strlen(record->names[i]);
    memcpy(lines + *length, record->names[i], step);
    lines[*length + step] = '\n';
    *length += step + 1;
  }
  return OS_SUCCESS;
}

/* rename(), because a death in the middle of overwriting would lose names. */
static os_status replace(const char *path, const char *lines, size_t length) {
  struct path fresh;
  os_info info;
  int fd;
  snprintf(fresh.text, sizeof fresh.text, "%.1000s.new", path);
  os_sys.unlink(fresh.text); /* of one that died here */
  os_status status = open_file(fresh.text, O_WRONLY | O_CREAT | O_EXCL, &fd,
                               &info);
  if (status.code != OS_OK) return status;
  status = posix_write_all(fd, lines, length, 0);
  posix_shut(fd);
  if (status.code == OS_OK && rename(fresh.text, path) != 0)
    status = posix_last();
  if (status.code != OS_OK) os_sys.unlink(fresh.text);
  return status;
}

/* The lines to keep of the record, which the caller releases. */
static os_status read_kept(int fd, uint64_t size, char **lines,
                           size_t *length) {
  struct record record;
  os_status status = record_read(fd, size, &record);
  if (status.code != OS_OK) return status;
  *lines = os_allocate((size_t)size + 1);
  status = *lines ? keep_lines(&record, *lines, length)
                  : (os_status){OS_NO_MEMORY, ENOMEM};
  if (status.code != OS_OK) os_release(*lines);
  record_free(&record);
  return status;
}

/* Rewriting looks at every name. Doing it again only when the file has become
 * twice as long as what was left makes that a constant per creation. */
static void record_rewrite(const char *path, uint64_t size) {
  enum { SMALL = 64 * 1024 };
  static _Atomic uint64_t limit = SMALL;
  os_info info;
  char *lines;
  size_t length;
  int fd;
  if (size <= atomic_load(&limit) ||
      record_lock(path, O_RDWR, LOCK_EX, &fd, &info).code != OS_OK)
    return;
  uint64_t left = info.size;
  if (read_kept(fd, info.size, &lines, &length).code == OS_OK) {
    if (replace(path, lines, length).code == OS_OK) left = length;
    os_release(lines);
  }
  record_close(fd);
  atomic_store(&limit, left < SMALL / 2 ? SMALL : 2 * left);
}

/* Remove a record that names nothing any more, where the control object that it
 * would have gone with was removed by force. */
static void record_sweep(const char *path) {
  const char *space = strrchr(path, '/') + sizeof RECORD_PREFIX;
  struct path control = temp_path(CONTROL_PREFIX, space);
  struct stat status;
  os_info info;
  char *lines;
  size_t length;
  int fd;
  if (os_sys.lstat(control.text, &status) == 0 || errno != ENOENT ||
      record_lock(path, O_RDWR, LOCK_EX, &fd, &info).code != OS_OK)
    return;
  if (read_kept(fd, info.size, &lines, &length).code == OS_OK) {
    if (length == 0) os_sys.unlink(path);
    os_release(lines);
  }
  record_close(fd);
}

/* The line begins with an end too, in case another's broke off before it. */
static os_status record_append(int fd, const char *name) {
  char line[PATH_SIZE];
  int length = snprintf(line, sizeof line, "\n%s\n", name);
  ssize_t done;
  /* With O_APPEND, which pwrite() does not heed everywhere. */
  do
    done = write(fd, line, (size_t)length);
  while (done < 0 && errno == EINTR);
  if (done < 0) return posix_last();
  return done == length ? OS_SUCCESS : (os_status){OS_NO_SPACE, ENOSPC};
}

/* ---- parts of objects ---------------------------------------------------- */

struct window {
  void *base;
  size_t length;
  char *at; /* the bytes asked for */
};

static os_status window_open(int fd, uint64_t offset, size_t length,
                             int protection, struct window *window) {
  size_t before = (size_t)(offset % os_page_size());
  window->length = length + before;
  window->base = os_sys.mmap(NULL, window->length, protection, MAP_SHARED, fd,
                             (off_t)(offset - before));
  if (window->base == MAP_FAILED) return posix_last();
  window->at = (char *)window->base + before;
  return OS_SUCCESS;
}

static void window_close(struct window *window) {
  int kept = errno;
  os_sys.munmap(window->base, window->length);
  errno = kept;
}

static _Atomic uint64_t *last_word(struct window *window, size_t length) {
  return (_Atomic uint64_t *)(void *)(window->at + length - WORD);
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
    info->identity[0] = posix_hash(window.at, FOOTER, 1);
    info->identity[1] = posix_hash(window.at, FOOTER, 2);
  } else {
    status.code = OS_INCOMPLETE;
  }
  window_close(&window);
  return status;
}

/* macOS tells neither type nor links of a shared memory object, and not which one
 * it is: all are 0. The identity of our own is in the footer; that another
 * program's was replaced goes unnoticed there. */
static os_status inspect(int fd, const char *name, os_info *info) {
  struct stat status;
  if (os_sys.fstat(fd, &status) != 0) return posix_last();
  posix_info(&status, info);
  info->unlinked = false;
  if ((status.st_mode & S_IFMT) != 0 && !S_ISREG(status.st_mode))
    return (os_status){OS_NOT_REGULAR, 0};
  if (!os_is_own_name(name)) return OS_SUCCESS;
  info->identity[0] = info->identity[1] = 0;
  return inspect_footer(fd, info);
}

/* ---- objects ------------------------------------------------------------- */

/* macOS swaps to a file that grows. Elsewhere no more than this can be had, and
 * reserving more ends in somebody being killed for memory, not in an error. */
uint64_t os_free_space(void) {
#if !defined(__APPLE__) && defined(_SC_PHYS_PAGES)
  long pages = sysconf(_SC_PHYS_PAGES);
  if (pages > 0) return (uint64_t)pages * os_page_size();
#endif
  return UINT64_MAX;
}

static os_status reserve(int fd, uint64_t size, os_interrupted interrupted) {
  uint64_t chunk = (uint64_t)64 << 20;
  const uint64_t smallest = (uint64_t)64 << 10;
  for (uint64_t done = 0; done < size;) {
    uint64_t step = size - done < chunk ? size - done : chunk;
    if (os_sys.reserve(fd, (off_t)done, (off_t)step) == 0)
      done += step;
    else if (errno != EINTR)
      return posix_last();
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
  if (os_sys.fstat(fd, &status) != 0) return posix_last();
  if ((status.st_mode & 0777) == 0600 || os_sys.fchmod(fd, 0600) == 0)
    return OS_SUCCESS;
  return (os_status){OS_DENIED, errno};
}

static os_status give_size(int fd, uint64_t size, os_interrupted interrupted) {
  if (size > INT64_MAX || size > os_free_space())
    return (os_status){OS_NO_SPACE, ENOSPC};
  if (os_sys.ftruncate(fd, (off_t)size) == 0)
    return reserve(fd, size, interrupted);
  os_status status = posix_last();
  /* macOS has this for a lack of memory too; the descriptor is a good one. */
  if (errno == EINVAL || errno == EFBIG) status.code = OS_NO_SPACE;
  return status;
}

static os_status create_object(const char *name, uint64_t size,
                               os_interrupted interrupted, int *fd) {
  struct path path = shm_name(name);
  *fd = os_sys.shm_open(path.text,
                        O_RDWR | O_CREAT | O_EXCL | POSIX_SAFE_FLAGS, 0600);
  if (*fd < 0) return posix_last();
  os_status status = give_mode(*fd);
  if (status.code == OS_OK) status = give_size(*fd, size, interrupted);
  if (status.code == OS_OK) return status;
  os_sys.shm_unlink(path.text);
  posix_shut(*fd);
  return status;
}

os_status os_object_create(const char *name, uint64_t size,
                           os_interrupted interrupted, os_object *object) {
  struct path record = record_path(name);
  os_info info;
  int record_fd, fd = -1;
  os_status status = record_lock(record.text, O_WRONLY | O_APPEND | O_CREAT,
                                 LOCK_SH, &record_fd, &info);
  if (status.code != OS_OK) return status;
  status = record_append(record_fd, name);
  if (status.code == OS_OK)
    status = create_object(name, size, interrupted, &fd);
  record_close(record_fd);
  if (status.code != OS_OK) return status;
  record_rewrite(record.text, info.size);
  *object = fd;
  return OS_SUCCESS;
}

os_status os_object_publish(os_object object, uint64_t size, const void *tail,
                            size_t length) {
  struct window window;
  uint64_t word;
  os_status status = window_open((int)object, size - length, length,
                                 PROT_READ | PROT_WRITE, &window);
  if (status.code != OS_OK) return status;
  memcpy(window.at, tail, length - WORD);
  memcpy(&word, (const char *)tail + length - WORD, WORD);
  /* Who sees this word sees all the rest of the footer. */
  atomic_store_explicit(last_word(&window, length), word,
                        memory_order_release);
  window_close(&window);
  return OS_SUCCESS;
}

static os_status open_object(const char *name, int flags, int *fd,
                             os_info *info) {
  struct path path = shm_name(name);
  /* What cannot be opened tells no owner. A link, where there are links, lies
   * in a directory whose sticky bit protects what belongs to others. */
  memset(info, 0, sizeof *info);
  info->user = os_user();
  *fd = os_sys.shm_open(path.text, flags | POSIX_SAFE_FLAGS, 0);
  if (*fd < 0) {
    os_status failure = posix_last();
    /* glibc's shm_open() makes EISDIR into EINVAL; our names are valid. */
    if (errno == EINVAL) failure.code = OS_NOT_REGULAR;
    return failure;
  }
  os_status status = inspect(*fd, name, info);
  if (status.code != OS_OK) posix_shut(*fd);
  return status;
}

os_status os_object_open(const char *name, bool writable, os_object *object,
                         os_info *info) {
  int fd;
  os_status status = open_object(name, writable ? O_RDWR : O_RDONLY, &fd, info);
  if (status.code == OS_OK) *object = fd;
  return status;
}

/* There is nothing like stat() by name, so that of another user's object only
 * OS_DENIED is known. */
os_status os_object_stat(const char *name, os_info *info) {
  int fd;
  os_status status = open_object(name, O_RDONLY, &fd, info);
  if (status.code == OS_OK) posix_shut(fd);
  return status;
}

void os_object_discard(const char *name, os_object object) {
  os_object_remove(name);
  os_object_close(object);
}

os_status os_object_read(os_object object, uint64_t offset, void *buffer,
                         size_t length) {
  struct stat status;
  struct window window;
  if (length == 0) return OS_SUCCESS;
  if (os_sys.fstat((int)object, &status) != 0) return posix_last();
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

os_status os_object_write(os_object object, uint64_t offset, const void *buffer,
                          size_t length) {
  struct window window;
  if (length == 0) return OS_SUCCESS;
  os_status status = window_open((int)object, offset, length,
                                 PROT_READ | PROT_WRITE, &window);
  if (status.code != OS_OK) return status;
  memcpy(window.at, buffer, length);
  window_close(&window);
  return OS_SUCCESS;
}

/* Darwin's shared memory objects cannot be mapped privately. */
os_status os_object_map(os_object object, uint64_t size, os_access access,
                        void **address) {
  os_status status = posix_map((int)object, 0, size, access, address);
  if (status.code != OS_OK && access == OS_COPY_ON_WRITE)
    status.code = OS_UNSUPPORTED;
  return status;
}

os_status os_mapping_written(const void *address, uint64_t size,
                             bool *written) {
  (void)address;
  (void)size;
  (void)written;
  return (os_status){OS_UNSUPPORTED, 0};
}

/* shm_unlink() lets root, and on some systems whoever may write, remove what
 * belongs to others. */
os_status os_object_remove(const char *name) {
  struct path path = shm_name(name);
  os_info info;
  int fd;
  os_status status = open_object(name, O_RDONLY, &fd, &info);
  if (status.code == OS_OK) posix_shut(fd);
  bool is_known = status.code == OS_OK || status.code == OS_INCOMPLETE ||
                  status.code == OS_NOT_REGULAR;
  if (!is_known || info.directory) return status;
  if (info.user != os_user()) return (os_status){OS_DENIED, EPERM};
  return os_sys.shm_unlink(path.text) == 0 ? OS_SUCCESS : posix_last();
}

os_status os_object_remove_own(const char *name) {
  return os_object_remove(name);
}

/* ---- listing ------------------------------------------------------------- */

struct search {
  const char *prefix;
  bool (*visit)(const char *name, void *context);
  void *context;
  bool any, ended;
};

static os_status visit_names(const struct record *record,
                             struct search *search) {
  size_t length = strlen(search->prefix);
  for (size_t i = 0; i < record->count && !search->ended; i++) {
    if (strncmp(record->names[i], search->prefix, length) != 0) continue;
    os_status status = exists(record->names[i]);
    if (status.code == OS_NOT_FOUND) continue;
    if (status.code != OS_OK) return status;
    search->any = true;
    search->ended = !search->visit(record->names[i], search->context);
  }
  return OS_SUCCESS;
}

static os_status list_record(const char *path, struct search *search) {
  struct record record;
  os_info info;
  int fd;
  os_status status = record_open(path, O_RDONLY, &fd, &info);
  /* Nothing was made yet; or the record is another user's, into which we could
   * not have written anything of ours. */
  if (status.code == OS_NOT_FOUND || status.code == OS_DENIED)
    return OS_SUCCESS;
  if (status.code != OS_OK) return status;
  status = record_read(fd, info.size, &record);
  posix_shut(fd);
  if (status.code != OS_OK) return status;
  status = visit_names(&record, search);
  record_free(&record);
  if (status.code == OS_OK && !search->any) record_sweep(path);
  return status;
}

/* A prefix that does not tell the namespace: the records of all. */
static os_status list_all(struct search *search) {
  const size_t length = sizeof RECORD_PREFIX - 1;
  pthread_once(&temp_once, find_temp);
  DIR *directory = opendir(temp);
  if (!directory) return posix_last();
  for (struct dirent *entry;
       !search->ended && (entry = readdir(directory)) != NULL;) {
    if (strncmp(entry->d_name, RECORD_PREFIX, length) != 0) continue;
    struct path path = temp_path("", entry->d_name);
    list_record(path.text, search); /* other users' are none of our business */
  }
  closedir(directory);
  return OS_SUCCESS;
}

os_status os_object_list(const char *prefix,
                         bool (*visit)(const char *name, void *context),
                         void *context) {
  struct search search = {prefix, visit, context, false, false};
  const char *dot = strchr(prefix, '.');
  if (!dot || !strchr(dot + 1, '.')) return list_all(&search);
  struct path path = record_path(prefix);
  return list_record(path.text, &search);
}

/* ---- control object ------------------------------------------------------ */

/* The record comes and goes with the control object, so that creating a segment
 * in vain leaves nothing behind. Should that fail here, it is done there. */
static void create_record(const char *name) {
  struct path path = record_path(name);
  os_info info;
  int fd;
  if (record_open(path.text, O_WRONLY | O_CREAT, &fd, &info).code == OS_OK)
    posix_shut(fd);
}

os_status os_control_open(const char *name, bool create, os_object *object,
                          os_info *info) {
  struct path path = temp_path("", name);
  int fd;
  os_status status =
      open_file(path.text, O_RDWR | (create ? O_CREAT : 0), &fd, info);
  if (status.code != OS_OK) return status;
  if (create && info->size == 0) create_record(name);
  *object = fd;
  return status;
}

static os_status write_zeros(int fd, uint64_t size) {
  static const char zeros[4096];
  os_status status = OS_SUCCESS;
  for (uint64_t done = 0; done < size && status.code == OS_OK;) {
    uint64_t step = size - done < sizeof zeros ? size - done : sizeof zeros;
    status = posix_write_all(fd, zeros, (size_t)step, (off_t)done);
    done += step;
  }
  return status;
}

/* Writing zeros is what reserves a file's blocks on every system. The size
 * comes first, and all at once: a death in between leaves an object that is
 * full of zeros, and one that shrank would be SIGBUS for who has it mapped. */
os_status os_control_resize(os_object object, uint64_t size) {
  int fd = (int)object;
  os_info before;
  os_status status = posix_inspect(fd, &before);
  if (status.code != OS_OK) return status;
  if (os_sys.ftruncate(fd, (off_t)size) != 0) return posix_last();
  status = write_zeros(fd, size);
  if (status.code != OS_OK && before.size < size) {
    int kept = errno;
    if (os_sys.ftruncate(fd, (off_t)before.size) != 0) errno = kept;
  }
  return status;
}

/* Called when no process and no segment is left, so that the record names
 * nothing any more. */
os_status os_control_remove(const char *name) {
  struct path path = temp_path("", name);
  struct path record = record_path(name);
  struct stat status;
  if (os_sys.lstat(path.text, &status) != 0) return posix_last();
  if (status.st_uid != geteuid()) return (os_status){OS_DENIED, EPERM};
  os_sys.unlink(record.text);
  return os_sys.unlink(path.text) == 0 ? OS_SUCCESS : posix_last();
}

/* ---- process ------------------------------------------------------------- */

/* Pids are the whole machine's. */
enum { PID_SPACE = 1 };

#ifdef __APPLE__
/* False and *gone if there is no such process. */
static bool start_of(uint64_t pid, uint64_t *start, bool *gone) {
  struct kinfo_proc info;
  size_t length = sizeof info;
  int query[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, (int)pid};
  bool asked = sysctl(query, 4, &info, &length, NULL, 0) == 0;
  *gone = asked && (length == 0 || info.kp_proc.p_stat == SZOMB);
  if (!asked || *gone || length != sizeof info) return false;
  *start = (uint64_t)info.kp_proc.p_starttime.tv_sec * 1000000u +
           (uint64_t)info.kp_proc.p_starttime.tv_usec;
  return true;
}
#else
/* Other systems are not asked; then nothing is proved. */
static bool start_of(uint64_t pid, uint64_t *start, bool *gone) {
  (void)pid;
  (void)start;
  *gone = false;
  return false;
}
#endif

void os_process_self(os_process *self) {
  bool gone;
  *self = (os_process){(uint64_t)getpid(), 0, PID_SPACE};
  if (!start_of(self->pid, &self->start, &gone)) self->start = 0;
}

os_life os_process_life(const os_process *process) {
  uint64_t start;
  bool gone;
  if (process->start == 0 || process->pid_space != PID_SPACE)
    return OS_LIFE_UNKNOWN;
  if (!start_of(process->pid, &start, &gone))
    return gone ? OS_DEAD : OS_LIFE_UNKNOWN;
  return start == process->start ? OS_ALIVE : OS_DEAD;
}

void os_process_command(uint64_t pid, char *buffer, size_t length) {
  buffer[0] = '\0';
#ifdef __APPLE__
  if (proc_name((int)pid, buffer, (uint32_t)length) <= 0) buffer[0] = '\0';
#else
  (void)pid;
  (void)length;
#endif
}

os_status os_mappings(const char *prefix,
                      bool (*visit)(uint64_t pid, const uint64_t identity[2],
                                    void *context),
                      void *context) {
  (void)prefix;
  (void)visit;
  (void)context;
  return (os_status){OS_UNSUPPORTED, 0};
}

os_status os_place(uint64_t place[2]) {
  char text[256] = "";
  size_t length = sizeof text - 1;
#ifdef __APPLE__
  if (sysctlbyname("kern.bootsessionuuid", text, &length, NULL, 0) != 0)
    text[0] = '\0';
#else
  gethostname(text, length);
#endif
  place[0] = posix_hash(text, strlen(text), 1);
  place[1] = 0;
  return OS_SUCCESS;
}

/* Shared memory is swapped like any other; nothing of the list is limited. */
void os_limits_get(os_limits *limits) {
  *limits = (os_limits){UINT64_MAX, UINT64_MAX, os_free_space(), UINT64_MAX,
                        UINT64_MAX, false};
}

#else
typedef int not_portable; /* C wants a declaration in every file */
#endif
