/* What clusterShare() needs and R does not have: where this process is, what
 * references to whole objects are made of, and bytes. */
#include "shared.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static SEXP text_of(const uint64_t number[2]) {
  char text[40];
  snprintf(text, sizeof text, "%016" PRIx64 "-%016" PRIx64, number[0],
           number[1]);
  return Rf_mkString(text);
}

/* The same text for all that see the same shared memory. */
SEXP r_here(void) {
  uint64_t place[2];
  smem_error error = SMEM_ERROR_INIT;
  r_check(smem_here(place, &error), &error);
  return text_of(place);
}

/* ---- who receives -------------------------------------------------------- */

/* From now on what this process sends goes where no reference leads, or not.
 * The answer: was it so before? */
SEXP r_receiver(SEXP elsewhere) {
  static bool before;
  bool now = r_flag(SMEM_OP_SHARE, "elsewhere", elsewhere);
  SEXP answer = Rf_ScalarLogical(before);
  r_by_value += now - before;
  before = now;
  return answer;
}

/* serialize() by value, for who has no more than R. */
SEXP r_values(SEXP x) { return r_serialize_values(x, true); }

/* ---- references to whole objects ----------------------------------------- */

static struct object *object_inside(SEXP x) {
  SEXP leaf = r_can_be_shared(x) ? r_leaf_inside(x) : NULL;
  return leaf ? r_leaf(leaf)->object : NULL;
}

/* As bytes, of what share() gave; NULL if that was given back as it is. Nobody
 * is waited for: whoever has x keeps it until it was opened. */
SEXP r_reference(SEXP x) {
  const struct object *object = object_inside(x);
  return object ? r_reference_packed(&object->reference) : R_NilValue;
}

SEXP r_open_reference(SEXP bytes) {
  smem_reference reference;
  r_pointer_collect();
  if (TYPEOF(bytes) != RAWSXP)
    r_fail_argument(SMEM_OP_OPEN, "", "this is not a reference");
  const char *wrong =
      smem_reference_read(RAW(bytes), (size_t)XLENGTH(bytes), &reference);
  if (wrong) r_fail_argument(SMEM_OP_OPEN, "", "%s", wrong);
  return r_make_found(&reference, SMEM_BY_NAME);
}

/* Let go at once of what share() gave, which nobody here uses any more. */
SEXP r_let_go(SEXP x) {
  struct object *object = object_inside(x);
  if (object) r_object_let_go(object);
  return R_NilValue;
}

/* ---- bytes --------------------------------------------------------------- */

/* R writes raw vectors to a connection in pieces of 8 KiB and numbers in such
 * of 64, which takes a quarter of the time: so the bytes are in numbers. */
enum { PART = 8 << 20 };

static char *bytes_of(SEXP part) {
  if (TYPEOF(part) == REALSXP) return (char *)REAL(part);
  if (TYPEOF(part) == RAWSXP) return (char *)RAW(part);
  r_fail_argument(SMEM_OP_OPEN, "", "a part is missing");
}

static R_xlen_t size_of(SEXP part) {
  return XLENGTH(part) *
         (TYPEOF(part) == REALSXP ? (R_xlen_t)sizeof(double) : 1);
}

/* 128 bits by which equal bytes are known, 8 bytes at a time: no protection
 * against anybody, only against chance. */
SEXP r_digest(SEXP list) {
  uint64_t a = 0x9E3779B97F4A7C15u, b = 0xC2B2AE3D27D4EB4Fu, total = 0;
  for (R_xlen_t k = 0; k < XLENGTH(list); k++) {
    const char *at = bytes_of(VECTOR_ELT(list, k));
    size_t length = (size_t)size_of(VECTOR_ELT(list, k));
    for (size_t i = 0; i < length; i += 8) {
      uint64_t word = 0;
      memcpy(&word, at + i, length - i < 8 ? length - i : 8);
      a = (a ^ word) * 0xBF58476D1CE4E5B9u;
      a ^= a >> 31;
      b = (b ^ word) * 0x94D049BB133111EBu;
      b ^= b >> 29;
    }
    total += length;
  }
  return text_of((uint64_t[2]){a ^ total, b});
}

/* `used` parts of the list are full, but the last: `at` bytes are in that. */
struct parts {
  SEXP list, object;
  PROTECT_INDEX index;
  SEXPTYPE type;
  R_xlen_t used, at;
};

static R_xlen_t unit_of(const struct parts *parts) {
  return parts->type == REALSXP ? (R_xlen_t)sizeof(double) : 1;
}

static SEXP new_part(struct parts *parts) {
  R_xlen_t length = XLENGTH(parts->list);
  if (parts->used == length)
    REPROTECT(parts->list = Rf_xlengthgets(parts->list, 2 * length + 1),
              parts->index);
  R_xlen_t n = PART / unit_of(parts);
  SEXP part = Rf_allocVector(parts->type, n);
  SET_VECTOR_ELT(parts->list, parts->used++, part);
  parts->at = 0;
  return part;
}

static void write_parts(R_outpstream_t out, void *from, int length) {
  struct parts *parts = out->data;
  for (const char *next = from; length > 0;) {
    SEXP part = parts->used > 0 && parts->at < PART
                    ? VECTOR_ELT(parts->list, parts->used - 1)
                    : new_part(parts);
    int step = PART - parts->at < length ? (int)(PART - parts->at) : length;
    memcpy(bytes_of(part) + parts->at, next, (size_t)step);
    next += step;
    length -= step;
    parts->at += step;
  }
}

static void write_character(R_outpstream_t out, int character) {
  write_parts(out, &(unsigned char){(unsigned char)character}, 1);
}

/* The last part as long as what is in it: up to seven zeros are nothing that
 * unserialize() would read. */
static void end_parts(struct parts *parts) {
  SEXP part = VECTOR_ELT(parts->list, parts->used - 1);
  R_xlen_t unit = unit_of(parts);
  while (parts->at % unit != 0) bytes_of(part)[parts->at++] = 0;
  SET_VECTOR_ELT(parts->list, parts->used - 1,
                 Rf_xlengthgets(part, parts->at / unit));
  REPROTECT(parts->list = Rf_xlengthgets(parts->list, parts->used),
            parts->index);
}

static SEXP serialize_parts(void *data) {
  struct parts *parts = data;
  struct R_outpstream_st out;
  bool here = parts->type == REALSXP;
  R_InitOutPStream(&out, (R_pstream_data_t)parts,
                   here ? R_pstream_binary_format : R_pstream_xdr_format, 3,
                   write_character, write_parts, NULL, R_NilValue);
  R_Serialize(parts->object, &out);
  end_parts(parts);
  return parts->list;
}

/* serialize() by value, into a list of parts of 8 MiB: of numbers, which only
 * those can read who have the same order of bytes, or raw ones for everybody.
 */
SEXP r_serialize_parts(SEXP x, SEXP everybody) {
  bool raw = r_flag(SMEM_OP_SHARE, "everybody", everybody);
  struct parts parts = {.object = x, .type = raw ? RAWSXP : REALSXP};
  PROTECT_WITH_INDEX(parts.list = Rf_allocVector(VECSXP, 1), &parts.index);
  SEXP list = r_with_values(serialize_parts, &parts);
  UNPROTECT(1);
  return list;
}

static void read_parts(R_inpstream_t in, void *to, int length) {
  struct parts *parts = in->data;
  for (char *next = to; length > 0;) {
    if (parts->used >= XLENGTH(parts->list))
      Rf_error("the stream ends too early");
    SEXP part = VECTOR_ELT(parts->list, parts->used);
    R_xlen_t left = size_of(part) - parts->at;
    int step = left < length ? (int)left : length;
    memcpy(next, bytes_of(part) + parts->at, (size_t)step);
    next += step;
    length -= step;
    parts->at += step;
    if (parts->at < size_of(part)) continue;
    parts->used++;
    parts->at = 0;
  }
}

static int read_character(R_inpstream_t in) {
  unsigned char byte;
  read_parts(in, &byte, 1);
  return byte;
}

/* unserialize() of what is in several pieces, without putting them together. */
SEXP r_unserialize_parts(SEXP list) {
  struct parts parts = {.list = list};
  struct R_inpstream_st in;
  R_InitInPStream(&in, (R_pstream_data_t)&parts, R_pstream_any_format,
                  read_character, read_parts, NULL, R_NilValue);
  return R_Unserialize(&in);
}
