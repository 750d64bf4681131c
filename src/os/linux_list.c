/* Linux: what objects there are. */
#include "linux.h"
#ifdef OS_LINUX

#include <dirent.h>

os_status os_object_list(const char *prefix,
                         bool (*visit)(const char *name, void *context),
                         void *context) {
  size_t length = strlen(prefix);
  DIR *directory = opendir(DIRECTORY);
  if (!directory) return posix_last();
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
    if (strncmp(entry->d_name, prefix, length) == 0 &&
        !visit(entry->d_name, context))
      break;
  closedir(directory);
  return OS_SUCCESS;
}

#endif
