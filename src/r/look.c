/* What an R object is: its attributes, its kind, sequences. */
#include "shared.h"

/* ---- attributes ---------------------------------------------------------- */

#if R_VERSION >= R_Version(4, 6, 0)
struct visitor {
  void (*visit)(SEXP tag, SEXP value, void *context);
  void *context;
};

static SEXP visit_attribute(SEXP tag, SEXP value, void *data) {
  const struct visitor *visitor = data;
  visitor->visit(tag, value, visitor->context);
  return NULL;
}

void r_each_attribute(SEXP x,
                      void (*visit)(SEXP tag, SEXP value, void *context),
                      void *context) {
  struct visitor visitor = {visit, context};
  if (ANY_ATTRIB(x)) R_mapAttrib(x, visit_attribute, &visitor);
}
#else
void r_each_attribute(SEXP x,
                      void (*visit)(SEXP tag, SEXP value, void *context),
                      void *context) {
  for (SEXP at = ATTRIB(x); at != R_NilValue; at = CDR(at))
    visit(TAG(at), CAR(at), context);
}
#endif

struct attribute {
  SEXP tag, value;
};

static void look_for_attribute(SEXP tag, SEXP value, void *context) {
  struct attribute *attribute = context;
  if (tag == attribute->tag) attribute->value = value;
}

SEXP r_attribute(SEXP x, SEXP tag) {
  struct attribute attribute = {tag, R_NilValue};
  r_each_attribute(x, look_for_attribute, &attribute);
  return attribute.value;
}

/* ---- kinds --------------------------------------------------------------- */

smem_kind r_kind_of(SEXP x) {
  switch (TYPEOF(x)) {
  case NILSXP:
    return SMEM_NULL;
  case RAWSXP:
    return SMEM_RAW;
  case LGLSXP:
    return SMEM_LOGICAL;
  case INTSXP:
    return SMEM_INTEGER;
  case REALSXP:
    return SMEM_DOUBLE;
  case CPLXSXP:
    return SMEM_COMPLEX;
  case STRSXP:
    return SMEM_STRINGS;
  case VECSXP:
    return SMEM_LIST;
  case S4SXP:
    return Rf_isS4(x) ? SMEM_S4 : SMEM_BLOB;
  default:
    return SMEM_BLOB;
  }
}

bool r_can_be_shared(SEXP x) {
  smem_kind kind = r_kind_of(x);
  return kind != SMEM_NULL && kind != SMEM_BLOB;
}

/* ---- sequences ----------------------------------------------------------- */

SEXP r_sequence(double first, double last) {
  SEXP from = PROTECT(Rf_ScalarReal(first)), to = PROTECT(Rf_ScalarReal(last));
  SEXP call = PROTECT(Rf_lang3(Rf_install(":"), from, to));
  SEXP x = Rf_eval(call, R_BaseEnv);
  UNPROTECT(3);
  return x;
}
