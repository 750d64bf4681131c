/* What every test in C has at hand.
 *
 * A test is a function that runs in a process of its own, in a namespace of its
 * own, with a limit of time. It ends well by returning; a check that fails ends
 * its process. Whatever it leaves in the shared memory file system is a failure
 * too. Other processes play a ROLE(). */
#ifndef SHAREDMEMORY_TESTS_HARNESS_H
#define SHAREDMEMORY_TESTS_HARNESS_H

#include "../../src/os/os.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tests --------------------------------------------------------------- */

struct test {
  const char *name, *file;
  void (*run)(void);
  unsigned seconds;
  struct test *next;
};
void test_register(struct test *test);

#define TEST(name) TEST_FOR(name, 30)
#define TEST_FOR(name, limit)                                                  \
  static void name(void);                                                      \
  __attribute__((constructor)) static void register_##name(void) {             \
    static struct test entry = {#name, __FILE__, name, limit, NULL};           \
    test_register(&entry);                                                     \
  }                                                                            \
  static void name(void)

/* Under valgrind and the sanitizers there are fewer rounds and more time. */
#ifndef TEST_SLOWNESS
#define TEST_SLOWNESS 1
#endif
#define ROUNDS(count)                                                          \
  ((count) / TEST_SLOWNESS > 0 ? (count) / TEST_SLOWNESS : 1)

/* ---- checks -------------------------------------------------------------- */

__attribute__((format(printf, 3, 4), noreturn)) void
test_fail(const char *file, int line, const char *format, ...);
__attribute__((noreturn)) void test_skip(const char *reason);
/* With only what every POSIX system has (`make portable`), as on macOS. */
void skip_if_portable(const char *reason);
void test_equal(const char *file, int line, const char *text, uint64_t is,
                uint64_t expected);

#define CHECK(condition)                                                       \
  ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #condition))
#define CHECK_EQUAL(expected, value)                                           \
  test_equal(__FILE__, __LINE__, #value, (uint64_t)(value),                    \
             (uint64_t)(expected))

/* ---- what all processes of a test share ---------------------------------- */

struct shared {
  atomic_int flag[32];         /* zero at the start of a test */
  _Atomic uint64_t number[32]; /* likewise */
  char text[64];               /* likewise */
  unsigned char mail[512];     /* likewise */
  _Atomic uint64_t faults;     /* that have struck, see faults.h */
  atomic_int failed;
  char failure[600]; /* the first one */
  char skipped[200];
};
extern struct shared *shared;

/* Raise a flag by one; wait until it is at least `value`. */
void raise_flag(int flag);
void await_flag(int flag, int value);
void sleep_ms(unsigned milliseconds);
uint64_t now_ms(void);

/* ---- other processes ----------------------------------------------------- */

typedef void (*role_function)(const char *argument);
struct role {
  const char *name;
  role_function play;
  struct role *next;
};
void role_register(struct role *role);

#define ROLE(name)                                                             \
  static void name(const char *argument);                                      \
  __attribute__((constructor)) static void register_##name(void) {             \
    static struct role entry = {#name, name, NULL};                            \
    role_register(&entry);                                                     \
  }                                                                            \
  static void name(__attribute__((unused)) const char *argument)

typedef intptr_t process_id;
process_id start_role(const char *name, role_function play,
                      const char *argument);
#define START(role, argument) start_role(#role, role, argument)

/* Wait for its end: 0 if it went well. */
int finish(process_id id);
void kill_process(process_id id);
#define FINISH(id) CHECK(finish(id) == 0)
#define PLAY(role, argument) FINISH(START(role, argument))

/* ---- the runner's host: host_posix.c, host_windows.c --------------------- */

/* Each suite has this one: it is called first of all in the process of a test.
 */
void suite_start(void);

/* Run it; 0 well, 77 skipped, otherwise failed, with shared->failure filled. */
enum { SKIPPED = 77 };
void host_start(int argc, char **argv);
int host_run(const struct test *test, unsigned index);
void host_end(void);
/* End this process now, without what exit() does. */
__attribute__((noreturn)) void host_exit(int status);
/* A crash to come is meant: no debugger's or sanitizer's report. */
void host_expect_crash(void);
const struct test *test_first(void);
const struct role *role_first(void);

#ifndef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what only POSIX has ------------------------------------------------- */

/* finish() for a process that was killed: 128 and the signal. */
enum { KILLED = 128 };

size_t count_descriptors(void);
/* Files of this test in the shared memory file system and in that of control
 * objects. */
size_t count_objects(void);
/* Where control objects are, except on Linux. */
const char *temporary_directory(void);
bool path_exists(const char *path); /* also a dangling link */
struct stat stat_of(const char *path);
void plant_file(const char *path, const char *text, mode_t mode);
#endif

#ifdef __linux__
/* What is mounted from now on is seen by this test and its roles alone. Skips
 * the test where that is not allowed. */
void mount_apart(void);
#endif

#endif
