/* The functions of inst/include/sharedmemory.h: the core, for other packages.
 *
 * Called from any thread, so nothing here touches R but view(). */
#include "glue.h"

#include "../../inst/include/sharedmemory.h"

#include <stdio.h>
#include <string.h>

/* ---- what both sides must agree on --------------------------------------- */

#define X(name, kind)                                                          \
  _Static_assert((int)SHAREDMEMORY_##name == (int)SMEM_##name, "codes "        \
                                                               "differ");
SMEM_ERRORS(X)
#undef X
_Static_assert(SHAREDMEMORY_ID_SIZE == SMEM_ID_MAX + 1, "sizes differ");
_Static_assert((int)SHAREDMEMORY_LIVE == (int)SMEM_LIVE &&
                   (int)SHAREDMEMORY_ORPHAN == (int)SMEM_ORPHAN &&
                   (int)SHAREDMEMORY_UNKNOWN == (int)SMEM_UNKNOWN &&
                   (int)SHAREDMEMORY_INCOMPLETE == (int)SMEM_INCOMPLETE &&
                   (int)SHAREDMEMORY_DAMAGED == (int)SMEM_DAMAGED,
               "states differ");
_Static_assert((int)SHAREDMEMORY_UNTIL_FREED == (int)SMEM_UNTIL_FREED &&
                   (int)SHAREDMEMORY_OF_PROCESS == (int)SMEM_OF_PROCESS,
               "lifetimes differ");
_Static_assert((int)SHAREDMEMORY_COMPLEX + 1 == (int)R_TYPES, "types differ");

/* Structs of clients may be shorter (older) than ours: copy what both have.
 * `size`, the first member of either, stays. False: the client has not set its
 * own. */
static bool copy_struct(void *to, const void *from, size_t theirs,
                        size_t ours) {
  const size_t head = sizeof(size_t);
  if (theirs < head) return false;
  memcpy((char *)to + head, (const char *)from + head,
         (theirs < ours ? theirs : ours) - head);
  return true;
}

/* ---- errors -------------------------------------------------------------- */

static int report(smem_code code, const smem_error *error,
                  sharedmemory_error *to) {
  /* The jump of an interrupt was stopped on its way through the core. Here it
   * ends: the client is told by the code. */
  r_interrupt_forget();
  if (code == SMEM_OK || !to) return code;
  char message[2048];
  sharedmemory_error ours = SHAREDMEMORY_ERROR_INIT;
  r_error_message(error, message, sizeof message);
  ours.code = code;
  ours.os_error = error->number;
  smem_copy_text(ours.id, sizeof ours.id, error->id);
  smem_copy_text(ours.message, sizeof ours.message, message);
  copy_struct(to, &ours, to->size, sizeof ours);
  return code;
}

static const char no_pointer[] = "a pointer is NULL";
static const char no_size[] = "the member `size` of the struct is not set";

static int refuse(smem_code code, smem_op op, const char *id, const char *why,
                  sharedmemory_error *to) {
  smem_error error = {.size = sizeof error, .code = code, .op = op};
  smem_copy_text(error.id, sizeof error.id, id);
  smem_copy_text(error.detail, sizeof error.detail, why);
  return report(code, &error, to);
}

/* Other threads go by what was read last. */
static void begin(void) {
  if (r_is_main_thread()) r_environment();
}

/* Does `id` obey the grammar? Otherwise the error is filled. */
static bool is_good(smem_op op, const char *id, sharedmemory_error *error) {
  char why[100];
  begin();
  const char *wrong = "is NULL";
  if (id && smem_id_is_valid(id, strlen(id), &wrong)) return true;
  snprintf(why, sizeof why, "the id %s", wrong);
  refuse(SMEM_ARGUMENT, op, "", why, error);
  return false;
}

/* ---- segments ------------------------------------------------------------ */

static int api_allocate(const sharedmemory_request *from,
                        char id[SHAREDMEMORY_ID_SIZE],
                        sharedmemory_error *error) {
  smem_op op = SMEM_OP_ALLOCATE;
  sharedmemory_request asked = SHAREDMEMORY_REQUEST_INIT;
  smem_error failure = SMEM_ERROR_INIT;
  begin();
  if (!from || !id) return refuse(SMEM_ARGUMENT, op, "", no_pointer, error);
  if (!copy_struct(&asked, from, from->size, sizeof asked))
    return refuse(SMEM_ARGUMENT, op, "", no_size, error);
  if (asked.bytes < 1 || asked.bytes > SMEM_MAX_NUMBER)
    return refuse(SMEM_ARGUMENT, op, "",
                  "the size must be from 1 to 2^53 bytes", error);
  if (asked.lifetime != SHAREDMEMORY_UNTIL_FREED &&
      asked.lifetime != SHAREDMEMORY_OF_PROCESS)
    return refuse(SMEM_ARGUMENT, op, "", "there is no such lifetime", error);
  if (asked.name && !is_good(op, asked.name, error)) return SMEM_ARGUMENT;
  smem_request request = SMEM_REQUEST_INIT(asked.bytes, asked.name);
  smem_code code = smem_allocate(&request, 1, (smem_lifetime)asked.lifetime,
                                 asked.exclusive != 0, &failure);
  if (code == SMEM_OK && asked.name)
    memmove(id, asked.name, strlen(asked.name) + 1);
  else if (code == SMEM_OK)
    smem_id_of_number(request.number, id);
  return report(code, &failure, error);
}

static int api_map(const char *id, int readonly, sharedmemory_handle **handle,
                   sharedmemory_error *error) {
  smem_error failure = SMEM_ERROR_INIT;
  smem_handle *opened;
  if (!is_good(SMEM_OP_MAP, id, error)) return SMEM_ARGUMENT;
  if (!handle) return refuse(SMEM_ARGUMENT, SMEM_OP_MAP, id, no_pointer, error);
  smem_code code = smem_open(id, readonly ? SMEM_READ_ONLY : SMEM_READ_WRITE,
                             &opened, &failure);
  if (code == SMEM_OK) *handle = (sharedmemory_handle *)opened;
  return report(code, &failure, error);
}

static const smem_handle *core_handle(const sharedmemory_handle *handle) {
  return (const smem_handle *)handle;
}

static void api_unmap(sharedmemory_handle *handle) {
  smem_close((smem_handle *)handle);
}

static void *api_address(const sharedmemory_handle *handle) {
  return core_handle(handle)->address;
}

static uint64_t api_capacity(const sharedmemory_handle *handle) {
  return core_handle(handle)->capacity;
}

static uint64_t api_requested(const sharedmemory_handle *handle) {
  return core_handle(handle)->requested;
}

static int api_free(const char *id, sharedmemory_error *error) {
  smem_error failure = SMEM_ERROR_INIT;
  if (!is_good(SMEM_OP_FREE, id, error)) return SMEM_ARGUMENT;
  return report(smem_free(&id, 1, NULL, &failure), &failure, error);
}

static int api_exists(const char *id, int *exists, sharedmemory_error *error) {
  smem_error failure = SMEM_ERROR_INIT;
  bool found = false;
  if (!is_good(SMEM_OP_FIND, id, error)) return SMEM_ARGUMENT;
  if (!exists)
    return refuse(SMEM_ARGUMENT, SMEM_OP_FIND, id, no_pointer, error);
  smem_code code = smem_exists(id, &found, &failure);
  if (code == SMEM_OK) *exists = found;
  return report(code, &failure, error);
}

static int api_size_of(const char *id, uint64_t *capacity, uint64_t *requested,
                       sharedmemory_error *error) {
  smem_error failure = SMEM_ERROR_INIT;
  uint64_t usable = 0, asked = 0;
  if (!is_good(SMEM_OP_MEASURE, id, error)) return SMEM_ARGUMENT;
  smem_code code = smem_extent(id, &usable, &asked, &failure);
  if (code == SMEM_OK && capacity) *capacity = usable;
  if (code == SMEM_OK && requested) *requested = asked;
  return report(code, &failure, error);
}

static void fill_info(const smem_entry *entry, void *context) {
  sharedmemory_info *info = context;
  info->state = (int)entry->state;
  info->lifetime = (int)entry->lifetime;
  info->capacity = entry->capacity;
  info->requested = entry->requested;
  info->resident = entry->resident;
  info->generation = entry->generation;
  info->pid = entry->pid;
  info->user = entry->user;
  info->created = entry->created;
  info->sealed = entry->sealed;
  smem_copy_text(info->tag, sizeof info->tag, entry->tag);
  smem_copy_text(info->trace, sizeof info->trace, entry->trace);
}

static int api_info(const char *id, sharedmemory_info *info,
                    sharedmemory_error *error) {
  smem_error failure = SMEM_ERROR_INIT;
  sharedmemory_info ours = SHAREDMEMORY_INFO_INIT;
  char path[300];
  size_t none = 0;
  if (!is_good(SMEM_OP_INSPECT, id, error)) return SMEM_ARGUMENT;
  if (!info)
    return refuse(SMEM_ARGUMENT, SMEM_OP_INSPECT, id, no_pointer, error);
  if (info->size < sizeof info->size)
    return refuse(SMEM_ARGUMENT, SMEM_OP_INSPECT, id, no_size, error);
  smem_code code = smem_inspect(id, NULL, &none, path, sizeof path, fill_info,
                                &ours, &failure);
  if (code == SMEM_OK) copy_struct(info, &ours, info->size, sizeof ours);
  return report(code, &failure, error);
}

static int api_last_index(uint64_t *index, sharedmemory_error *error) {
  smem_error failure = SMEM_ERROR_INIT;
  uint64_t last = 0;
  begin();
  if (!index)
    return refuse(SMEM_ARGUMENT, SMEM_OP_COUNT, "", no_pointer, error);
  smem_code code = smem_last_index(&last, &failure);
  if (code == SMEM_OK) *index = last;
  return report(code, &failure, error);
}

static int api_fill(const char *id, uint64_t offset, const void *data,
                    uint64_t length, sharedmemory_error *error) {
  smem_error failure = SMEM_ERROR_INIT;
  if (!is_good(SMEM_OP_WRITE, id, error)) return SMEM_ARGUMENT;
  if (!data && length > 0)
    return refuse(SMEM_ARGUMENT, SMEM_OP_WRITE, id, no_pointer, error);
  return report(smem_write(id, offset, data, length, &failure), &failure,
                error);
}

static int api_seal(const char *id, sharedmemory_error *error) {
  smem_error failure = SMEM_ERROR_INIT;
  if (!is_good(SMEM_OP_SEAL, id, error)) return SMEM_ARGUMENT;
  return report(smem_seal(&id, 1, &failure), &failure, error);
}

/* ---- locks --------------------------------------------------------------- */

static smem_latch *core_latch(sharedmemory_lock *lock) {
  return (smem_latch *)lock;
}

static int api_lock_open(const char *id, sharedmemory_lock **lock,
                         sharedmemory_error *error) {
  smem_error failure = SMEM_ERROR_INIT;
  smem_latch *latch;
  if (!is_good(SMEM_OP_LOCK, id, error)) return SMEM_ARGUMENT;
  if (!lock) return refuse(SMEM_ARGUMENT, SMEM_OP_LOCK, id, no_pointer, error);
  smem_code code = smem_latch_open(id, &latch, &failure);
  if (code == SMEM_OK) *lock = (sharedmemory_lock *)latch;
  return report(code, &failure, error);
}

/* What may fail has an error on its stack, which the compiler guards. So what
 * is done at once does not come here. No begin(): what it reads has been read
 * when the lock was opened. */
static int lock_slowly(sharedmemory_lock *lock, int shared, uint64_t timeout,
                       sharedmemory_told *told, sharedmemory_error *error) {
  smem_op op = SMEM_OP_LOCK;
  smem_error failure = SMEM_ERROR_INIT;
  smem_told known = SMEM_TOLD_INIT;
  if (!lock) return refuse(SMEM_ARGUMENT, op, "", no_pointer, error);
  if (told && told->size < sizeof told->size)
    return refuse(SMEM_ARGUMENT, op, "", no_size, error);
  smem_code code =
      smem_lock(core_latch(lock), shared ? SMEM_SHARED : SMEM_EXCLUSIVE,
                timeout, &known, &failure);
  if (told) {
    sharedmemory_told ours = {0, known.died, known.dirty, known.pid,
                              known.time};
    copy_struct(told, &ours, told->size, sizeof ours);
  }
  return report(code, &failure, error);
}

static int api_lock(sharedmemory_lock *lock, int shared, uint64_t timeout,
                    sharedmemory_told *told, sharedmemory_error *error) {
  if (lock && !shared && !told && smem_lock_quickly(core_latch(lock)))
    return SMEM_OK;
  return lock_slowly(lock, shared, timeout, told, error);
}

static int unlock_slowly(sharedmemory_lock *lock, sharedmemory_error *error) {
  smem_error failure = SMEM_ERROR_INIT;
  if (!lock)
    return refuse(SMEM_ARGUMENT, SMEM_OP_UNLOCK, "", no_pointer, error);
  return report(smem_unlock(core_latch(lock), &failure), &failure, error);
}

static int api_unlock(sharedmemory_lock *lock, sharedmemory_error *error) {
  if (lock && smem_unlock_quickly(core_latch(lock))) return SMEM_OK;
  return unlock_slowly(lock, error);
}

static void api_lock_repaired(sharedmemory_lock *lock) {
  smem_lock_repaired(core_latch(lock));
}

static void api_lock_close(sharedmemory_lock *lock) {
  smem_latch_close(core_latch(lock));
}

/* ---- views --------------------------------------------------------------- */

struct making {
  const smem_reference *reference;
  SEXP view;
  smem_code code;
  smem_error *error;
};

static SEXP make_view(void *data) {
  struct making *making = data;
  making->view =
      r_view_of_reference(making->reference, &making->code, making->error);
  return R_NilValue;
}

/* SMEM_OK if there is such a range of elements. */
static int check_range(const smem_handle *handle, const smem_reference *range,
                       int type, sharedmemory_error *error) {
  char why[200];
  if (type < 0 || type >= R_TYPES)
    return refuse(SMEM_ARGUMENT, SMEM_OP_VIEW, range->id,
                  "there is no such type", error);
  uint64_t size = r_types[type].size, capacity = handle->capacity;
  if (range->offset % size != 0)
    return refuse(SMEM_ARGUMENT, SMEM_OP_VIEW, range->id,
                  "the offset must be a multiple of the size of an element",
                  error);
  if (r_is_inside(range, &r_types[type], capacity)) return SMEM_OK;
  snprintf(
      why, sizeof why,
      "%llu elements of type %s at offset %llu were asked for, the segment "
      "has %llu bytes",
      (unsigned long long)range->length, r_types[type].name,
      (unsigned long long)range->offset, (unsigned long long)capacity);
  return refuse(SMEM_BOUNDS, SMEM_OP_VIEW, range->id, why, error);
}

static int api_view(const sharedmemory_handle *handle, int type,
                    uint64_t offset, uint64_t length, int live, SEXP *view,
                    sharedmemory_error *error) {
  smem_reference reference;
  smem_error failure = {
      .size = sizeof failure, .code = SMEM_NO_MEMORY, .op = SMEM_OP_VIEW};
  if (!r_is_main_thread())
    return refuse(SMEM_ARGUMENT, SMEM_OP_VIEW, "",
                  "only R's main thread can make R vectors", error);
  if (!handle || !view)
    return refuse(SMEM_ARGUMENT, SMEM_OP_VIEW, "", no_pointer, error);
  smem_refer(core_handle(handle), &reference);
  reference.offset = offset;
  reference.length = length;
  int code = check_range(core_handle(handle), &reference, type, error);
  if (code != SMEM_OK) return code;
  if (live && r_types[type].type == LGLSXP)
    return refuse(SMEM_ARGUMENT, SMEM_OP_VIEW, reference.id,
                  "a live view cannot be of type logical", error);
  reference.form = r_view_form(type, live != 0);
  strcpy(failure.id, reference.id);
  strcpy(failure.detail, "R has no memory for the vector");
  struct making making = {&reference, NULL, SMEM_NO_MEMORY, &failure};
  if (!r_without_jump(make_view, &making)) making.code = SMEM_NO_MEMORY;
  if (making.code == SMEM_OK) *view = making.view;
  return report(making.code, &failure, error);
}

static const char *api_kind(int code) {
  return smem_error_kind((smem_code)code);
}

static const sharedmemory_api api = {.size = sizeof api,
                                     .version = SHAREDMEMORY_API_VERSION,
                                     .allocate = api_allocate,
                                     .map = api_map,
                                     .unmap = api_unmap,
                                     .address = api_address,
                                     .capacity = api_capacity,
                                     .requested = api_requested,
                                     .free = api_free,
                                     .exists = api_exists,
                                     .size_of = api_size_of,
                                     .info = api_info,
                                     .last_index = api_last_index,
                                     .fill = api_fill,
                                     .seal = api_seal,
                                     .view = api_view,
                                     .kind = api_kind,
                                     .lock_open = api_lock_open,
                                     .lock = api_lock,
                                     .unlock = api_unlock,
                                     .lock_repaired = api_lock_repaired,
                                     .lock_close = api_lock_close};

static const sharedmemory_api *get_api(void) { return &api; }

void r_api_start(void) {
  R_RegisterCCallable("sharedmemory", "sharedmemory_api",
                      (DL_FUNC)(void (*)(void))get_api);
}
