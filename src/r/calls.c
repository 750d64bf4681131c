/* Entry points of .Call: the life of a segment. Others are in bytes.c, view.c
 * and report.c. */
#include "../core/object/object.h"
#include "glue.h"

#include <string.h>

/* How many elements of a vector between two looks for an interrupt. */
enum { LOOK_EVERY = 256 };

SEXP r_load(SEXP environment) {
  r_condition_start(environment);
  return R_NilValue;
}

/* Loaded again, the library finds its state as it is left here. */
SEXP r_unload(void) {
  r_pointer_collect();
  smem_unmap_all(r_pointer_gone);
  smem_stop();
  return R_NilValue;
}

/* ---- allocate ------------------------------------------------------------ */

static R_xlen_t common_length(SEXP size, SEXP name) {
  R_xlen_t sizes = XLENGTH(size), names = XLENGTH(name);
  if (sizes == names || names == 1) return sizes;
  if (sizes == 1) return names;
  r_fail_argument(SMEM_OP_ALLOCATE, "",
                  "`size` has %.0f elements and `name` has %.0f; lengths must "
                  "be equal, or one of them 1",
                  (double)sizes, (double)names);
}

struct result {
  SEXP ids, names;
  smem_request *requests;
  R_xlen_t n;
  bool done;
};

/* The memory that R needs for the ids may be what is lacking. */
static SEXP fill_ids(void *data) {
  struct result *result = data;
  for (R_xlen_t i = 0; i < result->n; i++) {
    char number[SMEM_NUMBER_SIZE];
    const smem_request *request = &result->requests[i];
    if (!request->name) smem_id_of_number(request->number, number);
    SET_STRING_ELT(
        result->ids, i,
        Rf_mkCharCE(request->name ? request->name : number, CE_UTF8));
  }
  result->done = true;
  return result->ids;
}

/* A call that fails has made nothing. */
static void take_back(void *data) {
  struct result *result = data;
  if (!result->done) smem_undo_allocate(result->requests, (size_t)result->n);
}

static bool is_flag(SEXP option, bool value) {
  return TYPEOF(option) == LGLSXP && XLENGTH(option) == 1 &&
         LOGICAL(option)[0] == value;
}

/* With options(sharedmemory.trace = TRUE): the R call that allocates, as text
 * in memory that R frees after this .Call. Otherwise NULL. */
const char *r_current_call(void) {
  static SEXP symbol;
  if (!is_flag(r_option("sharedmemory.trace", &symbol), true)) return NULL;
  SEXP call = PROTECT(r_package_call("trace_of_call", R_NilValue));
  const char *text = Rf_translateCharUTF8(STRING_ELT(call, 0));
  char *copied = R_alloc(strlen(text) + 1, 1);
  strcpy(copied, text);
  UNPROTECT(1);
  return copied;
}

/* Once per process, before its first segment: remove what crashes have left,
 * for a few milliseconds. Errors will come up again in the allocation itself.
 */
static void reclaim_once(smem_op op) {
  static bool done;
  static SEXP symbol;
  smem_error error = SMEM_ERROR_INIT;
  enum { NANOSECONDS = 3 * 1000 * 1000 };
  if (done) return;
  done = true;
  if (is_flag(r_option("sharedmemory.reclaim", &symbol), false)) return;
  smem_code code = smem_join(&error);
  /* Nobody is to wait twice. */
  if (code == SMEM_INTERRUPTED || code == SMEM_BUSY) {
    done = false;
    error.op = op;
    r_check(code, &error);
  }
  if (code == SMEM_OK) smem_reclaim_some(NANOSECONDS);
}

void r_before_allocation(smem_op op) {
  r_spill();
  reclaim_once(op);
}

SEXP r_allocate(SEXP size, SEXP name, SEXP lifetime, SEXP exclusive) {
  smem_op op = SMEM_OP_ALLOCATE;
  smem_error error = SMEM_ERROR_INIT;
  r_pointer_collect();
  smem_object_sweep();
  r_sizes_check(op, size);
  name = PROTECT(r_ids(op, "name", name, true));
  smem_lifetime life = r_lifetime(op, lifetime);
  bool only = r_flag(op, "exclusive", exclusive);
  R_xlen_t n = common_length(size, name);
  struct result result = {PROTECT(Rf_allocVector(STRSXP, n)), name, NULL, n,
                          false};
  smem_request single;
  result.requests =
      n == 1 ? &single
             : (smem_request *)R_alloc((size_t)n, sizeof(smem_request));
  const char *trace = r_current_call();
  for (R_xlen_t i = 0; i < n; i++) {
    SEXP id = STRING_ELT(name, XLENGTH(name) == 1 ? 0 : i);
    result.requests[i] =
        (smem_request){.size = sizeof(smem_request),
                       .bytes = r_size(op, size, XLENGTH(size) == 1 ? 0 : i),
                       .name = LENGTH(id) > 0 ? CHAR(id) : NULL,
                       .trace = trace};
  }
  r_before_allocation(op);
  smem_code code =
      smem_allocate(result.requests, (size_t)n, life, only, &error);
  if (code == SMEM_OK && r_interrupt_waits()) take_back(&result);
  r_check(code, &error);
  R_ExecWithCleanup(fill_ids, &result, take_back, &result);
  UNPROTECT(2);
  return result.ids;
}

/* ---- map, unmap, free ---------------------------------------------------- */

/* In memory that R frees after this .Call. */
static const char **texts_of(SEXP ids) {
  R_xlen_t n = XLENGTH(ids);
  const char **texts = (const char **)R_alloc((size_t)n, sizeof *texts);
  for (R_xlen_t i = 0; i < n; i++) texts[i] = CHAR(STRING_ELT(ids, i));
  return texts;
}

struct mapped {
  SEXP ids, pointers;
  const char **texts;
  smem_access access;
  smem_mapping **mappings;
  bool done;
};

/* The memory that R needs for the pointers may be what is lacking. */
static SEXP fill_pointers(void *data) {
  struct mapped *mapped = data;
  for (R_xlen_t i = 0; i < XLENGTH(mapped->ids); i++)
    SET_VECTOR_ELT(mapped->pointers, i,
                   r_pointer(mapped->mappings[i], mapped->access,
                             STRING_ELT(mapped->ids, i)));
  mapped->done = true;
  return mapped->pointers;
}

static void take_back_maps(void *data) {
  const struct mapped *mapped = data;
  if (!mapped->done)
    smem_undo_map(mapped->texts, (size_t)XLENGTH(mapped->ids), mapped->access,
                  r_pointer_gone);
}

SEXP r_map(SEXP id, SEXP readonly) {
  smem_op op = SMEM_OP_MAP;
  smem_error error = SMEM_ERROR_INIT;
  r_pointer_collect();
  SEXP ids = PROTECT(r_ids(op, "id", id, false));
  R_xlen_t n = XLENGTH(ids);
  struct mapped mapped = {.ids = ids, .texts = texts_of(ids)};
  mapped.access =
      r_flag(op, "readonly", readonly) ? SMEM_READ_ONLY : SMEM_READ_WRITE;
  mapped.mappings =
      (smem_mapping **)R_alloc((size_t)n, sizeof *mapped.mappings);
  mapped.pointers = PROTECT(Rf_allocVector(VECSXP, n));
  smem_code code =
      smem_map(mapped.texts, (size_t)n, mapped.access, mapped.mappings, &error);
  if (code == SMEM_OK && r_interrupt_waits()) take_back_maps(&mapped);
  r_check(code, &error);
  R_ExecWithCleanup(fill_pointers, &mapped, take_back_maps, &mapped);
  UNPROTECT(2);
  return n == 1 ? VECTOR_ELT(mapped.pointers, 0) : mapped.pointers;
}

SEXP r_unmap(SEXP id) {
  r_pointer_collect();
  SEXP ids = PROTECT(r_ids(SMEM_OP_UNMAP, "id", id, false));
  smem_unmap(texts_of(ids), (size_t)XLENGTH(ids), r_pointer_gone);
  UNPROTECT(1);
  return R_NilValue;
}

SEXP r_free(SEXP id) {
  smem_error error = SMEM_ERROR_INIT;
  r_pointer_collect();
  SEXP ids = PROTECT(r_ids(SMEM_OP_FREE, "id", id, false));
  r_check(
      smem_free(texts_of(ids), (size_t)XLENGTH(ids), r_pointer_gone, &error),
      &error);
  UNPROTECT(1);
  return R_NilValue;
}

SEXP r_seal(SEXP id) {
  smem_error error = SMEM_ERROR_INIT;
  r_pointer_collect();
  SEXP ids = PROTECT(r_ids(SMEM_OP_SEAL, "id", id, false));
  r_check(smem_seal(texts_of(ids), (size_t)XLENGTH(ids), &error), &error);
  UNPROTECT(1);
  return R_NilValue;
}

/* ---- has, size ----------------------------------------------------------- */

static void look_for_interrupt(R_xlen_t i) {
  if (i % LOOK_EVERY == LOOK_EVERY - 1) r_interrupted();
}

SEXP r_has(SEXP id) {
  smem_error error = SMEM_ERROR_INIT;
  r_pointer_collect();
  SEXP ids = PROTECT(r_ids(SMEM_OP_FIND, "id", id, false));
  R_xlen_t n = XLENGTH(ids);
  SEXP result = PROTECT(Rf_allocVector(LGLSXP, n));
  for (R_xlen_t i = 0; i < n; i++) {
    bool exists = false;
    smem_code code = smem_exists(CHAR(STRING_ELT(ids, i)), &exists, &error);
    LOGICAL(result)[i] = exists;
    look_for_interrupt(i);
    r_check_element(code, &error, i, n);
  }
  UNPROTECT(2);
  return result;
}

SEXP r_get_size(SEXP id) {
  smem_error error = SMEM_ERROR_INIT;
  r_pointer_collect();
  SEXP ids = PROTECT(r_ids(SMEM_OP_MEASURE, "id", id, false));
  R_xlen_t n = XLENGTH(ids);
  SEXP result = PROTECT(Rf_allocVector(REALSXP, n));
  for (R_xlen_t i = 0; i < n; i++) {
    uint64_t size = 0;
    smem_code code = smem_size(CHAR(STRING_ELT(ids, i)), &size, &error);
    REAL(result)[i] = (double)size;
    look_for_interrupt(i);
    r_check_element(code, &error, i, n);
  }
  UNPROTECT(2);
  return result;
}

/* ---- the namespace ------------------------------------------------------- */

SEXP r_last_index(void) {
  smem_error error = SMEM_ERROR_INIT;
  uint64_t index = 0;
  r_pointer_collect();
  smem_code code = smem_last_index(&index, &error);
  r_check(code, &error);
  return r_number(index);
}

SEXP r_join(void) {
  smem_error error = SMEM_ERROR_INIT;
  r_pointer_collect();
  smem_code code = smem_join(&error);
  r_check(code, &error);
  return R_NilValue;
}

SEXP r_leave(void) {
  smem_error error = SMEM_ERROR_INIT;
  r_pointer_collect();
  smem_code code = smem_leave(&error);
  r_check(code, &error);
  return R_NilValue;
}

SEXP r_random(void) { return Rf_ScalarInteger((int)(smem_random() >> 33)); }
