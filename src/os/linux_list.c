/* Linux: what objects there are. */
#include "linux.h"
#ifdef OS_LINUX

#include <stdio.h>

os_status smem__os_object_list(const char *prefix,
                               bool (*visit)(const char *name, void *context),
                               void *context) {
  struct linux_path path = smem__linux_directory_of(prefix);
  const char *slash = strrchr(prefix, '/'), *begin = slash ? slash + 1 : prefix;
  size_t before = (size_t)(begin - prefix), length = strlen(begin);
  DIR *directory = opendir(path.text);
  if (!directory) return smem__posix_last();
  os_status status;
  for (struct dirent *entry;
       (entry = smem__posix_next_entry(directory, &status));) {
    if (strncmp(entry->d_name, begin, length) != 0) continue;
    memcpy(path.text, prefix, before);
    snprintf(path.text + before, sizeof path.text - before, "%s",
             entry->d_name);
    if (!visit(path.text, context)) break;
  }
  closedir(directory);
  return status;
}

#endif
