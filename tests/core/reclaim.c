/* Whose segments are these, and which may be removed? */
#ifndef _WIN32

#include "../harness/faults.h"
#include "test.h"

#include <sched.h>
#include <sys/resource.h>

struct fates {
  unsigned count[SMEM_KEPT_CHANGED + 1];
};

static struct fates reclaim(bool dry_run, bool persistent) {
  struct fates fates = {{0}};
  CHECK_OK(smem_reclaim(dry_run, persistent, count_fate, fates.count, &error));
  return fates;
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
  footer.owner.pid_space = nobody_knows;
  smem__footer_seal(&footer);
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
  footer.owner.token++; /* not this process, */
  footer.owner.control_generation++;
  footer.owner.pid_start--; /* but one before it with the same pid */
  smem__footer_seal(&footer);
  write_at(segment_path("a"), (long)footer.total - FOOTER_SIZE, &footer,
           sizeof footer);
  CHECK_EQUAL(SMEM_ORPHAN, listed_state("a"));
  footer.owner.pid_start++;
  smem__footer_seal(&footer);
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

TEST(a_creator_at_work_is_left_alone) {
  skip_if_portable("lists only what was made through it");
  process_id creator = start_creator("half");
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
    smem_request request = SMEM_REQUEST_INIT(1, NULL);
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

/* Who looks at what a dead creator left holds it for an instant, which must not
 * look as if it were being created. */
ROLE(looks_all_the_time) {
  raise_flag(0);
  while (!shared->flag[1]) count_listed();
}

TEST(others_look_at_what_is_incomplete) {
  need_listing_of_what_is_planted();
  CHECK_OK(smem_join(&error));
  process_id other = START(looks_all_the_time, "");
  await_flag(0, 1);
  for (int i = 0; i < ROUNDS(50); i++) {
    plant_incomplete("a");
    CHECK_EQUAL(SMEM_INCOMPLETE, listed_state("a"));
    CHECK_OK(free_id("a"));
    CHECK(!path_exists(segment_path("a")));
    plant_incomplete("a");
    CHECK_EQUAL(1, reclaim(false, false).count[SMEM_REMOVED]);
  }
  raise_flag(1);
  FINISH(other);
}

/* With no time at all each call does nothing, or a little, and goes on where
 * the last one stopped. */
TEST(reclaim_in_small_steps) {
  enum { PATIENCE = 100000 };
  CHECK_OK(smem_join(&error));
  FINISH(START(owner_of_many, ""));
  int calls = 0;
  while (count_listed() > 0 && calls++ < PATIENCE) smem_reclaim_some(20 * 1000);
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(smem_leave(&error));
}

/* ---- what must not count as a proof -------------------------------------- */

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

/* ---- changes in between -------------------------------------------------- */

TEST(anothers_are_not_reclaimed) {
  unsigned fates[SMEM_KEPT_CHANGED + 1] = {0}, shares = 0;
  need_listing_of_what_is_planted();
  CHECK_OK(allocate("a", 1));
  CHECK_OK(allocate("b", 1));
  if (chown(segment_path("a"), 65533, (gid_t)-1) != 0) {
    clean_namespace();
    test_skip("only root can give files away");
  }
  CHECK_OK(smem_reclaim(false, true, count_fate, fates, &error));
  CHECK_EQUAL(1, fates[SMEM_KEPT_FOREIGN]);
  CHECK_EQUAL(1, fates[SMEM_KEPT_LIVE]);
  CHECK_OK(smem_shares(count_share, &shares, &error));
  CHECK(shares >= 2); /* ours, and the other user's */
  CHECK(unlink(segment_path("a")) == 0);
  clean_namespace();
}

/* However little time each has, they get through, one after the other. */
TEST(reclaimed_bit_by_bit) {
  enum { MANY = 60 };
  size_t left = MANY, before = MANY + 1;
  need_listing_of_what_is_planted();
  CHECK_OK(smem_join(&error));
  for (int i = 0; i < MANY; i++) plant_incomplete(number_id(i + 1000u));
  CHECK_OK(allocate("stays", 1));
  for (int calls = 0; left > 1 && calls < 10; calls++) {
    smem_reclaim_some(1);
    before = left;
    left = count_listed();
    CHECK(left <= before);
  }
  CHECK_EQUAL(1, left);
  CHECK_OK(find_id("stays"));
  for (int i = 0; i < MANY; i++) plant_incomplete(number_id(i + 1000u));
  smem_reclaim_some(UINT64_C(60) * 1000000000); /* time enough for all */
  CHECK_EQUAL(1, count_listed());
  clean_namespace();
}

/* What a dead creator left can be told without it. */
TEST(reclaimed_whatever_became_of_the_control_object) {
  char page[4096] = "damaged";
  need_listing_of_what_is_planted();
  smem_reclaim_some(1); /* nor is there anything without one */
  CHECK_EQUAL(0, count_objects());
  memset(page + 7, 1, sizeof page - 8);
  const char *contents[] = {NULL, "", page};
  for (int i = 0; i < 3; i++) {
    plant_incomplete("a");
    if (contents[i]) plant_file(control_path(), contents[i], 0600);
    if (i == 2) CHECK(truncate(control_path(), sizeof page) == 0);
    smem_reclaim_some(1);
    CHECK_OK(smem_reclaim(true, true, ignore_fate, NULL, &error));
    CHECK(path_exists(segment_path("a")));
    CHECK_OK(smem_reclaim(false, false, ignore_fate, NULL, &error));
    CHECK(!path_exists(segment_path("a")));
    unlink(control_path());
  }
  plant_file(control_path(), page, 0600);
  plant_incomplete("a");
  if (chown(control_path(), 65533, (gid_t)-1) == 0) {
    smem_reclaim_some(1);
    CHECK_CODE(SMEM_PERMISSION,
               smem_reclaim(false, true, ignore_fate, NULL, &error));
    CHECK(path_exists(segment_path("a")));
  }
  unlink(control_path());
  unlink(segment_path("a"));
}

ROLE(owner_who_dies) {
  CHECK_OK(allocate_for_process("a"));
  host_exit(0);
}

/* A successor of the name, made beforehand: a complete segment that lives. */
static void make_successor(void) {
  struct footer footer;
  CHECK_OK(allocate("b", 1));
  read_footer_of("b", &footer);
  strcpy(footer.id, "a");
  smem__footer_seal(&footer);
  write_at(segment_path("b"), stat_of(segment_path("b")).st_size - FOOTER_SIZE,
           &footer, sizeof footer);
}

static void take_away(const char *place) {
  (void)place;
  unlink(segment_path("a"));
}
/* As others do: whoever removes a name holds the object, or does not do it now.
 */
static void replace(const char *place) {
  struct call call = {SMEM_OP_FREE, "a", 0, &error, false};
  struct name name;
  os_object held;
  os_info info;
  (void)place;
  CHECK_OK(smem__name_of_segment(&call, &name));
  if (smem__os_object_claim(name.text, &held, &info).code != OS_OK) return;
  rename(segment_path("b"), segment_path("a"));
  smem__os_object_close(held);
}

/* Between any two looks of a reclaim the orphan is freed, or has a successor.
 */
static void change_while_reclaiming(void (*change)(const char *place)) {
  bool changed = true;
  CHECK_OK(smem_join(&error));
  for (unsigned long at = 1; changed; at += FAULT_STEP) {
    PLAY(owner_who_dies, "");
    if (change == replace) make_successor();
    fault_hook = change;
    fault_arm(FAULT_HOOK, at);
    CHECK_OK(smem_reclaim(false, false, ignore_fate, NULL, &error));
    changed = fault_disarm();
    if (change == replace)
      CHECK(path_exists(segment_path("a")) || path_exists(segment_path("b")));
    unlink(segment_path("a"));
    unlink(segment_path("b"));
  }
  clean_namespace();
}

TEST(freed_while_it_is_reclaimed) { change_while_reclaiming(take_away); }
TEST(replaced_while_it_is_reclaimed) { change_while_reclaiming(replace); }

#else
typedef int not_posix;
#endif
