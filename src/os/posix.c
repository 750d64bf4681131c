/* What all POSIX systems do alike. Where they differ: linux.c, macos.c. */
#ifndef _WIN32

#include "posix.h"

#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <dlfcn.h>

/* ---- errors ------------------------------------------------------------ */

os_status posix_status(int number) {
  os_code code;
  switch (number) {
  case ENOENT:       code = OS_NOT_FOUND; break;
  case EEXIST:       code = OS_EXISTS; break;
  case EACCES:
  case EPERM:        code = OS_DENIED; break;
  case EISDIR:
  case ELOOP:
  case ENXIO:        code = OS_NOT_REGULAR; break;
  case ENOSPC:
  case EDQUOT:       code = OS_NO_SPACE; break;
  case ENOMEM:       code = OS_NO_MEMORY; break;
  case EMFILE:
  case ENFILE:       code = OS_TOO_MANY_FILES; break;
  case EINTR:        code = OS_INTERRUPTED; break;
  case EOPNOTSUPP:
  case ENOSYS:       code = OS_UNSUPPORTED; break;
  default:           code = OS_FAILED; break;
  }
  return (os_status){code, number};
}

os_status posix_last(void) { return posix_status(errno); }

void os_error_text(int number, char *buffer, size_t length) {
  /* strerror_r() exists in two incompatible forms, strerror() is thread-safe in
   * glibc, musl and Darwin for the numbers they know. */
  snprintf(buffer, length, "%s", strerror(number));
}

/* ---- hash --------------------------------------------------------------- */

uint64_t posix_hash(const void *data, size_t length, uint64_t state) {
  const char *at = data;
  while (length > 0) {
    uint64_t word = 0;
    size_t step = length < sizeof word ? length : sizeof word;
    memcpy(&word, at, step);
    state = (state ^ word) * 0x9E3779B97F4A7C15u;
    state ^= state >> 29;
    at += step;
    length -= step;
  }
  state *= 0xBF58476D1CE4E5B9u;
  return state ^ (state >> 32);
}

/* ---- objects ----------------------------------------------------------- */

void posix_shut(int fd) {
  int kept = errno;
  /* Not again after EINTR: Linux has released the number by then, and another
   * thread may have it already. */
  os_sys.close(fd);
  errno = kept;
}

void posix_info(const struct stat *status, os_info *info) {
  info->size = (uint64_t)status->st_size;
  info->resident = (uint64_t)status->st_blocks * 512; /* whatever st_blksize */
  info->identity[0] = (uint64_t)status->st_dev;
  info->identity[1] = (uint64_t)status->st_ino;
  info->user = (uint64_t)status->st_uid;
  info->unlinked = status->st_nlink == 0;
  info->directory = S_ISDIR(status->st_mode);
}

os_status posix_inspect(int fd, os_info *info) {
  struct stat status;
  if (os_sys.fstat(fd, &status) != 0) return posix_last();
  posix_info(&status, info);
  return S_ISREG(status.st_mode) ? OS_SUCCESS : (os_status){OS_NOT_REGULAR, 0};
}

os_status posix_read_all(int fd, void *buffer, size_t length, off_t offset) {
  char *at = buffer;
  while (length > 0) {
    ssize_t done = os_sys.pread(fd, at, length, offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return posix_last();
    if (done == 0) return (os_status){OS_FAILED, 0}; /* shorter than it said */
    at += done;
    offset += done;
    length -= (size_t)done;
  }
  return OS_SUCCESS;
}

os_status posix_write_all(int fd, const void *buffer, size_t length,
                          off_t offset) {
  const char *at = buffer;
  while (length > 0) {
    ssize_t done = os_sys.pwrite(fd, at, length, offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return posix_last();
    at += done;
    offset += done;
    length -= (size_t)done;
  }
  return OS_SUCCESS;
}

_Atomic uint64_t posix_mapped;

os_status posix_map(int fd, uint64_t offset, uint64_t size, os_access access,
                    void **address) {
  int protection = access == OS_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
  /* Memory for the pages that will be copied is not set aside: they are few. */
  int flags = access == OS_COPY_ON_WRITE ? MAP_PRIVATE | MAP_NORESERVE
                                         : MAP_SHARED;
  *address = os_sys.mmap(NULL, (size_t)size, protection, flags, fd,
                         (off_t)offset);
  if (*address != MAP_FAILED) {
    posix_mapped++;
    return OS_SUCCESS;
  }
  os_status failure = posix_last();
  *address = NULL;
  return failure;
}

void os_unmap(void *address, uint64_t size) {
  os_sys.munmap(address, (size_t)size);
  posix_mapped--;
}

void os_object_close(os_object object) { posix_shut((int)object); }

/* The kernel keeps a named object until it is unlinked. */
os_status os_object_keep(const char *name, os_object object) {
  (void)name;
  (void)object;
  return OS_SUCCESS;
}

/* ---- locks ---------------------------------------------------------------
 *
 * A classic POSIX record lock belongs to the process and is lost as soon as
 * anything in the process opens and closes the same file: reading /dev/shm with
 * file.copy() would make us look dead. An open-file-description lock belongs to
 * the opening: it goes when the last descriptor of that opening goes, and the
 * kernel sees to that after kill -9 too. A forked child shares the opening, so
 * the child must close its copy (os_at_fork). Where a system has no such locks
 * the classic ones must do. */
#ifdef F_OFD_SETLK
#define LOCK_SET F_OFD_SETLK
#define LOCK_GET F_OFD_GETLK
#else
#define LOCK_SET F_SETLK
#define LOCK_GET F_GETLK
#endif

static struct flock lock_range(short type, uint64_t offset, uint64_t length) {
  struct flock lock;
  memset(&lock, 0, sizeof lock); /* l_pid must be 0 for F_OFD_* */
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = (off_t)offset;
  lock.l_len = (off_t)length;
  return lock;
}

os_status os_lock(os_object control, uint64_t offset, uint64_t length) {
  struct flock lock = lock_range(F_WRLCK, offset, length);
  if (os_sys.lock((int)control, LOCK_SET, &lock) == 0) return OS_SUCCESS;
  if (errno == EAGAIN || errno == EACCES) return (os_status){OS_BUSY, errno};
  return posix_last();
}

void os_unlock(os_object control, uint64_t offset, uint64_t length) {
  struct flock lock = lock_range(F_UNLCK, offset, length);
  os_sys.lock((int)control, LOCK_SET, &lock);
}

os_status os_lock_query(os_object control, uint64_t offset, uint64_t length,
                        bool *held) {
  struct flock lock = lock_range(F_WRLCK, offset, length);
  if (os_sys.lock((int)control, LOCK_GET, &lock) != 0) return posix_last();
  *held = lock.l_type != F_UNLCK;
  return OS_SUCCESS;
}

os_status os_control_stat(os_object object, os_info *info) {
  return posix_inspect((int)object, info);
}

/* ---- process and machine ------------------------------------------------- */

uint64_t os_user(void) { return (uint64_t)geteuid(); }

void os_user_name(uint64_t user, char *buffer, size_t length) {
  struct passwd entry, *found = NULL;
  char room[1024];
  if (getpwuid_r((uid_t)user, &entry, room, sizeof room, &found) == 0 && found)
    snprintf(buffer, length, "%s (uid %llu)", entry.pw_name,
             (unsigned long long)user);
  else
    snprintf(buffer, length, "uid %llu", (unsigned long long)user);
}

void os_default_namespace(char buffer[17]) {
  snprintf(buffer, 17, "%llu", (unsigned long long)geteuid());
}

uint64_t os_page_size(void) {
  static _Atomic uint64_t size; /* does not change while we run */
  if (size == 0) size = (uint64_t)sysconf(_SC_PAGESIZE);
  return size;
}

static uint64_t clock_now(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t os_wall_clock(void) { return clock_now(CLOCK_REALTIME); }
uint64_t os_steady_clock(void) { return clock_now(CLOCK_MONOTONIC); }

void os_sleep(uint64_t nanoseconds) {
  struct timespec span = {(time_t)(nanoseconds / 1000000000u),
                          (long)(nanoseconds % 1000000000u)};
  nanosleep(&span, NULL); /* a signal ends it early, as the caller wants */
}

uint64_t os_entropy(void) {
  uint64_t value = 0;
  int fd = os_sys.open("/dev/urandom", O_RDONLY | O_CLOEXEC, 0);
  if (fd >= 0) {
    if (os_sys.pread(fd, &value, sizeof value, 0) != (ssize_t)sizeof value)
      value = 0;
    posix_shut(fd);
  }
  /* Without the device (a bare chroot, no descriptor left) time and pid still
   * tell two processes, and two moments of one, from each other. */
  return value ^ (os_wall_clock() * 0x9E3779B97F4A7C15u) ^
         ((uint64_t)getpid() << 32) ^ os_steady_clock();
}

void *os_allocate(size_t length) { return os_sys.calloc(1, length); }
void os_release(void *memory) { free(memory); }

typedef char mutex_fits[sizeof(pthread_mutex_t) <= sizeof(os_mutex) ? 1 : -1];

void os_mutex_init(os_mutex *mutex) {
  pthread_mutex_init((pthread_mutex_t *)mutex, NULL);
}
void os_mutex_lock(os_mutex *mutex) {
  pthread_mutex_lock((pthread_mutex_t *)mutex);
}
void os_mutex_unlock(os_mutex *mutex) {
  pthread_mutex_unlock((pthread_mutex_t *)mutex);
}

void os_at_fork(void (*before)(void), void (*in_parent)(void),
                void (*in_child)(void)) {
  pthread_atfork(before, in_parent, in_child);
}

bool os_pin_library(void (*function)(void)) {
  Dl_info library;
  void *address;
  memcpy(&address, &function, sizeof address);
  if (dladdr(address, &library) == 0 || !library.dli_fname) return false;
  /* RTLD_NOLOAD: only if it is a loaded library, which an executable of C tests
   * that has the core linked in is not. The handle is never closed. */
  int how = RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE;
  return dlopen(library.dli_fname, how) != NULL;
}

#else
typedef int not_posix; /* C wants a declaration in every file */
#endif
