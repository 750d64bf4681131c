/* Walks over the objects of the namespace. */
#include "internal.h"

#include <string.h>

struct walk {
  const struct call *call;
  size_t prefix; /* length of what precedes the id */
  bool (*visit)(struct walk *walk, const char *name, const char *id);
  void *context;
  smem_code code;
  uint64_t seen;
};

static bool step(const char *name, void *context) {
  struct walk *walk = context;
  if (++walk->seen % 256 == 0 && !walk->call->must_finish &&
      process_interrupted()) {
    walk->code = fail(walk->call, SMEM_INTERRUPTED, 0, "interrupted");
    return false;
  }
  return walk->visit(walk, name, name + walk->prefix);
}

static smem_code walk_over(struct walk *walk) {
  struct name prefix;
  walk->code = name_prefix(walk->call, &prefix);
  if (walk->code != SMEM_OK) return walk->code;
  walk->prefix = strlen(prefix.text);
  os_status status = os_object_list(prefix.text, step, walk);
  /* No shared memory file system: nothing is there. */
  if (status.code != OS_OK && status.code != OS_NOT_FOUND)
    return fail_os(walk->call, status, "the segments cannot be listed");
  return walk->code;
}

/* ---- what others ask ------------------------------------------------------------ */

static bool visit_any(struct walk *walk, const char *name, const char *id) {
  (void)name;
  (void)id;
  *(bool *)walk->context = true;
  return false;
}

smem_code list_any(const struct call *call, bool *any) {
  struct walk walk = {call, 0, visit_any, any, SMEM_OK, 0};
  *any = false;
  return walk_over(&walk);
}

/* Numbers that the counter cannot have reached are somebody's names; to start
 * above them would use it up. */
static const uint64_t out_of_reach = SMEM_MAX_NUMBER / 2;

static bool visit_number(struct walk *walk, const char *name, const char *id) {
  uint64_t *highest = walk->context, number;
  (void)name;
  if (smem_id_is_number(id, &number) && number < out_of_reach &&
      number > *highest)
    *highest = number;
  return true;
}

smem_code list_highest_number(const struct call *call, uint64_t *highest) {
  struct walk walk = {call, 0, visit_number, highest, SMEM_OK, 0};
  *highest = 0;
  return walk_over(&walk);
}

/* Open `name`; SMEM_OK only for a complete segment, and then the caller closes. */
static smem_code open_entry(const char *name, const char *id,
                            struct segment *segment) {
  smem_error ignored;
  struct call call = {"list", id, 0, &ignored, false};
  os_status status;
  /* What nobody could have made through the core: its name is too long, too
   * short, or no text. */
  const char *why;
  if (!smem_id_is_valid(id, strlen(id), &why)) return SMEM_CORRUPT;
  copy_text(segment->name.text, sizeof segment->name.text, name);
  smem_code code = segment_try_open(&call, false, segment, &status);
  if (code == SMEM_OK && status.code == OS_NOT_FOUND) return SMEM_NOT_FOUND;
  if (code == SMEM_OK && status.code == OS_INCOMPLETE) return SMEM_BUSY;
  return code;
}

static bool is_own(const char *name, const char *id, struct segment *segment) {
  if (open_entry(name, id, segment) != SMEM_OK) return false;
  os_object_close(segment->object);
  return segment->footer.token == process_self()->token;
}

static bool visit_owned(struct walk *walk, const char *name, const char *id) {
  struct segment segment;
  *(bool *)walk->context = is_own(name, id, &segment);
  return !*(bool *)walk->context;
}

smem_code list_owned(const struct call *call, bool *any) {
  struct walk walk = {call, 0, visit_owned, any, SMEM_OK, 0};
  *any = false;
  return walk_over(&walk);
}

static bool visit_free(struct walk *walk, const char *name, const char *id) {
  struct segment segment;
  struct call call = *walk->call;
  call.id = id;
  if (is_own(name, id, &segment) &&
      segment.footer.lifetime == SMEM_OF_PROCESS)
    segment_remove_generation(&call, walk->context, segment.footer.generation);
  return true;
}

smem_code list_free_owned(const struct call *call, struct control *control) {
  struct walk walk = {call, 0, visit_free, control, SMEM_OK, 0};
  return walk_over(&walk);
}

/* ---- for the user ---------------------------------------------------------------- */

struct listing {
  bool (*visit)(const smem_entry *entry, void *context);
  void *context;
};

static bool visit_entry(struct walk *walk, const char *name, const char *id) {
  struct listing *listing = walk->context;
  struct segment segment;
  smem_entry entry = {id, 0, SMEM_DAMAGED};
  switch (open_entry(name, id, &segment)) {
  case SMEM_OK:
    os_object_close(segment.object);
    entry.state = SMEM_COMPLETE;
    entry.capacity = segment_capacity(&segment.footer);
    break;
  case SMEM_NOT_FOUND:
    return true; /* freed since its name was read */
  case SMEM_BUSY:
    entry.state = SMEM_INCOMPLETE;
    break;
  case SMEM_PERMISSION:
    entry.state = SMEM_FOREIGN;
    break;
  default:
    break;
  }
  return listing->visit(&entry, listing->context);
}

smem_code smem_list(bool (*visit)(const smem_entry *entry, void *context),
                    void *context, smem_error *error) {
  struct call call = {"list", "", 0, error, false};
  struct listing listing = {visit, context};
  struct walk walk = {&call, 0, visit_entry, &listing, SMEM_OK, 0};
  return walk_over(&walk);
}
