/* Runs the tests and counts: one line for each, and one at the end. */
#include "test.h"

#include <stdarg.h>

static struct test *tests;
#ifndef _WIN32
static struct test **last_test = &tests;
#endif
static struct role *roles;
struct shared *shared;
_Thread_local smem_error error;

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

void test_among(const char *file, int line, const char *text, smem_code code,
                uint32_t mask) {
  if ((mask >> code) & 1) return;
  test_fail(file, line, "%s: %s%s%s", text,
            code == SMEM_OK ? "ok" : smem_error_kind(code),
            code == SMEM_OK ? "" : ": ", code == SMEM_OK ? "" : message());
}

void test_code(const char *file, int line, const char *text, smem_code code,
               smem_code expected) {
  test_among(file, line, text, code, UINT32_C(1) << expected);
  if (code == SMEM_OK || error.code == code) return;
  test_fail(file, line, "%s: the error record says %d", text, error.code);
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
  os_sleep((uint64_t)milliseconds * 1000000u);
}

uint64_t now_ms(void) { return os_steady_clock() / 1000000u; }

/* ---- the core, in fewer words -------------------------------------------- */

static smem_code allocate_one(const char *name, uint64_t size, bool exclusive) {
  smem_request request = {size, name, 0};
  return smem_allocate(&request, 1, SMEM_UNTIL_FREED, exclusive, &error);
}

smem_code allocate(const char *name, uint64_t size) {
  return allocate_one(name, size, false);
}

smem_code allocate_exclusive(const char *name, uint64_t size) {
  return allocate_one(name, size, true);
}

uint64_t allocate_number(uint64_t size) {
  smem_request request = {size, NULL, 0};
  CHECK_OK(smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error));
  CHECK(request.number > 0);
  return request.number;
}

unsigned char *map(const char *id) {
  smem_mapping *mapping;
  CHECK_OK(smem_map(id, SMEM_READ_WRITE, &mapping, &error));
  return mapping->address[SMEM_READ_WRITE];
}

smem_code try_map(const char *id) {
  smem_mapping *mapping;
  smem_detached detached;
  smem_code code = smem_map(id, SMEM_READ_WRITE, &mapping, &error);
  if (code == SMEM_OK) smem_unmap(id, &detached);
  return code;
}

smem_code free_id(const char *id) {
  smem_detached detached;
  return smem_free(id, &detached, &error);
}

smem_code can_free_id(const char *id) {
  bool exists;
  return smem_can_free(id, &exists, &error);
}

smem_code find_id(const char *id) {
  bool exists = false;
  smem_code code = smem_exists(id, &exists, &error);
  if (code != SMEM_OK || exists) return code;
  error.code = SMEM_NOT_FOUND;
  return SMEM_NOT_FOUND;
}

smem_handle *open_handle(const char *id, smem_access access) {
  smem_handle *handle;
  CHECK_OK(smem_open(id, access, &handle, &error));
  return handle;
}

smem_code try_open(const char *id, smem_access access) {
  smem_handle *handle;
  smem_code code = smem_open(id, access, &handle, &error);
  if (code == SMEM_OK) smem_close(handle);
  return code;
}

smem_code read_bytes(const char *id, uint64_t offset, void *to,
                     uint64_t length) {
  return smem_read(id, offset, to, length, &error);
}

smem_code write_bytes(const char *id, uint64_t offset, const void *from,
                      uint64_t length) {
  return smem_write(id, offset, from, length, &error);
}

void mail_reference(const char *id) {
  smem_reference reference;
  smem_handle *handle = open_handle(id, SMEM_READ_ONLY);
  smem_refer(handle, &reference);
  smem_close(handle);
  smem_reference_write(&reference, shared->mail);
}

smem_reference read_mail(void) {
  smem_reference reference;
  size_t length = 56u + shared->mail[6] + shared->mail[7];
  CHECK(!smem_reference_read(shared->mail, length, &reference));
  return reference;
}

smem_code try_open_reference(const smem_reference *reference) {
  smem_handle *handle;
  smem_code code =
      smem_open_reference(reference, SMEM_READ_WRITE, &handle, &error);
  if (code == SMEM_OK) smem_close(handle);
  return code;
}

const char *raw_id(const char *word) {
  static _Thread_local char ring[4][64];
  static _Thread_local unsigned at;
  char *id = ring[at++ % 4];
  snprintf(id, sizeof *ring, "/raw.%s.%s", getenv("SHAREDMEMORY_NAMESPACE"),
           word);
  return id;
}

const char *number_id(uint64_t number) {
  static _Thread_local char ring[4][SMEM_NUMBER_SIZE];
  static _Thread_local unsigned at;
  char *id = ring[at++ % 4];
  smem_id_of_number(number, id);
  return id;
}

const char *message(void) {
  static _Thread_local char text[1024];
  smem_error_message(&error, text, sizeof text);
  return text;
}

static bool count_entry(const smem_entry *entry, void *context) {
  (void)entry;
  ++*(size_t *)context;
  return true;
}

size_t count_listed(void) {
  size_t count = 0;
  CHECK_OK(smem_list(count_entry, &count, &error));
  return count;
}

struct look {
  const char *id;
  int state;
};

static bool compare_entry(const smem_entry *entry, void *context) {
  struct look *look = context;
  if (strcmp(entry->id, look->id) == 0) look->state = (int)entry->state;
  return look->state < 0;
}

int listed_state(const char *id) {
  struct look look = {id, -1};
  CHECK_OK(smem_list(compare_entry, &look, &error));
  return look.state;
}

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
