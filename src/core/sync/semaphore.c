/* Semaphores: a slot per permit, with the presence of its holder, so that the
 * permits of the dead come back. tests/model/semaphore.pml is a model of this.
 */
#include "sync.h"

static struct semaphore_words *words_of(const smem_sync *semaphore) {
  return semaphore->address;
}

/* Where this process begins to look: each elsewhere. */
static uint32_t start_of(const smem_sync *semaphore, uint64_t who) {
  return (uint32_t)(who >> 4) % semaphore->count;
}

/* The first slot with `from` in it, counted from there, becomes `to`. With
 * `look` one of a dead process will do too, and then *died. */
static bool change_slot(const smem_sync *semaphore, uint64_t who, uint64_t from,
                        uint64_t to, bool look, bool *died) {
  struct semaphore_words *words = words_of(semaphore);
  uint32_t count = semaphore->count, start = start_of(semaphore, who);
  for (uint32_t n = 0; n < count; n++) {
    uint32_t i = n < count - start ? start + n : n - (count - start);
    uint64_t seen = sync_load(&words->slot[i]);
    bool dead = look && seen != from && smem__sync_is_dead(seen);
    if (seen != from && !dead) continue;
    if (!sync_cas(&words->slot[i], &seen, to)) continue;
    if (dead) *died = true;
    return true;
  }
  return false;
}

static smem_code wait_for_permit(struct waiting *waiting,
                                 const smem_sync *semaphore, uint64_t who,
                                 bool *died, bool *taken) {
  struct semaphore_words *words = words_of(semaphore);
  bool look = waiting->look;
  waiting->look = false;
  *taken = change_slot(semaphore, who, 0, who, look, died);
  if (*taken || smem__waiting_spin(waiting)) return SMEM_OK;
  uint32_t changes = sync_or(&words->changes, 1) | 1;
  /* Once more: whoever released before did not see the mark. */
  *taken = change_slot(semaphore, who, 0, who, false, died);
  if (*taken) {
    waiting->slept = true; /* the mark may be another one's too */
    return SMEM_OK;
  }
  return smem__waiting_sleep(waiting, &words->changes, changes, WAKE_ONE);
}

static smem_code take(const struct call *call, const smem_sync *semaphore,
                      uint64_t who, uint64_t timeout, bool *died) {
  struct semaphore_words *words = words_of(semaphore);
  struct waiting waiting;
  smem_code code = SMEM_OK;
  bool taken = change_slot(semaphore, who, 0, who, false, died);
  if (taken) return SMEM_OK;
  smem__waiting_begin(&waiting, call, semaphore->words, timeout);
  while (code == SMEM_OK && !taken)
    code = wait_for_permit(&waiting, semaphore, who, died, &taken);
  smem__waiting_end(&waiting);
  if (waiting.slept && code == SMEM_OK) sync_or(&words->changes, 1);
  if (waiting.slept && code != SMEM_OK) /* it may have eaten the only wake */
    smem__os_wake(&words->changes, WAKE_ONE, false);
  return code;
}

static bool give_back(const smem_sync *semaphore, uint64_t who) {
  struct semaphore_words *words = words_of(semaphore);
  if (who == 0 || !change_slot(semaphore, who, who, 0, false, NULL))
    return false;
  uint32_t changes = sync_load(&words->changes);
  while (changes & 1)
    if (sync_cas(&words->changes, &changes, changes + 1)) {
      SYNC_STEP();
      smem__os_wake(&words->changes, WAKE_ONE, false);
      break;
    }
  return true;
}

smem_code smem_acquire(smem_sync *semaphore, uint64_t timeout, smem_told *told,
                       smem_error *error) {
  struct call call = {SMEM_OP_ACQUIRE, semaphore->reference.id, 0, error,
                      false};
  smem_told ours = SMEM_TOLD_INIT;
  uint64_t who;
  smem_code code;
  if (told && !smem__struct_copy(told, &ours)) return smem__fail_struct(&call);
  if ((code = smem__sync_is(&call, semaphore, SMEM_SEMAPHORE)) != SMEM_OK)
    return code;
  for (;;) {
    code = smem__sync_join(&call, &who);
    if (code == SMEM_OK)
      code = take(&call, semaphore, who, timeout, &ours.died);
    if (code != SMEM_OK || who == smem__sync_own) break;
    give_back(semaphore, who); /* see smem__sync_join() */
  }
  if (told) smem__struct_copy(told, &ours);
  return code;
}

smem_code smem_release(smem_sync *semaphore, smem_error *error) {
  struct call call = {SMEM_OP_RELEASE, semaphore->reference.id, 0, error,
                      false};
  uint64_t who = smem__sync_own;
  smem_code code = smem__sync_is(&call, semaphore, SMEM_SEMAPHORE);
  if (code != SMEM_OK) return code;
  for (unsigned i = 0; !give_back(semaphore, who); i++)
    if ((who = smem__sync_former(i)) == 0)
      return smem__fail(&call, SMEM_NOT_HELD, 0, "this process has no permit");
  return SMEM_OK;
}

void smem_permits(const smem_sync *semaphore, uint32_t *available,
                  uint32_t *held) {
  struct semaphore_words *words = words_of(semaphore);
  *available = *held = 0;
  if (semaphore->kind != SMEM_SEMAPHORE) return;
  for (uint32_t i = 0; i < semaphore->count; i++) {
    uint64_t seen = sync_load(&words->slot[i]);
    *available += seen == 0 || smem__sync_is_dead(seen);
    *held += smem__sync_is_ours(seen);
  }
}
