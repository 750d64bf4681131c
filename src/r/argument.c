/* Arguments. Checked here and not in R, where the same checks take ten times
 * as long as the rest of the call. */
#include "glue.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double largest = 9007199254740992.0; /* 2^53 */

/* "element 3 of `size`", or only "`size`" if it is the only one. */
static const char *place(const char *argument, SEXP x, R_xlen_t i) {
  static char text[80];
  if (XLENGTH(x) == 1)
    snprintf(text, sizeof text, "`%s`", argument);
  else
    snprintf(text, sizeof text, "element %.0f of `%s`", (double)i + 1,
             argument);
  return text;
}

/* As R writes it: C's "inf" is not R's. */
static const char *number_text(double value) {
  static char text[32];
  if (isinf(value)) return value > 0 ? "Inf" : "-Inf";
  snprintf(text, sizeof text, "%.15g", value);
  return text;
}

/* ---- ids ----------------------------------------------------------------- */

static SEXP id_of_number(smem_op op, const char *argument, SEXP x, R_xlen_t i) {
  double value = TYPEOF(x) == INTSXP
                     ? (INTEGER(x)[i] == NA_INTEGER ? NA_REAL : INTEGER(x)[i])
                     : REAL(x)[i];
  char text[SMEM_NUMBER_SIZE];
  if (ISNAN(value)) r_fail_argument(op, "", "%s is NA", place(argument, x, i));
  if (!(value >= 0 && value <= largest) || value != floor(value))
    r_fail_argument(op, "",
                    "%s is %s; a number used as an id must be whole, "
                    "from 0 to 2^53",
                    place(argument, x, i), number_text(value));
  smem_id_of_number((uint64_t)value, text);
  return Rf_mkChar(text);
}

static bool is_ascii(const char *text) {
  while (*text && !((unsigned char)*text & 0x80)) text++;
  return !*text;
}

/* The 64-bit integers of bit64 look like doubles of entirely different values.
 */
static bool is_disguised(SEXP x) { return Rf_inherits(x, "integer64"); }

/* The same string in UTF-8: itself if it is in it already. */
static SEXP id_of_string(smem_op op, const char *argument, SEXP x, R_xlen_t i,
                         SEXP string, bool empty) {
  const char *why, *text;
  if (string == NA_STRING)
    r_fail_argument(op, "", "%s is NA", place(argument, x, i));
  if (empty && LENGTH(string) == 0) return string;
  if (Rf_getCharCE(string) == CE_BYTES)
    r_fail_argument(op, "", "%s is marked as bytes, not as text",
                    place(argument, x, i));
  text = Rf_translateCharUTF8(string);
  /* In a locale without such characters R writes <e9> for them. */
  if (is_ascii(text) && !is_ascii(CHAR(string)))
    r_fail_argument(op, "",
                    "%s has characters that this locale does not know; "
                    "mark it with Encoding()",
                    place(argument, x, i));
  if (!smem_id_is_valid(text, strlen(text), &why))
    r_fail_argument(
        op, "",
        "%s %s; an id is 1 to 200 bytes of text without "
        "control characters, and without \"/\" (but for the first of "
        "another program's name)",
        place(argument, x, i), why);
  return text == CHAR(string) ? string : Rf_mkCharCE(text, CE_UTF8);
}

static SEXP id_at(smem_op op, const char *argument, SEXP x, R_xlen_t i,
                  bool empty) {
  if (TYPEOF(x) == STRSXP) {
    SEXP string = PROTECT(STRING_ELT(x, i));
    SEXP id = id_of_string(op, argument, x, i, string, empty);
    UNPROTECT(1);
    return id;
  }
  if (!Rf_isFactor(x)) return id_of_number(op, argument, x, i);
  /* The label is what as.character() and paste() make of a factor; the integer
   * code behind it would be the id of somebody else's segment. */
  SEXP levels = Rf_getAttrib(x, R_LevelsSymbol);
  int level = INTEGER(x)[i];
  bool known =
      TYPEOF(levels) == STRSXP && level >= 1 && level <= Rf_length(levels);
  return id_of_string(op, argument, x, i,
                      known ? STRING_ELT(levels, level - 1) : NA_STRING, empty);
}

static void fail_disguised(smem_op op, const char *argument) {
  r_fail_argument(op, "",
                  "`%s` is of class integer64; convert it with "
                  "as.numeric()",
                  argument);
}

/* Why `x` cannot hold ids. */
static void fail_ids(smem_op op, const char *argument, SEXP x) {
  for (R_xlen_t i = 0; TYPEOF(x) == LGLSXP && i < XLENGTH(x); i++)
    if (LOGICAL(x)[i] == NA_LOGICAL)
      r_fail_argument(op, "", "%s is NA", place(argument, x, i));
  r_fail_argument(op, "",
                  "`%s` must be a character vector (or numbers), not of "
                  "type %s",
                  argument, Rf_type2char(TYPEOF(x)));
}

SEXP r_ids(smem_op op, const char *argument, SEXP x, bool empty) {
  bool number = TYPEOF(x) == INTSXP || TYPEOF(x) == REALSXP;
  if (is_disguised(x)) fail_disguised(op, argument);
  R_xlen_t n = Rf_xlength(x);
  if (TYPEOF(x) != STRSXP && !number) fail_ids(op, argument, x);
  PROTECT_INDEX index;
  /* The elements of an ALTREP vector may be new ones at each look, and nobody
   * else's: they are kept in a vector of ours. */
  SEXP ids = number || ALTREP(x) ? Rf_allocVector(STRSXP, n) : x;
  PROTECT_WITH_INDEX(ids, &index);
  for (R_xlen_t i = 0; i < n; i++) {
    SEXP id = PROTECT(id_at(op, argument, x, i, empty));
    if (ids == x && id != STRING_ELT(x, i))
      REPROTECT(ids = Rf_shallow_duplicate(x), index);
    if (ids != x) SET_STRING_ELT(ids, i, id);
    UNPROTECT(1);
  }
  UNPROTECT(1);
  return ids;
}

/* ---- the others ---------------------------------------------------------- */

uint64_t r_size(smem_op op, SEXP x, R_xlen_t i) {
  double value;
  if (TYPEOF(x) == INTSXP)
    value = INTEGER(x)[i] == NA_INTEGER ? NA_REAL : INTEGER(x)[i];
  else
    value = REAL(x)[i];
  if (ISNAN(value)) r_fail_argument(op, "", "%s is NA", place("size", x, i));
  if (value < 1 || value > largest || value != floor(value))
    r_fail_argument(op, "",
                    "%s is %s; a size must be a whole number of bytes, "
                    "from 1 to 2^53",
                    place("size", x, i), number_text(value));
  return (uint64_t)value;
}

void r_sizes_check(smem_op op, SEXP x) {
  if (is_disguised(x)) fail_disguised(op, "size");
  if ((TYPEOF(x) != INTSXP && TYPEOF(x) != REALSXP) || Rf_isFactor(x)) {
    bool na =
        TYPEOF(x) == LGLSXP && XLENGTH(x) == 1 && LOGICAL(x)[0] == NA_LOGICAL;
    if (na) r_fail_argument(op, "", "`size` is NA");
    r_fail_argument(op, "", "`size` must be numeric (bytes), not of type %s",
                    Rf_isFactor(x) ? "factor" : Rf_type2char(TYPEOF(x)));
  }
  for (R_xlen_t i = 0; i < XLENGTH(x); i++) r_size(op, x, i);
}

bool r_flag(smem_op op, const char *argument, SEXP x) {
  if (TYPEOF(x) != LGLSXP || XLENGTH(x) != 1 || LOGICAL(x)[0] == NA_LOGICAL)
    r_fail_argument(op, "", "`%s` must be TRUE or FALSE", argument);
  return LOGICAL(x)[0] != 0;
}

/* Which of the names `x` is; all of them, in order, are the default of the
 * argument: the first counts. -1: none. */
static int choice(SEXP x, const char *const names[], int count) {
  if (TYPEOF(x) != STRSXP) return -1;
  bool all = XLENGTH(x) == count;
  for (int i = 0; all && i < count; i++)
    all = strcmp(CHAR(STRING_ELT(x, i)), names[i]) == 0;
  if (all) return 0;
  for (int i = 0; XLENGTH(x) == 1 && i < count; i++)
    if (strcmp(CHAR(STRING_ELT(x, 0)), names[i]) == 0) return i;
  return -1;
}

smem_lifetime r_lifetime(smem_op op, SEXP x) {
  static const char *const names[] = {"freed", "process"};
  int which = choice(x, names, 2);
  if (which < 0)
    r_fail_argument(op, "", "`lifetime` must be \"freed\" or \"process\"");
  return which == 0 ? SMEM_UNTIL_FREED : SMEM_OF_PROCESS;
}

smem_lifetime r_object_lifetime(smem_op op, SEXP x) {
  static const char *const names[] = {"object", "process", "freed"};
  static const smem_lifetime lifetimes[] = {SMEM_OF_OBJECT, SMEM_OF_PROCESS,
                                            SMEM_UNTIL_FREED};
  int which = choice(x, names, 3);
  if (which < 0)
    r_fail_argument(op, "",
                    "`lifetime` must be \"object\", \"process\" or "
                    "\"freed\"");
  return lifetimes[which];
}

double r_limit(smem_op op, const char *argument, SEXP x, double otherwise) {
  if (x == R_NilValue) return otherwise;
  if (is_disguised(x)) fail_disguised(op, argument);
  bool number = (TYPEOF(x) == INTSXP || TYPEOF(x) == REALSXP) &&
                !Rf_isFactor(x) && XLENGTH(x) == 1;
  double value = number ? Rf_asReal(x) : NA_REAL;
  uint64_t id; /* as a number is good as an id, an id is good as a number */
  if (TYPEOF(x) == STRSXP && XLENGTH(x) == 1 &&
      smem_id_is_number(CHAR(STRING_ELT(x, 0)), &id))
    value = (double)id;
  if (ISNAN(value))
    r_fail_argument(op, "", "`%s` must be NULL or one number", argument);
  return value;
}

SEXP r_id(smem_op op, SEXP x) {
  SEXP ids = PROTECT(r_ids(op, "id", x, false));
  if (XLENGTH(ids) != 1)
    r_fail_argument(op, "", "`id` must be one id, not %.0f",
                    (double)XLENGTH(ids));
  SEXP id = STRING_ELT(ids, 0);
  UNPROTECT(1);
  return id;
}

int64_t r_whole(smem_op op, const char *argument, SEXP x, int64_t otherwise) {
  if (x == R_NilValue) return otherwise;
  if (is_disguised(x)) fail_disguised(op, argument);
  bool number = (TYPEOF(x) == INTSXP || TYPEOF(x) == REALSXP) &&
                !Rf_isFactor(x) && XLENGTH(x) == 1;
  double value = number ? Rf_asReal(x) : NA_REAL;
  if (ISNAN(value))
    r_fail_argument(op, "", "`%s` must be one whole number", argument);
  if (!(fabs(value) <= largest) || value != floor(value))
    r_fail_argument(op, "", "`%s` is %s; it must be a whole number, up to 2^53",
                    argument, number_text(value));
  return (int64_t)value;
}

int64_t r_count(smem_op op, const char *argument, SEXP x) {
  int64_t count = r_whole(op, argument, x, 0);
  if (count < 0)
    r_fail_argument(op, "", "`%s` is %.0f; it must not be negative", argument,
                    (double)count);
  return count;
}
