/* Objects are opened, looked at, closed. */
#include "contract.h"

#ifdef OS_POSIX
#include "../harness/faults.h"

#include <sys/resource.h>
#else
#include <windows.h>
#endif

/* ---- smem__os_object_open ------------------------------------------------ */

CONTRACT(smem__os_object_open, tells_what_is_not_there) {
  os_object object;
  os_info info;
  CHECK_STATUS(OS_NOT_FOUND,
               smem__os_object_open(own_name("a"), false, &object, &info));
  CHECK_STATUS(OS_NOT_FOUND,
               smem__os_object_open("raw.not-there", true, &object, &info));
}

ROLE(sees_the_same) {
  os_object object;
  os_info info;
  CHECK_DONE(smem__os_object_open(own_name("a"), false, &object, &info));
  CHECK_EQUAL(shared->number[0], info.size);
  CHECK_EQUAL(shared->number[1], info.identity[0]);
  CHECK_EQUAL(shared->number[2], info.identity[1]);
  CHECK_EQUAL(smem__os_user(), info.user);
  smem__os_object_close(object);
}

CONTRACT(smem__os_object_open, tells_what_it_is) {
  os_object made = make(own_name("a")), object;
  os_info info;
  CHECK_DONE(smem__os_object_open(own_name("a"), true, &object, &info));
  CHECK_EQUAL(object_size(), info.size);
  CHECK_EQUAL(smem__os_user(), info.user);
  CHECK(!info.unlinked && !info.directory);
  shared->number[0] = info.size;
  shared->number[1] = info.identity[0];
  shared->number[2] = info.identity[1];
  PLAY(sees_the_same, "");
  unmake(object);
  smem__os_object_close(made);
}

/* Also one that comes at once in the place of another. */
CONTRACT(smem__os_object_open, gives_each_its_own_identity) {
  os_object first = make(own_name("a"));
  os_info before = info_of(own_name("a"));
  unmake(first);
  os_object second = make(own_name("a"));
  os_info after = info_of(own_name("a"));
  CHECK(memcmp(before.identity, after.identity, sizeof after.identity) != 0);
  unmake(second);
}

CONTRACT(smem__os_object_open, for_reading_is_for_reading_only) {
  os_object made = make(own_name("a"));
  os_object object = open_object(own_name("a"), false);
  void *address;
  unsigned char byte = 1;
  CHECK(smem__os_object_map(object, object_size(), OS_READ_WRITE, &address)
            .code != OS_OK);
  CHECK(address == NULL);
  CHECK(smem__os_object_write(object, 0, &byte, 1).code != OS_OK);
  CHECK_DONE(smem__os_object_read(object, 0, &byte, 1));
  CHECK_EQUAL(0, byte);
  unmake(object);
  smem__os_object_close(made);
}

/* Of another program, it is complete from its first byte on. */
#ifdef OS_POSIX
static const char *raw_name(void) {
  static char name[64];
  snprintf(name, sizeof name, "raw.%s.a", getenv("SHAREDMEMORY_NAMESPACE"));
  return name;
}

#ifdef __linux__
CONTRACT(smem__os_object_open, takes_another_programs_object_as_it_is) {
  os_object object;
  os_info info;
  plant_file(file_of(raw_name()), "hello", 0600);
  CHECK_DONE(smem__os_object_open(raw_name(), false, &object, &info));
  CHECK_EQUAL(5, info.size);
  smem__os_object_close(object);
  CHECK(truncate(file_of(raw_name()), 0) == 0);
  CHECK_DONE(smem__os_object_stat(raw_name(), &info));
  CHECK_EQUAL(0, info.size);
  CHECK_DONE(smem__os_object_remove(raw_name()));
}

CONTRACT(smem__os_object_open, neither_follows_a_link_nor_blocks) {
  const char *path = file_of(own_name("a"));
  CHECK(symlink("/dev/null", path) == 0);
  CHECK_EQUAL(OS_NOT_REGULAR, look(own_name("a")));
  CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
  CHECK_EQUAL(OS_NOT_REGULAR, look(own_name("a")));
  CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
  CHECK_EQUAL(OS_NOT_REGULAR, look(own_name("a")));
  CHECK(rmdir(path) == 0);
}
#endif

CONTRACT(smem__os_object_open, tells_that_descriptors_are_used_up) {
  os_object made = make(own_name("a"));
  struct rlimit limit, none;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  none = limit;
  none.rlim_cur = 3;
  CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
  os_code opened = look(own_name("a"));
  os_status created = {OS_TOO_MANY_FILES, 0};
#ifndef TEST_VALGRIND /* creates it, and then refuses the descriptor */
  os_object other;
  created = smem__os_object_create(own_name("b"), object_size(), &other);
#endif
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK_EQUAL(OS_TOO_MANY_FILES, opened);
  CHECK_STATUS(OS_TOO_MANY_FILES, created);
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("b")));
  unmake(made);
}

/* Whatever fails in it, it says so, and has nothing open then. */
CONTRACT(smem__os_object_open, fails_cleanly_at_each_system_call) {
  os_object made = make(own_name("a"));
  bool struck = true;
  for (unsigned long at = 1; struck; at++) {
    size_t before = count_descriptors();
    fault_arm(FAULT_ERROR, at);
    os_code code = look(own_name("a"));
    struck = fault_disarm();
    CHECK(struck ? code != OS_OK || strcmp(fault_place(), "close") == 0 ||
                       strcmp(fault_place(), "munmap") == 0
                 : code == OS_OK);
    CHECK_EQUAL(before, count_descriptors());
  }
  unmake(made);
}
#else
CONTRACT(smem__os_object_open, tells_that_another_kind_of_object_has_the_name) {
  char name[100];
  snprintf(name, sizeof name, "Local\\%s", own_name("a"));
  HANDLE event = CreateEventA(NULL, FALSE, FALSE, name);
  CHECK(event != NULL);
  CHECK_EQUAL(OS_NOT_REGULAR, look(own_name("a")));
  os_object object;
  CHECK_STATUS(OS_EXISTS,
               smem__os_object_create(own_name("a"), object_size(), &object));
  CloseHandle(event);
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
}
#endif

/* ---- smem__os_object_stat ------------------------------------------------ */

CONTRACT(smem__os_object_stat, tells_the_same_without_opening) {
  os_object made = make(own_name("a"));
  os_object object;
  os_info opened, info;
  CHECK_DONE(smem__os_object_open(own_name("a"), false, &object, &opened));
  smem__os_object_close(object);
  CHECK_DONE(smem__os_object_stat(own_name("a"), &info));
  CHECK_EQUAL(opened.size, info.size);
  CHECK_EQUAL(opened.user, info.user);
  CHECK_EQUAL(opened.identity[0], info.identity[0]);
  CHECK_EQUAL(opened.identity[1], info.identity[1]);
  unmake(made);
  CHECK_STATUS(OS_NOT_FOUND, smem__os_object_stat(own_name("a"), &info));
}

#ifdef OS_LINUX
CONTRACT(smem__os_object_stat, tells_what_else_it_is) {
  const char *path = file_of(own_name("a"));
  os_info info;
  CHECK(mkdir(path, 0700) == 0);
  CHECK_STATUS(OS_NOT_REGULAR, smem__os_object_stat(own_name("a"), &info));
  CHECK(info.directory);
  CHECK_EQUAL(smem__os_user(), info.user);
  CHECK(smem__os_object_remove(own_name("a")).code != OS_OK);
  CHECK(rmdir(path) == 0);
}
#endif

/* ---- smem__os_object_close ----------------------------------------------- */

CONTRACT(smem__os_object_close, keeps_nothing_open) {
  os_object made = make(own_name("a"));
#ifdef __linux__
  size_t before = count_descriptors();
#endif
  for (int i = 0; i < 100; i++)
    smem__os_object_close(open_object(own_name("a"), i % 2));
#ifdef __linux__
  CHECK_EQUAL(before, count_descriptors());
#endif
  unmake(made);
}

/* ---- smem__os_object_keep ------------------------------------------------ */

ROLE(finds_it) { CHECK_EQUAL(OS_OK, look(own_name("a"))); }

CONTRACT(smem__os_object_keep, keeps_it_until_it_is_removed) {
  os_object object = make(own_name("a"));
  CHECK_DONE(smem__os_object_keep(own_name("a"), object));
  smem__os_object_close(object);
  CHECK_EQUAL(OS_OK, look(own_name("a")));
  PLAY(finds_it, "");
  CHECK_DONE(smem__os_object_remove(own_name("a")));
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
}

ROLE(keeps_it_and_dies) {
  os_object object = make(own_name("a"));
  CHECK_DONE(smem__os_object_keep(own_name("a"), object));
  raise_flag(0);
  await_flag(1, 1);
}

CONTRACT(smem__os_object_keep, ends_with_the_process_or_not) {
  process_id other = START(keeps_it_and_dies, "");
  await_flag(0, 1);
  kill_process(other);
  finish(other);
  CHECK_EQUAL(OUTLIVES ? OS_OK : OS_NOT_FOUND, look(own_name("a")));
  if (OUTLIVES) CHECK_DONE(smem__os_object_remove(own_name("a")));
}
