/* What the memory limits of control groups leave: by files of our own making,
 * and by a group of our own where one can be made. */
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)

#include "../../src/os/linux.h"
#include "test.h"

#include <ftw.h>

/* ---- files of our own making -----------------------------------------------
 */

static char root[64];

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

static void remove_files(void) {
  if (root[0]) nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file, with the directories that lead to it. */
static void put(const char *path, const char *text) {
  char full[300];
  if (!root[0]) {
    strcpy(root, "/tmp/smem-cgroups-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    atexit(remove_files);
  }
  snprintf(full, sizeof full, "%s%s", root, path);
  for (char *at = full + strlen(root) + 1; (at = strchr(at, '/'));
       *at++ = '/') {
    *at = '\0';
    mkdir(full, 0700);
  }
  FILE *file = fopen(full, "w");
  CHECK(file && fputs(text, file) >= 0);
  fclose(file);
}

#define MIB "000000"
static const uint64_t mib = 1000000, margin = 1 << 20;

static uint64_t least(char limit[160]) {
  uint64_t bytes = UINT64_MAX;
  limit[0] = '\0';
  smem__linux_cgroup_least(root, &bytes, limit, 160);
  return bytes;
}

static void check_least(uint64_t expected, const char *named) {
  char limit[160];
  CHECK_EQUAL(expected, least(limit));
  if (!strstr(limit, named))
    test_fail(__FILE__, __LINE__, "'%s' does not name '%s'", limit, named);
}

static void put_in(const char *path, const char *file, const char *text) {
  char whole[200];
  snprintf(whole, sizeof whole, "%s/%s", path, file);
  put(whole, text);
}

/* A group of version 2, and one of version 1. */
static void group2(const char *path, const char *limit, const char *used,
                   const char *stat) {
  put_in(path, "memory.max", limit);
  put_in(path, "memory.current", used);
  put_in(path, "memory.stat", stat);
}

static void group1(const char *path, const char *limit, const char *used,
                   const char *stat) {
  put_in(path, "memory.limit_in_bytes", limit);
  put_in(path, "memory.usage_in_bytes", used);
  put_in(path, "memory.stat", stat);
}

#define MOUNT2(top, point)                                                     \
  "30 23 0:26 " top " " point " rw,relatime shared:4 - cgroup2 cgroup2 "       \
  "rw,nsdelegate\n"
#define MOUNT1(top, point)                                                     \
  "35 31 0:32 " top " " point " rw,relatime - cgroup cgroup rw,memory\n"
#define OTHER_MOUNTS                                                           \
  "22 1 0:20 / / rw - ext4 /dev/sda1 rw\n"                                     \
  "33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,memoryless\n"

TEST(no_groups_at_all) {
  put("/nothing", "");
  check_least(UINT64_MAX, "");
  put("/proc/self/cgroup", "");
  put("/proc/self/mountinfo", OTHER_MOUNTS);
  check_least(UINT64_MAX, "");
  put("/proc/self/cgroup", "0::/\nnonsense\n:\n4:memory\n");
  check_least(UINT64_MAX, "");
}

TEST(version_2_all_levels) {
  put("/proc/self/cgroup", "0::/user.slice/a\n");
  put("/proc/self/mountinfo", OTHER_MOUNTS MOUNT2("/", "/sys/fs/cgroup"));
  put("/sys/fs/cgroup/cgroup.procs", "");
  group2("/sys/fs/cgroup/user.slice/a", "max\n", "90" MIB "\n", "");
  group2("/sys/fs/cgroup/user.slice", "max\n", "90" MIB "\n", "");
  check_least(UINT64_MAX, "");
  group2("/sys/fs/cgroup/user.slice/a", "100" MIB "\n", "90" MIB "\n",
         "anon 80" MIB "\ninactive_file 5" MIB "\nactive_file 3" MIB
         "\nfile 9" MIB "\n");
  check_least(18 * mib - margin, "/user.slice/a (memory.max)");
  group2("/sys/fs/cgroup/user.slice", "95" MIB "\n", "90" MIB "\n",
         "inactive_file 1" MIB "\n");
  check_least(6 * mib - margin, "/user.slice (memory.max)");
  group2("/sys/fs/cgroup/user.slice", "95" MIB "\n", "96" MIB "\n", "");
  check_least(0, "/user.slice");
  /* more cache than there is used; one hundredth is more than a MiB */
  group2("/sys/fs/cgroup/user.slice", "max", "96" MIB "\n", "");
  group2("/sys/fs/cgroup/user.slice/a", "1000" MIB "\n", "5" MIB "\n",
         "inactive_file 50" MIB "\n");
  check_least(990 * mib, "/user.slice/a");
}

/* Its own group is the root of what it sees. */
TEST(version_2_in_a_container) {
  put("/proc/self/cgroup", "0::/\n");
  put("/proc/self/mountinfo", MOUNT2("/", "/sys/fs/cgroup"));
  group2("/sys/fs/cgroup", "400" MIB, "100" MIB, "");
  check_least(297 * mib, "control group / (memory.max)");
  /* without a namespace of its own, and of another one's */
  put("/proc/self/cgroup", "0::/docker/abc\n");
  put("/proc/self/mountinfo", MOUNT2("/docker/abc", "/sys/fs/cgroup"));
  check_least(297 * mib, "control group / (memory.max)");
  put("/proc/self/cgroup", "0::/../../other\n");
  put("/proc/self/mountinfo", MOUNT2("/../..", "/sys/fs/cgroup"));
  check_least(297 * mib, "control group / (memory.max)");
  put("/proc/self/cgroup", "0::/not/there\n");
  put("/proc/self/mountinfo", MOUNT2("/", "/sys/fs/cgroup"));
  check_least(297 * mib, "control group / (memory.max)");
  /* a group whose name only begins like the mount's */
  put("/proc/self/cgroup", "0::/docker/abcd\n");
  put("/proc/self/mountinfo", MOUNT2("/docker/abc", "/sys/fs/cgroup"));
  check_least(297 * mib, "control group / (memory.max)");
}

TEST(version_1_beside_version_2) {
  put("/proc/self/cgroup",
      "9:name=systemd:/\n4:cpu,memory:/a b/c\n3:cpuset:/x\n0::/u\n");
  put("/proc/self/mountinfo", OTHER_MOUNTS MOUNT2("/", "/sys/fs/cgroup/unified")
                                  MOUNT1("/", "/sys/fs/cgroup/my\\040memory"));
  put("/sys/fs/cgroup/unified/u/cgroup.procs", ""); /* no controller there */
  const char *parent = "/sys/fs/cgroup/my memory/a b";
  const char *own = "/sys/fs/cgroup/my memory/a b/c";
  const char *unlimited = "9223372036854771712\n";
  group1(own, unlimited, "90" MIB, "");
  group1(parent, unlimited, "90" MIB, "");
  check_least(UINT64_MAX, "");
  group1(own, "100" MIB, "90" MIB,
         "inactive_file 1\nactive_file 1\ntotal_inactive_file 4" MIB
         "\ntotal_active_file 2" MIB "\n");
  check_least(16 * mib - margin, "/a b/c (memory.limit_in_bytes)");
  group1(parent, "95" MIB, "90" MIB, "");
  check_least(5 * mib - margin, "/a b (memory.limit_in_bytes)");
  put("/sys/fs/cgroup/my memory/a b/memory.use_hierarchy", "0\n");
  check_least(16 * mib - margin, "/a b/c");
  put("/sys/fs/cgroup/my memory/a b/memory.use_hierarchy", "1\n");
  check_least(5 * mib - margin, "/a b ");
  group2("/sys/fs/cgroup/unified/u", "50" MIB, "48" MIB, "");
  check_least(2 * mib - margin, "/u (memory.max)");
}

/* ---- a group of our own ----------------------------------------------------
 */

static char group[300];

static bool write_to(const char *file, const char *text) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", group, file);
  FILE *stream = fopen(path, "w");
  bool went_well = stream && fputs(text, stream) >= 0;
  return stream && fclose(stream) == 0 && went_well;
}

/* By the process that made it. */
static pid_t maker;
static void remove_group(void) {
  if (getpid() == maker) rmdir(group);
}

/* Make one for this many bytes, whichever version there is. */
static void make_group(const char *limit) {
  const char *parents[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
  const char *files[] = {"memory.limit_in_bytes", "memory.max"};
  for (int i = 0; i < 2; i++) {
    snprintf(group, sizeof group, "%s/smem-test-%d", parents[i], (int)getpid());
    if (mkdir(group, 0700) != 0) continue;
    if (write_to(files[i], limit)) {
      maker = getpid();
      atexit(remove_group);
      return;
    }
    rmdir(group);
  }
  test_skip("no control group can be made here");
}

/* This process belongs to it from here on. */
static void join_group(const char *path) {
  char pid[24];
  if (path != group) snprintf(group, sizeof group, "%s", path);
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  CHECK(write_to("cgroup.procs", pid));
}

static void check_no_space(smem_code code) {
  CHECK_CODE(SMEM_NO_SPACE, code);
  if (!strstr(message(), "control group") || !strstr(message(), "smem-test-"))
    test_fail(__FILE__, __LINE__, "does not name the limit: %s", message());
}

ROLE(in_a_group) {
  smem_request requests[50];
  join_group(argument);
  check_no_space(allocate(NULL, 200 * mib));
  check_no_space(allocate("a", 200 * mib));
  for (int i = 0; i < 50; i++)
    requests[i] = (smem_request)SMEM_REQUEST_INIT(4 * mib, NULL);
  check_no_space(smem_allocate(requests, 50, SMEM_UNTIL_FREED, false, &error));
  char names[50][16];
  for (int i = 0; i < 50; i++) {
    snprintf(names[i], sizeof names[i], "n%d", i);
    requests[i].name = names[i];
  }
  check_no_space(smem_allocate(requests, 50, SMEM_UNTIL_FREED, false, &error));
  CHECK_EQUAL(0, count_listed());
  /* One after the other, of many sizes, until there is no room. */
  const uint64_t sizes[] = {64 << 10, 300000, 1 << 20, 5 * mib};
  for (int k = 0; k < 4; k++) {
    unsigned made = 0;
    smem_code code;
    do {
      smem_request request = SMEM_REQUEST_INIT(sizes[k], NULL);
      code = smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error);
    } while (code == SMEM_OK && ++made < 5000);
    check_no_space(code);
    CHECK(made * sizes[k] > 60 * mib);
    smem_stop();
    CHECK_EQUAL(0, count_listed());
  }
  CHECK_OK(allocate("a", 50 * mib)); /* what fits */
  CHECK_OK(allocate("a", 50 * mib)); /* and needs nothing when it is there */
  CHECK_OK(free_id("a"));
}

TEST_FOR(a_group_of_100_million_bytes, 60) {
  need_usual_directory();
#if defined(TEST_VALGRIND) || defined(TEST_ASAN) || defined(TEST_TSAN)
  test_skip("the tool needs more memory than the group has");
#endif
  make_group("100000000");
  PLAY(in_a_group, group);
}

/* All at once, more than there is: some fail, nobody is killed. */
ROLE(one_of_several) {
  join_group(argument);
  raise_flag(0);
  await_flag(0, 4);
  for (int i = 0; i < 200; i++) {
    smem_request request =
        SMEM_REQUEST_INIT((uint64_t)(1 + i % 30) * mib, NULL);
    smem_code code = smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error);
    CHECK(code == SMEM_OK || code == SMEM_NO_SPACE);
    if (i % 3 == 0 && code == SMEM_OK)
      CHECK_OK(free_id(number_id(request.number)));
  }
}

TEST_FOR(several_processes_in_one_group, 60) {
#if defined(TEST_VALGRIND) || defined(TEST_ASAN) || defined(TEST_TSAN)
  test_skip("the tool needs more memory than the group has");
#endif
  process_id ids[4];
  make_group("100000000");
  for (int i = 0; i < 4; i++) ids[i] = START(one_of_several, group);
  for (int i = 0; i < 4; i++) FINISH(ids[i]);
}

#else
typedef int not_linux;
#endif
