/* Numbers in shared memory that change as one step. What is aligned and of 4 or
 * 8 bytes, that is. */
#include "sync.h"

#include <string.h>

/* In test builds the steps of a counter are not counted: nothing is half done
 * between them. */

bool smem_add_int32(int32_t *at, int64_t by, int32_t *before) {
  _Atomic int32_t *number = (_Atomic int32_t *)at;
  int32_t seen = atomic_load(number);
  do {
    if (by > INT64_C(1) << 33 || by < -(INT64_C(1) << 33)) return false;
    int64_t sum = seen + by;
    if (sum > INT32_MAX || sum < INT32_MIN) return false;
    *before = seen;
    if (atomic_compare_exchange_weak(number, &seen, (int32_t)sum)) return true;
  } while (true);
}

bool smem_add_uint32(uint32_t *at, int64_t by, uint32_t *before) {
  _Atomic uint32_t *number = (_Atomic uint32_t *)at;
  uint32_t seen = atomic_load(number);
  do {
    if (by > INT64_C(1) << 33 || by < -(INT64_C(1) << 33)) return false;
    int64_t sum = seen + by;
    if (sum > UINT32_MAX || sum < 0) return false;
    *before = seen;
    if (atomic_compare_exchange_weak(number, &seen, (uint32_t)sum)) return true;
  } while (true);
}

bool smem_add_int64(int64_t *at, int64_t by, int64_t *before) {
  _Atomic int64_t *number = (_Atomic int64_t *)at;
  int64_t seen = atomic_load(number);
  do {
    if (by > 0 ? seen > INT64_MAX - by : seen < INT64_MIN - by) return false;
    *before = seen;
  } while (!atomic_compare_exchange_weak(number, &seen, seen + by));
  return true;
}

void smem_add_double(double *at, double by, double *before) {
  _Atomic uint64_t *number = (_Atomic uint64_t *)(void *)at;
  uint64_t seen = atomic_load(number), bits;
  do {
    memcpy(before, &seen, sizeof seen);
    double sum = *before + by;
    memcpy(&bits, &sum, sizeof bits);
  } while (!atomic_compare_exchange_weak(number, &seen, bits));
}

bool smem_compare_and_set(void *at, const void *old, const void *value,
                          size_t size) {
  if (size == sizeof(uint32_t)) {
    uint32_t seen, to;
    memcpy(&seen, old, size);
    memcpy(&to, value, size);
    return atomic_compare_exchange_strong((_Atomic uint32_t *)at, &seen, to);
  }
  uint64_t seen, to;
  memcpy(&seen, old, sizeof seen);
  memcpy(&to, value, sizeof to);
  return atomic_compare_exchange_strong((_Atomic uint64_t *)at, &seen, to);
}
