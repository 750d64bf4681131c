/* Writing into arrays. All is checked, and turned into the bytes of the
 * segment, before the first of them is written. */
#include "array.h"

#include <string.h>

struct writing {
  const struct r_array *array;
  const char *from; /* elements as they are in the segment ... */
  R_xlen_t n;       /* ... so many of them, over and over */
  size_t size;
};

/* ---- one run ------------------------------------------------------------- */

/* n elements side by side, beginning with element `next` of what is written. */
static void copy_run(const struct writing *writing, char *to, R_xlen_t next,
                     R_xlen_t n) {
  while (n > 0) {
    R_xlen_t count = writing->n - next < n ? writing->n - next : n;
    memcpy(to, writing->from + (size_t)next * writing->size,
           (size_t)count * writing->size);
    to += (size_t)count * writing->size;
    n -= count;
    next = 0;
  }
}

#define FILL(bytes)                                                            \
  for (R_xlen_t i = 0; i < n; i++) memcpy(to + i * (bytes), from, bytes)
#define SCATTER(bytes)                                                         \
  for (R_xlen_t i = 0; i < n; i++) {                                           \
    R_xlen_t at = r_place(axis, k + i);                                        \
    if (at >= 0)                                                               \
      memcpy(to + at * (bytes), writing->from + next * (bytes), bytes);        \
    if (++next == writing->n) next = 0;                                        \
  }

static void fill_run(const struct writing *writing, char *to, R_xlen_t n) {
  const char *from = writing->from;
  switch (writing->size) {
  case 1:
    memset(to, (unsigned char)*from, (size_t)n);
    break;
  case 2:
    FILL(2);
    break;
  case 4:
    FILL(4);
    break;
  case 8:
    FILL(8);
    break;
  default:
    FILL(16);
  }
}

static void scatter(const struct writing *writing, char *to,
                    const struct r_axis *axis, R_xlen_t k, R_xlen_t n,
                    R_xlen_t next) {
  switch (writing->size) {
  case 1:
    SCATTER(1) break;
  case 2:
    SCATTER(2) break;
  case 4:
    SCATTER(4) break;
  case 8:
    SCATTER(8) break;
  default:
    SCATTER(16)
  }
}

static void write_block(const struct writing *writing, char *to,
                        const struct r_axis *axis, R_xlen_t k, R_xlen_t n,
                        R_xlen_t next) {
  if (axis->at || axis->stride != 1) {
    scatter(writing, to, axis, k, n, next);
    return;
  }
  to += (size_t)(axis->start + k) * writing->size;
  if (writing->n == 1)
    fill_run(writing, to, n);
  else
    copy_run(writing, to, next, n);
}

static void write_run(void *context, R_xlen_t first, const struct r_axis *axis,
                      R_xlen_t done) {
  const struct writing *writing = context;
  if (first < 0) return;
  char *to = writing->array->bytes + (size_t)first * writing->size;
  for (R_xlen_t k = 0; k < axis->count; k += R_BLOCK) {
    R_xlen_t n = axis->count - k < R_BLOCK ? axis->count - k : R_BLOCK;
    write_block(writing, to, axis, k, n, (done + k) % writing->n);
    if (axis->count > R_BLOCK) R_CheckUserInterrupt();
  }
}

/* ---- checks -------------------------------------------------------------- */

/* R's rules. A vector recycles what does not divide, with a warning; an array
 * does not. The warning comes before anything is written, as options(warn = 2)
 * makes it an error. */
static void check_lengths(const char *id, const struct r_part *part, R_xlen_t n,
                          bool is_vector) {
  static const char text[] =
      "number of items to replace is not a multiple of replacement length";
  if (part->has_na && n > 1)
    r_fail_argument(SMEM_OP_WRITE, id,
                    "NAs are not allowed in subscripted assignments");
  if (part->count == 0) return;
  if (n == 0) r_fail_argument(SMEM_OP_WRITE, id, "replacement has length zero");
  if (part->count % n == 0) return;
  if (!is_vector) r_fail_argument(SMEM_OP_WRITE, id, "%s", text);
  Rf_warning("%s", text);
}

/* An ordinary vector of the values. Not protected. */
static SEXP ordinary(SEXP value) {
  return r_is_array(value) ? r_array_values(SMEM_OP_READ, value) : value;
}

static void write_part(const struct r_array *array, struct r_part part,
                       SEXP value, bool is_vector) {
  const char *id = array->reference.id;
  R_xlen_t n = Rf_xlength(value);
  check_lengths(id, &part, n, is_vector);
  if (n == 0 && value == R_NilValue) return;
  const char *from = r_element_pack(array->element, id, value);
  if (part.count == 0) return;
  struct writing writing = {array, from, n, array->element->type.size};
  r_part_walk(part, write_run, &writing);
}

/* ---- for R --------------------------------------------------------------- */

/* As one, for whoever reads it at the same time. */
static void put(char *to, const char *from, size_t size) {
  switch (size) {
  case 1:
    *to = *from;
    break;
  case 2:
    memcpy(to, from, 2);
    break;
  case 4:
    memcpy(to, from, 4);
    break;
  case 8:
    memcpy(to, from, 8);
    break;
  default:
    memcpy(to, from, size);
  }
}

static void set_one(const struct r_array *array, R_xlen_t at, SEXP value) {
  char packed[R_ELEMENT_SIZE];
  size_t size = array->element->type.size;
  r_element_pack_one(array->element, array->reference.id, value, packed);
  put(array->bytes + (size_t)at * size, packed, size);
}

SEXP r_array_set(SEXP x, SEXP index, SEXP value) {
  const struct r_array *array = r_array_writable(SMEM_OP_WRITE, x);
  R_xlen_t at = r_position(index, array->length);
  if (at >= 0 && Rf_isVectorAtomic(value) && XLENGTH(value) == 1) {
    set_one(array, at, value);
    return x;
  }
  value = PROTECT(ordinary(value));
  write_part(array, r_part_of_vector(SMEM_OP_WRITE, array, index, true), value,
             true);
  UNPROTECT(1);
  return x;
}

SEXP r_array_set_part(SEXP x, SEXP indices, SEXP value) {
  const struct r_array *array = r_array_writable(SMEM_OP_WRITE, x);
  value = PROTECT(ordinary(value));
  write_part(array, r_part_of_array(SMEM_OP_WRITE, array, indices), value,
             false);
  UNPROTECT(1);
  return x;
}

SEXP r_array_set_element(SEXP x, SEXP index, SEXP single, SEXP value) {
  const struct r_array *array = r_array_writable(SMEM_OP_WRITE, x);
  bool one = Rf_asLogical(single);
  R_xlen_t at = one ? r_position(index, array->length) : -1;
  if (at >= 0 && Rf_isVectorAtomic(value) && XLENGTH(value) == 1) {
    set_one(array, at, value);
    return x;
  }
  value = PROTECT(ordinary(value));
  struct r_part part = r_part_of_element(SMEM_OP_WRITE, array, index, one);
  if (Rf_xlength(value) > 1)
    r_fail_argument(SMEM_OP_WRITE, array->reference.id,
                    "more elements supplied than there are to replace");
  write_part(array, part, value, true);
  UNPROTECT(1);
  return x;
}
