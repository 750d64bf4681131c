/* Removing what is provably nobody's.
 *
 * That an owner is dead stays true, so what has to be excluded is only that the
 * name has got to somebody else since we looked. So we hold what bears it now,
 * look again, and remove it then. */
#include "survey.h"

#include <stdatomic.h>
#include <string.h>

struct reclaim {
  struct control *control; /* may be NULL */
  bool dry_run, persistent;
  uint64_t budget; /* nanoseconds from the first look on; 0: no limit */
  uint64_t deadline;
  uint64_t looked, removed; /* so far */
  bool stopped;             /* at the deadline */
  void (*visit)(const smem_entry *entry, smem_fate fate, void *context);
  void *context;
};

/* Is it still the same object? A complete one is open here, so that its
 * identity cannot have been given to another. */
static smem_fate remove_entry(const char *name, const smem_entry *entry) {
  struct opening opening;
  os_info info;
  os_status status = smem__opening_claim_idle(&opening, name, &info);
  if (status.code == OS_BUSY) return SMEM_KEPT_BUSY;
  if (status.code != OS_OK) return SMEM_KEPT_CHANGED;
  if (info.incomplete != (entry->state == SMEM_INCOMPLETE) ||
      memcmp(info.identity, entry->identity, sizeof info.identity) != 0) {
    smem__opening_close(&opening);
    return SMEM_KEPT_CHANGED;
  }
  return smem__opening_remove(&opening, name).code == OS_OK ? SMEM_REMOVED
                                                            : SMEM_KEPT_CHANGED;
}

/* What is to become of it, before anything is done. */
static smem_fate judge(const struct reclaim *reclaim, const smem_entry *entry) {
  if (entry->state == SMEM_ORPHAN && entry->in_use) return SMEM_KEPT_BUSY;
  switch (entry->state) {
  case SMEM_LIVE:
    return SMEM_KEPT_LIVE;
  case SMEM_DAMAGED:
    return SMEM_KEPT_DAMAGED;
  case SMEM_FOREIGN:
    return SMEM_KEPT_FOREIGN;
  case SMEM_INCOMPLETE:
    return SMEM_REMOVED;
  case SMEM_ORPHAN:
    if (entry->lifetime == SMEM_OF_OBJECT)
      return smem__os_wall_clock() < entry->deadline ? SMEM_KEPT_SENT
                                                     : SMEM_REMOVED;
    return entry->lifetime == SMEM_OF_PROCESS || reclaim->persistent
               ? SMEM_REMOVED
               : SMEM_KEPT_FREED;
  default:
    return SMEM_KEPT_UNKNOWN;
  }
}

/* However late it is, a few are looked at, so that each call gets ahead. */
static bool is_late(struct reclaim *reclaim) {
  enum { AT_LEAST = 16 };
  if (reclaim->budget == 0) return false;
  if (reclaim->looked == 0)
    reclaim->deadline = smem__os_steady_clock() + reclaim->budget;
  return reclaim->looked >= AT_LEAST &&
         smem__os_steady_clock() >= reclaim->deadline;
}

static bool visit_entry(const char *name, const char *id, void *context) {
  struct reclaim *reclaim = context;
  struct segment segment;
  smem_entry entry;
  bool opened;
  if (is_late(reclaim)) {
    reclaim->stopped = true;
    return false;
  }
  reclaim->looked++;
  if (!smem__list_examine(reclaim->control, name, id, &entry, &segment,
                          &opened))
    return true;
  smem_fate fate = judge(reclaim, &entry);
  if (fate == SMEM_REMOVED && !reclaim->dry_run) {
    fate = remove_entry(name, &entry);
    reclaim->removed += fate == SMEM_REMOVED;
  }
  if (opened) smem__os_object_close(segment.object);
  if (reclaim->visit) reclaim->visit(&entry, fate, reclaim->context);
  return true;
}

smem_code smem_reclaim(bool dry_run, bool persistent,
                       void (*visit)(const smem_entry *entry, smem_fate fate,
                                     void *context),
                       void *context, smem_error *error) {
  struct call call = {SMEM_OP_RECLAIM, "", 0, error, false};
  struct reclaim reclaim = {.dry_run = dry_run,
                            .persistent = persistent,
                            .visit = visit,
                            .context = context};
  smem_code code = smem__control_peek(&call, &reclaim.control);
  if (code != SMEM_OK) return code;
  code = smem__walk_own(&call, visit_entry, &reclaim);
  if (reclaim.control) smem__control_release(reclaim.control);
  return code;
}

void smem_reclaim_some(uint64_t nanoseconds) {
  struct call call = {SMEM_OP_RECLAIM, "", 0, NULL, true};
  struct reclaim reclaim = {.budget = nanoseconds};
  uint64_t seen = 0;
  if (smem__control_peek(&call, &reclaim.control) != SMEM_OK ||
      !reclaim.control)
    return;
  _Atomic uint64_t *position = smem__control_reclaim_position(reclaim.control);
  if (position) {
    smem__walk_own_from(&call, atomic_load(position), visit_entry, &reclaim,
                        &seen);
    /* Stopped: the next one goes on behind what we have seen and left. */
    atomic_store(position, reclaim.stopped ? seen - 1 - reclaim.removed : 0);
  }
  smem__control_release(reclaim.control);
}
