/* macOS: the record of names.
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
#include "macos.h"
#ifdef OS_MACOS

#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>

/* "smem.space.id" -> "space". */
static struct macos_path path_of_space(const char *prefix, const char *name) {
  char space[MACOS_NAME_LIMIT] = "";
  const char *dot = strchr(name, '.');
  if (dot) {
    size_t length = strcspn(dot + 1, ".");
    if (length >= sizeof space) length = sizeof space - 1;
    memcpy(space, dot + 1, length);
  }
  return smem__macos_temp_path(prefix, space);
}

struct macos_path smem__macos_record_path(const char *name) {
  return path_of_space(MACOS_RECORD_PREFIX, name);
}

struct macos_path smem__macos_lock_path(const char *name) {
  return path_of_space(MACOS_LOCK_PREFIX, name);
}

os_status smem__macos_record_open(const char *path, int flags, int *fd,
                                  os_info *info) {
  os_status status = smem__macos_open_file(path, flags, fd, info);
  if (status.code == OS_OK && info->user != smem__os_user()) {
    smem__posix_shut(*fd);
    status = (os_status){OS_DENIED, EPERM};
  }
  return status;
}

void smem__macos_record_close(int fd) {
  int kept = errno;
  /* A child forked by another thread may have the opening too, and with it the
   * lock. */
  flock(fd, LOCK_UN);
  errno = kept;
  smem__posix_shut(fd);
}

/* Open and lock what bears the path once the lock is there. A rewriter that was
 * stopped must not hang us. */
os_status smem__macos_record_lock(const char *path, int flags, int how, int *fd,
                                  os_info *info) {
  const uint64_t pause = 1000000;
  for (int attempt = 0; attempt < 2000; attempt++) {
    os_status status = smem__macos_record_open(path, flags, fd, info);
    if (status.code != OS_OK) return status;
    if (flock(*fd, how | LOCK_NB) == 0) {
      status = smem__posix_inspect(*fd, info);
      if (status.code == OS_OK && !info->unlinked) return status;
    } else if (errno == EWOULDBLOCK) {
      if (how == LOCK_EX) attempt = 2000;
      smem__os_sleep(pause);
    } else if (errno != EINTR) {
      status = smem__posix_last();
    }
    smem__macos_record_close(*fd);
    if (status.code != OS_OK) return status;
  }
  return (os_status){OS_BUSY, EWOULDBLOCK};
}

void smem__macos_record_free(struct macos_record *record) {
  smem__os_release(record->text);
  smem__os_release(record->names);
}

static int compare(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A line without its end is still being written, or its writer found the disk
 * full half way: its object does not exist yet, or never. */
static void split_lines(struct macos_record *record, size_t length) {
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

os_status smem__macos_record_read(int fd, uint64_t size,
                                  struct macos_record *record) {
  size_t length = (size_t)size;
  *record = (struct macos_record){smem__os_allocate(length + 1), NULL, 0};
  /* A name and its end are two bytes at least. */
  record->names = smem__os_allocate((length / 2 + 1) * sizeof *record->names);
  os_status status = {OS_NO_MEMORY, ENOMEM};
  if (record->text && record->names)
    status = smem__posix_read_all(fd, record->text, length, 0);
  if (status.code == OS_OK)
    split_lines(record, length);
  else
    smem__macos_record_free(record);
  return status;
}

/* OS_OK, OS_NOT_FOUND, or why it cannot be told. */
os_status smem__macos_exists(const char *name) {
  struct macos_path path = smem__macos_name(name);
  int fd = smem__os_sys.shm_open(path.text, O_RDONLY | POSIX_SAFE_FLAGS, 0);
  os_status status = fd >= 0 ? OS_SUCCESS : smem__posix_last();
  if (fd >= 0) smem__posix_shut(fd);
  bool is_there = status.code == OS_DENIED || status.code == OS_NOT_REGULAR;
  return is_there ? OS_SUCCESS : status;
}

/* The names still in use, as lines, over what was read. */
static os_status keep_lines(struct macos_record *record, char *lines,
                            size_t *length) {
  *length = 0;
  for (size_t i = 0; i < record->count; i++) {
    os_status status = smem__macos_exists(record->names[i]);
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
  struct macos_path fresh;
  os_info info;
  int fd;
  snprintf(fresh.text, sizeof fresh.text, "%.1000s.new", path);
  smem__os_sys.unlink(fresh.text); /* of one that died here */
  os_status status = smem__macos_open_file(
      fresh.text, O_WRONLY | O_CREAT | O_EXCL, &fd, &info);
  if (status.code != OS_OK) return status;
  status = smem__posix_write_all(fd, lines, length, 0);
  smem__posix_shut(fd);
  if (status.code == OS_OK && rename(fresh.text, path) != 0)
    status = smem__posix_last();
  if (status.code != OS_OK) smem__os_sys.unlink(fresh.text);
  return status;
}

/* The lines to keep of the record, which the caller releases. */
static os_status read_kept(int fd, uint64_t size, char **lines,
                           size_t *length) {
  struct macos_record record;
  os_status status = smem__macos_record_read(fd, size, &record);
  if (status.code != OS_OK) return status;
  *lines = smem__os_allocate((size_t)size + 1);
  status = *lines ? keep_lines(&record, *lines, length)
                  : (os_status){OS_NO_MEMORY, ENOMEM};
  if (status.code != OS_OK) smem__os_release(*lines);
  smem__macos_record_free(&record);
  return status;
}

/* Rewriting looks at every name. Doing it again only when the file has become
 * twice as long as what was left makes that a constant per creation. */
void smem__macos_record_rewrite(const char *path, uint64_t size) {
  enum { SMALL = 64 * 1024 };
  static _Atomic uint64_t limit = SMALL;
  os_info info;
  char *lines;
  size_t length;
  int fd;
  if (size <= atomic_load(&limit) ||
      smem__macos_record_lock(path, O_RDWR, LOCK_EX, &fd, &info).code != OS_OK)
    return;
  uint64_t left = info.size;
  if (read_kept(fd, info.size, &lines, &length).code == OS_OK) {
    if (replace(path, lines, length).code == OS_OK) left = length;
    smem__os_release(lines);
  }
  smem__macos_record_close(fd);
  atomic_store(&limit, left < SMALL / 2 ? SMALL : 2 * left);
}

/* Remove a record that names nothing any more, where the control object that it
 * would have gone with was removed by force. */
void smem__macos_record_sweep(const char *path) {
  const char *space = strrchr(path, '/') + sizeof MACOS_RECORD_PREFIX;
  struct macos_path control =
      smem__macos_temp_path(MACOS_CONTROL_PREFIX, space);
  struct macos_path locks = smem__macos_temp_path(MACOS_LOCK_PREFIX, space);
  struct stat status;
  os_info info;
  char *lines;
  size_t length;
  int fd;
  if (smem__os_sys.lstat(control.text, &status) == 0 || errno != ENOENT) return;
  os_status lock = smem__macos_record_lock(path, O_RDWR, LOCK_EX, &fd, &info);
  if (lock.code == OS_NOT_FOUND) smem__os_sys.unlink(locks.text);
  if (lock.code != OS_OK) return;
  if (read_kept(fd, info.size, &lines, &length).code == OS_OK) {
    if (length == 0) {
      smem__os_sys.unlink(locks.text);
      smem__os_sys.unlink(path);
    }
    smem__os_release(lines);
  }
  smem__macos_record_close(fd);
}

/* The line begins with an end too, in case another's broke off before it. */
os_status smem__macos_record_append(int fd, const char *name) {
  char line[MACOS_PATH_SIZE];
  int length = snprintf(line, sizeof line, "\n%s\n", name);
  ssize_t done;
  /* With O_APPEND, which pwrite() does not heed everywhere. */
  do done = write(fd, line, (size_t)length);
  while (done < 0 && errno == EINTR);
  if (done < 0) return smem__posix_last();
  return done == length ? OS_SUCCESS : (os_status){OS_NO_SPACE, ENOSPC};
}

#endif
