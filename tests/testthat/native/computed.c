/* Vectors that have no memory: each element is computed when it is asked for,
 * and a pointer to all of them is refused. */
#define R_NO_REMAP
#include <R.h>
#include <Rinternals.h>

#include <R_ext/Altrep.h>
#include <R_ext/Rdynload.h>

#include <stdio.h>

static R_altrep_class_t raws, logicals, integers, doubles, strings;

static R_xlen_t length(SEXP x) { return (R_xlen_t)REAL(R_altrep_data1(x))[0]; }
static int value(R_xlen_t i) { return (int)(i % 251); }

static void *pointer(SEXP x, Rboolean writable) {
  (void)x;
  (void)writable;
  Rf_error("a vector that has no memory was to be expanded");
  return NULL;
}
static const void *no_pointer(SEXP x) {
  (void)x;
  return NULL;
}

static Rbyte raw(SEXP x, R_xlen_t i) { return (void)x, (Rbyte)value(i); }
static int logical(SEXP x, R_xlen_t i) {
  return (void)x, i % 3 == 2 ? NA_LOGICAL : (int)(i % 3);
}
static int integer(SEXP x, R_xlen_t i) { return (void)x, value(i); }
static double real(SEXP x, R_xlen_t i) { return (void)x, value(i) / 2.0; }
static SEXP string(SEXP x, R_xlen_t i) {
  char text[8];
  (void)x;
  snprintf(text, sizeof text, "s%d", value(i));
  return i % 7 == 0 ? NA_STRING : Rf_mkChar(text);
}

static R_xlen_t region(R_xlen_t n, R_xlen_t from, R_xlen_t count) {
  return count < n - from ? count : n - from;
}
#define REGION(type, name, element)                                            \
  static R_xlen_t name(SEXP x, R_xlen_t from, R_xlen_t count, type *to) {      \
    R_xlen_t n = region(length(x), from, count);                               \
    for (R_xlen_t i = 0; i < n; i++) to[i] = element(x, from + i);             \
    return n;                                                                  \
  }
REGION(Rbyte, raw_region, raw)
REGION(int, logical_region, logical)
REGION(int, integer_region, integer)
REGION(double, real_region, real)

static void start(R_altrep_class_t class) {
  R_set_altrep_Length_method(class, length);
  R_set_altvec_Dataptr_method(class, pointer);
  R_set_altvec_Dataptr_or_null_method(class, no_pointer);
}

/* `kind`: of which type it is, an element of that. */
SEXP computed(SEXP kind, SEXP n) {
  R_altrep_class_t class;
  switch (TYPEOF(kind)) {
  case RAWSXP:
    class = raws;
    break;
  case LGLSXP:
    class = logicals;
    break;
  case INTSXP:
    class = integers;
    break;
  case REALSXP:
    class = doubles;
    break;
  default:
    class = strings;
    break;
  }
  return R_new_altrep(class, n, R_NilValue);
}

#define MAKE(class, type)                                                      \
  class = R_make_alt##type##_class("computed_" #type, "computed", dll);        \
  R_set_alt##type##_Elt_method(class, type);                                   \
  start(class)
#define MAKE_NUMBERS(class, type)                                              \
  MAKE(class, type);                                                           \
  R_set_alt##type##_Get_region_method(class, type##_region)

void R_init_computed(DllInfo *dll) {
  MAKE_NUMBERS(raws, raw);
  MAKE_NUMBERS(logicals, logical);
  MAKE_NUMBERS(integers, integer);
  MAKE_NUMBERS(doubles, real);
  MAKE(strings, string);
}
