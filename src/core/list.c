/* Walks over the objects of the namespace, and what is known of each. */
#include "internal.h"

#include <string.h>

/* ---- walking --------------------------------------------------------------------- */

struct walk {
  const struct call *call;
  uint64_t skip;
  uint64_t *seen;
  bool (*visit)(const char *name, void *context);
  void *context;
  smem_code code;
};

static bool step(const char *name, void *context) {
  struct walk *walk = context;
  if (++*walk->seen <= walk->skip) return true;
  if (*walk->seen % 256 == 0 && !walk->call->must_finish &&
      process_interrupted()) {
    walk->code = fail(walk->call, SMEM_INTERRUPTED, 0, "interrupted");
    return false;
  }
  return walk->visit(name, walk->context);
}

smem_code list_walk(const struct call *call, const char *prefix, uint64_t skip,
                    bool (*visit)(const char *name, void *context),
                    void *context, uint64_t *seen) {
  struct walk walk = {call, skip, seen, visit, context, SMEM_OK};
  *seen = 0;
  os_status status = os_object_list(prefix, step, &walk);
  /* No shared memory file system: nothing is there. */
  if (status.code != OS_OK && status.code != OS_NOT_FOUND)
    return fail_os(call, status, "the segments cannot be listed");
  return walk.code;
}

/* What a visit of this namespace needs. */
struct visit {
  const struct call *call;
  struct control *control; /* may be NULL */
  size_t prefix;           /* length of what precedes the id */
  void *context;
};

static smem_code walk_own(struct visit *visit,
                          bool (*step_in)(const char *name, void *visit)) {
  struct name prefix;
  uint64_t seen;
  smem_code code = name_prefix(visit->call, &prefix);
  if (code != SMEM_OK) return code;
  visit->prefix = strlen(prefix.text);
  return list_walk(visit->call, prefix.text, 0, step_in, visit, &seen);
}

/* ---- what others ask ------------------------------------------------------------ */

static bool visit_any(const char *name, void *context) {
  struct visit *visit = context;
  (void)name;
  *(bool *)visit->context = true;
  return false;
}

smem_code list_any(const struct call *call, bool *any) {
  struct visit visit = {call, NULL, 0, any};
  *any = false;
  return walk_own(&visit, visit_any);
}

/* Numbers that the counter cannot have reached are somebody's names; to start
 * above them would use it up. */
static const uint64_t out_of_reach = SMEM_MAX_NUMBER / 2;

static bool visit_number(const char *name, void *context) {
  struct visit *visit = context;
  uint64_t *highest = visit->context, number;
  if (smem_id_is_number(name + visit->prefix, &number) &&
      number < out_of_reach && number > *highest)
    *highest = number;
  return true;
}

smem_code list_highest_number(const struct call *call, uint64_t *highest) {
  struct visit visit = {call, NULL, 0, highest};
  *highest = 0;
  return walk_own(&visit, visit_number);
}

/* Open `name`; SMEM_OK only for a complete segment, and then the caller closes.
 * `error` says what is wrong otherwise, SMEM_BUSY that it is incomplete. */
static smem_code open_entry(const char *name, const char *id,
                            struct segment *segment, smem_error *error) {
  struct call call = {"list", id, 0, error, false};
  os_status status;
  const char *why;
  /* Nobody can have made it through the core, nor can it be reached: its name is too
   * long, too short, not text, or an attempt on a terminal. */
  if (!smem_id_is_valid(id, strlen(id), &why))
    return fail(&call, SMEM_PERMISSION, 0, "its name is not an id, which %s", why);
  smem_copy_text(segment->name.text, sizeof segment->name.text, name);
  smem_code code = segment_try_open(&call, false, segment, &status);
  if (code == SMEM_OK && status.code == OS_NOT_FOUND) return SMEM_NOT_FOUND;
  if (code == SMEM_OK && status.code == OS_INCOMPLETE) return SMEM_BUSY;
  return code;
}

static bool is_own(const char *name, const char *id, struct segment *segment) {
  smem_error ignored;
  if (open_entry(name, id, segment, &ignored) != SMEM_OK) return false;
  os_object_close(segment->object);
  return segment->footer.token == process_self()->token;
}

static bool visit_owned(const char *name, void *context) {
  struct visit *visit = context;
  struct segment segment;
  smem_error ignored;
  bool *any = visit->context;
  switch (open_entry(name, name + visit->prefix, &segment, &ignored)) {
  case SMEM_OK:
    os_object_close(segment.object);
    *any = segment.footer.token == process_self()->token;
    break;
  case SMEM_NOT_FOUND:
  case SMEM_BUSY:
  case SMEM_CORRUPT:
  case SMEM_PERMISSION:
    break;
  default: /* it cannot be looked at now, for want of descriptors, say */
    *any = true;
    break;
  }
  return !*any;
}

smem_code list_owned(const struct call *call, bool *any) {
  struct visit visit = {call, NULL, 0, any};
  *any = false;
  return walk_own(&visit, visit_owned);
}

static bool visit_free(const char *name, void *context) {
  struct visit *visit = context;
  struct segment segment;
  struct call call = *visit->call;
  call.id = name + visit->prefix;
  if (is_own(name, call.id, &segment) &&
      segment.footer.lifetime == SMEM_OF_PROCESS)
    segment_remove_generation(&call, visit->control,
                              segment.footer.generation);
  return true;
}

smem_code list_free_owned(const struct call *call, struct control *control) {
  struct visit visit = {call, control, 0, NULL};
  return walk_own(&visit, visit_free);
}

/* ---- one entry ------------------------------------------------------------------- */

const char *smem_state_name(smem_state state) {
  static const char *const names[SMEM_STATES] = {
      [SMEM_LIVE] = "live",       [SMEM_ORPHAN] = "orphan",
      [SMEM_UNKNOWN] = "unknown", [SMEM_INCOMPLETE] = "incomplete",
      [SMEM_DAMAGED] = "damaged", [SMEM_FOREIGN] = "foreign"};
  return (unsigned)state < SMEM_STATES ? names[state] : "unknown";
}

static void describe(const struct control *control,
                     const struct segment *segment, smem_entry *entry) {
  const struct footer *footer = &segment->footer;
  entry->state = owner_state(control, footer);
  entry->capacity = segment_capacity(footer);
  entry->requested = footer->requested;
  entry->pid = footer->pid;
  entry->pid_is_ours = footer->pid_space != 0 &&
                       footer->pid_space == process_self()->os.pid_space;
  entry->created = footer->created;
  entry->lifetime = (smem_lifetime)footer->lifetime;
  entry->generation = footer->generation;
  entry->tag = footer->tag;
  entry->trace = footer->trace;
}

static void describe_object(const os_info *info, smem_entry *entry) {
  entry->resident = info->resident;
  entry->user = info->user;
  entry->identity[0] = info->identity[0];
  entry->identity[1] = info->identity[1];
}

/* Is a live creator at work on it? His lock or claim is on the control object that bears
 * the name now, which may be younger than the one we came with. */
static bool is_being_created(const struct control *control, const char *name,
                             const char *id) {
  smem_error ignored;
  struct call call = {"list", id, 0, &ignored, true};
  struct control *now = NULL;
  struct space space;
  os_info info;
  const char *same;
  bool usable = control && control_is_intact(control);
  if (!usable && name_split(name, &space, &same))
    now = control_peek_in(&call, space.text);
  if (!usable) control = now;
  bool is_held = control && (lock_is_held(control->file, lock_of_id(id)) ||
                             claim_covers(control, id));
  if (now) control_release(now);
  /* It may have been finished between our two looks. */
  return is_held || os_object_stat(name, &info).code != OS_INCOMPLETE;
}

bool list_examine(const struct control *control, const char *name,
                  const char *id, smem_entry *entry, struct segment *segment,
                  bool *opened) {
  static _Thread_local smem_error wrong;
  os_info info;
  *entry = (smem_entry){.id = id, .state = SMEM_DAMAGED, .tag = "", .trace = "",
                        .wrong = "", .resident = UINT64_MAX};
  *opened = false;
  switch (open_entry(name, id, segment, &wrong)) {
  case SMEM_OK:
    *opened = true;
    describe_object(&segment->info, entry);
    describe(control, segment, entry);
    return true;
  case SMEM_NOT_FOUND: /* freed since its name was read */
    return false;
  case SMEM_BUSY:
    if (is_being_created(control, name, id)) return false;
    entry->state = SMEM_INCOMPLETE;
    break;
  case SMEM_PERMISSION:
    entry->state = SMEM_FOREIGN;
    break;
  case SMEM_CORRUPT:
    entry->wrong = wrong.detail;
    break;
  default: /* it cannot be looked at now: no word on what it is */
    entry->state = SMEM_UNKNOWN;
    entry->wrong = wrong.detail;
    break;
  }
  os_code code = os_object_stat(name, &info).code;
  if (code == OS_NOT_FOUND) return false;
  if (os_stat_told(code)) describe_object(&info, entry);
  return true;
}

/* ---- for the user ---------------------------------------------------------------- */

struct listing {
  bool (*visit)(const smem_entry *entry, void *context);
  void *context;
};

static bool visit_entry(const char *name, void *context) {
  struct visit *visit = context;
  struct listing *listing = visit->context;
  struct segment segment;
  smem_entry entry;
  bool opened;
  if (!list_examine(visit->control, name, name + visit->prefix, &entry,
                    &segment, &opened))
    return true;
  if (opened) os_object_close(segment.object);
  return listing->visit(&entry, listing->context);
}

smem_code smem_list(bool (*visit_one)(const smem_entry *entry, void *context),
                    void *context, smem_error *error) {
  struct call call = {"list", "", 0, error, false};
  struct listing listing = {visit_one, context};
  struct visit visit = {&call, NULL, 0, &listing};
  struct space space;
  smem_code code = namespace_get(&call, &space);
  if (code != SMEM_OK) return code;
  /* Another user's control object, or a damaged one, does not keep us from
   * listing: owners are then judged by their processes. */
  visit.control = control_peek_in(&call, space.text);
  code = walk_own(&visit, visit_entry);
  if (visit.control) control_release(visit.control);
  return code;
}

smem_code smem_mapped_by(const char *id,
                         bool (*visit)(uint64_t pid,
                                       const uint64_t identity[2],
                                       void *context),
                         void *context, smem_error *error) {
  struct call call = {"list", id ? id : "", 0, error, false};
  struct name prefix;
  smem_code code =
      id ? name_of_segment(&call, &prefix) : name_prefix(&call, &prefix);
  if (code != SMEM_OK) return code;
  os_status status = os_mappings(prefix.text, visit, context);
  if (status.code == OS_OK) return SMEM_OK;
  return fail_os(&call, status, "the system does not tell who maps what");
}

void smem_command(uint64_t pid, char *buffer, size_t length) {
  os_process_command(pid, buffer, length);
}

/* Whatever it is, if it is a file of ours its bytes can be looked at. */
static bool open_damaged(const struct name *name, struct segment *segment,
                         uint64_t *size) {
  if (os_object_open(name->text, false, &segment->object, &segment->info)
          .code != OS_OK)
    return false;
  *size = segment->info.size;
  if (segment->info.user == os_user()) return true;
  os_object_close(segment->object);
  return false;
}

smem_code smem_inspect(const char *id, void *bytes, size_t *length, char *path,
                       size_t path_length,
                       void (*visit)(const smem_entry *entry, void *context),
                       void *context, smem_error *error) {
  struct call call = {"inspect", id, 0, error, false};
  struct segment segment;
  struct name name;
  smem_entry entry;
  bool opened;
  struct space space;
  smem_code code = name_of_segment(&call, &name);
  if (code != SMEM_OK || (code = namespace_get(&call, &space)) != SMEM_OK)
    return code;
  struct control *control = control_peek_in(&call, space.text);
  bool found = list_examine(control, name.text, id, &entry, &segment, &opened);
  if (control) control_release(control);
  if (!found) return fail(&call, SMEM_NOT_FOUND, 0, "no segment has this id");
  if (entry.state == SMEM_FOREIGN)
    return fail_owner(&call, name.text, entry.user);
  os_object_path(name.text, path, path_length);
  uint64_t size = entry.capacity;
  if (!opened && entry.state == SMEM_DAMAGED)
    opened = open_damaged(&name, &segment, &size);
  if (!opened) size = 0;
  if (*length > size) *length = (size_t)size;
  if (opened) {
    os_status status = os_object_read(segment.object, 0, bytes, *length);
    os_object_close(segment.object);
    if (status.code != OS_OK)
      return fail_os(&call, status, "its bytes cannot be read");
  }
  visit(&entry, context);
  return SMEM_OK;
}
