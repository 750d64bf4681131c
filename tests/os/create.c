/* Objects come into being, or do not. */
#include "contract.h"

/* ---- os_object_create ---------------------------------------------------- */

ROLE(finds_it_incomplete) { CHECK_EQUAL(OS_INCOMPLETE, look(own_name("a"))); }

CONTRACT(os_object_create, shows_an_incomplete_object) {
  os_object object = make_incomplete(own_name("a")), other;
  os_info info;
  CHECK_STATUS(OS_INCOMPLETE,
               os_object_open(own_name("a"), false, &other, &info));
  CHECK_EQUAL(os_user(), info.user);
  CHECK_STATUS(OS_INCOMPLETE, os_object_stat(own_name("a"), &info));
  PLAY(finds_it_incomplete, "");
  os_object_discard(own_name("a"), object);
}

CONTRACT(os_object_create, refuses_a_name_that_is_taken) {
  os_object other, object = make_incomplete(own_name("a"));
  CHECK_STATUS(OS_EXISTS,
               os_object_create(own_name("a"), object_size(), NULL, &other));
  publish(object);
  os_info before = info_of(own_name("a"));
  CHECK_STATUS(OS_EXISTS,
               os_object_create(own_name("a"), object_size(), NULL, &other));
  os_info after = info_of(own_name("a"));
  CHECK(memcmp(before.identity, after.identity, sizeof after.identity) == 0);
  CHECK_DONE(os_object_remove(own_name("a")));
  os_object_close(object);
}

/* Without a look at it they would be there at its first use, which may be late.
 */
CONTRACT(os_object_create, reserves_all_bytes) {
  os_object object = make(own_name("a"));
  os_info info = info_of(own_name("a"));
#ifndef __APPLE__
  CHECK(info.resident >= info.size);
#endif
  unsigned char *at = map_object(object, OS_READ_WRITE);
  for (uint64_t i = 0; i < object_size() - TAIL; i++) CHECK(at[i] == 0);
  memset(at, 1, (size_t)object_size() - TAIL);
  os_unmap(at, object_size());
  CHECK_DONE(os_object_remove(own_name("a")));
  os_object_close(object);
}

CONTRACT(os_object_create, leaves_nothing_when_there_is_no_space) {
  os_object object;
  CHECK_STATUS(OS_NO_SPACE, os_object_create(own_name("a"), UINT64_C(1) << 62,
                                             NULL, &object));
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
  object = make(own_name("a"));
  CHECK_DONE(os_object_remove(own_name("a")));
  os_object_close(object);
}

static int times_asked;
static bool interrupted(void) { return ++times_asked > 0; }

/* Who reserves all of it at once has nothing to ask between. */
CONTRACT(os_object_create, leaves_nothing_when_it_is_interrupted) {
  const uint64_t size = UINT64_C(80) << 20;
  os_object object;
  if (os_free_space(NULL, 0) < 2 * size) test_skip("too little shared memory");
  os_status status =
      os_object_create(own_name("a"), size, interrupted, &object);
  if (times_asked == 0) {
    CHECK_DONE(status);
    os_object_discard(own_name("a"), object);
  } else {
    CHECK_STATUS(OS_INTERRUPTED, status);
  }
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
}

enum { LIVES = 50, CREATORS = 3 };

/* It is the only one in each of the lives of the name. */
ROLE(rival) {
  for (int life = 0; life < LIVES; life++) {
    os_object object;
    raise_flag(1);
    await_flag(1, CREATORS * (life + 1));
    os_status status =
        os_object_create(own_name("a"), object_size(), NULL, &object);
    if (status.code == OS_OK) atomic_fetch_add(&shared->number[life % 32], 1);
    raise_flag(2);
    await_flag(2, CREATORS * (life + 1));
    CHECK(status.code == OS_OK || status.code == OS_EXISTS);
    CHECK_EQUAL(1 + (uint64_t)life / 32, shared->number[life % 32]);
    if (status.code == OS_OK) os_object_discard(own_name("a"), object);
  }
}

CONTRACT(os_object_create, has_one_winner) {
  process_id rivals[CREATORS];
  for (int i = 0; i < CREATORS; i++) rivals[i] = START(rival, "");
  for (int i = 0; i < CREATORS; i++) FINISH(rivals[i]);
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
}

ROLE(dies_half_way) {
  make_incomplete(own_name("a"));
  raise_flag(0);
  await_flag(1, 1);
}

/* What a creator leaves that was killed is never taken for complete. */
CONTRACT(os_object_create, leaves_something_incomplete_when_killed) {
  process_id creator = START(dies_half_way, "");
  await_flag(0, 1);
  kill_process(creator);
  finish(creator);
  CHECK_EQUAL(OUTLIVES ? OS_INCOMPLETE : OS_NOT_FOUND, look(own_name("a")));
  if (OUTLIVES) CHECK_DONE(os_object_remove(own_name("a")));
  os_object object = make(own_name("a"));
  CHECK_DONE(os_object_remove(own_name("a")));
  os_object_close(object);
}

/* ---- os_object_publish --------------------------------------------------- */

/* The word in which a seal may stand. */
static bool in_seal(int i) { return i >= TAIL - 16 && i < TAIL - 8; }

ROLE(reads_the_tail) {
  unsigned char tail[TAIL];
  os_object object = open_object(own_name("a"), false);
  CHECK_DONE(os_object_read(object, object_size() - TAIL, tail, TAIL));
  for (int i = 0; i < TAIL; i++)
    CHECK_EQUAL(in_seal(i) ? 0 : i % 7 + 1, tail[i]);
  os_object_close(object);
}

CONTRACT(os_object_publish, makes_it_complete_with_the_tail) {
  unsigned char tail[TAIL];
  os_object object = make_incomplete(own_name("a"));
  for (int i = 0; i < TAIL; i++)
    tail[i] = (unsigned char)(in_seal(i) ? 0 : i % 7 + 1);
  CHECK_DONE(os_object_publish(object, object_size(), tail, TAIL));
  CHECK_EQUAL(OS_OK, look(own_name("a")));
  PLAY(reads_the_tail, "");
  CHECK_DONE(os_object_remove(own_name("a")));
  os_object_close(object);
}

ROLE(is_denied_it) {
  os_info info;
  become_another_user();
  CHECK_EQUAL(OS_DENIED, look(own_name("a")));
  os_status status = os_object_stat(own_name("a"), &info);
  CHECK(status.code == OS_OK || status.code == OS_DENIED);
  CHECK_STATUS(OS_DENIED, os_object_remove(own_name("a")));
}

CONTRACT(os_object_publish, lets_nobody_else_in) {
  need_another_user();
  os_object object = make(own_name("a"));
  PLAY(is_denied_it, "");
  CHECK_DONE(os_object_remove(own_name("a")));
  os_object_close(object);
}

#ifdef OS_LINUX
CONTRACT(os_object_publish, lets_the_owner_in_under_any_umask) {
  const mode_t masks[] = {0777, 0277, 0};
  for (int i = 0; i < 3; i++) {
    umask(masks[i]);
    os_object object = make(own_name("a"));
    CHECK_EQUAL(0600, stat_of(file_of(own_name("a"))).st_mode & 07777);
    CHECK_EQUAL(OS_OK, look(own_name("a")));
    CHECK_DONE(os_object_remove(own_name("a")));
    os_object_close(object);
  }
}
#endif

/* ---- os_object_discard --------------------------------------------------- */

CONTRACT(os_object_discard, removes_and_closes) {
#ifdef __linux__
  size_t before = count_descriptors();
#endif
  for (int i = 0; i < 3; i++) {
    os_object_discard(own_name("a"), make_incomplete(own_name("a")));
    CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
  }
#ifdef __linux__
  CHECK_EQUAL(before, count_descriptors());
#endif
}
