/* The values of arrays as ordinary vectors: of what is there now. */
#include "array.h"

#include <string.h>

/* ---- one run ------------------------------------------------------------- */

struct reading {
  const struct r_array *array;
  char *to;
  size_t width; /* bytes of an element in R */
};

void r_array_load(const struct r_array *array, char *to, R_xlen_t at,
                  R_xlen_t n) {
  const struct r_element *element = array->element;
  const char *from = array->bytes + (size_t)at * element->type.size;
  R_xlen_t good = r_element_load(element, to, from, n);
  if (good < n) r_element_fail(array->reference.id, at + good);
}

static void load_run(const struct reading *reading, char *to, R_xlen_t first,
                     R_xlen_t n) {
  for (R_xlen_t done = 0; done < n; done += R_BLOCK) {
    R_xlen_t count = n - done < R_BLOCK ? n - done : R_BLOCK;
    r_array_load(reading->array, to + (size_t)done * reading->width,
                 first + done, count);
    if (n > R_BLOCK) R_CheckUserInterrupt();
  }
}

#define GATHER(bytes)                                                          \
  for (R_xlen_t i = 0; i < n; i++) {                                           \
    R_xlen_t at = r_place(axis, k + i);                                        \
    if (at >= 0) memcpy(to + i * (bytes), from + at * (bytes), bytes);         \
  }

/* n elements from position k of the axis on, side by side. */
static void gather(size_t size, char *to, const char *from,
                   const struct r_axis *axis, R_xlen_t k, R_xlen_t n) {
  switch (size) {
  case 1:
    GATHER(1) break;
  case 2:
    GATHER(2) break;
  case 4:
    GATHER(4) break;
  case 8:
    GATHER(8) break;
  default:
    GATHER(16)
  }
}

static void put_na(SEXPTYPE type, char *to) {
  const Rcomplex na = {.r = NA_REAL, .i = NA_REAL};
  const int whole = NA_INTEGER;
  if (type == RAWSXP)
    *to = 0;
  else if (type == CPLXSXP)
    memcpy(to, &na, sizeof na);
  else if (type == REALSXP)
    memcpy(to, &na.r, sizeof na.r);
  else
    memcpy(to, &whole, sizeof whole);
}

static void load_gathered(const struct reading *reading, char *to,
                          R_xlen_t first, const struct r_axis *axis, R_xlen_t k,
                          R_xlen_t n) {
  double chunk[R_CHUNK * R_ELEMENT_SIZE / sizeof(double)];
  const struct r_array *array = reading->array;
  size_t size = array->element->type.size;
  memset(chunk, 0, (size_t)n * size);
  gather(size, (char *)chunk, array->bytes + (size_t)first * size, axis, k, n);
  R_xlen_t good = r_element_load(array->element, to, chunk, n);
  if (good < n)
    r_element_fail(array->reference.id, first + r_place(axis, k + good));
  for (R_xlen_t i = 0; axis->has_na && i < n; i++)
    if (r_place(axis, k + i) < 0)
      put_na(array->element->type.type, to + (size_t)i * reading->width);
}

static void read_run(void *context, R_xlen_t first, const struct r_axis *axis,
                     R_xlen_t done) {
  const struct reading *reading = context;
  char *to = reading->to + (size_t)done * reading->width;
  if (first >= 0 && !axis->at && axis->stride == 1) {
    load_run(reading, to, first + axis->start, axis->count);
    return;
  }
  for (R_xlen_t k = 0; k < axis->count; k += R_CHUNK) {
    R_xlen_t n = axis->count - k < R_CHUNK ? axis->count - k : R_CHUNK;
    char *here = to + (size_t)k * reading->width;
    if (k > 0 && k % R_BLOCK == 0) R_CheckUserInterrupt();
    if (first >= 0) load_gathered(reading, here, first, axis, k, n);
    for (R_xlen_t i = 0; first < 0 && i < n; i++)
      put_na(reading->array->element->type.type,
             here + (size_t)i * reading->width);
  }
}

SEXP r_array_read(const struct r_array *array, struct r_part part) {
  SEXP x = PROTECT(Rf_allocVector(array->element->type.type, part.count));
  struct reading reading = {array, r_vector_bytes(x),
                            r_element_width(array->element)};
  r_part_walk(part, read_run, &reading);
  UNPROTECT(1);
  return x;
}

void r_give_dim(SEXP x, const R_xlen_t *extents, R_xlen_t rank) {
  SEXP dim = PROTECT(Rf_allocVector(INTSXP, rank));
  for (R_xlen_t i = 0; i < rank; i++) INTEGER(dim)[i] = (int)extents[i];
  Rf_setAttrib(x, R_DimSymbol, dim);
  UNPROTECT(1);
}

SEXP r_array_values(smem_op op, SEXP x) {
  const struct r_array *array = r_array_open(op, x);
  SEXP all = PROTECT(r_array_read(array, r_part_whole(array)));
  if (array->rank > 0) r_give_dim(all, array->extents, array->rank);
  UNPROTECT(1);
  return all;
}
