/* What an R object is and how large, in a few words, for those who list it. */
#include "shared.h"

#include <stdio.h>
#include <string.h>

static const char more[] = "...";

/* How much can be appended so that `more` still fits. */
static size_t room_in(const char to[SMEM_WHAT_SIZE]) {
  return SMEM_WHAT_SIZE - strlen(to) - sizeof more;
}

/* False: there is no room for it, and the text says so. */
static bool append(char to[SMEM_WHAT_SIZE], const char *text) {
  size_t room = room_in(to);
  smem_copy_text(to + strlen(to), room + 1, text);
  if (strlen(text) <= room) return true;
  strcpy(to + strlen(to), more);
  return false;
}

/* Never a part of it. */
static bool append_number(char to[SMEM_WHAT_SIZE], double number) {
  char text[32];
  snprintf(text, sizeof text, "%s%.0f", to[0] ? " x " : "", number);
  if (strlen(text) <= room_in(to)) return append(to, text);
  strcpy(to + strlen(to), more);
  return false;
}

/* ---- class --------------------------------------------------------------- */

static void append_classes(char to[SMEM_WHAT_SIZE], SEXP names) {
  const void *before = vmaxget();
  for (R_xlen_t i = 0; i < XLENGTH(names); i++) {
    SEXP name = STRING_ELT(names, i);
    bool bytes = Rf_getCharCE(name) == CE_BYTES;
    if ((i > 0 && !append(to, ", ")) ||
        !append(to, bytes ? CHAR(name) : Rf_translateCharUTF8(name)))
      break;
  }
  vmaxset(before);
}

static const char *implicit_class(SEXP x, SEXP dim) {
  if (dim != R_NilValue) return XLENGTH(dim) == 2 ? "matrix" : "array";
  switch (TYPEOF(x)) {
  case REALSXP:
    return "numeric";
  case CLOSXP:
  case SPECIALSXP:
  case BUILTINSXP:
    return "function";
  case LANGSXP:
    return "call";
  case SYMSXP:
    return "name";
  default:
    return Rf_type2char((SEXPTYPE)TYPEOF(x));
  }
}

/* ---- extent -------------------------------------------------------------- */

/* Rf_getAttrib() would write compact ones out. */
static double count_rows(SEXP x) {
  SEXP names = r_attribute(x, R_RowNamesSymbol);
  bool compact = TYPEOF(names) == INTSXP && XLENGTH(names) == 2 &&
                 INTEGER_ELT(names, 0) == NA_INTEGER;
  if (!compact) return (double)Rf_xlength(names);
  double rows = INTEGER_ELT(names, 1);
  return rows < 0 ? -rows : rows;
}

/* No methods are called: they may do anything, and take any time. */
void r_describe(SEXP x, char what[SMEM_WHAT_SIZE],
                char extent[SMEM_WHAT_SIZE]) {
  SEXP dim = Rf_getAttrib(x, R_DimSymbol),
       class = r_attribute(x, R_ClassSymbol);
  what[0] = extent[0] = '\0';
  if (TYPEOF(class) == STRSXP)
    append_classes(what, class);
  else
    append(what, implicit_class(x, dim));
  if (Rf_isS4(x) && dim == R_NilValue)
    dim = r_attribute(x, Rf_install("Dim")); /* of Matrix */
  if (TYPEOF(dim) == INTSXP) {
    for (R_xlen_t i = 0; i < XLENGTH(dim); i++)
      if (!append_number(extent, INTEGER_ELT(dim, i))) break;
  } else if (Rf_inherits(x, "data.frame") && TYPEOF(x) == VECSXP) {
    append_number(extent, count_rows(x));
    append_number(extent, (double)XLENGTH(x));
  } else if (Rf_isVector(x)) {
    append_number(extent, (double)Rf_xlength(x));
  }
}
