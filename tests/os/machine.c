/* The machine: clocks, pages, chance, limits, texts. */
#include "contract.h"

#include <time.h>

/* ---- errors -------------------------------------------------------------- */

CONTRACT(smem__os_error_text, always_ends) {
  char text[200];
  const int numbers[] = {1, 2, 12, 123456};
  for (int i = 0; i < 4; i++) {
    memset(text, 'x', sizeof text);
    smem__os_error_text(numbers[i], text, sizeof text);
    CHECK(memchr(text, '\0', sizeof text) != NULL && strlen(text) > 0);
    memset(text, 'x', sizeof text);
    smem__os_error_text(numbers[i], text, 5);
    CHECK(memchr(text, '\0', 5) != NULL && text[5] == 'x');
  }
}

/* ---- clocks -------------------------------------------------------------- */

static const uint64_t second = 1000000000u;

CONTRACT(smem__os_wall_clock, is_the_time_of_day) {
  uint64_t system = (uint64_t)time(NULL), ours = smem__os_wall_clock() / second;
  CHECK(ours + 60 > system && ours < system + 60);
}

CONTRACT(smem__os_steady_clock, never_goes_back) {
  uint64_t last = smem__os_steady_clock();
  for (int i = 0; i < 10000; i++) {
    uint64_t now = smem__os_steady_clock();
    CHECK(now >= last);
    last = now;
  }
}

/* The two clocks may differ a little, and one may be coarse. */
CONTRACT(smem__os_sleep, takes_the_time) {
  const uint64_t start = smem__os_steady_clock(), time = second / 10;
  smem__os_sleep(time);
  CHECK(smem__os_steady_clock() - start >= time / 10 * 9);
  smem__os_sleep(0);
}

/* ---- pages, chance ------------------------------------------------------- */

CONTRACT(smem__os_page_size, is_a_power_of_two) {
  uint64_t size = smem__os_page_size();
  CHECK(size >= 4096 && (size & (size - 1)) == 0);
  CHECK_EQUAL(size, smem__os_page_size());
}

CONTRACT(smem__os_entropy, differs_each_time) {
  uint64_t numbers[100];
  for (int i = 0; i < 100; i++) {
    numbers[i] = smem__os_entropy();
    for (int j = 0; j < i; j++) CHECK(numbers[i] != numbers[j]);
  }
}

/* ---- places, limits ------------------------------------------------------ */

ROLE(is_in_the_same_place) {
  uint64_t place[2];
  CHECK_DONE(smem__os_place("", place));
  CHECK_EQUAL(shared->number[0], place[0]);
  CHECK_EQUAL(shared->number[1], place[1]);
}

CONTRACT(smem__os_place, is_the_same_for_all) {
  uint64_t place[2];
  CHECK_DONE(smem__os_place("", place));
  shared->number[0] = place[0];
  shared->number[1] = place[1];
  is_in_the_same_place("");
  PLAY(is_in_the_same_place, "");
}

/* Where objects lie if one says so, and the system can do it. */
#ifdef _WIN32
#define ELSEWHERE "C:/"
#else
#define ELSEWHERE temporary_directory()
#endif

CONTRACT(smem__os_place, is_another_in_a_directory) {
  uint64_t usual[2], there[2];
  CHECK_DONE(smem__os_place("", usual));
  CHECK_DONE(smem__os_place(ELSEWHERE, there));
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)
  CHECK(usual[0] == there[0] && usual[1] != there[1]);
#else
  CHECK(usual[0] == there[0] && usual[1] == there[1]);
#endif
}

CONTRACT(smem__os_directory, is_its_path_or_a_reason) {
  char real[OS_DIRECTORY_MAX + 1];
  const char *why = NULL;
  CHECK(smem__os_directory("relative", real, &why).code != OS_OK && why);
  why = NULL;
  os_status status = smem__os_directory(ELSEWHERE, real, &why);
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)
  CHECK_DONE(status);
  CHECK(real[0] == '/' && strlen(real) <= OS_DIRECTORY_MAX);
#else
  CHECK(status.code == OS_UNSUPPORTED && why);
#endif
}

CONTRACT(smem__os_directory_is_safe, of_no_link_and_no_relative_path) {
  CHECK(!smem__os_directory_is_safe("relative"));
  CHECK(!smem__os_directory_is_safe("/nowhere/at/all"));
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)
  char real[OS_DIRECTORY_MAX + 1];
  const char *why;
  CHECK_DONE(smem__os_directory(ELSEWHERE, real, &why));
  CHECK(smem__os_directory_is_safe(real));
  CHECK(!smem__os_directory_is_safe("/proc/self/cwd"));
#endif
}

CONTRACT(smem__os_free_space, is_room_for_an_object) {
  CHECK(smem__os_free_space("", NULL, 0) > 0);
  os_object object = make(own_name("a"));
  unmake(object);
}

CONTRACT(smem__os_has_room, is_of_as_much_as_is_free) {
  CHECK(smem__os_has_room("", 0));
  CHECK(smem__os_has_room("", 1));
  uint64_t room = smem__os_free_space("", NULL, 0);
  if (room < UINT64_MAX / 2) CHECK(!smem__os_has_room("", 2 * room));
}

CONTRACT(smem__os_largest, is_room_for_an_object) {
  CHECK(smem__os_largest() > 0);
}

CONTRACT(smem__os_capacity, is_as_large_as_what_is_used) {
  uint64_t capacity = 0, used = UINT64_MAX - 1;
  smem__os_capacity("", &capacity, &used);
  CHECK(capacity > 0 && used <= capacity);
  CHECK((capacity == UINT64_MAX) == (used == UINT64_MAX));
}

CONTRACT(smem__os_mapping_counts, has_room_for_more) {
  uint64_t most = 0, own = UINT64_MAX - 1;
  smem__os_mapping_counts(&most, &own);
  CHECK(most == UINT64_MAX || own == UINT64_MAX || own < most);
  CHECK(most > 0);
}

CONTRACT(smem__os_cleans_at_logout, spares_the_users_of_the_system) {
  CHECK(smem__os_user() >= 1000 || !smem__os_cleans_at_logout());
}
