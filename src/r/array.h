/* Arrays on shared memory: what element.c, array.c, part.c, values.c, index.c,
 * subset.c, assign.c and reduce.c share. On R's main thread. */
#ifndef SHAREDMEMORY_R_ARRAY_H
#define SHAREDMEMORY_R_ARRAY_H

#include "glue.h"

/* Elements between two looks for an interrupt, many enough that memcpy() may go
 * round the caches; those that a buffer on the stack holds. */
enum { R_BLOCK = 1 << 23, R_CHUNK = 1024 };

/* ---- element.c: the types ------------------------------------------------ */

/* What an element is in the segment, and in R. */
struct r_element {
  struct r_type type; /* name, type of the R vector, bytes in the segment */
  SEXPTYPE taken; /* what store() takes: RAWSXP, LGLSXP, REALSXP or CPLXSXP */
  /* Turn n elements into those of an R vector, and back. NULL: the bytes are
   * the same. Each reads an element once; returns the first that does not fit,
   * or n. */
  R_xlen_t (*load)(void *to, const void *from, R_xlen_t n);
  R_xlen_t (*store)(void *to, const void *from, R_xlen_t n);
};
enum { R_ELEMENTS = 13, R_ELEMENT_SIZE = 16 /* the largest, also in R */ };
extern const struct r_element r_elements[R_ELEMENTS];

/* Bytes of an element in R. */
size_t r_element_width(const struct r_element *element);

/* By its name in `x`; jumps if there is none. */
int r_element_named(smem_op op, SEXP x);

/* The values of an R vector as `XLENGTH(value)` elements side by side, each of
 * them checked. In memory of R, which this .Call frees, or of `value`, which
 * the caller protects. Jumps if a type or a value does not fit. */
const char *r_element_pack(const struct r_element *element, const char *id,
                           SEXP value);

/* The same of a value of length 1, to `to`. */
void r_element_pack_one(const struct r_element *element, const char *id,
                        SEXP value, char to[R_ELEMENT_SIZE]);

/* load(), also where it is NULL; and the error for what it could not, by its
 * place in the array. */
R_xlen_t r_element_load(const struct r_element *element, void *to,
                        const void *from, R_xlen_t n);
void r_element_fail(const char *id, R_xlen_t place);

/* ---- array.c: the object ------------------------------------------------- */

struct r_shared; /* a mapping, of one array or of several that differ in dim */

struct r_array {
  char *bytes; /* the elements; NULL if it is not open */
  R_xlen_t length;
  const struct r_element *element;
  struct r_shared *shared;  /* NULL if it is not open */
  smem_reference reference; /* form: index of the element */
  R_xlen_t rank;            /* 0: like a vector, without dim */
  R_xlen_t extents[];
};

/* What is known of it without opening; open, so that `bytes` can be read;
 * writable as well. Jump if it is not what it should be. Good while `x` is
 * protected. */
struct r_array *r_array_known(smem_op op, SEXP x);
struct r_array *r_array_open(smem_op op, SEXP x);
struct r_array *r_array_writable(smem_op op, SEXP x);

/* ---- part.c: blocks of elements ------------------------------------- */

/* Positions along one extent, from 0: `count` in sequence from `start`, or the
 * ones in `at`, where -1 stands for NA. */
struct r_axis {
  R_xlen_t extent, stride; /* elements */
  R_xlen_t start, count;
  const R_xlen_t *at;
  bool has_na;
};

/* Where position k along it is; -1 for NA. */
static inline R_xlen_t r_place(const struct r_axis *axis, R_xlen_t k) {
  R_xlen_t at = axis->at ? axis->at[k] : axis->start + k;
  return at < 0 ? -1 : at * axis->stride;
}

/* A block of elements. Their order is that of R: the first axis moves fastest.
 */
struct r_part {
  R_xlen_t rank, count;
  struct r_axis *axes;
  bool has_na;
};

/* `n` positions for an axis. In memory of R, which this .Call frees. */
void r_axis_set(struct r_axis *axis, R_xlen_t *at, R_xlen_t n);

/* `rank` axes of nothing, of the array's extents or, for 0, of all of its
 * length; with its count, once the axes are set; all of the array. */
struct r_part r_part_of_extents(const struct r_array *array, R_xlen_t rank);
struct r_part r_part_counted(struct r_part part);
struct r_part r_part_whole(const struct r_array *array);

/* Call `visit` for each run of elements along one axis. `first`: to be added to
 * r_place() of the axis; -1 if another axis has an NA there. `done`: elements
 * visited before. */
typedef void r_visit(void *context, R_xlen_t first, const struct r_axis *axis,
                     R_xlen_t done);
void r_part_walk(struct r_part part, r_visit *visit, void *context);

/* ---- values.c: as ordinary vectors --------------------------------------- */

/* n elements from position `at` on, to memory for them as R has them. */
void r_array_load(const struct r_array *array, char *to, R_xlen_t at,
                  R_xlen_t n);

/* The elements of a part, without dim. Not protected. */
SEXP r_array_read(const struct r_array *array, struct r_part part);

/* `extents`, of an integer for each of `rank`. */
void r_give_dim(SEXP x, const R_xlen_t *extents, R_xlen_t rank);

/* All of it, with its dim. Not protected. */
SEXP r_array_values(smem_op op, SEXP x);

/* ---- index.c: what an index asks for ------------------------------------- */

/* What stands for a missing index: a symbol, which is not an index otherwise.
 */
SEXP r_everything(void);
bool r_is_everything(SEXP index);

/* One number that is a position from 1 to `length`: that position from 0. -1:
 * it is anything else. */
R_xlen_t r_position(SEXP index, R_xlen_t length);

/* a[index]. `strict`: beyond the end is an error, not NA. */
struct r_part r_part_of_vector(smem_op op, const struct r_array *array,
                               SEXP index, bool strict);

/* a[i, j, ...]: a list with one index per dimension, NULL for a missing one. */
struct r_part r_part_of_array(smem_op op, const struct r_array *array,
                              SEXP indices);

/* a[[index]] or, if it is not `single`, a[[i, j, ...]]: as part of one element.
 */
struct r_part r_part_of_element(smem_op op, const struct r_array *array,
                                SEXP index, bool single);

#endif
