/* Where segments lie for which there was no room among the others.
 *
 * A name is never in both places. Whoever makes a segment of a name holds that
 * name among the others, as an object that is not complete, until the segment
 * is complete, here or there; and looks whether it is there before it completes
 * one here. What is not complete is not there, so whoever looks for a name
 * looks here first, then there, and needs no lock. A number does not come back.
 */
#include "control.h"

#include <string.h>

bool smem__spill_find(const struct call *call, const struct space *space,
                      char directory[SMEM_DIRECTORY_SIZE]) {
  if (smem__space_is_own(space) && smem__spill_known(directory)) return true;
  struct control *control = smem__control_peek_in(call, space);
  bool found = control && smem__control_spill(control, directory);
  if (control) smem__control_release(control);
  return found;
}

/* Not there, or not complete. */
static bool is_missing(const struct name *name) {
  os_info info;
  os_code code = smem__os_object_stat(name->text, &info).code;
  return code == OS_NOT_FOUND || code == OS_INCOMPLETE;
}

bool smem__name_there_in(const struct call *call, const struct space *space,
                         const char *id, struct name *name) {
  struct space other = *space;
  if (!smem__spill_find(call, space, other.directory)) return false;
  smem__name_of_segment_in(&other, id, name);
  return true;
}

bool smem__name_there(const struct call *call, struct name *name) {
  struct call quiet = call_quietly(call);
  struct space space;
  return !smem_id_is_raw(call->id) &&
         smem__namespace_get(&quiet, &space) == SMEM_OK &&
         smem__name_there_in(&quiet, &space, call->id, name);
}

bool smem__name_find_spilled(const struct call *call, struct name *name) {
  struct name there;
  if (!smem__name_there(call, &there) || is_missing(&there)) return false;
  *name = there;
  return true;
}

bool smem__name_is_spilled(const struct call *call, struct control *control) {
  char directory[SMEM_DIRECTORY_SIZE];
  struct name there;
  os_info info;
  smem__control_learn(control);
  if (!smem__spill_known(directory) || !smem__name_there(call, &there))
    return false;
  os_code code = smem__os_object_stat(there.text, &info).code;
  if (code == OS_INCOMPLETE) smem__opening_clean(there.text);
  return code != OS_NOT_FOUND && code != OS_INCOMPLETE;
}

void smem__name_find_in(const struct call *call, const struct space *space,
                        const char *id, struct name *name) {
  struct name there;
  smem__name_of_segment_in(space, id, name);
  if (is_missing(name) && smem__name_there_in(call, space, id, &there) &&
      !is_missing(&there))
    *name = there;
}

smem_code smem__name_find(const struct call *call, struct name *name) {
  struct space space;
  smem_code code = smem__name_of_segment(call, name);
  if (code != SMEM_OK || smem_id_is_raw(call->id)) return code;
  code = smem__namespace_get(call, &space);
  if (code == SMEM_OK) smem__name_find_in(call, &space, call->id, name);
  return code;
}

/* ---- making -------------------------------------------------------------- */

bool smem__spill_is_wanted(void) {
  struct environment told;
  smem__process_told(&told);
  return told.spill[0];
}

/* "": the same as where the others lie. */
static smem_code choose(const struct call *call, struct control *control,
                        const struct space *own,
                        char directory[SMEM_DIRECTORY_SIZE]) {
  struct environment told;
  smem__process_told(&told);
  smem__control_learn(control);
  if (smem__spill_known(directory)) return SMEM_OK;
  smem_code code =
      smem__directory_choose(call, "SHAREDMEMORY_SPILL", told.spill, directory);
  if (code != SMEM_OK) return code;
  if (strcmp(directory, own->directory) == 0) directory[0] = '\0';
  if (!directory[0]) return SMEM_OK;
  code = smem__control_set_spill(call, control, directory);
  smem__spill_known(directory);
  return code;
}

smem_code smem__name_spilled(const struct call *call, struct control *control,
                             const char *id, struct name *name, bool *spills) {
  struct space space, own;
  *spills = false;
  if (!smem__spill_is_wanted()) return SMEM_OK;
  smem_code code = smem__namespace_get(call, &own);
  space = own;
  if (code == SMEM_OK) code = choose(call, control, &own, space.directory);
  if (code != SMEM_OK || !space.directory[0]) return code;
  smem__name_of_segment_in(&space, id, name);
  *spills = true;
  return SMEM_OK;
}
