/* Semaphores, events and barriers as R objects: external pointers to what the
 * core has opened, which travel as references, like arrays. */
#include "glue.h"

#include <string.h>

static const struct {
  const char *class, *tag;
} kinds[] = {[SMEM_SEMAPHORE] = {"sharedSemaphore", "sharedmemory_semaphore"},
             [SMEM_EVENT] = {"sharedEvent", "sharedmemory_event"},
             [SMEM_BARRIER] = {"sharedBarrier", "sharedmemory_barrier"}};

/* Anybody can give the class to another package's pointer, or to another kind;
 * the tag tells what is ours. 0: nothing. */
static smem_sync_kind kind_of(SEXP x) {
  static SEXP tags[SMEM_BARRIER + 1];
  if (TYPEOF(x) != EXTPTRSXP) return (smem_sync_kind)0;
  for (int kind = SMEM_SEMAPHORE; kind <= SMEM_BARRIER; kind++) {
    if (!tags[kind]) tags[kind] = Rf_install(kinds[kind].tag);
    if (R_ExternalPtrTag(x) == tags[kind]) return (smem_sync_kind)kind;
  }
  return (smem_sync_kind)0;
}

/* ---- life ---------------------------------------------------------------- */

static void finalize(SEXP x) {
  smem_sync *sync = R_ExternalPtrAddr(x);
  R_ClearExternalPtr(x);
  smem_sync_close(sync);
}

static SEXP new_pointer(smem_sync_kind kind) {
  SEXP x =
      PROTECT(R_MakeExternalPtr(NULL, Rf_install(kinds[kind].tag), R_NilValue));
  SEXP class = PROTECT(Rf_allocVector(STRSXP, 2));
  SET_STRING_ELT(class, 0, Rf_mkChar(kinds[kind].class));
  SET_STRING_ELT(class, 1, Rf_mkChar("sharedSync"));
  Rf_setAttrib(x, R_ClassSymbol, class);
  R_RegisterCFinalizer(x, finalize);
  UNPROTECT(2);
  return x;
}

static void read_reference(smem_op op, SEXP x, smem_reference *reference) {
  smem_sync_kind kind = kind_of(x);
  if (kind == 0)
    r_fail_argument(op, "",
                    "this is not what sharedSemaphore(), sharedEvent() or "
                    "sharedBarrier() has made");
  const char *wrong = r_reference_read(R_ExternalPtrProtected(x), reference);
  if (!wrong && reference->form != kind) wrong = r_reference_damaged;
  if (wrong) r_fail_argument(op, "", "%s", wrong);
}

/* What has come from elsewhere is opened at its first use. */
static smem_sync *open_now(smem_op op, SEXP x) {
  smem_error error = SMEM_ERROR_INIT;
  smem_reference reference;
  smem_sync *sync;
  r_pointer_collect();
  read_reference(op, x, &reference);
  R_RegisterCFinalizer(x, finalize);
  smem_code code =
      smem_sync_open_reference(kind_of(x), &reference, &sync, &error);
  error.op = op;
  r_check(code, &error);
  R_SetExternalPtrAddr(x, sync);
  return sync;
}

/* Whatever kind it is. */
static smem_sync *any_of(smem_op op, SEXP x) {
  smem_sync *sync = kind_of(x) ? R_ExternalPtrAddr(x) : NULL;
  return sync ? sync : open_now(op, x);
}

static smem_sync *one_of(smem_op op, SEXP x, smem_sync_kind kind) {
  if (kind_of(x) != kind)
    r_fail_argument(op, "", "this is not a %s", kinds[kind].class);
  return any_of(op, x);
}

/* ---- for all kinds ------------------------------------------------------- */

static void set_reference(SEXP x, const smem_sync *sync, smem_sync_kind kind) {
  smem_reference reference;
  smem_sync_refer(sync, &reference);
  reference.form = (uint8_t)kind;
  R_SetExternalPtrProtected(x, r_reference_bytes(&reference));
}

static uint32_t count_of(SEXP n) {
  if (n == R_NilValue) return 0;
  int64_t count = r_whole(SMEM_OP_OPEN, "n", n, 0);
  if (count < 1 || count > SMEM_SYNC_MOST)
    r_fail_argument(SMEM_OP_OPEN, "", "`n` is %.0f; it must be from 1 to 2^20",
                    (double)count);
  return (uint32_t)count;
}

SEXP r_sync_open(SEXP what, SEXP id, SEXP n) {
  smem_error error = SMEM_ERROR_INIT;
  smem_sync *sync;
  smem_sync_kind kind = (smem_sync_kind)Rf_asInteger(what);
  r_pointer_collect();
  id = PROTECT(r_id(SMEM_OP_OPEN, id));
  uint32_t count = count_of(n);
  SEXP x = PROTECT(new_pointer(kind));
  r_before_allocation(SMEM_OP_OPEN);
  smem_code code = smem_sync_open(kind, CHAR(id), count, &sync, &error);
  if (code == SMEM_OK) R_SetExternalPtrAddr(x, sync);
  r_check(code, &error);
  set_reference(x, sync, kind);
  UNPROTECT(2);
  return x;
}

SEXP r_sync_id(SEXP x, SEXP full) {
  smem_reference reference;
  bool with_space = r_flag(SMEM_OP_FIND, "full", full);
  read_reference(SMEM_OP_FIND, x, &reference);
  SEXP id = PROTECT(r_id_of(&reference, NULL, with_space));
  SEXP result = Rf_ScalarString(id);
  UNPROTECT(1);
  return result;
}

SEXP r_sync_count(SEXP x) {
  return Rf_ScalarInteger((int)smem_sync_count(any_of(SMEM_OP_OPEN, x)));
}

/* Did it come about? Not for want of time is FALSE; all else jumps. */
static SEXP answer(smem_code code, const smem_error *error) {
  if (code != SMEM_TIMEOUT) r_check(code, error);
  return Rf_ScalarLogical(code == SMEM_OK);
}

/* ---- semaphores ---------------------------------------------------------- */

SEXP r_semaphore_acquire(SEXP x, SEXP timeout) {
  smem_error error = SMEM_ERROR_INIT;
  uint64_t time = r_timeout(SMEM_OP_ACQUIRE, timeout);
  smem_sync *semaphore = one_of(SMEM_OP_ACQUIRE, x, SMEM_SEMAPHORE);
  return answer(smem_acquire(semaphore, time, NULL, &error), &error);
}

SEXP r_semaphore_release(SEXP x) {
  smem_error error = SMEM_ERROR_INIT;
  smem_sync *semaphore = one_of(SMEM_OP_RELEASE, x, SMEM_SEMAPHORE);
  r_check(smem_release(semaphore, &error), &error);
  return R_NilValue;
}

SEXP r_semaphore_permits(SEXP x) {
  uint32_t available, held;
  smem_permits(one_of(SMEM_OP_FIND, x, SMEM_SEMAPHORE), &available, &held);
  SEXP result = Rf_allocVector(INTSXP, 2);
  INTEGER(result)[0] = (int)available;
  INTEGER(result)[1] = (int)held;
  return result;
}

/* ---- events -------------------------------------------------------------- */

SEXP r_event_wait(SEXP x, SEXP timeout) {
  smem_error error = SMEM_ERROR_INIT;
  uint64_t time = r_timeout(SMEM_OP_WAIT_FOR, timeout);
  smem_sync *event = one_of(SMEM_OP_WAIT_FOR, x, SMEM_EVENT);
  return answer(smem_event_wait(event, time, &error), &error);
}

SEXP r_event_set(SEXP x, SEXP set) {
  smem_sync *event = one_of(SMEM_OP_WRITE, x, SMEM_EVENT);
  if (r_flag(SMEM_OP_WRITE, "set", set))
    smem_event_set(event);
  else
    smem_event_reset(event);
  return R_NilValue;
}

SEXP r_event_is_set(SEXP x) {
  return Rf_ScalarLogical(
      smem_event_is_set(one_of(SMEM_OP_READ, x, SMEM_EVENT)));
}

/* ---- barriers ------------------------------------------------------------ */

SEXP r_barrier_wait(SEXP x, SEXP timeout) {
  smem_error error = SMEM_ERROR_INIT;
  uint64_t time = r_timeout(SMEM_OP_WAIT_AT, timeout);
  smem_sync *barrier = one_of(SMEM_OP_WAIT_AT, x, SMEM_BARRIER);
  smem_code code = smem_barrier_wait(barrier, time, &error);
  r_check(code, &error);
  return R_NilValue;
}
