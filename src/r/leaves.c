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

_Static_assert(SMEM_COMPLEX - SMEM_RAW + 1 == R_TYPES, "r_types has them all");

/* What gets pages of its own when it is written: see smem_place(). */
enum { OWN_PAGES = 65536 };

static R_altrep_class_t classes[R_TYPES];

static uint64_t size_of(SEXP x) {
  return r_leaf(x)->length * smem_kind_size(r_kind_of(x));
}

static bool is_own(SEXP x) {
  return R_altrep_inherits(x, classes[r_kind_of(x) - SMEM_RAW]);
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
  smem_node node = r_leaf_find(leaf, r_kind_of(x));
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

R_READERS(bytes)

/* The ordinary vector that took its place may not have been written to. */
static bool is_as_it_was(SEXP x) {
  const struct leaf *leaf = r_leaf(x);
  const smem_tree *tree = &leaf->object->tree;
  smem_node node;
  return leaf->object->handle && !smem_tree_node(tree, leaf->node, &node) &&
         memcmp(leaf->bytes, tree->bytes + node.where, (size_t)size_of(x)) == 0;
}

bool r_numbers_is_pristine(SEXP x) {
  const struct leaf *leaf = r_leaf(x);
  if (leaf->written) return is_as_it_was(x);
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
    return r_numbers_new(r_kind_of(x), r_leaf_pointer(x), leaf->node,
                         leaf->length);
  }
  if (deep || size_of(x) < OWN_PAGES || !r_numbers_is_pristine(x)) return NULL;
  SEXP alias = PROTECT(r_object_alias(leaf->object));
  SEXP copy = alias == R_NilValue ? NULL
                                  : r_numbers_new(r_kind_of(x), alias,
                                                  leaf->node, leaf->length);
  UNPROTECT(1);
  return copy;
}

static SEXP state(SEXP x) {
  return r_numbers_is_pristine(x) ? r_leaf_state(x) : NULL;
}

SEXP r_numbers_new(smem_kind kind, SEXP object, uint64_t node,
                   uint64_t length) {
  return r_leaf_new(classes[kind - SMEM_RAW], object, node, length);
}

bool r_is_numbers(SEXP x) { return r_type_of(x) >= 0 && is_own(x); }

void r_leaves_start(DllInfo *dll) {
  static const struct r_methods methods = {
      r_leaf_length,   duplicate, r_leaf_inspect, state,
      r_leaf_of_state, pointer,   pointer_or_null};
  r_classes_start(classes, "shared", dll, &methods, &readers);
}
