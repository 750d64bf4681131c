/* Is an R object what a shared object is, or a vector or list in it? Then it
 * need not be shared again. */
#include "shared.h"

static bool is_same(SEXP x, SEXP y);

struct comparison {
  SEXP other;
  bool same;
  R_xlen_t count;
};

static void compare_attribute(SEXP tag, SEXP value, void *context) {
  struct comparison *comparison = context;
  comparison->count++;
  if (comparison->same)
    comparison->same = is_same(value, r_attribute(comparison->other, tag));
}

static bool has_same_attributes(SEXP x, SEXP y) {
  struct comparison forth = {y, true, 0}, back = {x, true, 0};
  r_each_attribute(x, compare_attribute, &forth);
  if (!forth.same) return false;
  back.same = false; /* it need only count */
  r_each_attribute(y, compare_attribute, &back);
  return forth.count == back.count;
}

static bool is_same_leaf(SEXP a, SEXP b) {
  const struct leaf *x = r_leaf(a), *y = r_leaf(b);
  return x->object->reference.generation == y->object->reference.generation &&
         x->node == y->node && x->length == y->length && r_leaf_is_pristine(a);
}

static bool has_same_elements(SEXP x, SEXP y) {
  bool same = XLENGTH(x) == XLENGTH(y);
  for (R_xlen_t i = 0; i < XLENGTH(x) && same; i++)
    same = is_same(VECTOR_ELT(x, i), VECTOR_ELT(y, i));
  return same;
}

/* Elements that are leaves are not looked at. */
static bool is_same(SEXP x, SEXP y) {
  SEXP a = r_leaf_behind(x), b = r_leaf_behind(y);
  if (TYPEOF(x) != TYPEOF(y) || !a != !b || Rf_isS4(x) != Rf_isS4(y))
    return false;
  R_CheckStack();
  if (a) return is_same_leaf(a, b) && has_same_attributes(x, y);
  if (TYPEOF(x) == VECSXP)
    return has_same_elements(x, y) && has_same_attributes(x, y);
  return R_compute_identical(x, y, 16); /* what identical() asks by default */
}

/* Is x what the node stands for? */
static bool is_node(SEXP x, SEXP pointer, uint64_t number) {
  const struct object *object = r_object_of(pointer);
  if (!object->handle || !smem_handle_is_findable(object->handle)) return false;
  smem_node node = r_object_node(object, number);
  if (node.kind != r_kind_of(x) ||
      (node.kind != SMEM_S4 && node.length != (uint64_t)Rf_xlength(x)))
    return false;
  SEXP made = PROTECT(number == 0 ? r_make_object(pointer)
                                  : r_make_element(pointer, number));
  bool same = is_same(x, made);
  UNPROTECT(1);
  return same;
}

/* Of the object that holds what is found in it, or of that itself. */
bool r_is_shared_already(SEXP x) {
  if (HAS_ALTLIST && TYPEOF(x) != S4SXP && !ALTREP(x)) return false;
  SEXP leaf = r_leaf_inside(x);
  if (!leaf) return false;
  SEXP pointer = r_leaf_pointer(leaf), keeper = r_leaf_keeper(leaf);
  if (leaf == r_leaf_behind(x)) return is_node(x, pointer, r_leaf(leaf)->node);
  return (keeper != R_NilValue && is_node(x, keeper, 0)) ||
         is_node(x, pointer, 0);
}
