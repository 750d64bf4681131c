/* Elements of arrays that change as one step. */
#include "array.h"

#include <string.h>

/* An element as its bits, and as the numbers that it can be. */
union number {
  int32_t int32;
  uint32_t uint32;
  int64_t int64;
};

enum kind { IS_INT32, IS_UINT32, IS_INT64, IS_DOUBLE };

static enum kind kind_of(smem_op op, const struct r_array *array) {
  static const char *const names[] = {"integer", "uint32", "int64", "double"};
  const char *name = array->element->type.name;
  for (int kind = IS_INT32; kind <= IS_DOUBLE; kind++)
    if (strcmp(name, names[kind]) == 0) return (enum kind)kind;
  r_fail_argument(op, array->reference.id,
                  "the array is of type %s; this works on types integer, "
                  "int64, uint32 and double",
                  name);
}

/* Where the one element is that `i` names. Jumps. */
static R_xlen_t position_of(smem_op op, const struct r_array *array, SEXP i) {
  const char *id = array->reference.id;
  R_xlen_t position = r_position(i, array->length);
  if (position >= 0) return position;
  bool number = (TYPEOF(i) == INTSXP || TYPEOF(i) == REALSXP) &&
                XLENGTH(i) == 1 && !Rf_isObject(i);
  if (number && Rf_asReal(i) > (double)array->length)
    r_fail(SMEM_BOUNDS, op, id, "`i` is %.0f, beyond the end, which is %.0f",
           Rf_asReal(i), (double)array->length);
  r_fail_argument(op, id, "`i` must be one position, from 1 on");
}

static void *place_of(const struct r_array *array, R_xlen_t position) {
  return array->bytes + (size_t)position * array->element->type.size;
}

/* ---- adding -------------------------------------------------------------- */

static union number look(enum kind kind, void *at) {
  union number seen = {.int64 = 0};
  if (kind == IS_INT32)
    smem_add_int32(at, 0, &seen.int32);
  else if (kind == IS_UINT32)
    smem_add_uint32(at, 0, &seen.uint32);
  else
    smem_add_int64(at, 0, &seen.int64);
  return seen;
}

static bool is_na(enum kind kind, union number x) {
  return (kind == IS_INT32 && x.int32 == INT32_MIN) ||
         (kind == IS_INT64 && x.int64 == INT64_MIN);
}

/* False: this type cannot hold the sum. What stands for NA in integer and int64
 * is not a number. */
static bool add(enum kind kind, union number *x, int64_t by) {
  int64_t sum;
  if (kind == IS_INT64) {
    int64_t from = x->int64;
    if (by > 0 ? from > INT64_MAX - by : from <= INT64_MIN - by) return false;
    x->int64 = from + by;
    return true;
  }
  sum = (kind == IS_INT32 ? x->int32 : (int64_t)x->uint32) + by;
  if (kind == IS_INT32) {
    if (sum > INT32_MAX || sum <= INT32_MIN) return false;
    x->int32 = (int32_t)sum;
    return true;
  }
  if (sum > UINT32_MAX || sum < 0) return false;
  x->uint32 = (uint32_t)sum;
  return true;
}

static SEXP in_r(const struct r_array *array, R_xlen_t position,
                 union number x) {
  double real = 0;
  int whole = 0;
  bool is_int = array->element->type.type == INTSXP;
  if (r_element_load(array->element, is_int ? (void *)&whole : &real, &x, 1) !=
      1)
    r_element_fail(array->reference.id, position);
  return is_int ? Rf_ScalarInteger(whole) : Rf_ScalarReal(real);
}

static SEXP add_real(void *at, SEXP by) {
  double before, number = NA_REAL;
  bool good = (TYPEOF(by) == REALSXP || TYPEOF(by) == INTSXP) &&
              XLENGTH(by) == 1 && !Rf_isObject(by);
  if (good) number = Rf_asReal(by);
  if (ISNAN(number))
    r_fail_argument(SMEM_OP_ADD_TO, "", "`by` must be one number");
  smem_add_double(at, number, &before);
  return Rf_ScalarReal(before);
}

static SEXP add_whole(const struct r_array *array, enum kind kind,
                      R_xlen_t position, SEXP by) {
  void *at = place_of(array, position);
  const char *id = array->reference.id;
  if (by == R_NilValue)
    r_fail_argument(SMEM_OP_ADD_TO, id, "`by` must be one whole number");
  int64_t step = r_whole(SMEM_OP_ADD_TO, "by", by, 1);
  for (;;) {
    union number before = look(kind, at), after = before;
    if (is_na(kind, before))
      r_fail_argument(SMEM_OP_ADD_TO, id, "element %.0f is NA",
                      (double)position + 1);
    SEXP value = PROTECT(in_r(array, position, before));
    if (!add(kind, &after, step))
      r_fail_argument(SMEM_OP_ADD_TO, id,
                      "element %.0f is %.0f, and %.0f more does not fit into "
                      "type %s; nothing was added",
                      (double)position + 1, Rf_asReal(value), (double)step,
                      array->element->type.name);
    UNPROTECT(1);
    if (smem_compare_and_set(at, &before, &after, array->element->type.size))
      return value;
  }
}

SEXP r_fetch_add(SEXP x, SEXP i, SEXP by) {
  const struct r_array *array = r_array_writable(SMEM_OP_ADD_TO, x);
  enum kind kind = kind_of(SMEM_OP_ADD_TO, array);
  R_xlen_t position = position_of(SMEM_OP_ADD_TO, array, i);
  if (kind == IS_DOUBLE) return add_real(place_of(array, position), by);
  return add_whole(array, kind, position, by);
}

/* ---- comparing ----------------------------------------------------------- */

static void pack(const struct r_array *array, const char *argument, SEXP value,
                 char to[R_ELEMENT_SIZE]) {
  const char *id = array->reference.id;
  if (Rf_xlength(value) != 1)
    r_fail_argument(SMEM_OP_WRITE, id, "`%s` must be one value, not %.0f",
                    argument, (double)Rf_xlength(value));
  r_element_pack_one(array->element, id, value, to);
}

SEXP r_compare_and_set(SEXP x, SEXP i, SEXP old, SEXP value) {
  smem_op op = SMEM_OP_WRITE;
  char from[R_ELEMENT_SIZE], to[R_ELEMENT_SIZE];
  const struct r_array *array = r_array_writable(op, x);
  kind_of(op, array);
  R_xlen_t position = position_of(op, array, i);
  pack(array, "old", old, from);
  pack(array, "new", value, to);
  return Rf_ScalarLogical(smem_compare_and_set(place_of(array, position), from,
                                               to, array->element->type.size));
}
