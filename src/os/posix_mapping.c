/* POSIX: mapping a part of an object. */
#include "posix.h"
#ifdef OS_POSIX

_Atomic uint64_t smem__posix_mapped;

os_status smem__posix_map(int fd, uint64_t offset, uint64_t size,
                          os_access access, void **address) {
  int protection = access == OS_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
  /* Memory for the pages that will be copied is not set aside: they are few. */
  int flags =
      access == OS_COPY_ON_WRITE ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
  *address = smem__os_sys.mmap(NULL, (size_t)size, protection, flags, fd,
                               (off_t)offset);
  if (*address != MAP_FAILED) {
    smem__posix_mapped++;
    return OS_SUCCESS;
  }
  os_status failure = smem__posix_last();
  *address = NULL;
  return failure;
}

void smem__os_unmap(void *address, uint64_t size) {
  smem__os_sys.munmap(address, (size_t)size);
  smem__posix_mapped--;
}

#endif
