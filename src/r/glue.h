/* Between R and the core: SEXP in, arguments checked, core called, errors out.
 * Everything here runs on R's main thread. */
#ifndef SHAREDMEMORY_R_GLUE_H
#define SHAREDMEMORY_R_GLUE_H

#define R_NO_REMAP
#include <R.h>
#include <Rinternals.h>

#include "../core/smem.h"

/* ---- condition.c ------------------------------------------------------------ */

/* Remember the package's namespace, where the R side of conditions is. */
void r_condition_start(SEXP environment);

/* Call a function of the package without arguments. */
SEXP r_package_call(const char *function);

/* For smem_start(). */
bool r_interrupted(void);

/* Has r_interrupted() met one that r_check() has yet to go on with? */
bool r_interrupt_waits(void);

/* Throw the error of a core call as an R condition, or go on with an interrupt
 * that r_interrupted() met. Returns if there is neither. */
void r_check(smem_code code, const smem_error *error);

/* The same for element i of a loop over n. */
void r_check_element(smem_code code, smem_error *error, R_xlen_t i, R_xlen_t n);

/* Throw sharedmemory_error_argument. `id` may be "". */
void r_fail_argument(const char *op, const char *id, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((noreturn, format(printf, 3, 4)))
#endif
    ;

/* ---- argument.c --------------------------------------------------------------- */

/* The ids as a character vector in UTF-8, each of them valid. Numbers are
 * written out, factors give their labels. The caller protects. `empty`: may an
 * element be ""? */
SEXP r_ids(const char *op, const char *argument, SEXP x, bool empty);

/* x[i] as a size in bytes, 1 to 2^53. */
uint64_t r_size(const char *op, SEXP x, R_xlen_t i);
void r_sizes_check(const char *op, SEXP x);

bool r_flag(const char *op, const char *argument, SEXP x);
smem_lifetime r_lifetime(const char *op, SEXP x);

/* One number, also as an id; NULL: `otherwise`. */
double r_limit(const char *op, const char *argument, SEXP x, double otherwise);

/* A whole number: integer while it fits, else double. */
SEXP r_number(uint64_t value);

/* ---- pointer.c ------------------------------------------------------------------ */

/* Make sure that the next r_pointer() need not allocate. */
void r_pointer_prepare(void);

/* The external pointer of a mapping, tagged with the id; always the same one. */
SEXP r_pointer(smem_mapping *mapping, smem_access access, SEXP id);

/* Set the pointers of what is no longer mapped to NULL. */
void r_pointer_clear(smem_detached *detached);

/* ---- calls.c: the .Call entry points ---------------------------------------------- */

SEXP r_load(SEXP environment);
SEXP r_unload(void);
SEXP r_allocate(SEXP size, SEXP name, SEXP lifetime, SEXP exclusive);
SEXP r_map(SEXP id, SEXP readonly);
SEXP r_unmap(SEXP id);
SEXP r_free(SEXP id);
SEXP r_has(SEXP id);
SEXP r_get_size(SEXP id);
SEXP r_last_index(void);
SEXP r_join(void);
SEXP r_leave(void);

/* ---- report.c: those that tell what there is -------------------------------------- */

SEXP r_list(SEXP end, SEXP start, SEXP mapped_by);
SEXP r_reclaim(SEXP dry_run, SEXP persistent);
SEXP r_inspect(SEXP id, SEXP n);
SEXP r_status(void);
SEXP r_random(void); /* an integer, without R's random numbers */

#endif
