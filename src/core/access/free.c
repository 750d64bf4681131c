/* Removing segments, and what is mapped of them here: all of them or none. */
#include "access.h"

smem_code smem__free_look(const struct call *call, bool *exists) {
  struct name name;
  os_info info;
  smem_code code = smem__name_of_segment(call, &name);
  if (code != SMEM_OK) return code;
  os_status status = smem__os_object_stat(name.text, &info);
  if (status.code == OS_NOT_FOUND && smem__name_there(call, &name))
    status = smem__os_object_stat(name.text, &info);
  *exists = status.code != OS_NOT_FOUND;
  if (smem__is_anothers(status, &info))
    return smem__fail_owner(call, name.text, info.user);
  if (status.code == OS_DENIED) /* where the owner cannot be asked */
    return smem__fail_object(call, status, name.text);
  if (status.code == OS_NOT_REGULAR && info.directory)
    return smem__fail_object(call, status, name.text);
  return SMEM_OK;
}

/* Another program's object, and a number that cannot come back, have no
 * successor that the removal of a name could hit. */
static bool is_without_successor(const char *id) {
  uint64_t number;
  return smem_id_is_raw(id) ||
         (smem_id_is_number(id, &number) && smem__number_is_known(number));
}

static os_status remove_object(const struct name *name, bool seen) {
  return seen ? smem__os_object_remove_own(name->text)
              : smem__os_object_remove(name->text);
}

static smem_code remove_name(const struct call *call, bool seen) {
  struct name name;
  if (!is_without_successor(call->id)) return smem__segment_remove(call);
  smem_code code = smem__name_of_segment(call, &name);
  if (code != SMEM_OK) return code;
  os_status status = remove_object(&name, seen);
  if (status.code == OS_NOT_FOUND && smem__name_find_spilled(call, &name))
    status = remove_object(&name, seen);
  if (status.code == OS_OK || status.code == OS_NOT_FOUND) return SMEM_OK;
  return smem__fail_object(call, status, name.text);
}

static void forget(const char *id, smem_gone *gone) {
  smem__presence_note_free();
  smem__mapping_remove(id, gone);
}

/* What is freed cannot be brought back: so first see that all of them can be,
 * and do not listen to interrupts half-way. `exists` has room for them. */
static smem_code free_all(struct call *call, const char *const *ids,
                          size_t count, bool *exists, smem_gone *gone) {
  smem_code code = SMEM_OK;
  for (size_t i = 0; i < count && code == SMEM_OK; i++) {
    smem__call_element(call, ids, count, i);
    code = smem__free_look(call, &exists[i]);
    if (code == SMEM_OK) code = smem__patience_look(call, i);
  }
  call->must_finish = true;
  for (size_t i = 0; i < count && code == SMEM_OK; i++) {
    smem__call_element(call, ids, count, i);
    if (exists[i]) code = remove_name(call, true);
    if (code == SMEM_OK) forget(ids[i], gone);
  }
  return code;
}

smem_code smem_free(const char *const *ids, size_t count, smem_gone *gone,
                    smem_error *error) {
  struct call call = {SMEM_OP_FREE, "", 0, error, false};
  if (count == 0) return SMEM_OK;
  if (count == 1) {
    call.id = ids[0];
    smem_code code = remove_name(&call, false);
    if (code == SMEM_OK) forget(ids[0], gone);
    return code;
  }
  bool *exists = smem__os_allocate(count * sizeof *exists);
  if (!exists) return smem__fail_no_memory(&call);
  smem_code code = free_all(&call, ids, count, exists, gone);
  smem__os_release(exists);
  return code;
}
