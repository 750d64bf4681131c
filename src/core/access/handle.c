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

static smem_code find_place(const struct call *call, const char *directory,
                            uint64_t place[2]) {
  os_status status = smem__os_place(directory, place);
  if (status.code == OS_OK) return SMEM_OK;
  return smem__fail_os(call, status, "the system does not tell where we are");
}

smem_code smem_here(uint64_t place[2], smem_error *error) {
  struct call call = {SMEM_OP_FIND, "", 0, error, false};
  struct space space;
  smem_code code = smem__namespace_get(&call, &space);
  return code == SMEM_OK ? find_place(&call, space.directory, place) : code;
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

static bool is_ours(const smem_reference *reference) {
  struct space space;
  smem__space_referred(reference, &space);
  return smem__space_is_own(&space);
}

/* Its number must not come back while somebody holds it: see
 * smem__mapping_settle_number(). */
static void stay(const struct call *call, const struct segment *segment,
                 const struct space *space, struct opened *opened) {
  struct control *control;
  if (!smem__space_is_own(space)) return;
  smem__mapping_settle_number(call, segment, &control);
  if (!control) return;
  opened->stays = true;
  staying++;
  smem__presence_count_act();
  smem__control_release(control);
}

/* Map `segment`, whose object is closed in any case. */
static smem_code open_segment(const struct call *call, struct segment *segment,
                              smem_access access, const uint64_t place[2],
                              smem_handle **handle) {
  struct space space = {"", ""};
  const char *same;
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
  /* Asked again, our namespace may be another one by now: see smem_leave(). */
  if (smem__name_split(segment->name.text, &space, &same)) {
    smem_copy_text(opened->reference.space, sizeof opened->reference.space,
                   space.text);
    smem_copy_text(opened->reference.directory,
                   sizeof opened->reference.directory, space.directory);
  }
  smem_copy_text(opened->reference.id, sizeof opened->reference.id, call->id);
  stay(call, segment, &space, opened);
  *handle = &opened->handle;
  return SMEM_OK;
}

smem_code smem_open(const char *id, smem_access access, smem_handle **handle,
                    smem_error *error) {
  struct call call = {SMEM_OP_MAP, id, 0, error, false};
  struct segment segment;
  struct space space = {"", ""};
  uint64_t place[2];
  smem_code code =
      smem_id_is_raw(id) ? SMEM_OK : smem__namespace_get(&call, &space);
  if (code == SMEM_OK) code = find_place(&call, space.directory, place);
  if (code == SMEM_OK)
    code = smem__segment_open(&call, access == SMEM_READ_WRITE, &segment);
  if (code != SMEM_OK) return code;
  return open_segment(&call, &segment, access, place, handle);
}

static smem_code check_place(const struct call *call,
                             const smem_reference *reference) {
  uint64_t here[2];
  struct space space = {"", ""};
  if (!smem_id_is_raw(reference->id)) smem__space_referred(reference, &space);
  smem_code code = find_place(call, space.directory, here);
  if (code != SMEM_OK || memcmp(reference->place, here, sizeof here) == 0)
    return code;
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
  smem_code code = raw ? check_place(&call, reference) : SMEM_OK;
  if (code != SMEM_OK) return code;
  code = smem__segment_open_reference(&call, reference,
                                      access == SMEM_READ_WRITE, &segment);
  if (code == SMEM_OK)
    return open_segment(&call, &segment, access, reference->place, handle);
  smem_code elsewhere = raw ? SMEM_OK : check_place(&call, reference);
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
  smem_handle *opened;
  bool same;
  if (!smem_id_is_raw(reference->id) && !is_ours(reference)) return false;
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
