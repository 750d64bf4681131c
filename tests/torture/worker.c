/* A process that does everything at random. */
#include "soak.h"

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

void work(int slot) {
  self = slot;
  random_start(mix(soak_seed + (uint64_t)self) + own_life);
  begin_life();
  while (!model->stop && !one_in(5000)) do_any();
  end_life();
}
