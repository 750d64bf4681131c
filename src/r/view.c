/* Views: R vectors whose elements are a segment's bytes.
 *
 * Most of base R asks a vector for a writable pointer even where it only reads,
 * and writes into the operands of an expression where it believes that nobody
 * refers to them. So what may be written cannot be told from what must not be,
 * and no vector writes through to a segment: each view has a private mapping of
 * its own. A write copies the page and stays with this view; nothing else is
 * ever copied. A shallow duplicate, as made for an assignment, is a view with
 * another fresh mapping. A view is marked as not mutable, so that R duplicates
 * it before it writes.
 *
 * Deep duplicates are made for results and scratch space (-x, sort(),
 * median()), all of which will be written: they are ordinary vectors.
 *
 * data2, which R looks up with less ado than data1, is an external pointer to a
 * struct view; data1 is the ordinary vector that took the place of the memory
 * (the view is detached), or R_NilValue. */
#include "altrep.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct view {
  char *bytes;              /* the elements; NULL: they must not be used yet */
  smem_reference reference; /* form: r_view_form() */
  smem_handle *handle;      /* NULL if it could not be opened */
  bool exposed;             /* somebody was given a pointer to write through */
  bool is_finalized;
};

enum { LIVE = 0x80 }; /* of the form: the segment need not be sealed */

static R_altrep_class_t classes[R_TYPES];
int r_by_value;

uint8_t r_view_form(int type, bool live) {
  return (uint8_t)(type | (live ? LIVE : 0));
}

static int type_index(const smem_reference *reference) {
  return reference->form & ~LIVE;
}

static bool is_live(const struct view *view) {
  return view->reference.form & LIVE;
}

static struct view *view_of(SEXP x) {
  return R_ExternalPtrAddr(R_altrep_data2(x));
}

static const struct r_type *type_of(const struct view *view) {
  return &r_types[type_index(&view->reference)];
}

static char *first_byte(const struct view *view) {
  return (char *)view->handle->address + view->reference.offset;
}

/* ---- making -------------------------------------------------------------- */

/* The record stays: a finalizer of something that became unreachable together
 * with the view may still use that, which then opens it again. */
static void finalize(SEXP pointer) {
  struct view *view = R_ExternalPtrAddr(pointer);
  if (!view->handle) return;
  if (view->bytes == first_byte(view)) view->bytes = NULL; /* not detached */
  smem_close(view->handle);
  view->handle = NULL;
  view->is_finalized = true;
}

/* An external pointer to a view that has nothing open yet. Its tag is the
 * vector that the record lies in. */
static SEXP new_pointer(const smem_reference *reference) {
  SEXP record = PROTECT(Rf_allocVector(RAWSXP, sizeof(struct view)));
  struct view *view = (struct view *)(void *)RAW(record);
  memset(view, 0, sizeof *view);
  if (reference) view->reference = *reference;
  SEXP pointer = PROTECT(R_MakeExternalPtr(view, record, R_NilValue));
  R_RegisterCFinalizer(pointer, finalize);
  UNPROTECT(2);
  return pointer;
}

static SEXP new_view(SEXP pointer) {
  struct view *view = R_ExternalPtrAddr(pointer);
  SEXP x =
      R_new_altrep(classes[type_index(&view->reference)], R_NilValue, pointer);
  MARK_NOT_MUTABLE(x);
  return x;
}

static smem_code fail(const struct view *view, smem_code code,
                      smem_error *error, const char *format, ...) {
  va_list arguments;
  *error =
      (smem_error){.size = sizeof *error, .code = code, .op = SMEM_OP_VIEW};
  smem_copy_text(error->id, sizeof error->id, view->reference.id);
  va_start(arguments, format);
  vsnprintf(error->detail, sizeof error->detail, format, arguments);
  va_end(arguments);
  return code;
}

/* Is the segment one that this view may be of? */
static smem_code check_handle(const struct view *view, smem_error *error) {
  if (!is_live(view) && !view->handle->sealed)
    return fail(view, SMEM_UNSEALED, error,
                "it is not sealed, so its elements could change while R uses "
                "them");
  if (r_is_inside(&view->reference, type_of(view), view->handle->capacity))
    return SMEM_OK;
  return fail(view, SMEM_BOUNDS, error,
              "the reference names bytes that the segment does not have");
}

static smem_code open_handle(struct view *view, smem_error *error) {
  smem_code code =
      smem_open_reference(&view->reference, SMEM_PRIVATE, &view->handle, error);
  error->op = SMEM_OP_VIEW;
  if (code == SMEM_OK) code = check_handle(view, error);
  if (code == SMEM_OK) return code;
  smem_close(view->handle);
  view->handle = NULL;
  return code;
}

/* Other programs have other bytes for TRUE, which would crash R. What is sealed
 * stays as it was found here. */
static smem_code check_values(const struct view *view, smem_error *error) {
  const int *values = (const int *)(void *)first_byte(view);
  uint64_t length = view->reference.length;
  if (type_of(view)->type != LGLSXP) return SMEM_OK;
  uint64_t at = r_first_improper(values, length);
  if (at == length) return SMEM_OK;
  return fail(view, SMEM_ARGUMENT, error,
              "element %llu is %d and not FALSE (0), TRUE (1) or NA, so it is "
              "not a logical vector of R. readSharedMemory() and sharedArray() "
              "take other values for TRUE; logicals of one byte each are a "
              "sharedArray() of type \"bool8\"",
              (unsigned long long)at + 1, values[at]);
}

/* Make the elements ready for use. */
static smem_code prepare(struct view *view, smem_error *error) {
  smem_code code = view->handle ? SMEM_OK : open_handle(view, error);
  if (code == SMEM_OK) code = check_values(view, error);
  if (code == SMEM_OK) view->bytes = first_byte(view);
  return code;
}

SEXP r_view_of_reference(const smem_reference *reference, smem_code *code,
                         smem_error *error) {
  SEXP pointer = PROTECT(new_pointer(reference));
  *code = prepare(R_ExternalPtrAddr(pointer), error);
  SEXP x = new_view(pointer);
  UNPROTECT(1);
  return x;
}

/* ---- what R asks of a vector --------------------------------------------- */

static R_xlen_t view_length(SEXP x) {
  return (R_xlen_t)view_of(x)->reference.length;
}

/* See detach(). */
static bool is_detached(SEXP x) { return R_altrep_data1(x) != R_NilValue; }

/* What could not be opened when the reference came in may be there now: the
 * memory, or an error that says why there is none. */
static char *prepare_now(SEXP x) {
  smem_error error = SMEM_ERROR_INIT;
  struct view *view = view_of(x);
  r_check(prepare(view, &error), &error);
  if (view->is_finalized) R_RegisterCFinalizer(R_altrep_data2(x), finalize);
  view->is_finalized = false;
  return view->bytes;
}

/* Called for each x[i]: what seldom happens, and needs a large frame, is apart.
 */
static char *bytes(SEXP x) {
  char *at = view_of(x)->bytes;
  return at ? at : prepare_now(x);
}

/* Where the system cannot map privately: an ordinary vector takes the place of
 * the memory. The mapping stays, for somebody may be reading from it already.
 */
static void detach(SEXP x) {
  const char *from = bytes(x);
  SEXP copy = PROTECT(Rf_allocVector(TYPEOF(x), view_length(x)));
  memcpy(r_vector_bytes(copy), from,
         (size_t)view_length(x) * type_of(view_of(x))->size);
  R_set_altrep_data1(x, copy);
  view_of(x)->bytes = r_vector_bytes(copy);
  UNPROTECT(1);
}

/* From 64 elements on R sets attributes on a wrapper of its own around the
 * view, which duplicates what it wraps when it is first asked for a pointer. If
 * nobody else refers to that duplicate then, R takes every later reference for
 * a mistake of its own, and serialize() makes one: from then on all uses are
 * errors. So a duplicate is referred to by its own pointer until it gives out
 * its memory. One that is made for an assignment does so at once, and the next
 * assignment does not duplicate it. */
static void hold_duplicate(SEXP pointer, SEXP y) {
  R_SetExternalPtrProtected(pointer, y);
}

static void release_duplicate(SEXP pointer) {
  if (R_ExternalPtrProtected(pointer) != R_NilValue)
    R_SetExternalPtrProtected(pointer, R_NilValue);
}

static void *view_pointer(SEXP x, Rboolean writable) {
  char *at = bytes(x);
  struct view *view = view_of(x);
  release_duplicate(R_altrep_data2(x));
  if (!writable || is_detached(x)) return at;
  view->exposed = true;
  if (view->handle->access != SMEM_PRIVATE) detach(x);
  return view->bytes;
}

static const void *view_pointer_or_null(SEXP x) { return view_of(x)->bytes; }

R_READERS(bytes)

/* Is it, to all that anybody can see, what is in the segment? */
static bool is_pristine(SEXP x) {
  const struct view *view = view_of(x);
  if (is_detached(x)) return false;
  return !view->exposed || !view->handle ||
         !smem_handle_is_written(view->handle);
}

/* NULL: R makes an ordinary copy. Attributes are R's business. */
static SEXP view_duplicate(SEXP x, Rboolean deep) {
  const struct view *view = view_of(x);
  smem_error ignored = SMEM_ERROR_INIT;
  if (deep || !is_pristine(x)) return NULL;
  SEXP pointer = PROTECT(new_pointer(&view->reference));
  struct view *copy = R_ExternalPtrAddr(pointer);
  /* A copy of what is not there is not there either. */
  bool made = !view->handle || open_handle(copy, &ignored) == SMEM_OK;
  if (made && view->bytes) copy->bytes = first_byte(copy);
  /* Not marked: it is made to be written to, and nobody else has its memory. */
  SEXP y = made ? R_new_altrep(classes[type_index(&view->reference)],
                               R_NilValue, pointer)
                : NULL;
  if (y) hold_duplicate(pointer, y);
  UNPROTECT(1);
  return y;
}

static Rboolean view_inspect(SEXP x, int before, int deep, int vectors,
                             void (*subtree)(SEXP, int, int, int)) {
  const struct view *view = view_of(x);
  (void)before;
  (void)deep;
  (void)vectors;
  (void)subtree;
  Rprintf(" view of shared memory '%s'%s%s\n", view->reference.id,
          is_live(view) ? ", live" : "",
          is_detached(x) ? ", detached"
          : view->handle ? ""
                         : " (not there)");
  return TRUE;
}

/* ---- travelling ---------------------------------------------------------- */

/* NULL: by value, as when the values are nowhere else any more. */
static SEXP view_state(SEXP x) {
  const struct view *view = view_of(x);
  if (!is_pristine(x) ||
      (view->handle &&
       (r_by_value > 0 || !smem_handle_is_findable(view->handle))))
    return NULL;
  return r_reference_packed(&view->reference);
}

static const char *wrong_reference(const smem_reference *reference) {
  int index = type_index(reference);
  if (index >= R_TYPES || reference->length > R_XLEN_T_MAX)
    return "the reference is damaged";
  if ((reference->form & LIVE) && r_types[index].type == LGLSXP)
    return "the reference is damaged: a live view cannot be of type logical";
  return NULL;
}

/* The class that R has found by its name must be that of the type in the state,
 * or elements would be read as what they are not. */
static const char *wrong_state(SEXP class, SEXP state,
                               smem_reference *reference) {
  if (TYPEOF(state) != RAWSXP)
    return "this is not a reference to shared memory";
  const char *wrong =
      smem_reference_read(RAW(state), (size_t)XLENGTH(state), reference);
  if (!wrong) wrong = wrong_reference(reference);
  if (wrong) return wrong;
  return R_SEXP(classes[type_index(reference)]) == class ? NULL
                                                         : "the reference is "
                                                           "damaged";
}

/* If it cannot be opened, the first use will say why. That also looks at the
 * values, which would take long here. */
static SEXP view_from_reference(const smem_reference *reference) {
  smem_error ignored = SMEM_ERROR_INIT;
  SEXP pointer = PROTECT(new_pointer(reference));
  struct view *view = R_ExternalPtrAddr(pointer);
  if (open_handle(view, &ignored) == SMEM_OK && type_of(view)->type != LGLSXP)
    view->bytes = first_byte(view);
  SEXP x = new_view(pointer);
  UNPROTECT(1);
  return x;
}

static SEXP view_from_state(SEXP class, SEXP state) {
  smem_reference reference;
  const char *wrong = wrong_state(class, state, &reference);
  if (wrong) r_fail_argument(SMEM_OP_VIEW, "", "%s", wrong);
  return view_from_reference(&reference);
}

SEXP r_view_of_part(const smem_reference *reference, const char **wrong) {
  *wrong = wrong_reference(reference);
  return *wrong ? NULL : view_from_reference(reference);
}

/* ---- classes ------------------------------------------------------------- */

void r_view_start(DllInfo *dll) {
  static const struct r_methods methods = {
      view_length,     view_duplicate, view_inspect,        view_state,
      view_from_state, view_pointer,   view_pointer_or_null};
  r_classes_start(classes, "view", dll, &methods, &readers);
}

/* ---- for the user -------------------------------------------------------- */

struct opening {
  SEXP pointer, length;
  int64_t count, offset;
  bool done;
};

static SEXP make_view(void *data) {
  struct opening *opening = data;
  struct view *view = R_ExternalPtrAddr(opening->pointer);
  smem_error error = SMEM_ERROR_INIT;
  r_check(check_handle(view, &error), &error); /* is it sealed? */
  view->reference.offset = (uint64_t)opening->offset;
  view->reference.length =
      (uint64_t)r_fit(SMEM_OP_VIEW, view->reference.id, type_of(view),
                      opening->length, opening->count, opening->offset,
                      view->handle->capacity, view->handle->requested);
  r_check(prepare(view, &error), &error);
  SEXP x = new_view(opening->pointer);
  opening->done = true;
  return x;
}

static void close_undone(void *data) {
  struct opening *opening = data;
  if (!opening->done) finalize(opening->pointer);
}

static void check_request(SEXP id, const struct r_type *type, int64_t offset,
                          bool live) {
  if (offset % (int64_t)type->size != 0)
    r_fail_argument(
        SMEM_OP_VIEW, CHAR(id),
        "`offset` is %.0f; for a view of type %s "
        "it must be a multiple of %d (readSharedMemory() takes any)",
        (double)offset, type->name, (int)type->size);
  if (live && type->type == LGLSXP)
    r_fail_argument(SMEM_OP_VIEW, CHAR(id),
                    "a live view cannot be of type logical, "
                    "because a value other than FALSE, TRUE and NA would crash "
                    "R. Use sharedArray() with the type \"logical\", or "
                    "\"bool8\" for one byte each");
}

SEXP r_view(SEXP id, SEXP type, SEXP length, SEXP offset, SEXP live) {
  smem_op op = SMEM_OP_VIEW;
  smem_error error = SMEM_ERROR_INIT;
  r_pointer_collect();
  id = PROTECT(r_id(op, id));
  int index = r_type_named(op, "type", type);
  struct opening opening = {.length = length};
  opening.offset = r_whole(op, "offset", offset, 0);
  opening.count = r_count(op, "length", length);
  bool changing = r_flag(op, "live", live);
  check_request(id, &r_types[index], opening.offset, changing);
  opening.pointer = PROTECT(new_pointer(NULL));
  struct view *view = R_ExternalPtrAddr(opening.pointer);
  smem_code code = smem_open(CHAR(id), SMEM_PRIVATE, &view->handle, &error);
  error.op = op;
  r_check(code, &error);
  smem_refer(view->handle, &view->reference);
  view->reference.form = r_view_form(index, changing);
  SEXP x = R_ExecWithCleanup(make_view, &opening, close_undone, &opening);
  UNPROTECT(2);
  return x;
}

/* R wraps a large vector in one of its own to set attributes. */
static SEXP view_behind(SEXP x) {
  while (ALTREP(x)) {
    int index = r_type_of(x);
    if (index < 0) return NULL;
    if (R_altrep_inherits(x, classes[index])) return is_detached(x) ? NULL : x;
    SEXP inner = R_altrep_data1(x);
    if (TYPEOF(inner) != TYPEOF(x)) return NULL;
    x = inner;
  }
  return NULL;
}

bool r_is_view(SEXP x) { return view_behind(x) != NULL; }

SEXP r_view_id(SEXP x, SEXP full) {
  r_pointer_collect();
  bool with_space = r_flag(SMEM_OP_FIND, "full", full);
  SEXP view = view_behind(x), id = NA_STRING;
  if (view)
    id = r_id_of(&view_of(view)->reference, view_of(view)->handle, with_space);
  SEXP result = Rf_ScalarString(PROTECT(id));
  UNPROTECT(1);
  return result;
}

const smem_reference *r_view_reference(SEXP x) {
  SEXP view = view_behind(x);
  return view ? &view_of(view)->reference : NULL;
}

bool r_view_shows(SEXP x, const char *id) {
  SEXP view = view_behind(x);
  return view && is_live(view_of(view)) &&
         strcmp(view_of(view)->reference.id, id) == 0;
}

bool r_view_is_of_sealed(SEXP x, smem_reference *reference) {
  SEXP view = view_behind(x);
  if (!view || is_live(view_of(view)) || !view_of(view)->handle ||
      !is_pristine(view))
    return false;
  *reference = view_of(view)->reference;
  return true;
}
