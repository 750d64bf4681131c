/* Waiting for a word that processes share. */
#include "contract.h"

enum { MILLISECOND = 1000 * 1000 };

static uint64_t in_ms(uint64_t milliseconds) {
  return smem__os_steady_clock() + milliseconds * MILLISECOND;
}

static os_object object;
static _Atomic uint32_t *words; /* at the end of an object */

static void map_words(bool fresh) {
  void *address;
  object = fresh ? make(own_name("a")) : open_object(own_name("a"), true);
  CHECK_DONE(smem__os_object_map_end(object, object_size(), &address));
  words = address;
}

static void make_words(void) {
  map_words(true);
  words[0] = 3;
}

static void unmap_words(void) {
  smem__os_unmap((void *)words, smem__os_page_size());
  smem__os_object_close(object);
}

static void remove_words(void) {
  CHECK_DONE(smem__os_object_remove(own_name("a")));
  unmap_words();
}

/* ---- smem__os_object_map_end --------------------------------------------- */

ROLE(writes_to_the_last_page) {
  map_words(false);
  CHECK_EQUAL(7, words[0]);
  words[0] = 8;
  unmap_words();
}

CONTRACT(smem__os_object_map_end, is_the_last_page_of_the_object) {
  map_words(true);
  unsigned char *all = map_object(object, OS_READ_WRITE);
  words[0] = 7;
  CHECK_EQUAL(
      7, *(uint32_t *)(void *)(all + object_size() - smem__os_page_size()));
  PLAY(writes_to_the_last_page, "");
  CHECK_EQUAL(8, words[0]);
  smem__os_unmap(all, object_size());
  CHECK_EQUAL(8, words[0]);
  remove_words();
}

/* What stands there is not a part of what the object is. */
CONTRACT(smem__os_object_map_end, live_bytes_do_not_count_in_the_identity) {
  map_words(true);
  os_info before = info_of(own_name("a"));
  unsigned char *live = (unsigned char *)words + smem__os_page_size() - 16;
  for (int i = 1; i <= OS_TAIL_LIVE; i++) live[-i] ^= 1;
  os_info after = info_of(own_name("a"));
  CHECK(memcmp(before.identity, after.identity, sizeof before.identity) == 0);
  remove_words();
}

/* ---- smem__os_wait, smem__os_wake ---------------------------------------- */

CONTRACT(smem__os_wait, tells_of_the_deadline) {
  make_words();
  uint64_t before = smem__os_steady_clock();
  while (!smem__os_wait(&words[0], 3, 1, before + 30 * MILLISECOND)) continue;
  CHECK(smem__os_steady_clock() >= before + 30 * MILLISECOND);
  CHECK(smem__os_wait(&words[0], 3, 1, before)); /* long over */
  remove_words();
}

CONTRACT(smem__os_wait, does_not_sleep_on_another_value) {
  make_words();
  CHECK(!smem__os_wait(&words[0], 4, 1, in_ms(60000)));
  remove_words();
}

/* Until the word has another value; raises flag 1 then. */
static void wait_for_change(uint32_t bits) {
  map_words(false);
  raise_flag(0);
  while (words[0] == 3) smem__os_wait(&words[0], 3, bits, in_ms(60000));
  raise_flag(1);
  unmap_words();
}
ROLE(waits) { wait_for_change(1); }
ROLE(waits_for_others) { wait_for_change(2); }

static void await_sleepers(int count) {
  await_flag(0, count);
  sleep_ms(20);
}

CONTRACT(smem__os_wake, wakes_another_process) {
  make_words();
  process_id other = START(waits, "");
  await_sleepers(1);
  words[0] = 4;
  smem__os_wake(&words[0], 1, false);
  FINISH(other);
  remove_words();
}

CONTRACT(smem__os_wake, wakes_all) {
  process_id others[3];
  make_words();
  for (int i = 0; i < 3; i++) others[i] = START(waits, "");
  await_sleepers(3);
  words[0] = 4;
  smem__os_wake(&words[0], 1, true);
  for (int i = 0; i < 3; i++) FINISH(others[i]);
  remove_words();
}

/* A process that waits for something else does not take the wake away. */
CONTRACT(smem__os_wake, chooses_by_bits) {
  make_words();
  process_id first = START(waits_for_others, "");
  await_sleepers(1);
  process_id second = START(waits, "");
  await_sleepers(2);
  words[0] = 4;
  smem__os_wake(&words[0], 1, false);
  FINISH(second);
  smem__os_wake(&words[0], 2, false);
  FINISH(first);
  remove_words();
}
