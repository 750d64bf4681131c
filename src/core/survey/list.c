/* What there is, and what is known of each. */
#include "survey.h"

#include "../object/object_internal.h"
#include "../sync/sync.h"

#include <string.h>

smem_code smem__list_open(const char *name, const char *id,
                          struct segment *segment, smem_error *error) {
  struct call call = {SMEM_OP_LIST, id, 0, error, false};
  os_status status;
  const char *why;
  /* Nobody can have made it through the core, nor can it be reached: its name
   * is too long, too short, not text, or an attempt on a terminal. */
  if (!smem_id_is_valid(id, strlen(id), &why))
    return smem__fail(&call, SMEM_PERMISSION, 0,
                      "its name is not an id, which %s", why);
  smem_copy_text(segment->name.text, sizeof segment->name.text, name);
  segment->footer.magic = 0; /* it may not come to reading it */
  smem_code code = smem__segment_try_open(&call, false, segment, &status);
  if (code == SMEM_OK && status.code == OS_NOT_FOUND) return SMEM_NOT_FOUND;
  if (code == SMEM_OK && status.code == OS_INCOMPLETE) return SMEM_BUSY;
  return code;
}

/* ---- one entry ----------------------------------------------------------- */

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
  entry->state = smem__owner_state(control, &footer->owner);
  entry->capacity = smem__segment_capacity(footer);
  entry->requested = footer->requested;
  entry->pid = footer->owner.pid;
  entry->pid_is_ours =
      footer->owner.pid_space != 0 &&
      footer->owner.pid_space == smem__process_self()->os.pid_space;
  entry->created = footer->created;
  entry->lifetime = (smem_lifetime)footer->lifetime;
  entry->sealed = segment->sealed;
  entry->generation = footer->generation;
  entry->tag = footer->tag;
  entry->trace = footer->trace;
  entry->is_object = footer->flags & FOOTER_OBJECT;
  if (entry->is_object) smem__object_counts(segment, entry);
  smem__lock_describe(control, segment, entry);
  entry->in_use |= smem__sync_in_use(control, segment);
}

static void describe_object(const os_info *info, smem_entry *entry) {
  entry->resident = info->resident;
  entry->user = info->user;
  entry->identity[0] = info->identity[0];
  entry->identity[1] = info->identity[1];
}

/* The part of a name before the last "/". */
static const char *directory_of(const char *name) {
  static _Thread_local char directory[SMEM_DIRECTORY_SIZE];
  const char *slash = strrchr(name, '/');
  size_t length = slash ? (size_t)(slash - name) : 0;
  if (length >= sizeof directory) length = 0;
  memcpy(directory, name, length);
  directory[length] = '\0';
  return directory;
}

bool smem__list_examine(const struct control *control, const char *name,
                        const char *id, smem_entry *entry,
                        struct segment *segment, bool *opened) {
  static _Thread_local smem_error wrong = SMEM_ERROR_INIT;
  os_info info;
  *entry = (smem_entry){.size = sizeof *entry,
                        .id = id,
                        .state = SMEM_DAMAGED,
                        .tag = "",
                        .trace = "",
                        .wrong = "",
                        .resident = UINT64_MAX,
                        .directory = directory_of(name)};
  *opened = false;
  switch (smem__list_open(name, id, segment, &wrong)) {
  case SMEM_OK:
    *opened = true;
    describe_object(&segment->info, entry);
    describe(control, segment, entry);
    return true;
  case SMEM_NOT_FOUND: /* freed since its name was read */
    return false;
  case SMEM_BUSY:
    if (!smem__segment_is_abandoned(name))
      return false; /* or it is complete by now */
    entry->state = SMEM_INCOMPLETE;
    break;
  case SMEM_PERMISSION:
    entry->state = SMEM_FOREIGN;
    break;
  case SMEM_CORRUPT:
    if (smem__footer_is_of_another_version(&segment->footer))
      entry->state = SMEM_UNKNOWN;
    entry->wrong = wrong.detail;
    break;
  default: /* it cannot be looked at now: no word on what it is */
    entry->state = SMEM_UNKNOWN;
    entry->wrong = wrong.detail;
    break;
  }
  os_code code = smem__os_object_stat(name, &info).code;
  if (code == OS_NOT_FOUND) return false;
  if (smem__os_stat_told(code)) describe_object(&info, entry);
  return true;
}

/* ---- for the user -------------------------------------------------------- */

struct listing {
  struct control *control; /* may be NULL */
  bool (*visit)(const smem_entry *entry, void *context);
  void *context;
};

static bool visit_entry(const char *name, const char *id, void *context) {
  const struct listing *listing = context;
  struct segment segment;
  smem_entry entry;
  bool opened;
  if (!smem__list_examine(listing->control, name, id, &entry, &segment,
                          &opened))
    return true;
  if (opened) smem__os_object_close(segment.object);
  return listing->visit(&entry, listing->context);
}

smem_code smem_list(bool (*visit_one)(const smem_entry *entry, void *context),
                    void *context, smem_error *error) {
  struct call call = {SMEM_OP_LIST, "", 0, error, false};
  struct listing listing = {NULL, visit_one, context};
  struct space space;
  smem_code code = smem__namespace_get(&call, &space);
  if (code != SMEM_OK) return code;
  /* Another user's control object, or a damaged one, does not keep us from
   * listing: owners are then judged by their processes. */
  listing.control = smem__control_peek_in(&call, &space);
  code = smem__walk_own(&call, visit_entry, &listing);
  if (listing.control) smem__control_release(listing.control);
  return code;
}

smem_code smem_last_index(uint64_t *index, smem_error *error) {
  struct call call = {SMEM_OP_COUNT, "", 0, error, false};
  struct control *control;
  smem_code code = smem__control_peek(&call, &control);
  if (code != SMEM_OK) return code;
  if (!control || !control->page) /* none yet, or only just made */
    code = smem__walk_highest_number(&call, index);
  else if (control->generation != 0)
    *index = atomic_load(&control->page->number);
  else
    code = smem__fail(&call, SMEM_CONTROL, 0, "the control object is damaged");
  if (control) smem__control_release(control);
  return code;
}
