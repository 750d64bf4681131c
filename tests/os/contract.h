/* What the tests of src/os/os.h have at hand, besides ../harness/harness.h.
 *
 * They know which system they run on only where the contract leaves it a
 * choice. */
#ifndef SHAREDMEMORY_TESTS_CONTRACT_H
#define SHAREDMEMORY_TESTS_CONTRACT_H

#include "../../src/os/system.h"
#include "../harness/harness.h"

/* A test of one promise that the contract makes of this function. Each function
 * has one at least, see `named`. */
#define CONTRACT(function, promise) TEST(function##_##promise)

/* ---- checks -------------------------------------------------------------- */

void check_status(const char *file, int line, const char *text,
                  os_status status, os_code expected);
#define CHECK_STATUS(expected, call)                                           \
  check_status(__FILE__, __LINE__, #call, call, expected)
#define CHECK_DONE(call) CHECK_STATUS(OS_OK, call)

/* ---- objects ------------------------------------------------------------- */

/* The kernel keeps an object whose processes have all ended. */
#ifdef OS_WINDOWS
enum { OUTLIVES = 0 };
#else
enum { OUTLIVES = 1 };
#endif

enum { TAIL = 1024 }; /* bytes that smem__os_object_publish() writes */

/* Names in this test's namespace; some results stay good. */
const char *own_name(const char *word);
const char *control_name(void);
uint64_t object_size(void); /* of what make() makes: two pages */

void make_tail(uint64_t tail[TAIL / sizeof(uint64_t)]);

/* These must go well. The object is full of zeros, but for its tail. */
os_object make_incomplete(const char *name);
void publish(os_object object);
os_object make(const char *name);
void unmake(os_object object); /* own_name("a"), closed; it must be there */
os_object open_object(const char *name, bool writable);
unsigned char *map_object(os_object object, os_access access);
os_object open_control(void); /* created if need be, one page long */
void remove_control(void);

/* What does opening it say? What it is, if it can be. */
os_code look(const char *name);
os_info info_of(const char *name);

#ifdef OS_POSIX
/* Where it is among files; only where segments are files. */
const char *file_of(const char *name);
#endif

/* For a role: become a user who is not root, who owns nothing here. The test
 * skips where that may not be. */
void need_another_user(void);
void become_another_user(void);

/* ---- threads ------------------------------------------------------------- */

enum { THREADS = 4 };
/* In as many threads at once; waits for their ends. */
void in_threads(void (*run)(void));

#endif
