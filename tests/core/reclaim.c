/* Whose segments are these, and which may be removed? */
#ifndef _WIN32

#include "test.h"

#include <sched.h>
#include <sys/resource.h>

struct fates {
  unsigned count[SMEM_KEPT_CHANGED + 1];
};

static void count_fate(const smem_entry *entry, smem_fate fate, void *context) {
  struct fates *fates = context;
  (void)entry;
  fates->count[fate]++;
}

static struct fates reclaim(bool dry_run, bool persistent) {
  struct fates fates = {{0}};
  CHECK_OK(smem_reclaim(dry_run, persistent, count_fate, &fates, &error));
  return fates;
}

static smem_code allocate_for_process(const char *name) {
  smem_request request = {.size = 1, .name = name};
  return smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error);
}

/* Owns one of each lifetime, and waits. */
ROLE(owner_of_both) {
  CHECK_OK(allocate("freed", 1));
  CHECK_OK(allocate_for_process("process"));
  raise_flag(0);
  await_flag(1, 1);
  host_exit(0); /* an end like kill -9: nothing is cleaned up */
}

static process_id start_owner(void) {
  process_id owner = START(owner_of_both, "");
  await_flag(0, 1);
  return owner;
}

static void leave_orphans(void) {
  process_id owner = start_owner();
  kill_process(owner);
  CHECK_EQUAL(KILLED + SIGKILL, finish(owner));
}

/* ---- states -------------------------------------------------------------- */

TEST(live_and_orphan) {
  process_id owner = start_owner();
  CHECK_EQUAL(SMEM_LIVE, listed_state("freed"));
  kill_process(owner);
  CHECK_EQUAL(KILLED + SIGKILL, finish(owner));
  CHECK_EQUAL(SMEM_ORPHAN, listed_state("freed"));
  CHECK_EQUAL(SMEM_ORPHAN, listed_state("process"));
  CHECK_OK(allocate("own", 1));
  CHECK_EQUAL(SMEM_LIVE, listed_state("own"));
  clean_namespace();
}

/* Without the control object the process itself is asked. */
TEST(states_without_the_control_object) {
  skip_if_portable("processes are not asked there");
  process_id owner = start_owner();
  CHECK(unlink(control_path()) == 0);
  CHECK_EQUAL(SMEM_LIVE, listed_state("freed"));
  CHECK_EQUAL(2, reclaim(false, true).count[SMEM_KEPT_LIVE]);
  kill_process(owner);
  CHECK_EQUAL(KILLED + SIGKILL, finish(owner));
  CHECK_EQUAL(SMEM_ORPHAN, listed_state("freed"));
  CHECK_EQUAL(2, reclaim(false, true).count[SMEM_REMOVED]);
  CHECK_EQUAL(0, count_objects()); /* and none was made to do it */
}

/* Of another pid namespace, or of a system that could not tell: no proof. */
TEST(what_cannot_be_proved_is_unknown) {
  uint64_t nobody_knows = 0;
  leave_orphans();
  CHECK_OK(free_id("process"));
  CHECK(unlink(control_path()) == 0);
  struct footer footer;
  read_footer_of("freed", &footer);
  footer.pid_space = nobody_knows;
  footer_seal(&footer);
  write_at(segment_path("freed"), (long)footer.total - FOOTER_SIZE, &footer,
           sizeof footer);
  CHECK_EQUAL(SMEM_UNKNOWN, listed_state("freed"));
  CHECK_EQUAL(1, reclaim(false, true).count[SMEM_KEPT_UNKNOWN]);
  CHECK_OK(find_id("freed"));
  clean_namespace();
}

/* Another process has the dead owner's pid: told by its start time. */
TEST(a_reused_pid_is_another_process) {
  skip_if_portable("processes are not asked there");
  CHECK_OK(allocate("a", 1));
  struct footer footer;
  read_footer_of("a", &footer);
  footer.token++; /* not this process, */
  footer.control_generation++;
  footer.pid_start--; /* but one before it with the same pid */
  footer_seal(&footer);
  write_at(segment_path("a"), (long)footer.total - FOOTER_SIZE, &footer,
           sizeof footer);
  CHECK_EQUAL(SMEM_ORPHAN, listed_state("a"));
  footer.pid_start++;
  footer_seal(&footer);
  write_at(segment_path("a"), (long)footer.total - FOOTER_SIZE, &footer,
           sizeof footer);
  CHECK_EQUAL(SMEM_LIVE, listed_state("a"));
  clean_namespace();
}

/* ---- reclaiming ---------------------------------------------------------- */

TEST(reclaim_by_lifetime) {
  leave_orphans();
  CHECK_OK(allocate("own", 1));
  struct fates fates = reclaim(true, false);
  CHECK_EQUAL(1, fates.count[SMEM_REMOVED]);
  CHECK_OK(find_id("process")); /* it was only asked */
  fates = reclaim(false, false);
  CHECK_EQUAL(1, fates.count[SMEM_REMOVED]);
  CHECK_EQUAL(1, fates.count[SMEM_KEPT_FREED]);
  CHECK_EQUAL(1, fates.count[SMEM_KEPT_LIVE]);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("process"));
  CHECK_OK(find_id("freed"));
  CHECK_EQUAL(1, reclaim(false, true).count[SMEM_REMOVED]);
  CHECK_EQUAL(1, count_listed());
  CHECK_OK(free_id("own"));
  CHECK_OK(smem_leave(&error));
}

TEST(reclaim_what_is_incomplete_or_damaged) {
  skip_if_portable("lists only what was made through it");
  plant_incomplete("half");
  plant_file(segment_path("junk"), "junk", 0600);
  CHECK_EQUAL(SMEM_INCOMPLETE, listed_state("half"));
  CHECK_EQUAL(SMEM_DAMAGED, listed_state("junk"));
  struct fates fates = reclaim(false, true);
  CHECK_EQUAL(1, fates.count[SMEM_REMOVED]);
  CHECK_EQUAL(1, fates.count[SMEM_KEPT_DAMAGED]);
  CHECK(!path_exists(segment_path("half")));
  CHECK(path_exists(segment_path("junk")));
  CHECK_OK(free_id("junk"));
}

/* A creator at work holds the lock of the id. */
ROLE(holder) {
  struct control *control;
  struct lock lock;
  struct call call = {"test", "half", 0, &error, false};
  CHECK_OK(control_join(&call, &control));
  CHECK_OK(lock_take(&call, control->file, lock_of_id("half"), 1, &lock));
  plant_incomplete("half");
  raise_flag(0);
  await_flag(1, 1);
  lock_drop(&lock);
  control_release(control);
}

TEST(a_creator_at_work_is_left_alone) {
  skip_if_portable("lists only what was made through it");
  process_id creator = START(holder, "");
  await_flag(0, 1);
  CHECK_EQUAL(-1, listed_state("half")); /* not there yet */
  CHECK_EQUAL(0, reclaim(false, true).count[SMEM_REMOVED]);
  CHECK(path_exists(segment_path("half")));
  raise_flag(1);
  FINISH(creator);
  CHECK_EQUAL(1, reclaim(false, false).count[SMEM_REMOVED]);
  clean_namespace();
}

TEST(what_is_mapped_only_loses_its_name) {
  process_id owner = start_owner();
  unsigned char *at = map("process");
  *at = 5;
  kill_process(owner);
  CHECK_EQUAL(KILLED + SIGKILL, finish(owner));
  CHECK_EQUAL(1, reclaim(false, false).count[SMEM_REMOVED]);
  CHECK_EQUAL(5, *at);
  clean_namespace();
}

ROLE(competitor) {
  unsigned removed = reclaim(false, true).count[SMEM_REMOVED];
  atomic_fetch_add(&shared->number[0], removed);
}

ROLE(owner_of_many) {
  for (int i = 0; i < 200; i++) {
    smem_request request = {.size = 1};
    CHECK_OK(smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error));
  }
  host_exit(0);
}

TEST(several_reclaim_at_once) {
  CHECK_OK(smem_join(&error));
  FINISH(START(owner_of_many, ""));
  process_id competitors[4];
  for (int i = 0; i < 4; i++) competitors[i] = START(competitor, "");
  for (int i = 0; i < 4; i++) FINISH(competitors[i]);
  CHECK_EQUAL(200, shared->number[0]); /* each one once */
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(smem_leave(&error));
}

/* With no time at all each call does nothing, or a little, and goes on where the
 * last one stopped. */
TEST(reclaim_in_small_steps) {
  enum { PATIENCE = 100000 };
  CHECK_OK(smem_join(&error));
  FINISH(START(owner_of_many, ""));
  int calls = 0;
  while (count_listed() > 0 && calls++ < PATIENCE)
    smem_reclaim_some(20 * 1000);
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(smem_leave(&error));
}

/* ---- all namespaces ------------------------------------------------------- */

struct shares {
  const char *space;
  uint64_t segments[SMEM_STATES], all, resident;
};

static void add_share(const smem_share *share, void *context) {
  struct shares *shares = context;
  if (strcmp(share->space, shares->space) != 0) return;
  CHECK(share->user == os_user());
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
  process_id creator = START(holder, "");
  await_flag(0, 1);
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
  setenv("SHAREDMEMORY_NAMESPACE", argument, 1);
  CHECK_OK(allocate("a", 5000));
  CHECK_OK(allocate("b", 5000));
  plant_incomplete("c");
  raise_flag(0);
  await_flag(1, 1);
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("b"));
  CHECK_OK(free_id("c"));
}

/* Beside a namespace in use there are one whose control object is empty, and one that
 * has none. */
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
  for (int i = 0; i < 3; i++) plant_file(files[i], i < 2 ? "no segment" : "", 0600);
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

/* ---- what must not count as a proof --------------------------------------- */

static void limit_descriptors(rlim_t count) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = count;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* One is left for the folder, and none to look at the segments in it. */
TEST(an_owner_short_of_descriptors_stays_joined) {
#ifdef TEST_VALGRIND
  test_skip("valgrind has some of its own");
#endif
  CHECK_OK(allocate("a", 1));
  struct footer footer;
  read_footer_of("a", &footer);
  int lowest_free = dup(0);
  CHECK(close(lowest_free) == 0);
  for (rlim_t count = (rlim_t)lowest_free; count < (rlim_t)lowest_free + 3;
       count++) {
    pid_t child = fork(); /* for the limit; it owns a segment of its own */
    CHECK(child >= 0);
    if (child == 0) {
      struct footer own;
      CHECK_OK(allocate("b", 1));
      read_footer_of("b", &own);
      limit_descriptors(count);
      smem_leave(&error); /* an error, or not: */
      CHECK(control_descriptor() >= 0);
      raise_flag(0);
      _exit(0);
    }
    CHECK_EQUAL(0, finish(child));
    CHECK_OK(free_id("b"));
  }
  CHECK_OK(free_id("a"));
}

TEST(what_cannot_be_looked_at_is_not_damaged) {
  skip_if_portable("one descriptor is enough there");
#ifdef TEST_VALGRIND
  test_skip("valgrind has some of its own");
#endif
  CHECK_OK(allocate("a", 1));
  int lowest_free = dup(0);
  CHECK(close(lowest_free) == 0);
  struct rlimit before;
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  limit_descriptors((rlim_t)lowest_free + 1);
  int state = listed_state("a");
  limit_descriptors(before.rlim_cur);
  CHECK_EQUAL(SMEM_UNKNOWN, state);
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_leave(&error));
}

/* In a pid namespace of their own, but with the /proc of the one outside. */
ROLE(owner_in_a_namespace) {
  CHECK_OK(allocate("a", 1));
  CHECK(unlink(control_path()) == 0);
  raise_flag(0);
  await_flag(1, 1);
}

ROLE(looker_in_a_namespace) {
  CHECK_EQUAL(SMEM_UNKNOWN, listed_state("a"));
  CHECK_EQUAL(0, reclaim(false, true).count[SMEM_REMOVED]);
}

TEST(anothers_proc_is_no_proof) {
#if !defined(__linux__) || defined(SHAREDMEMORY_OS_PORTABLE)
  test_skip("processes are not asked there");
#elif defined(__SANITIZE_THREAD__) || defined(TEST_ASAN)
  test_skip("the sanitizers cannot work there");
#else
  if (unshare(CLONE_NEWPID) != 0) test_skip("may not make a pid namespace");
  process_id owner = START(owner_in_a_namespace, "");
  await_flag(0, 1);
  PLAY(looker_in_a_namespace, "");
  raise_flag(1);
  FINISH(owner); /* with it the namespace: no more forks */
  CHECK_OK(free_id("a"));
#endif
}

#else
typedef int not_posix;
#endif
