/* Objects: whatever the bytes, reading them stays inside and ends.
 *
 * Input: the object's bytes. What guards the rest, the magic number, version
 * and checksum, is put right, or nothing behind it would be reached. */
#include "fuzz.h"

#include "../../src/core/object/object_internal.h"
#include "../harness/read_tree.h"

void target(const uint8_t *data, size_t size) {
  struct header header = {0};
  smem_tree tree;
  if (size < sizeof header) {
    CHECK(smem_tree_open(&tree, data, size, 1));
    return;
  }
  /* In memory of its own size, so that reading behind it is noticed. */
  uint8_t *bytes = smem__os_allocate(size);
  memcpy(bytes, data, size);
  memcpy(&header, data, sizeof header);
  header.magic = smem__object_magic;
  header.order = OBJECT_ORDER;
  header.major = OBJECT_MAJOR;
  header.generation = 1;
  header.checksum = smem__header_checksum(&header);
  memcpy(bytes, &header, sizeof header);
  CHECK(smem_tree_is_there(bytes, size));
  read_tree(bytes, size);
  smem__os_release(bytes);
}
