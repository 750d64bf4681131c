/* What the machine tells: its limits, its users, its processes. */
#include "survey.h"

/* The directory to which our namespace spills. */
static bool find_spill(const struct call *call,
                       char directory[SMEM_DIRECTORY_SIZE]) {
  struct space space = smem__space_own();
  return smem__spill_find(call, &space, directory);
}

static bool prefix_of_spilled(const struct call *call, struct name *prefix) {
  struct space space = smem__space_own();
  if (!find_spill(call, space.directory)) return false;
  smem__name_of_segment_in(&space, "", prefix);
  return true;
}

smem_code smem_mapped_by(const char *id, bool copies,
                         bool (*visit)(uint64_t pid, const uint64_t identity[2],
                                       uint64_t copied, void *context),
                         void *context, smem_error *error) {
  struct call call = {SMEM_OP_LIST, id ? id : "", 0, error, false};
  struct name prefix;
  smem_code code =
      id ? smem__name_find(&call, &prefix) : smem__name_prefix(&call, &prefix);
  if (code != SMEM_OK) return code;
  os_status status = smem__os_mappings(prefix.text, copies, visit, context);
  if (status.code == OS_OK && !id && prefix_of_spilled(&call, &prefix))
    status = smem__os_mappings(prefix.text, copies, visit, context);
  if (status.code == OS_OK) return SMEM_OK;
  return smem__fail_os(&call, status, "the system does not tell who maps what");
}

void smem_command(uint64_t pid, char *buffer, size_t length) {
  smem__os_process_command(pid, buffer, length);
}

void smem_limits_get(smem_limits *limits) {
  struct call call = {SMEM_OP_LIST, "", 0, NULL, true};
  smem_limits ours = SMEM_LIMITS_INIT;
  struct space space = smem__space_own();
  smem__os_capacity(space.directory, &ours.capacity, &ours.used);
  ours.free = smem__room_left(ours.free_by, sizeof ours.free_by);
  smem_copy_text(ours.directory, sizeof ours.directory, space.directory);
  if (!find_spill(&call, ours.spill)) ours.spill[0] = '\0';
  smem__os_mapping_counts(&ours.max_mappings, &ours.mappings);
  ours.cleaned_at_logout = smem__os_cleans_at_logout();
  smem__struct_copy(limits, &ours);
}

void smem_user_name(uint64_t user, char *buffer, size_t length) {
  smem__os_user_name(user, buffer, length);
}
