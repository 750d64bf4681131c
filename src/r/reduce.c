/* Reductions: one number of all elements, in one pass over the memory. Each
 * element is read once, and so is the same for all that is done with it. */
#include "array.h"

#include <float.h>
#include <string.h>

/* What has been seen so far. */
struct summary {
  bool na_rm;
  R_xlen_t count; /* elements that counted */
  bool has_na;    /* NA, of a whole number or logical one */
  long double sum, product;
  double least, most; /* NaN or NA as soon as one has come */
  bool any, all;
};

typedef void r_take(struct summary *summary, const void *chunk, R_xlen_t n);

/* ---- by type ------------------------------------------------------------- */

/* With a copy of the record, which the compiler can keep in registers. */
#define TAKE_WHOLE(name, action)                                               \
  static void name##_whole(struct summary *all, const void *chunk,             \
                           R_xlen_t n) {                                       \
    struct summary s = *all;                                                   \
    const int *x = chunk;                                                      \
    for (R_xlen_t i = 0; i < n; i++) {                                         \
      if (x[i] == NA_INTEGER) {                                                \
        s.has_na = true;                                                       \
        continue;                                                              \
      }                                                                        \
      s.count++;                                                               \
      action                                                                   \
    }                                                                          \
    *all = s;                                                                  \
  }

#define TAKE_REAL(name, action)                                                \
  static void name##_real(struct summary *all, const void *chunk,              \
                          R_xlen_t n) {                                        \
    struct summary s = *all;                                                   \
    const double *x = chunk;                                                   \
    for (R_xlen_t i = 0; i < n; i++) {                                         \
      if (s.na_rm && ISNAN(x[i])) continue;                                    \
      s.count++;                                                               \
      action                                                                   \
    }                                                                          \
    *all = s;                                                                  \
  }

/* NA trumps NaN, which trumps all numbers. */
static double worse(double now, double x) {
  return ISNA(now) || !ISNAN(x) ? now : x;
}

TAKE_WHOLE(sum, s.sum += x[i];)
TAKE_WHOLE(prod, s.product *= x[i];)
TAKE_WHOLE(min, if (s.count == 1 || x[i] < s.least) s.least = x[i];)
TAKE_WHOLE(max, if (s.count == 1 || x[i] > s.most) s.most = x[i];)
TAKE_WHOLE(any, s.any |= x[i] != 0; s.all &= x[i] != 0;)
TAKE_REAL(prod, s.product *= x[i];)
TAKE_REAL(min,
          if (ISNAN(x[i]) || ISNAN(s.least)) s.least = worse(s.least, x[i]);
          else if (s.count == 1 || x[i] < s.least) s.least = x[i];)
TAKE_REAL(max, if (ISNAN(x[i]) || ISNAN(s.most)) s.most = worse(s.most, x[i]);
          else if (s.count == 1 || x[i] > s.most) s.most = x[i];)

static void sum_real(struct summary *all, const void *chunk, R_xlen_t n) {
  const double *x = chunk;
  long double sum = all->sum;
  if (all->na_rm) {
    for (R_xlen_t i = 0; i < n; i++)
      if (!ISNAN(x[i])) sum += x[i];
  } else {
    for (R_xlen_t i = 0; i < n; i++) sum += x[i];
  }
  all->sum = sum;
}

static void na_whole(struct summary *s, const void *chunk, R_xlen_t n) {
  const int *x = chunk;
  for (R_xlen_t i = 0; i < n; i++) s->has_na |= x[i] == NA_INTEGER;
}

static void na_real(struct summary *s, const void *chunk, R_xlen_t n) {
  const double *x = chunk;
  for (R_xlen_t i = 0; i < n; i++) s->has_na |= x[i] != x[i];
}

static void na_complex(struct summary *s, const void *chunk, R_xlen_t n) {
  na_real(s, chunk, 2 * n);
}

/* The second pass of a mean: R's own does the same. */
static void rest_real(struct summary *all, const void *chunk, R_xlen_t n) {
  const double *x = chunk;
  long double rest = all->product;
  for (R_xlen_t i = 0; i < n; i++) rest += x[i] - all->sum;
  all->product = rest;
}

/* ---- over all ------------------------------------------------------------ */

/* Elements that need no change can be added where they are; whatever looks at
 * one twice gets a copy. */
static const void *chunk_of(const struct r_array *array, bool in_place,
                            R_xlen_t at, R_xlen_t n, void *chunk) {
  const char *from = array->bytes + (size_t)at * array->element->type.size;
  if (in_place && !array->element->load) return from;
  R_xlen_t good = r_element_load(array->element, chunk, from, n);
  if (good < n) r_element_fail(array->reference.id, at + good);
  return chunk;
}

static void pass(const struct r_array *array, r_take *take,
                 struct summary *summary, bool stop_at_na) {
  double chunk[R_CHUNK * R_ELEMENT_SIZE / sizeof(double)];
  bool in_place = take == sum_real || take == rest_real;
  for (R_xlen_t at = 0; at < array->length; at += R_CHUNK) {
    R_xlen_t n = array->length - at < R_CHUNK ? array->length - at : R_CHUNK;
    if (at % R_BLOCK == 0) R_CheckUserInterrupt();
    take(summary, chunk_of(array, in_place, at, n, chunk), n);
    if (stop_at_na && summary->has_na) return;
  }
}

static double in_range(long double x) {
  if (x > DBL_MAX) return R_PosInf;
  if (x < -DBL_MAX) return R_NegInf;
  return (double)x;
}

/* ---- answers: NULL where it is for R to say ------------------------------ */

static SEXP answer_na(bool whole) {
  return whole ? Rf_ScalarInteger(NA_INTEGER) : Rf_ScalarReal(NA_REAL);
}

static SEXP answer_sum(const struct summary *s, bool whole) {
  if (whole && s->sum >= -INT_MAX && s->sum <= INT_MAX)
    return Rf_ScalarInteger((int)s->sum);
  return Rf_ScalarReal(in_range(s->sum));
}

static SEXP answer_end(double end, bool whole) {
  return whole ? Rf_ScalarInteger((int)end) : Rf_ScalarReal(end);
}

static SEXP answer_any(const struct summary *s) {
  bool open = s->has_na && !s->na_rm;
  return Rf_ScalarLogical(s->any ? TRUE : open ? NA_LOGICAL : FALSE);
}

static SEXP answer_all(const struct summary *s) {
  bool open = s->has_na && !s->na_rm;
  return Rf_ScalarLogical(!s->all ? FALSE : open ? NA_LOGICAL : TRUE);
}

static SEXP answer_mean(const struct r_array *array, struct summary *s,
                        bool whole) {
  if (s->has_na) return Rf_ScalarReal(NA_REAL);
  s->sum /= (long double)array->length;
  if (!whole && R_FINITE((double)s->sum)) {
    s->product = 0;
    pass(array, rest_real, s, false);
    s->sum += s->product / (long double)array->length;
  }
  return Rf_ScalarReal((double)s->sum);
}

static SEXP reduce(const struct r_array *array, const char *what,
                   struct summary *s, bool whole) {
  bool sum = strcmp(what, "sum") == 0, mean = strcmp(what, "mean") == 0;
  bool any = strcmp(what, "any") == 0, all = strcmp(what, "all") == 0;
  bool min = strcmp(what, "min") == 0, max = strcmp(what, "max") == 0;
  if ((any || all) && !whole) return R_NilValue;
  r_take *takes = sum || mean  ? (whole ? sum_whole : sum_real)
                  : min        ? (whole ? min_whole : min_real)
                  : max        ? (whole ? max_whole : max_real)
                  : any || all ? any_whole
                               : (whole ? prod_whole : prod_real);
  pass(array, takes, s, false);
  if (any) return answer_any(s);
  if (all) return answer_all(s);
  if (mean) return answer_mean(array, s, whole);
  if (s->has_na && !s->na_rm) return answer_na(whole && (sum || min || max));
  if (sum) return answer_sum(s, whole);
  if (!min && !max) return Rf_ScalarReal(in_range(s->product));
  if (s->count == 0) return R_NilValue; /* with R's warning */
  return answer_end(min ? s->least : s->most, whole);
}

static SEXP has_na(const struct r_array *array, struct summary *s) {
  SEXPTYPE type = array->element->type.type;
  if (type != RAWSXP)
    pass(array,
         type == REALSXP   ? na_real
         : type == CPLXSXP ? na_complex
                           : na_whole,
         s, true);
  return Rf_ScalarLogical(s->has_na);
}

SEXP r_array_reduce(SEXP x, SEXP what, SEXP na_rm) {
  const struct r_array *array = r_array_open(SMEM_OP_READ, x);
  struct summary s = {
      .na_rm = Rf_asLogical(na_rm) == TRUE, .product = 1, .all = true};
  SEXPTYPE type = array->element->type.type;
  const char *name = CHAR(STRING_ELT(what, 0));
  if (strcmp(name, "anyNA") == 0) return has_na(array, &s);
  if (type == RAWSXP || type == CPLXSXP) return R_NilValue;
  return reduce(array, name, &s, type != REALSXP);
}
