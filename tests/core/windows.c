/* Windows, where a segment lives as long as some process has it open. */
#ifdef _WIN32

#include "test.h"

#include <windows.h>

/* ---- life with and without its maker ------------------------------------- */

ROLE(maker) {
  CHECK_OK(allocate(argument, 100));
  *map(argument) = 5;
  raise_flag(0);
  await_flag(1, 1);
}

TEST(it_dies_with_its_last_process) {
  for (int i = 0; i < 2; i++) {
    atomic_store(&shared->flag[0], 0);
    atomic_store(&shared->flag[1], 0);
    process_id other = START(maker, "a");
    await_flag(0, 1);
    CHECK_EQUAL(5, *map("a"));
    unmap_id("a");
    CHECK_EQUAL(SMEM_LIVE, listed_state("a"));
    if (i == 0)
      kill_process(other);
    else
      raise_flag(1);
    finish(other);
    CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
    CHECK_CODE(SMEM_NOT_FOUND, try_map("a"));
    CHECK_EQUAL(0, count_listed());
  }
}

TEST(a_mapping_keeps_it) {
  process_id other = START(maker, "a");
  await_flag(0, 1);
  unsigned char *at = map("a");
  kill_process(other);
  finish(other);
  CHECK_EQUAL(5, *at);
  CHECK_OK(find_id("a"));
  CHECK_OK(try_map("a"));
  unmap_id("a");
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
}

TEST(opening_it_keeps_it) {
  process_id other = START(maker, "a");
  await_flag(0, 1);
  CHECK_CODE(SMEM_EXISTS, allocate_exclusive("a", 100));
  CHECK_OK(allocate("a", 100));
  kill_process(other);
  finish(other);
  CHECK_EQUAL(5, *map("a"));
  CHECK_OK(free_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
}

TEST(unmapping_does_not_end_it) {
  CHECK_OK(allocate("a", 1));
  *map("a") = 3;
  unmap_id("a");
  CHECK_OK(find_id("a"));
  CHECK_EQUAL(3, *map("a"));
  CHECK_OK(free_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_OK(allocate_exclusive("a", 1));
  CHECK_EQUAL(0, *map("a"));
  CHECK_OK(free_id("a"));
}

/* Nothing can take the name from another process's hands. */
TEST(freed_while_another_has_it) {
  process_id other = START(maker, "a");
  await_flag(0, 1);
  *map("a") = 6;
  CHECK_OK(free_id("a"));
  CHECK_EQUAL(6, *map("a"));
  CHECK_OK(free_id("a"));
  raise_flag(1);
  FINISH(other);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
}

TEST(a_handle_keeps_it) {
  process_id other = START(maker, "a");
  await_flag(0, 1);
  smem_handle *handle = open_handle("a", SMEM_READ_WRITE);
  mail_reference("a");
  smem_reference reference = read_mail();
  kill_process(other);
  finish(other);
  CHECK_EQUAL(5, *(unsigned char *)handle->address);
  CHECK_OK(try_open_reference(&reference));
  CHECK_OK(find_id("a"));
  smem_close(handle);
  CHECK_CODE(SMEM_NOT_FOUND, try_open_reference(&reference));
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
}

ROLE(opens_reference) {
  smem_handle *handle;
  smem_reference reference = read_mail();
  CHECK_OK(smem_open_reference(&reference, SMEM_READ_WRITE, &handle, &error));
  *(unsigned char *)handle->address = 6;
  smem_close(handle);
  CHECK_OK(smem_open_reference(&reference, SMEM_PRIVATE, &handle, &error));
  CHECK_EQUAL(SMEM_PRIVATE, handle->access);
  *(unsigned char *)handle->address = 7;
  CHECK(smem_handle_is_written(handle));
  smem_close(handle);
  CHECK_OK(write_bytes("a", 1, "x", 1));
}

TEST(a_reference_between_processes) {
  unsigned char bytes[2];
  CHECK_OK(allocate("a", 100));
  mail_reference("a");
  PLAY(opens_reference, "");
  CHECK_OK(read_bytes("a", 0, bytes, 2));
  CHECK(bytes[0] == 6 && bytes[1] == 'x');
  CHECK_OK(free_id("a"));
  smem_reference reference = read_mail();
  CHECK_CODE(SMEM_NOT_FOUND, try_open_reference(&reference));
  CHECK_OK(allocate_exclusive("a", 100));
  CHECK_CODE(SMEM_REPLACED, try_open_reference(&reference));
  CHECK_OK(free_id("a"));
}

/* ---- other programs' objects --------------------------------------------- */

static HANDLE make_raw(const char *word, DWORD size) {
  char name[80];
  snprintf(name, sizeof name, "Local\\%s", raw_id(word) + 1);
  HANDLE section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL,
                                      PAGE_READWRITE, 0, size, name);
  CHECK(section != NULL && GetLastError() != ERROR_ALREADY_EXISTS);
  return section;
}

ROLE(other_program) {
  HANDLE section = make_raw("a", 5000);
  char *at = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
  CHECK(at != NULL);
  strcpy(at, "from another program");
  raise_flag(0);
  await_flag(1, 1);
  CHECK(strcmp(at, "from this program") == 0);
}

/* Its size is known in whole pages only. */
TEST(another_programs_object) {
  char text[32];
  uint64_t size;
  const char *id = raw_id("a");
  process_id other = START(other_program, "");
  await_flag(0, 1);
  CHECK_OK(find_id(id));
  CHECK_OK(smem_size(id, &size, &error));
  CHECK(size >= 5000 && size < 5000 + smem__os_page_size());
  CHECK_OK(read_bytes(id, 0, text, 21));
  CHECK(strcmp(text, "from another program") == 0);
  CHECK_CODE(SMEM_BOUNDS, read_bytes(id, size, text, 1));
  smem_handle *handle = open_handle(id, SMEM_PRIVATE);
  strcpy(handle->address, "mine");
  smem_close(handle);
  CHECK(strcmp((char *)map(id), text) == 0);
  CHECK_OK(write_bytes(id, 0, "from this program", 18));
  CHECK(strcmp((char *)map(id), "from this program") == 0);
  CHECK_CODE(SMEM_ARGUMENT, allocate(id, 1));
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(free_id(
      id)); /* gives up our mapping; the object is in the other's hands */
  CHECK(!smem__mapping_any());
  CHECK_OK(find_id(id));
  raise_flag(1);
  FINISH(other);
  CHECK_CODE(SMEM_NOT_FOUND, find_id(raw_id("a")));
  CHECK_CODE(SMEM_NOT_FOUND, try_open(raw_id("a"), SMEM_READ_ONLY));
}

/* One name space is for objects of all kinds; an event is not a section. */
TEST(other_objects_with_a_raw_name) {
  char name[80], byte;
  snprintf(name, sizeof name, "Local\\%s", raw_id("a") + 1);
  HANDLE event = CreateEventA(NULL, FALSE, FALSE, name);
  CHECK(event != NULL);
  CHECK_CODE(SMEM_CORRUPT, find_id(raw_id("a")));
  CHECK_CODE(SMEM_CORRUPT, try_map(raw_id("a")));
  CHECK_CODE(SMEM_CORRUPT, read_bytes(raw_id("a"), 0, &byte, 1));
  CloseHandle(event);
  CHECK_CODE(SMEM_NOT_FOUND, find_id(raw_id("a")));
}

/* ---- the counter --------------------------------------------------------- */

enum { PROCESSES = 4, EACH = 200 };

ROLE(counter) {
  int self = atoi(argument);
  for (int i = 0; i < EACH; i++) {
    uint64_t number = allocate_number(100);
    unsigned char *at = map(number_id(number));
    CHECK_EQUAL(0, *at); /* nobody else has it */
    *at = (unsigned char)(self + 1);
    atomic_fetch_add(&shared->number[0], number);
    if (i % 10 == 0) CHECK_OK(allocate("common", 100));
    if (i % 2) {
      CHECK_EQUAL(self + 1, *at);
      CHECK_OK(free_id(number_id(number)));
    }
  }
}

TEST(one_counter_for_all) {
  process_id processes[PROCESSES];
  uint64_t index;
  const uint64_t count = PROCESSES * EACH;
  CHECK_OK(smem_join(&error));
  for (int i = 0; i < PROCESSES; i++) {
    char text[16];
    snprintf(text, sizeof text, "%d", i);
    processes[i] = START(counter, text);
  }
  for (int i = 0; i < PROCESSES; i++) FINISH(processes[i]);
  CHECK_EQUAL(count * (count + 1) / 2, shared->number[0]);
  CHECK_OK(smem_last_index(&index, &error));
  CHECK_EQUAL(count, index);
  CHECK_EQUAL(0, count_listed());
}

/* ---- exclusive ----------------------------------------------------------- */

ROLE(rival) {
  for (int i = 0; i < 300; i++) {
    smem_code code = allocate_exclusive("once", 100);
    CHECK_AMONG(CODE(OK) | CODE(EXISTS), code);
    if (code != SMEM_OK) continue;
    CHECK_EQUAL(0, atomic_fetch_add(&shared->number[0], 1));
    atomic_fetch_add(&shared->number[1], 1);
    atomic_fetch_sub(&shared->number[0], 1);
    CHECK_OK(free_id("once"));
  }
}

TEST(one_creator_in_each_life) {
  process_id rivals[PROCESSES];
  for (int i = 0; i < PROCESSES; i++) rivals[i] = START(rival, "");
  for (int i = 0; i < PROCESSES; i++) FINISH(rivals[i]);
  CHECK(shared->number[1] > 0);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("once"));
}

/* ---- half-made ----------------------------------------------------------- */

ROLE(half_maker) {
  struct name name = {""};
  struct call call = {SMEM_OP_ALLOCATE, "a", 0, &error, false};
  struct opening opening;
  CHECK_OK(smem__name_of_segment(&call, &name));
  CHECK(smem__opening_create(&opening, name.text, smem__os_page_size()).code ==
        OS_OK);
  raise_flag(0);
  await_flag(1, 1);
}

TEST(half_made_is_not_there) {
  uint64_t size;
  _putenv_s("SHAREDMEMORY_TIMEOUT", "0.2");
  process_id other = START(half_maker, "");
  await_flag(0, 1);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, smem_size("a", &size, &error));
  CHECK_CODE(SMEM_NOT_FOUND, try_map("a"));
  CHECK_OK(free_id("a"));
  CHECK_CODE(SMEM_BUSY, allocate("a", 1));
  CHECK_EQUAL(-1, listed_state("a")); /* its creator is at work */
  CHECK_OK(allocate("b", 1));
  kill_process(other);
  finish(other);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_OK(allocate_exclusive("a", 1));
  CHECK_OK(try_map("a"));
}

/* ---- the end of a process ------------------------------------------------ */

ROLE(own_maker) {
  CHECK_OK(allocate_for_process("own"));
  CHECK_OK(find_id("own"));
  smem_stop();
  CHECK_CODE(SMEM_NOT_FOUND, find_id("own"));
  CHECK_OK(allocate("own", 1));
}

TEST(stopping_frees) {
  PLAY(own_maker, "");
  CHECK_CODE(SMEM_NOT_FOUND, find_id("own"));
}

TEST(join_and_leave_again) {
  uint64_t index;
  CHECK_EQUAL(1, allocate_number(1));
  CHECK_OK(smem_leave(&error)); /* an owner: nothing happens */
  CHECK_EQUAL(2, allocate_number(1));
  CHECK_OK(free_id("1"));
  CHECK_OK(free_id("2"));
  CHECK_OK(smem_leave(&error));
  CHECK_OK(smem_last_index(&index, &error));
  CHECK_OK(smem_join(&error));
  CHECK_OK(smem_join(&error));
  CHECK_OK(smem_leave(&error));
}

#else
typedef int not_windows;
#endif
