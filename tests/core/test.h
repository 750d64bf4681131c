/* What every test of the core has at hand.
 *
 * A test is a function that runs in a process of its own, in a namespace of its
 * own, with a limit of time. It ends well by returning; a check that fails ends
 * its process. Whatever it leaves in the shared memory file system is a failure
 * too. Other processes play a ROLE(). */
#ifndef SHAREDMEMORY_TESTS_TEST_H
#define SHAREDMEMORY_TESTS_TEST_H

#include "../../src/core/internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tests ------------------------------------------------------------------
 */

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

/* What the core says goes here; each thread has its own. */
extern _Thread_local smem_error error;

__attribute__((format(printf, 3, 4), noreturn)) void
test_fail(const char *file, int line, const char *format, ...);
__attribute__((noreturn)) void test_skip(const char *reason);
/* With only what every POSIX system has (`make portable`), as on macOS. */
void skip_if_portable(const char *reason);
void test_code(const char *file, int line, const char *text, smem_code code,
               smem_code expected);
void test_equal(const char *file, int line, const char *text, uint64_t is,
                uint64_t expected);
/* Is it among the codes of this mask? */
void test_among(const char *file, int line, const char *text, smem_code code,
                uint32_t mask);

#define CHECK(condition)                                                       \
  ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #condition))
#define CHECK_OK(call) test_code(__FILE__, __LINE__, #call, call, SMEM_OK)
#define CHECK_CODE(expected, call)                                             \
  test_code(__FILE__, __LINE__, #call, call, expected)
#define CHECK_AMONG(mask, call)                                                \
  test_among(__FILE__, __LINE__, #call, call, mask)
#define CHECK_EQUAL(expected, value)                                           \
  test_equal(__FILE__, __LINE__, #value, (uint64_t)(value),                    \
             (uint64_t)(expected))
#define CODE(name) (UINT32_C(1) << SMEM_##name)

/* ---- what all processes of a test share ---------------------------------- */

struct shared {
  atomic_int flag[32];         /* zero at the start of a test */
  _Atomic uint64_t number[32]; /* likewise */
  char text[64];               /* likewise */
  unsigned char mail[SMEM_REFERENCE_SIZE]; /* a reference as bytes */
  _Atomic uint64_t faults;                 /* that have struck, see faults.h */
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

/* ---- the core, in fewer words -------------------------------------------- */

smem_code allocate(const char *name, uint64_t size); /* opens what exists */
smem_code allocate_exclusive(const char *name, uint64_t size);
uint64_t allocate_number(uint64_t size); /* must go well */
unsigned char *map(const char *id);      /* must go well, writable */
smem_code try_map(const char *id);       /* and unmap */
smem_code free_id(const char *id);
smem_code can_free_id(const char *id);
smem_code find_id(const char *id); /* SMEM_OK or, if absent, SMEM_NOT_FOUND */
const char *number_id(uint64_t number); /* good for some calls */
const char *message(void);              /* of `error` */
smem_handle *open_handle(const char *id, smem_access access); /* must go well */
smem_code try_open(const char *id, smem_access access);       /* and close */
smem_code read_bytes(const char *id, uint64_t offset, void *to,
                     uint64_t length);
smem_code write_bytes(const char *id, uint64_t offset, const void *from,
                      uint64_t length);
/* A reference to what `id` is now goes through shared->mail. */
void mail_reference(const char *id);
smem_reference read_mail(void);
smem_code try_open_reference(const smem_reference *reference); /* and close */
/* The id of an object as another program would make it; its name has the
 * namespace, so that the runner finds what is left. Good for some calls. */
const char *raw_id(const char *word);
size_t count_listed(void);
/* In what state does the list show it? -1: not at all. */
int listed_state(const char *id);

/* ---- the runner's host: host_posix.c, host_windows.c --------------------- */

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

/* Where the object is; the three last results stay good. The names in tests are
 * short, for the longer ones are hashed on some systems. */
const char *segment_path(const char *id);
const char *raw_path(const char *word); /* of raw_id(word) */
const char *control_path(void);
bool path_exists(const char *path); /* also a dangling link */
void plant_file(const char *path, const char *text, mode_t mode);
/* What a creator leaves that died before its segment was complete. */
void plant_incomplete(const char *id);
void write_at(const char *path, long offset, const void *data, size_t length);
void read_footer_of(const char *id, struct footer *footer);
/* Does anybody hold the presence that the footer names? */
bool presence_is_held(const struct footer *footer);
struct stat stat_of(const char *path);

/* The descriptor through which this process has a control object, or -1. */
int control_descriptor(void);
/* Is it joined to the object that others find by its name? */
void check_joined(void);

size_t count_descriptors(void);
size_t count_mappings(void);
/* Objects of the namespace, the control object and raw ones included. */
size_t count_objects(void);
/* Free all that is there, whatever it is, and be gone: nothing may be left. */
void clean_namespace(void);
#endif

#endif
