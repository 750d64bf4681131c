/* Directories other than the system's own for shared memory: the one that the
 * environment names, and those that references tell of. */
#include "space.h"

#include <string.h>

/* As smem__os_directory() makes them, and so that no name in a reference leads
 * out of one. */
bool smem__directory_is_valid(const char *text) {
  size_t length = strlen(text);
  if (length == 0) return true; /* where the system has it */
  return length <= SMEM_DIRECTORY_MAX && length > 1 && text[0] == '/' &&
         text[length - 1] != '/' && !strstr(text, "//") &&
         !strstr(text, "/./") && !strstr(text, "/../") &&
         (length < 2 || strcmp(text + length - 2, "/.") != 0) &&
         (length < 3 || strcmp(text + length - 3, "/..") != 0);
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

/* ---- references ---------------------------------------------------------- */

static bool is_at(const char *directory, const uint64_t place[2]) {
  uint64_t there[2];
  return smem__os_place(directory, there).code == OS_OK &&
         memcmp(there, place, sizeof there) == 0;
}

/* The path in a reference is not believed: unless it is our own, or where the
 * system has shared memory, it is looked at. What cannot be reached by it may
 * be what we have as our own by another path, as containers do. */
void smem__space_referred(const smem_reference *reference,
                          struct space *space) {
  const char *directory = reference->directory;
  struct space own;
  smem_copy_text(space->text, sizeof space->text, reference->space);
  smem_copy_text(space->directory, sizeof space->directory, directory);
  if (!directory[0]) return;
  own = smem__space_own();
  if (strcmp(own.directory, directory) == 0) return;
  if (!smem__directory_is_valid(directory) ||
      !smem__os_directory_is_safe(directory) ||
      !is_at(directory, reference->place))
    smem_copy_text(space->directory, sizeof space->directory, own.directory);
}
