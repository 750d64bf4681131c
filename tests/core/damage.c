/* Objects that are not what their names promise: always an error, never a
 * crash, nothing waited for, and an explicit free removes them. */
#ifndef _WIN32

#include "test.h"

enum { PAYLOAD = 5000, TOTAL = 8192 };

/* And there is no handle of it. */
static void check_not_copied(const char *id, smem_code code) {
  const smem_access accesses[] = {SMEM_READ_WRITE, SMEM_READ_ONLY,
                                  SMEM_PRIVATE};
  char bytes[16];
  CHECK_CODE(code, read_bytes(id, 0, bytes, sizeof bytes));
  CHECK_CODE(code, read_bytes(id, 0, bytes, 0));
  CHECK_CODE(code, write_bytes(id, 0, "changed", 7));
  CHECK_CODE(code, write_bytes(id, UINT64_MAX, "changed", UINT64_MAX));
  for (int i = 0; i < 3; i++) CHECK_CODE(code, try_open(id, accesses[i]));
}

static void check_damaged(const char *id) {
  uint64_t size;
  CHECK_CODE(SMEM_CORRUPT, find_id(id));
  CHECK_CODE(SMEM_CORRUPT, smem_size(id, &size, &error));
  CHECK_CODE(SMEM_CORRUPT, try_map(id));
  check_not_copied(id, SMEM_CORRUPT);
  CHECK_CODE(SMEM_CORRUPT, allocate(id, PAYLOAD));
  CHECK_CODE(SMEM_CORRUPT, allocate_exclusive(id, PAYLOAD));
  CHECK_EQUAL(SMEM_DAMAGED, listed_state(id));
  CHECK(!smem__mapping_any());
}

static void check_freed(const char *id) {
  CHECK_OK(can_free_id(id));
  CHECK_OK(free_id(id));
  CHECK(!path_exists(segment_path(id)));
}

/* What changes later on: the lock, and the seal, which some systems keep
 * elsewhere. */
static bool may_change(int byte) {
  return byte >= (int)offsetof(struct footer, live) && byte < FOOTER_SIZE - 8;
}

TEST_FOR(every_bit_of_the_footer, 60) {
  const char *path;
  unsigned char bytes[FOOTER_SIZE];
  CHECK_OK(allocate("a", PAYLOAD));
  path = segment_path("a");
  read_footer_of("a", (struct footer *)(void *)bytes);
  for (int bit = 0; bit < FOOTER_SIZE * 8; bit += TEST_SLOWNESS) {
    if (may_change(bit / 8)) continue;
    unsigned char byte = (unsigned char)(bytes[bit / 8] ^ (1 << bit % 8));
    long offset = TOTAL - FOOTER_SIZE + bit / 8;
    write_at(path, offset, &byte, 1);
    CHECK_CODE(SMEM_CORRUPT, find_id("a"));
    if (bit % 512 == 0) check_damaged("a");
    write_at(path, offset, &bytes[bit / 8], 1);
  }
  CHECK_OK(find_id("a"));
  CHECK_OK(try_map("a"));
  CHECK_OK(free_id("a"));
}

/* Each byte with other values, and all of it with noise. */
TEST(every_byte_of_the_footer) {
  unsigned char bytes[FOOTER_SIZE], noise[FOOTER_SIZE];
  CHECK_OK(allocate("a", PAYLOAD));
  read_footer_of("a", (struct footer *)(void *)bytes);
  for (int i = 0; i < FOOTER_SIZE; i += TEST_SLOWNESS) {
    if (may_change(i)) continue;
    unsigned char byte = (unsigned char)~bytes[i];
    write_at(segment_path("a"), TOTAL - FOOTER_SIZE + i, &byte, 1);
    CHECK_CODE(SMEM_CORRUPT, find_id("a"));
    write_at(segment_path("a"), TOTAL - FOOTER_SIZE + i, &bytes[i], 1);
  }
  for (int round = 0; round < 100; round++) {
    for (int i = 0; i < FOOTER_SIZE; i++)
      noise[i] = (unsigned char)(smem__process_random() >> 32);
    noise[FOOTER_SIZE - 1] |= 1; /* 0 at the end may mean "not finished yet" */
    write_at(segment_path("a"), TOTAL - FOOTER_SIZE, noise, sizeof noise);
    CHECK_CODE(SMEM_CORRUPT, find_id("a"));
  }
  check_damaged("a");
  check_freed("a");
}

/* A checksum that fits does not make the rest true. */
TEST(lying_footers) {
  struct footer good, bad;
  CHECK_OK(allocate("a", PAYLOAD));
  read_footer_of("a", &good);
  for (int lie = 0; lie < 11; lie++) {
    bad = good;
    if (lie == 0) bad.total += 4096;
    if (lie == 1) bad.total = UINT64_MAX;
    if (lie == 2) bad.requested = 0;
    if (lie == 3) bad.requested = TOTAL - FOOTER_SIZE + 1;
    if (lie == 4) bad.requested = UINT64_MAX;
    if (lie == 5) strcpy(bad.id, "b");
    if (lie == 6) memset(bad.id, 'a', sizeof bad.id); /* without an end */
    if (lie == 7) memset(bad.tag, 'a', sizeof bad.tag);
    if (lie == 8) memset(bad.trace, 'a', sizeof bad.trace);
    if (lie == 9) bad.lifetime = 99;
    if (lie == 10) bad.owner.presence = UINT64_MAX; /* no byte to be locked */
    smem__footer_seal(&bad);
    write_at(segment_path("a"), TOTAL - FOOTER_SIZE, &bad, sizeof bad);
    check_damaged("a");
  }
  write_at(segment_path("a"), TOTAL - FOOTER_SIZE, &good, sizeof good);
  CHECK_OK(try_map("a"));
  CHECK_OK(free_id("a"));
}

static void keep_it(const smem_entry *entry, smem_fate fate, void *context) {
  (void)context;
  CHECK(strcmp(entry->id, "a") == 0 && fate == SMEM_KEPT_UNKNOWN);
}

/* It may be alive, by rules that we do not know. */
TEST(of_another_version) {
  struct footer other;
  CHECK_OK(allocate("a", PAYLOAD));
  read_footer_of("a", &other);
  other.version++;
  write_at(segment_path("a"), TOTAL - FOOTER_SIZE, &other, sizeof other);
  CHECK_CODE(SMEM_CORRUPT, try_map("a"));
  CHECK(strstr(message(), "another version") != NULL);
  CHECK_EQUAL(SMEM_UNKNOWN, listed_state("a"));
  CHECK_OK(smem_reclaim(false, true, keep_it, NULL, &error));
  CHECK(path_exists(segment_path("a")));
  check_freed("a");
}

TEST(truncated) {
  const off_t sizes[] = {1,    8,    1023, 1024, 1025, 2048,
                         4095, 4096, 4097, 7168, 7169, 8191};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    CHECK_OK(allocate("a", PAYLOAD));
    CHECK(truncate(segment_path("a"), sizes[i]) == 0);
#ifdef SHAREDMEMORY_OS_PORTABLE
    /* There the zero in the place of the last word means: not finished. */
    if (sizes[i] % 8 != 0 || sizes[i] < 1024)
#endif
      check_damaged("a");
    check_freed("a");
  }
}

TEST(grown) {
  CHECK_OK(allocate("a", PAYLOAD));
  CHECK(truncate(segment_path("a"), TOTAL + 1) == 0);
  check_damaged("a");
  write_at(segment_path("a"), TOTAL + 4088, "\1\1\1\1\1\1\1\1", 8);
  check_damaged("a");
  check_freed("a");
}

TEST(truncated_to_nothing) {
  CHECK_OK(allocate("a", PAYLOAD));
  CHECK(truncate(segment_path("a"), 0) == 0);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a")); /* taken for a dead creator's */
  check_freed("a");
}

TEST(under_another_name) {
  CHECK_OK(allocate("a", PAYLOAD));
  CHECK_OK(allocate("b", PAYLOAD));
  CHECK(rename(segment_path("a"), segment_path("b")) == 0);
  check_damaged("b");
  check_freed("b");
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
}

/* ---- planted objects ----------------------------------------------------- */

TEST(planted_link) {
  char target[] = "/tmp/smem-target-XXXXXX", text[16] = "";
  int fd = mkstemp(target);
  CHECK(fd >= 0 && write(fd, "precious", 8) == 8);
  CHECK_OK(smem_join(&error));
  CHECK(symlink(target, segment_path("a")) == 0);
#ifdef SHAREDMEMORY_OS_PORTABLE
  CHECK_CODE(SMEM_CORRUPT, find_id("a"));
#else
  check_damaged("a");
#endif
  check_freed("a");
  CHECK(pread(fd, text, sizeof text, 0) == 8 && strcmp(text, "precious") == 0);
  close(fd);
  CHECK(unlink(target) == 0);
}

TEST(planted_dangling_link) {
  CHECK_OK(smem_join(&error));
  CHECK(symlink("/tmp/smem-nowhere", segment_path("a")) == 0);
  CHECK_CODE(SMEM_CORRUPT, allocate("a", 1));
  CHECK(!path_exists("/tmp/smem-nowhere"));
  check_freed("a");
}

TEST(planted_fifo) {
  CHECK_OK(smem_join(&error));
  CHECK(mkfifo(segment_path("a"), 0600) == 0);
#ifdef SHAREDMEMORY_OS_PORTABLE
  CHECK_CODE(SMEM_CORRUPT, find_id("a"));
  CHECK_CODE(SMEM_CORRUPT, try_map("a"));
#else
  check_damaged("a");
#endif
  check_freed("a");
}

TEST(planted_directory) {
  CHECK_OK(smem_join(&error));
  CHECK(mkdir(segment_path("a"), 0700) == 0);
  CHECK_CODE(SMEM_CORRUPT, find_id("a"));
  CHECK_CODE(SMEM_CORRUPT, try_map("a"));
  CHECK_CODE(SMEM_CORRUPT, allocate("a", 1));
  CHECK_CODE(SMEM_CORRUPT, can_free_id("a"));
  CHECK_CODE(SMEM_CORRUPT, free_id("a"));
  CHECK(rmdir(segment_path("a")) == 0);
}

TEST(planted_text) {
  const mode_t modes[] = {0600, 0644, 0400, 0};
  CHECK_OK(smem_join(&error));
  for (int i = 0; i < 4; i++) {
    plant_file(segment_path("a"), "hello", modes[i]);
    check_damaged("a");
    check_freed("a");
  }
}

/* Names that nobody could have made through the core. */
TEST(strange_names_in_the_list) {
  CHECK_OK(smem_join(&error));
  plant_file(segment_path("\xC3("), "", 0600);
  plant_file(segment_path("a\nb"), "", 0600);
  CHECK_OK(allocate("c", 1));
#ifndef SHAREDMEMORY_OS_PORTABLE /* which lists what it made only */
  CHECK_EQUAL(3, count_listed());
  CHECK_EQUAL(SMEM_FOREIGN, listed_state("a\nb"));
#endif
  CHECK_EQUAL(SMEM_LIVE, listed_state("c"));
  CHECK_OK(free_id("c"));
  CHECK(unlink(segment_path("\xC3(")) == 0);
  CHECK(unlink(segment_path("a\nb")) == 0);
}

/* ---- what a dead creator leaves ------------------------------------------ */

TEST(incomplete_is_replaced) {
  plant_incomplete("a");
  CHECK_OK(allocate_exclusive("a", PAYLOAD));
  CHECK_OK(try_map("a"));
  CHECK_OK(free_id("a"));
}

TEST(incomplete_does_not_exist) {
  uint64_t size;
  plant_incomplete("a");
  CHECK_CODE(SMEM_NOT_FOUND, find_id("a"));
  CHECK_CODE(SMEM_NOT_FOUND, smem_size("a", &size, &error));
  CHECK_CODE(SMEM_NOT_FOUND, try_map("a"));
  check_not_copied("a", SMEM_NOT_FOUND);
  CHECK_EQUAL(0, stat_of(segment_path("a")).st_size);
  CHECK_OK(smem_join(&error));
  check_freed("a");
}

TEST(incomplete_is_listed_and_freed) {
  CHECK_OK(allocate("b", 1));
  plant_incomplete("a");
#ifndef SHAREDMEMORY_OS_PORTABLE
  CHECK_EQUAL(SMEM_INCOMPLETE, listed_state("a"));
#endif
  check_freed("a");
  CHECK_OK(free_id("b"));
}

TEST(incomplete_number_is_skipped) {
  plant_incomplete("2");
  CHECK_EQUAL(1, count_objects());
  for (unsigned i = 1; i <= 3; i++) CHECK(allocate_number(1) != 2);
  CHECK_CODE(SMEM_NOT_FOUND, find_id("2"));
  clean_namespace();
}

/* A creator that died between the footer and the mode; only on Linux. */
TEST(complete_but_closed) {
  skip_if_portable("has no such state");
  CHECK_OK(allocate("a", PAYLOAD));
  CHECK(chmod(segment_path("a"), 0) == 0);
  CHECK_OK(find_id("a"));
  CHECK_OK(try_map("a"));
  CHECK_EQUAL(SMEM_LIVE, listed_state("a"));
  CHECK_OK(free_id("a"));
}

/* ---- modes --------------------------------------------------------------- */

static mode_t mode_of(const char *path) {
  struct stat status;
  CHECK(lstat(path, &status) == 0);
  return status.st_mode & 07777;
}

TEST(any_umask) {
  const mode_t masks[] = {0777, 0, 022, 0400};
  for (int i = 0; i < 4; i++) {
    umask(masks[i]);
    CHECK_OK(allocate("a", 1));
    CHECK_EQUAL(0600, mode_of(segment_path("a")));
    CHECK_EQUAL(0600, mode_of(control_path()));
    CHECK_OK(try_map("a"));
    CHECK_OK(free_id("a"));
    CHECK_OK(smem_leave(&error));
    CHECK(!path_exists(control_path()));
  }
}

TEST(handles_and_bytes_under_any_umask) {
  const mode_t masks[] = {0777, 0, 0277};
  char byte = 3;
  for (int i = 0; i < 3; i++) {
    umask(masks[i]);
    uint64_t number = allocate_number(10);
    CHECK_OK(write_bytes(number_id(number), 9, &byte, 1));
    CHECK_OK(read_bytes(number_id(number), 9, &byte, 1));
    CHECK_OK(try_open(number_id(number), SMEM_READ_WRITE));
    mail_reference(number_id(number));
    smem_reference reference = read_mail();
    CHECK_OK(try_open_reference(&reference));
    CHECK_EQUAL(0600, stat_of(segment_path(number_id(number))).st_mode & 07777);
    CHECK_OK(free_id(number_id(number)));
    CHECK_OK(smem_leave(&error));
  }
}

#else
typedef int not_posix;
#endif
