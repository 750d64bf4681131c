/* Segments as objects of the system: open, look at, remove. When a segment is
 * complete is the business of smem__os_object_publish(). */
#include "segment.h"

#include <stdlib.h>
#include <string.h>

uint64_t smem__segment_capacity(const struct footer *footer) {
  return footer->total - FOOTER_SIZE;
}

/* ---- opening ------------------------------------------------------------- */

/* Another program's object has no footer: what can be said of it all the same.
 * Its identity stands in for the generation. */
static void make_up_footer(struct segment *segment) {
  struct footer *footer = &segment->footer;
  memset(footer, 0, sizeof *footer);
  footer->flags = FOOTER_NAMED;
  footer->requested = segment->info.size;
  footer->total = segment->info.size + FOOTER_SIZE;
  footer->generation = segment->info.identity[0] * 0x9E3779B97F4A7C15u ^
                       segment->info.identity[1];
}

static smem_code read_footer(const struct call *call, struct segment *segment) {
  uint64_t total = segment->info.size;
  if (segment->info.user != smem__os_user())
    return smem__fail_owner(call, segment->name.text, segment->info.user);
  segment->sealed = segment->info.sealed && !smem_id_is_raw(call->id);
  if (smem_id_is_raw(call->id)) {
    make_up_footer(segment);
    return SMEM_OK;
  }
  if (total < FOOTER_SIZE || total % smem__os_page_size() != 0)
    return smem__fail(
        call, SMEM_CORRUPT, 0,
        "it is not a segment of this package, or was cut short: it has "
        "%llu bytes",
        (unsigned long long)total);
  os_status status = smem__os_object_read(segment->object, total - FOOTER_SIZE,
                                          &segment->footer, FOOTER_SIZE);
  if (status.code != OS_OK)
    return smem__fail_os(call, status, "its footer cannot be read");
  const char *wrong = smem__footer_check(&segment->footer, call->id, total);
  if (wrong) return smem__fail(call, SMEM_CORRUPT, 0, "%s", wrong);
  /* Whatever its mode is just now: see smem__os_object_open_sealed(). */
  if (segment->footer.flags & FOOTER_OBJECT) segment->sealed = true;
  return SMEM_OK;
}

smem_code smem__segment_try_open(const struct call *call, bool writable,
                                 struct segment *segment, os_status *status) {
  *status = smem__os_object_open(segment->name.text, writable, &segment->object,
                                 &segment->info);
  bool refused = status->code == OS_SEALED;
  if (refused) /* if it is a segment at all */
    *status = smem__os_object_open(segment->name.text, false, &segment->object,
                                   &segment->info);
  if (status->code == OS_INCOMPLETE && segment->info.user != smem__os_user())
    return smem__fail_owner(call, segment->name.text, segment->info.user);
  if (status->code == OS_NOT_FOUND || status->code == OS_INCOMPLETE)
    return SMEM_OK;
  if (status->code != OS_OK)
    return smem__fail_object(call, *status, segment->name.text);
  smem_code code = read_footer(call, segment);
  if (code == SMEM_OK && (refused || (writable && segment->sealed)))
    code = smem__fail(call, SMEM_SEALED, 0,
                      "it is sealed, and nobody can write to it");
  if (code != SMEM_OK) smem__os_object_close(segment->object);
  return code;
}

smem_code smem__segment_seek(const struct call *call, bool writable,
                             struct segment *segment, os_status *status) {
  smem_code code = smem__name_of_segment(call, &segment->name);
  if (code == SMEM_OK)
    code = smem__segment_try_open(call, writable, segment, status);
  if (code == SMEM_OK && status->code != OS_OK &&
      smem__name_find_spilled(call, &segment->name))
    code = smem__segment_try_open(call, writable, segment, status);
  return code;
}

smem_code smem__segment_open(const struct call *call, bool writable,
                             struct segment *segment) {
  os_status status = {OS_OK, 0};
  smem_code code = smem__segment_seek(call, writable, segment, &status);
  if (code != SMEM_OK || status.code == OS_OK) return code;
  return smem__fail(call, SMEM_NOT_FOUND, 0, "no segment has this id");
}

void smem__segment_name_referred(const smem_reference *reference,
                                 struct name *name) {
  struct space space;
  struct call quiet = {SMEM_OP_FIND, reference->id, 0, NULL, true};
  if (smem_id_is_raw(reference->id)) {
    smem_copy_text(name->text, sizeof name->text, reference->id + 1);
    return;
  }
  smem__space_referred(reference, &space);
  smem__name_find_in(&quiet, &space, reference->id, name);
}

smem_code smem__segment_seek_referred(const struct call *call,
                                      const smem_reference *reference,
                                      bool writable, struct segment *segment,
                                      os_status *status) {
  bool raw = smem_id_is_raw(reference->id);
  struct space space;
  if (raw) {
    smem__segment_name_referred(reference, &segment->name);
  } else {
    smem__space_referred(reference, &space);
    smem__name_of_segment_in(&space, reference->id, &segment->name);
  }
  smem_code code = smem__segment_try_open(call, writable, segment, status);
  if (code == SMEM_OK && status->code != OS_OK && !raw &&
      smem__name_there_in(call, &space, reference->id, &segment->name))
    code = smem__segment_try_open(call, writable, segment, status);
  return code;
}

/* What is incomplete under this name now is younger than the reference. */
smem_code smem__segment_open_reference(const struct call *call,
                                       const smem_reference *reference,
                                       bool writable, struct segment *segment) {
  os_status status = {OS_OK, 0};
  smem_code code =
      smem__segment_seek_referred(call, reference, writable, segment, &status);
  if (code != SMEM_OK) return code;
  if (status.code == OS_NOT_FOUND)
    return smem__fail(
        call, SMEM_NOT_FOUND, 0,
        "the segment was freed since the reference to it was made");
  if (status.code == OS_OK &&
      segment->footer.generation == reference->generation)
    return SMEM_OK;
  if (status.code == OS_OK) smem__os_object_close(segment->object);
  return smem__fail(
      call, SMEM_REPLACED, 0,
      "the segment was freed since the reference to it was made, and "
      "another one has taken its id");
}

smem_code smem__segment_map(const struct call *call,
                            const struct segment *segment, smem_access access,
                            void **address) {
  static const os_access accesses[] = {[SMEM_READ_WRITE] = OS_READ_WRITE,
                                       [SMEM_READ_ONLY] = OS_READ_ONLY,
                                       [SMEM_PRIVATE] = OS_COPY_ON_WRITE};
  unsigned long long size = segment->info.size;
  if (size == 0)
    return smem__fail(
        call, SMEM_BOUNDS, 0,
        "it is empty: the program that made it has given it no size");
  if (size > SIZE_MAX / 2)
    return smem__fail(call, SMEM_NO_MEMORY, 0,
                      "its %llu bytes are more than this process can address",
                      size);
  os_status status = smem__os_object_map(segment->object, segment->info.size,
                                         accesses[access], address);
  if (status.code == OS_OK) return SMEM_OK;
  return smem__fail(call,
                    status.code == OS_NO_MEMORY       ? SMEM_NO_MEMORY
                    : status.code == OS_TOO_MANY_MAPS ? SMEM_TOO_MANY_MAPS
                    : status.code == OS_UNSUPPORTED   ? SMEM_UNSUPPORTED
                                                      : SMEM_SYSTEM,
                    status.number, "its %llu bytes cannot be mapped", size);
}

smem_code smem_exists(const char *id, bool *exists, smem_error *error) {
  smem_error failure = SMEM_ERROR_INIT;
  struct call call = {SMEM_OP_FIND, id, 0, &failure, false};
  struct segment segment;
  smem_code code = smem__segment_open(&call, false, &segment);
  if (code == SMEM_OK) smem__os_object_close(segment.object);
  if (code != SMEM_OK && code != SMEM_NOT_FOUND)
    return smem__hand_on(&failure, error);
  *exists = code == SMEM_OK;
  return SMEM_OK;
}

smem_code smem_extent(const char *id, uint64_t *capacity, uint64_t *requested,
                      smem_error *error) {
  struct call call = {SMEM_OP_MEASURE, id, 0, error, false};
  struct segment segment;
  smem_code code = smem__segment_open(&call, false, &segment);
  if (code != SMEM_OK) return code;
  smem__os_object_close(segment.object);
  *capacity = smem__segment_capacity(&segment.footer);
  *requested = segment.footer.requested;
  return SMEM_OK;
}

smem_code smem_size(const char *id, uint64_t *size, smem_error *error) {
  uint64_t requested;
  return smem_extent(id, size, &requested, error);
}

/* ---- removing ------------------------------------------------------------ */

/* Hold what bears the name. *status: OS_NOT_FOUND, also for what is being
 * created; OS_NOT_REGULAR. */
static smem_code claim(const struct call *call, const char *name,
                       struct opening *opening, os_info *info,
                       os_status *status) {
  struct patience patience = {0, 0};
  for (;;) {
    *status = smem__opening_claim_idle(opening, name, info);
    if (status->code == OS_BUSY && info->incomplete)
      status->code = OS_NOT_FOUND;
    if (status->code == OS_OK || status->code == OS_NOT_FOUND ||
        status->code == OS_NOT_REGULAR)
      return SMEM_OK;
    if (status->code != OS_BUSY) return smem__fail_object(call, *status, name);
    smem_code code = smem__patience_wait(call, &patience);
    if (code != SMEM_OK) return code;
  }
}

/* *found: it was more than what a dead creator left. */
static smem_code remove_name(const struct call *call, const char *name,
                             bool *found) {
  struct opening opening;
  os_info info;
  os_status status;
  smem_code code = claim(call, name, &opening, &info, &status);
  if (code != SMEM_OK) return code;
  *found =
      status.code != OS_NOT_FOUND && (status.code != OS_OK || !info.incomplete);
  if (status.code == OS_OK) status = smem__opening_remove(&opening, name);
  if (status.code == OS_NOT_REGULAR) status = smem__os_object_remove(name);
  if (status.code == OS_OK || status.code == OS_NOT_FOUND) return SMEM_OK;
  return smem__fail_object(call, status, name);
}

smem_code smem__segment_remove(const struct call *call) {
  struct name name;
  bool found = false;
  smem_code code = smem__name_of_segment(call, &name);
  if (code == SMEM_OK) code = remove_name(call, name.text, &found);
  if (code == SMEM_OK && !found && smem__name_there(call, &name))
    code = remove_name(call, name.text, &found);
  return code;
}

/* segment->name, if it is of this generation. */
static void remove_generation(const char *id, struct segment *segment,
                              uint64_t generation) {
  struct call quiet = {SMEM_OP_FREE, id, 0, NULL, true};
  struct opening opening;
  os_status status;
  if (claim(&quiet, segment->name.text, &opening, &segment->info, &status) !=
          SMEM_OK ||
      status.code != OS_OK)
    return;
  segment->object = opening.object;
  if (read_footer(&quiet, segment) == SMEM_OK &&
      segment->footer.generation == generation)
    smem__opening_remove(&opening, segment->name.text);
  else
    smem__opening_close(&opening);
}

void smem__segment_remove_generation(const struct call *call,
                                     uint64_t generation) {
  struct segment segment;
  struct call quiet = call_quietly(call);
  if (smem__name_find(&quiet, &segment.name) == SMEM_OK)
    remove_generation(call->id, &segment, generation);
}

void smem__segment_remove_referred(const smem_reference *reference) {
  struct segment segment;
  smem__segment_name_referred(reference, &segment.name);
  remove_generation(reference->id, &segment, reference->generation);
}

/* Between its creation and its lock a creator may have lost the processor. */
static bool is_young(const os_info *info) {
  const uint64_t young = (uint64_t)50 * 1000 * 1000; /* nanoseconds */
  uint64_t now = smem__os_wall_clock();
  return now >= info->changed && now - info->changed < young;
}

bool smem__segment_is_abandoned(const char *name) {
  const uint64_t pause = (uint64_t)2 * 1000 * 1000;
  for (;;) {
    struct opening opening;
    os_info info;
    if (smem__opening_claim_idle(&opening, name, &info).code != OS_OK)
      return false;
    smem__opening_close(&opening);
    if (!info.incomplete || !is_young(&info)) return info.incomplete;
    smem__os_sleep(pause);
  }
}
