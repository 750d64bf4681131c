/* Windows: mapping objects. */
#include "windows_system.h"
#ifdef OS_WINDOWS

static os_status map(os_object object, uint64_t offset, uint64_t size,
                     DWORD rights, void **address) {
  struct os_window window;
  *address = NULL;
  os_status status =
      smem__windows_window_open(object, offset, (size_t)size, rights, &window);
  if (status.code != OS_OK) return status;
  if (!smem__windows_enter_view(windows_object_of(object), window.base)) {
    UnmapViewOfFile(window.base);
    return smem__windows_no_memory;
  }
  *address = window.at;
  return status;
}

os_status smem__os_object_map(os_object object, uint64_t size, os_access access,
                              void **address) {
  static const DWORD rights[] = {[OS_READ_WRITE] = FILE_MAP_WRITE,
                                 [OS_READ_ONLY] = FILE_MAP_READ,
                                 [OS_COPY_ON_WRITE] = FILE_MAP_COPY};
  return map(object, 0, size, rights[access], address);
}

os_status smem__os_object_map_end(os_object object, uint64_t size,
                                  void **address) {
  uint64_t page = smem__os_page_size();
  return map(object, size - page, page, FILE_MAP_WRITE, address);
}

/* Views are unmapped whole, from where they begin: at a multiple of 64 KiB,
 * perhaps a few pages before the part that was asked for. */
void smem__os_unmap(void *address, uint64_t size) {
  void *base = (char *)address - (uintptr_t)address % WINDOWS_GRANULE;
  (void)size;
  /* Out of the table first: another thread may get the same address next. */
  smem__windows_leave_view(base);
  UnmapViewOfFile(base);
}

#endif
