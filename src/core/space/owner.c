/* Does the owner of a segment live? What cannot be proved is "unknown". */
#include "space.h"

/* By its process. A reused pid has another start time, and
 * one of another pid namespace means nothing here. */
static smem_state state_by_process(const struct owner *owner) {
  os_process process = {owner->pid, owner->pid_start, owner->pid_space};
  switch (smem__os_process_life(&process)) {
  case OS_ALIVE:
    return SMEM_LIVE;
  case OS_DEAD:
    return SMEM_ORPHAN;
  default:
    return SMEM_UNKNOWN;
  }
}

/* By the lock of its presence, which the kernel takes away with the process,
 * seen alike from every pid namespace and container. */
smem_state smem__owner_presence_state(const struct control *control,
                                      uint64_t presence) {
  /* Presence numbers do not come back: what is dead stays dead, and many
   * segments in a row are of one owner. */
  static _Thread_local uint64_t dead_in, dead;
  bool held = false;
  if (dead_in == control->generation && dead == presence) return SMEM_ORPHAN;
  os_status status =
      smem__os_lock_query(control->file, LOCK_PRESENCE + presence, 1, &held);
  if (status.code != OS_OK) return SMEM_UNKNOWN;
  if (held) return SMEM_LIVE;
  dead_in = control->generation;
  dead = presence;
  return SMEM_ORPHAN;
}

smem_state smem__owner_state(const struct control *control,
                             const struct owner *owner) {
  /* The query does not show our own lock. */
  if (owner->token == smem__process_self()->token) return SMEM_LIVE;
  /* A control object of another generation: the one the owner was joined to was
   * removed or damaged, and its lock, if it holds one, cannot be seen. */
  if (control && control->generation != 0 &&
      control->generation == owner->control_generation)
    return smem__owner_presence_state(control, owner->presence);
  return state_by_process(owner);
}
