#include "model.h"

#include <stdarg.h>
#include <sys/mman.h>

struct model *model;
int self = -1;
uint32_t own_life;

enum { NUMBERS = 1 << 28 };

static void *common_memory(size_t size) {
  void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(at != MAP_FAILED);
  return at;
}

static void object_make(int i) {
  struct object *object = object_at(i);
  int own = (i - SHARED) % PRIVATE;
  object->owner = -1;
  object->holder = FREE;
  object->creating = object->removing = 1;
  if (i < SHARED) {
    object->lifetime = i % 3 == 2 ? SMEM_OF_PROCESS : SMEM_UNTIL_FREED;
    snprintf(object->name, sizeof object->name, "shared%d", i);
  } else if (i < NAMES) {
    object->owner = (i - SHARED) / PRIVATE;
    object->lifetime = own == 0 ? SMEM_OF_PROCESS : SMEM_UNTIL_FREED;
    snprintf(object->name, sizeof object->name, "own%d-%d", object->owner, own);
  }
}

void model_make(void) {
  model = common_memory(sizeof *model);
  model->maybe = common_memory(PIDS);
  model->ended = common_memory(PIDS);
  model->spent = common_memory(NUMBERS / 8);
  for (int i = 0; i < OBJECTS; i++) object_make(i);
  for (int i = 0; i < SLOTS; i++) model->slot[i].life = 1;
}

struct object *object_at(int index) {
  return &model->object[index];
}

static uint32_t index_of(const struct object *object) {
  return (uint32_t)(object - model->object);
}

bool object_id(const struct object *object, char *id) {
  uint64_t number = object->number;
  int holder = object->holder;
  bool known = holder == KNOWN || (self >= 0 && holder == self);
  if (object->name[0])
    snprintf(id, SMEM_ID_MAX, "%s", object->name);
  else
    smem_id_of_number(number, id);
  return object->name[0] || (known && number > 0);
}

/* ---- history ------------------------------------------------------------- */

static void remember(const struct watch *watch, enum seen seen,
                     uint32_t generation) {
  static const char *const words[] = {"?", "absent", "present", "made",
                                      "made or found"};
  struct object *object = watch->object;
  unsigned at = atomic_fetch_add(&object->events, 1) % HISTORY;
  object->history[at] =
      (struct event){watch->what,     words[seen],     generation,
                     watch->creating, watch->removing, self};
}

void object_fail(struct object *object, const char *format, ...) {
  char text[400], id[SMEM_ID_MAX + 1];
  va_list arguments;
  if (atomic_load(&shared->failed)) host_exit(1); /* the first one tells */
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  object_id(object, id);
  printf("process %d, '%s': %s\n", self, id, text);
  for (unsigned i = 0; i < HISTORY; i++) {
    struct event *event = &object->history[(object->events + i) % HISTORY];
    if (event->what)
      printf("  process %d: %s: %s %08x (%llu, %llu)\n", event->slot,
             event->what, event->seen, event->generation,
             (unsigned long long)event->creating,
             (unsigned long long)event->removing);
  }
  fflush(stdout);
  test_fail(__FILE__, __LINE__, "'%s': %s", id, text);
}

/* ---- who lives ----------------------------------------------------------- */

uint32_t brief(uint64_t generation) {
  return generation == 0 ? 0 : (uint32_t)(generation ^ generation >> 32) | 1;
}

static uint64_t creator_word(uint32_t generation) {
  return (uint64_t)generation << 32 | (uint64_t)(self & 7) << 28 | own_life;
}

/* In which of its lives did which slot create it? 0: not known. */
static uint32_t creator_life(const struct object *object, uint32_t generation,
                             struct slot **slot) {
  uint64_t creator = object->creator;
  *slot = &model->slot[creator >> 28 & 7];
  return generation != 0 && creator >> 32 == generation ? creator & 0xFFFFFFF
                                                        : 0;
}

bool creator_lives(const struct object *object, uint32_t generation) {
  struct slot *slot;
  uint32_t life = creator_life(object, generation, &slot);
  return life != 0 && slot->life == life;
}

bool creator_is_buried(const struct object *object, uint32_t generation) {
  struct slot *slot;
  uint32_t life = creator_life(object, generation, &slot);
  return life != 0 && slot->buried >= life;
}

/* ---- who is at what ------------------------------------------------------ */

static void announce(int flags, uint32_t index) {
  if (self >= 0 && flags)
    model->slot[self].at_work = (uint64_t)flags << 32 | index;
}

/* The generation, if it is a fact at this version. */
static uint32_t present_at(const struct object *object, uint64_t removing) {
  uint64_t present = object->present;
  return present >> 32 == (removing & 0xFFFFFFFF) ? (uint32_t)present : 0;
}

static bool may_reclaim(int flags, const struct object *object,
                        uint32_t generation) {
  bool concerned = (flags & RECLAIMS_ALL) ||
                   ((flags & RECLAIMS) && object->lifetime == SMEM_OF_PROCESS);
  return concerned && !creator_lives(object, generation);
}

/* Is somebody else doing this to the object, or anybody reclaiming it? */
static bool anybody_at(const struct object *object, int flag,
                       uint32_t generation) {
  for (int i = 0; i < SLOTS; i++) {
    uint64_t now = model->slot[i].at_work;
    int what = (int)(now >> 32);
    if (flag == REMOVES && may_reclaim(what, object, generation)) return true;
    if (i != self && (what & flag) && (uint32_t)now == index_of(object))
      return true;
  }
  return false;
}

void reclaim_begin(int flags) { announce(flags, 0); }

/* Whose creator lives even now was not reclaimed; of the others nobody knows.
 */
void reclaim_end(int slot) {
  if (slot < 0) return;
  int flags = (int)(model->slot[slot].at_work >> 32);
  for (int i = 0; i < OBJECTS; i++) {
    struct object *object = object_at(i);
    if (may_reclaim(flags, object, present_at(object, object->removing)))
      atomic_fetch_add(&object->removing, 1);
  }
  model->slot[slot].at_work = 0;
}

/* Whoever was killed between making it and writing that down has left a version
 * that knows nothing of it. */
static void bury_objects(int slot) {
  int pid = model->slot[slot].pid;
  for (int i = NAMES; i < OBJECTS; i++) {
    struct object *object = object_at(i);
    if (object->holder != slot) continue;
    if (object->number == 0) atomic_fetch_add(&model->maybe[pid], 1);
    atomic_fetch_add(&object->creating, 1);
    atomic_fetch_add(&object->removing, 1);
    object->holder = object->number == 0 ? FREE : KNOWN;
  }
}

void bury(int slot) {
  struct slot *dead = &model->slot[slot];
  uint64_t now = dead->at_work;
  if (now >> 32 & (CREATES | REMOVES)) {
    struct object *object = object_at((int)(uint32_t)now);
    atomic_fetch_add(&object->creating, 1);
    atomic_fetch_add(&object->removing, 1);
    dead->at_work = 0;
  } else {
    reclaim_end(slot);
  }
  bury_objects(slot);
  dead->buried = dead->life - 1;
}

/* ---- watching ------------------------------------------------------------ */

void watch_begin(struct watch *watch, struct object *object, const char *what,
                 int flags) {
  uint64_t creates = (flags & CREATES) != 0, removes = (flags & REMOVES) != 0;
  *watch = (struct watch){.object = object, .what = what, .flags = flags};
  if (self >= 0) model->slot[self].now = what;
  announce(flags, index_of(object));
  watch->creating = atomic_fetch_add(&object->creating, creates);
  watch->removing = atomic_fetch_add(&object->removing, removes);
  watch->present = present_at(object, watch->removing);
  watch->absent = object->absent == watch->creating + 1;
  watch->creating += creates;
  watch->removing += removes;
}

/* Nobody else has removed it since the beginning. Whoever was at it then and is
 * done has put the version up. */
static bool nobody_removed(const struct watch *watch, uint32_t generation) {
  return !anybody_at(watch->object, REMOVES, generation) &&
         watch->object->removing == watch->removing;
}

static bool nobody_created(const struct watch *watch) {
  return !anybody_at(watch->object, CREATES, 0) &&
         watch->object->creating == watch->creating;
}

enum seen watch_expects(const struct watch *watch) {
  if (watch->present && nobody_removed(watch, watch->present))
    return SEEN_PRESENT;
  return watch->absent && nobody_created(watch) ? SEEN_ABSENT : SEEN_NOTHING;
}

static void compare(const struct watch *watch, enum seen seen,
                    uint32_t generation) {
  struct object *object = watch->object;
  enum seen expected = watch_expects(watch);
  if (expected == SEEN_NOTHING || seen == SEEN_NOTHING) return;
  atomic_fetch_add(&model->checks, 1);
  if (expected == SEEN_ABSENT && seen == SEEN_PRESENT)
    object_fail(object, "%s: it came from nowhere, %08x", watch->what,
                generation);
  if (expected == SEEN_ABSENT) return;
  if (seen == SEEN_ABSENT && !(watch->flags & REMOVES))
    object_fail(object, "%s: %08x is lost", watch->what, watch->present);
  if (seen == SEEN_MADE)
    object_fail(object, "%s: %08x is there and was made again", watch->what,
                watch->present);
  if (generation && generation != watch->present)
    object_fail(object, "%s: %08x became %08x", watch->what, watch->present,
                generation);
}

/* A reclaim puts up no version when it begins. So a fact of another generation
 * at this version may still be in somebody's hands: it has to end first. */
static void write_present(const struct watch *watch, uint32_t generation) {
  struct object *object = watch->object;
  uint64_t before = object->present;
  uint32_t other = present_at(object, watch->removing);
  if (!nobody_removed(watch, generation)) return;
  if (other && other != generation)
    atomic_fetch_add(&object->removing, 1);
  else
    atomic_compare_exchange_strong(&object->present, &before,
                                   (watch->removing & 0xFFFFFFFF) << 32 |
                                       generation);
}

/* The creator first: the fact may depend on whether it lives. */
static void write_down(const struct watch *watch, enum seen seen,
                       uint32_t generation) {
  struct object *object = watch->object;
  if (seen == SEEN_ABSENT && nobody_created(watch))
    object->absent = watch->creating + 1;
  if (seen == SEEN_MADE && generation && object->removing == watch->removing)
    object->creator = creator_word(generation);
  if (seen != SEEN_ABSENT && generation) write_present(watch, generation);
  if (seen == SEEN_MADE && !generation && nobody_removed(watch, 0))
    object_fail(object, "%s: lost as soon as it was made", watch->what);
}

void watch_end(struct watch *watch, enum seen seen, uint64_t generation) {
  struct object *object = watch->object;
  remember(watch, seen, brief(generation));
  compare(watch, seen, brief(generation));
  if (seen != SEEN_NOTHING) write_down(watch, seen, brief(generation));
  if (watch->flags & CREATES) atomic_fetch_add(&object->creating, 1);
  if (watch->flags & REMOVES) atomic_fetch_add(&object->removing, 1);
  if (self < 0) return;
  if (watch->flags) model->slot[self].at_work = 0;
  atomic_fetch_add(&model->slot[self].done, 1);
}

/* ---- numbers ------------------------------------------------------------- */

void number_spent(uint64_t number) {
  uint64_t bit = UINT64_C(1) << number % 64;
  CHECK(number > 0 && number < NUMBERS);
  for (uint64_t most = model->highest;
       most < number &&
       !atomic_compare_exchange_weak(&model->highest, &most, number);) {
  }
  if (!model->kept) return;
  if (atomic_fetch_or(&model->spent[number / 64], bit) & bit)
    test_fail(__FILE__, __LINE__, "the number %llu was handed out twice",
              (unsigned long long)number);
}

void numbers_forget(void) {
  for (uint64_t i = 0; i <= model->highest / 64; i++) model->spent[i] = 0;
  model->highest = 0;
}

/* ---- contents ------------------------------------------------------------ */

uint64_t mix(uint64_t x) {
  x = (x + 0x9E3779B97F4A7C15u) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

uint64_t word_of(uint64_t generation, int i) {
  return i == 0 ? generation : mix(generation + (uint64_t)i) | 1;
}

unsigned char byte_of(const char *id, uint64_t offset) {
  uint64_t hash = 0;
  while (*id) hash = mix(hash + (unsigned char)*id++);
  return (unsigned char)(mix(hash + offset / 8) >> offset % 8 * 8) | 1;
}
