/* Structs of clients that know less, or more, than this library; and ids that
 * are none. */
#include "test.h"

#include <stddef.h>

enum { GUARD = 0x5A, BEHIND = 64 };

/* A struct of a client, and what lies behind it. */
union some {
  size_t size;
  smem_error error;
  smem_told told;
  smem_limits limits;
  unsigned char bytes[sizeof(smem_error) + BEHIND];
};

static void set(union some *some, size_t size) {
  memset(some, GUARD, sizeof *some);
  some->size = size;
}

/* Nothing was written behind the first `size` bytes. */
static bool is_whole(const union some *some, size_t size) {
  if (size < sizeof size) size = sizeof size;
  for (size_t i = size; i < sizeof *some; i++)
    if (some->bytes[i] != GUARD) return false;
  return true;
}

TEST(errors_of_every_size) {
  uint64_t size;
  union some some;
  for (size_t n = 0; n <= sizeof(smem_error) + 8; n += 4) {
    set(&some, n);
    CHECK(smem_size("absent", &size, &some.error) == SMEM_NOT_FOUND);
    CHECK(some.size == n);
    CHECK(is_whole(&some, n < sizeof(smem_error) ? n : sizeof(smem_error)));
    if (n < offsetof(smem_error, number)) continue;
    CHECK_EQUAL(SMEM_NOT_FOUND, some.error.code);
  }
  CHECK(smem_size("absent", &size, NULL) == SMEM_NOT_FOUND);
}

TEST(limits_of_every_size) {
  union some some;
  for (size_t n = 0; n <= sizeof(smem_limits) + 8; n += 8) {
    set(&some, n);
    smem_limits_get(&some.limits);
    CHECK(some.size == n);
    CHECK(is_whole(&some, n < sizeof(smem_limits) ? n : sizeof(smem_limits)));
    if (n >= offsetof(smem_limits, used)) CHECK(some.limits.capacity > 0);
  }
}

TEST(deaths_of_every_size) {
  smem_latch *latch;
  union some some;
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_latch_open("a", &latch, &error));
  for (size_t n = 0; n <= sizeof(smem_told) + 8; n += 4) {
    set(&some, n);
    bool is_set = n >= sizeof(size_t);
    CHECK_CODE(is_set ? SMEM_OK : SMEM_ARGUMENT,
               smem_lock(latch, SMEM_EXCLUSIVE, 0, &some.told, &error));
    CHECK(some.size == n);
    CHECK(is_whole(&some, n < sizeof(smem_told) ? n : sizeof(smem_told)));
    if (!is_set) continue;
    CHECK(n < sizeof(smem_told) || (!some.told.died && some.told.time == 0));
    CHECK_OK(smem_unlock(latch, &error));
  }
  smem_latch_close(latch);
  CHECK_OK(free_id("a"));
}

/* ---- arrays of requests -------------------------------------------------- */

/* What a client has that knows nothing of what comes behind `name`, and what
 * one has that knows more. */
struct shorter {
  size_t size;
  uint64_t bytes;
  const char *name;
};
struct longer {
  smem_request request;
  uint64_t more[3];
};

TEST(requests_of_an_older_client) {
  struct shorter requests[3];
  memset(requests, 0, sizeof requests);
  for (int i = 0; i < 3; i++) {
    requests[i].size = sizeof requests[i];
    requests[i].bytes = 100 * ((uint64_t)i + 1);
  }
  requests[1].name = "named";
  smem_request *theirs = (smem_request *)(void *)requests;
  CHECK_OK(smem_allocate(theirs, 3, SMEM_UNTIL_FREED, true, &error));
  CHECK_EQUAL(3, count_listed());
  uint64_t capacity, requested;
  CHECK_OK(smem_extent("2", &capacity, &requested, &error));
  CHECK_EQUAL(300, requested);
  CHECK(requests[1].bytes == 200 && strcmp(requests[1].name, "named") == 0);
  requests[0].name = "other";
  CHECK_CODE(SMEM_EXISTS,
             smem_allocate(theirs, 3, SMEM_UNTIL_FREED, true, &error));
  CHECK_EQUAL(2, error.element);
  CHECK_EQUAL(3, count_listed());
  CHECK_OK(free_id("1"));
  CHECK_OK(free_id("2"));
  CHECK_OK(free_id("named"));
}

TEST(requests_of_a_newer_client) {
  struct longer requests[2];
  memset(requests, GUARD, sizeof requests);
  for (int i = 0; i < 2; i++) {
    requests[i].request = (smem_request)SMEM_REQUEST_INIT(100, NULL);
    requests[i].request.size = sizeof requests[i];
  }
  CHECK_OK(
      smem_allocate(&requests[0].request, 2, SMEM_UNTIL_FREED, true, &error));
  CHECK_EQUAL(2, count_listed());
  CHECK_EQUAL(1, requests[0].request.number);
  CHECK_EQUAL(2, requests[1].request.number);
  CHECK(requests[0].request.made != 0 && requests[1].request.made != 0);
  smem_undo_allocate(&requests[0].request, 2);
  CHECK_EQUAL(0, count_listed());
  CHECK(requests[1].request.made == 0);
  for (size_t i = 0; i < sizeof requests[0].more; i++)
    CHECK_EQUAL(GUARD, ((unsigned char *)requests[0].more)[i]);
}

TEST(requests_without_a_size) {
  for (size_t n = 0; n < sizeof n; n++) {
    smem_request request = SMEM_REQUEST_INIT(1, NULL);
    request.size = n;
    CHECK_CODE(SMEM_ARGUMENT,
               smem_allocate(&request, 1, SMEM_UNTIL_FREED, true, &error));
  }
  CHECK_EQUAL(0, count_listed());
}

TEST(lifetimes_that_are_none) {
  smem_request request = SMEM_REQUEST_INIT(1, NULL);
  CHECK_CODE(SMEM_ARGUMENT,
             smem_allocate(&request, 1, SMEM_OF_OBJECT, true, &error));
  CHECK_CODE(SMEM_ARGUMENT,
             smem_allocate(&request, 1, (smem_lifetime)7, true, &error));
  CHECK_EQUAL(0, count_listed());
}

/* ---- what the library makes ---------------------------------------------- */

static bool check_entry(const smem_entry *entry, void *nothing) {
  (void)nothing;
  CHECK_EQUAL(sizeof *entry, entry->size);
  return true;
}
static void check_share(const smem_share *share, void *nothing) {
  (void)nothing;
  CHECK_EQUAL(sizeof *share, share->size);
}

TEST(what_the_library_makes_has_its_size) {
  smem_handle *handle;
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_open("a", SMEM_READ_ONLY, &handle, &error));
  CHECK_EQUAL(sizeof *handle, handle->size);
  smem_close(handle);
  CHECK_OK(smem_list(check_entry, NULL, &error));
  CHECK_OK(smem_shares(check_share, NULL, &error));
  CHECK_OK(free_id("a"));
}

/* ---- ids ----------------------------------------------------------------- */

TEST(what_is_no_id_is_an_argument_error) {
  char endless[5000];
  const char *ids[] = {"", "a/b", "../a", "a\n", "\xFF", "/", endless};
  memset(endless, 'a', sizeof endless - 1);
  endless[sizeof endless - 1] = '\0';
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    const char *id = ids[i];
    uint64_t size;
    bool exists;
    smem_handle *handle;
    smem_mapping *mapping;
    smem_latch *latch;
    smem_sync *sync;
    CHECK_CODE(SMEM_ARGUMENT, allocate(id, 1));
    CHECK_CODE(SMEM_ARGUMENT, smem_exists(id, &exists, &error));
    CHECK_CODE(SMEM_ARGUMENT, smem_size(id, &size, &error));
    CHECK_CODE(SMEM_ARGUMENT, smem_open(id, SMEM_READ_ONLY, &handle, &error));
    CHECK_CODE(SMEM_ARGUMENT,
               smem_map(&id, 1, SMEM_READ_ONLY, &mapping, &error));
    CHECK_CODE(SMEM_ARGUMENT, read_bytes(id, 0, endless + 4000, 1));
    CHECK_CODE(SMEM_ARGUMENT, write_bytes(id, 0, "x", 1));
    CHECK_CODE(SMEM_ARGUMENT, smem_seal(&id, 1, &error));
    CHECK_CODE(SMEM_ARGUMENT, free_id(id));
    CHECK_CODE(SMEM_ARGUMENT, smem_latch_open(id, &latch, &error));
    CHECK_CODE(SMEM_ARGUMENT, smem_sync_open(SMEM_EVENT, id, 1, &sync, &error));
  }
  CHECK_EQUAL(0, count_listed());
}
