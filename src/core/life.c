/* The life of this process as a user of the core: start, fork, stop; joining
 * and leaving. */
#include "access/access.h"
#include "object/object_internal.h"
#include "survey/survey.h"
#include "sync/sync.h"

#include <stdlib.h>

static bool started;

/* ---- fork -------------------------------------------------------------------
 *
 * A child is a process of its own: it owns nothing of its parent's, has no
 * presence, and must close the parent's control object, or the parent would
 * look alive as long as the child lives. Its mappings it keeps. Mutexes are
 * taken around the fork so that the child finds what they guard in order. */

static void before_fork(void) {
  smem__object_before_fork();
  smem__mapping_before_fork();
  smem__sync_before_fork();
  smem__control_before_fork();
  smem__opening_before_fork();
  smem__name_before_fork();
  smem__process_before_fork();
}

static void in_parent(void) {
  smem__process_after_fork();
  smem__name_after_fork();
  smem__opening_after_fork();
  smem__control_after_fork();
  smem__sync_after_fork();
  smem__mapping_after_fork();
  smem__object_after_fork();
}

/* Unlocked, not made again: this thread is the one that has locked them. */
static void in_child(void) {
  smem__process_in_child();
  smem__name_after_fork();
  smem__opening_in_child();
  smem__presence_in_child();
  smem__control_in_child();
  smem__sync_in_child();
  smem__mapping_in_child();
  smem__object_in_child();
}

static void at_exit(void) {
  smem__process_ask(NULL); /* its world is gone by now */
  smem_stop();
}

void smem_start(bool (*interrupted)(void)) {
  smem__process_ask(interrupted);
  if (started) return;
  started = true;
  smem__process_start();
  smem__name_start();
  smem__opening_start();
  smem__control_start();
  smem__sync_start();
  smem__mapping_start();
  smem__object_start();
  smem__os_at_fork(before_fork, in_parent, in_child);
  atexit(at_exit);
}

/* ---- what this process owns ---------------------------------------------- */

static bool is_own(const char *name, const char *id, struct segment *segment) {
  if (smem__list_open(name, id, segment, NULL) != SMEM_OK) return false;
  smem__os_object_close(segment->object);
  return segment->footer.owner.token == smem__process_self()->token;
}

static bool visit_owned(const char *name, const char *id, void *context) {
  struct segment segment;
  bool *any = context;
  switch (smem__list_open(name, id, &segment, NULL)) {
  case SMEM_OK:
    smem__os_object_close(segment.object);
    *any = segment.footer.owner.token == smem__process_self()->token;
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
    smem__segment_remove_generation(&call, segment.footer.generation);
  return true;
}

/* ---- the end ------------------------------------------------------------- */

void smem_stop(void) {
  smem_error error = SMEM_ERROR_INIT;
  struct call call = {SMEM_OP_FREE, "", 0, &error, true};
  smem__object_stop();
  if (smem__process_settle()) smem__walk_own(&call, visit_free, &call);
  smem__sync_leave(true); /* what is held now is a dead process's */
  smem__presence_leave(&call, smem__presence_acts());
}

smem_code smem_join(smem_error *error) {
  struct call call = {SMEM_OP_JOIN, "", 0, error, false};
  struct control *control;
  smem_code code = smem__presence_join(&call, &control);
  if (code == SMEM_OK) smem__control_release(control);
  return code;
}

smem_code smem_leave(smem_error *error) {
  struct call call = {SMEM_OP_LEAVE, "", 0, error, false};
  bool owner = false;
  uint64_t before = smem__presence_acts();
  smem_code code = smem__walk_own(&call, visit_owned, &owner);
  /* What is mapped keeps us here too: see smem_map(). */
  if (code != SMEM_OK || owner || smem__mapping_any() || smem__handle_any() ||
      !smem__sync_leave(false))
    return code;
  if (!smem__presence_leave(&call, before)) return SMEM_OK;
  smem__numbers_forget();
  smem__namespace_forget();
  return SMEM_OK;
}
