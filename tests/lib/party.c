/* One of several processes, of several builds, that write together:
 *
 *   party make N            what they share, for N of them
 *   party work N ROUNDS     be one of them
 *   party holds             how many descriptors waiting takes: none
 *   party begin N           let them begin
 *   party die N             lock, and be killed
 *   party check N ROUNDS    does it add up?
 *
 * What is guarded by the lock is changed in two steps, so that two holders at
 * once show. */
#define _GNU_SOURCE
#include "smem.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(truth)                                                           \
  do {                                                                         \
    if (!(truth)) {                                                            \
      char text[1200] = "";                                                    \
      if (error.code != SMEM_OK)                                               \
        smem_error_message(&error, text, sizeof text);                         \
      fprintf(stderr, "%s:%d: %s %s\n", __FILE__, __LINE__, #truth, text);     \
      exit(1);                                                                 \
    }                                                                          \
  } while (0)
#define CHECK_OK(call) CHECK((call) == SMEM_OK)

enum { PERMITS = 2 };
static const uint64_t long_enough = UINT64_C(60) * 1000 * 1000 * 1000;
static smem_error error = SMEM_ERROR_INIT;

struct shared {
  uint64_t first, second; /* under the lock, always the same */
  uint64_t deaths;        /* likewise: how many were told of */
  int32_t inside;         /* who has a permit */
  int32_t crowded;        /* how often there were more than permits */
  int64_t rounds;
};

static smem_handle *handle;
static struct shared *shared;
static smem_latch *latch;
static smem_sync *semaphore, *event, *barrier;

static void open_all(uint32_t parties) {
  CHECK_OK(smem_open("party", SMEM_READ_WRITE, &handle, &error));
  shared = handle->address;
  CHECK_OK(smem_latch_open("party", &latch, &error));
  CHECK_OK(
      smem_sync_open(SMEM_SEMAPHORE, "permits", PERMITS, &semaphore, &error));
  CHECK_OK(smem_sync_open(SMEM_EVENT, "begin", 1, &event, &error));
  CHECK_OK(smem_sync_open(SMEM_BARRIER, "all", parties, &barrier, &error));
}

static void make(uint32_t parties) {
  smem_request request = SMEM_REQUEST_INIT(sizeof(struct shared), "party");
  CHECK_OK(smem_allocate(&request, 1, SMEM_UNTIL_FREED, true, &error));
  open_all(parties);
}

/* ---- work ---------------------------------------------------------------- */

static void change_under_lock(void) {
  smem_told told = SMEM_TOLD_INIT;
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, long_enough, &told, &error));
  if (told.died) {
    shared->deaths++;
    shared->first = shared->second; /* it died between the two */
    smem_lock_repaired(latch);
  }
  CHECK(shared->first == shared->second);
  shared->first++;
  shared->second++;
  CHECK_OK(smem_unlock(latch, &error));
}

static void look_under_lock(void) {
  CHECK_OK(smem_lock(latch, SMEM_SHARED, long_enough, NULL, &error));
  CHECK(shared->first == shared->second);
  CHECK_OK(smem_unlock(latch, &error));
}

static void pass_permits(void) {
  int32_t before, ignored;
  CHECK_OK(smem_acquire(semaphore, long_enough, NULL, &error));
  CHECK(smem_add_int32(&shared->inside, 1, &before));
  if (before >= PERMITS) smem_add_int32(&shared->crowded, 1, &ignored);
  CHECK(smem_add_int32(&shared->inside, -1, &before));
  CHECK_OK(smem_release(semaphore, &error));
}

static void work(int rounds) {
  int64_t before;
  CHECK_OK(smem_event_wait(event, long_enough, &error));
  for (int i = 0; i < rounds; i++) {
    change_under_lock();
    pass_permits();
    if (i % 16 == 0) look_under_lock();
    CHECK(smem_add_int64(&shared->rounds, 1, &before));
    if (i % 64 == 0) CHECK_OK(smem_barrier_wait(barrier, long_enough, &error));
  }
}

static void die(void) {
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, long_enough, NULL, &error));
  shared->first++;
  raise(SIGKILL);
}

/* ---- descriptors --------------------------------------------------------- */

/* Without the one that is open while this process counts its own. */
static int descriptors(pid_t pid) {
  char path[64];
  int count = pid == getpid() ? -1 : 0;
  snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
  DIR *directory = opendir(path);
  CHECK(directory);
  while (readdir(directory)) count++;
  closedir(directory);
  return count;
}

/* A child that says how many it has, and waits. */
static void compare_waiting(void (*wait_for)(void)) {
  int ends[2], before, during;
  CHECK(pipe(ends) == 0);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    open_all(2);
    before = descriptors(getpid());
    CHECK(write(ends[1], &before, sizeof before) == sizeof before);
    wait_for();
    _exit(0);
  }
  CHECK(read(ends[0], &before, sizeof before) == sizeof before);
  usleep(200000);
  during = descriptors(pid);
  /* Who has ended has no descriptors either. */
  bool waits = waitpid(pid, NULL, WNOHANG) == 0;
  kill(pid, SIGKILL);
  close(ends[0]);
  close(ends[1]);
  CHECK(waits);
  if (during != before)
    fprintf(stderr, "%d descriptors before, %d while it waits\n", before,
            during);
  CHECK(during == before);
}

static void wait_for_lock(void) {
  smem_lock(latch, SMEM_EXCLUSIVE, long_enough, NULL, &error);
}
static void wait_for_permit(void) {
  smem_acquire(semaphore, long_enough, NULL, &error);
}
static void wait_for_event(void) {
  smem_event_wait(event, long_enough, &error);
}
static void wait_at_barrier(void) {
  smem_barrier_wait(barrier, long_enough, &error);
}

static void holds(void) {
  open_all(2);
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, 0, NULL, &error));
  for (int i = 0; i < PERMITS; i++)
    CHECK_OK(smem_acquire(semaphore, 0, NULL, &error));
  compare_waiting(wait_for_lock);
  compare_waiting(wait_for_permit);
  compare_waiting(wait_for_event);
  compare_waiting(wait_at_barrier);
}

/* ---- the count ----------------------------------------------------------- */

static void check(uint32_t parties, uint64_t rounds) {
  const char *names[] = {"party", "permits", "begin", "all"};
  open_all(parties);
  CHECK(shared->first == shared->second);
  CHECK(shared->first == parties * rounds);
  CHECK((uint64_t)shared->rounds == parties * rounds);
  CHECK(shared->crowded == 0 && shared->inside == 0);
  CHECK(shared->deaths == 1);
  CHECK_OK(smem_free(names, 4, NULL, &error));
}

int main(int count, char **arguments) {
  const char *what = count > 1 ? arguments[1] : "";
  uint32_t parties = count > 2 ? (uint32_t)atoi(arguments[2]) : 0;
  int rounds = count > 3 ? atoi(arguments[3]) : 0;
  smem_start(NULL);
  smem_environment(getenv("SHAREDMEMORY_NAMESPACE"), NULL, "party");
  smem_directory(NULL);
  if (strcmp(what, "make") == 0) make(parties);
  if (strcmp(what, "holds") == 0) holds();
  if (strcmp(what, "check") == 0) check(parties, (uint64_t)rounds);
  if (strcmp(what, "make") != 0 && strcmp(what, "holds") != 0 &&
      strcmp(what, "check") != 0)
    open_all(parties);
  if (strcmp(what, "begin") == 0) smem_event_set(event);
  if (strcmp(what, "work") == 0) work(rounds);
  if (strcmp(what, "die") == 0) die();
  return 0;
}
