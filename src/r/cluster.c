/* What clusterShare() needs and R does not have: where this process is, and
 * what references to whole objects are made of. For their bytes see image.c. */
#include "shared.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

SEXP r_hexadecimal(const uint64_t number[2]) {
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
  return r_hexadecimal(place);
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
