/* Where segments lie for which there was no room among the others.
 *
 * Only what has a number is spilled: a number does not come back, so it is
 * never in both places, and whoever looks for it needs no lock. A name would
 * have to be held in one place while it is looked for in the other. */
#include "control.h"

#include <string.h>

/* The directory to which a namespace spills. */
static bool find_spill(const struct call *call, const struct space *space,
                       char directory[SMEM_DIRECTORY_SIZE]) {
  if (smem__space_is_own(space) && smem__spill_known(directory)) return true;
  struct control *control = smem__control_peek_in(call, space);
  bool found = control && smem__control_spill(control, directory);
  if (control) smem__control_release(control);
  return found;
}

/* Is it there, where it is not among the others? */
static bool find_spilled(const struct call *call, const struct space *space,
                         const char *id, struct name *name) {
  uint64_t number;
  struct space other = *space;
  struct name there;
  os_info info;
  if (!smem_id_is_number(id, &number) ||
      !find_spill(call, space, other.directory))
    return false;
  smem__name_of_segment_in(&other, id, &there);
  if (smem__os_object_stat(there.text, &info).code == OS_NOT_FOUND)
    return false;
  *name = there;
  return true;
}

bool smem__name_find_spilled(const struct call *call, struct name *name) {
  struct call quiet = call_quietly(call);
  struct space space;
  return smem__namespace_get(&quiet, &space) == SMEM_OK &&
         find_spilled(&quiet, &space, call->id, name);
}

void smem__name_find_in(const struct call *call, const struct space *space,
                        const char *id, struct name *name) {
  uint64_t number;
  os_info info;
  smem__name_of_segment_in(space, id, name);
  if (smem_id_is_number(id, &number) &&
      smem__os_object_stat(name->text, &info).code == OS_NOT_FOUND)
    find_spilled(call, space, id, name);
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
