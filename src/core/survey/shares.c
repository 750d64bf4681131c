/* Who has how much of the shared memory: all namespaces, all users. */
#include "survey.h"

#include <string.h>

struct group {
  struct group *next;
  struct space space;
  uint64_t user;
  smem_state state;
  uint64_t segments, resident;
};

/* One control object per namespace, opened at its first segment. */
struct place {
  struct place *next;
  struct space space;
  struct control *control;
};

struct tally {
  const struct call *call;
  struct group *groups;
  struct place *places;
  bool out_of_memory;
};

static struct place *place_of(struct tally *tally, const struct space *space) {
  struct place *place = tally->places;
  while (place && !smem__space_is_same(&place->space, space))
    place = place->next;
  if (place || !(place = smem__os_allocate(sizeof *place))) return place;
  place->space = *space;
  place->control = smem__control_peek_in(tally->call, space);
  place->next = tally->places;
  return tally->places = place;
}

static struct group *group_of(struct tally *tally, const struct space *space,
                              const smem_entry *entry) {
  struct group *group = tally->groups;
  while (group && (!smem__space_is_same(&group->space, space) ||
                   group->user != entry->user || group->state != entry->state))
    group = group->next;
  if (group || !(group = smem__os_allocate(sizeof *group))) return group;
  group->space = *space;
  group->user = entry->user;
  group->state = entry->state;
  group->next = tally->groups;
  return tally->groups = group;
}

static bool count(const char *name, const char *rest, void *context) {
  struct tally *tally = context;
  struct space space;
  const char *id;
  (void)rest;
  struct segment segment;
  smem_entry entry;
  bool opened;
  if (!smem__name_split(name, &space, &id)) return true; /* not one of ours */
  struct place *place = place_of(tally, &space);
  if (place &&
      !smem__list_examine(place->control, name, id, &entry, &segment, &opened))
    return true;
  if (place && opened) smem__os_object_close(segment.object);
  struct group *group = place ? group_of(tally, &space, &entry) : NULL;
  tally->out_of_memory = !group;
  if (!group) return false;
  group->segments++;
  if (entry.resident != UINT64_MAX) group->resident += entry.resident;
  return true;
}

static void report(const struct tally *tally,
                   void (*visit)(const smem_share *share, void *context),
                   void *context) {
  for (const struct group *group = tally->groups; group; group = group->next) {
    smem_share share = {sizeof share, group->space.text, group->user,
                        group->state, group->segments,   group->resident};
    visit(&share, context);
  }
}

static void dispose(struct tally *tally) {
  for (struct group *group = tally->groups, *next; group; group = next) {
    next = group->next;
    smem__os_release(group);
  }
  for (struct place *place = tally->places, *next; place; place = next) {
    next = place->next;
    if (place->control) smem__control_release(place->control);
    smem__os_release(place);
  }
}

smem_code smem_shares(void (*visit)(const smem_share *share, void *context),
                      void *context, smem_error *error) {
  struct call call = {SMEM_OP_LIST, "", 0, error, false};
  struct tally tally = {.call = &call};
  smem_code code = smem__walk_all(&call, count, &tally);
  if (code == SMEM_OK && tally.out_of_memory)
    code = smem__fail_no_memory(&call);
  if (code == SMEM_OK) report(&tally, visit, context);
  dispose(&tally);
  return code;
}
