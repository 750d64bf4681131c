/* Linux: where a name leads. */
#include "linux.h"
#ifdef OS_LINUX

#include <stdio.h>

struct linux_path smem__linux_path_of(const char *name) {
  struct linux_path path;
  size_t length = strlen(name), most = sizeof path.text - sizeof DIRECTORY;
  memcpy(path.text, DIRECTORY, sizeof DIRECTORY - 1);
  if (length > most) length = most; /* names of the core are shorter */
  memcpy(path.text + sizeof DIRECTORY - 1, name, length);
  path.text[sizeof DIRECTORY - 1 + length] = '\0';
  return path;
}

void smem__os_object_path(const char *name, char *buffer, size_t length) {
  snprintf(buffer, length, DIRECTORY "%s", name);
}

#endif
