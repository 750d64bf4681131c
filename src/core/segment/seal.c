/* Seals: from then on a segment can only be read. */
#include "segment.h"

#include <string.h>

/* One of several that are sealed together. */
struct sealing {
  struct name name;
  uint64_t identity[2];
  bool was_sealed;
};

static smem_code look(const struct call *call, struct sealing *sealing) {
  struct segment segment;
  if (smem_id_is_raw(call->id))
    return smem__fail(call, SMEM_ARGUMENT, 0,
                      "it is another program's object, which cannot be sealed");
  smem_code code = smem__segment_open(call, false, &segment);
  if (code != SMEM_OK) return code;
  smem__os_object_close(segment.object);
  sealing->name = segment.name;
  memcpy(sealing->identity, segment.info.identity, sizeof sealing->identity);
  sealing->was_sealed = segment.sealed;
  return SMEM_OK;
}

static smem_code seal(const struct call *call, const struct sealing *sealing) {
  if (sealing->was_sealed) return SMEM_OK;
  os_status status =
      smem__os_object_seal(sealing->name.text, sealing->identity, true);
  if (status.code == OS_OK) return SMEM_OK;
  return smem__fail_object(call, status, sealing->name.text);
}

static void unseal(const struct sealing *sealings, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!sealings[i].was_sealed)
      smem__os_object_seal(sealings[i].name.text, sealings[i].identity, false);
}

static smem_code seal_all(struct call *call, const char *const *ids,
                          size_t count, struct sealing *sealings) {
  smem_code code = SMEM_OK;
  for (size_t i = 0; i < count && code == SMEM_OK; i++) {
    smem__call_element(call, ids, count, i);
    code = look(call, &sealings[i]);
    if (code == SMEM_OK) code = smem__patience_look(call, i);
  }
  for (size_t i = 0; i < count && code == SMEM_OK; i++) {
    smem__call_element(call, ids, count, i);
    code = seal(call, &sealings[i]);
    if (code != SMEM_OK) unseal(sealings, i);
  }
  return code;
}

smem_code smem_seal(const char *const *ids, size_t count, smem_error *error) {
  struct call call = {SMEM_OP_SEAL, "", 0, error, false};
  struct sealing single = {.was_sealed = false};
  if (count == 0) return SMEM_OK;
  struct sealing *sealings =
      count == 1 ? &single : smem__os_allocate(count * sizeof *sealings);
  if (!sealings) return smem__fail_no_memory(&call);
  smem_code code = seal_all(&call, ids, count, sealings);
  if (count > 1) smem__os_release(sealings);
  return code;
}
