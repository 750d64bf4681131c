/* Runs the tests and counts: one line for each, and one at the end. */
#include "harness.h"

#include <stdarg.h>

static struct test *tests;
#ifndef _WIN32
static struct test **last_test = &tests;
#endif
static struct role *roles;
struct shared *shared;

/* The constructors run in the order of the file, on Windows from its end. */
void test_register(struct test *test) {
#ifdef _WIN32
  test->next = tests;
  tests = test;
#else
  *last_test = test;
  last_test = &test->next;
#endif
}

void role_register(struct role *role) {
  role->next = roles;
  roles = role;
}

const struct test *test_first(void) { return tests; }
const struct role *role_first(void) { return roles; }

/* ---- checks -------------------------------------------------------------- */

void test_fail(const char *file, int line, const char *format, ...) {
  /* Only the first one is told: the others mostly follow from it. */
  if (atomic_fetch_add(&shared->failed, 1) == 0) {
    int length = snprintf(shared->failure, sizeof shared->failure,
                          "%s:%d: ", file, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(shared->failure + length, sizeof shared->failure - (size_t)length,
              format, arguments);
    va_end(arguments);
  }
  host_exit(1);
}

void test_skip(const char *reason) {
  snprintf(shared->skipped, sizeof shared->skipped, "%s", reason);
  host_exit(SKIPPED);
}

void skip_if_portable(const char *reason) {
#ifdef SHAREDMEMORY_OS_PORTABLE
  test_skip(reason);
#else
  (void)reason;
#endif
}

void test_equal(const char *file, int line, const char *text, uint64_t is,
                uint64_t expected) {
  if (is == expected) return;
  test_fail(file, line, "%s is %llu, not %llu", text, (unsigned long long)is,
            (unsigned long long)expected);
}

/* ---- flags --------------------------------------------------------------- */

void raise_flag(int flag) { atomic_fetch_add(&shared->flag[flag], 1); }

/* The limit of the test ends a wait that is in vain. */
void await_flag(int flag, int value) {
  while (atomic_load(&shared->flag[flag]) < value) {
    if (atomic_load(&shared->failed)) host_exit(1); /* who was to raise it */
    sleep_ms(1);
  }
}

void sleep_ms(unsigned milliseconds) {
  smem__os_sleep((uint64_t)milliseconds * 1000000u);
}

uint64_t now_ms(void) { return smem__os_steady_clock() / 1000000u; }

/* ---- main ---------------------------------------------------------------- */

static unsigned passed, failed, skipped;

static void report(const struct test *test, int status, uint64_t took) {
  if (status == 0) {
    passed++;
    printf("ok   %s", test->name);
    if (shared->faults > 0)
      printf(", %llu faults", (unsigned long long)shared->faults);
    if (took >= 1000) printf(" (%.1f s)", (double)took / 1000);
    printf("\n");
  } else if (status == SKIPPED) {
    skipped++;
    printf("skip %s (%s)\n", test->name, shared->skipped);
  } else {
    failed++;
    printf("FAIL %s (%s)\n", test->name, shared->failure);
  }
  fflush(stdout);
}

/* The word is part of its name, or that of its file. */
static bool is_meant(const struct test *test, const char *word) {
  return strstr(test->name, word) || strcmp(test->file, word) == 0;
}

/* Arguments choose tests. */
int main(int argc, char **argv) {
  unsigned index = 0;
  host_start(argc, argv);
  for (const struct test *test = tests; test; test = test->next, index++) {
    bool meant = argc < 2;
    for (int i = 1; i < argc; i++) meant |= is_meant(test, argv[i]);
    if (!meant) continue;
    uint64_t start = now_ms();
    int status = host_run(test, index);
    report(test, status, now_ms() - start);
  }
  host_end();
  printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
  fflush(stdout);
  return failed > 0 || passed + skipped == 0;
}
