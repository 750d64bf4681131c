/* Linux: which directories may hold segments.
 *
 * A segment must be what it is in /dev/shm: its bytes reserved when it is
 * allocated, one and the same memory for all who map it, held by locks that go
 * with their process, and its own user's. What a file system cannot give of
 * that is found here, at the first use, and not by a bus error later on. */
#include "linux.h"
#ifdef OS_LINUX

#include <stdio.h>
#include <sys/vfs.h>

/* ---- file systems -------------------------------------------------------- */

/* From <linux/magic.h>, and of those that are not there from their sources. */
struct kind {
  uint32_t magic;
  const char *why;
};

#define NETWORK                                                                \
  "is on a network file system, where processes of two machines would not "    \
  "share memory, and locks may not hold; choose a local disk, or a tmpfs"
#define SERVED                                                                 \
  "is served by a program (FUSE), which may end or change the files under "    \
  "those who map them; choose a local disk, or a tmpfs"
#define UNRESERVED                                                             \
  "cannot reserve bytes, so that a full file system would be a bus error; "    \
  "choose a tmpfs, ext4, xfs or btrfs"

static const struct kind refused[] = {
    {0x6969, NETWORK},        /* nfs */
    {0x517B, NETWORK},        /* smb */
    {0xFF534D42, NETWORK},    /* cifs */
    {0xFE534D42, NETWORK},    /* smb2 */
    {0x01021997, NETWORK},    /* 9p */
    {0x5346414F, NETWORK},    /* afs */
    {0x6B414653, NETWORK},    /* kafs */
    {0x73757245, NETWORK},    /* coda */
    {0x00C36400, NETWORK},    /* ceph */
    {0x0BD00BD0, NETWORK},    /* lustre */
    {0x47504653, NETWORK},    /* gpfs */
    {0x19830326, NETWORK},    /* beegfs */
    {0xAAD7AAEA, NETWORK},    /* panfs */
    {0x20030528, NETWORK},    /* orangefs */
    {0x01161970, NETWORK},    /* gfs2 */
    {0x7461636F, NETWORK},    /* ocfs2 */
    {0x786F4256, NETWORK},    /* vboxsf */
    {0xBACBACBC, NETWORK},    /* vmhgfs */
    {0x65735546, SERVED},     /* fuse, virtiofs */
    {0x858458F6, UNRESERVED}, /* ramfs */
    {0x2FC12FC1, UNRESERVED}, /* zfs, whose fallocate() reserves nothing */
    {0x958458F6, "is a hugetlbfs, whose files cannot be written by write(); "
                 "choose a tmpfs, mounted with huge=always for large pages"},
};

static const char *wrong_with_kind(uint32_t magic) {
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    if (refused[i].magic == magic) return refused[i].why;
  return NULL;
}

bool smem__linux_is_memory(int fd) {
  const uint32_t tmpfs = 0x01021994;
  struct statfs fs;
  return fstatfs(fd, &fs) != 0 || (uint32_t)fs.f_type == tmpfs;
}

/* ---- what it can do ------------------------------------------------------ */

/* A page that is reserved, written, locked and mapped, as that of a segment. */
static bool can_hold(int fd) {
  uint64_t page = smem__os_page_size();
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
  void *address;
  if (smem__os_sys.reserve(fd, 0, (off_t)page) != 0 ||
      smem__posix_write_all(fd, "", 1, (off_t)page - 1).code != OS_OK ||
      smem__os_sys.flock(fd, LOCK_EX | LOCK_NB) != 0 ||
      smem__os_sys.lock(fd, F_OFD_SETLK, &lock) != 0 ||
      smem__posix_map(fd, 0, page, OS_READ_WRITE, &address).code != OS_OK)
    return false;
  smem__os_unmap(address, page);
  return true;
}

/* By a file without a name; where there are none (before Linux 6.1 an overlay
 * has none) by one whose name goes at once. */
static int open_trial(const char *directory) {
  char path[LINUX_PATH_SIZE];
  int fd = smem__os_sys.open(directory, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
  if (fd >= 0 || !smem__linux_is_without_tmpfile(errno)) return fd;
  snprintf(path, sizeof path, "%s/.smem-%lld-%llx", directory,
           (long long)getpid(), (unsigned long long)smem__os_entropy());
  fd = smem__os_sys.open(path, O_RDWR | O_CREAT | O_EXCL | POSIX_SAFE_FLAGS,
                         0600);
  if (fd >= 0) smem__os_sys.unlink(path);
  return fd;
}

/* What is full cannot be tried. What is there can be read all the same, and
 * nothing is allocated before there is room. */
static bool is_full(int number) {
  return smem__posix_status(number).code == OS_NO_SPACE;
}

static const char *try_out(const char *directory, int *number) {
  int fd = open_trial(directory);
  *number = errno;
  if (fd < 0 && !is_full(*number))
    return *number == EROFS ? "is mounted read-only; choose another one"
                            : "cannot be written to by this user; choose "
                              "another one, or give the right to";
  if (fd < 0) return NULL;
  errno = 0;
  bool holds = can_hold(fd);
  *number = errno;
  smem__posix_shut(fd);
  return holds || is_full(*number)
             ? NULL
             : "cannot reserve, lock and map files; choose a directory on a "
               "local disk or a tmpfs";
}

/* ---- the directory ------------------------------------------------------- */

/* Who may write to it may take segments away, which the sticky bit forbids. */
static const char *wrong_with_owner(const struct stat *status) {
  if (!S_ISDIR(status->st_mode)) return "is not a directory; choose one";
  if (status->st_mode & S_ISVTX) return NULL;
  if (status->st_uid != geteuid() && status->st_uid != 0)
    return "belongs to another user and has no sticky bit, so that they could "
           "remove the segments; choose one of your own, or have it made "
           "`chmod +t`";
  if (status->st_mode & S_IWOTH)
    return "may be written to by everybody and has no sticky bit, so that they "
           "could remove the segments; `chmod +t` it, or choose another one";
  return NULL;
}

/* NULL: it is one, and *real is its path. */
static const char *resolve(const char *path, char real[OS_DIRECTORY_MAX + 1],
                           struct stat *status, int *number) {
  *number = 0;
  if (path[0] != '/')
    return "is not an absolute path; it must begin with \"/\"";
  char *resolved = realpath(path, NULL);
  *number = errno;
  if (!resolved)
    return *number == ENOENT ? "does not exist; make it first"
                             : "cannot be reached by this user; choose another";
  bool fits = strlen(resolved) <= OS_DIRECTORY_MAX && resolved[1] != '\0';
  if (fits) memcpy(real, resolved, strlen(resolved) + 1);
  free(resolved);
  if (!fits)
    return "must not be / or longer than 200 bytes; choose another one";
  int missing = smem__os_sys.lstat(real, status);
  *number = errno;
  return missing ? "does not exist; make it first" : NULL;
}

/* Where the system keeps shared memory, by whichever path. */
static bool is_usual(const struct stat *status) {
  struct stat usual;
  return stat(DIRECTORY, &usual) == 0 && usual.st_dev == status->st_dev &&
         usual.st_ino == status->st_ino;
}

_Atomic bool smem__linux_chosen;

os_status smem__os_directory(const char *path, char real[OS_DIRECTORY_MAX + 1],
                             const char **why) {
  struct stat status;
  struct statfs fs;
  int number;
  if ((*why = resolve(path, real, &status, &number)))
    return (os_status){OS_DENIED, number};
  if (is_usual(&status)) {
    real[0] = '\0';
    return OS_SUCCESS;
  }
  if ((*why = wrong_with_owner(&status))) return (os_status){OS_DENIED, 0};
  if (statfs(real, &fs) == 0 && (*why = wrong_with_kind((uint32_t)fs.f_type)))
    return (os_status){OS_UNSUPPORTED, 0};
  if (!(*why = try_out(real, &number))) {
    smem__linux_chosen = true;
    return OS_SUCCESS;
  }
  return (os_status){number == EOPNOTSUPP || number == EINVAL ? OS_UNSUPPORTED
                                                              : OS_DENIED,
                     number};
}

bool smem__os_directory_is_safe(const char *directory) {
  char real[OS_DIRECTORY_MAX + 1];
  struct stat status;
  struct statfs fs;
  int number;
  return !resolve(directory, real, &status, &number) &&
         strcmp(real, directory) == 0 && !wrong_with_owner(&status) &&
         statfs(real, &fs) == 0 && !wrong_with_kind((uint32_t)fs.f_type);
}

#endif
