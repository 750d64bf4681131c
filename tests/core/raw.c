/* Other programs' objects: made by calls of the system alone. */
#ifndef _WIN32

#include "test.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- the other program --------------------------------------------------- */

/* shared->number[0] bytes, each one its number modulo 251. */
ROLE(other_program) {
  off_t size = (off_t)shared->number[0];
  int fd = shm_open(argument, O_RDWR | O_CREAT | O_EXCL, 0600);
  CHECK(fd >= 0);
  CHECK(ftruncate(fd, size) == 0);
  if (size == 0) return;
  unsigned char *at = mmap(NULL, (size_t)size, PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(at != MAP_FAILED);
  for (off_t i = 0; i < size; i++) at[i] = (unsigned char)(i % 251);
}

static void make_raw(const char *id, uint64_t size) {
  atomic_store(&shared->number[0], size);
  PLAY(other_program, id);
}

ROLE(removes) { CHECK(shm_unlink(argument) == 0); }

static void replace_raw(const char *id, uint64_t size) {
  PLAY(removes, id);
  make_raw(id, size);
}

static void resize_raw(const char *word, uint64_t size) {
  CHECK(truncate(raw_path(word), (off_t)size) == 0);
}

static bool is_counting(const void *bytes, uint64_t size) {
  const unsigned char *at = bytes;
  for (uint64_t i = 0; i < size; i++)
    if (at[i] != i % 251) return false;
  return true;
}

/* ---- a life -------------------------------------------------------------- */

ROLE(writes_a_letter) {
  int fd = shm_open(argument, O_RDWR, 0);
  CHECK(fd >= 0 && pwrite(fd, "z", 1, 2) == 1);
}

static void live_with(const char *id, uint64_t size) {
  static unsigned char bytes[100000];
  uint64_t capacity, requested;
  make_raw(id, size);
  CHECK_OK(find_id(id));
  CHECK_OK(smem_extent(id, &capacity, &requested, &error));
  CHECK(capacity == size && requested == size);
  CHECK_OK(read_bytes(id, 0, bytes, size));
  CHECK(is_counting(bytes, size));
  CHECK_OK(write_bytes(id, 0, "ab", 2));
  CHECK_CODE(SMEM_BOUNDS, write_bytes(id, size, "c", 1));
  CHECK_CODE(SMEM_BOUNDS, read_bytes(id, 1, bytes, size));
  CHECK_CODE(SMEM_BOUNDS, read_bytes(id, 1, bytes, UINT64_MAX));
  unsigned char *at = map(id);
  const unsigned char *same = mapped_at(id, SMEM_READ_ONLY);
  CHECK_EQUAL(size, smem_mapping_capacity(map_with(id, SMEM_READ_ONLY)));
  CHECK(at[0] == 'a' && at[1] == 'b');
  PLAY(writes_a_letter, id);
  CHECK_EQUAL('z', at[2]);
  at[size - 1] = 1;
  CHECK_EQUAL(1, same[size - 1]);
  CHECK_EQUAL(size, stat_of(raw_path("a")).st_size); /* never grown */
  CHECK_OK(can_free_id(id));
  CHECK_OK(free_id(id));
  CHECK(!path_exists(raw_path("a")));
  CHECK(!smem__mapping_any());
  CHECK_CODE(SMEM_NOT_FOUND, find_id(id));
  CHECK_OK(free_id(id));
}

TEST(a_raw_life) {
  const uint64_t sizes[] = {3, 1023, 1024, 4096, 5000, 8192, 99999};
  for (int i = 0; i < 7; i++) live_with(raw_id("a"), sizes[i]);
  CHECK_EQUAL(0, count_mappings());
  CHECK(!path_exists(control_path())); /* nobody has joined for it */
}

TEST(raw_and_absent) {
  uint64_t size;
  char byte;
  const char *id = raw_id("a");
  CHECK_CODE(SMEM_NOT_FOUND, find_id(id));
  CHECK_CODE(SMEM_NOT_FOUND, smem_size(id, &size, &error));
  CHECK_CODE(SMEM_NOT_FOUND, try_map(id));
  CHECK_CODE(SMEM_NOT_FOUND, try_open(id, SMEM_PRIVATE));
  CHECK_CODE(SMEM_NOT_FOUND, read_bytes(id, 0, &byte, 1));
  CHECK_CODE(SMEM_NOT_FOUND, write_bytes(id, 0, "x", 1));
  CHECK(strcmp(error.id, id) == 0);
  CHECK_OK(can_free_id(id));
  CHECK_OK(free_id(id));
}

/* What its creator has not yet given a size. */
TEST(raw_and_empty) {
  const char *id = raw_id("a");
  const mode_t modes[] = {0600, 0}; /* the latter: no incomplete one of ours */
  uint64_t size = 1;
  char byte = 7;
  for (int i = 0; i < (geteuid() == 0 ? 2 : 1); i++) {
    plant_file(raw_path("a"), "", modes[i]);
    CHECK_OK(find_id(id));
    CHECK_OK(smem_size(id, &size, &error));
    CHECK_EQUAL(0, size);
    CHECK_CODE(SMEM_BOUNDS, try_map(id));
    CHECK_CODE(SMEM_BOUNDS, try_open(id, SMEM_PRIVATE));
    CHECK_CODE(SMEM_BOUNDS, try_open(id, SMEM_READ_ONLY));
    CHECK_OK(read_bytes(id, 0, &byte, 0));
    CHECK_OK(write_bytes(id, 0, &byte, 0));
    CHECK_CODE(SMEM_BOUNDS, read_bytes(id, 0, &byte, 1));
    CHECK_CODE(SMEM_BOUNDS, write_bytes(id, 0, &byte, 1));
    CHECK_EQUAL(modes[i], stat_of(raw_path("a")).st_mode & 0777);
    CHECK_OK(free_id(id));
  }
}

/* Sparse, as large as files can be: what cannot be mapped can still be read. */
TEST(raw_and_huge) {
  const uint64_t sizes[] = {(uint64_t)1 << 48, (uint64_t)1 << 62, INT64_MAX};
  const char *id = raw_id("a");
  uint64_t size;
  char byte;
#ifdef TEST_VALGRIND
  test_skip("valgrind refuses such mappings in its own way");
#endif
  for (int i = 0; i < 3; i++) {
    plant_file(raw_path("a"), "", 0600);
    if (truncate(raw_path("a"), (off_t)sizes[i]) != 0)
      test_skip("files cannot be so large");
    CHECK_OK(smem_size(id, &size, &error));
    CHECK_EQUAL(sizes[i], size);
    CHECK_CODE(SMEM_NO_MEMORY, try_map(id));
    CHECK_CODE(SMEM_NO_MEMORY, try_open(id, SMEM_PRIVATE));
    CHECK_OK(read_bytes(id, 1, &byte, 1));
    CHECK_OK(write_bytes(id, size / 2, "x", 1));
    CHECK_OK(read_bytes(id, size / 2, &byte, 1));
    CHECK_EQUAL('x', byte);
    CHECK_CODE(SMEM_BOUNDS, read_bytes(id, size, &byte, 1));
    CHECK_CODE(SMEM_BOUNDS, write_bytes(id, size - 1, "xy", 2));
    CHECK_CODE(SMEM_BOUNDS, write_bytes(id, 1, "x", size));
    CHECK_OK(free_id(id));
  }
}

TEST(handles_of_raw_objects) {
  const char *id = raw_id("a");
  make_raw(id, 5000);
  smem_handle *all = open_handle(id, SMEM_READ_WRITE);
  smem_handle *own = open_handle(id, SMEM_PRIVATE);
  CHECK(all->capacity == 5000 && all->requested == 5000);
  CHECK(is_counting(all->address, 5000));
  CHECK(is_counting(own->address, 5000));
  PLAY(writes_a_letter, id);
  CHECK_EQUAL('z', ((char *)all->address)[2]);
  CHECK_EQUAL('z', ((char *)own->address)[2]);
  if (own->access == SMEM_PRIVATE) {
    memset(own->address, 1, 5000);
    CHECK_EQUAL('z', ((char *)all->address)[2]);
    CHECK(smem_handle_is_written(own));
  }
  PLAY(removes, id);
  ((char *)all->address)[4999] = 1;
  smem_close(all);
  smem_close(own);
  CHECK_EQUAL(0, count_mappings());
}

/* ---- its name and size change -------------------------------------------- */

TEST(raw_and_replaced) {
  const char *id = raw_id("a");
  make_raw(id, 5000);
  unsigned char *at = map(id);
  replace_raw(id, 100);
  CHECK_CODE(SMEM_REPLACED, map_id(id, SMEM_READ_WRITE));
  CHECK_CODE(SMEM_REPLACED, map_id(id, SMEM_READ_ONLY));
  CHECK(is_counting(at, 5000));
  unmap_id(id);
  CHECK(!smem__mapping_any());
  at = map(id);
  CHECK_EQUAL(100, smem_mapping_capacity(map_with(id, SMEM_READ_WRITE)));
  PLAY(removes, id);
  CHECK(map(id) == at); /* as with our own */
  CHECK_OK(free_id(id));
}

/* The second access is mapped when it has another size than at the first. What
 * lies behind the first mapping is not ours: nobody may unmap it. */
TEST(raw_and_grown) {
  const size_t page = (size_t)smem__os_page_size();
  const char *id = raw_id("a");
  smem_mapping *mapping;
  for (uint64_t size = page - 10; size <= page; size += 10) {
    make_raw(id, size);
    unsigned char *behind = map(id);
    behind = mmap(behind + page, 7 * page, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(behind != MAP_FAILED);
    memset(behind, 5, 7 * page);
    resize_raw("a", 8 * page);
    mapping = map_with(id, SMEM_READ_ONLY);
    CHECK_EQUAL(size, smem_mapping_capacity(mapping));
    CHECK(is_counting(smem_mapping_address(mapping, SMEM_READ_ONLY), size));
    CHECK_OK(free_id(id));
    for (size_t i = 0; i < 7 * page; i++) CHECK_EQUAL(5, behind[i]);
    CHECK(munmap(behind, 7 * page) == 0);
    CHECK_EQUAL(0, count_mappings());
  }
}

TEST(raw_and_shrunk) {
  const char *id = raw_id("a");
  const uint64_t sizes[] = {0, 100, 4999};
  for (int i = 0; i < 3; i++) {
    make_raw(id, 5000);
    map(id);
    resize_raw("a", sizes[i]);
    CHECK_CODE(SMEM_BOUNDS, map_id(id, SMEM_READ_ONLY));
    CHECK_CODE(SMEM_BOUNDS, write_bytes(id, sizes[i], "x", 1));
    CHECK_EQUAL(sizes[i], stat_of(raw_path("a")).st_size);
    unmap_id(id); /* the failure was not counted */
    CHECK(!smem__mapping_any());
    CHECK_CODE(i == 0 ? SMEM_BOUNDS : SMEM_OK, try_map(id));
    CHECK_OK(free_id(id));
  }
}

/* ---- references ---------------------------------------------------------- */

ROLE(opens_raw_mail) {
  smem_handle *handle;
  smem_reference reference = read_mail();
  CHECK(reference.space[0] == '\0' && smem_id_is_raw(reference.id));
  CHECK_OK(smem_open_reference(&reference, SMEM_READ_WRITE, &handle, &error));
  CHECK_EQUAL(atoi(argument), handle->capacity);
  CHECK(is_counting(handle->address, 100));
  smem_close(handle);
}

TEST(references_to_raw_objects) {
  const char *id = raw_id("a");
  make_raw(id, 5000);
  mail_reference(id);
  smem_reference reference = read_mail();
  PLAY(opens_raw_mail, "5000");
  resize_raw("a", 9000); /* it is the same object all the same */
  PLAY(opens_raw_mail, "9000");
  for (int i = 0; i < 2; i++) { /* its identity means something only here */
    smem_reference moved = reference;
    moved.place[i] ^= 1;
    CHECK_CODE(SMEM_ELSEWHERE, try_open_reference(&moved));
  }
  replace_raw(id, 5000);
  CHECK_CODE(SMEM_REPLACED, try_open_reference(&reference));
  CHECK_OK(free_id(id));
  CHECK_CODE(SMEM_NOT_FOUND, try_open_reference(&reference));
}

/* ---- what is not shared memory ------------------------------------------- */

static void check_strange(const char *id) {
  uint64_t size;
  char byte;
  CHECK_CODE(SMEM_CORRUPT, find_id(id));
  CHECK_CODE(SMEM_CORRUPT, smem_size(id, &size, &error));
  CHECK_CODE(SMEM_CORRUPT, try_map(id));
  CHECK_CODE(SMEM_CORRUPT, try_open(id, SMEM_READ_ONLY));
  CHECK_CODE(SMEM_CORRUPT, try_open(id, SMEM_PRIVATE));
  CHECK_CODE(SMEM_CORRUPT, read_bytes(id, 0, &byte, 1));
  CHECK_CODE(SMEM_CORRUPT, write_bytes(id, 0, "x", 1));
}

TEST(a_link_with_a_raw_name) {
  char text[8] = "";
  plant_file(raw_path("target"), "precious", 0600);
  CHECK(symlink(raw_path("target"), raw_path("link")) == 0);
  check_strange(raw_id("link"));
  CHECK_OK(free_id(raw_id("link")));
  CHECK(!path_exists(raw_path("link")));
  CHECK_OK(read_bytes(raw_id("target"), 0, text, 8));
  CHECK(memcmp(text, "precious", 8) == 0);
  CHECK_OK(free_id(raw_id("target")));
  CHECK(symlink(raw_path("nowhere"), raw_path("link")) == 0);
  check_strange(raw_id("link"));
  CHECK(!path_exists(raw_path("nowhere")));
  CHECK_OK(free_id(raw_id("link")));
}

TEST(a_fifo_with_a_raw_name) {
  const char *id = raw_id("fifo");
  CHECK(mkfifo(raw_path("fifo"), 0600) == 0);
  check_strange(id); /* without waiting for its other end */
  CHECK_OK(free_id(id));
  CHECK(!path_exists(raw_path("fifo")));
}

TEST(a_socket_with_a_raw_name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", raw_path("socket"));
  CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
  check_strange(raw_id("socket"));
  close(fd);
  CHECK(unlink(raw_path("socket")) == 0);
}

TEST(a_directory_with_a_raw_name) {
  const char *id = raw_id("directory");
  CHECK(mkdir(raw_path("directory"), 0700) == 0);
  check_strange(id);
  CHECK_CODE(SMEM_CORRUPT, can_free_id(id));
  CHECK_CODE(SMEM_CORRUPT, free_id(id));
  CHECK(rmdir(raw_path("directory")) == 0);
}

/* ---- what may not be done ------------------------------------------------ */

static void check_not_allocated(smem_request *requests, size_t count,
                                uint64_t element) {
  for (int exclusive = 0; exclusive < 2; exclusive++) {
    CHECK_CODE(SMEM_ARGUMENT, smem_allocate(requests, count, SMEM_UNTIL_FREED,
                                            exclusive, &error));
    CHECK_EQUAL(element, error.element);
    CHECK(smem_id_is_raw(error.id) && error.op == SMEM_OP_ALLOCATE);
    CHECK_EQUAL(0, count_listed());
    CHECK(!path_exists(control_path()));
  }
}

TEST(a_raw_name_is_not_allocated) {
  smem_request requests[] = {SMEM_REQUEST_INIT(1, NULL),
                             SMEM_REQUEST_INIT(1, "a"),
                             SMEM_REQUEST_INIT(1, raw_id("absent")),
                             SMEM_REQUEST_INIT(1, raw_id("there"))};
  char byte;
  plant_file(raw_path("there"), "x", 0600);
  check_not_allocated(&requests[2], 1, 0);
  check_not_allocated(&requests[3], 1, 0); /* not opened either */
  check_not_allocated(requests, 4, 3);
  check_not_allocated(requests, 3, 3);
  CHECK(!path_exists(raw_path("absent")));
  CHECK_OK(read_bytes(raw_id("there"), 0, &byte, 1));
  CHECK_EQUAL('x', byte);
  CHECK_OK(smem_allocate(requests, 2, SMEM_UNTIL_FREED, true, &error));
  CHECK_OK(free_id("1"));
  CHECK_OK(free_id("a"));
  CHECK_OK(free_id(raw_id("there")));
}

static void never_removed(const smem_entry *entry, smem_fate fate,
                          void *context) {
  (void)entry;
  (void)fate;
  (void)context;
  CHECK(!"a raw object is of no namespace");
}

/* Our housekeeping does not concern itself with it. */
TEST(raw_objects_are_left_alone) {
  const char *id = raw_id("a");
  CHECK_OK(smem_join(&error));
  make_raw(id, 5000);
  map(id);
  CHECK_EQUAL(0, count_listed());
  CHECK_OK(smem_reclaim(false, true, never_removed, NULL, &error));
  smem_reclaim_some(1000000);
  smem_stop();
  CHECK(!path_exists(control_path()));
  CHECK(is_counting(map(id), 5000));
  CHECK_OK(free_id(id));
}

static void check_inspected(const smem_entry *entry, void *context) {
  CHECK(strcmp(entry->id, (const char *)context) == 0);
  CHECK_EQUAL(SMEM_UNKNOWN, entry->state);
  CHECK_EQUAL(5000, entry->capacity);
  CHECK_EQUAL(5000, entry->requested);
  CHECK_EQUAL(0, entry->pid);
  CHECK(!entry->tag[0] && !entry->trace[0] && !entry->wrong[0]);
  CHECK_EQUAL(geteuid(), entry->user);
  raise_flag(0);
}

TEST(raw_objects_are_inspected) {
  char id[64], bytes[16], path[300];
  size_t length = sizeof bytes;
  snprintf(id, sizeof id, "%s", raw_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, smem_inspect(id, bytes, &length, path, sizeof path,
                                          check_inspected, id, &error));
  make_raw(id, 5000);
  for (int joined = 0; joined < 2; joined++) {
    CHECK_OK(smem_inspect(id, bytes, &length, path, sizeof path,
                          check_inspected, id, &error));
    CHECK(length == sizeof bytes && is_counting(bytes, length));
    CHECK_OK(smem_join(&error));
  }
  CHECK_EQUAL(2, shared->flag[0]);
  CHECK_OK(free_id(id));
  CHECK_OK(smem_leave(&error));
}

/* The namespace has nothing to do with it. */
TEST(raw_objects_need_no_namespace) {
  char id[64], byte;
  smem_handle *handle;
  snprintf(id, sizeof id, "%s", raw_id("a"));
  make_raw(id, 5000);
  set_variable("SHAREDMEMORY_NAMESPACE", "no name space");
  CHECK_CODE(SMEM_ARGUMENT, find_id("a"));
  CHECK_OK(find_id(id));
  CHECK_OK(read_bytes(id, 0, &byte, 1));
  CHECK_OK(try_map(id));
  CHECK_OK(smem_open(id, SMEM_PRIVATE, &handle, &error));
  smem_close(handle);
  CHECK_OK(free_id(id));
}

/* Its creator, who may be in the middle of something, has set this mode. */
ROLE(owner_of_a_closed_one) {
  char byte;
  const mode_t modes[] = {0, 0200};
  if (geteuid() == 0) CHECK(setgid(65534) == 0 && setuid(65534) == 0);
  for (int i = 0; i < 2; i++) {
    plant_file(raw_path("a"), "hello", modes[i]);
    CHECK_CODE(SMEM_PERMISSION, find_id(raw_id("a")));
    CHECK_CODE(SMEM_PERMISSION, try_map(raw_id("a")));
    CHECK_CODE(SMEM_PERMISSION, try_open(raw_id("a"), SMEM_PRIVATE));
    CHECK_CODE(SMEM_PERMISSION, read_bytes(raw_id("a"), 0, &byte, 1));
    CHECK_CODE(SMEM_PERMISSION, write_bytes(raw_id("a"), 0, "x", 1));
    CHECK_EQUAL(modes[i], stat_of(raw_path("a")).st_mode & 07777);
    CHECK(unlink(raw_path("a")) == 0);
  }
  plant_file(raw_path("a"), "hello", 0400);
  CHECK_OK(find_id(raw_id("a")));
  CHECK_OK(try_open(raw_id("a"), SMEM_PRIVATE));
  CHECK_OK(read_bytes(raw_id("a"), 4, &byte, 1));
  CHECK_EQUAL('o', byte);
  CHECK_CODE(SMEM_PERMISSION, try_map(raw_id("a")));
  CHECK_CODE(SMEM_PERMISSION, write_bytes(raw_id("a"), 0, "x", 1));
  CHECK_EQUAL(0400, stat_of(raw_path("a")).st_mode & 07777);
  CHECK_OK(free_id(raw_id("a")));
}

TEST(modes_of_raw_objects_stay) {
  if (geteuid() == 0) { /* may open it whatever the mode */
    plant_file(raw_path("a"), "hello", 0);
    CHECK_OK(find_id(raw_id("a")));
    CHECK_OK(try_map(raw_id("a")));
    CHECK_EQUAL(0, stat_of(raw_path("a")).st_mode & 07777);
    CHECK_OK(free_id(raw_id("a")));
  }
  PLAY(owner_of_a_closed_one, "");
}

#else
typedef int not_posix;
#endif
