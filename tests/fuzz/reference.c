/* References: bytes from anywhere are refused, or mean one thing, and are
 * opened or refused then.
 *
 * Input: how to make it up, then the bytes. */
#include "fuzz.h"

enum { SEALED = 1, HERE = 2, LARGEST = 600 };

/* Of reference.c, whose checks behind the checksum would never be reached. */
static void seal(uint8_t *bytes, size_t size) {
  uint64_t hash = smem__hash_more(smem__hash_more(HASH_NOTHING, bytes, 48),
                                  bytes + 56, size - 56);
  for (int i = 0; i < 8; i++) bytes[48 + i] = (uint8_t)(hash >> 8 * i);
}

/* What we know of the form still holds. */
static void check_seal(void) {
  smem_reference reference = {.space = "s", .id = "a"};
  unsigned char bytes[SMEM_REFERENCE_SIZE], sealed[SMEM_REFERENCE_SIZE];
  size_t size = smem_reference_write(&reference, bytes);
  memcpy(sealed, bytes, size);
  seal(sealed, size);
  CHECK(memcmp(bytes, sealed, size) == 0);
}

static void make_up(uint8_t *bytes, size_t size, uint8_t how) {
  uint64_t place[2];
  if (size < 56) return;
  smem__os_place("", place);
  memcpy(bytes, "SMRF\1", 5);
  if (how & HERE)
    for (int i = 0; i < 16; i++)
      bytes[8 + i] = (uint8_t)(place[i / 8] >> 8 * (i % 8));
  seal(bytes, size);
}

static void use(const smem_reference *reference, bool is_here) {
  smem_handle *handle;
  smem_code code =
      smem_open_reference(reference, SMEM_READ_ONLY, &handle, &error);
  check_error(code);
  CHECK((code == SMEM_ELSEWHERE) == !is_here);
  if (code != SMEM_OK) return;
  /* Only objects of other programs can be met here. */
  CHECK(smem_id_is_raw(reference->id));
  smem_close(handle);
}

void target(const uint8_t *data, size_t size) {
  static bool checked;
  struct input input = {data, size};
  unsigned char back[SMEM_REFERENCE_SIZE];
  uint8_t bytes[LARGEST];
  uint64_t place[2];
  smem_reference reference;
  uint8_t how = take_byte(&input);
  if (!checked) check_seal();
  checked = true;
  size = take(&input, bytes, sizeof bytes);
  if (how & SEALED) make_up(bytes, size, how);
  /* In memory of its own size, so that reading behind it is noticed. */
  uint8_t *exact = smem__os_allocate(size ? size : 1);
  memcpy(exact, bytes, size);
  const char *wrong = smem_reference_read(exact, size, &reference);
  smem__os_release(exact);
  if (wrong) return;
  CHECK(smem_reference_write(&reference, back) == size);
  CHECK(memcmp(back, bytes, size) == 0);
  smem__os_place("", place);
  use(&reference, memcmp(place, reference.place, sizeof place) == 0);
}
