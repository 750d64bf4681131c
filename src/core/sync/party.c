/* Who takes part, and who is dead. */
#include "sync.h"

#include <string.h>

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

/* ---- who we were ------------------------------------------------------------
 *
 * If the control object is lost, this process joins another one. What it holds
 * bears its former presence still, and so does what the others hold who were
 * there: so the former control object stays open, with our lock in it. Where
 * there is no room in this table it does so all the same. */

enum { FORMER = 8 };
static struct former {
  uint64_t who;
  struct control *control;
} former[FORMER];        /* the latest first */
static unsigned formers; /* how many there are */

/* Under the mutex. */
static void remember(uint64_t who, struct control *control) {
  if (formers < FORMER) formers++;
  memmove(former + 1, former, (formers - 1) * sizeof *former);
  former[0] = (struct former){who, control};
}

uint64_t smem__sync_former(unsigned i) {
  smem__os_mutex_lock(&mutex);
  uint64_t who = i < formers ? former[i].who : 0;
  smem__os_mutex_unlock(&mutex);
  return who;
}

bool smem__sync_is_ours(uint64_t who) {
  uint64_t was = smem__sync_own;
  for (unsigned i = 0; was != who; i++)
    if ((was = smem__sync_former(i)) == 0) return false;
  return who != 0;
}

static bool is_of(uint64_t who, uint64_t generation) {
  return (who & ~UINT64_C(0xFFFFFFFFFF)) == tag_of(generation);
}

/* By a control object that this process was joined to? */
static bool was_proved_dead(uint64_t who) {
  bool dead = false;
  smem__os_mutex_lock(&mutex);
  for (unsigned i = 0; i < formers && !dead; i++) {
    const struct control *control = former[i].control;
    dead = who != former[i].who && /* a query would not show our own lock */
           is_of(who, control->generation) &&
           smem__owner_presence_state(control, presence_of(who)) == SMEM_ORPHAN;
  }
  smem__os_mutex_unlock(&mutex);
  return dead;
}

void smem__sync_forget_all(void) {
  struct control *controls[FORMER];
  smem__os_mutex_lock(&mutex);
  unsigned count = formers;
  for (unsigned i = 0; i < count; i++) controls[i] = former[i].control;
  formers = 0;
  smem__os_mutex_unlock(&mutex);
  for (unsigned i = 0; i < count; i++) smem__control_release(controls[i]);
}

/* ---- joining ------------------------------------------------------------- */

/* Be present by this one from now on. What is not needed any more is returned,
 * to be released. */
static struct control *adopt(struct control *control) {
  bool takes_part = smem__sync_open_now > 0 || smem__latch_any();
  smem__os_mutex_lock(&mutex);
  struct control *before = ours;
  if (before && before != control && takes_part) {
    remember(smem__sync_own, before);
    before = NULL;
  }
  smem__sync_pid = (uint32_t)smem__os_pid();
  ours = control;
  smem__sync_own = tag_of(control->generation) | control->presence << 4;
  smem__os_mutex_unlock(&mutex);
  return before;
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
  struct call quiet = call_quietly(call);
  join(&quiet);
}

/* ---- the dead ------------------------------------------------------------ */

bool smem__sync_may_live(const struct control *control, uint64_t who) {
  who = SYNC_WHO(who);
  if (who == 0) return false;
  if (who == smem__sync_own) return true; /* a query would not show it */
  /* In another control object nothing is proved. */
  return !control || control->generation == 0 ||
         !is_of(who, control->generation) ||
         smem__owner_presence_state(control, presence_of(who)) != SMEM_ORPHAN;
}

bool smem__sync_is_dead(uint64_t who) {
  struct control *control = smem__presence_reference();
  bool dead = !smem__sync_may_live(control, who);
  if (control) smem__control_release(control);
  return dead || was_proved_dead(SYNC_WHO(who));
}

/* ---- life ---------------------------------------------------------------- */

void smem__party_start(void) { smem__os_mutex_init(&mutex); }
void smem__party_before_fork(void) { smem__os_mutex_lock(&mutex); }
void smem__party_after_fork(void) { smem__os_mutex_unlock(&mutex); }

/* What its parent was present by is closed already: see
 * smem__control_in_child(). */
void smem__party_in_child(void) {
  ours = NULL;
  formers = 0;
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
