/* Who takes part, and who is dead. */
#include "sync.h"

static os_mutex mutex;       /* guards what follows */
static struct control *ours; /* by which smem__sync_own is present */
_Atomic uint32_t smem__sync_pid;

/* The control object that this presence is of, as far as there is room. */
static uint64_t tag_of(uint64_t generation) {
  return (generation * UINT64_C(0x9E3779B97F4A7C15)) & ~UINT64_C(0xFFFFFFFFFF);
}

static uint64_t presence_of(uint64_t who) {
  return (who & UINT64_C(0xFFFFFFFFFF)) >> 4;
}

/* ---- joining ------------------------------------------------------------- */

/* Be present by this one from now on. What it was before is returned, to be
 * released, unless something is held under it. */
static struct control *adopt(struct control *control) {
  smem__os_mutex_lock(&mutex);
  struct control *before = ours;
  uint64_t was = smem__sync_own;
  smem__sync_pid = (uint32_t)smem__os_pid();
  ours = control;
  smem__sync_own = tag_of(control->generation) | control->presence << 4;
  smem__os_mutex_unlock(&mutex);
  /* Of a control object that was lost. As long as anything is held by it, its
   * lock must not go; that is rare, so it just stays. */
  bool holds =
      was != 0 && (smem__sync_open_now > 0 || smem__latch_any_held(was));
  return before != control && holds ? NULL : before;
}

static smem_code join(const struct call *call) {
  struct control *control;
  smem_code code = smem__presence_join(call, &control);
  if (code != SMEM_OK) return code;
  struct control *before = adopt(control);
  if (before) smem__control_release(before);
  return SMEM_OK;
}

smem_code smem__sync_join(const struct call *call, uint64_t *who) {
  smem_code code = SMEM_OK;
  while ((*who = smem__sync_own) == 0 && code == SMEM_OK) code = join(call);
  return code;
}

void smem__sync_look(const struct call *call) {
  struct call quiet = *call;
  quiet.error = NULL;
  join(&quiet);
}

/* ---- the dead ------------------------------------------------------------ */

bool smem__sync_may_live(const struct control *control, uint64_t who) {
  who = SYNC_WHO(who);
  if (who == 0) return false;
  if (who == smem__sync_own) return true; /* a query would not show it */
  /* In another control object nothing is proved. */
  return !control || control->generation == 0 ||
         (who & ~UINT64_C(0xFFFFFFFFFF)) != tag_of(control->generation) ||
         smem__owner_presence_state(control, presence_of(who)) != SMEM_ORPHAN;
}

bool smem__sync_is_dead(uint64_t who) {
  struct control *control = smem__presence_reference();
  bool dead = !smem__sync_may_live(control, who);
  if (control) smem__control_release(control);
  return dead;
}

/* ---- life ---------------------------------------------------------------- */

void smem__party_start(void) { smem__os_mutex_init(&mutex); }
void smem__party_before_fork(void) { smem__os_mutex_lock(&mutex); }
void smem__party_after_fork(void) { smem__os_mutex_unlock(&mutex); }

/* What its parent was present by is closed already: see
 * smem__control_in_child(). */
void smem__party_in_child(void) {
  ours = NULL;
  smem__sync_own = 0;
  smem__os_mutex_unlock(&mutex);
}

struct control *smem__party_withdraw(uint64_t *was) {
  smem__os_mutex_lock(&mutex);
  struct control *before = ours;
  *was = smem__sync_own;
  smem__sync_own = 0;
  ours = NULL;
  smem__os_mutex_unlock(&mutex);
  return before;
}

void smem__party_return(struct control *control, uint64_t was) {
  smem__os_mutex_lock(&mutex);
  bool other = ours != NULL;
  if (!other) {
    ours = control;
    smem__sync_own = was;
  }
  smem__os_mutex_unlock(&mutex);
  /* Another thread has joined again meanwhile, by the same presence. */
  if (other && control) smem__control_release(control);
}
