/* Reading and writing: vectors copied from and to segments. */
#include "glue.h"

#include <string.h>

SEXP r_read(SEXP id, SEXP what, SEXP n, SEXP offset) {
  smem_op op = SMEM_OP_READ;
  smem_error error;
  uint64_t requested = 0, capacity = 0;
  r_pointer_collect();
  id = PROTECT(r_id(op, id));
  const struct r_type *type = &r_types[r_type_named(op, "what", what)];
  int64_t at = r_whole(op, "offset", offset, 0), count = r_count(op, "n", n);
  smem_code code = smem_extent(CHAR(id), &capacity, &requested, &error);
  error.op = op;
  r_check(code, &error);
  count = r_fit(op, CHAR(id), type, n, count, at, capacity, requested);
  SEXP x = PROTECT(Rf_allocVector(type->type, (R_xlen_t)count));
  code = smem_read(CHAR(id), (uint64_t)at, r_vector_bytes(x),
                   (uint64_t)count * type->size, &error);
  r_check(code, &error);
  if (type->type == LGLSXP) r_make_proper(LOGICAL(x), (uint64_t)count);
  UNPROTECT(2);
  return x;
}

/* A live view of the same segment would change under us while it is written. */
static SEXP apart_from(const char *id, SEXP x) {
  if (!r_view_shows(x, id)) return x;
  SEXP copy = PROTECT(Rf_allocVector(TYPEOF(x), XLENGTH(x)));
  memcpy(r_vector_bytes(copy), r_vector_bytes_read(x),
         (size_t)XLENGTH(x) * r_types[r_type_of(x)].size);
  UNPROTECT(1);
  return copy;
}

SEXP r_write(SEXP id, SEXP x, SEXP offset) {
  smem_op op = SMEM_OP_WRITE;
  smem_error error;
  r_pointer_collect();
  id = PROTECT(r_id(op, id));
  int index = r_type_of(x);
  if (index < 0)
    r_fail_argument(op, CHAR(id),
                    "`x` must be raw, logical, integer, double or "
                    "complex, not of type %s",
                    Rf_type2char(TYPEOF(x)));
  const struct r_type *type = &r_types[index];
  int64_t at = r_whole(op, "offset", offset, 0);
  if (at < 0) { /* the core, which counts without signs, cannot say it */
    uint64_t capacity = 0;
    smem_code code = smem_size(CHAR(id), &capacity, &error);
    error.op = op;
    r_check(code, &error);
    r_fit(op, CHAR(id), type, x, XLENGTH(x), at, capacity, capacity);
  }
  x = PROTECT(apart_from(CHAR(id), x));
  smem_code code = smem_write(CHAR(id), (uint64_t)at, r_vector_bytes_read(x),
                              (uint64_t)XLENGTH(x) * type->size, &error);
  r_check(code, &error);
  UNPROTECT(2);
  return R_NilValue;
}
