/* Locks and semaphores, in eight processes that are killed and stopped at
 * random and before any step that touches what they share: what the lock guards
 * adds up, and each death inside is told of once. */
#ifndef _WIN32

#include "../../src/core/sync/sync.h"
#include "test.h"

#include <sys/mman.h>

enum { WORKERS = 8, PRESENCES = 1 << 16, PERMITS = 3 };

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
  _Atomic unsigned char died[PRESENCES], holding[PRESENCES], stolen[PRESENCES];
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
    arena->holding[self] = latch && am_inside();
    arena->died[self] = 1;
    kill(getpid(), SIGKILL);
  }
  if (chance(20000) == 0) raise(SIGSTOP);
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
  smem_told told;
  smem_mode mode = chance(2) ? SMEM_EXCLUSIVE : SMEM_SHARED;
  smem_code code = smem_lock(latch, mode, some_timeout(), &told, &error);
  arena->told += told.died;
  CHECK_AMONG(CODE(OK) | CODE(TIMEOUT), code);
  if (code != SMEM_OK) return;
  (mode == SMEM_EXCLUSIVE ? change_together : look_together)(&told);
  CHECK_OK(smem_unlock(latch, &error));
}

static void prepare(const char *argument) {
  worker = (unsigned)(argument[0] - '0');
  state = smem__os_entropy() | 1;
  CHECK_OK(smem_join(&error));
  steps_left = (unsigned long)chance(chance(4) ? 60 : 3000);
}

ROLE(locks_until_it_dies) {
  uint64_t who;
  struct call call = {"lock", "a", 0, &error, false};
  prepare(argument);
  CHECK_OK(smem_latch_open("a", &latch, &error));
  CHECK_OK(smem__sync_join(&call, &who)); /* known before it can die */
  CHECK(presence_of(who) != 0);
  smem__sync_step = step;
  smem__sync_stole = note_theft;
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
  smem__sync_step = step;
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

/* ---- the one who looks after them ------------------------------------------
 */

static process_id start_worker(int i, bool locks) {
  char name[2] = {(char)('0' + i), 0};
  return locks ? START(locks_until_it_dies, name)
               : START(acquires_until_it_dies, name);
}

/* Has it ended, and how? What has stopped goes on. */
static bool has_ended(process_id id, int *status) {
  if (waitpid((pid_t)id, status, WNOHANG | WUNTRACED) != id) return false;
  if (!WIFSTOPPED(*status)) return true;
  kill((pid_t)id, SIGCONT);
  return false;
}

/* Replace what has died. Returns the deaths. */
static unsigned look_after(process_id workers[WORKERS], bool locks) {
  unsigned deaths = 0;
  for (int i = 0; i < WORKERS; i++) {
    int status;
    if (!has_ended(workers[i], &status)) continue;
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    deaths++;
    workers[i] = start_worker(i, locks);
  }
  return deaths;
}

static void end_all(process_id workers[WORKERS]) {
  arena->over = true;
  for (int left = WORKERS; left > 0; sleep_ms(1))
    for (int i = 0; i < WORKERS; i++) {
      int status;
      if (workers[i] == 0 || !has_ended(workers[i], &status)) continue;
      CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
      workers[i] = 0;
      left--;
    }
}

static unsigned run(bool locks) {
  process_id workers[WORKERS];
  unsigned deaths = 0;
  uint64_t stop = now_ms() + duration();
  for (int i = 0; i < WORKERS; i++) workers[i] = start_worker(i, locks);
  while (now_ms() < stop) {
    sleep_ms(1);
    deaths += look_after(workers, locks);
  }
  end_all(workers);
  return deaths;
}

static void start_arena(void) {
  arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(arena != MAP_FAILED);
  CHECK_OK(smem_join(&error)); /* or presences would begin again */
}

TEST_FOR(locks_survive_deaths_at_any_step, 1500) {
  smem_told told;
  start_arena();
  CHECK_OK(allocate("a", 1));
  unsigned deaths = run(true);
  CHECK_OK(smem_latch_open("a", &latch, &error));
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, SMEM_FOREVER, &told, &error));
  arena->told += told.died;
  if (told.dirty) arena->a = arena->b = sum();
  CHECK(arena->a == sum() && arena->b == sum());
  CHECK_OK(smem_unlock(latch, &error));
  unsigned holding = 0, stolen = 0;
  for (int i = 0; i < PRESENCES; i++) {
    holding += arena->holding[i];
    stolen += arena->stolen[i];
  }
  printf("     %llu locked, %u deaths, %u of them inside, %u found\n",
         (unsigned long long)arena->operations, deaths, holding,
         stolen + told.died);
  CHECK_EQUAL(holding, stolen + told.died);
  CHECK(deaths > 0);
  smem_latch_close(latch);
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_leave(&error));
}

TEST_FOR(permits_survive_deaths_at_any_step, 1500) {
  smem_sync *semaphore;
  start_arena();
  CHECK_OK(smem_sync_open(SMEM_SEMAPHORE, "s", PERMITS, &semaphore, &error));
  unsigned deaths = run(false);
  for (int i = 0; i < PERMITS; i++)
    CHECK_OK(smem_acquire(semaphore, UINT64_C(5000000000), NULL, &error));
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
