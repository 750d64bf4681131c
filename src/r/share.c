/* Entry points of .Call: sharing whole objects, and the way back. */
#include "shared.h"

#include <string.h>

void r_shared_start(DllInfo *dll) {
  r_leaves_start(dll);
  r_strings_start(dll);
  r_lists_start(dll, r_make_element);
}

/* ---- what was just published --------------------------------------------- */

struct owned {
  const smem_reference *reference;
  smem_lifetime lifetime;
  bool made;
};

static SEXP make_own(void *data) {
  struct owned *own = data;
  SEXP x = r_make_found(own->reference, SMEM_AS_OWNER);
  own->made = true; /* the pointer's finalizer lets it go */
  return x;
}

static void end_own(void *data) {
  const struct owned *own = data;
  if (own->made) return;
  const char *id = own->reference->id;
  smem_object_let_go(own->reference);
  if (own->lifetime == SMEM_OF_OBJECT) return;
  smem_free(&id, 1, r_pointer_gone, NULL);
}

SEXP r_make_own(const smem_reference *reference, smem_lifetime lifetime) {
  struct owned own = {reference, lifetime, false};
  return R_ExecWithCleanup(make_own, &own, end_own, &own);
}

/* ---- share --------------------------------------------------------------- */

struct sharing {
  SEXP x, kept;
  const char *name, *trace; /* or NULL */
  smem_lifetime lifetime;
  struct plan *plan;
  smem_writer *writer;
  smem_reference reference;
};

static void end_sharing(void *data) {
  struct sharing *sharing = data;
  r_plan_dispose(sharing->plan);
  smem_write_abandon(sharing->writer);
}

static smem_code write_object(struct sharing *sharing, smem_error *error) {
  char what[SMEM_WHAT_SIZE], extent[SMEM_WHAT_SIZE];
  smem_publication publication = {.lifetime = sharing->lifetime,
                                  .trace = sharing->trace,
                                  .what = what,
                                  .extent = extent};
  r_describe(sharing->x, what, extent);
  r_plan_describe(sharing->plan, &publication);
  smem_code code = smem_write_begin(sharing->name, r_plan_size(sharing->plan),
                                    &sharing->writer, error);
  if (code != SMEM_OK) return code;
  code = r_plan_write(sharing->plan, sharing->writer, error);
  if (code != SMEM_OK) return code;
  smem_writer *writer = sharing->writer;
  sharing->writer = NULL;
  return smem_publish(writer, &publication, &sharing->reference, error);
}

static SEXP share(void *data) {
  struct sharing *sharing = data;
  smem_error error = SMEM_ERROR_INIT;
  sharing->plan = r_plan_new(sharing->lifetime, true);
  r_plan_make(sharing->plan, sharing->x, sharing->kept);
  smem_code code = write_object(sharing, &error);
  r_check(code, &error);
  r_plan_dispose(sharing->plan);
  sharing->plan = NULL;
  return r_make_own(&sharing->reference, sharing->lifetime);
}

SEXP r_share(SEXP x, SEXP name, SEXP lifetime) {
  smem_op op = SMEM_OP_SHARE;
  r_pointer_collect();
  smem_object_sweep();
  struct sharing sharing = {.x = x, .trace = r_current_call()};
  sharing.lifetime = r_object_lifetime(op, lifetime);
  if (name != R_NilValue) {
    name = r_ids(op, "name", name, false);
    if (XLENGTH(name) != 1)
      r_fail_argument(op, "", "`name` must be NULL or one name, not %.0f",
                      (double)XLENGTH(name));
    sharing.name = CHAR(STRING_ELT(name, 0));
    if (smem_id_is_raw(sharing.name))
      r_fail_argument(op, sharing.name,
                      "names that begin with \"/\" are those of "
                      "other programs' objects");
  }
  if (!sharing.name && (!r_can_be_shared(x) || r_is_shared_already(x)))
    return x;
  PROTECT(name);
  sharing.kept = PROTECT(Rf_cons(R_NilValue, R_NilValue));
  r_before_allocation(op);
  SEXP result = R_ExecWithCleanup(share, &sharing, end_sharing, &sharing);
  UNPROTECT(2);
  return result;
}

/* ---- open ---------------------------------------------------------------- */

SEXP r_open_shared(SEXP name) {
  smem_op op = SMEM_OP_OPEN;
  smem_error error = SMEM_ERROR_INIT;
  smem_handle *handle;
  smem_reference reference;
  r_pointer_collect();
  smem_object_sweep();
  SEXP id = PROTECT(r_id(op, name));
  smem_code code = smem_open(CHAR(id), SMEM_READ_ONLY, &handle, &error);
  error.op = op;
  r_check(code, &error);
  smem_refer(handle, &reference);
  bool is_object = smem_tree_is_there(handle->address, handle->capacity);
  smem_close(handle);
  if (!is_object)
    r_fail_argument(op, CHAR(id),
                    "this segment does not hold a shared object; see "
                    "viewSharedMemory() for its bytes");
  UNPROTECT(1);
  return r_make_found(&reference, SMEM_BY_NAME);
}

/* ---- is it shared? ------------------------------------------------------- */

SEXP r_is_shared(SEXP x) {
  r_pointer_collect();
  return Rf_ScalarLogical(r_leaf_inside(x) || r_is_view(x));
}

SEXP r_shared_id(SEXP x, SEXP full) {
  SEXP leaf = r_leaf_inside(x);
  if (!leaf) return r_view_id(x, full);
  r_pointer_collect();
  /* Of a vector that a list holds as a part, the list is meant. */
  SEXP keeper = leaf == r_leaf_behind(x) ? R_NilValue : r_leaf_keeper(leaf);
  const struct object *object =
      keeper == R_NilValue ? r_leaf(leaf)->object : r_object_of(keeper);
  bool with_space = r_flag(SMEM_OP_FIND, "full", full);
  SEXP id = PROTECT(r_id_of(&object->reference, object->handle, with_space));
  SEXP result = Rf_ScalarString(id);
  UNPROTECT(1);
  return result;
}

const smem_reference *r_reference_inside(SEXP x) {
  SEXP leaf = r_leaf_inside(x);
  return leaf ? &r_leaf(leaf)->object->reference : r_view_reference(x);
}

/* ---- unshare ------------------------------------------------------------- */

static SEXP unshared(SEXP x);

static SEXP plain_numbers(SEXP x) {
  SEXP copy = PROTECT(Rf_allocVector(TYPEOF(x), XLENGTH(x)));
  int index = r_type_of(x);
  if (XLENGTH(x) > 0)
    memcpy(r_vector_bytes(copy), DATAPTR_RO(x),
           (size_t)XLENGTH(x) * r_types[index].size);
  UNPROTECT(1);
  return copy;
}

static SEXP plain_strings(SEXP x) {
  SEXP copy = PROTECT(Rf_allocVector(STRSXP, XLENGTH(x)));
  for (R_xlen_t i = 0; i < XLENGTH(x); i++)
    SET_STRING_ELT(copy, i, STRING_ELT(x, i));
  UNPROTECT(1);
  return copy;
}

static SEXP plain_list(SEXP x) {
  SEXP copy = PROTECT(Rf_allocVector(VECSXP, XLENGTH(x)));
  for (R_xlen_t i = 0; i < XLENGTH(x); i++)
    SET_VECTOR_ELT(copy, i, unshared(VECTOR_ELT(x, i)));
  UNPROTECT(1);
  return copy;
}

/* An ordinary vector without attributes; another kind of object as a copy with
 * them. */
static SEXP plain(SEXP x) {
  if (TYPEOF(x) == STRSXP) return plain_strings(x);
  if (TYPEOF(x) == VECSXP) return plain_list(x);
  if (r_type_of(x) >= 0) return plain_numbers(x);
  return Rf_shallow_duplicate(x);
}

static void copy_attribute(SEXP tag, SEXP value, void *to) {
  value = PROTECT(unshared(value));
  Rf_setAttrib(to, tag, value);
  UNPROTECT(1);
}

static SEXP unshared(SEXP x) {
  if (!r_leaf_behind(x) && !r_leaf_inside(x)) return x;
  R_CheckStack();
  SEXP copy = PROTECT(plain(x));
  r_each_attribute(x, copy_attribute, copy);
  if (Rf_isS4(x) && !Rf_isS4(copy)) copy = Rf_asS4(copy, TRUE, 0);
  UNPROTECT(1);
  return copy;
}

SEXP r_unshare(SEXP x) { return unshared(x); }
