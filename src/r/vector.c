/* The vectors whose elements are plain bytes: their types, and their memory. */
#include "glue.h"

#include <stdio.h>
#include <string.h>

const struct r_type r_types[R_TYPES] = {{"raw", RAWSXP, 1},
                                        {"logical", LGLSXP, sizeof(int)},
                                        {"integer", INTSXP, sizeof(int)},
                                        {"double", REALSXP, sizeof(double)},
                                        {"complex", CPLXSXP, sizeof(Rcomplex)}};

int r_type_of(SEXP x) {
  for (int i = 0; i < R_TYPES; i++)
    if ((int)r_types[i].type == TYPEOF(x)) return i;
  return -1;
}

int r_type_named(smem_op op, const char *argument, SEXP x) {
  const char *name = "";
  if (TYPEOF(x) == STRSXP && XLENGTH(x) == 1 && STRING_ELT(x, 0) != NA_STRING &&
      Rf_getCharCE(STRING_ELT(x, 0)) !=
          CE_BYTES) /* R does not translate those */
    name = Rf_translateCharUTF8(STRING_ELT(x, 0));
  for (int i = 0; i < R_TYPES; i++)
    if (strcmp(name, r_types[i].name) == 0) return i;
  char shown[41];
  smem_copy_text(shown, sizeof shown, name);
  r_fail_argument(op, "",
                  "`%s` must be one of \"raw\", \"logical\", "
                  "\"integer\", \"double\", \"complex\"%s%s%s",
                  argument, name[0] ? ", not \"" : "",
                  smem_is_utf8(name) ? shown : "?", name[0] ? "\"" : "");
}

SEXP r_number(uint64_t value) {
  if (value <= INT32_MAX) return Rf_ScalarInteger((int)value);
  return Rf_ScalarReal((double)value);
}

void *r_vector_bytes(SEXP x) {
  switch (TYPEOF(x)) {
  case RAWSXP:
    return RAW(x);
  case LGLSXP:
    return LOGICAL(x);
  case INTSXP:
    return INTEGER(x);
  case REALSXP:
    return REAL(x);
  default:
    return COMPLEX(x);
  }
}

const void *r_vector_bytes_read(SEXP x) {
  switch (TYPEOF(x)) {
  case RAWSXP:
    return RAW_RO(x);
  case LGLSXP:
    return LOGICAL_RO(x);
  case INTSXP:
    return INTEGER_RO(x);
  case REALSXP:
    return REAL_RO(x);
  default:
    return COMPLEX_RO(x);
  }
}

int64_t r_fit(smem_op op, const char *id, const struct r_type *type, SEXP asked,
              int64_t count, int64_t offset, uint64_t capacity,
              uint64_t requested) {
  uint64_t end = asked == R_NilValue ? requested : capacity;
  bool inside = offset >= 0 && (uint64_t)offset <= end;
  uint64_t room = inside ? (end - (uint64_t)offset) / type->size : 0;
  if (inside && asked == R_NilValue) return (int64_t)room;
  if (inside && (uint64_t)count <= room) return count;
  r_fail(SMEM_BOUNDS, op, id,
         "%.0f elements of type %s at offset %.0f (bytes) need bytes %.0f to "
         "%.0f, the segment has %.0f",
         (double)count, type->name, (double)offset, (double)offset,
         (double)offset + (double)count * (double)type->size, (double)end);
}

bool r_is_inside(const smem_reference *reference, const struct r_type *type,
                 uint64_t capacity) {
  return reference->offset <= capacity && reference->offset % type->size == 0 &&
         reference->length <= (capacity - reference->offset) / type->size;
}

SEXP r_id_of(const smem_reference *reference, const smem_handle *handle,
             bool full) {
  char text[sizeof reference->space + sizeof reference->id];
  const char *id = reference->id;
  if (full && !smem_id_is_raw(id)) {
    snprintf(text, sizeof text, "%s:%s", reference->space, id);
    id = text;
  }
  return full || smem_id_means(reference, handle) ? Rf_mkCharCE(id, CE_UTF8)
                                                  : NA_STRING;
}

/* ---- logical values ---------------------------------------------------------
 *
 * R hashes and indexes by the value of a logical: one that is not FALSE, TRUE
 * or NA makes unique() and table() write behind their memory. */

static bool is_proper(int value) {
  return (unsigned)value <= 1 || value == NA_LOGICAL;
}

uint64_t r_first_improper(const int *values, uint64_t length) {
  enum { BLOCK = 4096 }; /* without a branch in it, at the speed of memory */
  for (uint64_t start = 0; start < length; start += BLOCK) {
    uint64_t end = length - start < BLOCK ? length : start + BLOCK;
    int improper = 0;
    for (uint64_t i = start; i < end; i++) improper |= !is_proper(values[i]);
    for (uint64_t i = start; improper && i < end; i++)
      if (!is_proper(values[i])) return i;
  }
  return length;
}

void r_make_proper(int *values, uint64_t length) {
  for (uint64_t i = 0; i < length; i++)
    if (values[i] != NA_LOGICAL) values[i] = values[i] != 0;
}
