/* Leaves that are lists, from R 4.3 on: elements are made when they are first
 * asked for, and kept in data1, a list of the same length, or R_NilValue.
 *
 * An element that was set, as data.table does in place, or whose pointer was
 * given out to be written through, makes it an ordinary list, which travels by
 * value. */
#include "shared.h"

#if HAS_ALTLIST

static R_altrep_class_t class;
static SEXP (*make_element)(SEXP pointer, uint64_t node);

bool r_is_list(SEXP x) {
  return TYPEOF(x) == VECSXP && R_altrep_inherits(x, class);
}

static struct leaf *found(SEXP x) {
  struct leaf *leaf = r_leaf(x);
  if (!r_leaf_is_found(leaf)) leaf->first = r_leaf_find(leaf, SMEM_LIST).where;
  return leaf;
}

static SEXP elements(SEXP x) {
  SEXP made = R_altrep_data1(x);
  if (made == R_NilValue) {
    made = Rf_allocVector(VECSXP, r_leaf_length(x));
    R_set_altrep_data1(x, made);
  }
  return made;
}

static SEXP element(SEXP x, R_xlen_t i) {
  SEXP made = R_altrep_data1(x);
  SEXP value = made == R_NilValue ? R_NilValue : VECTOR_ELT(made, i);
  /* NULL is made again each time, which costs nothing. */
  if (value != R_NilValue || r_leaf(x)->written) return value;
  const struct leaf *leaf = found(x);
  value = PROTECT(make_element(r_leaf_pointer(x), leaf->first + (uint64_t)i));
  if (value != R_NilValue) SET_VECTOR_ELT(elements(x), i, value);
  UNPROTECT(1);
  return value;
}

static SEXP all(SEXP x) {
  R_xlen_t n = r_leaf_length(x);
  SEXP made = elements(x);
  if (r_leaf(x)->written) return made;
  for (R_xlen_t i = 0; i < n; i++) element(x, i);
  return made;
}

/* R itself never writes through a pointer to a list's elements. */
static void *pointer(SEXP x, Rboolean writable) {
  SEXP made = all(x);
  if (writable) r_leaf(x)->written = true;
  return (void *)(uintptr_t)DATAPTR_RO(made);
}

static const void *pointer_or_null(SEXP x) {
  return r_leaf(x)->written ? DATAPTR_RO(R_altrep_data1(x)) : NULL;
}

static void set_element(SEXP x, R_xlen_t i, SEXP value) {
  SEXP made = all(x);
  r_leaf(x)->written = true;
  SET_VECTOR_ELT(made, i, value);
}

bool r_lists_is_pristine(SEXP x) { return !r_leaf(x)->written; }

/* An ordinary list of the same elements; attributes are R's business. */
static SEXP duplicate(SEXP x, Rboolean deep) {
  const struct leaf *leaf = r_leaf(x);
  R_xlen_t n = r_leaf_length(x);
  if (!leaf->written && !leaf->object->handle)
    return r_leaf_new(class, r_leaf_pointer(x), leaf->node, leaf->length);
  SEXP copy = PROTECT(Rf_allocVector(VECSXP, n));
  for (R_xlen_t i = 0; i < n; i++) {
    SEXP value = element(x, i);
    SET_VECTOR_ELT(copy, i, deep ? Rf_duplicate(value) : value);
  }
  UNPROTECT(1);
  return copy;
}

static SEXP state(SEXP x) {
  return r_lists_is_pristine(x) ? r_leaf_state(x) : NULL;
}

SEXP r_lists_new(SEXP object, uint64_t node, uint64_t length) {
  return r_leaf_new(class, object, node, length);
}

void r_lists_start(DllInfo *dll, SEXP (*make)(SEXP pointer, uint64_t node)) {
  static const struct r_methods methods = {
      r_leaf_length,   duplicate, r_leaf_inspect, state,
      r_leaf_of_state, pointer,   pointer_or_null};
  make_element = make;
  class = R_make_altlist_class("shared_list", "sharedmemory", dll);
  r_class_start(class, &methods);
  R_set_altlist_Elt_method(class, element);
  R_set_altlist_Set_elt_method(class, set_element);
}

#else

bool r_is_list(SEXP x) {
  (void)x;
  return false;
}
bool r_lists_is_pristine(SEXP x) {
  (void)x;
  return false;
}
void r_lists_start(DllInfo *dll, SEXP (*make)(SEXP pointer, uint64_t node)) {
  (void)dll;
  (void)make;
}

#endif
