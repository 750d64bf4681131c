/* The C interface for other packages, called in every way that a test may want:
 * each function gives list(code, value, error), where error is the record as it
 * came back. */
#define R_NO_REMAP
#include <R.h>
#include <Rinternals.h>

#include <sharedmemory.h>

#include <pthread.h>
#include <string.h>

static const sharedmemory_api *shm;

static SEXP record(const sharedmemory_error *error) {
  const char *names[] = {"code", "kind", "id", "errno", "message", ""};
  SEXP list = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(list, 0, Rf_ScalarInteger(error->code));
  SET_VECTOR_ELT(list, 1, Rf_mkString(shm->kind(error->code)));
  SET_VECTOR_ELT(list, 2, Rf_ScalarString(Rf_mkCharCE(error->id, CE_UTF8)));
  SET_VECTOR_ELT(list, 3, Rf_ScalarInteger(error->os_error));
  SET_VECTOR_ELT(list, 4,
                 Rf_ScalarString(Rf_mkCharCE(error->message, CE_UTF8)));
  UNPROTECT(1);
  return list;
}

static SEXP answer(int code, SEXP value, const sharedmemory_error *error) {
  const char *names[] = {"code", "value", "error", ""};
  PROTECT(value);
  SEXP list = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(list, 0, Rf_ScalarInteger(code));
  SET_VECTOR_ELT(list, 1, value);
  SET_VECTOR_ELT(list, 2, record(error));
  UNPROTECT(2);
  return list;
}

/* NULL, a string, or any bytes with a terminator among them. */
static const char *text_of(SEXP x) {
  if (Rf_isNull(x)) return NULL;
  if (TYPEOF(x) == RAWSXP) return (const char *)RAW(x);
  return Rf_translateCharUTF8(STRING_ELT(x, 0));
}

static sharedmemory_handle *handle_of(SEXP x) {
  return Rf_isNull(x) ? NULL : R_ExternalPtrAddr(x);
}

#define ERROR sharedmemory_error error = SHAREDMEMORY_ERROR_INIT

SEXP api_allocate(SEXP bytes, SEXP name, SEXP lifetime, SEXP exclusive) {
  ERROR;
  sharedmemory_request request = SHAREDMEMORY_REQUEST_INIT;
  char id[SHAREDMEMORY_ID_SIZE] = "untouched";
  request.bytes = (uint64_t)Rf_asReal(bytes);
  request.name = text_of(name);
  request.lifetime = Rf_asInteger(lifetime);
  request.exclusive = Rf_asInteger(exclusive);
  int code = shm->allocate(&request, id, &error);
  return answer(code, Rf_ScalarString(Rf_mkCharCE(id, CE_UTF8)), &error);
}

SEXP api_map(SEXP id, SEXP readonly) {
  ERROR;
  sharedmemory_handle *handle = NULL;
  int code = shm->map(text_of(id), Rf_asInteger(readonly), &handle, &error);
  return answer(code, R_MakeExternalPtr(handle, R_NilValue, R_NilValue),
                &error);
}

SEXP api_unmap(SEXP handle) {
  shm->unmap(handle_of(handle));
  return R_NilValue;
}

SEXP api_sizes(SEXP handle) {
  SEXP sizes = Rf_allocVector(REALSXP, 2);
  REAL(sizes)[0] = (double)shm->capacity(handle_of(handle));
  REAL(sizes)[1] = (double)shm->requested(handle_of(handle));
  return sizes;
}

SEXP api_peek(SEXP handle, SEXP count) {
  SEXP bytes = Rf_allocVector(RAWSXP, Rf_asInteger(count));
  memcpy(RAW(bytes), shm->address(handle_of(handle)), (size_t)XLENGTH(bytes));
  return bytes;
}

SEXP api_poke(SEXP handle, SEXP bytes) {
  memcpy(shm->address(handle_of(handle)), RAW(bytes), (size_t)XLENGTH(bytes));
  return R_NilValue;
}

SEXP api_free(SEXP id) {
  ERROR;
  int code = shm->free(text_of(id), &error);
  return answer(code, R_NilValue, &error);
}

SEXP api_exists(SEXP id) {
  ERROR;
  int exists = -1;
  int code = shm->exists(text_of(id), &exists, &error);
  return answer(code, Rf_ScalarInteger(exists), &error);
}

SEXP api_size_of(SEXP id) {
  ERROR;
  uint64_t capacity = 7, requested = 7;
  int code = shm->size_of(text_of(id), &capacity, &requested, &error);
  SEXP sizes = Rf_allocVector(REALSXP, 2);
  REAL(sizes)[0] = (double)capacity;
  REAL(sizes)[1] = (double)requested;
  return answer(code, sizes, &error);
}

SEXP api_info(SEXP id) {
  ERROR;
  sharedmemory_info info = SHAREDMEMORY_INFO_INIT;
  const char *names[] = {"state",    "lifetime", "capacity",   "requested",
                         "resident", "pid",      "user",       "created",
                         "tag",      "trace",    "generation", ""};
  int code = shm->info(text_of(id), &info, &error);
  double numbers[] = {info.state,
                      info.lifetime,
                      (double)info.capacity,
                      (double)info.requested,
                      (double)info.resident,
                      (double)info.pid,
                      (double)info.user,
                      (double)info.created};
  SEXP list = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int i = 0; i < 8; i++)
    SET_VECTOR_ELT(list, i, Rf_ScalarReal(numbers[i]));
  SET_VECTOR_ELT(list, 8, Rf_mkString(info.tag));
  SET_VECTOR_ELT(list, 9, Rf_mkString(info.trace));
  SET_VECTOR_ELT(list, 10, Rf_ScalarLogical(info.generation != 0));
  SEXP result = answer(code, list, &error);
  UNPROTECT(1);
  return result;
}

SEXP api_last_index(void) {
  ERROR;
  uint64_t last = 7;
  int code = shm->last_index(&last, &error);
  return answer(code, Rf_ScalarReal((double)last), &error);
}

SEXP api_fill(SEXP id, SEXP offset, SEXP bytes, SEXP length) {
  ERROR;
  int code = shm->fill(text_of(id), (uint64_t)Rf_asReal(offset),
                       Rf_isNull(bytes) ? NULL : RAW(bytes),
                       (uint64_t)Rf_asReal(length), &error);
  return answer(code, R_NilValue, &error);
}

SEXP api_seal(SEXP id) {
  ERROR;
  int code = shm->seal(text_of(id), &error);
  return answer(code, R_NilValue, &error);
}

SEXP api_view(SEXP handle, SEXP type, SEXP offset, SEXP length, SEXP live) {
  ERROR;
  SEXP view = R_NilValue;
  int code = shm->view(handle_of(handle), Rf_asInteger(type),
                       (uint64_t)Rf_asReal(offset), (uint64_t)Rf_asReal(length),
                       Rf_asInteger(live), &view, &error);
  return answer(code, view, &error);
}

/* ---- locks --------------------------------------------------------------- */

static sharedmemory_lock *lock_of(SEXP x) {
  return Rf_isNull(x) ? NULL : R_ExternalPtrAddr(x);
}

static SEXP told_of(const sharedmemory_told *told) {
  const char *names[] = {"died", "dirty", "pid", "time", ""};
  double numbers[] = {told->died, told->dirty, (double)told->pid,
                      (double)told->time / 1e9};
  SEXP list = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int i = 0; i < 4; i++)
    SET_VECTOR_ELT(list, i, Rf_ScalarReal(numbers[i]));
  UNPROTECT(1);
  return list;
}

SEXP api_lock_open(SEXP id) {
  ERROR;
  sharedmemory_lock *lock = NULL;
  int code = shm->lock_open(text_of(id), &lock, &error);
  return answer(code, R_MakeExternalPtr(lock, R_NilValue, R_NilValue), &error);
}

/* In seconds; below 0: for ever. */
static uint64_t timeout_of(SEXP seconds) {
  double value = Rf_asReal(seconds);
  return value < 0 ? SHAREDMEMORY_FOREVER : (uint64_t)(value * 1e9);
}

SEXP api_lock(SEXP lock, SEXP shared, SEXP timeout) {
  ERROR;
  sharedmemory_told told = SHAREDMEMORY_TOLD_INIT;
  int code = shm->lock(lock_of(lock), Rf_asInteger(shared), timeout_of(timeout),
                       &told, &error);
  return answer(code, told_of(&told), &error);
}

SEXP api_unlock(SEXP lock) {
  ERROR;
  int code = shm->unlock(lock_of(lock), &error);
  return answer(code, R_NilValue, &error);
}

SEXP api_lock_repaired(SEXP lock) {
  shm->lock_repaired(lock_of(lock));
  return R_NilValue;
}

SEXP api_lock_close(SEXP lock) {
  shm->lock_close(lock_of(lock));
  return R_NilValue;
}

SEXP api_kind(SEXP code) { return Rf_mkString(shm->kind(Rf_asInteger(code))); }

/* ---- where no pointer is given ------------------------------------------- */

SEXP api_without_pointers(SEXP id, SEXP handle) {
  sharedmemory_request request = SHAREDMEMORY_REQUEST_INIT;
  char room[SHAREDMEMORY_ID_SIZE];
  const char *text = text_of(id);
  SEXP view;
  request.bytes = 1;
  int codes[] = {shm->allocate(NULL, room, NULL),
                 shm->allocate(&request, NULL, NULL),
                 shm->map(text, 1, NULL, NULL),
                 shm->exists(text, NULL, NULL),
                 shm->info(text, NULL, NULL),
                 shm->last_index(NULL, NULL),
                 shm->fill(text, 0, NULL, 1, NULL),
                 shm->seal(NULL, NULL),
                 shm->view(NULL, 0, 0, 0, 1, &view, NULL),
                 shm->view(handle_of(handle), 0, 0, 0, 1, NULL, NULL),
                 shm->lock_open(text, NULL, NULL),
                 shm->lock_open(NULL, NULL, NULL),
                 shm->lock(NULL, 0, 0, NULL, NULL),
                 shm->unlock(NULL, NULL)};
  SEXP result = Rf_allocVector(INTSXP, sizeof codes / sizeof *codes);
  memcpy(INTEGER(result), codes, sizeof codes);
  return result;
}

/* And where none is needed, or nothing is wrong with the rest. */
SEXP api_without_errors(SEXP id) {
  int codes[] = {shm->size_of(text_of(id), NULL, NULL, NULL),
                 shm->fill(text_of(id), 0, NULL, 0, NULL),
                 shm->free("missing", NULL), shm->free("", NULL)};
  SEXP result = Rf_allocVector(INTSXP, sizeof codes / sizeof *codes);
  memcpy(INTEGER(result), codes, sizeof codes);
  shm->unmap(NULL);
  shm->lock_close(NULL);
  return result;
}

/* ---- structs of other sizes ---------------------------------------------- */

enum { FILLED = 0xAA, ROOM = 4096 };

static SEXP filled(SEXP size) {
  SEXP bytes = PROTECT(Rf_allocVector(RAWSXP, ROOM));
  size_t number = (size_t)Rf_asReal(size);
  memset(RAW(bytes), FILLED, ROOM);
  memcpy(RAW(bytes), &number, sizeof number);
  UNPROTECT(1);
  return bytes;
}

/* What is written into an error record of this size. */
SEXP api_error_of_size(SEXP size) {
  SEXP bytes = PROTECT(filled(size));
  sharedmemory_handle *handle;
  shm->map("missing", 1, &handle, (sharedmemory_error *)RAW(bytes));
  UNPROTECT(1);
  return bytes;
}

SEXP api_info_of_size(SEXP id, SEXP size) {
  SEXP bytes = PROTECT(filled(size));
  ERROR;
  int code = shm->info(text_of(id), (sharedmemory_info *)RAW(bytes), &error);
  SEXP result = answer(code, bytes, &error);
  UNPROTECT(1);
  return result;
}

/* Likewise, of what lock() tells. */
SEXP api_told_of_size(SEXP lock, SEXP size) {
  SEXP bytes = PROTECT(filled(size));
  ERROR;
  int code =
      shm->lock(lock_of(lock), 0, 0, (sharedmemory_told *)RAW(bytes), &error);
  if (code == SHAREDMEMORY_OK) shm->unlock(lock_of(lock), NULL);
  SEXP result = answer(code, bytes, &error);
  UNPROTECT(1);
  return result;
}

/* Behind the size there is nonsense, of which nothing may be read. */
SEXP api_request_of_size(SEXP size, SEXP bytes) {
  SEXP from = PROTECT(filled(size));
  ERROR;
  char id[SHAREDMEMORY_ID_SIZE] = "";
  sharedmemory_request *request = (sharedmemory_request *)RAW(from);
  request->bytes = (uint64_t)Rf_asReal(bytes);
  int code = shm->allocate(request, id, &error);
  SEXP result = answer(code, Rf_mkString(id), &error);
  UNPROTECT(1);
  return result;
}

SEXP api_sizes_of_structs(void) {
  SEXP sizes = Rf_allocVector(REALSXP, 4);
  REAL(sizes)[0] = sizeof(sharedmemory_error);
  REAL(sizes)[1] = sizeof(sharedmemory_info);
  REAL(sizes)[2] = sizeof(sharedmemory_request);
  REAL(sizes)[3] = sizeof(sharedmemory_told);
  return sizes;
}

/* ---- on another thread --------------------------------------------------- */

struct task {
  const char *id;
  sharedmemory_handle *handle;
  sharedmemory_lock *lock;
  sharedmemory_error error;
  int code;
};

static void *free_there(void *data) {
  struct task *task = data;
  task->code = shm->free(task->id, &task->error);
  return NULL;
}

static void *view_there(void *data) {
  struct task *task = data;
  SEXP view;
  task->code = shm->view(task->handle, 0, 0, 1, 1, &view, &task->error);
  return NULL;
}

/* The holder is a thread. */
static void *lock_there(void *data) {
  struct task *task = data;
  task->code = shm->lock(task->lock, 0, 0, NULL, &task->error);
  if (task->code == SHAREDMEMORY_OK) shm->unlock(task->lock, NULL);
  return NULL;
}

static void *unlock_there(void *data) {
  struct task *task = data;
  task->code = shm->unlock(task->lock, &task->error);
  return NULL;
}

static SEXP run(void *(*work)(void *), struct task *task) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, task) != 0) Rf_error("no thread");
  pthread_join(thread, NULL);
  return answer(task->code, R_NilValue, &task->error);
}

SEXP api_free_on_thread(SEXP id) {
  struct task task = {text_of(id), NULL, NULL, SHAREDMEMORY_ERROR_INIT, -1};
  return run(free_there, &task);
}

SEXP api_view_on_thread(SEXP handle) {
  struct task task = {NULL, handle_of(handle), NULL, SHAREDMEMORY_ERROR_INIT,
                      -1};
  return run(view_there, &task);
}

SEXP api_lock_on_thread(SEXP lock) {
  struct task task = {NULL, NULL, lock_of(lock), SHAREDMEMORY_ERROR_INIT, -1};
  return run(lock_there, &task);
}

SEXP api_unlock_on_thread(SEXP lock) {
  struct task task = {NULL, NULL, lock_of(lock), SHAREDMEMORY_ERROR_INIT, -1};
  return run(unlock_there, &task);
}

void R_init_api(DllInfo *dll) {
  (void)dll;
  shm = sharedmemory_init("the tests");
}
