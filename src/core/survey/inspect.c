/* One segment looked at closely, whatever it is. */
#include "survey.h"

/* Whatever it is, if it is a file of ours its bytes can be looked at. */
static bool open_damaged(const struct name *name, struct segment *segment,
                         uint64_t *size) {
  if (smem__os_object_open(name->text, false, &segment->object, &segment->info)
          .code != OS_OK)
    return false;
  *size = segment->info.size;
  if (segment->info.user == smem__os_user()) return true;
  smem__os_object_close(segment->object);
  return false;
}

smem_code smem_inspect(const char *id, void *bytes, size_t *length, char *path,
                       size_t path_length,
                       void (*visit)(const smem_entry *entry, void *context),
                       void *context, smem_error *error) {
  struct call call = {SMEM_OP_INSPECT, id, 0, error, false};
  struct segment segment;
  struct name name;
  smem_entry entry;
  bool opened;
  struct space space;
  smem_code code = smem__name_find(&call, &name);
  if (code != SMEM_OK || (code = smem__namespace_get(&call, &space)) != SMEM_OK)
    return code;
  struct control *control = smem__control_peek_in(&call, &space);
  bool found =
      smem__list_examine(control, name.text, id, &entry, &segment, &opened);
  if (control) smem__control_release(control);
  if (!found)
    return smem__fail(&call, SMEM_NOT_FOUND, 0, "no segment has this id");
  if (entry.state == SMEM_FOREIGN)
    return smem__fail_owner(&call, name.text, entry.user);
  smem__os_object_path(name.text, path, path_length);
  uint64_t size = entry.capacity;
  bool strange = entry.state == SMEM_DAMAGED || entry.state == SMEM_UNKNOWN;
  if (!opened && strange) opened = open_damaged(&name, &segment, &size);
  if (!opened) size = 0;
  if (*length > size) *length = (size_t)size;
  if (opened) {
    os_status status = smem__os_object_read(segment.object, 0, bytes, *length);
    smem__os_object_close(segment.object);
    if (status.code != OS_OK)
      return smem__fail_os(&call, status, "its bytes cannot be read");
  }
  visit(&entry, context);
  return SMEM_OK;
}
