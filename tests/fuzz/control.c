/* The control object: somebody has written into it, or cut it off. Who comes
 * next uses it, or makes it again since nobody is in it; what is listed, handed
 * out and removed is right in any case.
 *
 * Input: how to go on, the length of the file (2 bytes), its contents. */
#include "fuzz.h"

enum { READ_FIRST = 1, LATE = 2 /* we are in it already */ };

static void allocate(uint64_t *number) {
  smem_request requests[2] = {SMEM_REQUEST_INIT(1, NULL),
                              SMEM_REQUEST_INIT(5000, "b")};
  smem_code code = smem_allocate(requests, 2, SMEM_UNTIL_FREED, true, &error);
  check_error(code);
  /* A counter at its end is not damage that could be told, nor are claims that
   * bear the number of our own presence. */
  CHECK(code == SMEM_OK || code == SMEM_CONTROL || code == SMEM_BUSY);
  *number = code == SMEM_OK ? requests[0].number : 0;
}

static void use(void) {
  char id[SMEM_NUMBER_SIZE];
  uint64_t first, second, last;
  smem_mapping *mapping;
  allocate(&first);
  if (first > 0) {
    CHECK(smem_last_index(&last, &error) == SMEM_OK && last == first);
    smem_id_of_number(first, id);
    CHECK(map_id(id, SMEM_READ_ONLY, &mapping) == SMEM_OK);
    CHECK(free_id(id) == SMEM_OK);
    CHECK(free_id("b") == SMEM_OK);
    allocate(&second);
    CHECK(second == 0 || second > first);
    smem_id_of_number(second, id);
    CHECK(second == 0 || free_id(id) == SMEM_OK);
    CHECK(second == 0 || free_id("b") == SMEM_OK);
  }
  smem_reclaim_some(1);
  CHECK(list_all() == 0);
}

void target(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  char page[5000];
  uint16_t length;
  uint64_t last;
  uint8_t how = take_byte(&input);
  take(&input, &length, sizeof length);
  size_t written = take(&input, page, length < 5000 ? length : 5000);
  if (how & LATE) CHECK(smem_join(&error) == SMEM_OK);
  /* Longer than its contents: the rest is zero. */
  plant("-control", "", length, 0, page, written);
  if (how & READ_FIRST) {
    smem_code code = smem_last_index(&last, &error);
    check_error(code);
    CHECK(code == SMEM_OK || code == SMEM_CONTROL);
  }
  CHECK(list_all() == 0);
  smem_code code = smem_join(&error);
  check_error(code);
  CHECK(code == SMEM_OK);
  use();
  CHECK(smem_leave(&error) == SMEM_OK);
}
