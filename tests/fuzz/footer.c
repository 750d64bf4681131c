/* A segment's footer: by itself, and at the end of a file through all that
 * looks at segments. Whatever it says, everybody says the same of it, and what
 * it is taken for can be used.
 *
 * Input: how to place it, then the footer, of which what is missing is zero. */
#include "fuzz.h"

enum { SEALED = 1, SIZED = 2, LONG = 4, CUT = 8, PAGE = 4096 };

static void use(const struct footer *footer) {
  char bytes[8], path[300];
  size_t length = sizeof bytes, entries = 0;
  uint64_t capacity, requested;
  smem_mapping *mapping;
  smem_handle *handle;
  smem_reference reference;
  CHECK(smem_extent("a", &capacity, &requested, &error) == SMEM_OK);
  CHECK(capacity == footer->total - FOOTER_SIZE);
  CHECK(requested > 0 && requested <= capacity);
  CHECK(smem_read("a", capacity - 8, bytes, 8, &error) == SMEM_OK);
  CHECK(smem_read("a", capacity - 7, bytes, 8, &error) == SMEM_BOUNDS);
  CHECK(smem_read("a", UINT64_MAX, bytes, 8, &error) == SMEM_BOUNDS);
  if (footer->flags & FOOTER_OBJECT) { /* is as good as sealed */
    CHECK(smem_write("a", 0, bytes, 8, &error) == SMEM_SEALED);
    CHECK(map_id("a", SMEM_READ_WRITE, &mapping) == SMEM_SEALED);
    return;
  }
  CHECK(smem_write("a", 0, bytes, 8, &error) == SMEM_OK);
  CHECK(map_id("a", SMEM_READ_WRITE, &mapping) == SMEM_OK);
  char *address = smem_mapping_address(mapping, SMEM_READ_WRITE);
  address[capacity - 1] = address[0];
  const char *id = "a";
  smem_unmap(&id, 1, NULL);
  CHECK(smem_open("a", SMEM_PRIVATE, &handle, &error) == SMEM_OK);
  smem_refer(handle, &reference);
  smem_close(handle);
  CHECK(smem_open_reference(&reference, SMEM_READ_ONLY, &handle, &error) ==
        SMEM_OK);
  smem_close(handle);
  CHECK(smem_inspect("a", bytes, &length, path, sizeof path, check_entry,
                     &entries, &error) == SMEM_OK);
  CHECK(entries == 1 && length == sizeof bytes);
}

static void refuse(void) {
  char bytes[8], path[300];
  size_t length = sizeof bytes, entries = 0;
  uint64_t number;
  bool exists;
  smem_mapping *mapping;
  smem_handle *handle;
  smem_request request = SMEM_REQUEST_INIT(1, "a");
  CHECK(smem_exists("a", &exists, &error) == SMEM_CORRUPT);
  check_error(SMEM_CORRUPT);
  CHECK(smem_size("a", &number, &error) == SMEM_CORRUPT);
  CHECK(smem_read("a", 0, bytes, 1, &error) == SMEM_CORRUPT);
  CHECK(smem_write("a", 0, bytes, 1, &error) == SMEM_CORRUPT);
  CHECK(map_id("a", SMEM_READ_ONLY, &mapping) == SMEM_CORRUPT);
  CHECK(smem_open("a", SMEM_READ_ONLY, &handle, &error) == SMEM_CORRUPT);
  CHECK(smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error) ==
        SMEM_CORRUPT);
  CHECK(smem_inspect("a", bytes, &length, path, sizeof path, check_entry,
                     &entries, &error) == SMEM_OK);
  CHECK(entries == 1 && length == sizeof bytes);
}

static void ignore(const smem_entry *entry, smem_fate fate, void *context) {
  (void)fate;
  check_entry(entry, context);
}

void target(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  struct footer footer;
  size_t reclaimed = 0;
  uint8_t how = take_byte(&input);
  take(&input, &footer, sizeof footer);
  size_t total = how & LONG ? 2 * PAGE : PAGE;
  if (how & SIZED) footer.total = total;
  if (how & SEALED) smem__footer_seal(&footer);
  bool good = !smem__footer_check(&footer, "a", total) && !(how & CUT);
  /* The bit CUT: a file that is not of whole pages. */
  plant("", ".a", total + !!(how & CUT), total - FOOTER_SIZE, &footer,
        sizeof footer);
  if (good)
    use(&footer);
  else
    refuse();
  CHECK(list_all() == 1);
  CHECK(smem_reclaim(true, true, ignore, &reclaimed, &error) == SMEM_OK);
  CHECK(reclaimed == 1);
  CHECK(free_id("a") == SMEM_OK);
  CHECK(list_all() == 0);
  CHECK(smem_leave(&error) == SMEM_OK);
}
