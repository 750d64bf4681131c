/* Which numbers are being created, told without a system call.
 *
 * Who creates under a name holds a kernel lock for it. Unnamed segments have
 * numbers that nobody else is given: two system calls would go into a lock that
 * hardly anybody ever asks for. So their creators only write the numbers into a
 * table in the control page, a claim, and the work is with those who take the lock
 * of such a number, because they have met an incomplete object:
 *
 *   creator                          who takes the lock of number n
 *   claims a row of numbers          takes the kernel lock
 *   is the row above `guarded`?      raises `guarded` to n
 *   if not, takes the kernel lock    waits until no claim of a live process
 *   in place of the claim            covers n
 *   creates, gives up the claim
 *
 * Both write first and read then, in one order for all (sequentially consistent).
 * So either the creator sees the guard, and the lock keeps him out; or the other
 * sees the claim, or that it was given up, which means that its objects are complete
 * or gone. Who has the lock thus excludes all creators, as with a name, and what
 * he finds incomplete is a dead one's. (Names that are numbers above the counter
 * raise the guard too: numbers below them then cost what they cost with locks.)
 *
 * A claim lives as its process does, by the lock of its presence; a dead one's is
 * taken over by whoever needs a place. What is read while an entry changes hands
 * may show a row that nobody has claimed, and then somebody waits a moment for
 * nothing. It cannot hide one that was there all the while.
 *
 * The page may be lost at any time: unlinked, truncated, overwritten. So it is
 * touched only right after a look at the file, and a creator who finds the file or
 * his claim not as it was does not rely on it: see lost_any() in allocate.c. */
#include "space.h"

#include <stdatomic.h>

/* ---- the lock of an id ---------------------------------------------------------- */

bool claim_covers(const struct control *control, const char *id) {
  uint64_t number;
  if (!smem_id_is_number(id, &number) || !control_is_intact(control))
    return false;
  for (int i = 0; i < CLAIMS; i++) {
    struct claim_entry *entry = &control->page->claims[i];
    uint64_t first = atomic_load(&entry->first);
    if (number - first < atomic_load(&entry->count) &&
        control_presence_lives(control, atomic_load(&entry->presence)))
      return true;
  }
  return false;
}

static void raise_guard(const struct control *control, const char *id) {
  uint64_t number;
  if (!smem_id_is_number(id, &number) || !control_is_intact(control)) return;
  _Atomic uint64_t *guarded = &control->page->guarded;
  uint64_t before = atomic_load(guarded);
  while (before < number &&
         !atomic_compare_exchange_weak(guarded, &before, number))
    continue;
}

smem_code claim_lock(const struct call *call, const struct control *control,
                     struct lock *lock) {
  struct patience patience = {0, 0};
  smem_code code =
      lock_take(call, control->file, lock_of_id(call->id), 1, lock);
  if (code != SMEM_OK) return code;
  raise_guard(control, call->id);
  while (code == SMEM_OK && claim_covers(control, call->id))
    code = patience_wait(call, &patience);
  if (code != SMEM_OK) lock_drop(lock);
  return code;
}

bool claim_try_lock(const struct control *control, const char *id,
                    struct lock *lock) {
  if (lock_try(control->file, lock_of_id(id), lock).code != OS_OK) return false;
  raise_guard(control, id);
  if (!claim_covers(control, id)) return true;
  lock_drop(lock);
  return false;
}

/* ---- claiming ------------------------------------------------------------------- */

/* Take an entry over from this presence: a dead one's, or 0. */
static bool take_entry(struct claim *claim, struct claim_entry *entry,
                       uint64_t from) {
  if (!atomic_compare_exchange_strong(&entry->presence, &from,
                                      claim->control->presence))
    return false;
  atomic_store(&entry->count, 0);
  claim->entry = entry;
  return true;
}

/* Each process begins at a place of its own: most find it free, and in the cache of
 * their processor. */
static bool take_any(struct claim *claim) {
  struct control *control = claim->control;
  for (uint64_t i = 0; i < CLAIMS; i++)
    if (take_entry(claim,
                   &control->page->claims[(control->presence + i) % CLAIMS], 0))
      return true;
  for (uint64_t i = 0; i < CLAIMS; i++) {
    struct claim_entry *entry = &control->page->claims[i];
    uint64_t presence = atomic_load(&entry->presence);
    if (!control_presence_lives(control, presence) &&
        take_entry(claim, entry, presence))
      return true;
  }
  return false;
}

smem_code claim_begin(const struct call *call, struct control *control,
                      struct claim *claim) {
  struct patience patience = {0, 0};
  smem_code code = SMEM_OK;
  claim->control = control;
  while (code == SMEM_OK && !claim->lost && !take_any(claim)) {
    code = patience_wait(call, &patience);
    claim->lost = !control_is_intact(control);
  }
  return code;
}

static void tell(struct claim *claim, uint64_t first, uint64_t count) {
  claim->first = first;
  claim->count = count;
  atomic_store(&claim->entry->first, first);
  atomic_store(&claim->entry->count, count);
}

smem_code claim_numbers(const struct call *call, struct claim *claim,
                        uint64_t count, uint64_t *first) {
  struct control *control = claim->control;
  if (claim->is_locked) lock_drop(&claim->lock);
  claim->is_locked = false;
  smem_code code = control_take_numbers(call, control, count, first);
  if (code != SMEM_OK) return code;
  tell(claim, *first, count);
  if (*first > atomic_load(&control->page->guarded)) return SMEM_OK;
  /* Who has the lock may be waiting for our claim. */
  tell(claim, 0, 0);
  code = lock_take(call, control->file, LOCK_NUMBER + *first, count,
                   &claim->lock);
  claim->is_locked = code == SMEM_OK;
  return code;
}

bool claim_end(struct claim *claim, bool intact) {
  struct claim_entry *entry = claim->entry;
  if (claim->is_locked) lock_drop(&claim->lock);
  claim->is_locked = false;
  if (!entry || !intact) return intact;
  claim->entry = NULL;
  bool ours = atomic_load(&entry->presence) == claim->control->presence;
  bool kept = ours && atomic_load(&entry->first) == claim->first &&
              atomic_load(&entry->count) == claim->count;
  if (ours) {
    atomic_store(&entry->count, 0);
    atomic_store(&entry->presence, 0);
  }
  return kept;
}
