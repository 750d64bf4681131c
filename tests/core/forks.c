/* fork(): the child is a process of its own. */
#ifndef _WIN32

#include "../harness/faults.h"
#include "test.h"

#include <pthread.h>
#include <sys/syscall.h>

static void allocate_own(const char *name) {
  smem_request request = SMEM_REQUEST_INIT(1, name);
  CHECK_OK(smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error));
}

ROLE(does_nothing) {}
ROLE(stops) { smem_stop(); }

TEST(a_child_does_not_free_its_parents) {
  allocate_own("a");
  PLAY(does_nothing, ""); /* the handlers of exit() run */
  CHECK_OK(find_id("a"));
  PLAY(stops, "");
  CHECK_OK(find_id("a"));
  smem_stop();
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
}

ROLE(inherits) {
  unsigned char *at = map("a");
  CHECK_EQUAL(1, *at);
  *at = 2;
  unmap_id("a"); /* ours */
  unmap_id("a"); /* the parent's, in our copy */
  CHECK(!smem__mapping_any());
}

TEST(a_child_inherits_the_mappings) {
  CHECK_OK(allocate("a", 1));
  unsigned char *at = map("a");
  *at = 1;
  PLAY(inherits, "");
  CHECK_EQUAL(2, *at);
  CHECK(smem__mapping_any());
  CHECK_OK(free_id("a"));
}

ROLE(sibling) {
  struct footer mine, parents;
  read_footer_of("a", &parents);
  CHECK_OK(allocate("b", 1));
  read_footer_of("b", &mine);
  CHECK(mine.owner.token != parents.owner.token);
  CHECK(mine.owner.presence != parents.owner.presence);
  CHECK(mine.generation != parents.generation);
  CHECK_EQUAL(getpid(), mine.owner.pid);
  CHECK(presence_is_held(&parents));
  CHECK_OK(smem_leave(&error)); /* an owner */
  CHECK_OK(free_id("b"));
  CHECK_OK(smem_leave(&error));
  CHECK_OK(find_id("a"));
}

TEST(a_child_has_a_presence_of_its_own) {
  CHECK_OK(allocate("a", 1));
  PLAY(sibling, "");
  CHECK_OK(free_id("a"));
}

/* ---- the parent dies first ----------------------------------------------- */

ROLE(long_lived_child) {
  raise_flag(0);
  await_flag(1, 1);
}

ROLE(parent_that_dies) {
  CHECK_OK(allocate("a", 1));
  START(long_lived_child, "");
  await_flag(0, 1);
  kill(getpid(), SIGKILL);
}

TEST(a_child_does_not_keep_its_parent_alive) {
  struct footer footer;
  CHECK_EQUAL(KILLED + SIGKILL, finish(START(parent_that_dies, "")));
  read_footer_of("a", &footer);
  CHECK(!presence_is_held(&footer));
  raise_flag(1);
  CHECK_OK(free_id("a"));
  clean_namespace();
}

/* The same where one thread forks while another is joining: for a moment the
 * control object is open and in nobody's books. The hook lets the fork happen
 * after each of the calls of the first allocation. */
static void *fork_now(void *unused) {
  (void)unused;
  while (shared->flag[2] == 0) sleep_ms(1);
  START(long_lived_child, "");
  raise_flag(3);
  return NULL;
}

static void let_the_other_fork(const char *place) {
  snprintf(shared->text, sizeof shared->text, "%s", place);
  raise_flag(2);
  /* Not for ever: the fork may have to wait until we are done, which is well.
   */
  for (int i = 0; i < 100 && shared->flag[3] == 0; i++) sleep_ms(1);
}

ROLE(forks_while_joining) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, fork_now, NULL) == 0);
  fault_hook = let_the_other_fork;
  fault_arm(FAULT_HOOK, strtoul(argument, NULL, 10));
  CHECK_OK(allocate("a", 1));
  if (!fault_disarm()) {
    raise_flag(2);
    raise_flag(4);
  }
  pthread_join(thread, NULL);
  await_flag(0, 1);
  kill(getpid(), SIGKILL);
}

TEST(a_child_forked_while_joining_does_not_either) {
  struct footer footer;
  for (int at = 1; shared->flag[4] == 0; at++) {
    char text[16];
    for (int i = 0; i < 4; i++) atomic_store(&shared->flag[i], 0);
    snprintf(text, sizeof text, "%d", at);
    CHECK_EQUAL(KILLED + SIGKILL, finish(START(forks_while_joining, text)));
    read_footer_of("a", &footer);
    if (presence_is_held(&footer))
      test_fail(__FILE__, __LINE__,
                "a dead owner lives on, fork at call %d (%s)", at,
                shared->text);
    raise_flag(1);
    CHECK_OK(free_id("a"));
    clean_namespace();
  }
}

/* A child has the mapping, but no presence that keeps its number from coming
 * back. */
ROLE(parent_that_maps) {
  CHECK_EQUAL(1, allocate_number(1));
  *map("1") = 7;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child != 0) {
    CHECK_OK(free_id("1"));
    smem_stop();
    raise_flag(0);
    CHECK_EQUAL(0, finish(child));
    host_exit(0);
  }
  await_flag(1, 1);
  CHECK_CODE(SMEM_REPLACED, map_id("1", SMEM_READ_WRITE));
  _exit(0);
}

TEST(an_inherited_number_may_come_back) {
  process_id parent = START(parent_that_maps, "");
  await_flag(0, 1);
  CHECK_EQUAL(1, allocate_number(1));
  raise_flag(1);
  FINISH(parent);
  CHECK_OK(free_id("1"));
  CHECK_OK(smem_leave(&error));
}

/* Past the handlers of pthread_atfork(). */
TEST(a_child_that_forked_by_itself_frees_nothing) {
#if !defined(__linux__) || defined(TEST_VALGRIND) || defined(TEST_ASAN) ||     \
    defined(__SANITIZE_THREAD__)
  test_skip("only on Linux, and not under tools that replace fork()");
#else
  CHECK_OK(allocate_for_process("own"));
  pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  CHECK(child >= 0);
  if (child == 0) {
    smem_stop();
    _exit(0);
  }
  CHECK_EQUAL(0, finish(child));
  CHECK_OK(find_id("own"));
  CHECK_OK(free_id("own"));
  CHECK_OK(smem_leave(&error));
#endif
}

#else
typedef int not_posix;
#endif
