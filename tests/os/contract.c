/* What the tests of the contract have at hand. */
#include "contract.h"

#ifdef OS_WINDOWS
#include <windows.h>
#else
#include <pthread.h>
#endif

/* ---- checks -------------------------------------------------------------- */

void check_status(const char *file, int line, const char *text,
                  os_status status, os_code expected) {
  char why[200];
  if (status.code == expected) return;
  smem__os_error_text(status.number, why, sizeof why);
  test_fail(file, line, "%s: code %d, not %d, number %d (%s)", text,
            (int)status.code, (int)expected, status.number, why);
}

/* ---- names --------------------------------------------------------------- */

static const char *name_of(const char *prefix, const char *dot,
                           const char *word) {
  static _Thread_local char ring[4][80];
  static _Thread_local unsigned at;
  char *name = ring[at++ % 4];
  snprintf(name, sizeof *ring, "%s%s%s%s", prefix,
           getenv("SHAREDMEMORY_NAMESPACE"), dot, word);
  return name;
}

const char *own_name(const char *word) { return name_of("smem.", ".", word); }
const char *control_name(void) { return name_of("smem-control.", "", ""); }

/* ---- the end of a test --------------------------------------------------- */

static uint64_t process_of_test;

/* A record of names may have come with the objects; it goes with the control
 * object. */
void remove_control(void) {
  os_object control;
  if (smem__os_control_create(control_name(), &control).code == OS_OK)
    smem__os_object_close(control);
  smem__os_control_remove(control_name());
}

static void clean_up(void) {
  os_process self;
  smem__os_process_self(&self);
  if (self.pid == process_of_test) remove_control();
}

void suite_start(void) {
  os_process self;
  smem__os_process_self(&self);
  process_of_test = self.pid;
  atexit(clean_up);
}

/* ---- objects ------------------------------------------------------------- */

uint64_t object_size(void) { return 2 * smem__os_page_size(); }

os_object make_incomplete(const char *name) {
  os_object object;
  CHECK_DONE(smem__os_object_create(name, object_size(), &object));
  CHECK_DONE(
      smem__os_object_reserve(object, object_size(), smem__os_largest(), NULL));
  return object;
}

/* No two tails are alike, as no two footers are. */
void make_tail(uint64_t tail[TAIL / sizeof(uint64_t)]) {
  for (size_t i = 0; i < TAIL / sizeof *tail; i++)
    tail[i] = smem__os_entropy() | 1;
  tail[TAIL / sizeof *tail - 2] = 0; /* where a seal may stand */
}

void publish(os_object object) {
  uint64_t tail[TAIL / sizeof(uint64_t)];
  make_tail(tail);
  CHECK_DONE(smem__os_object_publish(object, object_size(), tail, TAIL));
}

os_object make(const char *name) {
  os_object object = make_incomplete(name);
  publish(object);
  return object;
}

void unmake(os_object object) {
  CHECK_DONE(smem__os_object_remove(own_name("a")));
  smem__os_object_close(object);
}

os_object open_object(const char *name, bool writable) {
  os_object object;
  os_info info;
  CHECK_DONE(smem__os_object_open(name, writable, &object, &info));
  return object;
}

unsigned char *map_object(os_object object, os_access access) {
  void *address;
  CHECK_DONE(smem__os_object_map(object, object_size(), access, &address));
  return address;
}

os_object open_control(void) {
  static const char page[4096];
  os_object control;
  os_info info;
  os_status status = smem__os_control_open(control_name(), &control, &info);
  if (status.code == OS_OK) return control;
  CHECK_STATUS(OS_NOT_FOUND, status);
  CHECK_DONE(smem__os_control_create(control_name(), &control));
  CHECK_DONE(smem__os_control_publish(control, page, sizeof page));
  return control;
}

os_code look(const char *name) {
  os_object object;
  os_info info;
  os_status status = smem__os_object_open(name, false, &object, &info);
  if (status.code == OS_OK) smem__os_object_close(object);
  return status.code;
}

os_info info_of(const char *name) {
  os_info info;
  CHECK_DONE(smem__os_object_stat(name, &info));
  return info;
}

#ifdef OS_POSIX
const char *file_of(const char *name) {
  static _Thread_local char path[400];
  snprintf(path, sizeof path, "/dev/shm/%s", name);
  return path;
}
#endif

void need_another_user(void) {
#ifdef OS_POSIX
  if (geteuid() == 0) return;
  test_skip("only root can become another user");
#else
  test_skip("names lead to one's own objects only");
#endif
}

void become_another_user(void) {
#ifdef OS_POSIX
  CHECK(setgid(65534) == 0 && setuid(65534) == 0);
#endif
}

/* ---- threads ------------------------------------------------------------- */

#ifdef OS_WINDOWS
static DWORD WINAPI run_thread(void *run) {
  (*(void (**)(void))run)();
  return 0;
}

void in_threads(void (*run)(void)) {
  HANDLE threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    threads[i] = CreateThread(NULL, 0, run_thread, &run, 0, NULL);
  for (int i = 0; i < THREADS; i++) {
    CHECK(WaitForSingleObject(threads[i], INFINITE) == WAIT_OBJECT_0);
    CloseHandle(threads[i]);
  }
}
#else
static void *run_thread(void *run) {
  (*(void (**)(void))run)();
  return NULL;
}

void in_threads(void (*run)(void)) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    CHECK(pthread_create(&threads[i], NULL, run_thread, &run) == 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}
#endif
