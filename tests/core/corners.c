/* What other tests do not come to: what is told of the machine and of others, every
 * code of an error, a namespace that is none, and changes between two looks. */
#ifndef _WIN32

#include "../harness/faults.h"
#include "test.h"

#include "../../src/os/posix.h"

#include <sys/resource.h>

/* Where names are kept in a record, what is planted is not listed, and what is left
 * of somebody's work is told in another way. */
static void need_listing_of_what_is_planted(void) {
  skip_if_portable("what is planted is not seen there");
}

/* ---- errors -------------------------------------------------------------- */

TEST(every_code_of_the_system_is_an_error_of_ours) {
  const struct {
    os_code code;
    smem_code expected;
  } codes[] = {{OS_OK, SMEM_OK},
               {OS_NOT_FOUND, SMEM_NOT_FOUND},
               {OS_EXISTS, SMEM_EXISTS},
               {OS_INCOMPLETE, SMEM_BUSY},
               {OS_BUSY, SMEM_BUSY},
               {OS_DENIED, SMEM_PERMISSION},
               {OS_NOT_REGULAR, SMEM_CORRUPT},
               {OS_NO_SPACE, SMEM_NO_SPACE},
               {OS_NO_MEMORY, SMEM_NO_MEMORY},
               {OS_TOO_MANY_FILES, SMEM_TOO_MANY_FILES},
               {OS_TOO_MANY_MAPS, SMEM_TOO_MANY_MAPS},
               {OS_INTERRUPTED, SMEM_INTERRUPTED},
               {OS_UNSUPPORTED, SMEM_UNSUPPORTED},
               {OS_FAILED, SMEM_SYSTEM}};
  struct call call = {"find", "a", 0, &error, false};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    os_status status = {codes[i].code, 0};
    CHECK_EQUAL(codes[i].expected, fail_os(&call, status, "it is so"));
    if (codes[i].code != OS_DENIED && codes[i].code != OS_OK)
      CHECK_EQUAL(codes[i].expected, fail_object(&call, status, "smem.x.a"));
  }
}

TEST(every_number_of_the_system_has_a_code) {
  const struct {
    int number;
    os_code code;
  } numbers[] = {{ENOENT, OS_NOT_FOUND},    {EEXIST, OS_EXISTS},
                 {EACCES, OS_DENIED},       {EPERM, OS_DENIED},
                 {EISDIR, OS_NOT_REGULAR},  {ELOOP, OS_NOT_REGULAR},
                 {ENXIO, OS_NOT_REGULAR},   {ENOSPC, OS_NO_SPACE},
                 {EDQUOT, OS_NO_SPACE},     {ENOMEM, OS_NO_MEMORY},
                 {EMFILE, OS_TOO_MANY_FILES}, {ENFILE, OS_TOO_MANY_FILES},
                 {EINTR, OS_INTERRUPTED},   {EOPNOTSUPP, OS_UNSUPPORTED},
                 {ENOSYS, OS_UNSUPPORTED},  {EIO, OS_FAILED}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    os_status status = posix_status(numbers[i].number);
    CHECK_EQUAL(numbers[i].code, status.code);
    CHECK_EQUAL(numbers[i].number, status.number);
  }
}

TEST(unknown_codes_and_states) {
  char text[200];
  smem_error unknown = {.code = SMEM_CODES, .op = "find", .detail = "so"};
  CHECK(strcmp(smem_error_kind(SMEM_BUSY), "busy") == 0);
  CHECK(strcmp(smem_error_kind(SMEM_CODES), "system") == 0);
  CHECK(strcmp(smem_error_kind((smem_code)-1), "system") == 0);
  CHECK(smem_error_message(&unknown, text, sizeof text) > 0);
  CHECK(strcmp(text, "cannot find shared memory: so.") == 0);
  CHECK(strcmp(smem_state_name(SMEM_DAMAGED), "damaged") == 0);
  CHECK(strcmp(smem_state_name(SMEM_STATES), "unknown") == 0);
}

TEST(texts_are_cut_between_characters) {
  char text[5];
  smem_copy_text(text, sizeof text, "abcd");
  CHECK(strcmp(text, "abcd") == 0);
  smem_copy_text(text, sizeof text, "abcde");
  CHECK(strcmp(text, "abcd") == 0);
  smem_copy_text(text, sizeof text, "abc\xC3\xA9"); /* one too long */
  CHECK(strcmp(text, "abc") == 0);
  smem_copy_text(text, sizeof text, "\x80\x80\x80\x80\x80"); /* no character at all */
  CHECK(strcmp(text, "") == 0);
}

/* ---- the machine ------------------------------------------------------------ */

TEST(limits_of_the_machine) {
  smem_limits limits;
  smem_limits_get(&limits);
  CHECK(limits.used <= limits.capacity && limits.free > 0);
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)
  CHECK(limits.mappings > 0 && limits.mappings < limits.max_mappings);
  CHECK(limits.capacity != UINT64_MAX || limits.used == UINT64_MAX);
#endif
}

TEST(names_of_users) {
  char name[80], expected[40];
  smem_user_name(0, name, sizeof name);
  CHECK(strstr(name, "uid 0") != NULL);
  smem_user_name(3999999999u, name, sizeof name);
  snprintf(expected, sizeof expected, "uid 3999999999");
  CHECK(strcmp(name, expected) == 0);
}

TEST(random_numbers_differ) { CHECK(smem_random() != smem_random()); }

/* A process with these arguments, that waits for its input to end. */
static void check_command(const char *expected, const char *a, const char *b,
                          const char *c) {
  char command[80];
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    dup2(ends[0], 0);
    close(ends[1]);
    execl("/bin/sh", "/usr/lib/R/bin/exec/R", "-c", "read line", a, b, c,
          (char *)NULL);
    _exit(1);
  }
  close(ends[0]);
  /* Until exec() it has our own. */
  for (int i = 0; i < 2000; i++) {
    smem_command((uint64_t)pid, command, sizeof command);
    if (strcmp(command, expected) == 0) break;
    sleep_ms(1);
  }
  close(ends[1]);
  waitpid(pid, NULL, 0);
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)
  if (strcmp(command, expected) != 0)
    test_fail(__FILE__, __LINE__, "it is '%s', not '%s'", command, expected);
#endif
}

TEST(commands) {
  char command[80] = "x";
  smem_command(UINT64_C(1) << 40, command, sizeof command);
  CHECK(strcmp(command, "") == 0);
  check_command("R", NULL, NULL, NULL);
  check_command("a b.R", "--file=a~+~b.R", "--args", "--file=no");
  check_command("plot.R", "-f", "plot.R", NULL);
  check_command("R", "x", "-f", NULL); /* nothing behind it */
}

struct seen {
  uint64_t identity[2];
  unsigned all, ours;
  bool once;
};

static bool see(uint64_t pid, const uint64_t identity[2], void *context) {
  struct seen *seen = context;
  seen->all++;
  seen->ours +=
      pid == (uint64_t)getpid() &&
      memcmp(seen->identity, identity, sizeof seen->identity) == 0;
  return !seen->once;
}

TEST(who_maps_what) {
  smem_handle *handle, *other;
  CHECK_OK(allocate("a", 1));
  CHECK_OK(allocate("b", 1));
  CHECK_OK(smem_open("a", SMEM_READ_ONLY, &handle, &error));
  CHECK_OK(smem_open("b", SMEM_READ_ONLY, &other, &error));
  struct stat status = stat_of(segment_path("a"));
  struct seen seen = {{status.st_dev, status.st_ino}, 0, 0, false};
  smem_code code = smem_mapped_by(NULL, see, &seen, &error);
  if (code == SMEM_OK) {
    CHECK_EQUAL(1, seen.ours);
    CHECK_EQUAL(2, seen.all);
    seen.all = seen.ours = 0;
    CHECK_OK(smem_mapped_by("a", see, &seen, &error));
    CHECK_EQUAL(1, seen.all);
    CHECK_EQUAL(1, seen.ours);
    seen = (struct seen){{0}, 0, 0, true};
    CHECK_OK(smem_mapped_by(NULL, see, &seen, &error));
    CHECK_EQUAL(1, seen.all);
  } else {
    CHECK_CODE(SMEM_UNSUPPORTED, code);
  }
  smem_close(handle);
  smem_close(other);
  clean_namespace();
}

static bool count_one(const smem_entry *entry, void *context) {
  (void)entry;
  ++*(size_t *)context;
  return true;
}

ROLE(leaver) { CHECK_OK(allocate("a", 1)); }

/* Nothing can be listed, which is no reason to say that there is nothing. */
TEST(without_a_descriptor_left) {
  need_listing_of_what_is_planted();
  struct rlimit limit = {0, 0};
  size_t count = 0;
  uint64_t index;
  PLAY(leaver, "");
  limit.rlim_max = RLIM_INFINITY;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  rlim_t before = limit.rlim_cur;
  int lowest = dup(0); /* of those that are free */
  close(lowest);
  limit.rlim_cur = (rlim_t)lowest;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK_CODE(SMEM_TOO_MANY_FILES, smem_list(count_one, &count, &error));
  CHECK_CODE(SMEM_UNSUPPORTED, smem_mapped_by(NULL, see, NULL, &error));
  CHECK_CODE(SMEM_TOO_MANY_FILES, smem_join(&error));
  CHECK_CODE(SMEM_TOO_MANY_FILES, smem_last_index(&index, &error));
  limit.rlim_cur = before;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  clean_namespace();
}

/* ---- the namespace ------------------------------------------------------------ */

static void ignore_entry(const smem_entry *entry, void *context) {
  (void)entry;
  (void)context;
}
static bool go_on(const smem_entry *entry, void *context) {
  (void)entry;
  (void)context;
  return true;
}
static void ignore_fate(const smem_entry *entry, smem_fate fate,
                        void *context) {
  (void)entry;
  (void)fate;
  (void)context;
}
static void ignore_share(const smem_share *share, void *context) {
  (void)share;
  ++*(unsigned *)context;
}

static void check_no_namespace(bool joined) {
  char bytes[8], path[300], space[SMEM_NAMESPACE_SIZE];
  size_t length = sizeof bytes;
  uint64_t number;
  bool exists;
  smem_mapping *mapping;
  smem_handle *handle;
  smem_request request = {.size = 1};
  namespace_forget();
  CHECK_CODE(SMEM_ARGUMENT, smem_namespace(space, &error));
  CHECK(smem_is_utf8(message()));
  CHECK_CODE(SMEM_ARGUMENT, find_id("a"));
  CHECK_CODE(SMEM_ARGUMENT, smem_size("a", &number, &error));
  CHECK_CODE(SMEM_ARGUMENT, smem_can_free("a", &exists, &error));
  CHECK_CODE(SMEM_ARGUMENT, free_id("a"));
  CHECK_CODE(SMEM_ARGUMENT, read_bytes("a", 0, bytes, 1));
  CHECK_CODE(SMEM_ARGUMENT, smem_map("b", SMEM_READ_ONLY, &mapping, &error));
  CHECK_CODE(SMEM_ARGUMENT, smem_open("a", SMEM_READ_ONLY, &handle, &error));
  CHECK_CODE(SMEM_ARGUMENT, smem_list(go_on, NULL, &error));
  CHECK_CODE(SMEM_ARGUMENT, smem_mapped_by(NULL, see, NULL, &error));
  CHECK_CODE(SMEM_ARGUMENT,
             smem_inspect("a", bytes, &length, path, sizeof path, ignore_entry,
                          NULL, &error));
  CHECK_CODE(SMEM_ARGUMENT,
             smem_inspect("/other", bytes, &length, path, sizeof path,
                          ignore_entry, NULL, &error));
  CHECK_CODE(SMEM_ARGUMENT,
             smem_reclaim(true, false, ignore_fate, NULL, &error));
  CHECK_CODE(SMEM_ARGUMENT, smem_leave(&error));
  if (joined) return;
  CHECK_CODE(SMEM_ARGUMENT, smem_join(&error));
  CHECK_CODE(SMEM_ARGUMENT, smem_last_index(&number, &error));
  CHECK_CODE(SMEM_ARGUMENT,
             smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error));
}

/* In the environment from the beginning, or forgotten and read anew by those who
 * have left: nothing works, and nothing is harmed. */
TEST(a_namespace_that_is_none) {
  char *space = strdup(getenv("SHAREDMEMORY_NAMESPACE"));
  const char *bad[] = {"a/b", "a.b", "\xFF", "12345678901234567"};
  smem_mapping *mapping;
  smem_detached detached;
  unsigned shares = 0;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    setenv("SHAREDMEMORY_NAMESPACE", bad[i], 1);
    check_no_namespace(false);
  }
  setenv("SHAREDMEMORY_NAMESPACE", space, 1);
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_map("a", SMEM_READ_ONLY, &mapping, &error));
  setenv("SHAREDMEMORY_NAMESPACE", "a/b", 1);
  check_no_namespace(true);
  /* What is mapped stays so, and everybody's segments can be counted. */
  CHECK_OK(smem_map("a", SMEM_READ_ONLY, &mapping, &error));
  CHECK_OK(smem_shares(ignore_share, &shares, &error));
  CHECK(shares > 0);
  smem_unmap("a", &detached);
  smem_unmap("a", &detached);
  smem_reclaim_some(1);
  setenv("SHAREDMEMORY_NAMESPACE", space, 1);
  namespace_forget();
  clean_namespace();
  free(space);
}

TEST(the_namespace_of_a_user) {
  char space[SMEM_NAMESPACE_SIZE], expected[24];
  snprintf(expected, sizeof expected, "%u", (unsigned)geteuid());
  const char *unset[] = {NULL, ""};
  for (int i = 0; i < 2; i++) {
    if (unset[i])
      setenv("SHAREDMEMORY_NAMESPACE", unset[i], 1);
    else
      unsetenv("SHAREDMEMORY_NAMESPACE");
    namespace_forget();
    CHECK_OK(smem_namespace(space, &error));
    CHECK(strcmp(space, expected) == 0);
  }
}

TEST(names_taken_apart) {
  struct space space;
  const char *id;
  CHECK(name_split("smem.1000.a.b", &space, &id));
  CHECK(strcmp(space.text, "1000") == 0 && strcmp(id, "a.b") == 0);
  CHECK(!name_split("other.1000.a", &space, &id));
  CHECK(!name_split("smem.1000", &space, &id));
  CHECK(!name_split("smem..a", &space, &id));
  CHECK(!name_split("smem.12345678901234567.a", &space, &id));
  CHECK(!name_split("smem.a b.a", &space, &id));
}

TEST(seconds_of_patience) {
  const char *bad[] = {"-1", "0", "nan", "1e7", "soon", ""};
  setenv("SHAREDMEMORY_TIMEOUT", "0.25", 1);
  CHECK_EQUAL(250000000, process_timeout());
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    setenv("SHAREDMEMORY_TIMEOUT", bad[i], 1);
    CHECK_EQUAL(5000000000u, process_timeout());
  }
}

/* ---- locks ---------------------------------------------------------------- */

ROLE(holder) {
  struct call call = {"find", "a", 0, &error, false};
  struct control *control;
  struct lock lock;
  CHECK_OK(control_join(&call, &control));
  CHECK_OK(lock_take(&call, control->file, LOCK_NAME, 1, &lock));
  raise_flag(0);
  await_flag(1, 1);
  lock_drop(&lock);
  control_release(control);
}

static bool always(void) { return true; }

TEST(locks_of_one_process) {
  struct call call = {"find", "a", 0, &error, false};
  struct control *control;
  struct lock first, second, third;
  setenv("SHAREDMEMORY_TIMEOUT", "0.05", 1);
  CHECK_OK(control_join(&call, &control));
  CHECK_OK(lock_take(&call, control->file, LOCK_NUMBER + 1, 1, &first));
  CHECK_OK(lock_take(&call, control->file, LOCK_NUMBER + 5, 2, &second));
  CHECK_CODE(SMEM_BUSY,
             lock_take(&call, control->file, LOCK_NUMBER, 10, &third));
  CHECK(lock_is_held(control->file, LOCK_NUMBER + 1));
  CHECK(lock_is_held(control->file, LOCK_NUMBER + 6));
  CHECK(!lock_is_held(control->file, LOCK_NUMBER + 3));
  lock_drop(&first); /* which is not the last one taken */
  CHECK(!lock_is_held(control->file, LOCK_NUMBER + 1));
  lock_drop(&second);
  CHECK_OK(lock_take(&call, control->file, LOCK_NUMBER, 10, &third));
  lock_drop(&third);
  /* Who cleans up does not ask for interrupts, and gives up in time as well. */
  process_id other = START(holder, "");
  await_flag(0, 1);
  smem_start(always);
  CHECK_CODE(SMEM_INTERRUPTED,
             lock_take(&call, control->file, LOCK_NAME, 1, &third));
  call.must_finish = true;
  CHECK_CODE(SMEM_BUSY,
             lock_take(&call, control->file, LOCK_NAME, 1, &third));
  raise_flag(1);
  FINISH(other);
  control_release(control);
  clean_namespace();
}

/* Numbers that are being created are as good as locked. */
TEST(claims_keep_locks_away) {
  struct call call = {"allocate", "", 0, &error, false};
  struct control *control;
  struct claim claim = {0};
  struct lock lock;
  uint64_t first;
  CHECK_OK(control_join(&call, &control));
  CHECK_OK(claim_begin(&call, control, &claim));
  CHECK_OK(claim_numbers(&call, &claim, 2, &first));
  CHECK(!claim_try_lock(control, number_id(first), &lock));
  CHECK(!claim_try_lock(control, number_id(first + 1), &lock));
  CHECK(!lock_is_held(control->file, LOCK_NUMBER + first));
  CHECK(claim_end(&claim, true));
  CHECK(claim_try_lock(control, number_id(first), &lock));
  lock_drop(&lock);
  control_release(control);
  clean_namespace();
}

/* ---- mapping ---------------------------------------------------------------- */

TEST(many_are_mapped) {
  enum { MANY = 300 };
  smem_detached detached;
  for (int i = 1; i <= MANY; i++) {
    CHECK_EQUAL(i, allocate_number(1));
    *map(number_id((uint64_t)i)) = (unsigned char)i;
  }
  for (int i = 1; i <= MANY; i++)
    CHECK_EQUAL((unsigned char)i, *map(number_id((uint64_t)i)));
  for (int i = 1; i <= MANY; i++) {
    smem_unmap(number_id((uint64_t)i), &detached);
    CHECK_OK(free_id(number_id((uint64_t)i)));
  }
  CHECK(!mapping_any());
}

TEST(a_mapping_is_taken_back) {
  smem_mapping *mapping;
  smem_detached detached;
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_map("a", SMEM_READ_ONLY, &mapping, &error));
  mapping->attached[SMEM_READ_ONLY] = &detached;
  CHECK_OK(smem_map("a", SMEM_READ_ONLY, &mapping, &error));
  smem_undo_map("a", SMEM_READ_ONLY, false, &detached); /* counts one less */
  CHECK(mapping->address[SMEM_READ_ONLY] != NULL);
  CHECK_OK(smem_map("a", SMEM_READ_WRITE, &mapping, &error));
  smem_undo_map("a", SMEM_READ_WRITE, true, &detached);
  CHECK(mapping->address[SMEM_READ_WRITE] == NULL);
  CHECK(mapping->address[SMEM_READ_ONLY] != NULL);
  smem_undo_map("a", SMEM_READ_ONLY, true, &detached); /* the last one */
  CHECK(detached.attached[SMEM_READ_ONLY] == &detached);
  CHECK(!mapping_any());
  smem_undo_map("a", SMEM_READ_ONLY, true, &detached); /* of nothing */
  CHECK_OK(free_id("a"));
}

ROLE(allocator) {
  allocate_number(1);
  raise_flag(0);
  await_flag(1, 1);
}

/* Who cannot join maps all the same, and looks each time whether the number has
 * come to mean another segment. */
TEST(mapped_without_the_counter) {
  smem_mapping *mapping;
  smem_detached detached;
  process_id owner = START(allocator, "");
  need_listing_of_what_is_planted();
  await_flag(0, 1);
  write_at(control_path(), 0, "damaged!", 8);
  CHECK_CODE(SMEM_CONTROL, smem_join(&error));
  CHECK_OK(smem_map("1", SMEM_READ_ONLY, &mapping, &error));
  CHECK_OK(smem_map("1", SMEM_READ_ONLY, &mapping, &error));
  CHECK(rename(segment_path("1"), segment_path("2")) == 0);
  CHECK_OK(smem_map("1", SMEM_READ_ONLY, &mapping, &error)); /* freed: is kept */
  plant_file(segment_path("1"), "another", 0600);
  CHECK_CODE(SMEM_REPLACED, smem_map("1", SMEM_READ_ONLY, &mapping, &error));
  for (int i = 0; i < 3; i++) smem_unmap("1", &detached);
  raise_flag(1);
  FINISH(owner);
  clean_namespace();
}

TEST(freed_for_later) {
  smem_detached detached;
  CHECK_OK(smem_free_later("a", &error)); /* is neither there nor mapped */
  CHECK(!smem_collect(&detached));
  CHECK_OK(allocate("a", 1));
  map("a");
  CHECK(mkdir(segment_path("b"), 0700) == 0);
  CHECK_AMONG(CODE(CORRUPT) | CODE(SYSTEM), smem_free_later("b", &error));
  CHECK(rmdir(segment_path("b")) == 0);
  CHECK_OK(smem_free_later("a", &error));
  CHECK(smem_collect(&detached));
  CHECK(!smem_collect(&detached));
}

static void move_away(const char *place) {
  (void)place;
  rename(segment_path("1"), segment_path("2"));
}

/* Between any two looks of a map its object is freed. */
TEST(freed_while_it_is_mapped) {
  process_id owner = START(allocator, "");
  need_listing_of_what_is_planted();
  await_flag(0, 1);
  bool moved = true;
  for (unsigned long at = 1; moved; at += FAULT_STEP) {
    fault_hook = move_away;
    fault_arm(FAULT_HOOK, at);
    CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), try_map("1"));
    moved = fault_disarm();
    rename(segment_path("2"), segment_path("1"));
    CHECK_OK(smem_leave(&error));
  }
  raise_flag(1);
  FINISH(owner);
  clean_namespace();
}

/* At the end nothing can be asked any more: better a segment too many. */
TEST(the_end_with_a_damaged_control_object) {
  smem_request request = {.size = 1, .name = "a"};
  process_id other = START(allocator, "");
  await_flag(0, 1);
  CHECK_OK(smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error));
  write_at(control_path(), 0, "damaged!", 8);
  smem_stop();
  CHECK(path_exists(segment_path("a")));
  raise_flag(1);
  FINISH(other);
  clean_namespace();
}

/* ---- allocating ------------------------------------------------------------- */

TEST(more_than_can_be_addressed) {
  CHECK_CODE(SMEM_NO_MEMORY, allocate("a", UINT64_MAX / 2));
  CHECK_CODE(SMEM_NO_MEMORY, allocate("a", UINT64_MAX - (1 << 20)));
  CHECK_EQUAL(0, count_listed());
}

static void check_texts(const smem_entry *entry, void *context) {
  (void)context;
  CHECK_EQUAL(63, strlen(entry->tag));
  CHECK(strncmp(entry->tag, "tag", 3) == 0);
  CHECK_EQUAL(255, strlen(entry->trace));
}

TEST(tags_and_traces_are_cut) {
  char tag[100] = "tag", trace[400], bytes[1], path[300];
  size_t length = 1;
  memset(tag + 3, 't', sizeof tag - 4);
  tag[sizeof tag - 1] = '\0';
  memset(trace, 'f', sizeof trace - 1);
  trace[sizeof trace - 1] = '\0';
  setenv("SHAREDMEMORY_TAG", tag, 1);
  smem_request request = {.size = 1, .name = "a", .trace = trace};
  CHECK_OK(smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error));
  CHECK_OK(smem_inspect("a", bytes, &length, path, sizeof path, check_texts,
                        NULL, &error));
  CHECK_OK(free_id("a"));
}

static unsigned asked, patience;
static bool impatient(void) { return ++asked > patience; }

TEST(many_names_are_interrupted) {
  enum { MANY = 600 };
  static char names[MANY][16];
  static smem_request requests[MANY];
  need_listing_of_what_is_planted();
  for (int i = 0; i < MANY; i++) {
    snprintf(names[i], sizeof names[i], "n%d", i);
    requests[i] = (smem_request){.size = 1, .name = names[i]};
  }
  /* Asked while memory is reserved, too. */
  smem_start(impatient);
  patience = 0;
  CHECK_CODE(SMEM_INTERRUPTED,
             smem_allocate(requests, MANY, SMEM_UNTIL_FREED, true, &error));
  CHECK_EQUAL(0, count_objects() - path_exists(control_path()));
  patience = 1000000;
  CHECK_OK(smem_allocate(requests, MANY, SMEM_UNTIL_FREED, true, &error));
  for (int i = 0; i < MANY; i++) CHECK_OK(free_id(names[i]));
}

static void take_all_away(const char *place) {
  (void)place;
  unlink(control_path());
  unlink(segment_path("a"));
  unlink(segment_path("b"));
}

/* Between any two calls of the system somebody cleans up: what was allocated is
 * there, or was there and has been removed, and both or none were made. */
TEST(cleaned_away_while_allocating) {
  need_listing_of_what_is_planted();
  bool cleaned = true;
  for (unsigned long at = 1; cleaned; at += FAULT_STEP) {
    smem_request requests[] = {{.size = 1, .name = "a"},
                               {.size = 1, .name = "b"}};
    fault_hook = take_all_away;
    fault_arm(FAULT_HOOK, at);
    CHECK_OK(smem_allocate(requests, 2, SMEM_UNTIL_FREED, true, &error));
    cleaned = fault_disarm();
    CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), find_id("b"));
    if (find_id("b") == SMEM_OK) CHECK_OK(find_id("a"));
    CHECK_OK(free_id("a"));
    CHECK_OK(free_id("b"));
    CHECK_OK(smem_leave(&error));
  }
}

TEST(is_a_handle_findable) {
  smem_handle *handle;
  CHECK_OK(allocate("a", 1));
  CHECK_OK(smem_open("a", SMEM_READ_ONLY, &handle, &error));
  CHECK(smem_handle_is_findable(handle));
  CHECK_OK(free_id("a"));
  CHECK(!smem_handle_is_findable(handle));
  CHECK_OK(allocate("a", 1)); /* another one */
  CHECK(!smem_handle_is_findable(handle));
  smem_close(handle);
  CHECK_OK(free_id("a"));
}

/* ---- inspecting ---------------------------------------------------------------- */

static void note_state(const smem_entry *entry, void *context) {
  *(smem_state *)context = entry->state;
}

static smem_code inspect(const char *id, size_t *length, smem_state *state) {
  char bytes[10], path[300];
  *length = sizeof bytes;
  return smem_inspect(id, bytes, length, path, sizeof path, note_state, state,
                      &error);
}

TEST(damaged_ones_are_inspected) {
  size_t length;
  smem_state state;
  need_listing_of_what_is_planted();
  CHECK_CODE(SMEM_NOT_FOUND, inspect("a", &length, &state));
  plant_file(segment_path("a"), "damaged", 0600);
  CHECK_OK(inspect("a", &length, &state));
  CHECK_EQUAL(SMEM_DAMAGED, state);
  CHECK_EQUAL(7, length);
  CHECK(symlink("/nowhere", segment_path("b")) == 0);
  CHECK_OK(inspect("b", &length, &state));
  CHECK_EQUAL(SMEM_DAMAGED, state);
  CHECK_EQUAL(0, length);
  plant_incomplete("c");
  CHECK_OK(inspect("c", &length, &state));
  CHECK_EQUAL(SMEM_INCOMPLETE, state);
  CHECK_EQUAL(0, length);
  if (chown(segment_path("a"), 65533, (gid_t)-1) == 0)
    CHECK_CODE(SMEM_PERMISSION, inspect("a", &length, &state));
  unlink(segment_path("a"));
  unlink(segment_path("b"));
  unlink(segment_path("c"));
}

/* ---- reclaiming ----------------------------------------------------------------- */

static void count_fate(const smem_entry *entry, smem_fate fate, void *context) {
  (void)entry;
  ((unsigned *)context)[fate]++;
}

TEST(anothers_are_not_reclaimed) {
  unsigned fates[SMEM_KEPT_CHANGED + 1] = {0}, shares = 0;
  need_listing_of_what_is_planted();
  CHECK_OK(allocate("a", 1));
  CHECK_OK(allocate("b", 1));
  if (chown(segment_path("a"), 65533, (gid_t)-1) != 0) {
    clean_namespace();
    test_skip("only root can give files away");
  }
  CHECK_OK(smem_reclaim(false, true, count_fate, fates, &error));
  CHECK_EQUAL(1, fates[SMEM_KEPT_FOREIGN]);
  CHECK_EQUAL(1, fates[SMEM_KEPT_LIVE]);
  CHECK_OK(smem_shares(ignore_share, &shares, &error));
  CHECK(shares >= 2); /* ours, and the other user's */
  CHECK(unlink(segment_path("a")) == 0);
  clean_namespace();
}

TEST(counted_without_memory) {
  unsigned shares = 0;
  char odd[400];
  bool failed = true;
  need_listing_of_what_is_planted();
  CHECK_OK(allocate("a", 1));
  /* A name that only begins like ours. */
  snprintf(odd, sizeof odd, "%s", segment_path("x"));
  *strrchr(odd, '.') = '\0';
  plant_file(odd, "", 0600);
  for (unsigned long at = 1; failed; at += FAULT_STEP) {
    fault_arm(FAULT_ERROR, at);
    smem_code code = smem_shares(ignore_share, &shares, &error);
    failed = fault_disarm();
    CHECK_AMONG(CODE(OK) | CODE(NO_MEMORY), code);
  }
  CHECK(unlink(odd) == 0);
  clean_namespace();
}

/* However little time each has, they get through, one after the other. */
TEST(reclaimed_bit_by_bit) {
  enum { MANY = 60 };
  size_t left = MANY, before = MANY + 1;
  need_listing_of_what_is_planted();
  CHECK_OK(smem_join(&error));
  for (int i = 0; i < MANY; i++) plant_incomplete(number_id(i + 1000u));
  CHECK_OK(allocate("stays", 1));
  for (int calls = 0; left > 1 && calls < 10; calls++) {
    smem_reclaim_some(1);
    before = left;
    left = count_listed();
    CHECK(left <= before);
  }
  CHECK_EQUAL(1, left);
  CHECK_OK(find_id("stays"));
  for (int i = 0; i < MANY; i++) plant_incomplete(number_id(i + 1000u));
  smem_reclaim_some(UINT64_C(60) * 1000000000); /* time enough for all */
  CHECK_EQUAL(1, count_listed());
  clean_namespace();
}

TEST(nothing_is_reclaimed_with_a_damaged_control_object) {
  char page[4096] = "damaged";
  need_listing_of_what_is_planted();
  smem_reclaim_some(1); /* nor is there anything without one */
  CHECK_EQUAL(0, count_objects());
  plant_incomplete("a");
  plant_file(control_path(), "", 0600);
  CHECK_OK(smem_reclaim(false, true, ignore_fate, NULL, &error));
  CHECK(path_exists(segment_path("a")));
  memset(page + 7, 1, sizeof page - 8);
  CHECK(unlink(control_path()) == 0);
  plant_file(control_path(), page, 0600);
  CHECK(truncate(control_path(), sizeof page) == 0);
  smem_reclaim_some(1);
  CHECK_OK(smem_reclaim(false, true, ignore_fate, NULL, &error));
  CHECK(path_exists(segment_path("a")));
  if (chown(control_path(), 65533, (gid_t)-1) == 0) {
    smem_reclaim_some(1);
    CHECK_CODE(SMEM_PERMISSION,
               smem_reclaim(false, true, ignore_fate, NULL, &error));
    CHECK(path_exists(segment_path("a")));
  }
  unlink(control_path());
  unlink(segment_path("a"));
}

ROLE(owner_who_dies) {
  smem_request request = {.size = 1, .name = "a"};
  CHECK_OK(smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error));
  host_exit(0);
}

/* A successor of the name, made beforehand: a complete segment that lives. */
static void make_successor(void) {
  struct footer footer;
  CHECK_OK(allocate("b", 1));
  read_footer_of("b", &footer);
  strcpy(footer.id, "a");
  footer_seal(&footer);
  write_at(segment_path("b"), stat_of(segment_path("b")).st_size - FOOTER_SIZE,
           &footer, sizeof footer);
}

static void take_away(const char *place) {
  (void)place;
  unlink(segment_path("a"));
}
/* As a creator does: with the lock of the id, or not now. */
static void replace(const char *place) {
  os_object control;
  os_info info;
  (void)place;
  CHECK(os_control_open(strrchr(control_path(), '/') + 1, false, &control,
                        &info).code == OS_OK);
  if (os_lock(control, lock_of_id("a"), 1).code == OS_OK)
    rename(segment_path("b"), segment_path("a"));
  os_object_close(control);
}

/* Between any two looks of a reclaim the orphan is freed, or has a successor. */
static void change_while_reclaiming(void (*change)(const char *place)) {
  bool changed = true;
  CHECK_OK(smem_join(&error));
  for (unsigned long at = 1; changed; at += FAULT_STEP) {
    PLAY(owner_who_dies, "");
    if (change == replace) make_successor();
    fault_hook = change;
    fault_arm(FAULT_HOOK, at);
    CHECK_OK(smem_reclaim(false, false, ignore_fate, NULL, &error));
    changed = fault_disarm();
    if (change == replace)
      CHECK(path_exists(segment_path("a")) || path_exists(segment_path("b")));
    unlink(segment_path("a"));
    unlink(segment_path("b"));
  }
  clean_namespace();
}

TEST(freed_while_it_is_reclaimed) { change_while_reclaiming(take_away); }
TEST(replaced_while_it_is_reclaimed) { change_while_reclaiming(replace); }

#else
typedef int not_posix;
#endif
