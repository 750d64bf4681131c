/* Linux: what objects there are. */
#include "linux.h"
#ifdef OS_LINUX

os_status smem__os_object_list(const char *prefix,
                               bool (*visit)(const char *name, void *context),
                               void *context) {
  size_t length = strlen(prefix);
  DIR *directory = opendir(DIRECTORY);
  if (!directory) return smem__posix_last();
  os_status status;
  for (struct dirent *entry;
       (entry = smem__posix_next_entry(directory, &status));)
    if (strncmp(entry->d_name, prefix, length) == 0 &&
        !visit(entry->d_name, context))
      break;
  closedir(directory);
  return status;
}

#endif
