/* What processes do to one segment. */
#include "soak.h"

/* ---- mappings ------------------------------------------------------------ */

static struct mapped {
  char id[SMEM_ID_MAX + 1]; /* "" if there is none */
  struct object *object;
  const void *address;
  uint64_t generation; /* 0 as long as it is not written there */
  uint64_t capacity;
  unsigned count;
} mapped[8];

static struct mapped *mapped_as(const char *id) {
  for (int i = 0; i < 8; i++)
    if (strcmp(mapped[i].id, id) == 0) return &mapped[i];
  return NULL;
}

static void check_mapped(struct mapped *at) {
  at->generation = check_words(at->object, at->address, at->generation);
  check_memory(at->object, at->id, at->address, at->capacity);
}

static void unmap_whole(struct mapped *at) {
  check_mapped(at);
  for (; at->count > 0; at->count--) unmap_id(at->id);
  at->id[0] = '\0';
}

void act_map(struct object *object, const char *id, struct watch *watch) {
  smem_mapping *mapping;
  smem_access access = one_in(3) ? SMEM_READ_ONLY : SMEM_READ_WRITE;
  struct mapped *at = mapped_as(id);
  bool before = at != NULL;
  if (!at && !(at = mapped_as(""))) unmap_whole(at = &mapped[random_below(8)]);
  smem_code code = smem_map(&id, 1, access, &mapping, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND) | CODE(REPLACED), code);
  if (code == SMEM_REPLACED && (!before || (model->kept && !object->name[0])))
    object_fail(object, "map: it cannot have been replaced");
  if (code == SMEM_OK && !before) {
    *at = (struct mapped){"",
                          object,
                          smem_mapping_address(mapping, access),
                          0,
                          smem_mapping_capacity(mapping),
                          0};
    snprintf(at->id, sizeof at->id, "%s", id);
  }
  if (code == SMEM_OK) {
    at->count++;
    check_mapped(at);
  }
  /* What is mapped already can be mapped again when the segment is gone. */
  watch_end(watch,
            before            ? SEEN_NOTHING
            : code == SMEM_OK ? SEEN_PRESENT
                              : SEEN_ABSENT,
            before || code != SMEM_OK ? 0 : at->generation);
}

void act_unmap(void) {
  struct mapped *at = &mapped[random_below(8)];
  if (!at->id[0]) return;
  check_mapped(at);
  if (one_in(2)) {
    unmap_whole(at);
    return;
  }
  unmap_id(at->id);
  if (--at->count == 0) at->id[0] = '\0';
}

/* ---- making and freeing -------------------------------------------------- */

static uint64_t any_size(void) {
  return one_in(8) ? 1 + random_below(200000) : 1 + random_below(7000);
}

/* `refused`: how it may fail, the segment being there. */
static void make(struct object *object, const char *id, struct watch *watch,
                 bool exclusive, uint32_t refused, enum seen made) {
  smem_request request = SMEM_REQUEST_INIT(any_size(), id);
  smem_code code = smem_allocate(&request, 1, (smem_lifetime)object->lifetime,
                                 exclusive, &error);
  CHECK_AMONG(CODE(OK) | refused, code);
  watch_end(watch, code == SMEM_OK ? made : SEEN_PRESENT,
            visit_object(object, id));
}

void act_create(struct object *object, const char *id, struct watch *watch) {
  make(object, id, watch, true, CODE(EXISTS), SEEN_MADE);
}

void act_open(struct object *object, const char *id, struct watch *watch) {
  make(object, id, watch, false, CODE(TOO_SMALL), SEEN_EITHER);
}

void act_free(struct object *object, const char *id, struct watch *watch) {
  struct mapped *at = mapped_as(id);
  if (at) check_mapped(at);
  CHECK_OK(free_id(id));
  if (at) at->id[0] = '\0';
  watch_end(watch, SEEN_ABSENT, 0);
  if (!object->name[0]) object->holder = FREE;
}

/* An unnamed one is looked at by others once its holder is KNOWN. */
static void publish(struct object *object, uint64_t number) {
  struct watch watch;
  char id[SMEM_ID_MAX + 1];
  number_spent(number);
  object->number = number;
  CHECK(object_id(object, id));
  watch_begin(&watch, object, "number", CREATES);
  watch_end(&watch, SEEN_MADE, visit_object(object, id));
  object->holder = KNOWN;
}

static int claim_free(struct object **claimed, int most, int lifetime) {
  int count = 0, first = (int)random_below(POOL);
  for (int i = 0; i < POOL && count < most; i++) {
    struct object *object = object_at(NAMES + (first + i) % POOL);
    int holder = FREE;
    if (!atomic_compare_exchange_strong(&object->holder, &holder, self))
      continue;
    object->number = 0;
    object->lifetime = lifetime;
    claimed[count++] = object;
  }
  return count;
}

/* Up to three unnamed ones, sometimes with a name that may be too small: then
 * none of them. */
void act_batch(struct object *object, const char *id, struct watch *watch) {
  struct object *claimed[3];
  smem_request request[4] = {SMEM_REQUEST_INIT(any_size(), NULL),
                             SMEM_REQUEST_INIT(any_size(), NULL),
                             SMEM_REQUEST_INIT(any_size(), NULL)};
  int lifetime = object->lifetime;
  int count = claim_free(claimed, 1 + (int)random_below(3), lifetime);
  bool named = one_in(3);
  if (named) request[count] = (smem_request)SMEM_REQUEST_INIT(any_size(), id);
  smem_code code = smem_allocate(request, (size_t)count + named,
                                 (smem_lifetime)lifetime, false, &error);
  CHECK_AMONG(CODE(OK) | (named ? CODE(TOO_SMALL) : 0), code);
  watch_end(watch,
            !named            ? SEEN_NOTHING
            : code == SMEM_OK ? SEEN_EITHER
                              : SEEN_PRESENT,
            named ? visit_object(object, id) : 0);
  for (int i = 0; i < count; i++)
    if (code == SMEM_OK)
      publish(claimed[i], request[i].number);
    else
      claimed[i]->holder = FREE;
}

/* ---- looking ------------------------------------------------------------- */

void act_has(struct object *object, const char *id, struct watch *watch) {
  (void)object;
  smem_code code = find_id(id);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), code);
  watch_end(watch, code == SMEM_OK ? SEEN_PRESENT : SEEN_ABSENT, 0);
}

void act_size(struct object *object, const char *id, struct watch *watch) {
  uint64_t size = 0;
  (void)object;
  smem_code code = smem_size(id, &size, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), code);
  CHECK(code != SMEM_OK || (size >= 3072 && size < 300000));
  watch_end(watch, code == SMEM_OK ? SEEN_PRESENT : SEEN_ABSENT, 0);
}

void act_visit(struct object *object, const char *id, struct watch *watch) {
  uint64_t generation = visit_object(object, id);
  watch_end(watch, generation ? SEEN_PRESENT : SEEN_ABSENT, generation);
}

static void see(const smem_entry *entry, void *context) {
  *(smem_entry *)context = *entry;
}

void act_inspect(struct object *object, const char *id, struct watch *watch) {
  char path[300];
  size_t none = 0;
  smem_entry entry = {.generation = 0};
  (void)object;
  smem_code code =
      smem_inspect(id, NULL, &none, path, sizeof path, see, &entry, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), code);
  CHECK(code != SMEM_OK ||
        (entry.state != SMEM_DAMAGED && entry.state != SMEM_FOREIGN));
  watch_end(watch,
            code != SMEM_OK    ? SEEN_ABSENT
            : entry.generation ? SEEN_PRESENT
                               : SEEN_NOTHING,
            entry.generation);
}

enum { AT_ONCE = 2000 };

void act_read(struct object *object, const char *id, struct watch *watch) {
  static unsigned char bytes[AT_ONCE];
  uint64_t offset = TEXT + random_below(4000), length = random_below(AT_ONCE);
  smem_code code = smem_read(id, offset, bytes, length, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND) | CODE(BOUNDS), code);
  if (code == SMEM_OK) check_text(object, id, bytes, offset, length);
  watch_end(watch, code == SMEM_NOT_FOUND ? SEEN_ABSENT : SEEN_PRESENT, 0);
}

void act_write(struct object *object, const char *id, struct watch *watch) {
  static unsigned char bytes[AT_ONCE];
  uint64_t offset = TEXT + random_below(4000), length = random_below(200);
  (void)object;
  for (uint64_t i = 0; i < length; i++) bytes[i] = byte_of(id, offset + i);
  smem_code code = smem_write(id, offset, bytes, length, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND) | CODE(BOUNDS), code);
  watch_end(watch, code == SMEM_NOT_FOUND ? SEEN_ABSENT : SEEN_PRESENT, 0);
}
