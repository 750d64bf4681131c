/* Locks in C, and their floors: two compare-and-swaps, a bare futex, a robust
 * mutex of the C library. `locks_run(name, rounds)` is to them what floor_run()
 * is to the rest. Ours are called as another package does. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define R_NO_REMAP
#include <R.h>
#include <Rinternals.h>

#include <sharedmemory.h>

enum { LOCKS = 3, CROWD = 8 };

static const sharedmemory_api *shm;
static smem_latch *locks[LOCKS];
static char ids[LOCKS][SMEM_NUMBER_SIZE];

/* What the processes share. A word on a line of its own each. */
static struct {
  _Alignas(64) _Atomic uint64_t word;
  _Alignas(64) _Atomic uint32_t turn;
  _Alignas(64) pthread_mutex_t mutex;
  _Alignas(64) uint64_t guarded;
  _Alignas(64) _Atomic uint32_t ready, go;
  _Atomic uint64_t killed, took;
} * all;

static void must(int good, const char *what) {
  if (!good) Rf_error("%s failed", what);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void begin(void) {
  pthread_mutexattr_t kind;
  all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(all != MAP_FAILED, "mmap");
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
  must(pthread_mutex_init(&all->mutex, &kind) == 0, "pthread_mutex_init");
  for (int i = 0; i < LOCKS; i++) {
    smem_request request = SMEM_REQUEST_INIT(1, NULL);
    must(shm->allocate(&request, 1, SMEM_UNTIL_FREED, true, NULL) == SMEM_OK,
         "allocate");
    shm->id_of_number(request.number, ids[i]);
    must(shm->latch_open(ids[i], &locks[i], NULL) == SMEM_OK, "latch_open");
  }
}

static void end(void) {
  for (int i = 0; i < LOCKS; i++) {
    const char *id = ids[i];
    shm->latch_close(locks[i]);
    shm->free(&id, 1, NULL);
  }
  munmap(all, sizeof *all);
}

static void take(int i) {
  if (shm->lock(locks[i], SMEM_EXCLUSIVE, SMEM_FOREVER, NULL, NULL) != 0)
    abort();
}
static void give(int i) {
  if (shm->unlock(locks[i], NULL) != 0) abort();
}
static void take_first(void) { take(0); }
static void give_first(void) { give(0); }

static void take_mutex(void) {
  int status = pthread_mutex_lock(&all->mutex);
  if (status == EOWNERDEAD) status = pthread_mutex_consistent(&all->mutex);
  if (status != 0) abort();
}
static void give_mutex(void) { pthread_mutex_unlock(&all->mutex); }

/* By whichever of the two. */
static void (*take_it)(void), (*give_it)(void);

static pid_t start(void (*work)(int), int n) {
  pid_t child = fork();
  must(child >= 0, "fork");
  if (child != 0) return child;
  work(n);
  _exit(0);
}

/* When all of them are there. */
static void meet(uint32_t count) {
  all->ready++;
  while (all->ready < count) usleep(100);
}

static void await(pid_t child) { waitpid(child, NULL, 0); }

/* To the n-th of the processors that we may use: otherwise it is chance whether
 * two processes run beside each other. */
static void stay_on(int n) {
  cpu_set_t may_use, one;
  CPU_ZERO(&one);
  sched_getaffinity(0, sizeof may_use, &may_use);
  for (int i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &may_use) && n-- == 0) CPU_SET(i, &one);
  if (CPU_COUNT(&one) > 0) sched_setaffinity(0, sizeof one, &one);
}

/* ---- nobody else wants it ------------------------------------------------ */

static double cas_twice(int n) {
  uint64_t from = now();
  for (int i = 0; i < n; i++) {
    uint64_t seen = 0;
    atomic_compare_exchange_strong(&all->word, &seen, 1);
    seen = 1;
    atomic_compare_exchange_strong(&all->word, &seen, 0);
  }
  return (double)(now() - from);
}

static double lock_alone(int n) {
  smem_latch *lock = locks[0];
  take(0); /* joined, and what is touched first is touched */
  give(0);
  uint64_t from = now();
  for (int i = 0; i < n; i++)
    if (shm->lock(lock, SMEM_EXCLUSIVE, SMEM_FOREVER, NULL, NULL) != 0 ||
        shm->unlock(lock, NULL) != 0)
      abort();
  return (double)(now() - from);
}

static double mutex_alone(int n) {
  uint64_t from = now();
  for (int i = 0; i < n; i++)
    if (pthread_mutex_lock(&all->mutex) != 0 ||
        pthread_mutex_unlock(&all->mutex) != 0)
      abort();
  return (double)(now() - from);
}

/* ---- from one process to another -------------------------------------------
 *
 * Each has what the other one wants next, and waits for it. One round: six
 * times from one to the other. Both are children that begin alike. */

static void first_by_locks(int n) {
  take(0);
  take(1);
  meet(2);
  uint64_t from = now();
  for (int i = 0; i < n; i++)
    for (int k = 0; k < LOCKS; k++) {
      give(k);
      take((k + 2) % LOCKS);
    }
  all->took = now() - from;
  give(0);
  give(1);
}

static void second_by_locks(int n) {
  take(2);
  meet(2);
  for (int i = 0; i < n; i++)
    for (int k = 0; k < LOCKS; k++) {
      take(k);
      give((k + 2) % LOCKS);
    }
  give(2);
}

static void futex_wait(uint32_t value) {
  syscall(SYS_futex, &all->turn, FUTEX_WAIT, value, NULL, NULL, 0);
}
static void futex_turn(uint32_t to) {
  all->turn = to;
  syscall(SYS_futex, &all->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void take_turns(int n, uint32_t mine) {
  meet(2);
  uint64_t from = now();
  for (int i = 0; i < n * LOCKS; i++) {
    while (all->turn != mine) futex_wait(!mine);
    futex_turn(!mine);
  }
  if (mine == 0) all->took = now() - from;
}
static void first_by_futex(int n) { take_turns(n, 0); }
static void second_by_futex(int n) { take_turns(n, 1); }

/* FREE: wherever the system puts them. */
enum place { FREE, ON_TWO, ON_ONE };

static double pass(void (*first)(int), void (*second)(int), enum place place,
                   int n) {
  cpu_set_t may_use;
  sched_getaffinity(0, sizeof may_use, &may_use);
  if (place != FREE) stay_on(0);
  pid_t one = start(first, n);
  sched_setaffinity(0, sizeof may_use, &may_use);
  if (place != FREE) stay_on(place == ON_TWO);
  pid_t other = start(second, n);
  sched_setaffinity(0, sizeof may_use, &may_use);
  await(one);
  await(other);
  return (double)all->took;
}

#define PASSED(name, place)                                                    \
  static double lock_##name(int n) {                                           \
    return pass(first_by_locks, second_by_locks, place, n);                    \
  }                                                                            \
  static double futex_##name(int n) {                                          \
    return pass(first_by_futex, second_by_futex, place, n);                    \
  }
PASSED(passed, FREE)
PASSED(passed_on_two, ON_TWO)
PASSED(passed_on_one, ON_ONE)

/* ---- eight want it ---------------------------------------------------------
 */

static void one_of_many(int n) {
  take_it(); /* joined, and what is touched first is touched */
  give_it();
  all->ready++;
  while (!all->go) usleep(100);
  for (int i = 0; i < n; i++) {
    take_it();
    all->guarded++;
    give_it();
  }
}

static double crowd(int n) {
  pid_t children[CROWD];
  for (int i = 0; i < CROWD; i++) children[i] = start(one_of_many, n);
  while (all->ready < CROWD) usleep(100);
  uint64_t from = now();
  all->go = 1;
  for (int i = 0; i < CROWD; i++) await(children[i]);
  uint64_t took = now() - from;
  must(all->guarded == (uint64_t)n * CROWD, "excluding each other");
  return (double)took / CROWD;
}

/* ---- its holder is killed --------------------------------------------------
 */

static void hold(int unused) {
  (void)unused;
  take_it();
  all->ready++;
  pause();
}

static void kill_soon(int holder) {
  usleep(20000 + (unsigned)(now() % 60000));
  all->killed = now();
  kill(holder, SIGKILL);
}

static double after_death(int n) {
  double took = 0;
  for (int i = 0; i < n; i++) {
    all->ready = 0;
    pid_t holder = start(hold, 0);
    while (!all->ready) usleep(100);
    pid_t killer = start(kill_soon, (int)holder);
    take_it();
    took += (double)(now() - all->killed);
    give_it();
    await(holder);
    await(killer);
  }
  return took;
}

/* ---- running ------------------------------------------------------------- */

static const struct work {
  const char *name;
  double (*run)(int n); /* nanoseconds of n rounds */
  void (*take)(void), (*give)(void);
} works[] = {{"cas_twice", cas_twice, NULL, NULL},
             {"lock_alone", lock_alone, NULL, NULL},
             {"mutex_alone", mutex_alone, NULL, NULL},
             {"lock_passed", lock_passed, NULL, NULL},
             {"futex_passed", futex_passed, NULL, NULL},
             {"lock_passed_on_two", lock_passed_on_two, NULL, NULL},
             {"futex_passed_on_two", futex_passed_on_two, NULL, NULL},
             {"lock_passed_on_one", lock_passed_on_one, NULL, NULL},
             {"futex_passed_on_one", futex_passed_on_one, NULL, NULL},
             {"lock_crowd", crowd, take_first, give_first},
             {"mutex_crowd", crowd, take_mutex, give_mutex},
             {"lock_of_dead", after_death, take_first, give_first},
             {"mutex_of_dead", after_death, take_mutex, give_mutex}};

SEXP locks_run(SEXP what, SEXP rounds) {
  const struct work *work = works;
  if (!shm) shm = sharedmemory_init("the benchmark");
  while (strcmp(work->name, CHAR(STRING_ELT(what, 0))) != 0)
    must(++work < works + sizeof works / sizeof *works, "choice of work");
  int n = Rf_asInteger(rounds);
  begin();
  take_it = work->take;
  give_it = work->give;
  double took = work->run(n);
  end();
  return Rf_ScalarReal(took / 1e9 / n);
}
