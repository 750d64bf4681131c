/* macOS: which machine this is, and its limits. */
#include "macos.h"
#ifdef OS_MACOS

#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

/* macOS swaps to a file that grows. Elsewhere no more than this can be had, and
 * reserving more ends in somebody being killed for memory, not in an error. */
uint64_t smem__os_free_space(const char *directory, char *limit,
                             size_t length) {
  (void)directory;
  if (limit && length > 0) limit[0] = '\0';
#if !defined(__APPLE__) && defined(_SC_PHYS_PAGES)
  long pages = sysconf(_SC_PHYS_PAGES);
  if (pages > 0) return (uint64_t)pages * smem__os_page_size();
#endif
  return UINT64_MAX;
}

bool smem__os_has_room(const char *directory, uint64_t size) {
  return size <= smem__os_free_space(directory, NULL, 0);
}

os_status smem__os_place(const char *directory, uint64_t place[2]) {
  (void)directory;
  char text[256] = "";
  size_t length = sizeof text - 1;
#ifdef __APPLE__
  if (sysctlbyname("kern.bootsessionuuid", text, &length, NULL, 0) != 0)
    text[0] = '\0';
#else
  gethostname(text, length);
#endif
  place[0] = smem__hash(text, strlen(text), 1);
  place[1] = 0;
  return OS_SUCCESS;
}

/* Shared memory is swapped like any other, and there is no file system. */
void smem__os_capacity(const char *directory, uint64_t *capacity,
                       uint64_t *used) {
  (void)directory;
  *capacity = *used = UINT64_MAX;
}

uint64_t smem__os_largest(void) { return UINT64_MAX; }

#endif
