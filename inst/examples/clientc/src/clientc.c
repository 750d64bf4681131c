/* Numeric vectors in shared memory, by the C interface of sharedmemory. */

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
static SEXP condition(const smem_error *error) {
  const char *names[] = {"message", "call", "id", ""};
  char kind[64], message[1024];
  snprintf(kind, sizeof kind, "sharedmemory_error_%s",
           shm->error_kind(error->code));
  shm->error_message(error, message, sizeof message);
  SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(result, 0, Rf_ScalarString(Rf_mkCharCE(message, CE_UTF8)));
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
 * SMEM_OF_PROCESS: it goes with this process. `true`: no name that exists, for
 * its bytes are somebody's. Without a name the id is a number. The segment is
 * ours until we give its id away: if anything goes wrong before, we free it.
 * write() copies without a mapping, which is faster for memory that is touched
 * for the first time. */
static SEXP store(SEXP x, SEXP name) {
  smem_error error = SMEM_ERROR_INIT;
  smem_request request = SMEM_REQUEST_INIT(0, NULL);
  char number[SMEM_NUMBER_SIZE];
  const char *id = Rf_isNull(name) ? number : text_of(name);
  request.bytes = (uint64_t)XLENGTH(x) * sizeof(double);
  request.name = Rf_isNull(name) ? NULL : id;
  if (shm->allocate(&request, 1, SMEM_OF_PROCESS, true, &error) != SMEM_OK)
    return condition(&error);
  if (!request.name) shm->id_of_number(request.number, number);
  if (shm->write(id, 0, REAL(x), request.bytes, &error) != SMEM_OK) {
    shm->free(&id, 1, NULL); /* `error` still says why */
    return condition(&error);
  }
  return Rf_ScalarString(Rf_mkCharCE(id, CE_UTF8));
}

/* ---- map --------------------------------------------------------------------
 *
 * A handle is a mapping of our own. Whoever frees the segment meanwhile, its
 * memory stays until we close it. */
static SEXP total(SEXP id) {
  smem_error error = SMEM_ERROR_INIT;
  smem_handle *handle;
  if (shm->open(text_of(id), SMEM_READ_ONLY, &handle, &error) != SMEM_OK)
    return condition(&error);
  const double *x = handle->address;
  uint64_t n = handle->requested / sizeof *x;
  double sum = 0;
  for (uint64_t i = 0; i < n; i++) sum += x[i];
  shm->close(handle);
  return Rf_ScalarReal(sum);
}

/* ---- write ------------------------------------------------------------------
 *
 * The capacity is rounded up to whole pages, so it may
 * be more than was asked for; all of it may be used, and nothing behind it:
 * checking that is ours to do. Nothing keeps others from writing at the same
 * time, unless you and they take the lock of the segment. */
static smem_code change(const char *id, double position, double number,
                        bool add, smem_error *error) {
  smem_handle *handle;
  smem_code code = shm->open(id, SMEM_READ_WRITE, &handle, error);
  if (code != SMEM_OK) return code;
  double *x = handle->address;
  uint64_t n = handle->capacity / sizeof *x;
  int inside = position >= 1 && position <= (double)n;
  if (inside) {
    double *place = x + (uint64_t)position - 1;
    *place = add ? *place + number : number;
  }
  shm->close(handle);
  if (inside) return SMEM_OK;
  error->op = SMEM_OP_WRITE;
  shm->copy_text(error->id, sizeof error->id, id);
  snprintf(error->detail, sizeof error->detail,
           "there is room for %.0f numbers, and none at %.0f", (double)n,
           position);
  return error->code = SMEM_BOUNDS;
}

static SEXP put(SEXP id, SEXP at, SEXP value) {
  smem_error error = SMEM_ERROR_INIT;
  double position = Rf_asReal(at), number = Rf_asReal(value);
  if (change(text_of(id), position, number, false, &error) != SMEM_OK)
    return condition(&error);
  return id;
}

/* ---- lock -------------------------------------------------------------------
 *
 * With the lock of the segment no two add at once. If a process dies while it
 * holds the lock, the next one gets it and is told that what it guards may be
 * half done. One number cannot be: so there is nothing to repair. */
static smem_code add_locked(smem_latch *latch, const char *id, double position,
                            double number, smem_error *error) {
  smem_told told = SMEM_TOLD_INIT;
  smem_code code = shm->lock(latch, SMEM_EXCLUSIVE, SMEM_FOREVER, &told, error);
  if (code != SMEM_OK) return code;
  if (told.dirty) shm->lock_repaired(latch);
  code = change(id, position, number, true, error);
  shm->unlock(latch, NULL);
  return code;
}

static SEXP add(SEXP id, SEXP at, SEXP value) {
  smem_error error = SMEM_ERROR_INIT;
  smem_latch *latch;
  const char *text = text_of(id);
  double position = Rf_asReal(at), number = Rf_asReal(value);
  if (shm->latch_open(text, &latch, &error) != SMEM_OK)
    return condition(&error);
  smem_code code = add_locked(latch, text, position, number, &error);
  shm->latch_close(latch);
  return code == SMEM_OK ? id : condition(&error);
}

/* ---- view -------------------------------------------------------------------
 *
 * A view is a vector, whose elements must not change by themselves: so the
 * segment is sealed first, and put() is refused from then on. The view has a
 * mapping of its own, and the handle can go at once. The one function that
 * needs R, and so R's main thread. */
static SEXP window(SEXP id) {
  smem_error error = SMEM_ERROR_INIT;
  const char *text = text_of(id);
  smem_handle *handle;
  SEXP x;
  if (shm->seal(&text, 1, &error) != SMEM_OK ||
      shm->open(text, SMEM_READ_ONLY, &handle, &error) != SMEM_OK)
    return condition(&error);
  uint64_t n = handle->requested / sizeof(double);
  smem_code code =
      shm->view(handle, SHAREDMEMORY_DOUBLE, 0, n, false, &x, &error);
  shm->close(handle);
  return code == SMEM_OK ? x : condition(&error);
}

/* ---- look -------------------------------------------------------------------
 *
 * Without a mapping. Between two calls anything may happen to a segment that
 * others know: what exists() found may be gone when extent() looks, which then
 * says so. */
static SEXP count(SEXP id) {
  smem_error error = SMEM_ERROR_INIT;
  const char *text = text_of(id);
  uint64_t capacity, bytes;
  bool exists;
  if (shm->exists(text, &exists, &error) != SMEM_OK) return condition(&error);
  if (!exists) return Rf_ScalarReal(NA_REAL);
  if (shm->extent(text, &capacity, &bytes, &error) != SMEM_OK)
    return condition(&error);
  return Rf_ScalarReal((double)(bytes / sizeof(double)));
}

/* What is told is good until this returns, and this must return: no R here. */
static void note(const smem_entry *entry, void *numbers) {
  double *to = numbers;
  to[0] = (double)entry->requested;
  to[1] = (double)entry->capacity;
  to[2] = (double)entry->pid;
  to[3] = entry->state == SMEM_LIVE;
}

static SEXP describe(SEXP id) {
  smem_error error = SMEM_ERROR_INIT;
  char path[300];
  double told[4];
  uint64_t last;
  size_t first_bytes = 0;
  if (shm->inspect(text_of(id), NULL, &first_bytes, path, sizeof path, note,
                   told, &error) != SMEM_OK ||
      shm->last_index(&last, &error) != SMEM_OK)
    return condition(&error);
  const char *names[] = {"bytes", "capacity", "pid", "live", "last", ""};
  SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int i = 0; i < 3; i++) SET_VECTOR_ELT(result, i, Rf_ScalarReal(told[i]));
  SET_VECTOR_ELT(result, 3, Rf_ScalarLogical(told[3] != 0));
  SET_VECTOR_ELT(result, 4, Rf_ScalarReal((double)last));
  UNPROTECT(1);
  return result;
}

/* ---- free -------------------------------------------------------------------
 *
 * By anybody who knows the id. What does not exist is not an error. */
static SEXP release(SEXP id) {
  smem_error error = SMEM_ERROR_INIT;
  const char *text = text_of(id);
  if (shm->free(&text, 1, &error) != SMEM_OK) return condition(&error);
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
