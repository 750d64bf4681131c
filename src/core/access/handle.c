/* Handles: mappings that stand for themselves. */
#include "access.h"

#include <string.h>

/* The client sees the first member only. */
struct opened {
  smem_handle handle;
  uint64_t total; /* bytes mapped */
  bool stays;     /* we stay joined for its number */
  uint64_t identity[2];
  smem_reference reference;
};

static _Atomic uint64_t staying; /* handles that we stay joined for */

bool smem__handle_any(void) { return staying > 0; }

static smem_code find_place(const struct call *call, uint64_t place[2]) {
  os_status status = smem__os_place(place);
  if (status.code == OS_OK) return SMEM_OK;
  return smem__fail_os(call, status, "the system does not tell where we are");
}

smem_code smem_here(uint64_t place[2], smem_error *error) {
  struct call call = {SMEM_OP_FIND, "", 0, error, false};
  return find_place(&call, place);
}

/* *access: what it was mapped with. */
static smem_code map_segment(const struct call *call,
                             const struct segment *segment, smem_access *access,
                             void **address) {
  smem_code code = smem__segment_map(call, segment, *access, address);
  if (code != SMEM_UNSUPPORTED || *access != SMEM_PRIVATE) return code;
  *access = SMEM_READ_ONLY;
  return smem__segment_map(call, segment, *access, address);
}

static bool is_ours(const struct call *call, const char *space) {
  struct space own;
  struct call quiet = *call;
  quiet.error = NULL;
  return smem__namespace_get(&quiet, &own) == SMEM_OK &&
         strcmp(own.text, space) == 0;
}

/* Its number must not come back while somebody holds it: see
 * smem__mapping_settle_number(). */
static void stay(const struct call *call, const struct segment *segment,
                 struct opened *opened) {
  struct control *control;
  if (!is_ours(call, opened->reference.space)) return;
  smem__mapping_settle_number(call, segment, &control);
  if (!control) return;
  opened->stays = true;
  staying++;
  smem__presence_count_act();
  smem__control_release(control);
}

/* Map `segment`, whose object is closed in any case. */
static smem_code open_segment(const struct call *call, struct segment *segment,
                              smem_access access, const char *space,
                              const uint64_t place[2], smem_handle **handle) {
  struct opened *opened = smem__os_allocate(sizeof *opened);
  void *address = NULL;
  smem_code code = opened ? map_segment(call, segment, &access, &address)
                          : smem__fail_no_memory(call);
  smem__os_object_close(segment->object);
  if (code != SMEM_OK) {
    smem__os_release(opened);
    return code;
  }
  opened->handle = (smem_handle){sizeof(smem_handle),
                                 address,
                                 smem__segment_capacity(&segment->footer),
                                 segment->footer.requested,
                                 segment->footer.generation,
                                 access,
                                 segment->sealed};
  opened->total = segment->info.size;
  memcpy(opened->identity, segment->info.identity, sizeof opened->identity);
  memcpy(opened->reference.place, place, sizeof opened->reference.place);
  opened->reference.generation = segment->footer.generation;
  smem_copy_text(opened->reference.space, sizeof opened->reference.space,
                 space);
  smem_copy_text(opened->reference.id, sizeof opened->reference.id, call->id);
  stay(call, segment, opened);
  *handle = &opened->handle;
  return SMEM_OK;
}

smem_code smem_open(const char *id, smem_access access, smem_handle **handle,
                    smem_error *error) {
  struct call call = {SMEM_OP_MAP, id, 0, error, false};
  struct segment segment;
  struct space space = {""};
  const char *same;
  uint64_t place[2];
  smem_code code = find_place(&call, place);
  if (code == SMEM_OK)
    code = smem__segment_open(&call, access == SMEM_READ_WRITE, &segment);
  if (code != SMEM_OK) return code;
  /* Asked again, our namespace may be another one by now: see smem_leave(). */
  smem__name_split(segment.name.text, &space, &same);
  return open_segment(&call, &segment, access, space.text, place, handle);
}

static smem_code check_place(const struct call *call, const uint64_t place[2]) {
  uint64_t here[2];
  smem_code code = find_place(call, here);
  if (code != SMEM_OK || memcmp(place, here, sizeof here) == 0) return code;
  return smem__fail(
      call, SMEM_ELSEWHERE, 0,
      "the reference to it was made on another machine, in a container "
      "with shared memory of its own, or before the machine was last "
      "started");
}

smem_code smem_open_reference(const smem_reference *reference,
                              smem_access access, smem_handle **handle,
                              smem_error *error) {
  struct call call = {SMEM_OP_MAP, reference->id, 0, error, false};
  struct segment segment;
  /* No two segments of ours have the same generation: whoever has found the one
   * that is meant is where it is. */
  bool raw = smem_id_is_raw(reference->id);
  smem_code code = raw ? check_place(&call, reference->place) : SMEM_OK;
  if (code != SMEM_OK) return code;
  code = smem__segment_open_reference(&call, reference,
                                      access == SMEM_READ_WRITE, &segment);
  if (code == SMEM_OK)
    return open_segment(&call, &segment, access, reference->space,
                        reference->place, handle);
  smem_code elsewhere = raw ? SMEM_OK : check_place(&call, reference->place);
  return elsewhere == SMEM_OK ? code : elsewhere;
}

void smem_close(smem_handle *handle) {
  if (!handle) return;
  if (((struct opened *)handle)->stays) staying--;
  smem__os_unmap(handle->address, ((struct opened *)handle)->total);
  smem__os_release(handle);
}

/* Is what bears the name the object that is open? */
static os_code compare(const struct opened *opened, bool *same) {
  struct name name;
  os_info info;
  smem__segment_name_referred(&opened->reference, &name);
  os_code code = smem__os_object_stat(name.text, &info).code;
  *same = smem__os_stat_told(code) &&
          memcmp(info.identity, opened->identity, sizeof info.identity) == 0;
  return code;
}

bool smem_id_means(const smem_reference *reference, const smem_handle *handle) {
  struct call call = {SMEM_OP_FIND, reference->id, 0, NULL, false};
  smem_handle *opened;
  bool same;
  if (!smem_id_is_raw(reference->id) && !is_ours(&call, reference->space))
    return false;
  if (handle)
    return compare((const struct opened *)handle, &same) == OS_NOT_FOUND ||
           same;
  smem_code code =
      smem_open_reference(reference, SMEM_READ_ONLY, &opened, NULL);
  if (code == SMEM_OK) smem_close(opened);
  return code == SMEM_OK || code == SMEM_NOT_FOUND;
}

bool smem_handle_is_findable(const smem_handle *handle) {
  bool same;
  return compare((const struct opened *)handle, &same) == OS_OK && same;
}

bool smem_handle_is_written(const smem_handle *handle) {
  bool written = true;
  uint64_t total = ((const struct opened *)handle)->total;
  if (handle->access == SMEM_READ_ONLY) return false;
  if (handle->access == SMEM_READ_WRITE ||
      smem__os_mapping_written(handle->address, total, &written).code != OS_OK)
    return true;
  return written;
}

void smem_refer(const smem_handle *handle, smem_reference *reference) {
  *reference = ((const struct opened *)handle)->reference;
}
