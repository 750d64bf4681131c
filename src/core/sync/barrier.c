/* Barriers: each party has a place, with its presence and the round at which it
 * has arrived. A party that dies before it arrives breaks the barrier for all.
 * tests/model/barrier.pml is a model of this. */
#include "sync.h"

enum { IS_BROKEN = 1, ROUND = 2 };

static struct barrier_words *words_of(const smem_sync *barrier) {
  return barrier->address;
}

/* A place for us, which we keep. One without an owner is at the end of a round
 * that it was in, so it can be had at any time. */
static bool take_place(smem_sync *barrier, uint64_t who) {
  struct barrier_words *words = words_of(barrier);
  for (uint32_t i = 0; i < barrier->count; i++) {
    uint64_t nobody = 0;
    if (!sync_cas(&words->party[i].who, &nobody, who)) continue;
    barrier->party = (int)i;
    barrier->who = who;
    barrier->pid = smem__process_self()->os.pid;
    return true;
  }
  return false;
}

/* Have we a place? Under another presence by now, if the control object was
 * lost. That of a parent is not a forked child's. */
static bool keep_place(smem_sync *barrier, uint64_t who) {
  struct barrier_words *words = words_of(barrier);
  if (barrier->party < 0 || barrier->pid != smem__process_self()->os.pid)
    return false;
  uint64_t mine = barrier->who;
  if (mine != who && !sync_cas(&words->party[barrier->party].who, &mine, who))
    return false;
  barrier->who = who;
  return true;
}

static smem_code enrol(const struct call *call, smem_sync *barrier) {
  uint64_t who;
  smem_code code = smem__sync_join(call, &who);
  if (code != SMEM_OK) return code;
  if (keep_place(barrier, who) || take_place(barrier, who)) return SMEM_OK;
  return smem__fail(call, SMEM_ARGUMENT, 0,
                    "all %lu parties of the barrier are there already",
                    (unsigned long)barrier->count);
}

static bool are_all_here(const smem_sync *barrier, uint64_t round) {
  struct barrier_words *words = words_of(barrier);
  for (uint32_t i = 0; i < barrier->count; i++)
    if (sync_load(&words->party[i].arrived) < round) return false;
  return true;
}

static bool is_any_dead(const smem_sync *barrier, uint64_t round) {
  struct barrier_words *words = words_of(barrier);
  for (uint32_t i = 0; i < barrier->count; i++) {
    uint64_t who = sync_load(&words->party[i].who);
    if (who != 0 && sync_load(&words->party[i].arrived) < round &&
        smem__sync_is_dead(who))
      return true;
  }
  return false;
}

static bool turn(struct barrier_words *words, uint64_t from, uint64_t to) {
  if (!sync_cas(&words->round, &from, to)) return false;
  SYNC_STEP();
  smem__os_wake(sync_low(&words->round), WAKE_ALL, true);
  return true;
}

/* Until the round that begins with `next` has begun, or it is broken. */
static smem_code meet(struct waiting *waiting, const smem_sync *barrier,
                      uint64_t next) {
  struct barrier_words *words = words_of(barrier);
  for (;;) {
    uint64_t now = sync_load(&words->round), to = now;
    if (now / ROUND >= next || (now & IS_BROKEN)) return SMEM_OK;
    if (are_all_here(barrier, next))
      to = next * ROUND;
    else if (waiting->look && is_any_dead(barrier, next))
      to = now | IS_BROKEN;
    waiting->look = false;
    if (to != now) {
      turn(words, now, to);
      continue;
    }
    smem_code code = smem__waiting_sleep(waiting, sync_low(&words->round),
                                         (uint32_t)now, WAKE_ALL);
    /* One is missing from now on, so nobody can meet any more. */
    if (code != SMEM_OK && turn(words, now, now | IS_BROKEN)) return code;
  }
}

smem_code smem_barrier_wait(smem_sync *barrier, uint64_t timeout,
                            smem_error *error) {
  struct call call = {SMEM_OP_WAIT_AT, barrier->reference.id, 0, error, false};
  struct barrier_words *words = words_of(barrier);
  struct waiting waiting;
  smem_code code = smem__sync_is(&call, barrier, SMEM_BARRIER);
  if (code == SMEM_OK) code = enrol(&call, barrier);
  if (code != SMEM_OK) return code;
  uint64_t next = sync_load(&words->round) / ROUND + 1;
  smem__waiting_begin(&waiting, &call, barrier->words, timeout);
  sync_store(&words->party[barrier->party].arrived, next);
  code = meet(&waiting, barrier, next);
  smem__waiting_end(&waiting);
  if (code != SMEM_OK || sync_load(&words->round) / ROUND >= next) return code;
  return smem__fail(&call, SMEM_BROKEN, 0,
                    "one of its %lu parties died, or gave up",
                    (unsigned long)barrier->count);
}
