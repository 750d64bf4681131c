/* Directories of choice, on systems whose shared memory is not in files: none.
 */
#include "system.h"
#ifndef OS_LINUX

os_status smem__os_directory(const char *path, char real[OS_DIRECTORY_MAX + 1],
                             const char **why) {
  (void)path;
  real[0] = '\0';
  *why = "on this system shared memory cannot lie in a directory of choice";
  return (os_status){OS_UNSUPPORTED, 0};
}

bool smem__os_directory_is_safe(const char *directory) {
  (void)directory;
  return false;
}

#endif
