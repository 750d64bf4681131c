/* What the fuzz targets have in common.
 *
 * A target is a function of some bytes that uses the core as a client would. It
 * fails by a crash, by what a sanitizer finds, by a CHECK(), by a descriptor,
 * an object or memory that is left, or by taking for ever. */
#ifndef SHAREDMEMORY_TESTS_FUZZ_H
#define SHAREDMEMORY_TESTS_FUZZ_H

#include "../../src/core/access/access.h"
#include "../../src/core/survey/survey.h"

#define CHECK(condition)                                                       \
  ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))
__attribute__((noreturn)) void fuzz_fail(const char *file, int line,
                                         const char *what);

extern smem_error error;

void target(const uint8_t *data, size_t size);

/* Bytes taken from the front of the input; 0 when there are none left. */
struct input {
  const uint8_t *data;
  size_t size;
};
uint8_t take_byte(struct input *input);
/* Fill `to` as far as there is something; the rest is 0. Returns how much. */
size_t take(struct input *input, void *to, size_t length);

/* Write a file of `size` bytes, with `data` at `offset`, in place of the object
 * "smem<middle>.<our namespace><end>". */
void plant(const char *middle, const char *end, size_t size, size_t offset,
           const void *data, size_t length);

/* An error that the client can show: known, with an operation, in UTF-8. */
void check_error(smem_code code);
/* The core, of one id. */
smem_code map_id(const char *id, smem_access access, smem_mapping **mapping);
smem_code free_id(const char *id);

/* List, with all that is in the entries looked at. Returns how many. */
size_t list_all(void);
void check_entry(const smem_entry *entry, void *context);

#endif
