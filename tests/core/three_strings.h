/* Strings as they lie in an object: two different ones, "a" and "bc", and a
 * missing one, in five elements. */
#ifndef SHAREDMEMORY_TESTS_THREE_STRINGS_H
#define SHAREDMEMORY_TESTS_THREE_STRINGS_H

#include <stddef.h>

#include "../../src/core/object/object_internal.h"

struct three_strings {
  smem_string_block block;
  int64_t offsets[4];
  uint8_t validity[8], indexes[8];
  char text[8];
};

/* `at`: the offset of its first byte. */
static inline struct three_strings three_strings_at(uint64_t at) {
  return (struct three_strings){
      .block = {.unique = 3,
                .bytes = 3,
                .offsets_at = at + offsetof(struct three_strings, offsets),
                .validity_at = at + offsetof(struct three_strings, validity),
                .index_at = at + offsetof(struct three_strings, indexes),
                .text_at = at + offsetof(struct three_strings, text),
                .width = 1},
      .offsets = {0, 1, 3, 3},
      .validity = {3},
      .indexes = {0, 1, 2, 1, 0},
      .text = "abc"};
}

#endif
