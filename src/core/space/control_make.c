/* Making and removing the control object.
 *
 * It comes into being like a segment: one process makes and locks it, it is
 * complete when it has its page, and it is cleaned away if that process dies in
 * between. It is removed under the lock of all presences, so that nobody is
 * left in an object that others cannot find. */
#include "control.h"

#include <string.h>

/* As it is written. */
union page {
  struct control_page page;
  char room[CONTROL_PAGE_SIZE];
};

/* ---- removing ------------------------------------------------------------ */

static os_status lock_presences(const struct control *control) {
  return smem__os_lock(control->file, LOCK_PRESENCE, LOCK_PRESENCES);
}

/* Of two who leave at once the later one sees that the other is gone. */
void smem__control_remove_unused(const struct call *call,
                                 struct control *control, const char *name) {
  bool any = true;
  struct call quiet = call_quietly(call);
  if (smem__control_is_intact(control)) /* its page may be cut off */
    smem__control_learn(control);       /* where to look */
  if (lock_presences(control).code == OS_OK &&
      smem__control_is_named(control) &&
      smem__walk_any(&quiet, &any) == SMEM_OK && !any)
    smem__os_control_remove(name);
}

smem_code smem__control_remove_damaged(const struct call *call,
                                       struct control *control,
                                       const char *name) {
  if (lock_presences(control).code == OS_OK) {
    if (smem__control_is_named(control)) smem__os_control_remove(name);
    return SMEM_OK;
  }
  return smem__fail(
      call, SMEM_CONTROL, 0,
      "the control object %s is damaged, or of another version of this "
      "package, and in use",
      name);
}

void smem__control_clean(const char *name) {
  os_object file;
  os_info info;
  smem__control_lock(); /* no child is to inherit it */
  if (smem__os_control_claim(name, &file, &info).code == OS_OK) {
    if (info.incomplete) smem__os_control_remove(name);
    smem__os_object_close(file);
  }
  smem__control_unlock();
}

/* ---- making -------------------------------------------------------------- */

/* A former control object may be lost, and with it where it spilled to. */
static void know_told(const struct call *call) {
  struct environment told;
  char directory[SMEM_DIRECTORY_SIZE];
  struct call quiet = call_quietly(call);
  smem__process_told(&told);
  if (smem__directory_choose(&quiet, "SHAREDMEMORY_SPILL", told.spill,
                             directory) == SMEM_OK &&
      directory[0])
    smem__spill_know(directory);
}

/* Numbers start above the ids that are there already, or they would be handed
 * out a second time. */
static smem_code fill(const struct call *call, struct control_page *page) {
  uint64_t highest = 0;
  char spill[SMEM_DIRECTORY_SIZE];
  know_told(call);
  smem_code code = smem__walk_highest_number(call, &highest);
  /* A system that cannot list: then O_EXCL finds what is taken. */
  if (code != SMEM_OK && code != SMEM_UNSUPPORTED) return code;
  smem__control_fill(page, highest);
  if (smem__spill_known(spill)) smem__control_note_spill(page, spill);
  return SMEM_OK;
}

static smem_code publish(const struct call *call, struct control *control,
                         const char *name) {
  union page page;
  memset(&page, 0, sizeof page);
  smem_code code = fill(call, &page.page);
  if (code != SMEM_OK) return code;
  os_status status =
      smem__os_control_publish(control->file, &page, sizeof page);
  if (status.code != OS_OK) return smem__control_fail(call, status, name);
  return smem__control_map(call, control);
}

/* An empty one. *control stays NULL if somebody else has made it. */
static smem_code create(const struct call *call, const char *name,
                        struct control **control) {
  os_object file;
  smem_code code = SMEM_OK;
  *control = NULL;
  smem__control_lock();
  os_status status = smem__os_control_create(name, &file);
  if (status.code == OS_OK && !(*control = smem__control_adopt(file))) {
    smem__os_object_close(file);
    code = smem__fail_no_memory(call);
  }
  smem__control_unlock();
  if (status.code == OS_OK || smem__is_taken(status)) return code;
  return smem__control_fail(call, status, name);
}

smem_code smem__control_make(const struct call *call, const struct name *name,
                             struct control **control) {
  smem_code code = create(call, name->text, control);
  if (code == SMEM_OK && *control) code = publish(call, *control, name->text);
  if (code == SMEM_OK) return code;
  /* What could not be made use of must not stay. */
  if (*control) {
    smem__control_remove_unused(call, *control, name->text);
    smem__control_release(*control);
  }
  *control = NULL;
  smem__control_clean(name->text);
  return code;
}
