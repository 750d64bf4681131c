/* Locks of segments.
 *
 * What needs no look at the system is kept that way: an array keeps its lock
 * open, a mapped segment too, and what a thread holds is in a list of it. */
#include "../os/os.h"
#include "glue.h"

#include <math.h>
#include <string.h>

uint64_t r_timeout(smem_op op, SEXP x) {
  bool number = (TYPEOF(x) == REALSXP || TYPEOF(x) == INTSXP) &&
                XLENGTH(x) == 1 && !Rf_isObject(x);
  double seconds = number ? Rf_asReal(x) : NA_REAL;
  if (!(seconds >= 0))
    r_fail_argument(op, "",
                    "`timeout` must be a number of seconds, 0 or more, or Inf");
  double nanoseconds = ceil(seconds * 1e9);
  return nanoseconds < 1e19 ? (uint64_t)nanoseconds : SMEM_FOREVER;
}

/* ---- whose lock ---------------------------------------------------------- */

/* The lock of what `x` stands for. Those of arrays and of what is mapped stay
 * open by themselves; others are `opened`, to be closed. */
struct target {
  smem_latch *latch;
  bool opened;
};

static void open_reference(struct target *target, smem_op op,
                           const smem_reference *reference) {
  smem_error error = SMEM_ERROR_INIT;
  smem_code code = smem_latch_open_reference(reference, &target->latch, &error);
  error.op = op;
  r_check(code, &error);
  target->opened = true;
}

static void open_id(struct target *target, smem_op op, SEXP x) {
  smem_error error = SMEM_ERROR_INIT;
  const char *id = CHAR(PROTECT(r_id(op, x)));
  smem_code code = smem_latch_mapped(id, &target->latch, &error);
  if (code == SMEM_OK && !target->latch) {
    r_pointer_collect();
    code = smem_latch_open(id, &target->latch, &error);
    target->opened = code == SMEM_OK;
  }
  error.op = op;
  r_check(code, &error);
  UNPROTECT(1);
}

/* Of a shared object or a view; NULL of anything else. A vector that could be
 * an id is only looked at where it is R's own sort of vector no more. */
static const smem_reference *reference_behind(SEXP x) {
  bool plain = TYPEOF(x) == STRSXP || TYPEOF(x) == REALSXP ||
               TYPEOF(x) == INTSXP || TYPEOF(x) == LGLSXP;
  return plain && !ALTREP(x) ? NULL : r_reference_inside(x);
}

static struct target open_target(smem_op op, SEXP x) {
  struct target target = {NULL, false};
  const smem_reference *reference;
  if (r_is_array(x)) {
    target.latch = r_array_latch(op, x);
  } else if ((reference = reference_behind(x))) {
    r_pointer_collect();
    open_reference(&target, op, reference);
  } else {
    open_id(&target, op, x);
  }
  return target;
}

static void close_target(const struct target *target) {
  if (target->opened) smem_latch_close(target->latch);
}

/* ---- deaths -------------------------------------------------------------- */

/* What is told of one: id, pid, time. Not protected. */
static SEXP death_arguments(smem_latch *latch, const smem_told *told) {
  SEXP id =
      PROTECT(Rf_ScalarString(Rf_mkCharCE(smem_latch_id(latch), CE_UTF8)));
  SEXP pid = PROTECT(Rf_ScalarInteger(told->pid ? (int)told->pid : NA_INTEGER));
  SEXP time =
      PROTECT(Rf_ScalarReal(told->time ? (double)told->time / 1e9 : NA_REAL));
  SEXP arguments = Rf_list3(id, pid, time);
  UNPROTECT(3);
  return arguments;
}

/* May jump. */
static void warn_of_death(smem_latch *latch, const smem_told *told) {
  SEXP arguments = PROTECT(death_arguments(latch, told));
  r_package_call("warn_of_death", arguments);
  UNPROTECT(1);
}

/* Run what repairs, which may be told of the death. May jump. */
static void repair(smem_latch *latch, const smem_told *told, SEXP recovered) {
  SEXP arguments = PROTECT(death_arguments(latch, told));
  arguments = PROTECT(Rf_cons(recovered, arguments));
  r_package_call("recover", arguments);
  smem_lock_repaired(latch);
  UNPROTECT(2);
}

/* ---- locking ------------------------------------------------------------- */

struct locking {
  struct target target;
  smem_mode mode;
  uint64_t timeout, deadline; /* nanoseconds */
  smem_told told;
  bool held;
  SEXP frame, recovered; /* of withSharedLock() */
};

static void drop(void *data) {
  struct locking *locking = data;
  if (locking->held) smem_unlock(locking->target.latch, NULL);
  locking->held = false;
  close_target(&locking->target);
  locking->target.opened = false;
}

static struct locking new_locking(SEXP id, SEXP timeout, SEXP shared) {
  struct locking locking = {.timeout = r_timeout(SMEM_OP_LOCK, timeout),
                            .told = SMEM_TOLD_INIT};
  locking.mode =
      r_flag(SMEM_OP_LOCK, "shared", shared) ? SMEM_SHARED : SMEM_EXCLUSIVE;
  locking.target = open_target(SMEM_OP_LOCK, id);
  if (locking.timeout != 0 && locking.timeout != SMEM_FOREVER)
    locking.deadline = smem__os_steady_clock() + locking.timeout;
  return locking;
}

static smem_code take(struct locking *locking, smem_mode mode,
                      smem_error *error) {
  smem_latch *latch = locking->target.latch;
  smem_code code =
      smem_lock(latch, mode, locking->timeout, &locking->told, error);
  locking->held = code == SMEM_OK;
  if (locking->held && mode == SMEM_EXCLUSIVE) smem_lock_stamp(latch);
  return code;
}

static SEXP tell(void *data) {
  struct locking *locking = data;
  if (locking->told.died) warn_of_death(locking->target.latch, &locking->told);
  return R_NilValue;
}

/* What has to be done about the code of take() before anything else. Jumps for
 * an error; not for want of time if that `is_answer`. */
static void settle(struct locking *locking, smem_code code, bool is_answer,
                   const smem_error *error) {
  bool told = locking->told.died && locking->recovered == R_NilValue;
  if (code == SMEM_OK && !r_interrupt_waits()) return;
  if (code == SMEM_TIMEOUT && told && !r_interrupt_waits())
    R_ExecWithCleanup(tell, locking, drop, locking);
  drop(locking);
  if (code != SMEM_TIMEOUT || !is_answer || r_interrupt_waits())
    r_check(code, error);
}

/* ---- from one call to another -------------------------------------------- */

static SEXP tell_and_keep(void *data) {
  struct locking *locking = data;
  tell(data);
  locking->held = false; /* what drop() need not release */
  return R_NilValue;
}

static bool lock_slowly(struct locking *locking) {
  smem_error error = SMEM_ERROR_INIT;
  locking->recovered = R_NilValue;
  smem_code code = take(locking, locking->mode, &error);
  settle(locking, code, true, &error);
  if (code == SMEM_OK && locking->told.died)
    R_ExecWithCleanup(tell_and_keep, locking, drop, locking);
  else if (code == SMEM_OK)
    close_target(&locking->target);
  return code == SMEM_OK;
}

/* What is open and free needs no error record, which costs as much as a lock.
 */
static bool lock_quickly(const struct locking *locking) {
  if (locking->mode != SMEM_EXCLUSIVE || locking->target.opened ||
      r_interrupt_waits() || !smem_lock_quickly(locking->target.latch))
    return false;
  smem_lock_stamp(locking->target.latch);
  return true;
}

SEXP r_lock(SEXP id, SEXP timeout, SEXP shared) {
  struct locking locking = new_locking(id, timeout, shared);
  return Rf_ScalarLogical(lock_quickly(&locking) || lock_slowly(&locking));
}

/* The lock that this thread holds of an id, which may lead elsewhere by now. */
static struct target held_target(SEXP x) {
  if (r_is_array(x) || reference_behind(x))
    return open_target(SMEM_OP_UNLOCK, x);
  const char *id = CHAR(PROTECT(r_id(SMEM_OP_UNLOCK, x)));
  struct target target = {smem_latch_held(id), false};
  if (!target.latch)
    r_fail(SMEM_NOT_HELD, SMEM_OP_UNLOCK, id, "this thread has not locked it");
  UNPROTECT(1);
  return target;
}

static void unlock_slowly(const struct target *target) {
  smem_error error = SMEM_ERROR_INIT;
  smem_code code = smem_unlock(target->latch, &error);
  close_target(target);
  r_check(code, &error);
}

SEXP r_unlock(SEXP id) {
  struct target target = held_target(id);
  if (target.opened || !smem_unlock_quickly(target.latch))
    unlock_slowly(&target);
  return R_NilValue;
}

/* ---- for the time of some code ------------------------------------------- */

/* The time that is left. */
static void go_on(struct locking *locking) {
  if (locking->deadline == 0) return;
  uint64_t now = smem__os_steady_clock();
  locking->timeout = now < locking->deadline ? locking->deadline - now : 0;
}

static void unlock_now(struct locking *locking) {
  smem_error error = SMEM_ERROR_INIT;
  locking->held = false;
  smem_code code = smem_unlock(locking->target.latch, &error);
  r_check(code, &error);
}

static void change_mode(struct locking *locking, smem_mode mode) {
  smem_error error = SMEM_ERROR_INIT;
  unlock_now(locking);
  go_on(locking);
  smem_code code = take(locking, mode, &error);
  r_check(code, &error);
}

/* A holder died, and nobody has repaired since. Whoever repairs must be alone.
 */
static void recover(struct locking *locking) {
  smem_latch *latch = locking->target.latch;
  while (locking->told.dirty) {
    if (locking->mode == SMEM_SHARED) change_mode(locking, SMEM_EXCLUSIVE);
    if (locking->told.dirty) repair(latch, &locking->told, locking->recovered);
    if (locking->mode == SMEM_EXCLUSIVE) return;
    change_mode(locking, SMEM_SHARED);
  }
}

static SEXP run(void *data) {
  struct locking *locking = data;
  if (locking->recovered != R_NilValue)
    recover(locking);
  else
    tell(locking);
  SEXP value = PROTECT(Rf_eval(Rf_install("code"), locking->frame));
  unlock_now(locking);
  UNPROTECT(1);
  return value;
}

SEXP r_with_lock(SEXP id, SEXP frame, SEXP timeout, SEXP shared,
                 SEXP recovered) {
  smem_error error = SMEM_ERROR_INIT;
  if (recovered != R_NilValue && !Rf_isFunction(recovered))
    r_fail_argument(SMEM_OP_LOCK, "", "`recovered` must be NULL or a function");
  struct locking locking = new_locking(id, timeout, shared);
  locking.frame = frame;
  locking.recovered = recovered;
  smem_code code = take(&locking, locking.mode, &error);
  settle(&locking, code, false, &error);
  return R_ExecWithCleanup(run, &locking, drop, &locking);
}
