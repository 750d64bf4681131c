/* Processes that do everything at random to the same segments, while some of
 * them are killed. What must exist then is the business of model.h.
 *
 * SOAK_SECONDS says how long, SOAK_SEED repeats a run as far as the scheduler
 * lets it. */
#include "model.h"

#include <sys/mman.h>

static uint64_t seed, state; /* of this process's random numbers */
static unsigned random_below(unsigned limit) {
  state = mix(state);
  return (unsigned)((state >> 16) % limit);
}
static bool one_in(unsigned n) { return random_below(n) == 0; }

/* ---- contents ------------------------------------------------------------ */

static void check_text(struct object *object, const char *id,
                       const unsigned char *at, uint64_t offset,
                       uint64_t length) {
  for (uint64_t i = 0; i < length; i++)
    if (at[i] != 0 && at[i] != byte_of(id, offset + i))
      object_fail(object, "wrong memory in '%s': byte %llu is %d", id,
                  (unsigned long long)(offset + i), at[i]);
}

/* The first word last: who sees another one then sees the first one too.
 * Returns the generation that is written there, 0 if none is yet. */
static uint64_t check_words(struct object *object, const void *address,
                            uint64_t generation) {
  const _Atomic uint64_t *word = address;
  uint64_t seen[WORDS];
  for (int i = WORDS; i-- > 0;) seen[i] = word[i];
  uint64_t is = generation ? generation : seen[0];
  for (int i = 0; i < WORDS; i++)
    if (seen[i] != 0 && seen[i] != word_of(is, i))
      object_fail(object,
                  "wrong memory: word %d is %016llx, the first %016llx, "
                  "the generation %016llx",
                  i, (unsigned long long)seen[i], (unsigned long long)seen[0],
                  (unsigned long long)generation);
  return is;
}

static void check_memory(struct object *object, const char *id,
                         const void *address, uint64_t capacity) {
  uint64_t length = 64, range = capacity - TEXT - length;
  uint64_t offset = TEXT + mix(state) % range;
  check_text(object, id, (const unsigned char *)address + offset, offset,
             length);
}

static void write_words(void *address, uint64_t generation) {
  _Atomic uint64_t *word = address;
  word[0] = generation;
  for (int i = 0; i < 4; i++) {
    unsigned at = random_below(WORDS);
    word[at] = word_of(generation, (int)at);
  }
}

/* ---- handles ------------------------------------------------------------- */

static struct kept {
  smem_handle *handle;
  struct object *object;
  char id[SMEM_ID_MAX + 1];
} kept[6];

/* Its memory stays what it was, whatever became of the segment. */
static void check_handle(const smem_handle *handle, struct object *object,
                         const char *id) {
  check_words(object, handle->address, handle->generation);
  check_memory(object, id, handle->address, handle->capacity);
}

static void keep_or_close(smem_handle *handle, struct object *object,
                          const char *id) {
  struct kept *at = &kept[random_below(6)];
  if (one_in(2)) {
    smem_close(handle);
    return;
  }
  if (at->handle) check_handle(at->handle, at->object, at->id);
  smem_close(at->handle);
  at->handle = handle;
  at->object = object;
  snprintf(at->id, sizeof at->id, "%s", id);
}

/* A letter box for references. Two may write at once: the checksum tells. */
enum { LETTERS = 16 };
static struct letter {
  unsigned char bytes[SMEM_REFERENCE_SIZE];
  _Atomic unsigned length;
  _Atomic int object;
} * letters;

static void send_reference(const smem_handle *handle, int object) {
  smem_reference reference;
  unsigned char bytes[SMEM_REFERENCE_SIZE];
  struct letter *letter = &letters[random_below(LETTERS)];
  smem_refer(handle, &reference);
  letter->length = (unsigned)smem_reference_write(&reference, bytes);
  memcpy(letter->bytes, bytes, letter->length);
  letter->object = object;
}

/* Open it, and leave a mark. Returns the generation, 0 if there is none. */
static uint64_t visit(struct object *object, const char *id) {
  smem_handle *handle;
  smem_access access = (smem_access)random_below(3);
  smem_code code = smem_open(id, access, &handle, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), code);
  if (code != SMEM_OK) return 0;
  uint64_t generation = handle->generation;
  check_handle(handle, object, id);
  if (access == SMEM_READ_WRITE) write_words(handle->address, generation);
  if (access == SMEM_PRIVATE) *(uint64_t *)handle->address = 1; /* stays here */
  if (one_in(4)) send_reference(handle, (int)(object - object_at(0)));
  if (access == SMEM_PRIVATE)
    smem_close(handle);
  else
    keep_or_close(handle, object, id);
  return generation;
}

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

static void act_map(struct object *object, const char *id,
                    struct watch *watch) {
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

static void act_unmap(void) {
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
  smem_request request = {any_size(), id, 0, NULL};
  smem_code code = smem_allocate(&request, 1, (smem_lifetime)object->lifetime,
                                 exclusive, &error);
  CHECK_AMONG(CODE(OK) | refused, code);
  watch_end(watch, code == SMEM_OK ? made : SEEN_PRESENT, visit(object, id));
}

static void act_create(struct object *object, const char *id,
                       struct watch *watch) {
  make(object, id, watch, true, CODE(EXISTS), SEEN_MADE);
}

static void act_open(struct object *object, const char *id,
                     struct watch *watch) {
  make(object, id, watch, false, CODE(TOO_SMALL), SEEN_EITHER);
}

static void act_free(struct object *object, const char *id,
                     struct watch *watch) {
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
  watch_end(&watch, SEEN_MADE, visit(object, id));
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
static void act_batch(struct object *object, const char *id,
                      struct watch *watch) {
  struct object *claimed[3];
  smem_request request[4] = {{any_size(), NULL, 0, NULL},
                             {any_size(), NULL, 0, NULL},
                             {any_size(), NULL, 0, NULL}};
  int lifetime = object->lifetime;
  int count = claim_free(claimed, 1 + (int)random_below(3), lifetime);
  bool named = one_in(3);
  if (named) request[count] = (smem_request){any_size(), id, 0, NULL};
  smem_code code = smem_allocate(request, (size_t)count + named,
                                 (smem_lifetime)lifetime, false, &error);
  CHECK_AMONG(CODE(OK) | (named ? CODE(TOO_SMALL) : 0), code);
  watch_end(watch,
            !named            ? SEEN_NOTHING
            : code == SMEM_OK ? SEEN_EITHER
                              : SEEN_PRESENT,
            named ? visit(object, id) : 0);
  for (int i = 0; i < count; i++)
    if (code == SMEM_OK)
      publish(claimed[i], request[i].number);
    else
      claimed[i]->holder = FREE;
}

/* ---- looking ------------------------------------------------------------- */

static void act_has(struct object *object, const char *id,
                    struct watch *watch) {
  (void)object;
  smem_code code = find_id(id);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), code);
  watch_end(watch, code == SMEM_OK ? SEEN_PRESENT : SEEN_ABSENT, 0);
}

static void act_size(struct object *object, const char *id,
                     struct watch *watch) {
  uint64_t size = 0;
  (void)object;
  smem_code code = smem_size(id, &size, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), code);
  CHECK(code != SMEM_OK || (size >= 3072 && size < 300000));
  watch_end(watch, code == SMEM_OK ? SEEN_PRESENT : SEEN_ABSENT, 0);
}

static void act_visit(struct object *object, const char *id,
                      struct watch *watch) {
  uint64_t generation = visit(object, id);
  watch_end(watch, generation ? SEEN_PRESENT : SEEN_ABSENT, generation);
}

static void see(const smem_entry *entry, void *context) {
  *(smem_entry *)context = *entry;
}

static void act_inspect(struct object *object, const char *id,
                        struct watch *watch) {
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

static void act_read(struct object *object, const char *id,
                     struct watch *watch) {
  static unsigned char bytes[AT_ONCE];
  uint64_t offset = TEXT + random_below(4000), length = random_below(AT_ONCE);
  smem_code code = smem_read(id, offset, bytes, length, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND) | CODE(BOUNDS), code);
  if (code == SMEM_OK) check_text(object, id, bytes, offset, length);
  watch_end(watch, code == SMEM_NOT_FOUND ? SEEN_ABSENT : SEEN_PRESENT, 0);
}

static void act_write(struct object *object, const char *id,
                      struct watch *watch) {
  static unsigned char bytes[AT_ONCE];
  uint64_t offset = TEXT + random_below(4000), length = random_below(200);
  (void)object;
  for (uint64_t i = 0; i < length; i++) bytes[i] = byte_of(id, offset + i);
  smem_code code = smem_write(id, offset, bytes, length, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND) | CODE(BOUNDS), code);
  watch_end(watch, code == SMEM_NOT_FOUND ? SEEN_ABSENT : SEEN_PRESENT, 0);
}

static void act_reference(void) {
  struct letter letter = letters[random_below(LETTERS)];
  struct object *object = object_at(letter.object);
  struct watch watch;
  smem_reference reference;
  smem_handle *handle;
  char id[SMEM_ID_MAX + 1];
  if (smem_reference_read(letter.bytes, letter.length, &reference)) return;
  watch_begin(&watch, object, "reference", LOOKS);
  bool same = object_id(object, id) && strcmp(id, reference.id) == 0;
  smem_code code =
      smem_open_reference(&reference, SMEM_READ_ONLY, &handle, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND) | CODE(REPLACED), code);
  if (code == SMEM_OK) {
    CHECK_EQUAL(reference.generation, handle->generation);
    check_handle(handle, object, reference.id);
    keep_or_close(handle, object, reference.id);
  }
  /* Of a segment that is not there any more, replaced tells little. */
  if (same && code == SMEM_REPLACED &&
      watch.present == brief(reference.generation) &&
      watch_expects(&watch) == SEEN_PRESENT)
    object_fail(object, "reference: it cannot have been replaced");
  watch_end(&watch,
            !same || code == SMEM_REPLACED ? SEEN_NOTHING
            : code == SMEM_OK              ? SEEN_PRESENT
                                           : SEEN_ABSENT,
            code == SMEM_OK && same ? reference.generation : 0);
}

static void act_handle(void) {
  struct kept *at = &kept[random_below(6)];
  if (at->handle) check_handle(at->handle, at->object, at->id);
}

/* ---- the namespace ------------------------------------------------------- */

enum { MOST = 4096 };
static struct listing {
  size_t count;
  struct listed {
    char id[SMEM_ID_MAX + 1];
    smem_state state;
    smem_lifetime lifetime;
    uint64_t generation, pid;
  } entry[MOST];
} listing;

static bool add_entry(const smem_entry *entry, void *context) {
  struct listed *at = &listing.entry[listing.count++];
  (void)context;
  CHECK(listing.count < MOST);
  CHECK(entry->state != SMEM_DAMAGED && entry->state != SMEM_FOREIGN);
  *at = (struct listed){"", entry->state, entry->lifetime, entry->generation,
                        entry->pid};
  snprintf(at->id, sizeof at->id, "%s", entry->id);
  return true;
}

/* A name that was freed and made again meanwhile may come up twice. */
static const struct listed *listed_as(const char *id, uint32_t generation) {
  const struct listed *found = NULL;
  for (size_t i = 0; i < listing.count; i++)
    if (listing.entry[i].generation != 0 &&
        strcmp(listing.entry[i].id, id) == 0) {
      found = &listing.entry[i];
      if (brief(found->generation) == generation) break;
    }
  return found;
}

static void check_listed(const struct watch *watch, const char *id,
                         bool buried) {
  enum seen expected = watch_expects(watch);
  const struct listed *found = listed_as(id, watch->present);
  struct object *object = watch->object;
  atomic_fetch_add(&model->checks, expected != SEEN_NOTHING);
  if (expected == SEEN_PRESENT &&
      (!found || brief(found->generation) != watch->present))
    object_fail(object, "list: %08x is not there", watch->present);
  if (expected == SEEN_ABSENT && found)
    object_fail(object, "list: it came from nowhere");
  if (expected != SEEN_PRESENT) return;
  if (found->state != SMEM_LIVE && creator_lives(object, watch->present))
    object_fail(object, "list: its owner lives, it is %s",
                smem_state_name(found->state));
  if (found->state != SMEM_ORPHAN && buried)
    object_fail(object, "list: its owner is dead, it is %s",
                smem_state_name(found->state));
}

static void act_list(void) {
  static struct watch watch[OBJECTS];
  static char id[OBJECTS][SMEM_ID_MAX + 1];
  static bool buried[OBJECTS], known[OBJECTS];
  for (int i = 0; i < OBJECTS; i++) {
    watch_begin(&watch[i], object_at(i), "list", LOOKS);
    buried[i] = creator_is_buried(object_at(i), watch[i].present);
    known[i] = object_id(object_at(i), id[i]);
  }
  listing.count = 0;
  CHECK_OK(smem_list(add_entry, NULL, &error));
  for (int i = 0; i < OBJECTS; i++)
    if (known[i]) check_listed(&watch[i], id[i], buried[i]);
}

/* Only what is nobody's goes. */
static void check_fate(const smem_entry *entry, smem_fate fate, void *context) {
  bool persistent = *(bool *)context;
  if (fate != SMEM_REMOVED) return;
  CHECK(entry->state == SMEM_ORPHAN || entry->state == SMEM_INCOMPLETE);
  CHECK(entry->state == SMEM_INCOMPLETE || persistent ||
        entry->lifetime == SMEM_OF_PROCESS);
}

static void reclaim(bool persistent) {
  reclaim_begin(persistent ? RECLAIMS_ALL : RECLAIMS);
  CHECK_OK(smem_reclaim(false, persistent, check_fate, &persistent, &error));
  reclaim_end(self);
}

static void act_reclaim(void) { reclaim(one_in(4)); }

static void act_index(void) {
  uint64_t index, before = model->highest;
  CHECK_OK(smem_last_index(&index, &error));
  CHECK(!model->kept || index >= before);
}

static void act_rejoin(void) {
  CHECK_OK(smem_leave(&error));
  if (one_in(2)) CHECK_OK(smem_join(&error));
}

/* ---- a worker ------------------------------------------------------------ */

static const struct one {
  const char *name;
  void (*act)(struct object *object, const char *id, struct watch *watch);
  int flags;
  unsigned weight;
} ones[] = {
    {"create", act_create, CREATES, 12}, {"open", act_open, CREATES, 8},
    {"batch", act_batch, CREATES, 8},    {"free", act_free, REMOVES, 16},
    {"has", act_has, LOOKS, 8},          {"size", act_size, LOOKS, 4},
    {"visit", act_visit, LOOKS, 12},     {"map", act_map, LOOKS, 12},
    {"inspect", act_inspect, LOOKS, 2},  {"read", act_read, LOOKS, 6},
    {"write", act_write, LOOKS, 8},
};
static const struct other {
  const char *name;
  void (*act)(void);
  unsigned weight;
} others[] = {
    {"reference", act_reference, 8}, {"handle", act_handle, 4},
    {"unmap", act_unmap, 8},         {"list", act_list, 1},
    {"reclaim", act_reclaim, 1},     {"index", act_index, 2},
    {"rejoin", act_rejoin, 2},
};
enum {
  ONES = sizeof ones / sizeof *ones,
  OTHERS = sizeof others / sizeof *others
};

/* An object that this process may do that to; an unnamed one that is to be
 * freed is its own from then on. */
static struct object *choose(int flags) {
  for (;;) {
    int kind = (int)random_below(4), holder = KNOWN;
    struct object *object =
        object_at((int)(kind < 2    ? random_below(SHARED)
                        : kind == 2 ? SHARED + random_below(NAMES - SHARED)
                                    : NAMES + random_below(POOL)));
    if (object->owner >= 0 && object->owner != self && flags != LOOKS) continue;
    if (object->name[0] || flags == LOOKS) return object;
    if (flags == REMOVES &&
        atomic_compare_exchange_strong(&object->holder, &holder, self))
      return object;
  }
}

static void do_one(const struct one *one) {
  struct watch watch;
  char id[SMEM_ID_MAX + 1];
  struct object *object = choose(one->flags);
  watch_begin(&watch, object, one->name, one->flags);
  if (object_id(object, id)) /* only now: see act_free() and publish() */
    one->act(object, id, &watch);
  else
    watch_end(&watch, SEEN_NOTHING, 0);
}

static void do_any(void) {
  unsigned at = random_below(122);
  for (int i = 0; i < ONES; i++) {
    if (at < ones[i].weight) {
      do_one(&ones[i]);
      return;
    }
    at -= ones[i].weight;
  }
  for (int i = 0; i < OTHERS; i++) {
    if (at < others[i].weight) {
      model->slot[self].now = others[i].name;
      others[i].act();
      atomic_fetch_add(&model->slot[self].done, 1);
      return;
    }
    at -= others[i].weight;
  }
}

/* As the first allocation from R does. */
static void begin_life(void) {
  if (!one_in(3)) return;
  reclaim_begin(RECLAIMS);
  CHECK_OK(smem_join(&error));
  smem_reclaim_some(3 * 1000 * 1000);
  reclaim_end(self);
}

/* exit() frees what has the lifetime of this process. */
static void end_life(void) {
  atomic_fetch_add(&model->slot[self].life, 1);
  reclaim_begin(RECLAIMS);
}

ROLE(worker) {
  self = atoi(argument);
  state = mix(seed + (uint64_t)self) + own_life;
  begin_life();
  while (!model->stop && !one_in(5000)) do_any();
  end_life();
}

/* ---- the end of a round -------------------------------------------------- */

static bool is_an_object(const char *id) {
  char own[SMEM_ID_MAX + 1];
  for (int i = 0; i < OBJECTS; i++)
    if (object_id(object_at(i), own) && strcmp(own, id) == 0) return true;
  return false;
}

/* What nobody wrote down may only be what a killed process was making. */
static void check_entry(const struct listed *entry) {
  if (entry->state == SMEM_INCOMPLETE) return;
  if (entry->state != SMEM_ORPHAN)
    test_fail(__FILE__, __LINE__, "'%s' is %s, but nobody is left", entry->id,
              smem_state_name(entry->state));
  if (entry->lifetime == SMEM_OF_PROCESS && model->ended[entry->pid])
    test_fail(__FILE__, __LINE__, "'%s' has outlived its process", entry->id);
  if (is_an_object(entry->id)) return;
  if (model->maybe[entry->pid] == 0)
    test_fail(__FILE__, __LINE__, "nobody has made '%s' (process %llu)",
              entry->id, (unsigned long long)entry->pid);
  model->maybe[entry->pid]--;
}

static void look_at_all(void) {
  for (int i = 0; i < OBJECTS; i++) {
    struct watch watch;
    char id[SMEM_ID_MAX + 1];
    watch_begin(&watch, object_at(i), "at last", LOOKS);
    if (object_id(object_at(i), id)) act_visit(object_at(i), id, &watch);
  }
  act_list();
  for (size_t i = 0; i < listing.count; i++) check_entry(&listing.entry[i]);
}

static void check_reclaimed(void) {
  reclaim(false);
  listing.count = 0;
  CHECK_OK(smem_list(add_entry, NULL, &error));
  for (size_t i = 0; i < listing.count; i++)
    CHECK(listing.entry[i].state == SMEM_ORPHAN &&
          listing.entry[i].lifetime == SMEM_UNTIL_FREED);
}

static void forget_all(void) {
  for (int i = 0; i < OBJECTS; i++) {
    struct watch watch;
    watch_begin(&watch, object_at(i), "forget", CREATES | REMOVES);
    watch_end(&watch, SEEN_NOTHING, 0);
    object_at(i)->holder = FREE;
  }
}

/* Nobody else is left. All must be as the facts say; then remove it all. */
ROLE(inspector) {
  look_at_all();
  check_reclaimed();
  if (*argument == 'r')
    reclaim(true);
  else
    for (size_t i = 0; i < listing.count; i++)
      CHECK_OK(free_id(listing.entry[i].id));
  CHECK_EQUAL(0, count_listed());
  forget_all();
  CHECK_OK(smem_join(&error)); /* who was killed may have left its object */
  CHECK_OK(smem_leave(&error));
}

/* ---- who starts and kills them ------------------------------------------- */

static struct { unsigned killed, stopped, ended, rounds; } tally;

static process_id running[SLOTS];
static uint64_t done[SLOTS], since[SLOTS];

static void start(int slot) {
  char text[16];
  snprintf(text, sizeof text, "%d", slot);
  own_life = model->slot[slot].life; /* inherited: it may go up any time */
  running[slot] = START(worker, text);
  model->slot[slot].pid = (int)running[slot];
  model->maybe[running[slot]] = 0;
  model->ended[running[slot]] = 0;
  since[slot] = now_ms();
}

static void bury_ended(int slot, int status) {
  if (status != 0 && status != KILLED + SIGKILL) {
    if (shared->failure[0]) host_exit(1);
    test_fail(__FILE__, __LINE__, "process %d ended with status %d at %s", slot,
              status, model->slot[slot].now);
  }
  model->ended[running[slot]] = status == 0;
  tally.ended += status == 0;
  tally.killed += status != 0;
  bury(slot);
  running[slot] = 0;
}

/* Its status, if it has ended. */
static bool has_ended(int slot) {
  int status;
  if (waitpid((pid_t)running[slot], &status, WNOHANG) <= 0) return false;
  bury_ended(slot, WIFEXITED(status) ? WEXITSTATUS(status)
                                     : KILLED + WTERMSIG(status));
  return true;
}

static void check_progress(int slot) {
  enum { PATIENCE = 120 * 1000 };
  if (model->slot[slot].done != done[slot]) since[slot] = now_ms();
  done[slot] = model->slot[slot].done;
  if (now_ms() - since[slot] > PATIENCE)
    test_fail(__FILE__, __LINE__, "process %d hangs at %s", slot,
              model->slot[slot].now);
}

static void kill_one(int slot) {
  atomic_fetch_add(&model->slot[slot].life, 1);
  kill_process(running[slot]);
  bury_ended(slot, finish(running[slot]));
}

/* Half-way through something, for others to wait or to go round. */
static void stop_one(int slot) {
  kill((pid_t)running[slot], SIGSTOP);
  sleep_ms(random_below(20));
  kill((pid_t)running[slot], SIGCONT);
  tally.stopped++;
}

static void disturb(void) {
  int slot = (int)random_below(SLOTS);
  sleep_ms(random_below(15));
  if (one_in(5))
    stop_one(slot);
  else if (running[slot])
    kill_one(slot);
  for (int i = 0; i < SLOTS; i++) {
    if (running[i] && !has_ended(i)) check_progress(i);
    if (!running[i]) start(i);
  }
}

static void end_all(void) {
  model->stop = true;
  for (int i = 0; i < SLOTS; i++)
    while (running[i] && !has_ended(i)) {
      check_progress(i);
      sleep_ms(1);
    }
  model->stop = false;
}

/* In every second round somebody stays joined throughout, in the others the
 * last one to leave takes the counter with it. */
static void play_round(unsigned round, uint64_t end) {
  model->kept = round % 2 == 0;
  numbers_forget();
  if (model->kept) CHECK_OK(smem_join(&error));
  for (int i = 0; i < SLOTS; i++) start(i);
  while (now_ms() < end) disturb();
  end_all();
  PLAY(inspector, round % 4 < 2 ? "r" : "");
  if (model->kept) CHECK_OK(smem_leave(&error));
  CHECK_EQUAL(0, count_objects());
  tally.rounds++;
}

static uint64_t setting(const char *name, uint64_t otherwise) {
  const char *value = getenv(name);
  return value && *value ? strtoull(value, NULL, 10) : otherwise;
}

static void tell(void) {
  uint64_t operations = 0;
  for (int i = 0; i < SLOTS; i++) operations += model->slot[i].done;
  printf(
      "soak: %llu operations, %llu checked, %u killed, %u stopped, %u ended, "
      "%u rounds, seed %llu\n",
      (unsigned long long)operations, (unsigned long long)model->checks,
      tally.killed, tally.stopped, tally.ended, tally.rounds,
      (unsigned long long)seed);
  fflush(stdout);
}

enum { NO_LIMIT = 1000000000, ROUND = 5000 };

TEST_FOR(soak, NO_LIMIT) {
  seed = setting("SOAK_SEED", smem__process_random() % 1000000);
  state = mix(seed);
  uint64_t end = now_ms() + 1000 * setting("SOAK_SECONDS", 10);
  set_variable("SHAREDMEMORY_TIMEOUT", "100"); /* `busy` is a hang */
  printf("soak: SOAK_SEED=%llu\n", (unsigned long long)seed);
  letters = mmap(NULL, LETTERS * sizeof *letters, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(letters != MAP_FAILED);
  model_make();
  for (unsigned round = 0; now_ms() < end; round++) {
    uint64_t until = now_ms() + ROUND;
    play_round(round, until < end ? until : end);
  }
  tell();
}
