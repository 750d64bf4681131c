/* The control object removed, damaged or replaced by force. */
#ifndef _WIN32

#include "test.h"

ROLE(present_owner) {
  CHECK_OK(allocate(argument, 1));
  raise_flag(0);
  pause();
}

/* ---- removed by force ---------------------------------------------------- */

TEST(the_control_object_is_removed) {
  for (uint64_t i = 1; i <= 3; i++) {
    CHECK_EQUAL(i, allocate_number(1)); /* no number twice */
    CHECK(unlink(control_path()) == 0);
    CHECK_OK(find_id(number_id(i)));
    CHECK_OK(try_map(number_id(i)));
    if (i == 2) CHECK_OK(smem_join(&error));
  }
  for (unsigned i = 1; i <= 3; i++) CHECK_OK(free_id(number_id(i)));
  CHECK_OK(smem_leave(&error));
}

/* Also where the highest ones have been freed: this process has not forgotten
 * what it was given, and may have it mapped. */
ROLE(allocates_and_ends) { CHECK_OK(allocate("a", 1)); }
ROLE(frees_without_joining) { CHECK_OK(free_id("a")); }

TEST(the_control_object_is_removed_by_who_never_joined) {
  PLAY(allocates_and_ends, "");
  CHECK(path_exists(control_path()) && path_exists(segment_path("a")));
  PLAY(frees_without_joining, "");
  CHECK(!path_exists(control_path()));
}

TEST(the_control_object_is_removed_after_a_free) {
  CHECK_EQUAL(1, allocate_number(1));
  CHECK_EQUAL(2, allocate_number(1));
  CHECK_OK(free_id("2"));
  CHECK(unlink(control_path()) == 0);
  CHECK_EQUAL(3, allocate_number(1));
  CHECK_OK(free_id("1"));
  CHECK_OK(free_id("3"));
}

ROLE(allocator) {
  int count = atoi(argument);
  for (int i = 0; i < count; i++) {
    uint64_t number = allocate_number(1);
    const char *id = number_id(number);
    unsigned char *at = map(id);
    CHECK_EQUAL(0, *at); /* nobody else has it */
    *at = 1;
  }
}

TEST(the_control_object_is_removed_again_and_again) {
  enum { COUNT = 300 };
  process_id allocators[4];
  for (int i = 0; i < 4; i++) allocators[i] = START(allocator, "300");
  for (int i = 0; i < 100; i++) {
    unlink(control_path());
    sleep_ms(1);
  }
  for (int i = 0; i < 4; i++) FINISH(allocators[i]);
  CHECK_EQUAL(4 * COUNT, count_listed());
  clean_namespace();
}

/* ---- damaged by force ---------------------------------------------------- */

static void damage(int how) {
  char garbage[4096];
  uint64_t word = 99;
  memset(garbage, 'x', sizeof garbage);
  const char *path = control_path();
  switch (how) {
  case 0:
    CHECK(truncate(path, 0) == 0);
    break;
  case 1:
    write_at(path, 0, garbage, sizeof garbage);
    break;
  case 2:
    write_at(path, 8, &word, 8);
    break; /* the version */
  case 3:
    CHECK(truncate(path, 100) == 0);
    break;
  case 4:
    write_at(path, 0, garbage, 8);
    break;
  case 5:
    memset(garbage, 0, sizeof garbage);
    write_at(path, 0, garbage, sizeof garbage);
    break;
  case 6:
    word = 0;
    write_at(path, 16, &word, 8);
    break; /* the generation */
  }
}
enum { DAMAGES = 7 };

ROLE(joiner_and_leaver) {
  CHECK_OK(smem_join(&error));
  if (*argument) CHECK_OK(allocate(argument, 1));
}

/* (a) Nobody uses it any more: it is made again. */
TEST(a_damaged_control_object_heals) {
  uint64_t index;
  for (int how = 0; how < DAMAGES; how++) {
    PLAY(joiner_and_leaver, "a"); /* the segment keeps the object there */
    damage(how);
    smem_code code = smem_last_index(&index, &error);
    CHECK_AMONG(CODE(OK) | CODE(CONTROL), code);
    CHECK_OK(find_id("a"));
    CHECK_OK(try_map("a"));
    CHECK_EQUAL(1, count_listed());
    CHECK_EQUAL(1, allocate_number(1));
    check_joined();
    CHECK_OK(free_id("a"));
    CHECK_OK(free_id("1"));
    CHECK_OK(smem_leave(&error));
    CHECK_EQUAL(0, count_objects());
  }
}

/* (b) Others are there: told so, and no harm done to what exists. */
ROLE(latecomer) {
  int how = atoi(argument);
  uint64_t index;
  smem_code code = smem_join(&error);
  /* An empty object may be filled: its former users notice. */
  CHECK_AMONG(how == 0 ? CODE(OK) | CODE(CONTROL) : CODE(CONTROL), code);
  if (code == SMEM_CONTROL) {
    CHECK(strstr(message(), "SHAREDMEMORY_NAMESPACE") != NULL);
    CHECK_CODE(SMEM_CONTROL, allocate("b", 1));
    CHECK_AMONG(CODE(OK) | CODE(CONTROL), smem_last_index(&index, &error));
  }
  CHECK_OK(find_id("a"));
  CHECK_OK(try_map("a"));
  CHECK_OK(smem_leave(&error));
}

TEST(a_damaged_control_object_in_use) {
  for (int how = 0; how < DAMAGES; how++) {
    char text[16];
    CHECK_OK(allocate("a", 1));
    *map("a") = 6;
    damage(how);
    snprintf(text, sizeof text, "%d", how);
    PLAY(latecomer, text);
    CHECK_EQUAL(6, *map("a"));
    CHECK_OK(allocate("c", 1)); /* who was there goes on */
    check_joined();
    CHECK_OK(free_id("c"));
    CHECK_OK(free_id("a"));
    CHECK_OK(smem_leave(&error));
    CHECK_EQUAL(0, count_objects());
  }
}

/* Counters that were tampered with. */
TEST(a_counter_beyond_all_numbers) {
  uint64_t word = UINT64_MAX - 5, index;
  CHECK_EQUAL(1, allocate_number(1));
  write_at(control_path(), 24, &word, 8);
  CHECK_AMONG(CODE(OK) | CODE(CONTROL), smem_last_index(&index, &error));
  CHECK_EQUAL(2, allocate_number(1)); /* healed, as nobody else is there */
  clean_namespace();
}

TEST(the_counter_is_used_up) {
  uint64_t word = SMEM_MAX_NUMBER - 2;
  smem_request request = SMEM_REQUEST_INIT(1, NULL);
  CHECK_OK(smem_join(&error));
  write_at(control_path(), 24, &word, 8);
  smem_code code = SMEM_OK;
  for (int i = 0; i < 4 && code == SMEM_OK; i++)
    code = smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error);
  CHECK_CODE(SMEM_CONTROL, code);
  CHECK_OK(allocate("a", 1));
  clean_namespace();
}

TEST(a_presence_counter_beyond_its_range) {
  const uint64_t words[] = {LOCK_PRESENCES - 1, LOCK_PRESENCES,
                            (uint64_t)1 << 63, UINT64_MAX};
  for (int i = 0; i < 4; i++) {
    process_id other = START(present_owner, "a");
    await_flag(0, i + 1);
    write_at(control_path(), 32, &words[i], 8);
    if (smem_join(&error) == SMEM_OK) {
      struct footer footer;
      CHECK_OK(allocate("b", 1));
      read_footer_of("b", &footer);
      CHECK(footer.owner.presence < LOCK_PRESENCES); /* where others look */
      CHECK_OK(free_id("b"));
    }
    kill_process(other);
    finish(other);
    CHECK_OK(free_id("a"));
    clean_namespace();
  }
}

/* ---- planted in its place ------------------------------------------------ */

static void check_unusable(void) {
  uint64_t index;
  CHECK_CODE(SMEM_CONTROL, smem_join(&error));
  CHECK_CODE(SMEM_CONTROL, allocate("a", 1));
  CHECK_CODE(SMEM_CONTROL, smem_last_index(&index, &error));
  CHECK(strstr(message(), "SHAREDMEMORY_NAMESPACE") != NULL);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_EQUAL(0, count_listed());
}

TEST(planted_for_the_control_object) {
  CHECK(mkdir(control_path(), 0700) == 0);
  check_unusable();
  CHECK(rmdir(control_path()) == 0);
  CHECK(mkfifo(control_path(), 0600) == 0);
  check_unusable();
  CHECK(unlink(control_path()) == 0);
  CHECK(symlink("/tmp/smem-nowhere", control_path()) == 0);
  check_unusable();
  CHECK(!path_exists("/tmp/smem-nowhere"));
  CHECK(unlink(control_path()) == 0);
  CHECK_OK(smem_join(&error));
}

/* ---- damaged at the end -------------------------------------------------- */

/* What is ours is freed at the end all the same. */
TEST(the_end_with_a_damaged_control_object) {
  process_id other = START(present_owner, "b");
  await_flag(0, 1);
  CHECK_OK(allocate_for_process("a"));
  write_at(control_path(), 0, "damaged!", 8);
  smem_stop();
  CHECK(!path_exists(segment_path("a")));
  CHECK(path_exists(segment_path("b")));
  kill_process(other);
  finish(other);
  clean_namespace();
}

#else
typedef int not_posix;
#endif
