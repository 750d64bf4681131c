/* macOS: mapping objects. Who maps what is not told. */
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

os_status smem__os_mapping_written(const void *address, uint64_t size,
                                   bool *written) {
  (void)address;
  (void)size;
  (void)written;
  return (os_status){OS_UNSUPPORTED, 0};
}

os_status smem__os_mappings(const char *prefix, bool copies,
                            bool (*visit)(uint64_t pid,
                                          const uint64_t identity[2],
                                          uint64_t copied, void *context),
                            void *context) {
  (void)prefix;
  (void)copies;
  (void)visit;
  (void)context;
  return (os_status){OS_UNSUPPORTED, 0};
}

#endif
