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

static SEXP record(const smem_error *error) {
  const char *names[] = {"code", "kind", "id", "errno", "message", ""};
  char message[2048] = "";
  if (error->code != SMEM_OK)
    shm->error_message(error, message, sizeof message);
  SEXP list = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(list, 0, Rf_ScalarInteger((int)error->code));
  SET_VECTOR_ELT(list, 1, Rf_mkString(shm->error_kind(error->code)));
  SET_VECTOR_ELT(list, 2, Rf_ScalarString(Rf_mkCharCE(error->id, CE_UTF8)));
  SET_VECTOR_ELT(list, 3, Rf_ScalarInteger(error->number));
  SET_VECTOR_ELT(list, 4, Rf_ScalarString(Rf_mkCharCE(message, CE_UTF8)));
  UNPROTECT(1);
  return list;
}

static SEXP answer(smem_code code, SEXP value, const smem_error *error) {
  const char *names[] = {"code", "value", "error", ""};
  PROTECT(value);
  SEXP list = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(list, 0, Rf_ScalarInteger((int)code));
  SET_VECTOR_ELT(list, 1, value);
  SET_VECTOR_ELT(list, 2, record(error));
  UNPROTECT(2);
  return list;
}

/* A string, or any bytes with a terminator among them. */
static const char *text_of(SEXP x) {
  if (TYPEOF(x) == RAWSXP) return (const char *)RAW(x);
  return Rf_translateCharUTF8(STRING_ELT(x, 0));
}

static smem_handle *handle_of(SEXP x) { return R_ExternalPtrAddr(x); }

#define ERROR smem_error error = SMEM_ERROR_INIT

/* The id is "untouched" if nothing was told. */
SEXP api_allocate(SEXP bytes, SEXP name, SEXP lifetime, SEXP exclusive) {
  ERROR;
  smem_request request = SMEM_REQUEST_INIT((uint64_t)Rf_asReal(bytes), NULL);
  char number[SMEM_NUMBER_SIZE];
  const char *id = "untouched";
  if (!Rf_isNull(name)) request.name = text_of(name);
  smem_code code =
      shm->allocate(&request, 1, (smem_lifetime)Rf_asInteger(lifetime),
                    Rf_asInteger(exclusive) != 0, &error);
  if (code == SMEM_OK && request.name) {
    id = request.name;
  } else if (code == SMEM_OK) {
    shm->id_of_number(request.number, number);
    id = number;
  }
  return answer(code, Rf_ScalarString(Rf_mkCharCE(id, CE_UTF8)), &error);
}

SEXP api_open(SEXP id, SEXP readonly) {
  ERROR;
  smem_handle *handle = NULL;
  smem_code code = shm->open(
      text_of(id), Rf_asInteger(readonly) ? SMEM_READ_ONLY : SMEM_READ_WRITE,
      &handle, &error);
  return answer(code, R_MakeExternalPtr(handle, R_NilValue, R_NilValue),
                &error);
}

SEXP api_close(SEXP handle) {
  shm->close(handle_of(handle));
  return R_NilValue;
}

SEXP api_sizes(SEXP handle) {
  SEXP sizes = Rf_allocVector(REALSXP, 2);
  REAL(sizes)[0] = (double)handle_of(handle)->capacity;
  REAL(sizes)[1] = (double)handle_of(handle)->requested;
  return sizes;
}

SEXP api_peek(SEXP handle, SEXP count) {
  SEXP bytes = Rf_allocVector(RAWSXP, Rf_asInteger(count));
  memcpy(RAW(bytes), handle_of(handle)->address, (size_t)XLENGTH(bytes));
  return bytes;
}

SEXP api_poke(SEXP handle, SEXP bytes) {
  memcpy(handle_of(handle)->address, RAW(bytes), (size_t)XLENGTH(bytes));
  return R_NilValue;
}

SEXP api_free(SEXP id) {
  ERROR;
  const char *text = text_of(id);
  smem_code code = shm->free(&text, 1, &error);
  return answer(code, R_NilValue, &error);
}

SEXP api_exists(SEXP id) {
  ERROR;
  bool exists = false;
  smem_code code = shm->exists(text_of(id), &exists, &error);
  return answer(code, Rf_ScalarInteger(exists), &error);
}

SEXP api_extent(SEXP id) {
  ERROR;
  uint64_t capacity = 7, requested = 7;
  smem_code code = shm->extent(text_of(id), &capacity, &requested, &error);
  SEXP sizes = Rf_allocVector(REALSXP, 2);
  REAL(sizes)[0] = (double)capacity;
  REAL(sizes)[1] = (double)requested;
  return answer(code, sizes, &error);
}

/* What an entry has, as long as it lasts. */
struct seen {
  double numbers[8];
  char tag[64], trace[256];
  bool generation;
};

static void see(const smem_entry *entry, void *context) {
  struct seen *seen = context;
  const double numbers[] = {entry->state,
                            entry->lifetime,
                            (double)entry->capacity,
                            (double)entry->requested,
                            (double)entry->resident,
                            (double)entry->pid,
                            (double)entry->user,
                            (double)entry->created};
  memcpy(seen->numbers, numbers, sizeof numbers);
  shm->copy_text(seen->tag, sizeof seen->tag, entry->tag);
  shm->copy_text(seen->trace, sizeof seen->trace, entry->trace);
  seen->generation = entry->generation != 0;
}

SEXP api_inspect(SEXP id) {
  ERROR;
  struct seen seen = {{0}, "", "", false};
  char path[300];
  size_t none = 0;
  const char *names[] = {"state",    "lifetime", "capacity",   "requested",
                         "resident", "pid",      "user",       "created",
                         "tag",      "trace",    "generation", ""};
  smem_code code = shm->inspect(text_of(id), NULL, &none, path, sizeof path,
                                see, &seen, &error);
  SEXP list = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int i = 0; i < 8; i++)
    SET_VECTOR_ELT(list, i, Rf_ScalarReal(seen.numbers[i]));
  SET_VECTOR_ELT(list, 8, Rf_mkString(seen.tag));
  SET_VECTOR_ELT(list, 9, Rf_mkString(seen.trace));
  SET_VECTOR_ELT(list, 10, Rf_ScalarLogical(seen.generation));
  SEXP result = answer(code, list, &error);
  UNPROTECT(1);
  return result;
}

SEXP api_last_index(void) {
  ERROR;
  uint64_t last = 7;
  smem_code code = shm->last_index(&last, &error);
  return answer(code, Rf_ScalarReal((double)last), &error);
}

SEXP api_write(SEXP id, SEXP offset, SEXP bytes, SEXP length) {
  ERROR;
  smem_code code = shm->write(text_of(id), (uint64_t)Rf_asReal(offset),
                              RAW(bytes), (uint64_t)Rf_asReal(length), &error);
  return answer(code, R_NilValue, &error);
}

SEXP api_seal(SEXP id) {
  ERROR;
  const char *text = text_of(id);
  smem_code code = shm->seal(&text, 1, &error);
  return answer(code, R_NilValue, &error);
}

SEXP api_view(SEXP handle, SEXP type, SEXP offset, SEXP length, SEXP live) {
  ERROR;
  SEXP view = R_NilValue;
  smem_code code = shm->view(
      handle_of(handle), Rf_asInteger(type), (uint64_t)Rf_asReal(offset),
      (uint64_t)Rf_asReal(length), Rf_asInteger(live) != 0, &view, &error);
  return answer(code, view, &error);
}

/* ---- locks --------------------------------------------------------------- */

static smem_latch *latch_of(SEXP x) { return R_ExternalPtrAddr(x); }

static SEXP told_of(const smem_told *told) {
  const char *names[] = {"died", "dirty", "pid", "time", ""};
  double numbers[] = {told->died, told->dirty, (double)told->pid,
                      (double)told->time / 1e9};
  SEXP list = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int i = 0; i < 4; i++)
    SET_VECTOR_ELT(list, i, Rf_ScalarReal(numbers[i]));
  UNPROTECT(1);
  return list;
}

SEXP api_latch_open(SEXP id) {
  ERROR;
  smem_latch *latch = NULL;
  smem_code code = shm->latch_open(text_of(id), &latch, &error);
  return answer(code, R_MakeExternalPtr(latch, R_NilValue, R_NilValue), &error);
}

/* In seconds; below 0: for ever. */
static uint64_t timeout_of(SEXP seconds) {
  double value = Rf_asReal(seconds);
  return value < 0 ? SMEM_FOREVER : (uint64_t)(value * 1e9);
}

SEXP api_lock(SEXP latch, SEXP shared, SEXP timeout) {
  ERROR;
  smem_told told = SMEM_TOLD_INIT;
  smem_mode mode = Rf_asInteger(shared) ? SMEM_SHARED : SMEM_EXCLUSIVE;
  smem_code code =
      shm->lock(latch_of(latch), mode, timeout_of(timeout), &told, &error);
  return answer(code, told_of(&told), &error);
}

SEXP api_unlock(SEXP latch) {
  ERROR;
  smem_code code = shm->unlock(latch_of(latch), &error);
  return answer(code, R_NilValue, &error);
}

SEXP api_lock_repaired(SEXP latch) {
  shm->lock_repaired(latch_of(latch));
  return R_NilValue;
}

SEXP api_latch_close(SEXP latch) {
  shm->latch_close(latch_of(latch));
  return R_NilValue;
}

/* ---- semaphores, events, barriers ---------------------------------------- */

static smem_sync *sync_of(SEXP x) { return R_ExternalPtrAddr(x); }

SEXP api_sync_open(SEXP kind, SEXP id, SEXP count) {
  ERROR;
  smem_sync *sync = NULL;
  smem_code code =
      shm->sync_open((smem_sync_kind)Rf_asInteger(kind), text_of(id),
                     (uint32_t)Rf_asInteger(count), &sync, &error);
  return answer(code, R_MakeExternalPtr(sync, R_NilValue, R_NilValue), &error);
}

SEXP api_acquire(SEXP sync, SEXP timeout) {
  ERROR;
  smem_told told = SMEM_TOLD_INIT;
  smem_code code =
      shm->acquire(sync_of(sync), timeout_of(timeout), &told, &error);
  return answer(code, told_of(&told), &error);
}

SEXP api_release(SEXP sync) {
  ERROR;
  smem_code code = shm->release(sync_of(sync), &error);
  return answer(code, R_NilValue, &error);
}

/* Free, and held by this process. */
SEXP api_permits(SEXP sync) {
  uint32_t available = 0, held = 0;
  shm->permits(sync_of(sync), &available, &held);
  SEXP numbers = Rf_allocVector(INTSXP, 2);
  INTEGER(numbers)[0] = (int)available;
  INTEGER(numbers)[1] = (int)held;
  return numbers;
}

SEXP api_event_wait(SEXP sync, SEXP timeout) {
  ERROR;
  smem_code code = shm->event_wait(sync_of(sync), timeout_of(timeout), &error);
  return answer(code, R_NilValue, &error);
}

SEXP api_event_set(SEXP sync, SEXP set) {
  if (Rf_asLogical(set))
    shm->event_set(sync_of(sync));
  else
    shm->event_reset(sync_of(sync));
  return Rf_ScalarLogical(shm->event_is_set(sync_of(sync)));
}

SEXP api_barrier_wait(SEXP sync, SEXP timeout) {
  ERROR;
  smem_code code =
      shm->barrier_wait(sync_of(sync), timeout_of(timeout), &error);
  return answer(code, R_NilValue, &error);
}

SEXP api_sync_close(SEXP sync) {
  shm->sync_close(sync_of(sync));
  return R_NilValue;
}

SEXP api_error_kind(SEXP code) {
  return Rf_mkString(shm->error_kind((smem_code)Rf_asInteger(code)));
}

/* ---- what may be NULL ---------------------------------------------------- */

SEXP api_without_errors(SEXP id) {
  const char *missing = "missing", *wrong = "", *text = text_of(id);
  smem_code codes[] = {shm->write(text, 0, NULL, 0, NULL),
                       shm->free(&missing, 1, NULL),
                       shm->free(&wrong, 1, NULL)};
  SEXP result = Rf_allocVector(INTSXP, 3);
  for (int i = 0; i < 3; i++) INTEGER(result)[i] = (int)codes[i];
  shm->close(NULL);
  shm->latch_close(NULL);
  return result;
}

/* ---- structs of other sizes ---------------------------------------------- */

enum { FILLED = 0xAA, ROOM = 4096 };

/* What is written into an error record of this size. */
SEXP api_error_of_size(SEXP size) {
  SEXP bytes = PROTECT(Rf_allocVector(RAWSXP, ROOM));
  size_t number = (size_t)Rf_asReal(size);
  smem_handle *handle;
  memset(RAW(bytes), FILLED, ROOM);
  memcpy(RAW(bytes), &number, sizeof number);
  shm->open("missing", SMEM_READ_ONLY, &handle, (smem_error *)RAW(bytes));
  UNPROTECT(1);
  return bytes;
}

SEXP api_size_of_error(void) { return Rf_ScalarReal(sizeof(smem_error)); }

/* ---- on another thread --------------------------------------------------- */

struct task {
  const char *id;
  smem_handle *handle;
  smem_latch *latch;
  smem_error error;
  smem_code code;
};

static void *free_there(void *data) {
  struct task *task = data;
  task->code = shm->free(&task->id, 1, &task->error);
  return NULL;
}

static void *view_there(void *data) {
  struct task *task = data;
  SEXP view;
  task->code = shm->view(task->handle, 0, 0, 1, true, &view, &task->error);
  return NULL;
}

/* The holder is a thread. */
static void *lock_there(void *data) {
  struct task *task = data;
  task->code = shm->lock(task->latch, SMEM_EXCLUSIVE, 0, NULL, &task->error);
  if (task->code == SMEM_OK) shm->unlock(task->latch, NULL);
  return NULL;
}

static void *unlock_there(void *data) {
  struct task *task = data;
  task->code = shm->unlock(task->latch, &task->error);
  return NULL;
}

static SEXP run(void *(*work)(void *), struct task *task) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, task) != 0) Rf_error("no thread");
  pthread_join(thread, NULL);
  return answer(task->code, R_NilValue, &task->error);
}

SEXP api_free_on_thread(SEXP id) {
  struct task task = {text_of(id), NULL, NULL, SMEM_ERROR_INIT, SMEM_CODES};
  return run(free_there, &task);
}

SEXP api_view_on_thread(SEXP handle) {
  struct task task = {NULL, handle_of(handle), NULL, SMEM_ERROR_INIT,
                      SMEM_CODES};
  return run(view_there, &task);
}

SEXP api_lock_on_thread(SEXP latch) {
  struct task task = {NULL, NULL, latch_of(latch), SMEM_ERROR_INIT, SMEM_CODES};
  return run(lock_there, &task);
}

SEXP api_unlock_on_thread(SEXP latch) {
  struct task task = {NULL, NULL, latch_of(latch), SMEM_ERROR_INIT, SMEM_CODES};
  return run(unlock_there, &task);
}

void R_init_api(DllInfo *dll) {
  (void)dll;
  shm = sharedmemory_init("the tests");
}
