/* The life of objects: who is responsible for them, and what holds them. */
#include "object_internal.h"

#include <stdatomic.h>

/* ---- what this process is responsible for -------------------------------- */

struct own {
  struct own *next;
  smem_reference reference;
  uint64_t size; /* bytes of the segment's object */
  bool waits;    /* was let go, and waits for those to whom it was sent */
  bool is_left;  /* to others, at the end of this process */
  uint64_t held; /* by how many of `owned` of which it is a part */
  size_t parts;  /* what it holds, by generation; 0 in place of what is not ours
                  */
  uint64_t part[];
};

static os_mutex mutex;    /* guards what follows */
static struct own *owned; /* what was let go last comes first */
static uint64_t owner;    /* the pid of the process whose these are */
static _Atomic uint64_t waiting;

/* What was let go before its owner's end, and is nobody's after that: a forked
 * worker still lives for a moment when its result is there. */
enum { BEREFT = 64 };
static const uint64_t bereft_for = UINT64_C(10) * 1000 * 1000 * 1000;
static const uint64_t bereft_every = UINT64_C(100) * 1000 * 1000;
static struct bereft {
  smem_reference reference;
  uint64_t until; /* of the steady clock; 0: there is none */
} bereft[BEREFT];
static size_t next_bereft;
static _Atomic uint64_t look_at; /* not before; 0: there are none */

void smem__object_before_fork(void) { smem__os_mutex_lock(&mutex); }
void smem__object_after_fork(void) { smem__os_mutex_unlock(&mutex); }

static void forget_all(void) {
  for (struct own *at = owned, *next; at; at = next) {
    next = at->next;
    smem__os_release(at);
  }
  owned = NULL;
  waiting = 0;
  memset(bereft, 0, sizeof bereft);
  look_at = 0;
}

/* A child owns nothing of its parent's. */
void smem__object_in_child(void) {
  forget_all();
  smem__os_mutex_unlock(&mutex);
}

static struct own **find(uint64_t generation) {
  struct own **at = &owned;
  while (*at && (*at)->reference.generation != generation) at = &(*at)->next;
  return at;
}

/* With room for so many parts, and none of them. */
static struct own *new_own(size_t parts) {
  return smem__os_allocate(sizeof(struct own) + parts * sizeof(uint64_t));
}

struct own *smem__object_prepare(const smem_part *parts, size_t count) {
  struct own *own = new_own(count);
  for (size_t i = 0; own && i < count; i++)
    own->part[own->parts++] = parts[i].reference.generation;
  return own;
}

void smem__object_unprepare(struct own *own) { smem__os_release(own); }

void smem__object_own(struct own *own, const smem_reference *reference,
                      uint64_t size) {
  own->reference = *reference;
  own->size = size;
  smem__os_mutex_lock(&mutex);
  owner = smem__os_pid();
  for (size_t i = 0; i < own->parts; i++) {
    struct own *part = *find(own->part[i]);
    if (part)
      part->held++;
    else
      own->part[i] = 0;
  }
  own->next = owned;
  owned = own;
  smem__os_mutex_unlock(&mutex);
}

/* Take it out; the caller has the mutex. True: parts of it may go now. */
static bool forget(struct own **at) {
  struct own *own = *at;
  bool held = own->parts > 0;
  *at = own->next;
  if (own->waits) waiting--;
  for (size_t i = 0; i < own->parts; i++) {
    struct own *part = own->part[i] ? *find(own->part[i]) : NULL;
    if (part) part->held--;
  }
  smem__os_release(own);
  return held;
}

static bool drop(const smem_reference *reference) {
  smem__os_mutex_lock(&mutex);
  struct own **at = find(reference->generation);
  bool held = *at && forget(at);
  smem__os_mutex_unlock(&mutex);
  return held;
}

/* ---- becoming responsible ------------------------------------------------ */

enum whose { NOBODYS, OURS, ANOTHERS };
static enum whose inherit(const smem_reference *reference, bool as_part);

/* A record of the object. Its parts become ours as far as they are nobody's;
 * those that a part has are among them, before it. */
static struct own *prepare_adopted(const struct open_tail *opening,
                                   bool as_part) {
  smem_tree tree;
  smem_part part;
  uint64_t count = smem__tail_parts(opening, &tree);
  struct own *own = new_own((size_t)count);
  for (uint64_t i = 0; own && i < count; i++) {
    if (smem_tree_part(&tree, i, &part) || !part.is_object) continue;
    if (!as_part) inherit(&part.reference, true);
    own->part[own->parts++] = part.reference.generation;
  }
  return own;
}

/* Is its owner provably dead, and are we the first to notice? Then it is ours.
 * NOBODYS: of whom we do not look after what becomes of it. */
static enum whose adopt(const struct open_tail *opening,
                        const smem_reference *reference, bool as_part) {
  const struct footer *footer = &opening->segment.footer;
  struct call call = {SMEM_OP_FREE, reference->id, 0, NULL, true};
  uint64_t nobody = 0;
  struct own *own;
  if (footer->lifetime != SMEM_OF_OBJECT ||
      footer->owner.token == smem__process_self()->token ||
      atomic_load(&opening->tail->adopted) != 0)
    return NOBODYS;
  struct space space;
  smem__space_referred(reference, &space);
  struct control *control = smem__control_peek_in(&call, &space);
  smem_state state = smem__owner_state(control, &footer->owner);
  if (control) smem__control_release(control);
  if (state != SMEM_ORPHAN) return ANOTHERS;
  if (!atomic_compare_exchange_strong(&opening->tail->adopted, &nobody, 1))
    return NOBODYS;
  if ((own = prepare_adopted(opening, as_part)) != NULL)
    smem__object_own(own, reference, footer->total);
  else
    atomic_store(&opening->tail->adopted, 0);
  return own ? OURS : ANOTHERS;
}

/* Its owner may have died since it was opened, perhaps without having handed
 * over what it had: a forked worker ends without any farewell. */
static enum whose inherit(const smem_reference *reference, bool as_part) {
  struct open_tail opening;
  if (!smem__tail_open(reference, &opening)) return NOBODYS;
  enum whose whose = adopt(&opening, reference, as_part);
  smem__tail_close(&opening);
  return whose;
}

smem_code smem_object_open(const smem_reference *reference,
                           enum smem_arrival arrival, smem_handle **handle,
                           bool *mine, smem_error *error) {
  struct open_tail opening;
  *mine = false;
  smem_code code = smem_open_reference(reference, SMEM_PRIVATE, handle, error);
  bool matters = arrival == SMEM_BY_REFERENCE || arrival == SMEM_BY_NAME;
  if (code != SMEM_OK || !matters || !smem__tail_open(reference, &opening))
    return code;
  if (arrival == SMEM_BY_REFERENCE && opening.tail->parts == 0)
    atomic_fetch_add(&opening.tail->opened, 1);
  *mine = adopt(&opening, reference, false) == OURS;
  smem__tail_close(&opening);
  return SMEM_OK;
}

/* ---- parts --------------------------------------------------------------- */

static bool is_own(uint64_t generation) {
  smem__os_mutex_lock(&mutex);
  const struct own *own = *find(generation);
  bool mine = own && !own->waits;
  smem__os_mutex_unlock(&mutex);
  return mine;
}

bool smem_object_may_hold(smem_lifetime lifetime, const smem_reference *part) {
  struct call call = {SMEM_OP_SHARE, part->id, 0, NULL, true};
  struct segment segment;
  os_status status = {OS_OK, 0};
  if (smem_id_is_raw(part->id)) return false;
  if (smem__segment_seek_referred(&call, part, false, &segment, &status) !=
          SMEM_OK ||
      status.code != OS_OK)
    return false;
  smem__os_object_close(segment.object);
  const struct footer *footer = &segment.footer;
  if (footer->generation != part->generation || !segment.sealed) return false;
  if (footer->lifetime == SMEM_UNTIL_FREED) return true;
  if (footer->lifetime != (uint32_t)lifetime) return false;
  return lifetime == SMEM_OF_OBJECT
             ? is_own(part->generation)
             : footer->owner.token == smem__process_self()->token;
}

/* ---- the end ------------------------------------------------------------- */

/* Removed, unless somebody may still come for it. True: it is gone. */
static bool end_object(const smem_reference *reference, bool wait) {
  if (wait && smem__tail_is_awaited(reference)) return false;
  smem__segment_remove_referred(reference);
  return true;
}

/* To the front, as the last one that was let go; the caller has the mutex. */
static void let_wait(struct own **at) {
  struct own *own = *at;
  *at = own->next;
  own->next = owned;
  owned = own;
  if (!own->waits) waiting++;
  own->waits = true;
}

static void remember(const smem_reference *reference, uint64_t until) {
  smem__os_mutex_lock(&mutex);
  owner = smem__process_self()->os.pid;
  bereft[next_bereft++ % BEREFT] = (struct bereft){*reference, until};
  if (look_at == 0) look_at = smem__os_steady_clock() + bereft_every;
  smem__os_mutex_unlock(&mutex);
}

/* `until`: for how long to look after its owner. True: parts of it may go now.
 */
static bool let_go(const smem_reference *reference, uint64_t until) {
  smem__os_mutex_lock(&mutex);
  const struct own *own = *find(reference->generation);
  bool mine = own, held = own && own->held > 0, more = false;
  smem__os_mutex_unlock(&mutex);
  enum whose whose = mine ? OURS : inherit(reference, false);
  if (whose == ANOTHERS && until > smem__os_steady_clock())
    remember(reference, until);
  if (whose != OURS) return false;
  bool gone = !held && end_object(reference, true);
  smem__os_mutex_lock(&mutex);
  struct own **at = find(reference->generation);
  if (*at && gone)
    more = forget(at);
  else if (*at)
    let_wait(at);
  smem__os_mutex_unlock(&mutex);
  return more;
}

/* Those whose owner has ended meanwhile. */
static void look_after_bereft(void) {
  struct bereft all[BEREFT];
  smem__os_mutex_lock(&mutex);
  memcpy(all, bereft, sizeof all);
  memset(bereft, 0, sizeof bereft);
  next_bereft = 0;
  look_at = 0;
  smem__os_mutex_unlock(&mutex);
  for (int i = 0; i < BEREFT; i++)
    if (all[i].until != 0) let_go(&all[i].reference, all[i].until);
}

static void look_if_it_is_time(void) {
  uint64_t at = atomic_load(&look_at);
  if (at != 0 && smem__os_steady_clock() >= at) look_after_bereft();
}

void smem_object_let_go(const smem_reference *reference) {
  look_if_it_is_time();
  if (let_go(reference, smem__os_steady_clock() + bereft_for))
    smem_object_sweep();
}

/* Of those that wait, and are not held: the one behind `after` of them, or the
 * last if there are not so many. False: there is not. */
static bool next_waiting(size_t after, bool last, smem_reference *reference) {
  bool found = false;
  smem__os_mutex_lock(&mutex);
  for (struct own *at = owned; at; at = at->next) {
    if (!at->waits || at->held > 0) continue;
    if (!last && after-- > 0) continue;
    *reference = at->reference;
    found = true;
    if (!last) break;
  }
  smem__os_mutex_unlock(&mutex);
  return found;
}

/* What was held by one that goes may go as well: then there is another round.
 */
size_t smem_object_sweep(void) {
  smem_reference reference;
  size_t left;
  bool more = true;
  look_if_it_is_time();
  for (left = 0; more && atomic_load(&waiting) > 0;) {
    more = false;
    left = 0;
    while (next_waiting(left, false, &reference)) {
      if (end_object(&reference, true))
        more |= drop(&reference);
      else
        left++;
    }
  }
  return left;
}

/* Bytes of all that waits. */
static uint64_t waiting_bytes(void) {
  uint64_t bytes = 0;
  smem__os_mutex_lock(&mutex);
  for (const struct own *at = owned; at; at = at->next)
    if (at->waits) bytes += at->size;
  smem__os_mutex_unlock(&mutex);
  return bytes;
}

bool smem__object_drop_oldest(uint64_t size) {
  smem_reference reference;
  if (atomic_load(&waiting) == 0 || !next_waiting(0, true, &reference))
    return false;
  struct space space = smem__space_own();
  uint64_t room = smem__os_free_space(space.directory, NULL, 0),
           bytes = waiting_bytes();
  if (size > room && size - room > bytes) return false;
  end_object(&reference, false);
  drop(&reference);
  return true;
}

/* The next one that nothing holds, at the end of the process. */
static bool next_to_end(uint64_t pid, smem_reference *reference) {
  smem__os_mutex_lock(&mutex);
  const struct own *own = owner == pid ? owned : NULL;
  while (own && (own->held > 0 || own->is_left)) own = own->next;
  if (own) *reference = own->reference;
  smem__os_mutex_unlock(&mutex);
  return own;
}

static void leave(const smem_reference *reference) {
  smem__os_mutex_lock(&mutex);
  struct own *own = *find(reference->generation);
  if (own) own->is_left = true;
  smem__os_mutex_unlock(&mutex);
}

/* What others may still come for is handed over to whoever opens it first, and
 * its parts with it. */
void smem__object_stop(void) {
  /* Not of a child that was cloned past our handlers. */
  uint64_t pid = smem__os_pid();
  smem_reference reference;
  if (owner == pid) look_after_bereft();
  while (next_to_end(pid, &reference)) {
    if (end_object(&reference, true))
      drop(&reference);
    else
      leave(&reference);
  }
  smem__os_mutex_lock(&mutex);
  if (owner == pid) forget_all();
  smem__os_mutex_unlock(&mutex);
}

/* ---- memory is short ----------------------------------------------------- */

void smem__object_start(void) {
  smem__os_mutex_init(&mutex);
  smem__allocate_relief(smem__object_drop_oldest);
}

/* ---- mappings ------------------------------------------------------------ */

/* For systems that do not tell. What has no name any more cannot be compared:
 * it is as if it was written to. */
static bool differs(const smem_handle *handle, uint64_t offset,
                    uint64_t length) {
  smem_reference reference;
  smem_handle *other;
  smem_refer(handle, &reference);
  if (smem_open_reference(&reference, SMEM_READ_ONLY, &other, NULL) != SMEM_OK)
    return true;
  bool same =
      memcmp((const char *)handle->address + offset,
             (const char *)other->address + offset, (size_t)length) == 0;
  smem_close(other);
  return !same;
}

bool smem_object_is_written(const smem_handle *handle, uint64_t offset,
                            uint64_t length) {
  uint64_t page = smem__os_page_size(), before = offset % page;
  bool written = true;
  if (handle->access == SMEM_READ_ONLY || length == 0) return false;
  os_status status =
      smem__os_mapping_written((const char *)handle->address + offset - before,
                               before + length, &written);
  return status.code == OS_OK ? written : differs(handle, offset, length);
}
