/* Tests as forked processes, and what they ask the system themselves. */
#ifndef _WIN32

#include "harness.h"

#include <dirent.h>
#include <sys/mman.h>
#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#endif

#define SHM "/dev/shm/"

static char space[17]; /* the namespace of this test */
static char temp[64];  /* a directory of our own instead of /tmp */

#ifdef __linux__
static bool leave_mounts(void) {
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
}

void mount_apart(void) {
  if (geteuid() != 0) test_skip("needs root");
  if (!leave_mounts()) test_skip("nothing can be mounted here");
}
#endif

/* ---- running ------------------------------------------------------------- */

static pid_t running;
static volatile sig_atomic_t timed_out, ended_by;

static void on_alarm(int signal_number) {
  (void)signal_number;
  timed_out = 1;
  kill(-running, SIGKILL);
}

/* Whoever ends the run must not leave a test at work, nor what it has made. */
static void on_end(int signal_number) {
  ended_by = signal_number;
  if (running > 0) kill(-running, SIGKILL);
}

static void end_if_told(void) {
  if (!ended_by) return;
  host_end();
  signal(ended_by, SIG_DFL);
  raise(ended_by);
}

/* On other systems than Linux, and in the build that imitates them, long names
 * are hashed, so that what is left cannot be told by its namespace. Where we
 * may, that build gets a file system of its own: then everything in it is ours.
 */
static bool own_file_system;
static void isolate(void) {
#if defined(__linux__) && defined(SHAREDMEMORY_OS_PORTABLE)
  own_file_system = leave_mounts() && mount("tmpfs", "/dev/shm", "tmpfs", 0,
                                            "mode=1777,size=1536m") == 0;
#endif
}

void host_start(int argc, char **argv) {
  (void)argc;
  (void)argv;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) abort();
#ifdef __linux__
  /* Grandchildren that outlive their test become ours, to be waited for. */
  prctl(PR_SET_CHILD_SUBREAPER, 1);
#endif
  isolate();
  /* Where control objects are, except on Linux. */
  snprintf(temp, sizeof temp, "/tmp/smem-test-XXXXXX");
  if (!mkdtemp(temp) || chmod(temp, 01777) != 0) abort();
  setenv("TMPDIR", temp, 1);
  unsetenv("SHAREDMEMORY_TIMEOUT");
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_alarm; /* no SA_RESTART: it ends waitpid() */
  sigaction(SIGALRM, &action, NULL);
  action.sa_handler = on_end;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
}

void host_end(void) { rmdir(temp); }

void host_exit(int status) { _exit(status); }

void host_expect_crash(void) {
  signal(SIGSEGV, SIG_DFL);
  signal(SIGBUS, SIG_DFL);
}

static void name_space(unsigned index) {
  const char *digits = "0123456789abcdefghijklmnopqrstuvwxyz";
  char reversed[16], *at = space;
  int length = 0;
  for (long pid = (long)getpid(); pid > 0; pid /= 36)
    reversed[length++] = digits[pid % 36];
  *at++ = 't';
  while (length > 0) *at++ = reversed[--length];
  snprintf(at, sizeof space - (size_t)(at - space), "-%u", index);
}

static void run_here(const struct test *test) {
  setpgid(0, 0);
  const int handled[] = {SIGALRM, SIGINT, SIGTERM, SIGHUP};
  for (int i = 0; i < 4; i++) signal(handled[i], SIG_DFL);
  setenv("SHAREDMEMORY_NAMESPACE", space, 1);
  suite_start();
  test->run();
  exit(0);
}

/* The exit status, or KILLED and the signal. */
static int status_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED + WTERMSIG(status);
}

static int wait_for_test(const struct test *test) {
  int status;
  timed_out = 0;
  alarm(test->seconds * (TEST_SLOWNESS > 1 ? 4 : 1));
  while (waitpid(running, &status, 0) < 0 && errno == EINTR) {
  }
  alarm(0);
  kill(-running, SIGKILL);
  while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
  }
  return status_of(status);
}

/* ---- what is left -------------------------------------------------------- */

static bool is_ours(const char *name) {
  char prefix[64], control[64], record[64], raw[64];
  snprintf(prefix, sizeof prefix, "smem.%s.", space);
  snprintf(control, sizeof control, "smem-control.%s", space);
  snprintf(record, sizeof record, "smem-names.%s", space);
  snprintf(raw, sizeof raw, "raw.%s.", space);
  return strncmp(name, prefix, strlen(prefix)) == 0 ||
         strncmp(name, raw, strlen(raw)) == 0 || strcmp(name, control) == 0 ||
         strncmp(name, record, strlen(record)) == 0;
}

/* Count them, and on the way remember the first one, or remove all. */
static size_t walk_objects(const char *path, bool all, char *first, size_t room,
                           bool removing) {
  size_t count = 0;
  DIR *directory = opendir(path);
  if (!directory) return 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char full[400];
    if (entry->d_name[0] == '.' || !(all || is_ours(entry->d_name))) continue;
    if (count++ == 0 && first)
      snprintf(first, room, "left behind: %s", entry->d_name);
    snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
    if (removing && unlink(full) != 0) rmdir(full);
  }
  closedir(directory);
  return count;
}

static size_t remove_leftovers(char *first, size_t room) {
  size_t count = walk_objects("/dev/shm", own_file_system, first, room, true);
  return count + walk_objects(temp, true, count ? NULL : first, room, true);
}

int host_run(const struct test *test, unsigned index) {
  char left[400];
  memset(shared, 0, sizeof *shared);
  name_space(index);
  fflush(stdout);
  running = fork();
  if (running == 0) run_here(test);
  setpgid(running, running); /* whoever of us is first */
  int status = wait_for_test(test);
  size_t count = remove_leftovers(left, sizeof left);
  end_if_told();
  if (timed_out && !shared->failure[0])
    snprintf(shared->failure, sizeof shared->failure, "timeout");
  else if (status == 0 && atomic_load(&shared->failed))
    status = 1;
  else if (status == 0 && count > 0)
    snprintf(shared->failure, sizeof shared->failure, "%s", left);
  else if (status != 0 && status != SKIPPED && !shared->failure[0])
    snprintf(shared->failure, sizeof shared->failure,
             status < KILLED ? "exit status %d" : "status %d, signal %d",
             status, status - KILLED);
  if (status == 0 && count > 0) status = 1;
  return timed_out ? 1 : status;
}

/* ---- other processes ----------------------------------------------------- */

process_id start_role(const char *name, role_function play,
                      const char *argument) {
  (void)name;
  fflush(stdout);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    play(argument);
    exit(0);
  }
  return pid;
}

int finish(process_id id) {
  int status;
  pid_t pid;
  while ((pid = waitpid((pid_t)id, &status, 0)) < 0 && errno == EINTR) {
  }
  CHECK(pid == (pid_t)id);
  return status_of(status);
}

void kill_process(process_id id) { kill((pid_t)id, SIGKILL); }

/* ---- files --------------------------------------------------------------- */

const char *temporary_directory(void) { return temp; }

bool path_exists(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0;
}

void plant_file(const char *path, const char *text, mode_t mode) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  CHECK(fd >= 0);
  CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  CHECK(fchmod(fd, mode) == 0);
  close(fd);
}

struct stat stat_of(const char *path) {
  struct stat status;
  CHECK(stat(path, &status) == 0);
  return status;
}

/* ---- this process -------------------------------------------------------- */

size_t count_descriptors(void) {
  size_t count = 0;
  DIR *directory = opendir("/proc/self/fd");
  CHECK(directory != NULL);
  while (readdir(directory)) count++;
  closedir(directory);
  return count - 3; /* ".", "..", and the directory's own */
}

size_t count_objects(void) {
  return walk_objects("/dev/shm", own_file_system, NULL, 0, false) +
         walk_objects(temp, true, NULL, 0, false);
}

#else
typedef int not_posix;
#endif
