/* Locks and semaphores, in eight processes that are killed and stopped, by
 * themselves before any step that touches what they share and from outside at
 * any moment: what the lock guards adds up, and each death inside is told of
 * once. When nothing moves any more the test ends them, and tells what it saw.
 */
#ifndef _WIN32

#include "../../src/core/sync/sync.h"
#include "test.h"

#include <sys/mman.h>

enum { WORKERS = 8, PRESENCES = 1 << 21, PERMITS = 3 };

/* How long each of the two runs: SYNC_SECONDS, or a few seconds. */
static uint64_t duration(void) {
  const char *seconds = getenv("SYNC_SECONDS");
  return seconds ? strtoull(seconds, NULL, 10) * 1000 : 3000;
}

/* What the workers share. */
static struct arena {
  _Atomic uint64_t a, b, inside; /* guarded by the lock; a == b outside */
  _Atomic uint64_t done[WORKERS], used[PERMITS];
  _Atomic uint64_t operations, told;
  _Atomic bool over;
  _Atomic unsigned presence[WORKERS]; /* 0: not known yet */
  /* By presence. What a death from outside has hit is known only if it is
   * between two calls: then it was inside, for sure. */
  _Atomic unsigned char died[PRESENCES], by_itself[PRESENCES],
      inside_then[PRESENCES], inside_now[PRESENCES], stolen[PRESENCES];
  _Atomic unsigned
      steals_from[PRESENCES]; /* since when, it may be told of it */
} * arena;

static unsigned worker;
static uint64_t state;
static unsigned long steps_left;
static smem_latch *latch;

static uint64_t chance(uint64_t below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state % below;
}

static unsigned presence_of(uint64_t who) {
  return (unsigned)(who >> 4) % PRESENCES;
}

/* Does the word name us, inside or not any more but by death? */
static bool am_inside(void) {
  uint64_t word = atomic_load(&latch->words->word), own = smem__sync_own;
  return own != 0 && SYNC_WHO(word) == own && !(word & LOCK_DRAINING);
}

static void step(void) {
  if (steps_left-- == 0) {
    unsigned self = presence_of(smem__sync_own);
    arena->inside_then[self] = latch && am_inside();
    arena->by_itself[self] = arena->died[self] = 1;
    kill(getpid(), SIGKILL);
  }
  if (chance(20000) == 0) raise(SIGSTOP);
}

static void note_attempt(uint64_t from) {
  arena->steals_from[presence_of(smem__sync_own)] = presence_of(from);
}

static void note_theft(uint64_t from, bool inside) {
  CHECK(arena->died[presence_of(from)]);
  if (inside) CHECK_EQUAL(0, arena->stolen[presence_of(from)]++);
}

static uint64_t sum(void) {
  uint64_t all = 0;
  for (int i = 0; i < WORKERS; i++) all += arena->done[i];
  return all;
}

static uint64_t some_timeout(void) {
  uint64_t which = chance(16);
  return which == 0 ? 0 : which < 4 ? chance(2000000) : SMEM_FOREVER;
}

static void change_together(const smem_told *told) {
  if (told->dirty) {
    arena->a = arena->b = sum();
    arena->inside = 0;
    step();
    smem_lock_repaired(latch);
  }
  CHECK_EQUAL(0, arena->inside);
  CHECK(arena->a == arena->b && arena->a == sum());
  arena->inside = smem__sync_own;
  step();
  arena->a++;
  step();
  arena->done[worker]++;
  step();
  arena->b++;
  CHECK_EQUAL(smem__sync_own, arena->inside);
  arena->inside = 0;
}

static void look_together(const smem_told *told) {
  uint64_t before = arena->a;
  if (told->dirty) return;
  CHECK(arena->inside == 0 && arena->b == before);
  step();
  CHECK(arena->inside == 0 && arena->a == before && arena->b == before);
}

static void lock_once(void) {
  smem_told told = SMEM_TOLD_INIT;
  smem_mode mode = chance(2) ? SMEM_EXCLUSIVE : SMEM_SHARED;
  smem_code code = smem_lock(latch, mode, some_timeout(), &told, &error);
  arena->steals_from[presence_of(smem__sync_own)] = 0;
  arena->told += told.died;
  CHECK_AMONG(CODE(OK) | CODE(TIMEOUT), code);
  if (code != SMEM_OK) return;
  unsigned self = presence_of(smem__sync_own);
  arena->inside_now[self] = mode == SMEM_EXCLUSIVE;
  (mode == SMEM_EXCLUSIVE ? change_together : look_together)(&told);
  arena->inside_now[self] = 0;
  CHECK_OK(smem_unlock(latch, &error));
}

static void prepare(const char *argument) {
  uint64_t who;
  struct call call = {SMEM_OP_LOCK, "a", 0, &error, false};
  worker = (unsigned)(argument[0] - '0');
  state = smem__os_entropy() | 1;
  CHECK_OK(smem__sync_join(&call, &who));
  CHECK(presence_of(who) != 0);
  steps_left = (unsigned long)chance(chance(4) ? 60 : 3000);
}

/* From now on it may die. */
static void begin(void) {
  arena->presence[worker] = presence_of(smem__sync_own);
  smem__sync_step = step;
}

ROLE(locks_until_it_dies) {
  prepare(argument);
  CHECK_OK(smem_latch_open("a", &latch, &error));
  smem__sync_steals = note_attempt;
  smem__sync_stole = note_theft;
  begin();
  for (; !arena->over; arena->operations++) lock_once();
  smem_latch_close(latch);
}

static int my_slot(smem_sync *semaphore) {
  struct semaphore_words *words = semaphore->address;
  for (int i = 0; i < PERMITS; i++)
    if (atomic_load(&words->slot[i]) == smem__sync_own) return i;
  return -1;
}

ROLE(acquires_until_it_dies) {
  smem_sync *semaphore;
  prepare(argument);
  CHECK_OK(smem_sync_open(SMEM_SEMAPHORE, "s", 0, &semaphore, &error));
  begin();
  for (; !arena->over; arena->operations++) {
    smem_code code = smem_acquire(semaphore, some_timeout(), NULL, &error);
    CHECK_AMONG(CODE(OK) | CODE(TIMEOUT), code);
    if (code != SMEM_OK) continue;
    int slot = my_slot(semaphore);
    CHECK(slot >= 0);
    uint64_t was = atomic_exchange(&arena->used[slot], smem__sync_own);
    CHECK(was == 0 || arena->died[presence_of(was)]);
    step();
    CHECK_EQUAL(smem__sync_own, atomic_exchange(&arena->used[slot], 0));
    CHECK_OK(smem_release(semaphore, &error));
  }
  smem_sync_close(semaphore);
}

/* ---- the one who looks after them ---------------------------------------- */

static process_id workers[WORKERS]; /* 0: it has ended */
static unsigned deaths;

static void start_worker(unsigned i, bool locks) {
  char name[2] = {(char)('0' + i), 0};
  arena->presence[i] = 0;
  workers[i] = locks ? START(locks_until_it_dies, name)
                     : START(acquires_until_it_dies, name);
}

/* Has it ended? Who is stopped goes on, after a while. Only who is stopped: a
 * SIGCONT at any moment undoes the stop by which the leak checker of a process
 * that ends takes hold of it, which then waits for ever. */
static bool has_ended(unsigned i, int *status) {
  static bool is_stopped[WORKERS];
  pid_t pid = (pid_t)workers[i];
  if (waitpid(pid, status, WNOHANG | WUNTRACED) == pid) {
    is_stopped[i] = WIFSTOPPED(*status);
    if (!is_stopped[i]) return true;
  }
  if (is_stopped[i] && chance(4) == 0) {
    is_stopped[i] = false;
    kill(pid, SIGCONT);
  }
  return false;
}

/* From outside, in whatever it is at. */
static void disturb(void) {
  unsigned i = (unsigned)chance(WORKERS), presence = arena->presence[i];
  if (presence == 0 || workers[i] == 0) return;
  switch (chance(64)) {
  case 0:
    arena->died[presence] = 1;
    kill((pid_t)workers[i], SIGKILL);
    break;
  case 1:
    kill((pid_t)workers[i], SIGSTOP);
    break;
  }
}

static void look_after(bool locks) {
  for (unsigned i = 0; i < WORKERS; i++) {
    int status;
    if (!has_ended(i, &status)) continue;
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    deaths++;
    start_worker(i, locks);
  }
}

/* Returns how many are left. */
static unsigned let_end(void) {
  unsigned left = 0;
  for (unsigned i = 0; i < WORKERS; i++) {
    int status;
    if (workers[i] == 0) continue;
    left++;
    if (!has_ended(i, &status)) continue;
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    workers[i] = 0;
  }
  return left;
}

/* 'S': it sleeps; 'T': it is stopped ... */
static char state_of(process_id id) {
  char path[40], text[200] = "", *end;
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)id);
  FILE *file = fopen(path, "r");
  if (!file) return '?';
  bool read = fgets(text, sizeof text, file) != NULL;
  fclose(file);
  end = read ? strrchr(text, ')') : NULL;
  return end ? end[2] : '?';
}

/* What each of them is at, and the words, in hexadecimal digits. */
static void fail_stalled(const struct lock_words *words) {
  char text[560];
  size_t at = 0;
  for (unsigned i = 0; i < WORKERS; i++)
    if (workers[i] != 0)
      at += (size_t)snprintf(text + at, sizeof text - at, " %x%c",
                             arena->presence[i], state_of(workers[i]));
  at += (size_t)snprintf(text + at, sizeof text - at,
                         "; word %llx high %x drain %x",
                         (unsigned long long)words->word, (unsigned)words->high,
                         (unsigned)words->drain);
  for (int i = 0; i < LOCK_SLOTS && at + 30 < sizeof text; i++)
    if (words->slot[i])
      at += (size_t)snprintf(text + at, sizeof text - at, " %d:%llx", i,
                             (unsigned long long)words->slot[i]);
  for (unsigned i = 0; i < WORKERS; i++)
    if (workers[i] != 0) kill_process(workers[i]);
  test_fail(__FILE__, __LINE__, "nothing moves any more:%s", text);
}

/* Has anything been done within so many seconds? */
static void check_moves(unsigned left, const struct lock_words *words) {
  static uint64_t done, since;
  uint64_t now = now_ms(), sum = arena->operations + WORKERS - left;
  if (sum != done || since == 0) {
    done = sum;
    since = now;
  }
  if (now - since > (TEST_SLOWNESS > 1 ? 60000 : 20000)) fail_stalled(words);
}

static void run(bool locks, const struct lock_words *words) {
  uint64_t stop = now_ms() + duration();
  state = smem__os_entropy() | 1;
  for (unsigned i = 0; i < WORKERS; i++) start_worker(i, locks);
  while (now_ms() < stop) {
    sleep_ms(1);
    disturb();
    look_after(locks);
    check_moves(WORKERS, words);
  }
  arena->over = true;
  for (unsigned left; (left = let_end()) > 0; sleep_ms(1))
    check_moves(left, words);
}

static void start_arena(void) {
  arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(arena != MAP_FAILED);
  CHECK_OK(smem_join(&error)); /* or presences would begin again */
}

/* Was somebody killed from outside while he was at taking the lock from this
 * one? Then perhaps between having it and noting that. */
static bool was_taken_into_death(unsigned from) {
  for (unsigned i = 0; i < PRESENCES; i++)
    if (arena->steals_from[i] == from && arena->died[i] && !arena->by_itself[i])
      return true;
  return false;
}

/* Each death was told of as often as it had to be. Returns how many were. */
static unsigned check_told(void) {
  unsigned stolen = 0;
  for (unsigned i = 0; i < PRESENCES; i++) {
    unsigned expected = 0;
    stolen += arena->stolen[i];
    if (arena->by_itself[i])
      expected = arena->inside_then[i];
    else if (arena->died[i] && arena->inside_now[i])
      expected = 1;
    else
      continue;
    if (arena->stolen[i] < expected && was_taken_into_death(i)) continue;
    CHECK_EQUAL(expected, arena->stolen[i]);
  }
  CHECK(arena->told <= stolen); /* who was told may have died of it */
  return stolen;
}

static const uint64_t soon = UINT64_C(10000000000);

TEST_FOR(locks_survive_deaths_at_any_step, 1500) {
  smem_told told = SMEM_TOLD_INIT;
  start_arena();
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_latch_open("a", &latch, &error));
  run(true, latch->words);
  smem__sync_stole = note_theft;
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, soon, &told, &error));
  if (told.dirty) arena->a = arena->b = sum();
  CHECK(arena->a == sum() && arena->b == sum());
  CHECK_OK(smem_unlock(latch, &error));
  unsigned stolen = check_told();
  printf("     %llu locked, %u deaths, %u of them inside, each told of once\n",
         (unsigned long long)arena->operations, deaths, stolen);
  CHECK(deaths > 0);
  smem_latch_close(latch);
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_leave(&error));
}

TEST_FOR(permits_survive_deaths_at_any_step, 1500) {
  smem_sync *semaphore;
  start_arena();
  CHECK_OK(smem_sync_open(SMEM_SEMAPHORE, "s", PERMITS, &semaphore, &error));
  run(false, semaphore->words);
  for (int i = 0; i < PERMITS; i++)
    CHECK_OK(smem_acquire(semaphore, soon, NULL, &error));
  CHECK_CODE(SMEM_TIMEOUT, smem_acquire(semaphore, 0, NULL, &error));
  for (int i = 0; i < PERMITS; i++) CHECK_OK(smem_release(semaphore, &error));
  printf("     %llu acquired, %u deaths\n",
         (unsigned long long)arena->operations, deaths);
  CHECK(deaths > 0);
  smem_sync_close(semaphore);
  CHECK_OK(free_id("s"));
  CHECK_OK(smem_leave(&error));
}

#else
typedef int not_posix;
#endif
