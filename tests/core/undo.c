/* Allocations that are taken back. */
#include "test.h"

TEST(what_was_created_is_taken_back) {
  smem_request requests[] = {SMEM_REQUEST_INIT(10, "old"),
                             SMEM_REQUEST_INIT(10, "new"),
                             SMEM_REQUEST_INIT(10, NULL)};
  CHECK_OK(allocate("old", 5000));
  CHECK_OK(smem_allocate(requests, 3, SMEM_UNTIL_FREED, false, &error));
  CHECK(requests[0].made == 0 && requests[1].made != 0 &&
        requests[2].made != 0);
  CHECK_EQUAL(3, count_listed());
  smem_undo_allocate(requests, 3);
  CHECK_EQUAL(1, count_listed());
  CHECK_OK(find_id("old"));
  smem_undo_allocate(requests, 3); /* there is nothing left to take back */
  CHECK_EQUAL(1, count_listed());
  CHECK_OK(free_id("old"));
}

TEST(what_came_later_is_not_taken_back) {
  smem_request request = SMEM_REQUEST_INIT(10, "a");
  CHECK_OK(smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error));
  CHECK_OK(free_id("a"));
  CHECK_OK(allocate("a", 10));
  smem_undo_allocate(&request, 1);
  CHECK_OK(find_id("a"));
  CHECK_OK(free_id("a"));
}
