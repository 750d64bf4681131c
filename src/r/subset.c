/* a[i], a[i, j] and a[[i]]: what R asks for of an array. */
#include "array.h"

/* ---- dim ----------------------------------------------------------------- */

/* The dim of a part, with `drop` without the extents of 1. */
static void set_dim_of_part(SEXP x, const struct r_part *part, bool drop) {
  R_xlen_t *extents =
      (R_xlen_t *)(void *)R_alloc((size_t)part->rank, sizeof *extents);
  R_xlen_t rank = 0;
  for (R_xlen_t i = 0; i < part->rank; i++)
    if (!drop || part->axes[i].count != 1)
      extents[rank++] = part->axes[i].count;
  for (R_xlen_t i = 0; i < rank; i++)
    if (extents[i] > INT_MAX) Rf_error("too many elements for one dimension");
  /* What drops to one dimension is a vector; an array that has one is not. */
  if (!drop || rank > 1) r_give_dim(x, extents, rank);
}

static bool drops(SEXP drop) {
  return Rf_asLogical(drop) != FALSE; /* NA counts as TRUE */
}

/* ---- for R --------------------------------------------------------------- */

static SEXP read_one(const struct r_array *array, R_xlen_t at) {
  union {
    double real;
    int whole;
    Rcomplex complex;
    Rbyte raw;
  } one;
  r_array_load(array, (char *)&one, at, 1);
  switch (array->element->type.type) {
  case RAWSXP:
    return Rf_ScalarRaw(one.raw);
  case LGLSXP:
    return Rf_ScalarLogical(one.whole);
  case INTSXP:
    return Rf_ScalarInteger(one.whole);
  case REALSXP:
    return Rf_ScalarReal(one.real);
  default:
    return Rf_ScalarComplex(one.complex);
  }
}

SEXP r_array_get(SEXP x, SEXP index) {
  smem_op op = SMEM_OP_READ;
  const struct r_array *array = r_array_open(op, x);
  R_xlen_t at = r_position(index, array->length);
  if (at >= 0) return read_one(array, at);
  if (r_is_everything(index)) return r_array_values(op, x);
  struct r_part part = r_part_of_vector(op, array, index, false);
  SEXP values = PROTECT(r_array_read(array, part));
  if (array->rank == 1 && part.count > 1 && part.count <= INT_MAX)
    r_give_dim(values, &part.count, 1);
  UNPROTECT(1);
  return values;
}

SEXP r_array_get_part(SEXP x, SEXP indices, SEXP drop) {
  const struct r_array *array = r_array_open(SMEM_OP_READ, x);
  struct r_part part = r_part_of_array(SMEM_OP_READ, array, indices);
  SEXP values = PROTECT(r_array_read(array, part));
  set_dim_of_part(values, &part, drops(drop));
  UNPROTECT(1);
  return values;
}

SEXP r_array_get_element(SEXP x, SEXP index, SEXP single) {
  const struct r_array *array = r_array_open(SMEM_OP_READ, x);
  bool one = Rf_asLogical(single);
  R_xlen_t at = one ? r_position(index, array->length) : -1;
  if (at >= 0) return read_one(array, at);
  return r_array_read(array,
                      r_part_of_element(SMEM_OP_READ, array, index, one));
}
