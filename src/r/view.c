/* Views: R vectors whose elements are a segment's bytes.
 *
 * Most of base R asks a vector for a writable pointer even where it only reads, so
 * what may be written cannot be refused there. Hence two kinds:
 *
 * - A read-only view has a private mapping of its own. A write copies the page and
 *   stays with this view; nothing else is ever copied. A shallow duplicate, as
 *   made for an assignment, is a view with another fresh mapping.
 * - A writable view has a shared mapping. R writes into a vector in place when it
 *   believes that nobody else refers to it: that is an assignment if it has a name
 *   (or is in a list), and lands in the segment; or it reuses a temporary for a
 *   result, and then gets a copy. A shallow duplicate, as made for an assignment to
 *   one of several names, is the view once more, on the same mapping. It may be
 *   written to before it has a name, so it is marked as not mutable; but of a vector
 *   so marked R makes a wrapper to set attributes, and by a temporary wrapper we are
 *   not told that it is one. Hence the first view is not marked.
 *
 * Deep duplicates are made for results and scratch space (-x, sort(), median()), all
 * of which will be written: they are ordinary vectors.
 *
 * data2, which R looks up with less ado than data1, is an external pointer to a struct
 * view, which aliases share; data1 is the ordinary vector that took the place of the
 * memory (the view is detached), or R_NilValue. */
#include "glue.h"

#include <R_ext/Altrep.h>
#include <string.h>

struct view {
  char *bytes;              /* the elements; NULL if it could not be opened */
  smem_reference reference; /* form: index of the type, and WRITABLE */
  smem_handle *handle;      /* NULL if it could not be opened */
  bool exposed;             /* somebody was given a pointer to write through */
  bool is_finalized;
};

enum { WRITABLE = 0x80 };

static R_altrep_class_t classes[R_TYPES];

static struct view *view_of(SEXP x) {
  return R_ExternalPtrAddr(R_altrep_data2(x));
}

static const struct r_type *type_of(const struct view *view) {
  return &r_types[view->reference.form & ~WRITABLE];
}

static bool is_writable(const struct view *view) {
  return view->reference.form & WRITABLE;
}

/* ---- making ------------------------------------------------------------------------- */

/* The record stays: a finalizer of something that became unreachable together with
 * the view may still use that, which then opens it again. */
static void finalize(SEXP pointer) {
  struct view *view = R_ExternalPtrAddr(pointer);
  if (!view->handle) return;
  smem_close(view->handle);
  view->handle = NULL;
  view->bytes = NULL;
  view->is_finalized = true;
}

/* An external pointer to a view that has nothing open yet. Its tag is the vector that
 * the record lies in. */
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
  return R_new_altrep(classes[view->reference.form & ~WRITABLE], R_NilValue,
                      pointer);
}

static smem_access access_of(const struct view *view) {
  return is_writable(view) ? SMEM_READ_WRITE : SMEM_PRIVATE;
}

bool r_is_inside(const smem_reference *reference, const struct r_type *type,
                 uint64_t capacity) {
  return reference->offset <= capacity && reference->offset % type->size == 0 &&
         reference->length <= (capacity - reference->offset) / type->size;
}

static smem_code open_view(struct view *view, smem_error *error) {
  const smem_reference *reference = &view->reference;
  smem_code code =
      smem_open_reference(reference, access_of(view), &view->handle, error);
  if (code != SMEM_OK) return code;
  if (r_is_inside(reference, type_of(view), view->handle->capacity)) {
    view->bytes = (char *)view->handle->address + reference->offset;
    return SMEM_OK;
  }
  smem_close(view->handle);
  view->handle = NULL;
  *error = (smem_error){.code = SMEM_BOUNDS, .op = "view"};
  strcpy(error->id, reference->id);
  strcpy(error->detail, "the reference names bytes that the segment has not");
  return error->code;
}

uint8_t r_view_form(int type, bool writable) {
  return (uint8_t)(type | (writable ? WRITABLE : 0));
}

SEXP r_view_of_reference(const smem_reference *reference, smem_code *code,
                         smem_error *error) {
  SEXP pointer = PROTECT(new_pointer(reference));
  *code = open_view(R_ExternalPtrAddr(pointer), error);
  error->op = "view";
  SEXP x = PROTECT(new_view(pointer));
  if (!is_writable(view_of(x))) MARK_NOT_MUTABLE(x);
  UNPROTECT(2);
  return x;
}

/* ---- what R asks of a vector ---------------------------------------------------------- */

static R_xlen_t view_length(SEXP x) {
  return (R_xlen_t)view_of(x)->reference.length;
}

/* See detach(). */
static bool is_detached(SEXP x) { return R_altrep_data1(x) != R_NilValue; }

/* What could not be opened when the reference came in may be there now: the memory,
 * or an error that says why there is none. */
static char *open_now(SEXP x) {
  smem_error error;
  struct view *view = view_of(x);
  smem_code code = open_view(view, &error);
  error.op = "view";
  r_check(code, &error);
  if (view->is_finalized) R_RegisterCFinalizer(R_altrep_data2(x), finalize);
  view->is_finalized = false;
  return view->bytes;
}

/* Called for each x[i]: what seldom happens, and needs a large frame, is apart. */
static char *bytes(SEXP x) {
  char *at = view_of(x)->bytes;
  return at ? at : open_now(x);
}

static SEXP ordinary_copy(SEXP x) {
  const char *from = bytes(x);
  SEXP copy = PROTECT(Rf_allocVector(TYPEOF(x), view_length(x)));
  memcpy(r_vector_bytes(copy), from,
         (size_t)view_length(x) * type_of(view_of(x))->size);
  UNPROTECT(1);
  return copy;
}

/* Let an ordinary vector take the place of the memory. The mapping stays: somebody
 * may be reading from it already. */
static void detach(SEXP x) {
  SEXP copy = PROTECT(ordinary_copy(x));
  SEXP pointer = PROTECT(new_pointer(&view_of(x)->reference));
  struct view *view = R_ExternalPtrAddr(pointer);
  view->bytes = r_vector_bytes(copy);
  R_SetExternalPtrProtected(pointer, R_altrep_data2(x));
  R_set_altrep_data2(x, pointer);
  R_set_altrep_data1(x, copy);
  UNPROTECT(2);
}

static void *view_pointer(SEXP x, Rboolean writable) {
  char *at = bytes(x);
  struct view *view = view_of(x);
  if (!writable || is_detached(x)) return at;
  view->exposed = true;
  bool in_place = is_writable(view) ? !NO_REFERENCES(x)
                                    : view->handle->access == SMEM_PRIVATE;
  if (!in_place) detach(x);
  return view_of(x)->bytes;
}

static const void *view_pointer_or_null(SEXP x) { return view_of(x)->bytes; }

static Rbyte raw_element(SEXP x, R_xlen_t i) { return ((Rbyte *)bytes(x))[i]; }
static int int_element(SEXP x, R_xlen_t i) { return ((int *)bytes(x))[i]; }
static double real_element(SEXP x, R_xlen_t i) {
  return ((double *)bytes(x))[i];
}
static Rcomplex complex_element(SEXP x, R_xlen_t i) {
  return ((Rcomplex *)bytes(x))[i];
}

/* Is it, to all that anybody can see, what is in the segment? */
static bool is_pristine(SEXP x) {
  const struct view *view = view_of(x);
  if (is_detached(x)) return false;
  return is_writable(view) || !view->exposed || !view->handle ||
         !smem_handle_is_written(view->handle);
}

/* NULL: R makes an ordinary copy. Attributes are R's business. */
static SEXP view_duplicate(SEXP x, Rboolean deep) {
  struct view *view = view_of(x);
  smem_error ignored;
  if (deep || !is_pristine(x)) return NULL;
  if (is_writable(view)) {
    SEXP alias = new_view(R_altrep_data2(x));
    MARK_NOT_MUTABLE(alias);
    return alias;
  }
  SEXP pointer = PROTECT(new_pointer(&view->reference));
  smem_code code = open_view(R_ExternalPtrAddr(pointer), &ignored);
  /* A copy of what is not there is not there either. */
  SEXP copy = code == SMEM_OK || !view->handle ? new_view(pointer) : NULL;
  UNPROTECT(1);
  return copy;
}

static Rboolean view_inspect(SEXP x, int before, int deep, int vectors,
                             void (*subtree)(SEXP, int, int, int)) {
  const struct view *view = view_of(x);
  (void)before;
  (void)deep;
  (void)vectors;
  (void)subtree;
  Rprintf(" %s view of shared memory '%s'%s\n",
          is_writable(view) ? "writable" : "read-only", view->reference.id,
          is_detached(x) ? ", detached" : view->handle ? "" : " (not there)");
  return TRUE;
}

/* ---- travelling ------------------------------------------------------------------------- */

/* NULL: by value, as when the values are nowhere else any more. */
static SEXP view_state(SEXP x) {
  const struct view *view = view_of(x);
  if (!is_pristine(x) ||
      (view->handle && !smem_handle_is_findable(view->handle)))
    return NULL;
  unsigned char bytes_out[SMEM_REFERENCE_SIZE];
  size_t length = smem_reference_write(&view->reference, bytes_out);
  SEXP state = Rf_allocVector(RAWSXP, (R_xlen_t)length);
  memcpy(RAW(state), bytes_out, length);
  return state;
}

/* The class that R has found by its name must be that of the type in the state,
 * or elements would be read as what they are not. */
static const char *wrong_state(SEXP class, SEXP state,
                               smem_reference *reference) {
  if (TYPEOF(state) != RAWSXP) return "this is no reference to shared memory";
  const char *wrong =
      smem_reference_read(RAW(state), (size_t)XLENGTH(state), reference);
  if (wrong) return wrong;
  int index = reference->form & ~WRITABLE;
  if (index >= R_TYPES || R_SEXP(classes[index]) != class ||
      reference->length > R_XLEN_T_MAX)
    return "the reference is damaged";
  return NULL;
}

static SEXP view_from_state(SEXP class, SEXP state) {
  smem_reference reference;
  smem_error ignored;
  const char *wrong = wrong_state(class, state, &reference);
  if (wrong) r_fail_argument("view", "", "%s", wrong);
  /* If it cannot be opened, the first use will say why. */
  smem_code code;
  return r_view_of_reference(&reference, &code, &ignored);
}

/* ---- classes ---------------------------------------------------------------------------- */

static void set_methods(R_altrep_class_t class) {
  R_set_altrep_Length_method(class, view_length);
  R_set_altrep_Duplicate_method(class, view_duplicate);
  R_set_altrep_Inspect_method(class, view_inspect);
  R_set_altrep_Serialized_state_method(class, view_state);
  R_set_altrep_Unserialize_method(class, view_from_state);
  R_set_altvec_Dataptr_method(class, view_pointer);
  R_set_altvec_Dataptr_or_null_method(class, view_pointer_or_null);
}

void r_view_start(DllInfo *dll) {
  const char *package = "sharedmemory";
  R_altrep_class_t made[R_TYPES] = {
      R_make_altraw_class("view_raw", package, dll),
      R_make_altlogical_class("view_logical", package, dll),
      R_make_altinteger_class("view_integer", package, dll),
      R_make_altreal_class("view_double", package, dll),
      R_make_altcomplex_class("view_complex", package, dll)};
  R_set_altraw_Elt_method(made[0], raw_element);
  R_set_altlogical_Elt_method(made[1], int_element);
  R_set_altinteger_Elt_method(made[2], int_element);
  R_set_altreal_Elt_method(made[3], real_element);
  R_set_altcomplex_Elt_method(made[4], complex_element);
  for (int i = 0; i < R_TYPES; i++) set_methods(made[i]);
  memcpy(classes, made, sizeof classes);
}

/* ---- for the user ----------------------------------------------------------------------- */

struct opening {
  SEXP pointer, length;
  int64_t count, offset;
  bool done;
};

static SEXP make_view(void *data) {
  struct opening *opening = data;
  struct view *view = R_ExternalPtrAddr(opening->pointer);
  view->reference.offset = (uint64_t)opening->offset;
  view->reference.length = (uint64_t)r_fit(
      "view", view->reference.id, type_of(view), opening->length,
      opening->count, opening->offset, view->handle->capacity,
      view->handle->requested);
  view->bytes = (char *)view->handle->address + opening->offset;
  SEXP x = new_view(opening->pointer);
  opening->done = true;
  return x;
}

static void close_undone(void *data) {
  struct opening *opening = data;
  if (!opening->done) finalize(opening->pointer);
}

SEXP r_view(SEXP id, SEXP type, SEXP length, SEXP offset, SEXP readonly) {
  const char *op = "view";
  smem_error error;
  r_pointer_collect();
  id = PROTECT(r_id(op, id));
  int index = r_type_named(op, "type", type);
  int64_t at = r_whole(op, "offset", offset, 0);
  int64_t count = r_count(op, "length", length);
  bool writable = !r_flag(op, "readonly", readonly);
  if (at % (int64_t)r_types[index].size != 0)
    r_fail_argument(op, CHAR(id), "`offset` is %.0f; for a view of type %s it must "
                    "be a multiple of %d (readSharedMemory() takes any)",
                    (double)at, r_types[index].name, (int)r_types[index].size);
  SEXP pointer = PROTECT(new_pointer(NULL));
  struct view *view = R_ExternalPtrAddr(pointer);
  smem_code code = smem_open(CHAR(id), writable ? SMEM_READ_WRITE : SMEM_PRIVATE,
                             &view->handle, &error);
  error.op = op;
  r_check(code, &error);
  smem_refer(view->handle, &view->reference);
  view->reference.form = r_view_form(index, writable);
  struct opening opening = {pointer, length, count, at, false};
  SEXP x = PROTECT(
      R_ExecWithCleanup(make_view, &opening, close_undone, &opening));
  if (!writable) MARK_NOT_MUTABLE(x);
  UNPROTECT(3);
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

SEXP r_view_id(SEXP x) {
  r_pointer_collect();
  SEXP view = view_behind(x);
  return Rf_ScalarString(
      view ? Rf_mkCharCE(view_of(view)->reference.id, CE_UTF8) : NA_STRING);
}
