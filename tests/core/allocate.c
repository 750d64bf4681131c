/* Allocating what is too much, and what somebody cleans away meanwhile. */
#ifndef _WIN32

#include "../harness/faults.h"
#include "test.h"

TEST(sizes_that_cannot_be) {
  CHECK_CODE(SMEM_ARGUMENT, allocate("a", 0));
  CHECK_CODE(SMEM_ARGUMENT, allocate("a", SMEM_MAX_NUMBER + 1));
  CHECK_CODE(SMEM_ARGUMENT, allocate("a", UINT64_MAX));
  if (sizeof(size_t) == 4) /* more than can be addressed */
    CHECK_CODE(SMEM_NO_MEMORY, allocate("a", UINT64_C(1) << 31));
  CHECK_EQUAL(0, count_listed());
}

static void check_texts(const smem_entry *entry, void *context) {
  (void)context;
  CHECK_EQUAL(63, strlen(entry->tag));
  CHECK(strncmp(entry->tag, "tag", 3) == 0);
  CHECK_EQUAL(255, strlen(entry->trace));
}

TEST(tags_and_traces_are_cut) {
  char tag[100] = "tag", trace[400], bytes[1], path[300];
  size_t length = 1;
  memset(tag + 3, 't', sizeof tag - 4);
  tag[sizeof tag - 1] = '\0';
  memset(trace, 'f', sizeof trace - 1);
  trace[sizeof trace - 1] = '\0';
  set_variable("SHAREDMEMORY_TAG", tag);
  smem_request request = SMEM_REQUEST_INIT(1, "a");
  request.trace = trace;
  CHECK_OK(smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error));
  CHECK_OK(smem_inspect("a", bytes, &length, path, sizeof path, check_texts,
                        NULL, &error));
  CHECK_OK(free_id("a"));
}

static void take_all_away(const char *place) {
  (void)place;
  unlink(control_path());
  unlink(segment_path("a"));
  unlink(segment_path("b"));
}

/* Between any two calls of the system somebody cleans up: what was allocated is
 * there, or was there and has been removed. */
TEST(cleaned_away_while_allocating) {
  need_listing_of_what_is_planted();
  bool cleaned = true;
  for (unsigned long at = 1; cleaned; at += FAULT_STEP) {
    smem_request requests[] = {SMEM_REQUEST_INIT(1, "a"),
                               SMEM_REQUEST_INIT(1, "b")};
    fault_hook = take_all_away;
    fault_arm(FAULT_HOOK, at);
    CHECK_OK(smem_allocate(requests, 2, SMEM_UNTIL_FREED, true, &error));
    cleaned = fault_disarm();
    CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), find_id("a"));
    CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), find_id("b"));
    CHECK_OK(free_id("a"));
    CHECK_OK(free_id("b"));
    CHECK_OK(smem_leave(&error));
  }
}

#else
typedef int not_posix;
#endif
