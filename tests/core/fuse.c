/* A directory that a program serves: a file system of our own, as far as a
 * refusal needs one. It has a root, which is empty. */
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)

#include "test.h"

#include <sys/mount.h>

/* From <linux/fuse.h>, which not every C library finds. */
enum { GETATTR = 3, STATFS = 17, INIT = 26, OPENDIR = 27 };
struct question {
  uint32_t length, what;
  uint64_t number, node;
  uint32_t user, group, pid, more;
};
struct answer {
  uint32_t length;
  int32_t error;
  uint64_t number;
  union {
    struct {
      uint32_t major, minor, readahead, flags;
      uint32_t background_and_congestion, most_written, rest[10];
    } init;
    struct {
      uint64_t valid_seconds;
      uint32_t valid_nanoseconds, unused;
      uint64_t inode, size, blocks, times[3];
      uint32_t nanoseconds[3], mode, links, user, group, device, block, flags;
    } attributes;
    uint64_t file[2], counts[10];
  } with;
};
_Static_assert(sizeof(struct question) == 40, "as the kernel has it");
_Static_assert(sizeof((struct answer *)0)->with.init == 64, "likewise");
_Static_assert(sizeof((struct answer *)0)->with.attributes == 104, "likewise");

static size_t fill(struct answer *answer, uint32_t what) {
  switch (what) {
  case INIT:
    answer->with.init.major = 7;
    answer->with.init.minor = 31;
    answer->with.init.most_written = 4096;
    return sizeof answer->with.init;
  case GETATTR:
    answer->with.attributes.inode = 1;
    answer->with.attributes.mode = S_IFDIR | 0700;
    answer->with.attributes.links = 2;
    answer->with.attributes.user = geteuid();
    answer->with.attributes.group = getegid();
    return sizeof answer->with.attributes;
  case OPENDIR:
    return sizeof answer->with.file;
  case STATFS:
    return sizeof answer->with.counts;
  default:
    answer->error = -ENOSYS;
    return 0;
  }
}

/* Until it is unmounted. */
ROLE(serves) {
  static _Alignas(8) char buffer[8192 + 4096];
  int fd = atoi(argument);
  while (read(fd, buffer, sizeof buffer) > 0) {
    struct question question;
    struct answer answer;
    memcpy(&question, buffer, sizeof question);
    memset(&answer, 0, sizeof answer);
    answer.number = question.number;
    answer.length = (uint32_t)(offsetof(struct answer, with) +
                               fill(&answer, question.what));
    CHECK(write(fd, &answer, answer.length) == (ssize_t)answer.length);
    raise_flag(0);
  }
}

TEST(a_directory_that_a_program_serves_is_refused) {
  char options[200], fd_text[16], path[300];
  snprintf(path, sizeof path, "%s/fuse", temporary_directory());
  CHECK(mkdir(path, 0700) == 0);
  mount_apart();
  int fd = open("/dev/fuse", O_RDWR); /* for the server, too */
  snprintf(options, sizeof options,
           "fd=%d,rootmode=40000,user_id=%d,group_id=%d", fd, (int)geteuid(),
           (int)getegid());
  if (fd < 0 || mount("test", path, "fuse", 0, options) != 0) {
    rmdir(path);
    test_skip("this kernel has no FUSE for us");
  }
  snprintf(fd_text, sizeof fd_text, "%d", fd);
  process_id server = START(serves, fd_text);
  await_flag(0, 1);
  set_variable("SHAREDMEMORY_DIR", path);
  CHECK_CODE(SMEM_UNSUPPORTED, allocate("a", 1));
  CHECK(strstr(error.detail, "served by a program (FUSE)") != NULL);
  CHECK(umount2(path, MNT_DETACH) == 0);
  FINISH(server);
  CHECK(rmdir(path) == 0);
}

#else
typedef int nothing_to_test_here;
#endif
