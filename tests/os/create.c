/* Objects come into being, or do not. */
#include "contract.h"

static void discard(const char *name, os_object object) {
  CHECK_DONE(smem__os_object_remove(name));
  smem__os_object_close(object);
}

/* ---- smem__os_object_create ---------------------------------------------- */

ROLE(finds_it_incomplete) { CHECK_EQUAL(OS_INCOMPLETE, look(own_name("a"))); }

CONTRACT(smem__os_object_create, shows_an_incomplete_object) {
  os_object object = make_incomplete(own_name("a")), other;
  os_info info;
  CHECK_STATUS(OS_INCOMPLETE,
               smem__os_object_open(own_name("a"), false, &other, &info));
  CHECK_EQUAL(smem__os_user(), info.user);
  CHECK_STATUS(OS_INCOMPLETE, smem__os_object_stat(own_name("a"), &info));
  PLAY(finds_it_incomplete, "");
  discard(own_name("a"), object);
}

CONTRACT(smem__os_object_create, refuses_a_name_that_is_taken) {
  os_object other, object = make_incomplete(own_name("a"));
  os_status status =
      smem__os_object_create(own_name("a"), object_size(), &other);
  CHECK(status.code == OS_EXISTS || status.code == OS_BUSY);
  publish(object);
  CHECK_DONE(smem__os_object_keep(own_name("a"), object));
  smem__os_object_close(object);
  os_info before = info_of(own_name("a"));
  CHECK_STATUS(OS_EXISTS,
               smem__os_object_create(own_name("a"), object_size(), &other));
  os_info after = info_of(own_name("a"));
  CHECK(memcmp(before.identity, after.identity, sizeof after.identity) == 0);
  CHECK_DONE(smem__os_object_remove(own_name("a")));
}

/* Without a look at it they would be there at its first use, which may be late.
 */
CONTRACT(smem__os_object_reserve, reserves_all_bytes) {
  os_object object = make(own_name("a"));
  os_info info = info_of(own_name("a"));
#ifndef __APPLE__
  CHECK(info.resident >= info.size);
#endif
  unsigned char *at = map_object(object, OS_READ_WRITE);
  for (uint64_t i = 0; i < object_size() - TAIL; i++) CHECK(at[i] == 0);
  memset(at, 1, (size_t)object_size() - TAIL);
  smem__os_unmap(at, object_size());
  unmake(object);
}

/* Created and reserved; what could not be is removed again. */
static os_status create_in_full(uint64_t size, os_interrupted interrupted) {
  os_object object;
  os_status status = smem__os_object_create(own_name("a"), size, &object);
  if (status.code != OS_OK) return status;
  status =
      smem__os_object_reserve(object, size, smem__os_largest(), interrupted);
  CHECK_EQUAL(OS_INCOMPLETE, look(own_name("a")));
  discard(own_name("a"), object);
  return status;
}

CONTRACT(smem__os_object_reserve, says_that_there_is_no_space) {
  CHECK_STATUS(OS_NO_SPACE, create_in_full(UINT64_C(1) << 62, NULL));
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
  discard(own_name("a"), make(own_name("a")));
}

static int times_asked;
static bool interrupted(void) { return ++times_asked > 0; }

/* Whoever reserves all of it at once has nothing to ask between. */
CONTRACT(smem__os_object_reserve, is_interrupted) {
  const uint64_t size = UINT64_C(80) << 20;
  if (smem__os_free_space("", NULL, 0) < 2 * size)
    test_skip("too little shared memory");
  os_status status = create_in_full(size, interrupted);
  if (times_asked == 0)
    CHECK_DONE(status);
  else
    CHECK_STATUS(OS_INTERRUPTED, status);
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
        smem__os_object_create(own_name("a"), object_size(), &object);
    if (status.code == OS_OK) atomic_fetch_add(&shared->number[life % 32], 1);
    raise_flag(2);
    await_flag(2, CREATORS * (life + 1));
    CHECK(status.code == OS_OK || status.code == OS_EXISTS ||
          status.code == OS_BUSY);
    CHECK_EQUAL(1 + (uint64_t)life / 32, shared->number[life % 32]);
    if (status.code == OS_OK) discard(own_name("a"), object);
  }
}

CONTRACT(smem__os_object_create, has_one_winner) {
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
CONTRACT(smem__os_object_create, leaves_something_incomplete_when_killed) {
  process_id creator = START(dies_half_way, "");
  await_flag(0, 1);
  kill_process(creator);
  finish(creator);
  CHECK_EQUAL(OUTLIVES ? OS_INCOMPLETE : OS_NOT_FOUND, look(own_name("a")));
  if (OUTLIVES) CHECK_DONE(smem__os_object_remove(own_name("a")));
  os_object object = make(own_name("a"));
  unmake(object);
}

/* ---- smem__os_object_publish --------------------------------------------- */

/* The word in which a seal may stand. */
static bool in_seal(int i) { return i >= TAIL - 16 && i < TAIL - 8; }

ROLE(reads_the_tail) {
  unsigned char tail[TAIL];
  os_object object = open_object(own_name("a"), false);
  CHECK_DONE(smem__os_object_read(object, object_size() - TAIL, tail, TAIL));
  for (int i = 0; i < TAIL; i++)
    CHECK_EQUAL(in_seal(i) ? 0 : i % 7 + 1, tail[i]);
  smem__os_object_close(object);
}

CONTRACT(smem__os_object_publish, makes_it_complete_with_the_tail) {
  unsigned char tail[TAIL];
  os_object object = make_incomplete(own_name("a"));
  for (int i = 0; i < TAIL; i++)
    tail[i] = (unsigned char)(in_seal(i) ? 0 : i % 7 + 1);
  CHECK_DONE(smem__os_object_publish(object, object_size(), tail, TAIL));
  CHECK_EQUAL(OS_OK, look(own_name("a")));
  PLAY(reads_the_tail, "");
  unmake(object);
}

ROLE(is_denied_it) {
  os_info info;
  become_another_user();
  CHECK_EQUAL(OS_DENIED, look(own_name("a")));
  os_status status = smem__os_object_stat(own_name("a"), &info);
  CHECK(status.code == OS_OK || status.code == OS_DENIED);
  CHECK_STATUS(OS_DENIED, smem__os_object_remove(own_name("a")));
}

CONTRACT(smem__os_object_publish, lets_nobody_else_in) {
  need_another_user();
  os_object object = make(own_name("a"));
  PLAY(is_denied_it, "");
  unmake(object);
}

#ifdef OS_LINUX
CONTRACT(smem__os_object_publish, lets_the_owner_in_under_any_umask) {
  const mode_t masks[] = {0777, 0277, 0};
  for (int i = 0; i < 3; i++) {
    umask(masks[i]);
    os_object object = make(own_name("a"));
    CHECK_EQUAL(0600, stat_of(file_of(own_name("a"))).st_mode & 07777);
    CHECK_EQUAL(OS_OK, look(own_name("a")));
    CHECK_DONE(smem__os_object_remove(own_name("a")));
    smem__os_object_close(object);
  }
}
#endif

/* ---- smem__os_object_claim ----------------------------------------------- */

static os_status claim(os_object *object, os_info *info) {
  return smem__os_object_claim(own_name("a"), object, info);
}

static void finds_it_held(bool incomplete) {
  os_object object;
  os_info info;
  CHECK_STATUS(OS_BUSY, claim(&object, &info));
  CHECK_EQUAL(incomplete, info.incomplete);
}
ROLE(finds_it_being_made) { finds_it_held(true); }
ROLE(finds_it_being_closed) { finds_it_held(false); }

CONTRACT(smem__os_object_claim, is_refused_while_its_creator_has_it) {
  os_object object = make_incomplete(own_name("a"));
  PLAY(finds_it_being_made, "");
  finds_it_held(true); /* also by a thread of this process */
  publish(object);
  if (OUTLIVES) PLAY(finds_it_being_closed, "");
  smem__os_object_close(object);
  if (OUTLIVES) CHECK_DONE(smem__os_object_remove(own_name("a")));
}

CONTRACT(smem__os_object_claim, tells_what_a_dead_creator_left) {
  os_object object;
  os_info info;
  process_id creator = START(dies_half_way, "");
  await_flag(0, 1);
  CHECK_STATUS(OS_BUSY, claim(&object, &info));
  kill_process(creator);
  finish(creator);
  os_status status = claim(&object, &info);
  CHECK_EQUAL(OUTLIVES ? OS_OK : OS_NOT_FOUND, status.code);
  if (!OUTLIVES) return;
  CHECK(info.incomplete);
  CHECK_DONE(smem__os_object_remove_own(own_name("a")));
  smem__os_object_close(object);
  CHECK_STATUS(OS_NOT_FOUND, claim(&object, &info));
}

ROLE(claims_it_and_dies) {
  os_object object;
  os_info info;
  CHECK_DONE(claim(&object, &info));
  raise_flag(0);
  await_flag(1, 1);
}

CONTRACT(smem__os_object_claim, excludes_others_until_it_is_closed) {
  os_object object, other;
  os_info info;
  os_object first = make(own_name("a"));
  CHECK_DONE(smem__os_object_keep(own_name("a"), first));
  smem__os_object_close(first);
  CHECK_DONE(claim(&object, &info));
  CHECK(!info.incomplete && info.size == object_size());
  if (OUTLIVES) {
    PLAY(finds_it_being_closed, "");
    CHECK_EQUAL(OS_OK,
                look(own_name("a"))); /* who only looks is not concerned */
  }
  smem__os_object_close(object);
  process_id owner = START(claims_it_and_dies, "");
  await_flag(0, 1);
  if (OUTLIVES) CHECK_STATUS(OS_BUSY, claim(&other, &info));
  kill_process(owner);
  finish(owner);
  CHECK_DONE(claim(&object, &info));
  CHECK_DONE(smem__os_object_remove_own(own_name("a")));
  smem__os_object_close(object);
}

ROLE(claims_anothers) {
  os_object object;
  os_info info;
  become_another_user();
  CHECK_STATUS(OS_DENIED, claim(&object, &info));
}

CONTRACT(smem__os_object_claim, refuses_what_is_anothers) {
  need_another_user();
  smem__os_object_close(make(own_name("a")));
  PLAY(claims_anothers, "");
  CHECK_DONE(smem__os_object_remove(own_name("a")));
}

/* Two who remove the same name, and one who makes it again and again: it loses
 * none that it has finished. */
enum { REMOVERS = 2, MADE = 300 };

ROLE(remover) {
  while (shared->flag[1] == 0) {
    os_object object;
    os_info info;
    if (claim(&object, &info).code != OS_OK) continue;
    /* Only what is marked may go. */
    uint64_t mark = 0;
    if (!info.incomplete)
      CHECK_DONE(smem__os_object_read(object, 0, &mark, sizeof mark));
    if (info.incomplete || mark) smem__os_object_remove_own(own_name("a"));
    smem__os_object_close(object);
  }
}

CONTRACT(smem__os_object_claim, removes_only_what_it_holds) {
  if (!OUTLIVES) test_skip("there objects go with their processes");
  process_id removers[REMOVERS];
  uint64_t mark = 1;
  for (int i = 0; i < REMOVERS; i++) removers[i] = START(remover, "");
  for (int made = 0; made < MADE;) {
    os_object object;
    if (smem__os_object_create(own_name("a"), object_size(), &object).code !=
        OS_OK)
      continue;
    CHECK_DONE(smem__os_object_reserve(object, object_size(),
                                       smem__os_largest(), NULL));
    publish(object);
    smem__os_object_close(object);
    sleep_ms(made % 7 == 0);
    object = open_object(own_name("a"), true); /* it is still there */
    CHECK_DONE(smem__os_object_write(object, 0, &mark, sizeof mark));
    smem__os_object_close(object);
    made++;
  }
  raise_flag(1);
  for (int i = 0; i < REMOVERS; i++) FINISH(removers[i]);
  smem__os_object_remove(own_name("a"));
}
