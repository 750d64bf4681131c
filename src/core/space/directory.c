/* Directories other than where the system has shared memory. */
#include "space.h"

#include <stdio.h>
#include <string.h>

/* As smem__os_directory() makes them, and so that no name in a reference leads
 * out of one. */
bool smem__directory_is_valid(const char *text) {
  char closed[SMEM_DIRECTORY_SIZE +
              1]; /* with a "/" behind the last part, too */
  size_t length = strlen(text);
  if (length == 0) return true; /* where the system has it */
  if (length > SMEM_DIRECTORY_MAX || text[0] != '/') return false;
  snprintf(closed, sizeof closed, "%s/", text);
  return !strstr(closed, "//") && !strstr(closed, "/./") &&
         !strstr(closed, "/../");
}

smem_code smem__directory_choose(const struct call *call, const char *variable,
                                 const char *asked,
                                 char directory[SMEM_DIRECTORY_SIZE]) {
  const char *why;
  char shown[81];
  if (!asked[0]) {
    directory[0] = '\0';
    return SMEM_OK;
  }
  os_status status = smem__os_directory(asked, directory, &why);
  if (status.code == OS_OK) return SMEM_OK;
  smem_copy_text(shown, sizeof shown, asked);
  smem__text_defuse(shown);
  directory[0] = '\0';
  return smem__fail(
      call, status.code == OS_UNSUPPORTED ? SMEM_UNSUPPORTED : SMEM_ARGUMENT,
      status.number, "the directory '%s' of %s %s", shown, variable, why);
}
