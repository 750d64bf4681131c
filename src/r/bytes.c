/* Reading and writing: vectors copied from and to segments. */
#include "glue.h"

#include <string.h>

struct reading {
  const struct r_type *type;
  SEXP id, length, x;
  PROTECT_INDEX place; /* of x */
  int64_t offset, count;
  uint64_t capacity, requested;
};

static SEXP make_vector(void *data) {
  struct reading *reading = data;
  reading->count = r_fit(SMEM_OP_READ, CHAR(reading->id), reading->type,
                         reading->length, reading->count, reading->offset,
                         reading->capacity, reading->requested);
  reading->x = Rf_allocVector(reading->type->type, (R_xlen_t)reading->count);
  REPROTECT(reading->x, reading->place);
  return reading->x;
}

static void *choose(uint64_t capacity, uint64_t requested, uint64_t *offset,
                    uint64_t *length, void *context) {
  struct reading *reading = context;
  reading->capacity = capacity;
  reading->requested = requested;
  if (r_postpone_jump(make_vector, reading)) return NULL;
  *offset = (uint64_t)reading->offset;
  *length = (uint64_t)reading->count * reading->type->size;
  return r_vector_bytes(reading->x);
}

SEXP r_read(SEXP id, SEXP type, SEXP length, SEXP offset) {
  smem_op op = SMEM_OP_READ;
  smem_error error = SMEM_ERROR_INIT;
  struct reading reading = {.length = length};
  r_pointer_collect();
  reading.id = PROTECT(r_id(op, id));
  reading.type = &r_types[r_type_named(op, "type", type)];
  reading.offset = r_whole(op, "offset", offset, 0);
  reading.count = r_count(op, "length", length);
  PROTECT_WITH_INDEX(reading.x = R_NilValue, &reading.place);
  r_check(smem_read_some(CHAR(reading.id), choose, &reading, &error), &error);
  if (reading.type->type == LGLSXP)
    r_make_proper(LOGICAL(reading.x), (uint64_t)reading.count);
  UNPROTECT(2);
  return reading.x;
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
  smem_error error = SMEM_ERROR_INIT;
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
