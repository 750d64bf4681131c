/* The life of objects: who is responsible, how often they were sent and opened.
 *
 * That is counted in the segment itself, in the last bytes of its payload.
 * The segment is sealed, but its owner may open the seal for a moment: see
 * smem__os_object_open_sealed(). */
#include "object_internal.h"

#include <stdatomic.h>

const uint64_t smem__tail_magic =
    0x314C49544D454D53u; /* "SMEMTIL1" in memory */

/* ---- what this process is responsible for -------------------------------- */

struct own {
  struct own *next;
  smem_reference reference;
  bool waits; /* was let go, and waits for those to whom it was sent */
};

static os_mutex mutex;    /* guards what follows */
static struct own *owned; /* what was let go last comes first */
static uint64_t owner;    /* the pid of the process whose these are */
static _Atomic uint64_t waiting;

void smem__object_start(void) { smem__os_mutex_init(&mutex); }
void smem__object_before_fork(void) { smem__os_mutex_lock(&mutex); }
void smem__object_after_fork(void) { smem__os_mutex_unlock(&mutex); }

/* A child owns nothing of its parent's. */
void smem__object_in_child(void) {
  for (struct own *at = owned, *next; at; at = next) {
    next = at->next;
    smem__os_release(at);
  }
  owned = NULL;
  waiting = 0;
  smem__os_mutex_unlock(&mutex);
}

struct own *smem__object_prepare(void) {
  return smem__os_allocate(sizeof(struct own));
}
void smem__object_unprepare(struct own *own) { smem__os_release(own); }

void smem__object_own(struct own *own, const smem_reference *reference) {
  own->reference = *reference;
  smem__os_mutex_lock(&mutex);
  owner = smem__process_self()->os.pid;
  own->next = owned;
  owned = own;
  smem__os_mutex_unlock(&mutex);
}

static struct own **find(const smem_reference *reference) {
  struct own **at = &owned;
  while (*at && (*at)->reference.generation != reference->generation)
    at = &(*at)->next;
  return at;
}

/* ---- the counts ---------------------------------------------------------- */

/* The segment's object, open in spite of its seal, and its last page. */
struct open_tail {
  struct segment segment;
  void *address;
  struct tail *tail;
};

static void close_tail(struct open_tail *opening) {
  smem__os_unmap(opening->address, opening->segment.info.size);
  smem__os_object_close(opening->segment.object);
}

static bool is_meant(const struct call *call, struct segment *segment,
                     uint64_t generation) {
  uint64_t total = segment->info.size;
  return total > FOOTER_SIZE + sizeof(struct tail) &&
         smem__os_object_read(segment->object, total - FOOTER_SIZE,
                              &segment->footer, FOOTER_SIZE)
                 .code == OS_OK &&
         !smem__footer_check(&segment->footer, call->id, total) &&
         segment->footer.generation == generation;
}

/* False also for what has no name any more, or is not an object. */
static bool open_tail(const struct call *call, const smem_reference *reference,
                      struct open_tail *opening) {
  struct segment *segment = &opening->segment;
  if (smem_id_is_raw(reference->id)) return false;
  smem__name_of_segment_in(reference->space, reference->id, &segment->name);
  if (smem__os_object_open_sealed(segment->name.text, &segment->object,
                                  &segment->info)
          .code != OS_OK)
    return false;
  bool is_ours = is_meant(call, segment, reference->generation) &&
                 smem__os_object_map(segment->object, segment->info.size,
                                     OS_READ_WRITE, &opening->address)
                         .code == OS_OK;
  if (is_ours) {
    opening->tail = (struct tail *)(void *)((char *)opening->address +
                                            segment->info.size - FOOTER_SIZE) -
                    1;
    if (opening->tail->magic == smem__tail_magic) return true;
    smem__os_unmap(opening->address, segment->info.size);
  }
  smem__os_object_close(segment->object);
  return false;
}

void smem__object_counts(const struct segment *segment, smem_entry *entry) {
  struct tail tail;
  uint64_t total = segment->footer.total;
  if (total < FOOTER_SIZE + sizeof tail ||
      smem__os_object_read(segment->object, total - FOOTER_SIZE - sizeof tail,
                           &tail, sizeof tail)
              .code != OS_OK ||
      tail.magic != smem__tail_magic)
    return;
  entry->sent = tail.sent;
  entry->opened = tail.opened;
  entry->deadline = tail.deadline;
  tail.what[sizeof tail.what - 1] = tail.extent[sizeof tail.extent - 1] = '\0';
  smem_copy_text(entry->what, sizeof entry->what, tail.what);
  smem_copy_text(entry->extent, sizeof entry->extent, tail.extent);
}

static struct call quiet(const smem_reference *reference, smem_error *ignored) {
  return (struct call){"free", reference->id, 0, ignored, true};
}

bool smem_object_sent(const smem_reference *reference, uint64_t nanoseconds) {
  smem_error ignored;
  struct call call = quiet(reference, &ignored);
  struct open_tail opening;
  if (!open_tail(&call, reference, &opening)) return false;
  uint64_t until = smem__os_wall_clock() + nanoseconds;
  uint64_t before = atomic_load(&opening.tail->deadline);
  atomic_fetch_add(&opening.tail->sent, 1);
  while (before < until && !atomic_compare_exchange_weak(
                               &opening.tail->deadline, &before, until)) {
  }
  close_tail(&opening);
  return true;
}

/* Is its owner provably dead, and are we the first to notice? Then it is ours.
 */
static bool adopt(const struct call *call, const struct open_tail *opening,
                  const smem_reference *reference) {
  const struct footer *footer = &opening->segment.footer;
  uint64_t nobody = 0;
  struct own *own;
  if (footer->lifetime != SMEM_OF_OBJECT ||
      footer->owner.token == smem__process_self()->token ||
      atomic_load(&opening->tail->adopted) != 0)
    return false;
  struct control *control = smem__control_peek_in(call, reference->space);
  smem_state state = smem__owner_state(control, &footer->owner);
  if (control) smem__control_release(control);
  if (state != SMEM_ORPHAN || !(own = smem__object_prepare())) return false;
  bool mine =
      atomic_compare_exchange_strong(&opening->tail->adopted, &nobody, 1);
  if (mine)
    smem__object_own(own, reference);
  else
    smem__object_unprepare(own);
  return mine;
}

smem_code smem_object_open(const smem_reference *reference, bool by_name,
                           smem_handle **handle, bool *mine,
                           smem_error *error) {
  smem_error ignored;
  struct call call = quiet(reference, &ignored);
  struct open_tail opening;
  *mine = false;
  smem_code code = smem_open_reference(reference, SMEM_PRIVATE, handle, error);
  if (code != SMEM_OK || !open_tail(&call, reference, &opening)) return code;
  if (!by_name) atomic_fetch_add(&opening.tail->opened, 1);
  *mine = adopt(&call, &opening, reference);
  close_tail(&opening);
  return SMEM_OK;
}

void smem_object_received(const smem_reference *reference) {
  smem_error ignored;
  struct call call = quiet(reference, &ignored);
  struct open_tail opening;
  if (!open_tail(&call, reference, &opening)) return;
  atomic_fetch_add(&opening.tail->opened, 1);
  close_tail(&opening);
}

/* ---- the end ------------------------------------------------------------- */

/* Was it sent to somebody who may still come? */
static bool is_awaited(const struct call *call,
                       const smem_reference *reference) {
  struct open_tail opening;
  if (!open_tail(call, reference, &opening)) return false;
  bool awaited =
      atomic_load(&opening.tail->opened) < atomic_load(&opening.tail->sent) &&
      smem__os_wall_clock() < atomic_load(&opening.tail->deadline);
  close_tail(&opening);
  return awaited;
}

static void remove_object(const struct call *call,
                          const smem_reference *reference) {
  smem__segment_remove_generation(call, reference->generation);
}

/* Take it out; the caller has the mutex. */
static void forget(struct own **at) {
  struct own *own = *at;
  *at = own->next;
  if (own->waits) waiting--;
  smem__os_release(own);
}

/* Removed, unless somebody may still come for it. True: it is gone. */
static bool end_object(const smem_reference *reference, bool wait) {
  smem_error ignored;
  struct call call = quiet(reference, &ignored);
  if (wait && is_awaited(&call, reference)) return false;
  remove_object(&call, reference);
  return true;
}

/* Its owner may have died since it was opened, perhaps without having handed
 * over what it had: a forked worker of R ends without any farewell. */
static bool inherit(const smem_reference *reference) {
  smem_error ignored;
  struct call call = quiet(reference, &ignored);
  struct open_tail opening;
  if (!open_tail(&call, reference, &opening)) return false;
  bool mine = adopt(&call, &opening, reference);
  close_tail(&opening);
  return mine;
}

void smem_object_let_go(const smem_reference *reference) {
  smem__os_mutex_lock(&mutex);
  struct own **at = find(reference), *own = *at;
  bool known = own, mine = own && !own->waits;
  smem__os_mutex_unlock(&mutex);
  if (!mine && (known || !inherit(reference))) return;
  bool gone = end_object(reference, true);
  smem__os_mutex_lock(&mutex);
  at = find(reference);
  if (*at && gone) {
    forget(at);
  } else if ((own = *at) != NULL) { /* to the front, as the last one */
    *at = own->next;
    own->next = owned;
    owned = own;
    own->waits = true;
    waiting++;
  }
  smem__os_mutex_unlock(&mutex);
}

/* The next one that waits behind `after` of them. */
static bool next_waiting(size_t after, smem_reference *reference) {
  bool found = false;
  smem__os_mutex_lock(&mutex);
  for (struct own *at = owned; at && !found; at = at->next)
    if (at->waits && after-- == 0) {
      *reference = at->reference;
      found = true;
    }
  smem__os_mutex_unlock(&mutex);
  return found;
}

static void drop(const smem_reference *reference) {
  smem__os_mutex_lock(&mutex);
  struct own **at = find(reference);
  if (*at) forget(at);
  smem__os_mutex_unlock(&mutex);
}

size_t smem_object_sweep(void) {
  smem_reference reference;
  size_t left = 0;
  while (atomic_load(&waiting) > 0 && next_waiting(left, &reference)) {
    if (end_object(&reference, true))
      drop(&reference);
    else
      left++;
  }
  return left;
}

bool smem__object_drop_oldest(void) {
  smem_reference reference;
  uint64_t waits = atomic_load(&waiting);
  if (waits == 0 || !next_waiting((size_t)waits - 1, &reference)) return false;
  end_object(&reference, false);
  drop(&reference);
  return true;
}

/* What others may still come for is handed over to whoever opens it first. */
void smem__object_stop(void) {
  os_process now;
  smem__os_process_self(
      &now); /* not of a child that was cloned past our handlers */
  for (;;) {
    smem__os_mutex_lock(&mutex);
    struct own *own = owner == now.pid ? owned : NULL;
    if (own) {
      owned = own->next;
      if (own->waits) waiting--;
    }
    smem__os_mutex_unlock(&mutex);
    if (!own) return;
    end_object(&own->reference, true);
    smem__os_release(own);
  }
}

/* ---- mappings ------------------------------------------------------------ */

bool smem_object_is_written(const smem_handle *handle, uint64_t offset,
                            uint64_t length) {
  uint64_t page = smem__os_page_size(), before = offset % page;
  bool written = true;
  if (handle->access == SMEM_READ_ONLY || length == 0) return false;
  os_status status =
      smem__os_mapping_written((const char *)handle->address + offset - before,
                               before + length, &written);
  return status.code != OS_OK || written;
}
