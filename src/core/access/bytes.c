/* Copying from and to segments, without a mapping: for memory that is used once
 * this is faster than to map it, see smem__os_object_write(). */
#include "access.h"

enum { CHUNK = 4 << 20 }; /* bytes between two looks for an interrupt */

static smem_code check_bounds(const struct call *call,
                              const struct segment *segment, uint64_t offset,
                              uint64_t length) {
  uint64_t capacity = smem__segment_capacity(&segment->footer);
  if (offset <= capacity && length <= capacity - offset) return SMEM_OK;
  return smem__fail(call, SMEM_BOUNDS, 0,
                    "offset %llu and length %llu go beyond its %llu bytes",
                    (unsigned long long)offset, (unsigned long long)length,
                    (unsigned long long)capacity);
}

/* One of `to` and `from` is NULL. */
static smem_code copy(const struct call *call, const struct segment *segment,
                      uint64_t offset, char *to, const char *from,
                      uint64_t length) {
  smem_code code = check_bounds(call, segment, offset, length);
  for (uint64_t done = 0; code == SMEM_OK && done < length;) {
    size_t step = length - done < CHUNK ? (size_t)(length - done) : CHUNK;
    os_status status =
        to ? smem__os_object_read(segment->object, offset + done, to + done,
                                  step)
           : smem__os_object_write(segment->object, offset + done, from + done,
                                   step);
    if (status.code != OS_OK)
      return smem__fail_os(call, status, "its bytes cannot be copied");
    done += step;
    if (done < length && smem__process_interrupted())
      return smem__fail(call, SMEM_INTERRUPTED, 0, "interrupted");
  }
  return code;
}

smem_code smem_read_some(const char *id,
                         void *(*choose)(uint64_t capacity, uint64_t requested,
                                         uint64_t *offset, uint64_t *length,
                                         void *context),
                         void *context, smem_error *error) {
  struct call call = {SMEM_OP_READ, id, 0, error, false};
  struct segment segment;
  uint64_t offset = 0, length = 0;
  smem_code code = smem__segment_open(&call, false, &segment);
  if (code != SMEM_OK) return code;
  void *to = choose(smem__segment_capacity(&segment.footer),
                    segment.footer.requested, &offset, &length, context);
  code = to ? copy(&call, &segment, offset, to, NULL, length)
            : smem__fail(&call, SMEM_INTERRUPTED, 0, "interrupted");
  smem__os_object_close(segment.object);
  return code;
}

static smem_code open_and_copy(const struct call *call, bool writable,
                               uint64_t offset, char *to, const char *from,
                               uint64_t length) {
  struct segment segment;
  smem_code code = smem__segment_open(call, writable, &segment);
  if (code != SMEM_OK) return code;
  code = copy(call, &segment, offset, to, from, length);
  smem__os_object_close(segment.object);
  return code;
}

smem_code smem_read(const char *id, uint64_t offset, void *to, uint64_t length,
                    smem_error *error) {
  static char nowhere; /* for no bytes */
  struct call call = {SMEM_OP_READ, id, 0, error, false};
  return open_and_copy(&call, false, offset, to ? to : &nowhere, NULL, length);
}

smem_code smem_write(const char *id, uint64_t offset, const void *from,
                     uint64_t length, smem_error *error) {
  struct call call = {SMEM_OP_WRITE, id, 0, error, false};
  return open_and_copy(&call, true, offset, NULL, from, length);
}
