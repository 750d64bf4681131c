/* The types of elements: those of R, and those that other programs use. */
#include "array.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what R gets -----------------------------------------------------------
 */

#define LOAD(name, in_type, out_type, value)                                   \
  static R_xlen_t load_##name(void *to, const void *from, R_xlen_t n) {        \
    const in_type *in = from;                                                  \
    out_type *out = to;                                                        \
    for (R_xlen_t i = 0; i < n; i++) {                                         \
      in_type x = in[i];                                                       \
      out[i] = (value);                                                        \
    }                                                                          \
    return n;                                                                  \
  }

/* Some of R indexes by the values of logicals: there must be no fourth. */
LOAD(logical, int, int, x == NA_LOGICAL ? x : x != 0)
LOAD(int8, int8_t, int, x)
LOAD(uint8, uint8_t, int, x)
LOAD(int16, int16_t, int, x)
LOAD(uint16, uint16_t, int, x)
LOAD(uint32, uint32_t, double, x)
LOAD(bool8, uint8_t, int, x != 0)

/* R's NA is the NaN whose lowest bits are 1954, which a float has room for as
 * well. */
enum { NA_PAYLOAD = 1954, PAYLOAD_OF_FLOAT = 0x3fffff };
static const uint32_t float_na = 0x7fc00000u | NA_PAYLOAD;

static double double_of_float(float x) {
  uint32_t bits;
  if (x == x) return x;
  memcpy(&bits, &x, sizeof bits);
  return (bits & PAYLOAD_OF_FLOAT) == NA_PAYLOAD ? NA_REAL : x;
}

static R_xlen_t load_float32(void *to, const void *from, R_xlen_t n) {
  const float *in = from;
  double *out = to;
  for (R_xlen_t i = 0; i < n; i++) out[i] = double_of_float(in[i]);
  return n;
}

/* Beyond 2^53 a double is even; and half of it does not overflow on its way
 * back. */
static bool is_exact(int64_t x) {
  const int64_t far = (int64_t)1 << 53;
  if (x >= -far && x <= far) return true;
  return x % 2 == 0 && (int64_t)(double)(x / 2) == x / 2;
}

static R_xlen_t load_int64(void *to, const void *from, R_xlen_t n) {
  const int64_t *in = from;
  double *out = to;
  for (R_xlen_t i = 0; i < n; i++) {
    int64_t x = in[i];
    bool na = x == INT64_MIN;
    if (!na && !is_exact(x)) return i;
    out[i] = na ? NA_REAL : (double)x;
  }
  return n;
}

/* ---- what the segment gets ----------------------------------------------- */

#define STORE_WHOLE(name, out_type, low, high, has_na, na)                     \
  static R_xlen_t store_##name(void *to, const void *from, R_xlen_t n) {       \
    const double *in = from;                                                   \
    out_type *out = to;                                                        \
    for (R_xlen_t i = 0; i < n; i++) {                                         \
      bool fits = in[i] >= (low) && in[i] <= (high) && in[i] == trunc(in[i]);  \
      if (!fits && !((has_na) && ISNA(in[i]))) return i;                       \
      out[i] = fits ? (out_type)in[i] : (na);                                  \
    }                                                                          \
    return n;                                                                  \
  }

/* The doubles next to the ends of int64. */
#define FAR 9223372036854774784.0

STORE_WHOLE(integer, int, -INT_MAX, INT_MAX, true, NA_INTEGER)
STORE_WHOLE(int8, int8_t, INT8_MIN, INT8_MAX, false, 0)
STORE_WHOLE(uint8, uint8_t, 0, UINT8_MAX, false, 0)
STORE_WHOLE(int16, int16_t, INT16_MIN, INT16_MAX, false, 0)
STORE_WHOLE(uint16, uint16_t, 0, UINT16_MAX, false, 0)
STORE_WHOLE(uint32, uint32_t, 0, UINT32_MAX, false, 0)
STORE_WHOLE(int64, int64_t, -FAR, FAR, true, INT64_MIN)

static R_xlen_t store_float32(void *to, const void *from, R_xlen_t n) {
  const double *in = from;
  float *out = to;
  for (R_xlen_t i = 0; i < n; i++) {
    float x = (float)in[i];
    if (isinf(x) && !isinf(in[i])) return i;
    if (ISNA(in[i]))
      memcpy(&out[i], &float_na, sizeof float_na);
    else
      out[i] = x;
  }
  return n;
}

static R_xlen_t store_bool8(void *to, const void *from, R_xlen_t n) {
  const int *in = from;
  uint8_t *out = to;
  for (R_xlen_t i = 0; i < n; i++) {
    if (in[i] == NA_LOGICAL) return i;
    out[i] = in[i] != 0;
  }
  return n;
}

/* ---- the table ----------------------------------------------------------- */

#define WHOLE(name, given, size)                                               \
  { {#name, given, size}, REALSXP, load_##name, store_##name }

/* The form of a reference is an index into it. */
const struct r_element r_elements[R_ELEMENTS] = {
    {{"raw", RAWSXP, 1}, RAWSXP, NULL, NULL},
    {{"logical", LGLSXP, sizeof(int)}, LGLSXP, load_logical, NULL},
    {{"integer", INTSXP, sizeof(int)}, REALSXP, NULL, store_integer},
    {{"double", REALSXP, sizeof(double)}, REALSXP, NULL, NULL},
    {{"complex", CPLXSXP, sizeof(Rcomplex)}, CPLXSXP, NULL, NULL},
    WHOLE(int8, INTSXP, 1),
    WHOLE(uint8, INTSXP, 1),
    WHOLE(int16, INTSXP, 2),
    WHOLE(uint16, INTSXP, 2),
    WHOLE(uint32, REALSXP, 4),
    WHOLE(int64, REALSXP, 8),
    WHOLE(float32, REALSXP, 4),
    {{"bool8", LGLSXP, 1}, LGLSXP, load_bool8, store_bool8}};

static size_t width_of(SEXPTYPE type) {
  switch (type) {
  case RAWSXP:
    return sizeof(Rbyte);
  case LGLSXP:
  case INTSXP:
    return sizeof(int);
  case REALSXP:
    return sizeof(double);
  default:
    return sizeof(Rcomplex);
  }
}

size_t r_element_width(const struct r_element *element) {
  return width_of(element->type.type);
}

static void fail_type(smem_op op, const char *name) {
  char names[160] = "", shown[41];
  size_t used = 0;
  for (int i = 0; i < R_ELEMENTS; i++)
    used += (size_t)snprintf(names + used, sizeof names - used, "%s\"%s\"",
                             i ? ", " : "", r_elements[i].type.name);
  smem_copy_text(shown, sizeof shown, name);
  r_fail_argument(op, "", "`type` must be one of %s%s%s%s", names,
                  name[0] ? ", not \"" : "", smem_is_utf8(name) ? shown : "?",
                  name[0] ? "\"" : "");
}

int r_element_named(smem_op op, SEXP x) {
  const char *name = "";
  if (TYPEOF(x) == STRSXP && XLENGTH(x) == 1 && STRING_ELT(x, 0) != NA_STRING &&
      Rf_getCharCE(STRING_ELT(x, 0)) !=
          CE_BYTES) /* R does not translate those */
    name = Rf_translateCharUTF8(STRING_ELT(x, 0));
  for (int i = 0; i < R_ELEMENTS; i++)
    if (strcmp(name, r_elements[i].type.name) == 0) return i;
  fail_type(op, name);
  return -1;
}

/* ---- from R, all or nothing ---------------------------------------------- */

static bool is_number(SEXPTYPE type) {
  return type == LGLSXP || type == INTSXP || type == REALSXP;
}

static bool takes(const struct r_element *element, SEXPTYPE type) {
  if (element->taken == REALSXP) return is_number(type);
  if (element->taken == CPLXSXP) return is_number(type) || type == CPLXSXP;
  return element->taken == type;
}

static void check_type(const struct r_element *element, const char *id,
                       SEXP value) {
  const char *what = Rf_type2char(TYPEOF(value));
  if (Rf_isFactor(value))
    r_fail_argument(SMEM_OP_WRITE, id,
                    "`value` is a factor; convert it with "
                    "as.integer() or as.character()");
  if (Rf_inherits(value, "integer64"))
    r_fail_argument(SMEM_OP_WRITE, id,
                    "`value` is of class integer64; convert it with "
                    "as.numeric()");
  if (!takes(element, TYPEOF(value)))
    r_fail_argument(SMEM_OP_WRITE, id,
                    "`value` is of type %s, which an array of type "
                    "%s does not take",
                    what, element->type.name);
}

/* Elements `at` and following as doubles. Here and below elements are copied
 * without asking for a pointer: of 1:n that would make all of it. */
static void read_numbers(SEXP value, R_xlen_t at, R_xlen_t n, double *to) {
  int whole[R_CHUNK];
  if (TYPEOF(value) == REALSXP) {
    REAL_GET_REGION(value, at, n, to);
    return;
  }
  if (TYPEOF(value) == INTSXP)
    INTEGER_GET_REGION(value, at, n, whole);
  else
    LOGICAL_GET_REGION(value, at, n, whole);
  for (R_xlen_t i = 0; i < n; i++)
    to[i] = whole[i] == NA_INTEGER ? NA_REAL : whole[i];
}

static void read_as(SEXPTYPE type, SEXP value, R_xlen_t at, R_xlen_t n,
                    void *to) {
  switch (type) {
  case RAWSXP:
    RAW_GET_REGION(value, at, n, to);
    break;
  case LGLSXP:
    LOGICAL_GET_REGION(value, at, n, to);
    break;
  case CPLXSXP:
    COMPLEX_GET_REGION(value, at, n, to);
    break;
  default:
    read_numbers(value, at, n, to);
  }
}

static void fail_value(const struct r_element *element, const char *id,
                       R_xlen_t i, R_xlen_t n, double value) {
  char text[32], place[48] = "";
  if (ISNA(value))
    strcpy(text, "NA");
  else if (ISNAN(value))
    strcpy(text, "NaN");
  else if (isinf(value))
    strcpy(text, value > 0 ? "Inf" : "-Inf");
  else
    snprintf(text, sizeof text, "%.15g", value);
  if (n > 1) snprintf(place, sizeof place, "element %.0f of ", (double)i + 1);
  r_fail_argument(SMEM_OP_WRITE, id,
                  "%s`value` is %s, which does not fit into type "
                  "%s; nothing was written",
                  place, text, element->type.name);
}

static void pack_chunk(const struct r_element *element, const char *id,
                       SEXP value, R_xlen_t at, R_xlen_t n, char *to) {
  union {
    double real[R_CHUNK];
    int whole[R_CHUNK];
  } chunk;
  if (!element->store) {
    read_as(element->taken, value, at, n, to);
    return;
  }
  read_as(element->taken, value, at, n, &chunk);
  R_xlen_t fits = element->store(to, &chunk, n);
  if (fits < n)
    fail_value(element, id, at + fits, XLENGTH(value),
               element->taken == REALSXP ? chunk.real[fits] : NA_REAL);
}

/* An ALTREP vector may be a view of the very memory that will be written. */
static bool is_packed(const struct r_element *element, SEXP value) {
  bool same = element->type.size == r_element_width(element);
  return same && (int)element->type.type == TYPEOF(value) && !ALTREP(value) &&
         (!element->load || element->type.type == LGLSXP);
}

const char *r_element_pack(const struct r_element *element, const char *id,
                           SEXP value) {
  size_t size = element->type.size;
  check_type(element, id, value);
  if (is_packed(element, value)) return r_vector_bytes(value);
  if (element->taken == CPLXSXP) value = Rf_coerceVector(value, CPLXSXP);
  PROTECT(value);
  R_xlen_t n = XLENGTH(value);
  char *packed = R_alloc((size_t)n, (int)size);
  for (R_xlen_t at = 0; at < n; at += R_CHUNK) {
    if (at % R_BLOCK == 0) R_CheckUserInterrupt();
    R_xlen_t count = n - at < R_CHUNK ? n - at : R_CHUNK;
    pack_chunk(element, id, value, at, count, packed + (size_t)at * size);
  }
  UNPROTECT(1);
  return packed;
}

void r_element_pack_one(const struct r_element *element, const char *id,
                        SEXP value, char to[R_ELEMENT_SIZE]) {
  if (element->taken == CPLXSXP) {
    memcpy(to, r_element_pack(element, id, value), element->type.size);
    return;
  }
  check_type(element, id, value);
  if (is_packed(element, value))
    memcpy(to, r_vector_bytes(value), element->type.size);
  else
    pack_chunk(element, id, value, 0, 1, to);
}

/* ---- to R ---------------------------------------------------------------- */

R_xlen_t r_element_load(const struct r_element *element, void *to,
                        const void *from, R_xlen_t n) {
  if (element->load) return element->load(to, from, n);
  memcpy(to, from, (size_t)n * element->type.size);
  return n;
}

void r_element_fail(const char *id, R_xlen_t place) {
  r_fail_argument(SMEM_OP_READ, id,
                  "element %.0f is a whole number that a double cannot "
                  "hold exactly (beyond 2^53); read it as two of type uint32",
                  (double)place + 1);
}
