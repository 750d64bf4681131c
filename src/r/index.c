/* Indices: which elements are asked for.
 *
 * One number, a:b and vectors of positions are looked at here. All else
 * (negative and logical ones, zeros, what is an error) is left to R, of which
 * the positions are the elements of seq_len(extent)[index]: so the rules are
 * R's own. */
#include "array.h"

#include <math.h>
#include <string.h>

static SEXP everything;

SEXP r_everything(void) {
  if (!everything) everything = Rf_install("<everything>");
  return everything;
}

bool r_is_everything(SEXP index) { return index == r_everything(); }

/* What the checks of one index need to know. */
struct asking {
  smem_op op;
  const char *id;
  bool strict;
};

static void fail_beyond(const struct asking *asking, double position,
                        R_xlen_t extent) {
  r_fail(SMEM_BOUNDS, asking->op, asking->id,
         "subscript out of bounds: %.0f is beyond the end, which is %.0f",
         position, (double)extent);
}

/* ---- the simple ones ----------------------------------------------------- */

R_xlen_t r_position(SEXP index, R_xlen_t length) {
  double position;
  if (TYPEOF(index) == INTSXP && XLENGTH(index) == 1)
    position = INTEGER_ELT(index, 0);
  else if (TYPEOF(index) == REALSXP && XLENGTH(index) == 1 &&
           !Rf_isObject(index))
    position = REAL_ELT(index, 0);
  else
    return -1;
  bool inside = position >= 1 && position < (double)length + 1;
  return inside ? (R_xlen_t)position - 1 : -1;
}

/* Is it a:b that R has not written out? Then its length and ends tell all. */
static bool range_of(SEXP index, struct r_axis *axis) {
  double first, last;
  if (!ALTREP(index) || Rf_isObject(index)) return false;
  R_xlen_t n = XLENGTH(index);
  if (n < 2) return false;
  if (TYPEOF(index) == INTSXP && !DATAPTR_OR_NULL(index) &&
      INTEGER_IS_SORTED(index) == 1 && INTEGER_NO_NA(index)) {
    first = INTEGER_ELT(index, 0);
    last = INTEGER_ELT(index, n - 1);
  } else if (TYPEOF(index) == REALSXP && !DATAPTR_OR_NULL(index) &&
             REAL_IS_SORTED(index) == 1 && REAL_NO_NA(index)) {
    first = REAL_ELT(index, 0);
    last = REAL_ELT(index, n - 1);
  } else {
    return false;
  }
  if (!(first >= 1 && last <= (double)axis->extent) || first != floor(first) ||
      last - first != (double)(n - 1))
    return false;
  axis->start = (R_xlen_t)first - 1;
  axis->count = n;
  return true;
}

static bool is_numeric(SEXP index) {
  return (TYPEOF(index) == INTSXP || TYPEOF(index) == REALSXP) &&
         !Rf_inherits(index, "integer64");
}

/* Elements as doubles, with NA as NaN. */
static void read_index(SEXP index, R_xlen_t at, R_xlen_t n, double *to) {
  int whole[R_CHUNK];
  if (TYPEOF(index) == REALSXP) {
    REAL_GET_REGION(index, at, n, to);
    return;
  }
  INTEGER_GET_REGION(index, at, n, whole);
  for (R_xlen_t i = 0; i < n; i++)
    to[i] = whole[i] == NA_INTEGER ? NA_REAL : whole[i];
}

/* Positions from 0. False at one that is not beyond 0. */
static bool translate(const struct asking *asking, struct r_axis *axis,
                      const double *from, R_xlen_t n, R_xlen_t *to) {
  for (R_xlen_t i = 0; i < n; i++) {
    if (from[i] < 1) return false;
    bool inside = from[i] < (double)axis->extent + 1;
    bool na = ISNAN(from[i]) || from[i] == R_PosInf;
    if (!inside && !na && asking->strict)
      fail_beyond(asking, from[i], axis->extent);
    axis->has_na |= !inside;
    to[i] = inside ? (R_xlen_t)from[i] - 1 : -1;
  }
  return true;
}

/* False: it takes R to understand it. */
static bool positions_of(const struct asking *asking, SEXP index,
                         struct r_axis *axis) {
  double chunk[R_CHUNK];
  R_xlen_t n = XLENGTH(index);
  R_xlen_t *at = (R_xlen_t *)(void *)R_alloc((size_t)n, sizeof *at);
  axis->has_na = false;
  for (R_xlen_t done = 0; done < n; done += R_CHUNK) {
    R_xlen_t count = n - done < R_CHUNK ? n - done : R_CHUNK;
    if (done % R_BLOCK == 0) R_CheckUserInterrupt();
    read_index(index, done, count, chunk);
    if (!translate(asking, axis, chunk, count, at + done)) return false;
  }
  r_axis_set(axis, at, n);
  return true;
}

/* ---- the others ---------------------------------------------------------- */

/* The value of a function of this package for extent and index: positions, or a
 * string that says what is wrong. The caller protects. */
static SEXP ask_r(const char *function, R_xlen_t extent, SEXP index) {
  SEXP quoted = PROTECT(Rf_lang2(Rf_install("quote"), index));
  SEXP number = PROTECT(Rf_ScalarReal((double)extent));
  SEXP answer = r_package_call(function, PROTECT(Rf_list2(number, quoted)));
  UNPROTECT(3);
  return answer;
}

static void check_kind(const struct asking *asking, SEXP index) {
  if (TYPEOF(index) == STRSXP)
    r_fail_argument(asking->op, asking->id,
                    "an array has no names; give numbers or "
                    "logical values as index");
  if (Rf_inherits(index, "integer64"))
    r_fail_argument(asking->op, asking->id,
                    "the index is of class integer64; "
                    "convert it with as.numeric()");
}

/* R's answer has NA for what is beyond the end. */
static void check_reach(const struct asking *asking, SEXP index,
                        R_xlen_t extent) {
  double chunk[R_CHUNK];
  R_xlen_t n = Rf_xlength(index);
  if (TYPEOF(index) == LGLSXP && n > extent)
    r_fail(
        SMEM_BOUNDS, asking->op, asking->id,
        "subscript out of bounds: the logical index has %.0f elements, of %.0f",
        (double)n, (double)extent);
  if (!is_numeric(index)) return;
  for (R_xlen_t done = 0; done < n; done += R_CHUNK) {
    R_xlen_t count = n - done < R_CHUNK ? n - done : R_CHUNK;
    read_index(index, done, count, chunk);
    for (R_xlen_t i = 0; i < count; i++)
      if (chunk[i] >= (double)extent + 1 && chunk[i] != R_PosInf)
        fail_beyond(asking, chunk[i], extent);
  }
}

static void fail_index(const struct asking *asking, SEXP text) {
  const char *message = CHAR(STRING_ELT(text, 0));
  if (strstr(message, "out of bounds"))
    r_fail(SMEM_BOUNDS, asking->op, asking->id, "%s", message);
  r_fail_argument(asking->op, asking->id, "%s", message);
}

static void resolve(const struct asking *asking, SEXP index,
                    struct r_axis *axis) {
  check_kind(asking, index);
  if (asking->strict) check_reach(asking, index, axis->extent);
  SEXP found = PROTECT(ask_r("positions_of", axis->extent, index));
  if (TYPEOF(found) == STRSXP) fail_index(asking, found);
  struct asking lenient = *asking;
  lenient.strict = false;
  positions_of(&lenient, found, axis);
  UNPROTECT(1);
}

static void fill_axis(const struct asking *asking, SEXP index,
                      struct r_axis *axis) {
  R_xlen_t position = r_position(index, axis->extent);
  if (r_is_everything(index) || position >= 0) {
    axis->start = position >= 0 ? position : 0;
    axis->count = position >= 0 ? 1 : axis->extent;
    return;
  }
  if (r_is_array(index)) index = r_array_values(asking->op, index);
  PROTECT(index);
  if (!range_of(index, axis) &&
      !(is_numeric(index) && positions_of(asking, index, axis)))
    resolve(asking, index, axis);
  UNPROTECT(1);
}

/* ---- a matrix with one row per element ----------------------------------- */

static bool is_by_row(const struct r_array *array, SEXP index) {
  return array->rank > 0 && (is_numeric(index) || TYPEOF(index) == STRSXP) &&
         Rf_isMatrix(index) && Rf_ncols(index) == array->rank;
}

/* Position of row i: -1 for NA, -2 for none. */
static R_xlen_t position_of_row(const struct asking *asking,
                                const struct r_array *array, SEXP index,
                                R_xlen_t i, R_xlen_t rows) {
  R_xlen_t position = 0, stride = 1;
  for (R_xlen_t k = 0; k < array->rank; k++) {
    double at;
    read_index(index, i + k * rows, 1, &at);
    if (ISNAN(at)) return -1;
    if (at < 0)
      r_fail_argument(asking->op, asking->id,
                      "negative values are not allowed in a matrix subscript");
    if (at < 1) return -2;
    if (at >= (double)array->extents[k] + 1)
      fail_beyond(asking, at, array->extents[k]);
    position += ((R_xlen_t)at - 1) * stride;
    stride *= array->extents[k];
  }
  return position;
}

static void fill_by_row(const struct asking *asking,
                        const struct r_array *array, SEXP index,
                        struct r_axis *axis) {
  check_kind(asking, index);
  R_xlen_t rows = XLENGTH(index) / array->rank, n = 0;
  R_xlen_t *at = (R_xlen_t *)(void *)R_alloc((size_t)rows, sizeof *at);
  for (R_xlen_t i = 0; i < rows; i++) {
    R_xlen_t position = position_of_row(asking, array, index, i, rows);
    if (position == -2) continue;
    at[n++] = position;
    axis->has_na |= position < 0;
  }
  r_axis_set(axis, at, n);
}

/* ---- what an index asks for ---------------------------------------------- */

struct r_part r_part_of_vector(smem_op op, const struct r_array *array,
                               SEXP index, bool strict) {
  struct asking asking = {op, array->reference.id, strict};
  struct r_part part = r_part_of_extents(array, 0);
  if (is_by_row(array, index))
    fill_by_row(&asking, array, index, part.axes);
  else
    fill_axis(&asking, index, part.axes);
  return r_part_counted(part);
}

static void check_rank(const struct asking *asking, const struct r_array *array,
                       SEXP indices) {
  if (XLENGTH(indices) != array->rank)
    r_fail_argument(asking->op, asking->id,
                    "incorrect number of dimensions: %.0f "
                    "indices, for an array with %.0f",
                    (double)XLENGTH(indices), (double)array->rank);
}

struct r_part r_part_of_array(smem_op op, const struct r_array *array,
                              SEXP indices) {
  struct asking asking = {op, array->reference.id, true};
  check_rank(&asking, array, indices);
  struct r_part part = r_part_of_extents(array, array->rank);
  for (R_xlen_t i = 0; i < part.rank; i++) {
    SEXP index = VECTOR_ELT(indices, i);
    fill_axis(&asking, index == R_NilValue ? r_everything() : index,
              &part.axes[i]);
  }
  return r_part_counted(part);
}

static void fill_one(const struct asking *asking, SEXP index,
                     struct r_axis *axis) {
  R_xlen_t position = r_position(index, axis->extent);
  if (position < 0) {
    check_kind(asking, index);
    SEXP found = PROTECT(ask_r("position_of", axis->extent, index));
    if (TYPEOF(found) == STRSXP) fail_index(asking, found);
    position = r_position(found, axis->extent);
    UNPROTECT(1);
  }
  R_xlen_t *at = (R_xlen_t *)(void *)R_alloc(1, sizeof *at);
  *at = position;
  axis->has_na = position < 0;
  r_axis_set(axis, at, 1);
}

struct r_part r_part_of_element(smem_op op, const struct r_array *array,
                                SEXP index, bool single) {
  struct asking asking = {op, array->reference.id, true};
  if (!single) check_rank(&asking, array, index);
  struct r_part part = r_part_of_extents(array, single ? 0 : array->rank);
  for (R_xlen_t i = 0; i < part.rank; i++) {
    SEXP one = single ? index : VECTOR_ELT(index, i);
    if (r_is_everything(one) || (!single && one == R_NilValue))
      r_fail_argument(op, asking.id, "[[ ]] needs an index for each dimension");
    fill_one(&asking, one, &part.axes[i]);
  }
  return r_part_counted(part);
}
