/* Numeric vectors in shared memory, by the C interface of sharedmemory. Each
 * function of the interface is called here at least once. */

/* ---- init -------------------------------------------------------------------
 *
 * The table of functions is asked for once, when the library of this package is
 * loaded. If the installed sharedmemory is too old for the header that this was
 * compiled with, sharedmemory_init() throws an error that says so, and this
 * package is not loaded. */
#define R_NO_REMAP
#include <R.h>
#include <Rinternals.h>

#include <sharedmemory.h>

#include <stdio.h>

static const sharedmemory_api *shm;

/* ---- errors -----------------------------------------------------------------
 *
 * Rf_error() would jump away, and a handle that is held would never be
 * unmapped. So errors are values here, R conditions; R/clientc.R throws them.
 * Their classes are those of the R functions of sharedmemory, and one of our
 * own. */
static SEXP condition(const sharedmemory_error *error) {
  const char *names[] = {"message", "call", "id", ""};
  char kind[64];
  snprintf(kind, sizeof kind, "sharedmemory_error_%s", shm->kind(error->code));
  SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(result, 0,
                 Rf_ScalarString(Rf_mkCharCE(error->message, CE_UTF8)));
  SET_VECTOR_ELT(result, 2, Rf_ScalarString(Rf_mkCharCE(error->id, CE_UTF8)));
  SEXP classes = PROTECT(Rf_allocVector(STRSXP, 4));
  SET_STRING_ELT(classes, 0, Rf_mkChar(kind));
  SET_STRING_ELT(classes, 1, Rf_mkChar("clientc_error"));
  SET_STRING_ELT(classes, 2, Rf_mkChar("error"));
  SET_STRING_ELT(classes, 3, Rf_mkChar("condition"));
  Rf_setAttrib(result, R_ClassSymbol, classes);
  UNPROTECT(2);
  return result;
}

/* ---- strings ----------------------------------------------------------------
 *
 * Ids and names are UTF-8. This may be an R error, which is harmless as long as
 * nothing is held: so first the arguments, then sharedmemory. */
static const char *text_of(SEXP x) {
  if (TYPEOF(x) != STRSXP || XLENGTH(x) != 1)
    Rf_error("an id must be one string");
  return Rf_translateCharUTF8(STRING_ELT(x, 0));
}

/* ---- allocate ---------------------------------------------------------------
 *
 * Set what differs from the defaults. The segment is ours until we give its id
 * away: if anything goes wrong before, we free it. fill() copies without a
 * mapping, which is faster for memory that is touched for the first time. */
static SEXP store(SEXP x, SEXP name) {
  sharedmemory_error error = SHAREDMEMORY_ERROR_INIT;
  sharedmemory_request request = SHAREDMEMORY_REQUEST_INIT;
  char id[SHAREDMEMORY_ID_SIZE];
  request.bytes = (uint64_t)XLENGTH(x) * sizeof(double);
  request.name = Rf_isNull(name) ? NULL : text_of(name);
  request.exclusive = 1; /* no name that exists: its bytes are somebody's */
  request.lifetime = SHAREDMEMORY_OF_PROCESS; /* goes with this process */
  if (shm->allocate(&request, id, &error) != SHAREDMEMORY_OK)
    return condition(&error);
  if (shm->fill(id, 0, REAL(x), request.bytes, &error) != SHAREDMEMORY_OK) {
    shm->free(id, NULL); /* `error` still says why */
    return condition(&error);
  }
  return Rf_ScalarString(Rf_mkCharCE(id, CE_UTF8));
}

/* ---- map --------------------------------------------------------------------
 *
 * A handle is a mapping of our own. Whoever frees the segment meanwhile, its
 * memory stays until we unmap. */
static SEXP total(SEXP id) {
  sharedmemory_error error = SHAREDMEMORY_ERROR_INIT;
  sharedmemory_handle *handle;
  if (shm->map(text_of(id), 1, &handle, &error) != SHAREDMEMORY_OK)
    return condition(&error);
  const double *x = shm->address(handle);
  uint64_t n = shm->requested(handle) / sizeof *x;
  double sum = 0;
  for (uint64_t i = 0; i < n; i++) sum += x[i];
  shm->unmap(handle);
  return Rf_ScalarReal(sum);
}

/* ---- write ------------------------------------------------------------------
 *
 * 0: mapped for writing. The capacity is rounded up to whole pages, so it may
 * be more than was asked for; all of it may be used, and nothing behind it:
 * checking that is ours to do. Nothing keeps others from writing at the same
 * time, unless you and they take the lock of the segment. */
static int change(const char *id, double position, double number, int add,
                  sharedmemory_error *error) {
  sharedmemory_handle *handle;
  int code = shm->map(id, 0, &handle, error);
  if (code != SHAREDMEMORY_OK) return code;
  double *x = shm->address(handle);
  uint64_t n = shm->capacity(handle) / sizeof *x;
  int inside = position >= 1 && position <= (double)n;
  if (inside) {
    double *place = x + (uint64_t)position - 1;
    *place = add ? *place + number : number;
  }
  shm->unmap(handle);
  if (inside) return SHAREDMEMORY_OK;
  snprintf(error->message, sizeof error->message,
           "there is room for %.0f numbers, and none at %.0f", (double)n,
           position);
  return error->code = SHAREDMEMORY_BOUNDS;
}

static SEXP put(SEXP id, SEXP at, SEXP value) {
  sharedmemory_error error = SHAREDMEMORY_ERROR_INIT;
  double position = Rf_asReal(at), number = Rf_asReal(value);
  if (change(text_of(id), position, number, 0, &error) != SHAREDMEMORY_OK)
    return condition(&error);
  return id;
}

/* ---- lock -------------------------------------------------------------------
 *
 * With the lock of the segment no two add at once. If a process dies while it
 * holds the lock, the next one gets it and is told that what it guards may be
 * half done. One number cannot be: so there is nothing to repair. */
static int add_locked(sharedmemory_lock *lock, const char *id, double position,
                      double number, sharedmemory_error *error) {
  sharedmemory_told told = SHAREDMEMORY_TOLD_INIT;
  int code = shm->lock(lock, 0, SHAREDMEMORY_FOREVER, &told, error);
  if (code != SHAREDMEMORY_OK) return code;
  if (told.dirty) shm->lock_repaired(lock);
  code = change(id, position, number, 1, error);
  shm->unlock(lock, NULL);
  return code;
}

static SEXP add(SEXP id, SEXP at, SEXP value) {
  sharedmemory_error error = SHAREDMEMORY_ERROR_INIT;
  sharedmemory_lock *lock;
  const char *text = text_of(id);
  double position = Rf_asReal(at), number = Rf_asReal(value);
  if (shm->lock_open(text, &lock, &error) != SHAREDMEMORY_OK)
    return condition(&error);
  int code = add_locked(lock, text, position, number, &error);
  shm->lock_close(lock);
  return code == SHAREDMEMORY_OK ? id : condition(&error);
}

/* ---- view -------------------------------------------------------------------
 *
 * A view is a vector, whose elements must not change by themselves: so the
 * segment is sealed first, and put() is refused from then on. The view has a
 * mapping of its own, and the handle can go at once. The one function that
 * needs R, and so R's main thread. */
static SEXP window(SEXP id) {
  sharedmemory_error error = SHAREDMEMORY_ERROR_INIT;
  sharedmemory_handle *handle;
  SEXP x;
  if (shm->seal(text_of(id), &error) != SHAREDMEMORY_OK ||
      shm->map(text_of(id), 1, &handle, &error) != SHAREDMEMORY_OK)
    return condition(&error);
  uint64_t n = shm->requested(handle) / sizeof(double);
  int code = shm->view(handle, SHAREDMEMORY_DOUBLE, 0, n, 0, &x, &error);
  shm->unmap(handle);
  return code == SHAREDMEMORY_OK ? x : condition(&error);
}

/* ---- look -------------------------------------------------------------------
 *
 * Without a mapping. Between two calls anything may happen to a segment that
 * others know: what exists() found may be gone when size_of() looks, which then
 * says so. */
static SEXP count(SEXP id) {
  sharedmemory_error error = SHAREDMEMORY_ERROR_INIT;
  const char *text = text_of(id);
  uint64_t bytes;
  int exists;
  if (shm->exists(text, &exists, &error) != SHAREDMEMORY_OK)
    return condition(&error);
  if (!exists) return Rf_ScalarReal(NA_REAL);
  if (shm->size_of(text, NULL, &bytes, &error) != SHAREDMEMORY_OK)
    return condition(&error);
  return Rf_ScalarReal((double)(bytes / sizeof(double)));
}

static SEXP describe(SEXP id) {
  sharedmemory_error error = SHAREDMEMORY_ERROR_INIT;
  sharedmemory_info info = SHAREDMEMORY_INFO_INIT;
  uint64_t last;
  if (shm->info(text_of(id), &info, &error) != SHAREDMEMORY_OK ||
      shm->last_index(&last, &error) != SHAREDMEMORY_OK)
    return condition(&error);
  const char *names[] = {"bytes", "capacity", "pid", "live", "last", ""};
  SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(result, 0, Rf_ScalarReal((double)info.requested));
  SET_VECTOR_ELT(result, 1, Rf_ScalarReal((double)info.capacity));
  SET_VECTOR_ELT(result, 2, Rf_ScalarReal((double)info.pid));
  SET_VECTOR_ELT(result, 3, Rf_ScalarLogical(info.state == SHAREDMEMORY_LIVE));
  SET_VECTOR_ELT(result, 4, Rf_ScalarReal((double)last));
  UNPROTECT(1);
  return result;
}

/* ---- free -------------------------------------------------------------------
 *
 * By anybody who knows the id. What does not exist is not an error. */
static SEXP release(SEXP id) {
  sharedmemory_error error = SHAREDMEMORY_ERROR_INIT;
  if (shm->free(text_of(id), &error) != SHAREDMEMORY_OK)
    return condition(&error);
  return R_NilValue;
}

/* ---- load ---------------------------------------------------------------- */

#define ENTRY(name, arguments)                                                 \
  { #name, (DL_FUNC)(void (*)(void))name, arguments }

static const R_CallMethodDef entries[] = {
    ENTRY(store, 2),    ENTRY(total, 1),   ENTRY(put, 3),
    ENTRY(add, 3),      ENTRY(window, 1),  ENTRY(count, 1),
    ENTRY(describe, 1), ENTRY(release, 1), {NULL, NULL, 0}};

void R_init_clientc(DllInfo *dll) {
  R_registerRoutines(dll, NULL, entries, NULL, NULL);
  R_useDynamicSymbols(dll, FALSE);
  shm = sharedmemory_init("clientc");
}
