/* The whole public header in use, as a client outside this repository has it:
 * with <smem.h> alone, in C99 and in C++11. No function is left out. */
#include <smem.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static smem_error error = SMEM_ERROR_INIT;

#define CHECK(condition)                                                       \
  ((condition) ? (void)0 : complain(__LINE__, #condition))
#define CHECK_OK(call) CHECK((call) == SMEM_OK)

static void complain(int line, const char *text) {
  char message[1024] = "";
  smem_error_message(&error, message, sizeof message);
  fprintf(stderr, "face.c:%d: %s\n  the last error: %s\n", line, text, message);
  smem_stop();
  exit(1);
}

static bool never(void) { return false; }

/* ---- ids ----------------------------------------------------------------- */

static void ids(void) {
  char id[SMEM_NUMBER_SIZE], text[4];
  const char *why = NULL;
  uint64_t number = 0;
  CHECK(smem_id_is_raw("/other"));
  CHECK(smem_id_is_valid("results", 7, &why));
  CHECK(!smem_id_is_valid("", 0, &why) && why);
  CHECK(smem_is_utf8("\xC3\xA4") && !smem_is_utf8("\xC3"));
  smem_id_of_number(42, id);
  CHECK(smem_id_is_number(id, &number) && number == 42);
  smem_copy_text(text, sizeof text, "abc\xC3\xA4");
  CHECK(strcmp(text, "abc") == 0);
  CHECK(smem_random() != smem_random());
  CHECK(strcmp(smem_error_kind(SMEM_NOT_FOUND), "not_found") == 0);
}

/* ---- segments, mappings, handles ----------------------------------------- */

static void allocate(const char *name, uint64_t size) {
  smem_request request = SMEM_REQUEST_INIT(size, name);
  CHECK_OK(smem_allocate(&request, 1, SMEM_OF_PROCESS, true, &error));
}

static void segments(void) {
  smem_request request = SMEM_REQUEST_INIT(1, NULL);
  uint64_t size = 0, requested = 0;
  bool exists = true;
  const char *name = "face";
  CHECK(smem_size(name, &size, &error) == SMEM_NOT_FOUND);
  CHECK(error.code == SMEM_NOT_FOUND && strcmp(error.id, name) == 0);
  CHECK_OK(smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error));
  CHECK(request.number > 0);
  CHECK_OK(smem_last_index(&size, &error));
  CHECK(size == request.number);
  smem_undo_allocate(&request, 1);
  allocate(name, 100);
  CHECK_OK(smem_exists(name, &exists, &error));
  CHECK(exists);
  CHECK_OK(smem_extent(name, &size, &requested, &error));
  CHECK(size >= 100 && requested == 100);
}

static unsigned notes;
static void count_note(void *note) { notes += note == &notes; }

static void *choose(uint64_t capacity, uint64_t requested, uint64_t *offset,
                    uint64_t *length, void *to) {
  CHECK(capacity >= requested);
  *offset = 12;
  *length = 4;
  return to;
}

static void mappings(void) {
  const char *name = "face";
  char bytes[6] = "";
  smem_mapping *mapping = NULL;
  CHECK_OK(smem_write(name, 10, "hello", 6, &error));
  CHECK_OK(smem_map(&name, 1, SMEM_READ_ONLY, &mapping, &error));
  const char *at = (const char *)smem_mapping_address(mapping, SMEM_READ_ONLY);
  CHECK(at && strcmp(at + 10, "hello") == 0);
  CHECK(smem_mapping_capacity(mapping) >= 100);
  smem_mapping_set_note(mapping, SMEM_READ_ONLY, &notes);
  CHECK(smem_mapping_note(mapping, SMEM_READ_ONLY) == &notes);
  CHECK_OK(smem_map(&name, 1, SMEM_READ_WRITE, &mapping, &error));
  smem_undo_map(&name, 1, SMEM_READ_WRITE, count_note);
  smem_unmap(&name, 1, count_note);
  CHECK(notes == 1);
  smem_unmap_all(count_note);
  smem_collect(count_note);
  CHECK_OK(smem_read(name, 10, bytes, 6, &error));
  CHECK(strcmp(bytes, "hello") == 0);
  CHECK(smem_read(name, (uint64_t)1 << 40, bytes, 6, &error) == SMEM_BOUNDS);
  CHECK(strcmp(smem_op_name(error.op), "read") == 0);
  CHECK(smem_error_message_with(&error, "Ask for less.", bytes, 0) > 13);
  CHECK_OK(smem_read_some(name, choose, bytes, &error));
  CHECK(strcmp(bytes, "llo") == 0);
}

static void handles(void) {
  const char *name = "face";
  unsigned char bytes[SMEM_REFERENCE_SIZE];
  smem_handle *handle = NULL, *again = NULL;
  smem_reference reference, read;
  CHECK_OK(smem_open(name, SMEM_PRIVATE, &handle, &error));
  CHECK(smem_handle_is_findable(handle));
  uint64_t place[2] = {0, 0};
  smem_refer(handle, &reference);
  CHECK_OK(smem_here(place, &error));
  CHECK(place[0] == reference.place[0] && place[1] == reference.place[1]);
  size_t length = smem_reference_write(&reference, bytes);
  CHECK(smem_reference_read(bytes, length - 1, &read) != NULL);
  CHECK(smem_reference_read(bytes, length, &read) == NULL);
  CHECK_OK(smem_open_reference(&read, SMEM_READ_ONLY, &again, &error));
  CHECK(smem_id_means(&read, again));
  ((char *)handle->address)[10] = 'J';
  CHECK(smem_handle_is_written(handle));
  CHECK(((const char *)again->address)[10] == 'h');
  smem_close(again);
  smem_close(handle);
  CHECK_OK(smem_seal(&name, 1, &error));
  CHECK(smem_open(name, SMEM_READ_WRITE, &handle, &error) == SMEM_SEALED);
}

/* ---- locks and the like -------------------------------------------------- */

static void locks(void) {
  smem_latch *latch = NULL, *other = NULL;
  smem_mapping *mapping = NULL;
  smem_handle *handle = NULL;
  smem_reference reference;
  const char *name = "guarded";
  allocate(name, 1);
  CHECK_OK(smem_latch_open(name, &latch, &error));
  CHECK_OK(smem_lock(latch, SMEM_EXCLUSIVE, 0, NULL, &error));
  CHECK(smem_latch_held(name) == latch);
  CHECK(strcmp(smem_latch_id(latch), name) == 0);
  CHECK(smem_lock(latch, SMEM_SHARED, 0, NULL, &error) == SMEM_DEADLOCK);
  smem_lock_stamp(latch);
  smem_lock_repaired(latch);
  CHECK_OK(smem_unlock(latch, &error));
  CHECK(smem_unlock(latch, &error) == SMEM_NOT_HELD);
  CHECK(smem_lock_quickly(latch) && !smem_lock_quickly(latch));
  CHECK(smem_unlock_quickly(latch) && !smem_unlock_quickly(latch));
  smem_lock_break(latch);
  CHECK_OK(smem_open(name, SMEM_READ_ONLY, &handle, &error));
  smem_refer(handle, &reference);
  smem_close(handle);
  CHECK_OK(smem_latch_open_reference(&reference, &other, &error));
  smem_latch_close(other);
  CHECK_OK(smem_map(&name, 1, SMEM_READ_ONLY, &mapping, &error));
  CHECK_OK(smem_latch_mapped(name, &other, &error));
  CHECK(other);
  smem_unmap(&name, 1, NULL);
  smem_latch_close(latch);
}

static void semaphores(void) {
  smem_sync *semaphore = NULL, *again = NULL;
  smem_reference reference;
  const char *name = "permits";
  uint32_t available = 0, held = 0;
  CHECK_OK(smem_sync_open(SMEM_SEMAPHORE, name, 2, &semaphore, &error));
  CHECK(smem_sync_count(semaphore) == 2);
  smem_sync_refer(semaphore, &reference);
  CHECK_OK(
      smem_sync_open_reference(SMEM_SEMAPHORE, &reference, &again, &error));
  CHECK_OK(smem_acquire(again, SMEM_FOREVER, NULL, &error));
  smem_permits(semaphore, &available, &held);
  CHECK(available == 1 && held == 1);
  CHECK_OK(smem_release(semaphore, &error));
  smem_sync_close(again);
  smem_sync_close(semaphore);
  CHECK_OK(smem_free(&name, 1, NULL, &error));
}

static void events_and_barriers(void) {
  smem_sync *event = NULL, *barrier = NULL;
  const char *names[] = {"event", "barrier"};
  CHECK_OK(smem_sync_open(SMEM_EVENT, names[0], 1, &event, &error));
  CHECK(smem_event_wait(event, 0, &error) == SMEM_TIMEOUT);
  smem_event_set(event);
  CHECK(smem_event_is_set(event));
  CHECK_OK(smem_event_wait(event, 0, &error));
  smem_event_reset(event);
  smem_sync_close(event);
  CHECK_OK(smem_sync_open(SMEM_BARRIER, names[1], 1, &barrier, &error));
  CHECK_OK(smem_barrier_wait(barrier, SMEM_FOREVER, &error));
  smem_sync_close(barrier);
  CHECK_OK(smem_free(names, 2, NULL, &error));
}

static void counters(void) {
  int32_t i = 1, i_before = 0;
  uint32_t u = 1, u_before = 0;
  int64_t l = 1, l_before = 0;
  double d = 0.5, d_before = 0;
  CHECK(smem_add_int32(&i, 2, &i_before) && i == 3 && i_before == 1);
  CHECK(!smem_add_uint32(&u, -2, &u_before) && u == 1);
  CHECK(smem_add_int64(&l, 2, &l_before) && l == 3 && l_before == 1);
  smem_add_double(&d, 1, &d_before);
  CHECK(d > 1.4 && d < 1.6 && d_before < 0.6);
  i_before = 7;
  CHECK(!smem_compare_and_set(&i, &i_before, &u, sizeof i) && i == 3);
}

/* ---- the namespace ------------------------------------------------------- */

static bool count_entry(const smem_entry *entry, void *count) {
  CHECK(strcmp(smem_state_name(entry->state), "live") == 0);
  ++*(unsigned *)count;
  return true;
}
static void count_inspected(const smem_entry *entry, void *count) {
  count_entry(entry, count);
}
static void count_kept(const smem_entry *entry, smem_fate fate, void *count) {
  CHECK(fate == SMEM_KEPT_LIVE);
  count_entry(entry, count);
}
static void count_share(const smem_share *share, void *count) {
  *(uint64_t *)count += share->segments;
}
static bool pass_mapping(uint64_t pid, const uint64_t identity[2],
                         uint64_t copied, void *count) {
  ++*(unsigned *)count;
  return pid != 0 && identity && copied;
}

static void survey(void) {
  char space[SMEM_NAMESPACE_SIZE], path[300], user[80], bytes[16], command[80];
  unsigned count = 0;
  uint64_t segments = 0;
  size_t length = sizeof bytes;
  smem_limits limits = SMEM_LIMITS_INIT;
  CHECK_OK(smem_own_namespace(space, &error));
  CHECK_OK(smem_list(count_entry, &count, &error));
  CHECK(count == 2);
  CHECK_OK(smem_reclaim(true, true, count_kept, &count, &error));
  CHECK(count == 4);
  smem_reclaim_some(1);
  CHECK_OK(smem_inspect("face", bytes, &length, path, sizeof path,
                        count_inspected, &count, &error));
  CHECK(count == 5 && length == sizeof bytes && path[0]);
  CHECK_OK(smem_shares(count_share, &segments, &error));
  CHECK(segments >= 2);
  smem_code code = smem_mapped_by("face", false, pass_mapping, &count, &error);
  CHECK(code == SMEM_OK || code == SMEM_UNSUPPORTED);
  smem_limits_get(&limits);
  CHECK(limits.capacity > 0);
  for (int i = 0; i < SMEM_LIMITS; i++)
    CHECK(smem_limit_name((smem_limit)i)[0] &&
          smem_limit_remedy((smem_limit)i)[0]);
  CHECK(!smem_limit_bites(&limits, SMEM_LIMITS));
  smem_user_name(0, user, sizeof user);
  smem_command(1, command, sizeof command);
}

int main(void) {
  const char *names[] = {"face", "guarded"};
  smem_start(never);
  smem_environment(getenv("SHAREDMEMORY_NAMESPACE"), NULL, "face");
  smem_directory(NULL);
  smem_spill(NULL);
  CHECK_OK(smem_join(&error));
  ids();
  segments();
  mappings();
  handles();
  locks();
  semaphores();
  events_and_barriers();
  counters();
  survey();
  CHECK_OK(smem_free(names, 2, NULL, &error));
  CHECK_OK(smem_leave(&error));
  smem_stop();
  return 0;
}
