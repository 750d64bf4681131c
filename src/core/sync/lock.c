/* The lock of a segment: one word that says who has it, and a table of readers.
 *
 * A count of readers cannot be put right when one of them dies; a table of
 * presences can. A word that does not say who has it has an instant at which
 * nobody knows; here one compare-and-swap takes it and says who.
 *
 *   exclusive   word: nobody -> me. Then wait until no reader is left: readers
 *               enter no more, for they look at the word after they have a slot
 *   shared      a slot: nobody -> me, then the word must still be nobody's
 *   dead        whoever finds, after a while, that the holder's presence is
 *               dead puts himself in its place: only one of them can
 *
 * tests/model/lock.pml is a model of this. */
#include "sync.h"

/* In place of a slot. */
enum { EXCLUSIVE = -1 };

/* ---- what this thread holds ---------------------------------------------- */

/* Whoever has the lock, exclusively or in this slot, is the only one to write
 * there. */
static void note(smem_latch *latch, uintptr_t thread, uint64_t who, int slot) {
  unsigned i = (unsigned)(slot + 1);
  unsigned most = atomic_load_explicit(&latch->most, memory_order_relaxed);
  while (most < i && !atomic_compare_exchange_weak(&latch->most, &most, i))
    continue;
  if (latch->hold[i].who != who) latch->hold[i].who = who;
  atomic_store_explicit(&latch->hold[i].thread, thread, memory_order_relaxed);
}

/* Before the lock comes free, for the next one that has it may be another
 * thread of this process. */
static void forget(struct hold *hold) {
  atomic_store_explicit(&hold->thread, 0, memory_order_relaxed);
}

/* ---- the word ------------------------------------------------------------ */

/* Whoever has just freed the word, with these flags on it before. */
static void wake(struct lock_words *words, uint64_t flags) {
  SYNC_STEP();
  if (flags & LOCK_WRITERS)
    smem__os_wake(sync_low(&words->word), LOCK_WRITERS, false);
  SYNC_STEP();
  if (flags & LOCK_READERS)
    smem__os_wake(sync_low(&words->word), LOCK_READERS, true);
}

/* The word was found with flags on it, or is not ours any more. */
static bool free_slowly(struct lock_words *words, uint64_t who, uint64_t seen) {
  do
    if (SYNC_WHO(seen) != who) return false;
  while (!sync_cas(&words->word, &seen, seen & LOCK_DIRTY));
  if (seen & (LOCK_WRITERS | LOCK_READERS)) wake(words, seen);
  return true;
}

/* False: it is not ours any more, see smem_lock_break(). */
static inline bool free_word(struct lock_words *words, uint64_t who) {
  uint64_t seen = who;
  return sync_cas(&words->word, &seen, 0) || free_slowly(words, who, seen);
}

/* For lists only: whoever has the lock has died on the way, perhaps, so that
 * this says which holder it speaks of. */
static void record_holder(struct lock_words *words, uint64_t who) {
  uint64_t record = (who >> 4) << 32 | smem__sync_pid;
  if (atomic_load_explicit(&words->holder, memory_order_relaxed) != record)
    atomic_store_explicit(&words->holder, record, memory_order_relaxed);
  if (atomic_load_explicit(&words->since, memory_order_relaxed) != 0)
    atomic_store_explicit(&words->since, 0, memory_order_relaxed);
}

static uint64_t pid_of(struct lock_words *words, uint64_t who) {
  uint64_t record = atomic_load(&words->holder);
  return record >> 32 == ((who >> 4) & 0xFFFFFFFFu) ? (uint32_t)record : 0;
}

void smem_lock_stamp(smem_latch *latch) {
  atomic_store_explicit(&latch->words->since, smem__os_wall_clock(),
                        memory_order_relaxed);
}

void smem_lock_repaired(smem_latch *latch) {
  sync_and(&latch->words->word, ~(uint64_t)LOCK_DIRTY);
}

/* ---- the dead ------------------------------------------------------------ */

/* The word was taken from a dead holder; `pid` may be 0. */
static void tell_death(struct lock_words *words, uint64_t word, uint64_t pid,
                       smem_told *told) {
  bool inside = !(word & LOCK_DRAINING);
  SYNC_STOLE(SYNC_WHO(word), inside);
  if (!inside) return;
  sync_store(&words->dead_pid, pid);
  sync_store(&words->dead_at, smem__os_wall_clock());
  told->died = told->dirty = true;
}

/* What becomes of the flags when a dead holder loses the word. */
static uint64_t flags_after(uint64_t word) {
  return (word & (LOCK_WRITERS | LOCK_READERS | LOCK_DIRTY)) |
         (word & LOCK_DRAINING ? 0 : LOCK_DIRTY);
}

/* The holder of the word that was seen is dead: put `who` in its place, or
 * nobody if it is 0. False: somebody else was faster. */
static bool steal(struct lock_words *words, uint64_t word, uint64_t who,
                  smem_told *told) {
  uint64_t flags = flags_after(word), pid = pid_of(words, word);
  uint64_t to = who ? who | flags | LOCK_WRITERS : flags & LOCK_DIRTY;
  uint64_t seen = word;
  SYNC_STEALS(SYNC_WHO(word));
  if (!sync_cas(&words->word, &seen, to)) return false;
  tell_death(words, word, pid, told);
  if (who == 0) wake(words, word | LOCK_WRITERS);
  return true;
}

static void tell_dirt(struct lock_words *words, smem_told *told) {
  if (!(sync_load(&words->word) & LOCK_DIRTY)) return;
  told->dirty = true;
  told->pid = sync_load(&words->dead_pid);
  told->time = sync_load(&words->dead_at);
}

/* ---- waiting ------------------------------------------------------------- */

/* Sleep on the word that was seen, which somebody has. */
static smem_code sleep_on(struct waiting *waiting, uint64_t word,
                          uint64_t flag) {
  struct lock_words *words = waiting->words;
  /* The flag must be on the very word that the holder will free. */
  if (!(word & flag) && !sync_cas(&words->word, &word, word | flag))
    return SMEM_OK;
  uint64_t none = 0;
  if (atomic_load(&words->since) == 0)
    sync_cas(&words->since, &none, smem__os_wall_clock());
  return smem__waiting_sleep(waiting, sync_low(&words->word),
                             (uint32_t)(word | flag), (uint32_t)flag);
}

/* Somebody has the word. *stolen: he was dead, and `who`, perhaps 0, is in his
 * place. Otherwise it may have changed. */
static smem_code wait_for(struct waiting *waiting, uint64_t word, uint64_t who,
                          uint64_t flag, bool *stolen, smem_told *told) {
  *stolen = false;
  if (smem__waiting_spin(waiting)) return SMEM_OK;
  if (waiting->look) {
    waiting->look = false;
    if (smem__sync_is_dead(word)) {
      *stolen = steal(waiting->words, word, who, told);
      return SMEM_OK;
    }
  }
  return sleep_on(waiting, word, flag);
}

/* ---- exclusive ----------------------------------------------------------- */

static smem_code take_word(struct waiting *waiting, uint64_t who,
                           smem_told *told) {
  struct lock_words *words = waiting->words;
  smem_code code = SMEM_OK;
  while (code == SMEM_OK) {
    uint64_t word = sync_load(&words->word);
    bool stolen;
    if (SYNC_WHO(word) == 0) {
      /* Whoever has slept was one of many, perhaps. */
      uint64_t flags = word | (waiting->slept ? LOCK_WRITERS : 0);
      if (sync_cas(&words->word, &word, who | flags)) return SMEM_OK;
      continue;
    }
    code = wait_for(waiting, word, who, LOCK_WRITERS, &stolen, told);
    if (stolen) return SMEM_OK;
  }
  /* It may have eaten the only wake: pass it on. */
  if (waiting->slept)
    smem__os_wake(sync_low(&words->word), LOCK_WRITERS, false);
  return code;
}

/* Is any reader in? The dead ones are cleared away, if it is time to look. */
static bool has_readers(struct waiting *waiting) {
  struct lock_words *words = waiting->words;
  uint32_t high = sync_load(&words->high);
  bool look = waiting->look, any = false;
  waiting->look = false;
  for (uint32_t i = 0; i < high && i < LOCK_SLOTS; i++) {
    uint64_t reader = sync_load(&words->slot[i]);
    if (reader == 0 || (reader & SLOT_WAITS)) continue;
    if (look && smem__sync_is_dead(reader))
      sync_cas(&words->slot[i], &reader, 0);
    else
      any = true;
  }
  return any;
}

/* The word is ours: the readers that were in before must leave. */
static smem_code drain(struct waiting *waiting) {
  struct lock_words *words = waiting->words;
  smem_code code = SMEM_OK;
  bool marked = false;
  for (;;) {
    uint32_t seen = sync_load(&words->drain);
    if (!has_readers(waiting)) break;
    if (!marked && smem__waiting_spin(waiting)) continue;
    if (marked) {
      code = smem__waiting_sleep(waiting, &words->drain, seen, WAKE_ONE);
      if (code != SMEM_OK) return code;
      continue;
    }
    /* Look once more: whoever left before did not see the mark. */
    sync_or(&words->word, LOCK_DRAINING);
    marked = true;
  }
  if (marked) sync_and(&words->word, ~(uint64_t)LOCK_DRAINING);
  return SMEM_OK;
}

static smem_code lock_exclusive(const struct call *call,
                                struct lock_words *words, uint64_t who,
                                uint64_t timeout, smem_told *told) {
  struct waiting waiting;
  smem__waiting_begin(&waiting, call, words, timeout);
  smem_code code = take_word(&waiting, who, told);
  if (code == SMEM_OK && (code = drain(&waiting)) != SMEM_OK)
    free_word(words, who);
  smem__waiting_end(&waiting);
  if (code != SMEM_OK) return code;
  tell_dirt(words, told);
  record_holder(words, who);
  return SMEM_OK;
}

/* In one step, if nobody has it and there never was a reader. */
bool smem_lock_quickly(smem_latch *latch) {
  struct lock_words *words = latch->words;
  uintptr_t thread = os_thread();
  uint64_t nobody = 0, who = smem__sync_own;
  if (who == 0 || latch->readers || !sync_cas(&words->word, &nobody, who))
    return false;
  if (sync_load(&words->high) != 0 || who != smem__sync_own) {
    latch->readers = true; /* that, or at worst slower from now on */
    free_word(words, who);
    return false;
  }
  record_holder(words, who);
  note(latch, thread, who, EXCLUSIVE);
  return true;
}

/* ---- shared -------------------------------------------------------------- */

/* False: it was not ours any more. */
static bool leave_slot(struct lock_words *words, int slot, uint64_t who) {
  bool ours = sync_cas(&words->slot[slot], &who, 0);
  if (sync_load(&words->word) & LOCK_DRAINING) {
    sync_add(&words->drain, 1);
    SYNC_STEP();
    smem__os_wake(&words->drain, WAKE_ONE, false);
  }
  return ours;
}

static void raise_high(struct lock_words *words, uint32_t to) {
  uint32_t high = sync_load(&words->high);
  while (high < to && !sync_cas(&words->high, &high, to)) continue;
}

/* -1: all are taken. */
static int claim_slot(struct lock_words *words, uint64_t who, bool look) {
  unsigned first = (unsigned)(who >> 4) * 7 % 8; /* low, so that `high` is */
  for (unsigned n = 0; n < LOCK_SLOTS; n++) {
    unsigned i = (first + n) % LOCK_SLOTS;
    uint64_t seen = atomic_load_explicit(&words->slot[i], memory_order_relaxed);
    if (seen != 0 && !(look && smem__sync_is_dead(seen))) continue;
    raise_high(words, i + 1);
    if (sync_cas(&words->slot[i], &seen, who)) return (int)i;
  }
  return -1;
}

/* With more readers than slots, which is rare: look again a little later. */
static smem_code wait_for_slot(struct waiting *waiting) {
  static _Atomic uint32_t nothing;
  waiting->pause = UINT64_C(1000000);
  return smem__waiting_sleep(waiting, &nothing, 0, WAKE_ALL);
}

/* Nobody has the word. *slot: ours, or -1 if somebody has it by now. */
static smem_code enter(struct waiting *waiting, uint64_t who, int *slot) {
  struct lock_words *words = waiting->words;
  *slot = claim_slot(words, who, waiting->look);
  if (*slot < 0) return wait_for_slot(waiting);
  if (SYNC_WHO(sync_load(&words->word)) == 0) return SMEM_OK;
  leave_slot(words, *slot, who);
  *slot = -1;
  return SMEM_OK;
}

static smem_code lock_shared(const struct call *call, struct lock_words *words,
                             uint64_t who, uint64_t timeout, smem_told *told,
                             int *slot) {
  struct waiting waiting;
  smem_code code = SMEM_OK;
  bool stolen;
  *slot = -1;
  smem__waiting_begin(&waiting, call, words, timeout);
  while (code == SMEM_OK && *slot < 0) {
    uint64_t word = sync_load(&words->word);
    if (SYNC_WHO(word) == 0)
      code = enter(&waiting, who, slot);
    else
      code = wait_for(&waiting, word, 0, LOCK_READERS, &stolen, told);
  }
  smem__waiting_end(&waiting);
  if (code != SMEM_OK) return code;
  tell_dirt(words, told);
  return SMEM_OK;
}

/* ---- for all ------------------------------------------------------------- */

static bool leave(struct lock_words *words, int slot, uint64_t who) {
  return slot == EXCLUSIVE ? free_word(words, who)
                           : leave_slot(words, slot, who);
}

static smem_code lock_slowly(const struct call *call, smem_latch *latch,
                             smem_mode mode, uint64_t timeout,
                             smem_told *told) {
  struct lock_words *words = latch->words;
  uintptr_t thread = os_thread();
  uint64_t who;
  if (smem__latch_hold(latch, thread))
    return smem__fail(call, SMEM_DEADLOCK, 0, "this thread has locked it");
  for (;;) {
    int slot = EXCLUSIVE;
    smem_code code = smem__sync_join(call, &who);
    if (code == SMEM_OK)
      code = mode == SMEM_EXCLUSIVE
                 ? lock_exclusive(call, words, who, timeout, told)
                 : lock_shared(call, words, who, timeout, told, &slot);
    if (code != SMEM_OK) return code;
    if (who == smem__sync_own) {
      note(latch, thread, who, slot);
      return SMEM_OK;
    }
    leave(words, slot, who); /* under a presence given up meanwhile */
  }
}

smem_code smem_lock(smem_latch *latch, smem_mode mode, uint64_t timeout,
                    smem_told *told, smem_error *error) {
  struct call call = {SMEM_OP_LOCK, latch->id, 0, error, false};
  smem_told ours = SMEM_TOLD_INIT;
  if (told && !smem__struct_copy(told, &ours)) return smem__fail_struct(&call);
  if (mode == SMEM_EXCLUSIVE && smem_lock_quickly(latch)) return SMEM_OK;
  smem_code code = lock_slowly(&call, latch, mode, timeout, &ours);
  if (told) smem__struct_copy(told, &ours);
  return code;
}

bool smem_unlock_quickly(smem_latch *latch) {
  struct hold *hold = &latch->hold[EXCLUSIVE + 1];
  if (atomic_load_explicit(&hold->thread, memory_order_relaxed) !=
          os_thread() ||
      latch->users == 0)
    return false;
  uint64_t who = hold->who;
  forget(hold);
  return free_word(latch->words, who);
}

smem_code smem_unlock(smem_latch *latch, smem_error *error) {
  struct call call = {SMEM_OP_UNLOCK, latch->id, 0, error, false};
  struct hold *hold = smem__latch_hold(latch, os_thread());
  smem_code code = SMEM_OK;
  if (!hold)
    return smem__fail(&call, SMEM_NOT_HELD, 0, "this thread has not locked it");
  uint64_t who = hold->who;
  forget(hold);
  if (!leave(latch->words, (int)(hold - latch->hold) - 1, who))
    code = smem__fail(&call, SMEM_NOT_HELD, 0, "it was taken away by force");
  if (latch->users == 0) smem__latch_settle(latch);
  return code;
}

void smem_lock_break(smem_latch *latch) {
  struct lock_words *words = latch->words;
  for (int i = 0; i < LOCK_SLOTS; i++) {
    uint64_t seen = sync_load(&words->slot[i]);
    if (seen && !(seen & SLOT_WAITS)) sync_cas(&words->slot[i], &seen, 0);
  }
  sync_swap(&words->word, LOCK_DIRTY);
  sync_add(&words->drain, 1);
  smem__os_wake(&words->drain, WAKE_ONE, true);
  wake(words, LOCK_WRITERS | LOCK_READERS);
}

/* ---- for lists ----------------------------------------------------------- */

void smem__lock_describe(const struct control *control,
                         const struct segment *segment, smem_entry *entry) {
  struct footer copy = segment->footer;
  struct lock_words *words = sync_words_of(&copy);
  uint64_t word = words->word;
  for (int i = 0; i < LOCK_SLOTS; i++) {
    uint64_t seen = words->slot[i];
    if (!smem__sync_may_live(control, seen)) continue;
    entry->in_use = true;
    if (seen & SLOT_WAITS)
      entry->waiting++;
    else
      entry->readers++;
  }
  if (SYNC_WHO(word) == 0) {
    if (entry->readers > 0) entry->lock = SMEM_LOCK_SHARED;
    return;
  }
  bool lives = smem__sync_may_live(control, word);
  entry->in_use |= lives;
  entry->lock = lives ? SMEM_LOCK_EXCLUSIVE : SMEM_LOCK_OF_DEAD;
  entry->holder = pid_of(words, word);
  entry->since = words->since;
}
