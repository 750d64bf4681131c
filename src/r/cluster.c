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

SEXP r_values(SEXP x, SEXP xdr) {
  return r_serialize_values(x, r_flag(SMEM_OP_SHARE, "xdr", xdr));
}

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
  return r_make_found(&reference);
}

/* Let go at once of what share() gave, which nobody here uses any more. */
SEXP r_let_go(SEXP x) {
  struct object *object = object_inside(x);
  if (object) r_object_let_go(object);
  return R_NilValue;
}

/* ---- bytes --------------------------------------------------------------- */

/* 128 bits by which equal bytes are known, 8 bytes at a time: no protection
 * against anybody, only against chance. */
SEXP r_digest(SEXP bytes) {
  uint64_t a = 0x9E3779B97F4A7C15u, b = 0xC2B2AE3D27D4EB4Fu;
  size_t length = (size_t)XLENGTH(bytes);
  const unsigned char *at = RAW(bytes);
  for (size_t i = 0; i < length; i += 8) {
    uint64_t word = 0;
    memcpy(&word, at + i, length - i < 8 ? length - i : 8);
    a = (a ^ word) * 0xBF58476D1CE4E5B9u;
    a ^= a >> 31;
    b = (b ^ word) * 0x94D049BB133111EBu;
    b ^= b >> 29;
  }
  return text_of((uint64_t[2]){a ^ length, b});
}

/* bytes[from + seq_len(length)], without making the indices. */
SEXP r_slice(SEXP bytes, SEXP from, SEXP length) {
  R_xlen_t start = (R_xlen_t)Rf_asReal(from), n = (R_xlen_t)Rf_asReal(length);
  SEXP part = PROTECT(Rf_allocVector(RAWSXP, n));
  if (n > 0) memcpy(RAW(part), RAW(bytes) + start, (size_t)n);
  UNPROTECT(1);
  return part;
}

struct parts {
  SEXP list;
  R_xlen_t part, at;
};

static void read_parts(R_inpstream_t in, void *to, int length) {
  struct parts *parts = in->data;
  for (char *next = to; length > 0;) {
    if (parts->part >= XLENGTH(parts->list))
      Rf_error("the stream ends too early");
    SEXP part = VECTOR_ELT(parts->list, parts->part);
    R_xlen_t left = XLENGTH(part) - parts->at;
    int step = left < length ? (int)left : length;
    memcpy(next, RAW(part) + parts->at, (size_t)step);
    next += step;
    length -= step;
    parts->at += step;
    if (parts->at < XLENGTH(part)) continue;
    parts->part++;
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
  struct parts parts = {list, 0, 0};
  struct R_inpstream_st in;
  for (R_xlen_t i = 0; i < XLENGTH(list); i++)
    if (TYPEOF(VECTOR_ELT(list, i)) != RAWSXP)
      r_fail_argument(SMEM_OP_OPEN, "", "a part is missing");
  R_InitInPStream(&in, (R_pstream_data_t)&parts, R_pstream_any_format,
                  read_character, read_parts, NULL, R_NilValue);
  return R_Unserialize(&in);
}
