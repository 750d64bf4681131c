/* A namespace that is none, that of a user, and what names say of it. */
#ifndef _WIN32

#include "test.h"

static void check_no_namespace(bool joined) {
  char bytes[8], path[300], space[SMEM_NAMESPACE_SIZE];
  size_t length = sizeof bytes;
  uint64_t number;
  smem_handle *handle;
  smem_request request = SMEM_REQUEST_INIT(1, NULL);
  smem__namespace_forget();
  CHECK_CODE(SMEM_ARGUMENT, smem_own_namespace(space, &error));
  CHECK(smem_is_utf8(message()));
  CHECK_CODE(SMEM_ARGUMENT, find_id("a"));
  CHECK_CODE(SMEM_ARGUMENT, smem_size("a", &number, &error));
  CHECK_CODE(SMEM_ARGUMENT, can_free_id("a"));
  CHECK_CODE(SMEM_ARGUMENT, free_id("a"));
  CHECK_CODE(SMEM_ARGUMENT, read_bytes("a", 0, bytes, 1));
  CHECK_CODE(SMEM_ARGUMENT, map_id("b", SMEM_READ_ONLY));
  CHECK_CODE(SMEM_ARGUMENT, smem_open("a", SMEM_READ_ONLY, &handle, &error));
  CHECK_CODE(SMEM_ARGUMENT, smem_list(pass_entry, NULL, &error));
  CHECK_CODE(SMEM_ARGUMENT,
             smem_mapped_by(NULL, false, never_mapped, NULL, &error));
  CHECK_CODE(SMEM_ARGUMENT, smem_inspect("a", bytes, &length, path, sizeof path,
                                         ignore_entry, NULL, &error));
  CHECK_CODE(SMEM_ARGUMENT,
             smem_inspect("/other", bytes, &length, path, sizeof path,
                          ignore_entry, NULL, &error));
  CHECK_CODE(SMEM_ARGUMENT,
             smem_reclaim(true, false, ignore_fate, NULL, &error));
  CHECK_CODE(SMEM_ARGUMENT, smem_leave(&error));
  if (joined) return;
  CHECK_CODE(SMEM_ARGUMENT, smem_join(&error));
  CHECK_CODE(SMEM_ARGUMENT, smem_last_index(&number, &error));
  CHECK_CODE(SMEM_ARGUMENT,
             smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error));
}

/* In the environment from the beginning, or forgotten and read again by those
 * who have left: nothing works, and nothing is harmed. */
TEST(a_namespace_that_is_none) {
  char *space = strdup(getenv("SHAREDMEMORY_NAMESPACE"));
  const char *bad[] = {"a/b", "a.b", "\xFF", "12345678901234567"};
  unsigned shares = 0;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    set_variable("SHAREDMEMORY_NAMESPACE", bad[i]);
    check_no_namespace(false);
  }
  set_variable("SHAREDMEMORY_NAMESPACE", space);
  CHECK_OK(allocate("a", 1));
  map_with("a", SMEM_READ_ONLY);
  set_variable("SHAREDMEMORY_NAMESPACE", "a/b");
  check_no_namespace(true);
  /* What is mapped stays so, and everybody's segments can be counted. */
  map_with("a", SMEM_READ_ONLY);
  CHECK_OK(smem_shares(count_share, &shares, &error));
  CHECK(shares > 0);
  unmap_id("a");
  unmap_id("a");
  smem_reclaim_some(1);
  set_variable("SHAREDMEMORY_NAMESPACE", space);
  smem__namespace_forget();
  clean_namespace();
  free(space);
}

TEST(the_namespace_of_a_user) {
  char space[SMEM_NAMESPACE_SIZE], expected[24];
  snprintf(expected, sizeof expected, "%u", (unsigned)geteuid());
  const char *unset[] = {NULL, ""};
  for (int i = 0; i < 2; i++) {
    if (unset[i])
      set_variable("SHAREDMEMORY_NAMESPACE", unset[i]);
    else
      set_variable("SHAREDMEMORY_NAMESPACE", NULL);
    smem__namespace_forget();
    CHECK_OK(smem_own_namespace(space, &error));
    CHECK(strcmp(space, expected) == 0);
  }
}

TEST(names_taken_apart) {
  struct space space;
  const char *id;
  CHECK(smem__name_split("smem.1000.a.b", &space, &id));
  CHECK(strcmp(space.text, "1000") == 0 && strcmp(id, "a.b") == 0);
  CHECK(!smem__name_split("other.1000.a", &space, &id));
  CHECK(!smem__name_split("smem.1000", &space, &id));
  CHECK(!smem__name_split("smem..a", &space, &id));
  CHECK(!smem__name_split("smem.12345678901234567.a", &space, &id));
  CHECK(!smem__name_split("smem.a b.a", &space, &id));
}

#else
typedef int not_posix;
#endif
