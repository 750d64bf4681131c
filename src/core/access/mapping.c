/* What is mapped in this process: a hash table by id.
 *
 * A segment is `mapped` from the first smem_map() to the unmap that takes the
 * count to zero, or to a free. The table's mutex is never held while waiting
 * for another process. */
#include "access.h"

#include <stdatomic.h>
#include <string.h>

/* The client sees the first member only. */
struct record {
  smem_mapping mapping;
  struct record *next;
  uint64_t hash;
  uint64_t total;       /* bytes mapped */
  uint64_t identity[2]; /* os_info's */
  uint64_t generation;
  uint64_t count;
  bool can_return; /* the id may come to mean another segment: look each time */
  char id[];
};

static os_mutex mutex; /* guards the table */
static struct record **table;
static size_t slots; /* a power of two, or 0 */
static size_t used;
static struct record *_Atomic left; /* by smem_free_later() */

void smem__mapping_start(void) { smem__os_mutex_init(&mutex); }
void smem__mapping_before_fork(void) { smem__os_mutex_lock(&mutex); }
void smem__mapping_after_fork(void) { smem__os_mutex_unlock(&mutex); }

/* A child inherits the mappings, so the table stays right; but not the presence
 * by which its numbers were kept from coming back. */
void smem__mapping_in_child(void) {
  for (size_t i = 0; i < slots; i++)
    for (struct record *at = table[i]; at; at = at->next) at->can_return = true;
  smem__os_mutex_unlock(&mutex);
}

/* ---- table, under the mutex ---------------------------------------------- */

static struct record **find(const char *id, uint64_t hash) {
  static struct record *nothing;
  if (slots == 0) return &nothing;
  struct record **at = &table[hash & (slots - 1)];
  while (*at && ((*at)->hash != hash || strcmp((*at)->id, id) != 0))
    at = &(*at)->next;
  return at;
}

static bool grow(void) {
  size_t wider = slots ? slots * 2 : 64;
  struct record **fresh = smem__os_allocate(wider * sizeof *fresh);
  if (!fresh) return false;
  for (size_t i = 0; i < slots; i++)
    for (struct record *at = table[i], *next; at; at = next) {
      struct record **slot = &fresh[at->hash & (wider - 1)];
      next = at->next;
      at->next = *slot;
      *slot = at;
    }
  smem__os_release(table);
  table = fresh;
  slots = wider;
  return true;
}

static struct record *insert(const char *id, uint64_t hash) {
  if (used >= slots && !grow()) return NULL;
  size_t length = strlen(id);
  struct record *record = smem__os_allocate(sizeof *record + length + 1);
  if (!record) return NULL;
  memcpy(record->id, id, length + 1);
  record->hash = hash;
  struct record **slot = &table[hash & (slots - 1)];
  record->next = *slot;
  *slot = record;
  used++;
  return record;
}

static struct record *take_out(struct record **at) {
  struct record *record = *at;
  *at = record->next;
  used--;
  return record;
}

static void destroy(struct record *record, smem_detached *detached) {
  memcpy(detached->attached, record->mapping.attached,
         sizeof detached->attached);
  for (int access = 0; access < 2; access++)
    if (record->mapping.address[access])
      smem__os_unmap(record->mapping.address[access], record->total);
  smem__os_release(record);
}

/* ---- mapping ------------------------------------------------------------- */

static smem_code fail_replaced(const struct call *call) {
  return smem__fail(
      call, SMEM_REPLACED, 0,
      "the segment that is mapped here was freed, and another one has "
      "taken its name");
}

/* Has the id come to mean another segment? That of an unnamed one never does as
 * long as we are joined. */
static bool is_replaced(const struct call *call, const struct record *record) {
  struct name name;
  os_info info;
  if (!record->can_return || smem__name_of_segment(call, &name) != SMEM_OK)
    return false;
  os_code code = smem__os_object_stat(name.text, &info).code;
  return smem__os_stat_told(code) &&
         memcmp(info.identity, record->identity, sizeof info.identity) != 0;
}

/* A raw object can have got another size since its other access was mapped:
 * then this one gets as much of it as that one. */
static smem_code fit_to_mapped(const struct call *call,
                               const struct record *record,
                               struct segment *segment) {
  if (record->generation != segment->footer.generation)
    return fail_replaced(call);
  if (segment->info.size < record->total)
    return smem__fail(
        call, SMEM_BOUNDS, 0,
        "%llu bytes of it are mapped here, and it was cut to %llu",
        (unsigned long long)record->total,
        (unsigned long long)segment->info.size);
  segment->info.size = record->total;
  return SMEM_OK;
}

static struct record *insert_segment(const struct call *call, uint64_t hash,
                                     const struct segment *segment) {
  struct record *record = insert(call->id, hash);
  if (!record) return NULL;
  record->mapping.capacity = smem__segment_capacity(&segment->footer);
  record->total = segment->info.size;
  memcpy(record->identity, segment->info.identity, sizeof record->identity);
  record->generation = segment->footer.generation;
  return record;
}

/* Map `segment` with this access, and enter it. Under the mutex. */
static smem_code enter(const struct call *call, smem_access access,
                       struct segment *segment, uint64_t hash, bool can_return,
                       struct record **result) {
  struct record *record = *find(call->id, hash);
  smem_code code = record ? fit_to_mapped(call, record, segment) : SMEM_OK;
  if (code != SMEM_OK) return code;
  if (!record || !record->mapping.address[access]) {
    void *address;
    code = smem__segment_map(call, segment, access, &address);
    if (code != SMEM_OK) return code;
    if (!record) record = insert_segment(call, hash, segment);
    if (!record) {
      smem__os_unmap(address, segment->info.size);
      return smem__fail_no_memory(call);
    }
    record->mapping.address[access] = address;
    record->can_return = can_return;
  }
  record->count++;
  *result = record;
  return SMEM_OK;
}

static bool is_elsewhere(const struct segment *segment) {
  os_info now;
  os_code code = smem__os_object_stat(segment->name.text, &now).code;
  return smem__os_stat_told(code) &&
         memcmp(now.identity, segment->info.identity, sizeof now.identity) != 0;
}

bool smem__mapping_settle_number(const struct call *call,
                                 const struct segment *segment,
                                 struct control **control) {
  uint64_t number;
  smem_error ignored;
  struct call quiet = *call;
  quiet.error = &ignored;
  *control = NULL;
  if ((segment->footer.flags & FOOTER_NAMED) ||
      !smem_id_is_number(call->id, &number))
    return true;
  smem__control_remember_number(number);
  if ((*control = smem__control_reference())) return false;
  if (smem__control_join(&quiet, control) != SMEM_OK) {
    *control = NULL;
    return true;
  }
  /* It may have been handed out again before we joined. */
  return is_elsewhere(segment);
}

smem_code smem_map(const char *id, smem_access access, smem_mapping **mapping,
                   smem_error *error) {
  struct call call = {"map", id, 0, error, false};
  uint64_t hash = smem__hash_text(id);
  struct segment segment;
  smem_code code = SMEM_OK;
  smem__os_mutex_lock(&mutex);
  struct record *record = *find(id, hash);
  bool known = record && record->mapping.address[access];
  if (known && is_replaced(&call, record))
    code = fail_replaced(&call);
  else if (known)
    record->count++;
  smem__os_mutex_unlock(&mutex);
  if (!known) {
    code = smem__segment_open(&call, access == SMEM_READ_WRITE, &segment);
    if (code != SMEM_OK) return code;
    struct control *control;
    bool can_return = smem__mapping_settle_number(&call, &segment, &control);
    smem__os_mutex_lock(&mutex);
    code = enter(&call, access, &segment, hash, can_return, &record);
    smem__os_mutex_unlock(&mutex);
    smem__control_used();
    if (control) smem__control_release(control);
    smem__os_object_close(segment.object);
  }
  if (code == SMEM_OK) *mapping = &record->mapping;
  return code;
}

void smem_unmap(const char *id, smem_detached *detached) {
  struct record *gone = NULL;
  memset(detached, 0, sizeof *detached);
  smem__os_mutex_lock(&mutex);
  struct record **at = find(id, smem__hash_text(id));
  if (*at && --(*at)->count == 0) gone = take_out(at);
  smem__os_mutex_unlock(&mutex);
  if (gone) destroy(gone, detached);
}

void smem_undo_map(const char *id, smem_access access, bool fresh,
                   smem_detached *detached) {
  smem_unmap(id, detached);
  if (!fresh) return;
  void *address = NULL;
  uint64_t total = 0;
  smem__os_mutex_lock(&mutex);
  struct record *record = *find(id, smem__hash_text(id));
  if (record) {
    address = record->mapping.address[access];
    total = record->total;
    detached->attached[access] = record->mapping.attached[access];
    record->mapping.address[access] = NULL;
    record->mapping.attached[access] = NULL;
  }
  smem__os_mutex_unlock(&mutex);
  if (address) smem__os_unmap(address, total);
}

/* Another program's object, and a number that cannot come back, have no
 * successor that the removal of a name could hit. */
static bool is_without_successor(const char *id) {
  uint64_t number;
  return smem_id_is_raw(id) ||
         (smem_id_is_number(id, &number) && smem__control_knows_number(number));
}

static smem_code remove_name(const struct call *call, bool seen) {
  struct name name;
  if (!is_without_successor(call->id)) return smem__segment_remove(call);
  smem_code code = smem__name_of_segment(call, &name);
  if (code != SMEM_OK) return code;
  os_status status = seen ? smem__os_object_remove_own(name.text)
                          : smem__os_object_remove(name.text);
  if (status.code == OS_OK || status.code == OS_NOT_FOUND) return SMEM_OK;
  return smem__fail_object(call, status, name.text);
}

enum removal { REMOVE, REMOVE_SEEN, REMOVE_NOTHING };

/* Remove the segment; its record, NULL if it was not mapped, is the caller's.
 */
static smem_code remove_by(enum removal how, const char *id,
                           struct record **gone, smem_error *error) {
  struct call call = {"free", id, 0, error, false};
  smem_code code = SMEM_OK;
  *gone = NULL;
  if (how != REMOVE_NOTHING) code = remove_name(&call, how == REMOVE_SEEN);
  if (code != SMEM_OK) return code;
  smem__control_freed();
  smem__os_mutex_lock(&mutex);
  struct record **at = find(id, smem__hash_text(id));
  if (*at) *gone = take_out(at);
  smem__os_mutex_unlock(&mutex);
  return SMEM_OK;
}

smem_code smem_free(const char *id, smem_detached *detached,
                    smem_error *error) {
  struct record *gone;
  memset(detached, 0, sizeof *detached);
  smem_code code = remove_by(REMOVE, id, &gone, error);
  if (code == SMEM_OK && gone) destroy(gone, detached);
  return code;
}

smem_code smem_free_later(const char *id, smem_error *error) {
  struct record *gone;
  smem_code code = remove_by(REMOVE, id, &gone, error);
  if (code != SMEM_OK || !gone) return code;
  smem__os_mutex_lock(&mutex);
  gone->next = left;
  atomic_store(&left, gone);
  smem__os_mutex_unlock(&mutex);
  return SMEM_OK;
}

bool smem_collect(smem_detached *detached) {
  if (!atomic_load(&left)) return false;
  smem__os_mutex_lock(&mutex);
  struct record *record = left;
  if (record) atomic_store(&left, record->next);
  smem__os_mutex_unlock(&mutex);
  if (record) destroy(record, detached);
  return record != NULL;
}

smem_code smem_free_seen(const char *id, bool exists, smem_detached *detached,
                         smem_error *error) {
  struct record *gone;
  memset(detached, 0, sizeof *detached);
  smem_code code =
      remove_by(exists ? REMOVE_SEEN : REMOVE_NOTHING, id, &gone, error);
  if (code == SMEM_OK && gone) destroy(gone, detached);
  return code;
}

void smem_unmap_all(void (*gone)(smem_detached *detached)) {
  for (;;) {
    struct record *record = NULL;
    smem_detached detached;
    smem__os_mutex_lock(&mutex);
    for (size_t i = 0; i < slots && !record; i++)
      if (table[i]) record = take_out(&table[i]);
    if (!record) {
      smem__os_release(table);
      table = NULL;
      slots = 0;
    }
    smem__os_mutex_unlock(&mutex);
    if (!record) return;
    destroy(record, &detached);
    gone(&detached);
  }
}

bool smem__mapping_any(void) {
  smem__os_mutex_lock(&mutex);
  bool any = used > 0;
  smem__os_mutex_unlock(&mutex);
  return any;
}
