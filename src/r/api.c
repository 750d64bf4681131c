/* The functions of inst/include/sharedmemory.h: the core, for other packages.
 *
 * Called from any thread, so nothing here touches R but view(). */
#include "../../inst/include/sharedmemory.h"
#include "../core/base/base.h"
#include "glue.h"

_Static_assert((int)SHAREDMEMORY_COMPLEX + 1 == (int)R_TYPES, "types differ");

/* ---- as they are in the core ------------------------------------------------
 *
 * But for two things that are R's. Other threads go by what was read last of
 * the environment; and the jump of an interrupt, which was stopped on its way
 * through the core, ends here: the client is told by the code. */

static void begin(void) {
  if (!r_is_main_thread()) return;
  r_environment();
  r_spill();
}

static smem_code end(smem_code code) {
  r_interrupt_forget();
  return code;
}

#define FORWARD(name, parameters, arguments)                                   \
  static smem_code api_##name parameters {                                     \
    begin();                                                                   \
    return end(smem_##name arguments);                                         \
  }

FORWARD(allocate,
        (smem_request * requests, size_t count, smem_lifetime lifetime,
         bool exclusive, smem_error *error),
        (requests, count, lifetime, exclusive, error))
FORWARD(exists, (const char *id, bool *exists, smem_error *error),
        (id, exists, error))
FORWARD(extent,
        (const char *id, uint64_t *capacity, uint64_t *requested,
         smem_error *error),
        (id, capacity, requested, error))
FORWARD(seal, (const char *const *ids, size_t count, smem_error *error),
        (ids, count, error))
FORWARD(open,
        (const char *id, smem_access access, smem_handle **handle,
         smem_error *error),
        (id, access, handle, error))
FORWARD(open_reference,
        (const smem_reference *reference, smem_access access,
         smem_handle **handle, smem_error *error),
        (reference, access, handle, error))
FORWARD(read,
        (const char *id, uint64_t offset, void *to, uint64_t length,
         smem_error *error),
        (id, offset, to, length, error))
FORWARD(write,
        (const char *id, uint64_t offset, const void *from, uint64_t length,
         smem_error *error),
        (id, offset, from, length, error))
FORWARD(read_some,
        (const char *id,
         void *(*choose)(uint64_t capacity, uint64_t requested,
                         uint64_t *offset, uint64_t *length, void *context),
         void *context, smem_error *error),
        (id, choose, context, error))
FORWARD(latch_open, (const char *id, smem_latch **latch, smem_error *error),
        (id, latch, error))
FORWARD(latch_open_reference,
        (const smem_reference *reference, smem_latch **latch,
         smem_error *error),
        (reference, latch, error))
FORWARD(sync_open,
        (smem_sync_kind kind, const char *id, uint32_t count, smem_sync **sync,
         smem_error *error),
        (kind, id, count, sync, error))
FORWARD(sync_open_reference,
        (smem_sync_kind kind, const smem_reference *reference, smem_sync **sync,
         smem_error *error),
        (kind, reference, sync, error))
FORWARD(list,
        (bool (*visit)(const smem_entry *entry, void *context), void *context,
         smem_error *error),
        (visit, context, error))
FORWARD(mapped_by,
        (const char *id, bool copies,
         bool (*visit)(uint64_t pid, const uint64_t identity[2],
                       uint64_t copied, void *context),
         void *context, smem_error *error),
        (id, copies, visit, context, error))
FORWARD(inspect,
        (const char *id, void *bytes, size_t *length, char *path,
         size_t path_length,
         void (*visit)(const smem_entry *entry, void *context), void *context,
         smem_error *error),
        (id, bytes, length, path, path_length, visit, context, error))
FORWARD(reclaim,
        (bool dry_run, bool persistent,
         void (*visit)(const smem_entry *entry, smem_fate fate, void *context),
         void *context, smem_error *error),
        (dry_run, persistent, visit, context, error))
FORWARD(shares,
        (void (*visit)(const smem_share *share, void *context), void *context,
         smem_error *error),
        (visit, context, error))
FORWARD(own_namespace, (char space[SMEM_NAMESPACE_SIZE], smem_error *error),
        (space, error))
FORWARD(last_index, (uint64_t * index, smem_error *error), (index, error))

static smem_code api_free(const char *const *ids, size_t count,
                          smem_error *error) {
  begin();
  return end(smem_free(ids, count, NULL, error));
}

/* What is open already asks nothing of the environment. */
#define WAIT(name, parameters, arguments)                                      \
  static smem_code api_##name parameters { return end(smem_##name arguments); }

WAIT(acquire,
     (smem_sync * semaphore, uint64_t timeout, smem_told *told,
      smem_error *error),
     (semaphore, timeout, told, error))
WAIT(event_wait, (smem_sync * event, uint64_t timeout, smem_error *error),
     (event, timeout, error))
WAIT(barrier_wait, (smem_sync * barrier, uint64_t timeout, smem_error *error),
     (barrier, timeout, error))

/* In few steps, where they do. */
static smem_code api_lock(smem_latch *latch, smem_mode mode, uint64_t timeout,
                          smem_told *told, smem_error *error) {
  if (mode == SMEM_EXCLUSIVE && !told && smem_lock_quickly(latch))
    return SMEM_OK;
  return end(smem_lock(latch, mode, timeout, told, error));
}

static smem_code api_unlock(smem_latch *latch, smem_error *error) {
  return smem_unlock_quickly(latch) ? SMEM_OK : smem_unlock(latch, error);
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
static smem_code check_range(const struct call *call, const smem_handle *handle,
                             const smem_reference *range, int type) {
  if (type < 0 || type >= R_TYPES)
    return smem__fail(call, SMEM_ARGUMENT, 0, "there is no such type");
  if (range->offset % r_types[type].size != 0)
    return smem__fail(
        call, SMEM_ARGUMENT, 0,
        "the offset must be a multiple of the size of an element");
  if (r_is_inside(range, &r_types[type], handle->capacity)) return SMEM_OK;
  return smem__fail(
      call, SMEM_BOUNDS, 0,
      "offset %llu and length %llu of type %s go beyond its %llu bytes",
      (unsigned long long)range->offset, (unsigned long long)range->length,
      r_types[type].name, (unsigned long long)handle->capacity);
}

static smem_code make(const struct call *call, const smem_reference *reference,
                      SEXP *view) {
  smem_error failure = SMEM_ERROR_INIT;
  struct making making = {reference, NULL, SMEM_NO_MEMORY, &failure};
  if (!r_without_jump(make_view, &making))
    return smem__fail(call, SMEM_NO_MEMORY, 0,
                      "R has no memory for the vector");
  if (making.code != SMEM_OK) return smem__hand_on(&failure, call->error);
  *view = making.view;
  return SMEM_OK;
}

static smem_code api_view(const smem_handle *handle, int type, uint64_t offset,
                          uint64_t length, bool live, SEXP *view,
                          smem_error *error) {
  smem_reference reference;
  struct call call = {SMEM_OP_VIEW, "", 0, error, false};
  if (!r_is_main_thread())
    return smem__fail(&call, SMEM_ARGUMENT, 0,
                      "only R's main thread can make R vectors");
  smem_refer(handle, &reference);
  call.id = reference.id;
  reference.offset = offset;
  reference.length = length;
  smem_code code = check_range(&call, handle, &reference, type);
  if (code != SMEM_OK) return code;
  if (live && r_types[type].type == LGLSXP)
    return smem__fail(&call, SMEM_ARGUMENT, 0,
                      "a live view cannot be of type logical");
  reference.form = r_view_form(type, live);
  return end(make(&call, &reference, view));
}

/* ---- the table ----------------------------------------------------------- */

#define SAME(name) .name = smem_##name
#define OURS(name) .name = api_##name

static const sharedmemory_api api = {.size = sizeof api,
                                     .version = SHAREDMEMORY_API_VERSION,
                                     SAME(random),
                                     SAME(error_kind),
                                     SAME(op_name),
                                     .error_message = r_error_message,
                                     SAME(error_message_with),
                                     SAME(id_is_raw),
                                     SAME(id_is_valid),
                                     SAME(is_utf8),
                                     SAME(copy_text),
                                     SAME(id_of_number),
                                     SAME(id_is_number),
                                     OURS(allocate),
                                     SAME(undo_allocate),
                                     OURS(exists),
                                     OURS(extent),
                                     OURS(seal),
                                     OURS(open),
                                     SAME(close),
                                     SAME(handle_is_findable),
                                     SAME(handle_is_written),
                                     SAME(refer),
                                     SAME(here),
                                     OURS(open_reference),
                                     SAME(id_means),
                                     SAME(reference_write),
                                     SAME(reference_read),
                                     OURS(read),
                                     OURS(write),
                                     OURS(read_some),
                                     OURS(latch_open),
                                     OURS(latch_open_reference),
                                     SAME(latch_close),
                                     SAME(latch_id),
                                     SAME(latch_held),
                                     OURS(lock),
                                     OURS(unlock),
                                     SAME(lock_quickly),
                                     SAME(unlock_quickly),
                                     SAME(lock_repaired),
                                     SAME(lock_stamp),
                                     SAME(lock_break),
                                     OURS(sync_open),
                                     OURS(sync_open_reference),
                                     SAME(sync_refer),
                                     SAME(sync_close),
                                     SAME(sync_count),
                                     OURS(acquire),
                                     SAME(release),
                                     SAME(permits),
                                     OURS(event_wait),
                                     SAME(event_set),
                                     SAME(event_reset),
                                     SAME(event_is_set),
                                     OURS(barrier_wait),
                                     SAME(add_int32),
                                     SAME(add_uint32),
                                     SAME(add_int64),
                                     SAME(add_double),
                                     SAME(compare_and_set),
                                     SAME(state_name),
                                     OURS(list),
                                     OURS(mapped_by),
                                     SAME(command),
                                     OURS(inspect),
                                     OURS(reclaim),
                                     OURS(shares),
                                     SAME(limits_get),
                                     SAME(user_name),
                                     OURS(own_namespace),
                                     OURS(last_index),
                                     OURS(free),
                                     OURS(view),
                                     SAME(limit_bites),
                                     SAME(limit_name),
                                     SAME(limit_remedy)};

static const sharedmemory_api *get_api(void) { return &api; }

void r_api_start(void) {
  R_RegisterCCallable("sharedmemory", "sharedmemory_api",
                      (DL_FUNC)(void (*)(void))get_api);
}
