/* What the core tells of the machine, of users and of other processes. */
#ifndef _WIN32

#include "test.h"

TEST(limits_of_the_machine) {
  smem_limits limits = SMEM_LIMITS_INIT;
  smem_limits_get(&limits);
  CHECK(limits.used <= limits.capacity && limits.free > 0);
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)
  CHECK(limits.mappings > 0 && limits.mappings < limits.max_mappings);
  CHECK(limits.capacity != UINT64_MAX || limits.used == UINT64_MAX);
#endif
}

/* Which of them bite, as bits. */
static unsigned biting(const smem_limits *limits) {
  unsigned bits = 0;
  for (unsigned i = 0; i < SMEM_LIMITS; i++)
    if (smem_limit_bites(limits, (smem_limit)i)) bits |= 1u << i;
  return bits;
}

TEST(limits_are_told_before_they_bite) {
  smem_limits limits = SMEM_LIMITS_INIT;
  limits.capacity = limits.free = (uint64_t)1 << 40;
  limits.max_mappings = 100;
  limits.mappings = 10;
  CHECK_EQUAL(0, biting(&limits));
  limits.mappings = 90;
  limits.cleaned_at_logout = true;
  CHECK_EQUAL(1u << SMEM_LIMIT_MAPPINGS | 1u << SMEM_LIMIT_LOGOUT,
              biting(&limits));
  limits.cleaned_at_logout = false;
  limits.mappings = limits.max_mappings = UINT64_MAX;
  limits.free = 1000;
  CHECK_EQUAL(1u << SMEM_LIMIT_MEMORY, biting(&limits));
  limits.used = limits.capacity - 1000;
  CHECK_EQUAL(1u << SMEM_LIMIT_FULL, biting(&limits));
  limits.capacity = limits.used = limits.free = UINT64_MAX;
  CHECK_EQUAL(0, biting(&limits));
  limits.capacity = (uint64_t)64 << 20;
  limits.used = 0;
  CHECK_EQUAL(1u << SMEM_LIMIT_SMALL, biting(&limits));
  snprintf(limits.directory, sizeof limits.directory, "/tmp");
  CHECK_EQUAL(0, biting(&limits));
  CHECK(!smem_limit_name(SMEM_LIMITS)[0] && !smem_limit_remedy(SMEM_LIMITS)[0]);
}

TEST(names_of_users) {
  char name[80], expected[40];
  smem_user_name(0, name, sizeof name);
  CHECK(strstr(name, "uid 0") != NULL);
  smem_user_name(3999999999u, name, sizeof name);
  snprintf(expected, sizeof expected, "uid 3999999999");
  CHECK(strcmp(name, expected) == 0);
}

TEST(random_numbers_differ) { CHECK(smem_random() != smem_random()); }

/* A process with these arguments, that waits for its input to end. */
static void check_command(const char *expected, const char *a, const char *b,
                          const char *c) {
  char command[80];
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    dup2(ends[0], 0);
    close(ends[1]);
    execl("/bin/sh", "/usr/lib/R/bin/exec/R", "-c", "read line", a, b, c,
          (char *)NULL);
    _exit(1);
  }
  close(ends[0]);
  /* Until exec() it has our own. */
  for (int i = 0; i < 2000; i++) {
    smem_command((uint64_t)pid, command, sizeof command);
    if (strcmp(command, expected) == 0) break;
    sleep_ms(1);
  }
  close(ends[1]);
  waitpid(pid, NULL, 0);
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)
  if (strcmp(command, expected) != 0)
    test_fail(__FILE__, __LINE__, "it is '%s', not '%s'", command, expected);
#endif
}

TEST(commands) {
  char command[80] = "x";
  smem_command(UINT64_C(1) << 40, command, sizeof command);
  CHECK(strcmp(command, "") == 0);
  check_command("R", NULL, NULL, NULL);
  check_command("a b.R", "--file=a~+~b.R", "--args", "--file=no");
  check_command("plot.R", "-f", "plot.R", NULL);
  check_command("R", "x", "-f", NULL); /* nothing behind it */
}

struct seen {
  uint64_t identity[2];
  unsigned all, ours;
  bool once;
};

static bool see(uint64_t pid, const uint64_t identity[2], uint64_t copied,
                void *context) {
  struct seen *seen = context;
  (void)copied;
  seen->all++;
  seen->ours += pid == (uint64_t)getpid() &&
                memcmp(seen->identity, identity, sizeof seen->identity) == 0;
  return !seen->once;
}

TEST(who_maps_what) {
  smem_handle *handle, *other;
  CHECK_OK(allocate("a", 1));
  CHECK_OK(allocate("b", 1));
  CHECK_OK(smem_open("a", SMEM_READ_ONLY, &handle, &error));
  CHECK_OK(smem_open("b", SMEM_READ_ONLY, &other, &error));
  struct stat status = stat_of(segment_path("a"));
  struct seen seen = {{status.st_dev, status.st_ino}, 0, 0, false};
  smem_code code = smem_mapped_by(NULL, false, see, &seen, &error);
  if (code == SMEM_OK) {
    CHECK_EQUAL(1, seen.ours);
    CHECK_EQUAL(2, seen.all);
    seen.all = seen.ours = 0;
    CHECK_OK(smem_mapped_by("a", false, see, &seen, &error));
    CHECK_EQUAL(1, seen.all);
    CHECK_EQUAL(1, seen.ours);
    seen = (struct seen){{0}, 0, 0, true};
    CHECK_OK(smem_mapped_by(NULL, false, see, &seen, &error));
    CHECK_EQUAL(1, seen.all);
  } else {
    CHECK_CODE(SMEM_UNSUPPORTED, code);
  }
  smem_close(handle);
  smem_close(other);
  clean_namespace();
}

#else
typedef int not_posix;
#endif
