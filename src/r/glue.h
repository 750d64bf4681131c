/* Between R and the core: SEXP in, arguments checked, core called, errors out.
 * On R's main thread, unless a function says otherwise. The functions of api.c,
 * but view(), run on any. */
#ifndef SHAREDMEMORY_R_GLUE_H
#define SHAREDMEMORY_R_GLUE_H

#define R_NO_REMAP
#include <R.h>
#include <R_ext/Rdynload.h>
#include <Rinternals.h>

#include "../../inst/include/smem.h"

/* ---- condition.c --------------------------------------------------------- */

/* Remember the package's namespace, where the R side of conditions is. */
void r_condition_start(SEXP environment);

/* Call a function of the package; the arguments are a pairlist. */
SEXP r_package_call(const char *function, SEXP arguments);

/* Of R, on which the package was loaded. On any thread. */
bool r_is_main_thread(void);

/* For smem_start(). On any thread: false on all but R's main one. */
bool r_interrupted(void);

/* Has r_interrupted() met one that r_check() has yet to go on with? */
bool r_interrupt_waits(void);

/* Take no notice of it: the caller has told of it in another way. On any
 * thread. */
void r_interrupt_forget(void);

/* Call `run`; false if R wanted to jump out of it, for an error or an
 * interrupt. On R's main thread. */
bool r_without_jump(SEXP (*run)(void *), void *data);

/* Call it in the midst of a call of the core: a jump out of it waits for
 * r_check(), as that of an interrupt does. True: one waits, and what `run` was
 * to do is not done. */
bool r_postpone_jump(SEXP (*run)(void *), void *data);

/* smem_error_message(), as R users get it. On any thread. advice.c. */
int r_error_message(const smem_error *error, char *buffer, unsigned room);

/* Throw the error of a core call as an R condition, or go on with an interrupt
 * that r_interrupted() met. Returns if there is neither. */
void r_check(smem_code code, const smem_error *error);

/* The same for element i of a loop over n. */
void r_check_element(smem_code code, smem_error *error, R_xlen_t i, R_xlen_t n);

/* Throw an error that the glue itself has found. `id` may be "". */
void r_fail(smem_code code, smem_op op, const char *id, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((noreturn, format(printf, 4, 5)))
#endif
    ;

/* The same for SMEM_ARGUMENT. */
void r_fail_argument(smem_op op, const char *id, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((noreturn, format(printf, 3, 4)))
#endif
    ;

/* ---- argument.c ---------------------------------------------------------- */

/* The ids as a character vector in UTF-8, each of them valid. Numbers are
 * written out, factors give their labels. The caller protects. `empty`: may an
 * element be ""? */
SEXP r_ids(smem_op op, const char *argument, SEXP x, bool empty);

/* x[i] as a size in bytes, 1 to 2^53. */
uint64_t r_size(smem_op op, SEXP x, R_xlen_t i);
void r_sizes_check(smem_op op, SEXP x);

bool r_flag(smem_op op, const char *argument, SEXP x);
smem_lifetime r_lifetime(smem_op op, SEXP x);
smem_lifetime r_object_lifetime(smem_op op, SEXP x);

/* One number, also as an id; NULL: `otherwise`. */
double r_limit(smem_op op, const char *argument, SEXP x, double otherwise);

/* One id, as r_ids() makes it. */
SEXP r_id(smem_op op, SEXP x);

/* One whole number, not beyond 2^53 in either direction. NULL: `otherwise`. */
int64_t r_whole(smem_op op, const char *argument, SEXP x, int64_t otherwise);

/* The same, not negative; NULL: 0. */
int64_t r_count(smem_op op, const char *argument, SEXP x);

/* ---- pointer.c ----------------------------------------------------------- */

/* The external pointer of a mapping, tagged with the id; always the same one.
 * Jumps without memory for it. */
SEXP r_pointer(smem_mapping *mapping, smem_access access, SEXP id);

/* A smem_gone: set the pointer of what is no longer mapped to NULL. */
void r_pointer_gone(void *note);

/* Tell the core what the environment says. On R's thread, which alone may read
 * it: R changes it there, and getenv() on another thread would read freed
 * memory. */
void r_environment(void);

/* The same for options(sharedmemory.spill =), and where that is not set for the
 * environment: before anything is allocated, for R looks through all options.
 */
void r_spill(void);

/* The value of an option, R_NilValue if it is not set. `symbol`: static, for
 * its name. */
SEXP r_option(const char *name, SEXP *symbol);

/* What each entry point begins with: r_environment(), and r_pointer_gone() for
 * what other packages have freed since the last call, perhaps on other threads,
 * where R's objects cannot be touched. */
void r_pointer_collect(void);

/* ---- vector.c: vectors whose elements are plain bytes -------------------- */

struct r_type {
  const char *name;
  SEXPTYPE type;
  size_t size; /* bytes of an element */
};
enum { R_TYPES = 5 };
extern const struct r_type r_types[R_TYPES];

/* By the name in `x`; by the type of a vector, -1 if it is none of them. */
int r_type_named(smem_op op, const char *argument, SEXP x);
int r_type_of(SEXP x);

/* A whole number: integer while it fits, else double. */
SEXP r_number(uint64_t value);

/* The memory of a vector of one of the types, to fill a new one, and to read.
 */
void *r_vector_bytes(SEXP x);
const void *r_vector_bytes_read(SEXP x);

/* How many elements of the type, at `offset` (bytes, may be negative): `count`,
 * or if the argument `asked` is NULL as many as there are in the `requested`
 * bytes. Throws SMEM_BOUNDS if the segment does not have so many. */
int64_t r_fit(smem_op op, const char *id, const struct r_type *type, SEXP asked,
              int64_t count, int64_t offset, uint64_t capacity,
              uint64_t requested);

/* Has the segment the elements that the reference names? It may come from
 * anywhere. */
bool r_is_inside(const smem_reference *reference, const struct r_type *type,
                 uint64_t capacity);

/* The id by which R code can come to the segment; NA_STRING if that means
 * another one here. `full`: with the namespace, whatever it means. `handle` may
 * be NULL. The caller protects. */
SEXP r_id_of(const smem_reference *reference, const smem_handle *handle,
             bool full);

/* The first value that is not FALSE, TRUE or NA; `length` if all are. */
uint64_t r_first_improper(const int *values, uint64_t length);
/* All but NA and 0 become TRUE. */
void r_make_proper(int *values, uint64_t length);

/* ---- bytes.c: copying ---------------------------------------------------- */

SEXP r_read(SEXP id, SEXP type, SEXP length, SEXP offset);
SEXP r_write(SEXP id, SEXP x, SEXP offset);

/* ---- view.c -------------------------------------------------------------- */

/* `dll` NULL: the classes outlive an unload of the package, see init.c. */
void r_view_start(DllInfo *dll);
SEXP r_view(SEXP id, SEXP type, SEXP length, SEXP offset, SEXP live);

/* A view of what the reference leads to; its form is r_view_form(). Not
 * protected. May jump for want of memory. */
uint8_t r_view_form(int type, bool live);
SEXP r_view_of_reference(const smem_reference *reference, smem_code *code,
                         smem_error *error);

/* Is it a view? */
bool r_is_view(SEXP x);
/* Where it is; NULL: it is none. */
const smem_reference *r_view_reference(SEXP x);
/* r_id_of() of a view, NA of all else. */
SEXP r_view_id(SEXP x, SEXP full);
/* Is it a view of a sealed segment, or of a part of it, and nothing else? */
bool r_view_is_of_sealed(SEXP x, smem_reference *reference);
/* As r_view_of_reference(), for what comes from elsewhere: if it cannot be
 * opened, the first use says why. NULL: *wrong says what is. */
SEXP r_view_of_part(const smem_reference *reference, const char **wrong);
/* While this is above 0 views, and leaves of shared objects, travel by value.
 */
extern int r_by_value;
/* May a write to this segment change the elements of `x`? */
bool r_view_shows(SEXP x, const char *id);

/* ---- reference.c: references that travel --------------------------------- */

void r_reference_start(DllInfo *dll); /* as r_view_start() */

/* The bytes of a reference, an ordinary vector. Not protected. */
SEXP r_reference_packed(const smem_reference *reference);

/* The same, to be protected by an external pointer. Not
 * protected. */
SEXP r_reference_bytes(const smem_reference *reference);

/* The way back, of what may come from anywhere: NULL, or a constant that says
 * what is wrong. */
extern const char r_reference_damaged[];
const char *r_reference_read(SEXP bytes, smem_reference *reference);

/* ---- arrays; what these files share is in array.h ------------------------ */

bool r_is_array(SEXP x);
/* The lock of its segment, open as long as its mapping. Jumps. */
smem_latch *r_array_latch(smem_op op, SEXP x);

/* array.c */
SEXP r_array_new(SEXP id, SEXP type, SEXP dim, SEXP offset);
SEXP r_array_length(SEXP x);
SEXP r_array_dim(SEXP x);
SEXP r_array_set_dim(SEXP x, SEXP dim); /* a new one */
SEXP r_array_id(SEXP x, SEXP full);
SEXP r_array_type(SEXP x); /* its name */

/* subset.c: x[index]; x[i, j], whose indices are in a
 * list with NULL for none; x[[index]] (single) and x[[i, j]]. */
SEXP r_array_get(SEXP x, SEXP index);
SEXP r_array_get_part(SEXP x, SEXP indices, SEXP drop);
SEXP r_array_get_element(SEXP x, SEXP index, SEXP single);

/* assign.c: the same with `<- value`. They return x. */
SEXP r_array_set(SEXP x, SEXP index, SEXP value);
SEXP r_array_set_part(SEXP x, SEXP indices, SEXP value);
SEXP r_array_set_element(SEXP x, SEXP index, SEXP single, SEXP value);

/* reduce.c */
SEXP r_array_reduce(SEXP x, SEXP what, SEXP na_rm);

/* ---- api.c: the functions for other packages ----------------------------- */

void r_api_start(void);

/* ---- share.c: whole objects --------------------------------------------- */

void r_shared_start(DllInfo *dll);
SEXP r_share(SEXP x, SEXP name, SEXP lifetime);
SEXP r_unshare(SEXP x);
SEXP r_open_shared(SEXP name);
SEXP r_is_shared(SEXP x);
SEXP r_shared_id(SEXP x, SEXP full);
/* Where a shared object or a view is; NULL: it is neither. */
const smem_reference *r_reference_inside(SEXP x);

/* ---- lock.c: locks of segments ------------------------------------------- */

/* Seconds, from 0 to Inf, as nanoseconds for the core. */
uint64_t r_timeout(smem_op op, SEXP x);

SEXP r_lock(SEXP id, SEXP timeout, SEXP shared);
SEXP r_unlock(SEXP id);
/* `frame`: an environment in which `code` is what to do. */
SEXP r_with_lock(SEXP id, SEXP frame, SEXP timeout, SEXP shared,
                 SEXP recovered);

/* ---- counter.c: elements of arrays that change as one step ----------------
 */

SEXP r_fetch_add(SEXP x, SEXP i, SEXP by);
SEXP r_compare_and_set(SEXP x, SEXP i, SEXP old, SEXP value);

/* ---- sync.c: semaphores, events, barriers ---------------------------------
 */

SEXP r_sync_open(SEXP kind, SEXP id, SEXP n);
SEXP r_sync_id(SEXP x, SEXP full);
SEXP r_sync_count(SEXP x);
SEXP r_semaphore_acquire(SEXP x, SEXP timeout);
SEXP r_semaphore_release(SEXP x);
SEXP r_semaphore_permits(SEXP x); /* free ones, and those of this process */
SEXP r_event_wait(SEXP x, SEXP timeout);
SEXP r_event_set(SEXP x, SEXP set); /* or reset */
SEXP r_event_is_set(SEXP x);
SEXP r_barrier_wait(SEXP x, SEXP timeout);

/* ---- cluster.c ----------------------------------------------------------- */

SEXP r_here(void);
SEXP r_receiver(SEXP elsewhere);
SEXP r_values(SEXP x);
SEXP r_reference(SEXP x);
SEXP r_open_reference(SEXP bytes);
SEXP r_let_go(SEXP x);

/* 128 bits as text. */
SEXP r_hexadecimal(const uint64_t number[2]);

/* ---- image.c ------------------------------------------------------------- */

SEXP r_image_new(SEXP x);
SEXP r_image_head(SEXP pointer);
SEXP r_image_digest(SEXP pointer);
SEXP r_image_send(SEXP pointer, SEXP bytes, SEXP function);
SEXP r_image_end(SEXP pointer);
SEXP r_arrival_new(SEXP head);
SEXP r_arrival_write(SEXP pointer, SEXP part, SEXP before);
SEXP r_arrival_publish(SEXP pointer);
SEXP r_arrival_end(SEXP pointer);

/* ---- calls.c: the .Call entry points ------------------------------------- */

/* With options(sharedmemory.trace = TRUE): the R call that allocates, as text
 * in memory that R frees after this .Call. Otherwise NULL. */
const char *r_current_call(void);

/* r_spill(), and once per process, before its first segment: remove what
 * crashes have left, for a few milliseconds. `op` is what the process is about
 * to do. */
void r_before_allocation(smem_op op);

SEXP r_load(SEXP environment);
SEXP r_unload(void);
SEXP r_allocate(SEXP size, SEXP name, SEXP lifetime, SEXP exclusive);
SEXP r_map(SEXP id, SEXP readonly);
SEXP r_unmap(SEXP id);
SEXP r_free(SEXP id);
SEXP r_seal(SEXP id);
SEXP r_has(SEXP id);
SEXP r_get_size(SEXP id);
SEXP r_last_index(void);
SEXP r_join(void);
SEXP r_leave(void);
SEXP r_random(void); /* an integer, without R's random numbers */

/* ---- report.c: those that tell what there is ----------------------------- */

SEXP r_list(SEXP end, SEXP start, SEXP mapped_by);
SEXP r_savings(void);
SEXP r_reclaim(SEXP dry_run, SEXP persistent);
SEXP r_inspect(SEXP id, SEXP n);
SEXP r_status(void);

#endif
