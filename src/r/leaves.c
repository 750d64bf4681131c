/* Leaves of numbers: raw, logical, integer, double and complex vectors whose
 * elements are the bytes of a shared object.
 *
 * The mapping is a private one, for much of base R asks for a writable pointer
 * where it only reads: a page that is written to in fact is copied by the
 * kernel, and this leaf travels by value from then on. Before an assignment R
 * duplicates: a large leaf gets a fresh mapping then, so that only the pages
 * are copied that are written. */
#include "shared.h"

#include <string.h>

enum { KINDS = SMEM_COMPLEX - SMEM_RAW + 1 };

/* What gets pages of its own when it is written: see smem_place(). */
enum { OWN_PAGES = 65536 };

static R_altrep_class_t classes[KINDS];

static smem_kind kind_of(SEXP x) {
  switch (TYPEOF(x)) {
  case RAWSXP:
    return SMEM_RAW;
  case LGLSXP:
    return SMEM_LOGICAL;
  case INTSXP:
    return SMEM_INTEGER;
  case REALSXP:
    return SMEM_DOUBLE;
  default:
    return SMEM_COMPLEX;
  }
}

static uint64_t size_of(SEXP x) {
  return r_leaf(x)->length * smem_kind_size(kind_of(x));
}

static bool is_own(SEXP x) {
  return R_altrep_inherits(x, classes[kind_of(x) - SMEM_RAW]);
}

/* R uses logicals as indexes by their value, so that another one would corrupt
 * its memory. */
static void check_logicals(struct leaf *leaf) {
  const int *at = (const int *)(const void *)leaf->bytes;
  if (r_first_improper(at, leaf->length) < leaf->length)
    r_object_wrong(leaf->object, "a logical is neither TRUE nor FALSE nor NA");
  leaf->checked = true;
}

/* What an ordinary vector has taken the place of has `bytes` of its own, for
 * ever. */
static const char *find(SEXP x) {
  struct leaf *leaf = r_leaf(x);
  if (leaf->written) return leaf->bytes;
  smem_node node = r_leaf_find(leaf, kind_of(x));
  leaf->bytes = (const char *)leaf->object->tree.bytes + node.where;
  if (TYPEOF(x) == LGLSXP && !leaf->checked) {
    leaf->epoch = 0; /* as long as it is not known to be good */
    check_logicals(leaf);
    leaf->epoch = leaf->object->epoch;
  }
  return leaf->bytes;
}

static inline const char *bytes(SEXP x) {
  const struct leaf *leaf = r_leaf(x);
  return r_leaf_is_found(leaf) ? leaf->bytes : find(x);
}

/* Where the system has no private mappings, an ordinary vector takes the place
 * of the memory when somebody may write to it. */
static void detach(SEXP x) {
  struct leaf *leaf = r_leaf(x);
  const char *from = bytes(x);
  SEXP copy = PROTECT(Rf_allocVector(TYPEOF(x), r_leaf_length(x)));
  memcpy(r_vector_bytes(copy), from, (size_t)size_of(x));
  R_set_altrep_data1(x, copy);
  leaf->bytes = r_vector_bytes(copy);
  leaf->written = true;
  leaf->epoch = 0;
  UNPROTECT(1);
}

static void *pointer(SEXP x, Rboolean writable) {
  const char *at = bytes(x);
  struct leaf *leaf = r_leaf(x);
  if (!writable || leaf->written) return (void *)(uintptr_t)at;
  leaf->object->exposed = true;
  if (leaf->object->handle->access == SMEM_PRIVATE)
    return (void *)(uintptr_t)at;
  detach(x);
  return (void *)(uintptr_t)leaf->bytes;
}

/* NULL for what cannot be opened: the caller asks for elements then, and is
 * told. */
static const void *pointer_or_null(SEXP x) {
  const struct leaf *leaf = r_leaf(x);
  if (leaf->written) return leaf->bytes;
  if (!r_leaf_is_found(leaf) && leaf->object->handle) return find(x);
  return r_leaf_is_found(leaf) ? leaf->bytes : NULL;
}

static Rbyte raw_element(SEXP x, R_xlen_t i) {
  return ((const Rbyte *)bytes(x))[i];
}
static int int_element(SEXP x, R_xlen_t i) {
  return ((const int *)(const void *)bytes(x))[i];
}
static double real_element(SEXP x, R_xlen_t i) {
  return ((const double *)(const void *)bytes(x))[i];
}
static Rcomplex complex_element(SEXP x, R_xlen_t i) {
  return ((const Rcomplex *)(const void *)bytes(x))[i];
}

bool r_numbers_is_pristine(SEXP x) {
  const struct leaf *leaf = r_leaf(x);
  if (leaf->written) return false;
  if (!leaf->object->exposed || !r_leaf_is_found(leaf)) return true;
  uint64_t offset =
      (uint64_t)(leaf->bytes - (const char *)leaf->object->handle->address);
  return !smem_object_is_written(leaf->object->handle, offset, size_of(x));
}

/* NULL: R makes an ordinary copy. */
static SEXP duplicate(SEXP x, Rboolean deep) {
  const struct leaf *leaf = r_leaf(x);
  if (!leaf->written && !leaf->object->handle) {
    /* A copy of what is not there is not there either. */
    return r_numbers_new(kind_of(x), r_leaf_pointer(x), leaf->node,
                         leaf->length);
  }
  if (deep || size_of(x) < OWN_PAGES || !r_numbers_is_pristine(x)) return NULL;
  SEXP alias = PROTECT(r_object_alias(leaf->object));
  SEXP copy = alias == R_NilValue
                  ? NULL
                  : r_numbers_new(kind_of(x), alias, leaf->node, leaf->length);
  UNPROTECT(1);
  return copy;
}

static SEXP state(SEXP x) {
  return r_numbers_is_pristine(x) ? r_leaf_state(x) : NULL;
}

static SEXP from_state(SEXP class, SEXP given) {
  for (int i = 0; i < KINDS; i++)
    if (R_SEXP(classes[i]) == class) return r_leaf_of_state(classes[i], given);
  r_fail_argument("open", "", "the reference is damaged");
}

SEXP r_numbers_new(smem_kind kind, SEXP object, uint64_t node,
                   uint64_t length) {
  return r_leaf_new(classes[kind - SMEM_RAW], object, node, length);
}

bool r_is_numbers(SEXP x) { return r_type_of(x) >= 0 && is_own(x); }

static void set_methods(R_altrep_class_t class) {
  R_set_altrep_Length_method(class, r_leaf_length);
  R_set_altrep_Duplicate_method(class, duplicate);
  R_set_altrep_Inspect_method(class, r_leaf_inspect);
  R_set_altrep_Serialized_state_method(class, state);
  R_set_altrep_Unserialize_method(class, from_state);
  R_set_altvec_Dataptr_method(class, pointer);
  R_set_altvec_Dataptr_or_null_method(class, pointer_or_null);
}

void r_leaves_start(DllInfo *dll) {
  const char *package = "sharedmemory";
  R_altrep_class_t made[KINDS] = {
      R_make_altraw_class("shared_raw", package, dll),
      R_make_altlogical_class("shared_logical", package, dll),
      R_make_altinteger_class("shared_integer", package, dll),
      R_make_altreal_class("shared_double", package, dll),
      R_make_altcomplex_class("shared_complex", package, dll)};
  R_set_altraw_Elt_method(made[0], raw_element);
  R_set_altlogical_Elt_method(made[1], int_element);
  R_set_altinteger_Elt_method(made[2], int_element);
  R_set_altreal_Elt_method(made[3], real_element);
  R_set_altcomplex_Elt_method(made[4], complex_element);
  for (int i = 0; i < KINDS; i++) set_methods(made[i]);
  memcpy(classes, made, sizeof classes);
}
