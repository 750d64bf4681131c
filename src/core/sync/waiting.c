/* Waiting: sleep, look who is dead, be on record meanwhile. */
#include "sync.h"

enum { MILLISECOND = 1000 * 1000, FIRST = 5 * MILLISECOND };
/* Between two looks whether a holder lives. */
enum { LOOK = 50 * MILLISECOND };
/* How often a wait looks again before it sleeps: fewer times where that was in
 * vain, as it is for two processes on one processor. */
enum { MOST = 100, FEWEST = 3 };
static _Atomic unsigned spins = MOST;

static void learn(unsigned next) {
  atomic_store_explicit(&spins, next, memory_order_relaxed);
}

void smem__waiting_begin(struct waiting *waiting, const struct call *call,
                         struct lock_words *words, uint64_t timeout) {
  *waiting = (struct waiting){.call = call,
                              .words = words,
                              .deadline = timeout,
                              .timeout = timeout,
                              .pause = FIRST,
                              .slot = -1};
  if (timeout == 0 || timeout == SMEM_FOREVER) return;
  uint64_t now = smem__os_steady_clock();
  waiting->deadline =
      timeout < SMEM_FOREVER - now ? now + timeout : SMEM_FOREVER;
}

static void pause_processor(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

bool smem__waiting_spin(struct waiting *waiting) {
  unsigned most = atomic_load_explicit(&spins, memory_order_relaxed);
  if (waiting->slept || waiting->timeout == 0 || waiting->spins >= most)
    return false;
  waiting->spins++;
  pause_processor();
  return true;
}

static void learn_to_sleep(void) {
  unsigned most = atomic_load_explicit(&spins, memory_order_relaxed);
  if (most > FEWEST) learn(most - most / 4);
}

/* ---- on record --------------------------------------------------------------
 *
 * So that a list tells how many wait, and that nobody removes what they wait
 * for. Where all slots are taken it goes without: then somebody else is on
 * record. */

static void enter(struct waiting *waiting) {
  struct lock_words *words = waiting->words;
  waiting->who = smem__sync_own;
  if (waiting->who == 0) return;
  for (int i = LOCK_SLOTS - 1; i >= 0; i--) {
    uint64_t seen = sync_load(&words->slot[i]);
    /* Whoever has slept long may also look which of the slots are dead ones'.
     */
    if (seen != 0 && !(waiting->pause == LOOK && smem__sync_is_dead(seen)))
      continue;
    if (sync_cas(&words->slot[i], &seen, waiting->who | SLOT_WAITS)) {
      waiting->slot = i;
      return;
    }
  }
}

void smem__waiting_end(struct waiting *waiting) {
  if (waiting->spins > 0 && !waiting->slept) learn(MOST);
  if (waiting->slot < 0) return;
  uint64_t mine = waiting->who | SLOT_WAITS;
  sync_cas(&waiting->words->slot[waiting->slot], &mine, 0);
  waiting->slot = -1;
}

/* ---- sleeping ------------------------------------------------------------ */

static smem_code fail_timeout(const struct waiting *waiting) {
  if (waiting->timeout == 0)
    return smem__fail(waiting->call, SMEM_TIMEOUT, 0, "somebody else has it");
  return smem__fail(waiting->call, SMEM_TIMEOUT, 0,
                    "the timeout of %.3g seconds has passed",
                    (double)waiting->timeout / 1e9);
}

smem_code smem__waiting_sleep(struct waiting *waiting, _Atomic uint32_t *at,
                              uint32_t value, uint32_t bits) {
  uint64_t now = smem__os_steady_clock();
  if (now >= waiting->deadline) {
    /* Not for a dead one's sake: also who only tries looks, once. */
    if (waiting->tried) return fail_timeout(waiting);
    waiting->tried = waiting->look = true;
    return SMEM_OK;
  }
  /* The first sleep is short, so it need not be asked for before. */
  if (waiting->slept && smem__process_interrupted())
    return smem__fail(waiting->call, SMEM_INTERRUPTED, 0,
                      "interrupted while waiting");
  if (!waiting->slept && waiting->spins > 0) learn_to_sleep();
  if (waiting->slot < 0) enter(waiting);
  uint64_t until = waiting->deadline - now > waiting->pause
                       ? now + waiting->pause
                       : waiting->deadline;
  SYNC_STEP();
  if (smem__os_wait(at, value, bits, until)) {
    /* It takes long: is what we are present by still there? */
    if (waiting->pause == FIRST) smem__sync_look(waiting->call);
    waiting->look = true;
    waiting->pause = LOOK;
  }
  waiting->slept = true;
  return SMEM_OK;
}
