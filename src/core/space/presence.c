/* Presence: joining and leaving the namespace, and with that its control
 * object.
 *
 *   state of a process     presence byte   how
 *   apart                  free            at start, in a forked child, after
 *                                          smem__presence_leave()
 *   joined                 locked          smem__presence_join()
 *   joined to a lost one   (unreachable)   somebody removed or damaged the
 *                                          object; noticed at the next join
 *
 * Whoever joins locks the byte of a presence, and looks then whether the object
 * still has its name. Whoever leaves gives up its own byte, locks all of them,
 * and looks then whether anything is left. Nothing that exists depends on the
 * object: if it is lost, numbers and presences begin again in another one. */
#include "control.h"

#include <string.h>

/* Under the mutex of the control objects, of which these are references. */
static struct control *joined;     /* or NULL */
static _Atomic uint64_t joined_by; /* pid; read without the mutex */

static _Atomic uint64_t acts; /* see smem__presence_count_act() */
static _Atomic bool freed;    /* see smem__presence_note_free() */

void smem__presence_in_child(void) {
  joined = NULL;
  freed = false;
}

struct control *smem__presence_reference(void) {
  smem__control_lock();
  struct control *control = joined;
  if (control) control->references++;
  smem__control_unlock();
  return control;
}

/* ---- joining ------------------------------------------------------------- */

/* *again: somebody who leaves has all of them locked, or has removed the
 * object. */
static smem_code take(const struct call *call, struct control *control,
                      bool *again) {
  smem__numbers_raise(control->page);
  uint64_t presence = atomic_fetch_add(&control->page->presence, 1) + 1;
  os_status status = smem__os_lock(control->file, LOCK_PRESENCE + presence, 1);
  *again = status.code == OS_BUSY ||
           (status.code == OS_OK && !smem__control_is_named(control));
  if (*again) return SMEM_OK;
  if (status.code != OS_OK)
    return smem__fail_os(call, status, "the presence lock cannot be taken");
  control->presence = presence;
  control->generation = atomic_load(&control->page->generation);
  return SMEM_OK;
}

/* Join what was found. *again: it is not, or not yet, what can be joined. */
static smem_code join_found(const struct call *call, struct control *control,
                            uint64_t size, const char *name, bool *again) {
  smem_code code = SMEM_OK;
  *again = true;
  if (size == 0) { /* being made, or left by a dead creator */
    smem__control_clean(name);
    return SMEM_OK;
  }
  if (size < CONTROL_PAGE_SIZE)
    return smem__control_remove_damaged(call, control, name);
  if (!control->page) code = smem__control_map(call, control);
  if (code != SMEM_OK) return code;
  if (smem__control_is_valid(control)) return take(call, control, again);
  smem__control_unmap(control);
  return smem__control_remove_damaged(call, control, name);
}

static smem_code join_once(const struct call *call, const struct name *name,
                           struct control **control, bool *again) {
  os_info info;
  smem_code code = smem__control_open(call, name, control, &info);
  if (code == SMEM_OK && !*control) {
    code = smem__control_make(call, name, control);
    info.size = CONTROL_PAGE_SIZE;
  }
  *again = true;
  if (code == SMEM_OK && *control)
    code = join_found(call, *control, info.size, name->text, again);
  if ((code != SMEM_OK || *again) && *control) {
    if (code != SMEM_OK)
      smem__control_remove_unused(call, *control, name->text);
    smem__control_release(*control);
    *control = NULL;
  }
  return code;
}

static smem_code join_until_done(const struct call *call,
                                 struct control **result) {
  struct patience patience = {0, 0};
  struct name name;
  bool again = true;
  smem_code code = smem__name_of_control(call, &name);
  while (code == SMEM_OK && again) {
    code = join_once(call, &name, result, &again);
    if (code == SMEM_OK && again) code = smem__patience_wait(call, &patience);
  }
  return code;
}

/* Let go of the joined one, if it is this one. */
static void forget(struct control *control) {
  smem__control_lock();
  bool was_joined = joined == control;
  if (was_joined) joined = NULL;
  smem__control_unlock();
  if (was_joined) smem__control_release(control);
}

/* Stay joined to this one, unless a thread that joined at the same time has
 * won: a process has one presence. */
static struct control *stay(struct control *control) {
  smem__control_lock();
  struct control *first = joined;
  if (!first) {
    joined = control;
    joined_by = smem__os_pid();
  }
  joined->references++;
  struct control *result = joined;
  smem__control_unlock();
  if (first) smem__control_release(control);
  return result;
}

smem_code smem__presence_join(const struct call *call,
                              struct control **result) {
  *result = smem__presence_reference();
  if (*result && smem__control_is_intact(*result)) return SMEM_OK;
  if (*result) {
    forget(*result);
    smem__control_release(*result);
    *result = NULL;
  }
  smem_code code = join_until_done(call, result);
  if (code != SMEM_OK) return code;
  *result = stay(*result);
  smem__control_learn(*result);
  return SMEM_OK;
}

/* ---- looking without joining --------------------------------------------- */

static smem_code peek(const struct call *call, const struct name *name,
                      struct control **result) {
  os_info info;
  smem_code code = smem__control_open(call, name, result, &info);
  if (code != SMEM_OK || !*result) return code;
  struct control *control = *result;
  if (info.size >= CONTROL_PAGE_SIZE) code = smem__control_map(call, control);
  if (code == SMEM_OK && control->page && smem__control_is_valid(control))
    control->generation = atomic_load(&control->page->generation);
  if (code == SMEM_OK) return code;
  smem__control_release(control);
  *result = NULL;
  return code;
}

smem_code smem__control_peek(const struct call *call, struct control **result) {
  struct name name;
  *result = smem__presence_reference();
  if (*result && smem__control_is_intact(*result)) {
    smem__control_learn(*result);
    return SMEM_OK;
  }
  if (*result) smem__control_release(*result);
  *result = NULL;
  smem_code code = smem__name_of_control(call, &name);
  if (code == SMEM_OK) code = peek(call, &name, result);
  if (code == SMEM_OK && *result) smem__control_learn(*result);
  return code;
}

struct control *smem__control_peek_in(const struct call *call,
                                      const struct space *space) {
  struct name name;
  struct control *control = NULL;
  struct call quiet = call_quietly(call);
  if (smem__space_is_own(space)) {
    if (smem__control_peek(&quiet, &control) != SMEM_OK) return NULL;
    return control;
  }
  smem__name_of_control_in(space, &name);
  return peek(&quiet, &name, &control) == SMEM_OK ? control : NULL;
}

/* ---- leaving ------------------------------------------------------------- */

void smem__presence_count_act(void) { atomic_fetch_add(&acts, 1); }
uint64_t smem__presence_acts(void) { return atomic_load(&acts); }
void smem__presence_note_free(void) { freed = true; }

/* Let go of the joined one, unless another thread is at work by its presence or
 * has been since `before`: what that one has made would belong to nobody. From
 * here on whoever needs a presence joins again. */
static bool withdraw(struct control *control, uint64_t before) {
  smem__control_lock();
  bool is_joined = joined == control;
  bool unused = atomic_load(&acts) == before &&
                control->references == (is_joined ? 2u : 1u);
  if (is_joined && unused) {
    joined = NULL;
    control->references--;
  }
  smem__control_unlock();
  return unused;
}

/* A process that has freed the last segment without ever having joined leaves
 * nobody behind who would remove the object. */
static void sweep(const struct call *call) {
  struct control *control;
  struct name name;
  if (!atomic_exchange(&freed, false) ||
      smem__control_peek(call, &control) != SMEM_OK || !control)
    return;
  /* Through the opening of a thread that has joined meanwhile its own presence
   * would not be seen. */
  if (control->presence == 0 && smem__control_is_intact(control) &&
      smem__name_of_control(call, &name) == SMEM_OK)
    smem__control_remove_unused(call, control, name.text);
  smem__control_release(control);
}

bool smem__presence_leave(const struct call *call, uint64_t before) {
  struct control *control = smem__presence_reference();
  struct name name;
  if (!control) {
    sweep(call);
    return true;
  }
  /* A child that was cloned past our fork handlers is not the one that joined.
   */
  bool is_ours = smem__os_pid() == joined_by &&
                 smem__name_of_control(call, &name) == SMEM_OK;
  bool left = withdraw(control, before);
  if (is_ours && left) {
    smem__os_unlock(control->file, LOCK_PRESENCE + control->presence, 1);
    smem__control_remove_unused(call, control, name.text);
  }
  smem__control_release(control);
  return left;
}
