/* What processes do to the namespace, and how it must be when all have ended.
 */
#include "soak.h"

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

void act_list(void) {
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

void reclaim_all(bool persistent) {
  reclaim_begin(persistent ? RECLAIMS_ALL : RECLAIMS);
  CHECK_OK(smem_reclaim(false, persistent, check_fate, &persistent, &error));
  reclaim_end(self);
}

void act_reclaim(void) { reclaim_all(one_in(4)); }

void act_index(void) {
  uint64_t index, before = model->highest;
  CHECK_OK(smem_last_index(&index, &error));
  CHECK(!model->kept || index >= before);
}

void act_rejoin(void) {
  CHECK_OK(smem_leave(&error));
  if (one_in(2)) CHECK_OK(smem_join(&error));
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
  reclaim_all(false);
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

void check_end(bool by_reclaiming) {
  look_at_all();
  check_reclaimed();
  if (by_reclaiming)
    reclaim_all(true);
  else
    for (size_t i = 0; i < listing.count; i++)
      CHECK_OK(free_id(listing.entry[i].id));
  CHECK_EQUAL(0, count_listed());
  forget_all();
  CHECK_OK(smem_join(&error)); /* who was killed may have left its object */
  CHECK_OK(smem_leave(&error));
}
