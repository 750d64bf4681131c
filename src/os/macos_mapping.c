/* macOS: mapping objects. */
#include "macos.h"
#ifdef OS_MACOS

/* Darwin's shared memory objects cannot be mapped privately. */
os_status smem__os_object_map(os_object object, uint64_t size, os_access access,
                              void **address) {
  os_status status = smem__posix_map((int)object, 0, size, access, address);
  if (status.code != OS_OK && access == OS_COPY_ON_WRITE)
    status.code = OS_UNSUPPORTED;
  return status;
}

os_status smem__os_object_map_end(os_object object, uint64_t size,
                                  void **address) {
  uint64_t page = smem__os_page_size();
  return smem__posix_map((int)object, size - page, page, OS_READ_WRITE,
                         address);
}

#endif
