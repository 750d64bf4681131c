/* The life of this process as a user of the core: start, fork, stop; joining and
 * leaving. */
#include "access/access.h"
#include "object/object_internal.h"
#include "survey/survey.h"

#include <stdlib.h>

static bool started;

/* ---- fork ------------------------------------------------------------------------
 *
 * A child is a process of its own: it owns nothing of its parent's, has no
 * presence, and must close the parent's control object, or the parent would look
 * alive as long as the child lives. Its mappings it keeps. Mutexes are taken
 * around the fork so that the child finds what they guard in order. */

static void before_fork(void) {
  object_before_fork();
  mapping_before_fork();
  control_before_fork();
  opening_before_fork();
  name_before_fork();
  process_before_fork();
}

static void in_parent(void) {
  process_after_fork();
  name_after_fork();
  opening_after_fork();
  control_after_fork();
  mapping_after_fork();
  object_after_fork();
}

/* Unlocked, not made anew: this thread is the one that has locked them. */
static void in_child(void) {
  process_in_child();
  name_after_fork();
  opening_in_child();
  control_in_child();
  mapping_in_child();
  object_in_child();
}

static void at_exit(void) {
  process_ask(NULL); /* its world is gone by now */
  smem_stop();
}

void smem_start(bool (*interrupted)(void)) {
  process_ask(interrupted);
  if (started) return;
  started = true;
  process_start();
  name_start();
  opening_start();
  control_start();
  mapping_start();
  object_start();
  os_at_fork(before_fork, in_parent, in_child);
  atexit(at_exit);
}

/* ---- what this process owns ------------------------------------------------------ */

static bool is_own(const char *name, const char *id, struct segment *segment) {
  smem_error ignored;
  if (list_open(name, id, segment, &ignored) != SMEM_OK) return false;
  os_object_close(segment->object);
  return segment->footer.owner.token == process_self()->token;
}

static bool visit_owned(const char *name, const char *id, void *context) {
  struct segment segment;
  smem_error ignored;
  bool *any = context;
  switch (list_open(name, id, &segment, &ignored)) {
  case SMEM_OK:
    os_object_close(segment.object);
    *any = segment.footer.owner.token == process_self()->token;
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

static bool visit_free(const char *name, const char *id, void *context) {
  struct segment segment;
  struct call call = *(const struct call *)context;
  call.id = id;
  if (is_own(name, id, &segment) && segment.footer.lifetime == SMEM_OF_PROCESS)
    segment_remove_generation(&call, segment.footer.generation);
  return true;
}

/* ---- the end --------------------------------------------------------------------- */

void smem_stop(void) {
  smem_error error;
  struct call call = {"free", "", 0, &error, true};
  object_stop();
  if (process_settle()) walk_own(&call, visit_free, &call);
  control_leave(&call, control_uses());
}

smem_code smem_join(smem_error *error) {
  struct call call = {"join", "", 0, error, false};
  struct control *control;
  smem_code code = control_join(&call, &control);
  if (code == SMEM_OK) control_release(control);
  return code;
}

smem_code smem_leave(smem_error *error) {
  struct call call = {"leave", "", 0, error, false};
  bool owner = false;
  uint64_t before = control_uses();
  smem_code code = walk_own(&call, visit_owned, &owner);
  /* What is mapped keeps us here too: see smem_map(). */
  if (code != SMEM_OK || owner || mapping_any() || handle_any()) return code;
  if (!control_leave(&call, before)) return SMEM_OK;
  control_forget_numbers();
  namespace_forget();
  return SMEM_OK;
}
