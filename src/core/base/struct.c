/* Structs of clients, which may be older than this library and know less. */
#include "base.h"

#include <string.h>

static size_t size_of(const void *any) {
  size_t size;
  memcpy(&size, any, sizeof size);
  return size;
}

bool smem__struct_copy(void *to, const void *from) {
  const size_t head = sizeof(size_t), room = size_of(to), size = size_of(from);
  if (room < head || size < head) return false;
  memcpy((char *)to + head, (const char *)from + head,
         (room < size ? room : size) - head);
  return true;
}
