/* What all users have in all namespaces. */
#ifndef _WIN32

#include "../harness/faults.h"
#include "test.h"

/* ---- all namespaces ------------------------------------------------------ */

struct shares {
  const char *space;
  uint64_t segments[SMEM_STATES], all, resident;
};

static void add_share(const smem_share *share, void *context) {
  struct shares *shares = context;
  if (strcmp(share->space, shares->space) != 0) return;
  CHECK(share->user == smem__os_user());
  shares->segments[share->state] += share->segments;
  shares->all += share->segments;
  shares->resident += share->resident;
}

static struct shares shares_of(const char *space) {
  struct shares shares = {.space = space};
  CHECK_OK(smem_shares(add_share, &shares, &error));
  return shares;
}

static struct shares own_shares(void) {
  return shares_of(getenv("SHAREDMEMORY_NAMESPACE"));
}

TEST(shares_by_state) {
  skip_if_portable("lists only what was made through it");
  leave_orphans();
  CHECK_OK(allocate("own", 1));
  plant_file(segment_path("junk"), "junk", 0600);
  struct shares shares = own_shares();
  CHECK_EQUAL(1, shares.segments[SMEM_LIVE]);
  CHECK_EQUAL(2, shares.segments[SMEM_ORPHAN]);
  CHECK_EQUAL(1, shares.segments[SMEM_DAMAGED]);
  clean_namespace();
}

TEST(what_is_being_created_is_in_no_list_yet) {
  skip_if_portable("lists only what was made through it");
  process_id creator = start_creator("half");
  CHECK_EQUAL(0, count_listed());
  CHECK_EQUAL(0, own_shares().all);
  raise_flag(1);
  FINISH(creator);
  CHECK_EQUAL(1, count_listed()); /* for its creator did not finish it */
  CHECK_EQUAL(1, own_shares().all);
  clean_namespace();
}

/* `argument`: its namespace. */
ROLE(keeper_elsewhere) {
  set_variable("SHAREDMEMORY_NAMESPACE", argument);
  CHECK_OK(allocate("a", 5000));
  CHECK_OK(allocate("b", 5000));
  plant_incomplete("c");
  raise_flag(0);
  await_flag(1, 1);
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("b"));
  CHECK_OK(free_id("c"));
}

/* Beside a namespace in use there are one whose control object is empty, and
 * one that has none. */
TEST(shares_of_several_namespaces) {
  skip_if_portable("lists only what was made through it");
  char other[NAMESPACE_MAX + 1], third[NAMESPACE_MAX + 1], files[3][80];
  snprintf(other, sizeof other, "%.14so", getenv("SHAREDMEMORY_NAMESPACE"));
  snprintf(third, sizeof third, "%.15sz", other);
  snprintf(files[0], sizeof files[0], "/dev/shm/smem.%s.a", third);
  snprintf(files[1], sizeof files[1], "/dev/shm/smem.%sy.a", other);
  snprintf(files[2], sizeof files[2], "/dev/shm/smem-control.%s", third);
  process_id keeper = START(keeper_elsewhere, other);
  await_flag(0, 1);
  for (int i = 0; i < 3; i++)
    plant_file(files[i], i < 2 ? "no segment" : "", 0600);
  CHECK_EQUAL(0, own_shares().all);
  CHECK_OK(allocate("a", 5000));
  CHECK_OK(allocate("b", 5000));
  CHECK_EQUAL(2, own_shares().all);
  CHECK_EQUAL(2 * 8192, own_shares().resident);
  CHECK_EQUAL(3, shares_of(other).all); /* one is incomplete */
  CHECK_EQUAL(2 * 8192, shares_of(other).resident);
  CHECK_EQUAL(1, shares_of(third).all);
  for (int i = 0; i < 3; i++) CHECK(unlink(files[i]) == 0);
  raise_flag(1);
  FINISH(keeper);
  CHECK_EQUAL(0, shares_of(other).all);
  CHECK_EQUAL(0, shares_of(third).all);
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("b"));
}

TEST(counted_without_memory) {
  unsigned shares = 0;
  char odd[400];
  bool failed = true;
  need_listing_of_what_is_planted();
  CHECK_OK(allocate("a", 1));
  /* A name that only begins like ours. */
  snprintf(odd, sizeof odd, "%s", segment_path("x"));
  *strrchr(odd, '.') = '\0';
  plant_file(odd, "", 0600);
  for (unsigned long at = 1; failed; at += FAULT_STEP) {
    fault_arm(FAULT_ERROR, at);
    smem_code code = smem_shares(count_share, &shares, &error);
    failed = fault_disarm();
    CHECK_AMONG(CODE(OK) | CODE(NO_MEMORY), code);
  }
  CHECK(unlink(odd) == 0);
  clean_namespace();
}

#else
typedef int not_posix;
#endif
