/* Processes, users, and what belongs to one process alone. */
#include "contract.h"

#ifdef OS_POSIX
#include "../harness/faults.h"
#else
#include <windows.h>
#endif

/* ---- smem__os_process_self, _pid, _life --------------------------------- */

ROLE(tells_who_it_is) {
  os_process self;
  smem__os_process_self(&self);
  shared->number[0] = self.pid;
  shared->number[1] = self.start;
  shared->number[2] = self.pid_space;
  raise_flag(0);
  await_flag(1, 1);
}

static os_process other_process(void) {
  await_flag(0, 1);
  return (os_process){shared->number[0], shared->number[1], shared->number[2]};
}

CONTRACT(smem__os_process_self, tells_processes_apart) {
  os_process self, again;
  smem__os_process_self(&self);
  smem__os_process_self(&again);
  CHECK(self.pid == again.pid && self.start == again.start &&
        self.pid_space == again.pid_space);
  CHECK(self.pid != 0);
  process_id id = START(tells_who_it_is, "");
  os_process other = other_process();
  CHECK(other.pid != self.pid);
  CHECK(other.pid_space == self.pid_space);
  raise_flag(1);
  FINISH(id);
}

CONTRACT(smem__os_pid, is_the_same_number) {
  os_process self;
  smem__os_process_self(&self);
  CHECK_EQUAL(self.pid, smem__os_pid());
}

/* Where the system tells no start, nothing is known of any process. */
CONTRACT(smem__os_process_life, knows_the_living_from_the_dead) {
  process_id id = START(tells_who_it_is, "");
  os_process other = other_process();
  bool told = other.start != 0 && other.pid_space != 0;
  CHECK_EQUAL(told ? OS_ALIVE : OS_LIFE_UNKNOWN, smem__os_process_life(&other));
  kill_process(id);
#ifdef OS_POSIX
  for (int i = 0; told && smem__os_process_life(&other) == OS_ALIVE; i++)
    sleep_ms(1); /* dead before its parent has asked */
#endif
  finish(id);
  CHECK_EQUAL(told ? OS_DEAD : OS_LIFE_UNKNOWN, smem__os_process_life(&other));
}

CONTRACT(smem__os_process_life, proves_nothing_of_another) {
  os_process self;
  smem__os_process_self(&self);
  os_process later = self, elsewhere = self, unknown = self;
  later.start++;
  elsewhere.pid_space += 12345;
  unknown.start = 0;
  CHECK_EQUAL(self.start ? OS_ALIVE : OS_LIFE_UNKNOWN,
              smem__os_process_life(&self));
  CHECK_EQUAL(self.start ? OS_DEAD : OS_LIFE_UNKNOWN,
              smem__os_process_life(&later));
  CHECK_EQUAL(OS_LIFE_UNKNOWN, smem__os_process_life(&elsewhere));
  CHECK_EQUAL(OS_LIFE_UNKNOWN, smem__os_process_life(&unknown));
}

/* ---- smem__os_process_command -------------------------------------------- */

CONTRACT(smem__os_process_command, tells_a_name_or_nothing) {
  char command[80];
  os_process self;
  smem__os_process_self(&self);
  smem__os_process_command(self.pid, command, sizeof command);
  CHECK(command[0] == '\0' || strstr(command, "os-tests") != NULL ||
        strstr(command, "memcheck") != NULL); /* valgrind's own */
#if defined(OS_LINUX) || defined(OS_WINDOWS)
  CHECK(command[0] != '\0');
#endif
  memset(command, 'x', sizeof command);
  smem__os_process_command(self.pid, command, 4);
  CHECK(memchr(command, '\0', 4) != NULL && command[4] == 'x');
  smem__os_process_command(999999999, command, sizeof command);
  CHECK(strcmp(command, "") == 0);
}

/* ---- users --------------------------------------------------------------- */

ROLE(is_another_user) {
  uint64_t before = smem__os_user();
  become_another_user();
  CHECK(smem__os_user() != before);
}

CONTRACT(smem__os_user, is_the_one_at_work) {
  CHECK_EQUAL(smem__os_user(), smem__os_user());
  need_another_user();
  PLAY(is_another_user, "");
}

CONTRACT(smem__os_user_name, always_ends) {
  char name[100];
  smem__os_user_name(smem__os_user(), name, sizeof name);
  CHECK(strlen(name) > 0);
  smem__os_user_name(3999999999u, name, sizeof name);
  CHECK(strlen(name) > 0);
  memset(name, 'x', sizeof name);
  smem__os_user_name(smem__os_user(), name, 3);
  CHECK(memchr(name, '\0', 3) != NULL && name[3] == 'x');
}

CONTRACT(smem__os_default_namespace, is_fit_for_a_namespace) {
  const char *fit = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                    "0123456789_-";
  char a[17], b[17];
  memset(a, 'x', sizeof a);
  smem__os_default_namespace(a);
  smem__os_default_namespace(b);
  CHECK(memchr(a, '\0', sizeof a) != NULL && strcmp(a, b) == 0);
  CHECK(strlen(a) > 0 && strspn(a, fit) == strlen(a));
}

/* ---- memory -------------------------------------------------------------- */

CONTRACT(smem__os_allocate, gives_zeros_or_nothing) {
  unsigned char *memory = smem__os_allocate(100000);
  CHECK(memory != NULL);
  for (int i = 0; i < 100000; i++) CHECK(memory[i] == 0);
  smem__os_release(memory);
#ifdef OS_POSIX
  fault_arm(FAULT_ERROR, 1);
  memory = smem__os_allocate(100);
  fault_disarm();
  CHECK(memory == NULL);
#else
  CHECK(smem__os_allocate(SIZE_MAX / 2) == NULL);
#endif
}

CONTRACT(smem__os_release, takes_what_was_given_or_nothing) {
  smem__os_release(NULL);
  for (int i = 0; i < ROUNDS(2000); i++) {
    void *memory = smem__os_allocate(10 << 20);
    CHECK(memory != NULL);
    smem__os_release(memory);
  }
}

/* ---- mutexes ------------------------------------------------------------- */

static os_mutex mutex;
static unsigned counted;

static void count_up(void) {
  for (int i = 0; i < ROUNDS(20000); i++) {
    smem__os_mutex_lock(&mutex);
    counted++;
    smem__os_mutex_unlock(&mutex);
  }
}

CONTRACT(smem__os_mutex_lock, lets_one_thread_in) {
  smem__os_mutex_init(&mutex);
  in_threads(count_up);
  CHECK_EQUAL(THREADS * ROUNDS(20000), counted);
}

CONTRACT(smem__os_mutex_init, gives_an_open_one) {
  os_mutex first, second;
  smem__os_mutex_init(&first);
  smem__os_mutex_init(&second);
  smem__os_mutex_lock(&first);
  smem__os_mutex_lock(&second); /* one is not the other */
  smem__os_mutex_unlock(&second);
  smem__os_mutex_unlock(&first);
}

static atomic_bool inside;
static void enter(void) {
  smem__os_mutex_lock(&mutex);
  atomic_store(&inside, true);
  smem__os_mutex_unlock(&mutex);
}

CONTRACT(smem__os_mutex_unlock, lets_the_next_one_in) {
  smem__os_mutex_init(&mutex);
  smem__os_mutex_lock(&mutex);
  smem__os_mutex_unlock(&mutex);
  in_threads(enter);
  CHECK(atomic_load(&inside));
}

/* ---- threads ------------------------------------------------------------- */

static _Atomic uintptr_t names[THREADS];
static _Atomic unsigned named;
static bool by_call;

/* Nobody ends before all have told: a name may come back. */
static void tell_name(void) {
  uintptr_t name = by_call ? smem__os_thread() : os_thread();
  CHECK(name != 0);
  CHECK_EQUAL(name, by_call ? smem__os_thread() : os_thread());
  atomic_store(&names[atomic_fetch_add(&named, 1)], name);
  while (atomic_load(&named) < THREADS) smem__os_sleep(1000);
}

CONTRACT(smem__os_thread, tells_threads_apart) {
  for (int way = 0; way < 2; way++) {
    by_call = way == 0;
    atomic_store(&named, 0);
    in_threads(tell_name);
    for (int i = 0; i < THREADS; i++)
      for (int j = 0; j < i; j++) CHECK(names[i] != names[j]);
  }
}

/* ---- smem__os_at_fork ---------------------------------------------------- */

static unsigned before, in_parent, in_child;
static void note_before(void) { before++; }
static void note_in_parent(void) { in_parent++; }
static void note_in_child(void) { in_child++; }

#ifdef OS_POSIX
ROLE(was_forked) {
  CHECK_EQUAL(1, before);
  CHECK_EQUAL(0, in_parent);
  CHECK_EQUAL(1, in_child);
}
#endif

CONTRACT(smem__os_at_fork, runs_the_three) {
  smem__os_at_fork(note_before, note_in_parent, note_in_child);
  CHECK_EQUAL(0, before + in_parent + in_child);
#ifdef OS_POSIX
  PLAY(was_forked, "");
  CHECK_EQUAL(1, before);
  CHECK_EQUAL(1, in_parent);
  CHECK_EQUAL(0, in_child);
#endif
}

/* ---- smem__os_pin_library ------------------------------------------------ */

/* The C library never goes, so that it can be had; nor does a program of one
 * piece, which is not a library. */
CONTRACT(smem__os_pin_library, tells_whether_it_is_pinned) {
#ifdef OS_POSIX
  bool pinned = smem__os_pin_library((void (*)(void))getpid);
#ifdef __GLIBC__
  CHECK(pinned);
#else
  (void)pinned;
#endif
#else
  CHECK(smem__os_pin_library((void (*)(void))GetCurrentProcessId));
#endif
}
