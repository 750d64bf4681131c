/* Where a reference leads. */
#include "space.h"

#include <string.h>

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
