/* What names there are. */
#include "space.h"

#include <string.h>

struct walk {
  const struct call *call;
  size_t prefix; /* length of what precedes the id */
  uint64_t skip, *seen;
  visit_name *visit;
  void *context;
  smem_code code;
  bool stopped;
};

static bool step(const char *name, void *context) {
  struct walk *walk = context;
  if (++*walk->seen <= walk->skip) return true;
  walk->code = smem__patience_look(walk->call, *walk->seen);
  walk->stopped = walk->code != SMEM_OK ||
                  !walk->visit(name, name + walk->prefix, walk->context);
  return !walk->stopped;
}

/* Those of one directory. With the namespace "" those of all. */
static smem_code walk_directory(const struct space *space, struct walk *walk) {
  struct name prefix;
  smem__name_of_segment_in(space, "", &prefix);
  walk->prefix = strlen(prefix.text);
  if (!space->text[0]) /* without the dot after no namespace */
    prefix.text[--walk->prefix] = '\0';
  os_status status = smem__os_object_list(prefix.text, step, walk);
  /* No shared memory file system: nothing is there. */
  if (status.code != OS_OK && status.code != OS_NOT_FOUND)
    return smem__fail_os(walk->call, status, "the segments cannot be listed");
  return walk->code;
}

/* And those that were spilled. */
static smem_code walk_space(struct space space, struct walk *walk) {
  *walk->seen = 0;
  smem_code code = walk_directory(&space, walk);
  if (code == SMEM_OK && !walk->stopped && smem__spill_known(space.directory))
    code = walk_directory(&space, walk);
  return code;
}

smem_code smem__walk_all(const struct call *call, visit_name *visit,
                         void *context) {
  uint64_t seen;
  struct space space = smem__space_own();
  struct environment told;
  struct walk walk = {call, 0, 0, &seen, visit, context, SMEM_OK, false};
  if (!space.text[0]) { /* no namespace is needed, but where to look */
    smem__process_told(&told);
    smem_code code = smem__directory_choose(call, "SHAREDMEMORY_DIR",
                                            told.directory, space.directory);
    if (code != SMEM_OK) return code;
  }
  space.text[0] = '\0';
  return walk_space(space, &walk);
}

smem_code smem__walk_own_from(const struct call *call, uint64_t skip,
                              visit_name *visit, void *context,
                              uint64_t *seen) {
  struct space space;
  struct walk walk = {call, 0, skip, seen, visit, context, SMEM_OK, false};
  smem_code code = smem__namespace_get(call, &space);
  return code == SMEM_OK ? walk_space(space, &walk) : code;
}

smem_code smem__walk_own(const struct call *call, visit_name *visit,
                         void *context) {
  uint64_t seen;
  return smem__walk_own_from(call, 0, visit, context, &seen);
}

/* ---- what others ask ----------------------------------------------------- */

static bool visit_any(const char *name, const char *id, void *context) {
  (void)name;
  (void)id;
  *(bool *)context = true;
  return false;
}

smem_code smem__walk_any(const struct call *call, bool *any) {
  *any = false;
  return smem__walk_own(call, visit_any, any);
}

/* Numbers that the counter cannot have reached are somebody's names; to start
 * above them would use it up. */
static const uint64_t out_of_reach = SMEM_MAX_NUMBER / 2;

static bool visit_number(const char *name, const char *id, void *context) {
  uint64_t *highest = context, number;
  (void)name;
  if (smem_id_is_number(id, &number) && number < out_of_reach &&
      number > *highest)
    *highest = number;
  return true;
}

smem_code smem__walk_highest_number(const struct call *call,
                                    uint64_t *highest) {
  *highest = 0;
  return smem__walk_own(call, visit_number, highest);
}
