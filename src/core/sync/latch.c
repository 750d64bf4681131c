/* Locks that this process has open: one page of each segment, the last. */
#include "sync.h"

#include <string.h>

static os_mutex mutex; /* guards the list, and `users` */
static smem_latch *latches;

void smem__latch_start(void) { smem__os_mutex_init(&mutex); }
void smem__latch_before_fork(void) { smem__os_mutex_lock(&mutex); }
void smem__latch_after_fork(void) { smem__os_mutex_unlock(&mutex); }

/* The one thread that a child has holds nothing. */
void smem__latch_in_child(void) {
  for (smem_latch *at = latches; at; at = at->next)
    for (unsigned i = 0; i <= LOCK_SLOTS; i++) at->hold[i].thread = 0;
  smem__os_mutex_unlock(&mutex);
}

/* ---- opening ------------------------------------------------------------- */

/* Also one that is sealed: only values are, not the lock. */
static os_status open_writable(const struct segment *segment,
                               os_object *object) {
  os_info info;
  os_status status =
      segment->sealed
          ? smem__os_object_open_sealed(segment->name.text, object, &info)
          : smem__os_object_open(segment->name.text, true, object, &info);
  if (status.code != OS_OK) return status;
  if (memcmp(info.identity, segment->info.identity, sizeof info.identity) == 0)
    return status;
  smem__os_object_close(*object);
  return (os_status){OS_NOT_FOUND, 0};
}

static smem_code map_page(const struct call *call,
                          const struct segment *segment, void **page) {
  os_object object;
  os_status status = open_writable(segment, &object);
  if (status.code != OS_OK)
    return smem__fail_object(call, status, segment->name.text);
  status = smem__os_object_map_end(object, segment->info.size, page);
  smem__os_object_close(object);
  if (status.code == OS_OK) return SMEM_OK;
  return smem__fail_os(call, status, "the page of its lock cannot be mapped");
}

static smem_latch *find(uint64_t generation) {
  smem_latch *latch = latches;
  while (latch && latch->generation != generation) latch = latch->next;
  return latch;
}

/* Under the mutex. */
static smem_code insert(const struct call *call, const struct segment *segment,
                        smem_latch **result) {
  smem_latch *latch = smem__os_allocate(sizeof *latch);
  if (!latch) return smem__fail_no_memory(call);
  smem_code code = map_page(call, segment, &latch->page);
  if (code != SMEM_OK) {
    smem__os_release(latch);
    return code;
  }
  char *end = (char *)latch->page + smem__os_page_size();
  latch->words = sync_words_of((struct footer *)(void *)(end - FOOTER_SIZE));
  latch->generation = segment->footer.generation;
  const char *same;
  smem__name_split(segment->name.text, &latch->space, &same);
  smem_copy_text(latch->id, sizeof latch->id, call->id);
  latch->next = latches;
  *result = latches = latch;
  return SMEM_OK;
}

/* Of an open segment, whose object is closed in any case. */
static smem_code open_segment(const struct call *call, struct segment *segment,
                              smem_latch **latch) {
  smem_code code = SMEM_OK;
  smem__os_mutex_lock(&mutex);
  *latch = find(segment->footer.generation);
  if (!*latch) code = insert(call, segment, latch);
  if (code == SMEM_OK) (*latch)->users++;
  smem__os_mutex_unlock(&mutex);
  smem__os_object_close(segment->object);
  return code;
}

static smem_code refuse_raw(const struct call *call) {
  if (!smem_id_is_raw(call->id)) return SMEM_OK;
  return smem__fail(call, SMEM_ARGUMENT, 0,
                    "it is another program's object, which has no lock");
}

smem_code smem_latch_open(const char *id, smem_latch **latch,
                          smem_error *error) {
  struct call call = {SMEM_OP_LOCK, id, 0, error, false};
  struct segment segment;
  smem_code code = refuse_raw(&call);
  if (code == SMEM_OK) code = smem__segment_open(&call, false, &segment);
  if (code != SMEM_OK) return code;
  return open_segment(&call, &segment, latch);
}

smem_code smem_latch_open_reference(const smem_reference *reference,
                                    smem_latch **latch, smem_error *error) {
  struct call call = {SMEM_OP_LOCK, reference->id, 0, error, false};
  struct segment segment;
  smem_code code = refuse_raw(&call);
  if (code != SMEM_OK) return code;
  smem__os_mutex_lock(&mutex);
  *latch = find(reference->generation); /* also if its name is gone */
  if (*latch) (*latch)->users++;
  smem__os_mutex_unlock(&mutex);
  if (*latch) return SMEM_OK;
  code = smem__segment_open_reference(&call, reference, false, &segment);
  if (code != SMEM_OK) return code;
  return open_segment(&call, &segment, latch);
}

const char *smem_latch_id(const smem_latch *latch) { return latch->id; }

/* ---- closing ------------------------------------------------------------- */

static bool is_held(smem_latch *latch) {
  for (unsigned i = 0; i <= latch->most; i++)
    if (latch->hold[i].thread != 0) return true;
  return false;
}

/* Under the mutex: nobody has it open any more, and if this process does not
 * hold it either, it goes. */
static void close_unused(smem_latch *latch) {
  if (latch->users > 0 || is_held(latch)) return;
  smem_latch **at = &latches;
  while (*at != latch) at = &(*at)->next;
  *at = latch->next;
  smem__os_unmap(latch->page, smem__os_page_size());
  smem__os_release(latch);
}

void smem__latch_settle(smem_latch *latch) {
  smem__os_mutex_lock(&mutex);
  close_unused(latch);
  smem__os_mutex_unlock(&mutex);
}

void smem_latch_close(smem_latch *latch) {
  if (!latch) return;
  smem__os_mutex_lock(&mutex);
  latch->users--;
  close_unused(latch);
  smem__os_mutex_unlock(&mutex);
}

/* ---- what is held -------------------------------------------------------- */

struct hold *smem__latch_hold(smem_latch *latch, uintptr_t thread) {
  unsigned most = atomic_load_explicit(&latch->most, memory_order_relaxed);
  for (unsigned i = 0; i <= most; i++)
    if (atomic_load_explicit(&latch->hold[i].thread, memory_order_relaxed) ==
        thread)
      return &latch->hold[i];
  return NULL;
}

/* By this thread, under this id, the one that was opened last. `space` may be
 * NULL: in any. */
static smem_latch *find_held(const char *id, const struct space *space) {
  uintptr_t thread = os_thread();
  smem__os_mutex_lock(&mutex);
  smem_latch *at = latches;
  while (at && !(strcmp(at->id, id) == 0 &&
                 (!space || smem__space_is_same(&at->space, space)) &&
                 smem__latch_hold(at, thread)))
    at = at->next;
  smem__os_mutex_unlock(&mutex);
  return at;
}

smem_latch *smem_latch_held(const char *id) {
  if (!find_held(id, NULL)) return NULL; /* and so no namespace is chosen */
  struct space own = smem__space_own();
  return own.text[0] ? find_held(id, &own) : NULL;
}

bool smem__latch_any(void) {
  smem__os_mutex_lock(&mutex);
  bool any = latches != NULL;
  smem__os_mutex_unlock(&mutex);
  return any;
}

bool smem__latch_any_held_here(void) {
  bool any = false;
  smem__os_mutex_lock(&mutex);
  for (smem_latch *at = latches; at && !any; at = at->next) any = is_held(at);
  smem__os_mutex_unlock(&mutex);
  return any;
}

bool smem__latch_any_held(uint64_t who) {
  bool any = false;
  smem__os_mutex_lock(&mutex);
  for (smem_latch *at = latches; at && !any; at = at->next)
    any = smem__lock_is_held(at->words, who);
  smem__os_mutex_unlock(&mutex);
  return any;
}
