/* Joining, leaving, and being known to live, until the end of the process. */
#ifndef _WIN32

#include "test.h"

static bool owner_lives(const char *id) {
  struct footer footer;
  read_footer_of(id, &footer);
  return presence_is_held(&footer);
}

/* ---- joining and leaving ------------------------------------------------- */

TEST(join_and_leave) {
  for (int i = 0; i < 3; i++) {
    CHECK_OK(smem_join(&error));
    CHECK_OK(smem_join(&error));
    check_joined();
    CHECK_EQUAL(4096, stat_of(control_path()).st_size);
    CHECK(stat_of(control_path()).st_blocks >= 8); /* reserved */
    CHECK_OK(smem_leave(&error));
    CHECK_EQUAL(0, count_objects());
    CHECK(control_descriptor() < 0);
    CHECK_OK(smem_leave(&error));
  }
}

enum { LOOPERS = 6 };

/* Nothing may be between the join and the look, so that a fresh joiner finds
 * its object by name or fails. */
ROLE(looper) {
  uint64_t end = now_ms() + (uint64_t)atoi(argument);
  do {
    CHECK_OK(smem_join(&error));
    check_joined();
    if (smem__process_random() % 4 == 0) {
      uint64_t number = allocate_number(1);
      CHECK(owner_lives(number_id(number)));
      CHECK_OK(free_id(number_id(number)));
    }
    CHECK_OK(smem_leave(&error));
    atomic_fetch_add(&shared->number[0], 1);
  } while (now_ms() < end);
  raise_flag(0);
}

TEST(nobody_stays_on_a_dead_control_object) {
  process_id loopers[LOOPERS];
  for (int i = 0; i < LOOPERS; i++) loopers[i] = START(looper, "3000");
  for (int i = 0; i < LOOPERS; i++) FINISH(loopers[i]);
  CHECK(shared->number[0] >= 100);
  CHECK_EQUAL(0, count_objects());
}

/* Some die at any moment. What they leave goes with the last one. */
TEST(some_die_while_joining_and_leaving) {
  process_id loopers[LOOPERS], victim;
  for (int i = 0; i < LOOPERS; i++) loopers[i] = START(looper, "2500");
  for (uint64_t end = now_ms() + 2000; now_ms() < end;) {
    victim = START(looper, "10000");
    sleep_ms((unsigned)(smem__process_random() % 20));
    kill_process(victim);
    CHECK_EQUAL(KILLED + SIGKILL, finish(victim));
  }
  for (int i = 0; i < LOOPERS; i++) FINISH(loopers[i]);
  CHECK_EQUAL(LOOPERS, shared->flag[0]);
  clean_namespace();
}

/* ---- presence ------------------------------------------------------------ */

ROLE(owner) {
  CHECK_OK(allocate(argument, 1));
  raise_flag(0);
  await_flag(1, 1);
}

TEST(presence_ends_with_the_process) {
  for (int i = 0; i < 2; i++) {
    process_id other = START(owner, "a");
    await_flag(0, i + 1);
    CHECK(owner_lives("a"));
    if (i == 0)
      kill_process(other);
    else
      raise_flag(1);
    finish(other);
    CHECK(!owner_lives("a"));
    CHECK_OK(free_id("a"));
  }
  clean_namespace();
}

ROLE(asker) { CHECK(owner_lives(argument) == (shared->number[0] == 1)); }

/* The owner's own locks do not hinder itself, so another must ask. */
static void check_presence_of_a(bool held) {
  atomic_store(&shared->number[0], held);
  PLAY(asker, "a");
}

TEST(presence_survives_opening_and_closing_the_file) {
  char bytes[64];
  CHECK_OK(allocate("a", 1));
  for (int i = 0; i < 3; i++) {
    int fd = open(control_path(), O_RDWR);
    CHECK(fd >= 0 && read(fd, bytes, sizeof bytes) == sizeof bytes);
    CHECK(close(fd) == 0);
    check_presence_of_a(true);
  }
  CHECK_OK(free_id("a"));
}

TEST(leaving_as_an_owner_keeps_the_presence) {
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_leave(&error));
  check_presence_of_a(true);
  CHECK_EQUAL(1, allocate_number(1));
  CHECK_OK(free_id("a"));
  CHECK_OK(smem_leave(&error)); /* still one */
  CHECK_OK(free_id("1"));
  CHECK(path_exists(control_path()));
  CHECK_OK(smem_leave(&error));
  CHECK_EQUAL(0, count_objects());
}

TEST(presences_differ) {
  struct footer footer, other;
  CHECK_OK(allocate("a", 1));
  process_id process = START(owner, "b");
  await_flag(0, 1);
  read_footer_of("a", &footer);
  read_footer_of("b", &other);
  CHECK(footer.owner.presence != other.owner.presence);
  CHECK(footer.owner.token != other.owner.token);
  CHECK(footer.generation != other.generation);
  CHECK_EQUAL(footer.owner.control_generation, other.owner.control_generation);
  CHECK_EQUAL(getpid(), footer.owner.pid);
  CHECK_EQUAL(process, other.owner.pid);
  CHECK_EQUAL(footer.owner.pid_space, other.owner.pid_space);
  raise_flag(1);
  FINISH(process);
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id("b"));
}

/* ---- the end of a process ------------------------------------------------ */

static void allocate_own(const char *name) {
  smem_request request = SMEM_REQUEST_INIT(1, name);
  CHECK_OK(smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error));
}

ROLE(mortal) {
  allocate_own(argument);
  CHECK_OK(allocate("lasting", 1));
  raise_flag(0);
  await_flag(1, 1);
}

TEST(the_process_frees_its_own) {
  process_id other = START(mortal, "a");
  await_flag(0, 1);
  CHECK_OK(find_id("a"));
  raise_flag(1);
  FINISH(other);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_OK(find_id("lasting"));
  clean_namespace();
}

TEST(but_not_its_successors) {
  process_id other = START(mortal, "a");
  await_flag(0, 1);
  CHECK_OK(free_id("a"));
  allocate_own("a");
  raise_flag(1);
  FINISH(other);
  CHECK_OK(find_id("a"));
  smem_stop();
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  smem_stop();
  clean_namespace();
}

ROLE(opener_of_anothers) {
  allocate_own(argument); /* opens it: its lifetime is its creator's */
}

TEST(nor_what_it_only_opened) {
  CHECK_OK(allocate("a", 1));
  PLAY(opener_of_anothers, "a");
  CHECK_OK(find_id("a"));
  CHECK_OK(free_id("a"));
}

TEST(stopping_keeps_the_mappings) {
  allocate_own("a");
  unsigned char *at = map("a");
  *at = 4;
  smem_stop();
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_EQUAL(4, *at);
  CHECK_EQUAL(0, count_objects());
  CHECK_OK(allocate("a", 1)); /* and there is life after it */
  CHECK_OK(free_id("a"));
}

#else
typedef int not_posix;
#endif
