/* macOS: what objects there are, by the record of their names. */
#include "macos.h"
#ifdef OS_MACOS

struct search {
  const char *prefix;
  bool (*visit)(const char *name, void *context);
  void *context;
  bool any, ended;
};

static os_status visit_names(const struct macos_record *record,
                             struct search *search) {
  size_t length = strlen(search->prefix);
  for (size_t i = 0; i < record->count && !search->ended; i++) {
    if (strncmp(record->names[i], search->prefix, length) != 0) continue;
    os_status status = smem__macos_exists(record->names[i]);
    if (status.code == OS_NOT_FOUND) continue;
    if (status.code != OS_OK) return status;
    search->any = true;
    search->ended = !search->visit(record->names[i], search->context);
  }
  return OS_SUCCESS;
}

static os_status list_record(const char *path, struct search *search) {
  struct macos_record record;
  os_info info;
  int fd;
  os_status status = smem__macos_record_open(path, O_RDONLY, &fd, &info);
  /* Nothing was made yet; or the record is another user's, into which we could
   * not have written anything of ours. */
  if (status.code == OS_NOT_FOUND || status.code == OS_DENIED)
    return OS_SUCCESS;
  if (status.code != OS_OK) return status;
  status = smem__macos_record_read(fd, info.size, &record);
  smem__posix_shut(fd);
  if (status.code != OS_OK) return status;
  status = visit_names(&record, search);
  smem__macos_record_free(&record);
  if (status.code == OS_OK && !search->any) smem__macos_record_sweep(path);
  return status;
}

/* A prefix that does not tell the namespace: the records of all. */
static os_status list_all(struct search *search) {
  const size_t length = sizeof MACOS_RECORD_PREFIX - 1;
  DIR *directory = opendir(smem__macos_temp());
  if (!directory) return smem__posix_last();
  os_status status = OS_SUCCESS;
  for (struct dirent *entry; !search->ended && (entry = smem__posix_next_entry(
                                                    directory, &status));) {
    if (strncmp(entry->d_name, MACOS_RECORD_PREFIX, length) != 0) continue;
    struct macos_path path = smem__macos_temp_path("", entry->d_name);
    list_record(path.text, search); /* other users' are none of our business */
  }
  closedir(directory);
  return status;
}

os_status smem__os_object_list(const char *prefix,
                               bool (*visit)(const char *name, void *context),
                               void *context) {
  struct search search = {prefix, visit, context, false, false};
  const char *dot = strchr(prefix, '.');
  if (!dot || !strchr(dot + 1, '.')) return list_all(&search);
  struct macos_path path = smem__macos_record_path(prefix);
  return list_record(path.text, &search);
}

#endif
