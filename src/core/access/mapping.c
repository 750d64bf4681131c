/* What is mapped in this process: a hash table by id.
 *
 * A segment is `mapped` from the first smem_map() to the unmap that takes the
 * count to zero, or to a free. The table's mutex is never held while waiting
 * for another process. */
#include "access.h"

#include "../sync/sync.h"

#include <stdatomic.h>
#include <string.h>

struct smem_mapping {
  smem_mapping *next;
  uint64_t hash;
  void *address[2];  /* by smem_access; NULL: it is not mapped with that one */
  void *note[2];     /* the client's */
  uint64_t asked[2]; /* maps with this access that were not taken back */
  uint64_t count;    /* maps that were neither taken back nor unmapped */
  uint64_t capacity; /* bytes that may be used */
  uint64_t total;    /* bytes mapped */
  uint64_t identity[2]; /* os_info's */
  uint64_t generation;
  smem_latch *latch; /* see smem_latch_mapped(); or NULL */
  bool can_return; /* the id may come to mean another segment: look each time */
  char id[];
};

static os_mutex mutex; /* guards the table */
static smem_mapping **table;
static size_t slots; /* a power of two, or 0 */
static size_t used;
static smem_mapping *_Atomic left; /* for smem_collect() */

void smem__mapping_start(void) { smem__os_mutex_init(&mutex); }
void smem__mapping_before_fork(void) { smem__os_mutex_lock(&mutex); }
void smem__mapping_after_fork(void) { smem__os_mutex_unlock(&mutex); }

/* A child inherits the mappings, so the table stays right; but not the presence
 * by which its numbers were kept from coming back. */
void smem__mapping_in_child(void) {
  for (size_t i = 0; i < slots; i++)
    for (smem_mapping *at = table[i]; at; at = at->next) at->can_return = true;
  smem__os_mutex_unlock(&mutex);
}

/* ---- table, under the mutex ---------------------------------------------- */

static smem_mapping **find(const char *id, uint64_t hash) {
  static smem_mapping *nothing;
  if (slots == 0) return &nothing;
  smem_mapping **at = &table[hash & (slots - 1)];
  while (*at && ((*at)->hash != hash || strcmp((*at)->id, id) != 0))
    at = &(*at)->next;
  return at;
}

static bool grow(void) {
  size_t wider = slots ? slots * 2 : 64;
  smem_mapping **fresh = smem__os_allocate(wider * sizeof *fresh);
  if (!fresh) return false;
  for (size_t i = 0; i < slots; i++)
    for (smem_mapping *at = table[i], *next; at; at = next) {
      smem_mapping **slot = &fresh[at->hash & (wider - 1)];
      next = at->next;
      at->next = *slot;
      *slot = at;
    }
  smem__os_release(table);
  table = fresh;
  slots = wider;
  return true;
}

static smem_mapping *insert(const char *id, uint64_t hash) {
  if (used >= slots && !grow()) return NULL;
  size_t length = strlen(id);
  smem_mapping *mapping = smem__os_allocate(sizeof *mapping + length + 1);
  if (!mapping) return NULL;
  memcpy(mapping->id, id, length + 1);
  mapping->hash = hash;
  smem_mapping **slot = &table[hash & (slots - 1)];
  mapping->next = *slot;
  *slot = mapping;
  used++;
  return mapping;
}

static smem_mapping *take_out(smem_mapping **at) {
  smem_mapping *mapping = *at;
  *at = mapping->next;
  used--;
  return mapping;
}

/* ---- what was taken out of it -------------------------------------------- */

static void destroy(smem_mapping *mapping, smem_gone *gone) {
  for (int access = 0; access < 2; access++) {
    if (gone && mapping->note[access]) gone(mapping->note[access]);
    if (mapping->address[access])
      smem__os_unmap(mapping->address[access], mapping->total);
  }
  smem_latch_close(mapping->latch);
  smem__os_release(mapping);
}

static void leave(smem_mapping *mapping) {
  smem__os_mutex_lock(&mutex);
  mapping->next = left;
  atomic_store(&left, mapping);
  smem__os_mutex_unlock(&mutex);
}

/* Nobody has it any more. */
static void let_go(smem_mapping *mapping, smem_gone *gone) {
  if (gone || (!mapping->note[0] && !mapping->note[1]))
    destroy(mapping, gone);
  else
    leave(mapping);
}

void smem_collect(smem_gone *gone) {
  if (!atomic_load(&left)) return;
  smem__os_mutex_lock(&mutex);
  smem_mapping *mapping = left;
  atomic_store(&left, NULL);
  smem__os_mutex_unlock(&mutex);
  for (smem_mapping *next; mapping; mapping = next) {
    next = mapping->next;
    destroy(mapping, gone);
  }
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
static bool is_replaced(const struct call *call, const smem_mapping *mapping) {
  struct name name;
  os_info info;
  struct call quiet = call_quietly(call);
  if (!mapping->can_return || smem__name_find(&quiet, &name) != SMEM_OK)
    return false;
  os_code code = smem__os_object_stat(name.text, &info).code;
  return smem__os_stat_told(code) &&
         memcmp(info.identity, mapping->identity, sizeof info.identity) != 0;
}

/* A raw object can have got another size since its other access was mapped:
 * then this one gets as much of it as that one. */
static smem_code fit_to_mapped(const struct call *call,
                               const smem_mapping *mapping,
                               struct segment *segment) {
  if (mapping->generation != segment->footer.generation)
    return fail_replaced(call);
  if (segment->info.size < mapping->total)
    return smem__fail(
        call, SMEM_BOUNDS, 0,
        "%llu bytes of it are mapped here, and it was cut to %llu",
        (unsigned long long)mapping->total,
        (unsigned long long)segment->info.size);
  segment->info.size = mapping->total;
  return SMEM_OK;
}

static smem_mapping *insert_segment(const struct call *call, uint64_t hash,
                                    const struct segment *segment) {
  smem_mapping *mapping = insert(call->id, hash);
  if (!mapping) return NULL;
  mapping->capacity = smem__segment_capacity(&segment->footer);
  mapping->total = segment->info.size;
  memcpy(mapping->identity, segment->info.identity, sizeof mapping->identity);
  mapping->generation = segment->footer.generation;
  return mapping;
}

static void count_map(smem_mapping *mapping, smem_access access) {
  mapping->count++;
  mapping->asked[access]++;
}

/* Map `segment` with this access, and enter it. Under the mutex. */
static smem_code enter(const struct call *call, smem_access access,
                       struct segment *segment, uint64_t hash, bool can_return,
                       smem_mapping **result) {
  smem_mapping *mapping = *find(call->id, hash);
  smem_code code = mapping ? fit_to_mapped(call, mapping, segment) : SMEM_OK;
  if (code != SMEM_OK) return code;
  if (!mapping || !mapping->address[access]) {
    void *address;
    code = smem__segment_map(call, segment, access, &address);
    if (code != SMEM_OK) return code;
    if (!mapping) mapping = insert_segment(call, hash, segment);
    if (!mapping) {
      smem__os_unmap(address, segment->info.size);
      return smem__fail_no_memory(call);
    }
    mapping->address[access] = address;
    mapping->can_return = can_return;
  }
  count_map(mapping, access);
  *result = mapping;
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
  struct call quiet = call_quietly(call);
  *control = NULL;
  if ((segment->footer.flags & FOOTER_NAMED) ||
      !smem_id_is_number(call->id, &number))
    return true;
  smem__number_remember(number);
  if ((*control = smem__presence_reference())) return false;
  if (smem__presence_join(&quiet, control) != SMEM_OK) {
    *control = NULL;
    return true;
  }
  /* It may have been handed out again before we joined. */
  return is_elsewhere(segment);
}

static smem_code map_one(const struct call *call, smem_access access,
                         smem_mapping **result) {
  uint64_t hash = smem__hash_text(call->id);
  struct segment segment;
  struct control *control;
  smem_code code = SMEM_OK;
  smem__os_mutex_lock(&mutex);
  smem_mapping *mapping = *find(call->id, hash);
  bool known = mapping && mapping->address[access];
  if (known && is_replaced(call, mapping))
    code = fail_replaced(call);
  else if (known)
    count_map(mapping, access);
  smem__os_mutex_unlock(&mutex);
  *result = mapping;
  if (known) return code;
  code = smem__segment_open(call, access == SMEM_READ_WRITE, &segment);
  if (code != SMEM_OK) return code;
  bool can_return = smem__mapping_settle_number(call, &segment, &control);
  smem__os_mutex_lock(&mutex);
  code = enter(call, access, &segment, hash, can_return, result);
  smem__os_mutex_unlock(&mutex);
  smem__presence_count_act();
  if (control) smem__control_release(control);
  smem__os_object_close(segment.object);
  return code;
}

smem_code smem_map(const char *const *ids, size_t count, smem_access access,
                   smem_mapping **mappings, smem_error *error) {
  struct call call = {SMEM_OP_MAP, "", 0, error, false};
  smem_code code = SMEM_OK;
  size_t done = 0;
  while (done < count && code == SMEM_OK) {
    smem__call_element(&call, ids, count, done);
    code = map_one(&call, access, &mappings[done]);
    if (code == SMEM_OK) code = smem__patience_look(&call, done++);
  }
  if (code != SMEM_OK) smem_undo_map(ids, done, access, NULL);
  return code;
}

void *smem_mapping_address(const smem_mapping *mapping, smem_access access) {
  return mapping->address[access];
}

uint64_t smem_mapping_capacity(const smem_mapping *mapping) {
  return mapping->capacity;
}

void *smem_mapping_note(const smem_mapping *mapping, smem_access access) {
  return mapping->note[access];
}

void smem_mapping_set_note(smem_mapping *mapping, smem_access access,
                           void *note) {
  mapping->note[access] = note;
}

/* ---- unmapping ----------------------------------------------------------- */

static void unmap_one(const char *id, smem_gone *gone) {
  smem_mapping *last = NULL;
  smem__os_mutex_lock(&mutex);
  smem_mapping **at = find(id, smem__hash_text(id));
  if (*at && --(*at)->count == 0) last = take_out(at);
  smem__os_mutex_unlock(&mutex);
  if (last) let_go(last, gone);
}

void smem_unmap(const char *const *ids, size_t count, smem_gone *gone) {
  for (size_t i = 0; i < count; i++) unmap_one(ids[i], gone);
}

/* Nobody asks for this access any more, but for the other one: take it away. */
static void unmap_access(smem_mapping *mapping, smem_access access,
                         smem_gone *gone) {
  void *note = mapping->note[access];
  if (note && !gone) return; /* it stays as long as the other one */
  smem__os_unmap(mapping->address[access], mapping->total);
  mapping->address[access] = NULL;
  mapping->note[access] = NULL;
  if (note) gone(note);
}

static void undo_one(const char *id, smem_access access, smem_gone *gone) {
  smem_mapping *last = NULL;
  smem__os_mutex_lock(&mutex);
  smem_mapping **at = find(id, smem__hash_text(id));
  bool none = *at && (*at)->asked[access] > 0 && --(*at)->asked[access] == 0;
  if (*at && --(*at)->count == 0)
    last = take_out(at);
  else if (none)
    unmap_access(*at, access, gone);
  smem__os_mutex_unlock(&mutex);
  if (last) let_go(last, gone);
}

void smem_undo_map(const char *const *ids, size_t count, smem_access access,
                   smem_gone *gone) {
  while (count > 0) undo_one(ids[--count], access, gone);
}

void smem__mapping_remove(const char *id, smem_gone *gone) {
  smem_mapping *mapping = NULL;
  smem__os_mutex_lock(&mutex);
  smem_mapping **at = find(id, smem__hash_text(id));
  if (*at) mapping = take_out(at);
  smem__os_mutex_unlock(&mutex);
  if (!mapping) return;
  if (gone)
    destroy(mapping, gone);
  else
    leave(mapping); /* other threads have it */
}

void smem_unmap_all(smem_gone *gone) {
  for (;;) {
    smem_mapping *mapping = NULL;
    smem__os_mutex_lock(&mutex);
    for (size_t i = 0; i < slots && !mapping; i++)
      if (table[i]) mapping = take_out(&table[i]);
    if (!mapping) {
      smem__os_release(table);
      table = NULL;
      slots = 0;
    }
    smem__os_mutex_unlock(&mutex);
    if (!mapping) return;
    let_go(mapping, gone);
  }
}

/* ---- its lock ------------------------------------------------------------ */

/* Under the mutex. *latch stays NULL if there is none yet. */
static smem_code look_for_latch(const struct call *call, bool *mapped,
                                smem_latch **latch) {
  smem_mapping *mapping = *find(call->id, smem__hash_text(call->id));
  *mapped = mapping != NULL;
  *latch = NULL;
  if (!mapping) return SMEM_OK;
  if (is_replaced(call, mapping)) return fail_replaced(call);
  *latch = mapping->latch;
  return SMEM_OK;
}

/* Give it to the mapping, unless that is gone or has one by now. */
static bool attach_latch(const char *id, smem_latch *latch) {
  smem__os_mutex_lock(&mutex);
  smem_mapping *mapping = *find(id, smem__hash_text(id));
  bool attached =
      mapping && !mapping->latch && mapping->generation == latch->generation;
  if (attached) mapping->latch = latch;
  smem__os_mutex_unlock(&mutex);
  return attached;
}

smem_code smem_latch_mapped(const char *id, smem_latch **latch,
                            smem_error *error) {
  struct call call = {SMEM_OP_LOCK, id, 0, error, false};
  bool mapped = true;
  smem_code code = SMEM_OK;
  *latch = NULL;
  while (code == SMEM_OK && mapped && !*latch) {
    smem_latch *opened;
    smem__os_mutex_lock(&mutex);
    code = look_for_latch(&call, &mapped, latch);
    smem__os_mutex_unlock(&mutex);
    if (code != SMEM_OK || !mapped || *latch) break;
    code = smem_latch_open(id, &opened, error);
    if (code == SMEM_OK && !attach_latch(id, opened)) smem_latch_close(opened);
  }
  return code;
}

bool smem__mapping_any(void) {
  smem__os_mutex_lock(&mutex);
  bool any = used > 0;
  smem__os_mutex_unlock(&mutex);
  return any;
}
