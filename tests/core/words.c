/* The core, in fewer words. */
#include "test.h"

_Thread_local smem_error error = SMEM_ERROR_INIT;

void tell_environment(void) {
  smem_environment(getenv("SHAREDMEMORY_NAMESPACE"),
                   getenv("SHAREDMEMORY_TIMEOUT"), getenv("SHAREDMEMORY_TAG"));
  smem_directory(getenv("SHAREDMEMORY_DIR"));
  smem_spill(getenv("SHAREDMEMORY_SPILL"));
}

void set_variable(const char *name, const char *value) {
#ifdef _WIN32
  _putenv_s(name, value ? value : "");
#else
  if (value)
    setenv(name, value, 1);
  else
    unsetenv(name);
#endif
  tell_environment();
}

void suite_start(void) {
  smem_start(NULL);
  tell_environment();
}

/* ---- checks -------------------------------------------------------------- */

void test_among(const char *file, int line, const char *text, smem_code code,
                uint32_t mask) {
  if ((mask >> code) & 1) return;
  test_fail(file, line, "%s: %s%s%s", text,
            code == SMEM_OK ? "ok" : smem_error_kind(code),
            code == SMEM_OK ? "" : ": ", code == SMEM_OK ? "" : message());
}

void test_code(const char *file, int line, const char *text, smem_code code,
               smem_code expected) {
  test_among(file, line, text, code, UINT32_C(1) << expected);
  if (code == SMEM_OK || error.code == code) return;
  test_fail(file, line, "%s: the error record says %d", text, error.code);
}

void test_ok(const char *file, int line, const char *text, smem_code code) {
  test_code(file, line, text, code, SMEM_OK);
  if (error.code != SMEM_OK)
    test_fail(file, line, "%s went well, and filled the error record: %s", text,
              message());
}

/* ---- calls --------------------------------------------------------------- */

static smem_code allocate_one(const char *name, uint64_t size, bool exclusive) {
  smem_request request = SMEM_REQUEST_INIT(size, name);
  return smem_allocate(&request, 1, SMEM_UNTIL_FREED, exclusive, &error);
}

smem_code allocate(const char *name, uint64_t size) {
  return allocate_one(name, size, false);
}

smem_code allocate_for_process(const char *name) {
  smem_request request = SMEM_REQUEST_INIT(1, name);
  return smem_allocate(&request, 1, SMEM_OF_PROCESS, false, &error);
}

smem_code allocate_exclusive(const char *name, uint64_t size) {
  return allocate_one(name, size, true);
}

uint64_t allocate_number(uint64_t size) {
  smem_request request = SMEM_REQUEST_INIT(size, NULL);
  CHECK_OK(smem_allocate(&request, 1, SMEM_UNTIL_FREED, false, &error));
  CHECK(request.number > 0);
  return request.number;
}

smem_mapping *map_with(const char *id, smem_access access) {
  smem_mapping *mapping;
  CHECK_OK(smem_map(&id, 1, access, &mapping, &error));
  return mapping;
}

void *mapped_at(const char *id, smem_access access) {
  return smem_mapping_address(map_with(id, access), access);
}

unsigned char *map(const char *id) { return mapped_at(id, SMEM_READ_WRITE); }

smem_code map_id(const char *id, smem_access access) {
  smem_mapping *mapping;
  return smem_map(&id, 1, access, &mapping, &error);
}

smem_code try_map(const char *id) {
  smem_code code = map_id(id, SMEM_READ_WRITE);
  if (code == SMEM_OK) unmap_id(id);
  return code;
}

_Thread_local void *note_gone;
_Thread_local unsigned notes_gone;

void count_note(void *note) {
  note_gone = note;
  notes_gone++;
}

void unmap_id(const char *id) { smem_unmap(&id, 1, count_note); }

void undo_map(const char *id, smem_access access) {
  smem_undo_map(&id, 1, access, count_note);
}

smem_code free_id(const char *id) {
  return smem_free(&id, 1, count_note, &error);
}

smem_code can_free_id(const char *id) {
  struct call call = {SMEM_OP_FREE, id, 0, &error, false};
  bool exists;
  return smem__free_look(&call, &exists);
}

smem_code find_id(const char *id) {
  bool exists = false;
  smem_code code = smem_exists(id, &exists, &error);
  if (code != SMEM_OK || exists) return code;
  error.code = SMEM_NOT_FOUND;
  return SMEM_NOT_FOUND;
}

smem_handle *open_handle(const char *id, smem_access access) {
  smem_handle *handle;
  CHECK_OK(smem_open(id, access, &handle, &error));
  return handle;
}

smem_code try_open(const char *id, smem_access access) {
  smem_handle *handle;
  smem_code code = smem_open(id, access, &handle, &error);
  if (code == SMEM_OK) smem_close(handle);
  return code;
}

smem_code read_bytes(const char *id, uint64_t offset, void *to,
                     uint64_t length) {
  return smem_read(id, offset, to, length, &error);
}

smem_code write_bytes(const char *id, uint64_t offset, const void *from,
                      uint64_t length) {
  return smem_write(id, offset, from, length, &error);
}

void mail_reference(const char *id) {
  smem_reference reference;
  smem_handle *handle = open_handle(id, SMEM_READ_ONLY);
  smem_refer(handle, &reference);
  smem_close(handle);
  size_t length = smem_reference_write(&reference, shared->mail);
  memcpy(shared->mail + SMEM_REFERENCE_SIZE, &length, sizeof length);
}

smem_reference read_mail(void) {
  smem_reference reference;
  size_t length;
  memcpy(&length, shared->mail + SMEM_REFERENCE_SIZE, sizeof length);
  CHECK(!smem_reference_read(shared->mail, length, &reference));
  return reference;
}

smem_code try_open_reference(const smem_reference *reference) {
  smem_handle *handle;
  smem_code code =
      smem_open_reference(reference, SMEM_READ_WRITE, &handle, &error);
  if (code == SMEM_OK) smem_close(handle);
  return code;
}

const char *raw_id(const char *word) {
  static _Thread_local char ring[4][64];
  static _Thread_local unsigned at;
  char *id = ring[at++ % 4];
  snprintf(id, sizeof *ring, "/raw.%s.%s", getenv("SHAREDMEMORY_NAMESPACE"),
           word);
  return id;
}

const char *number_id(uint64_t number) {
  static _Thread_local char ring[4][SMEM_NUMBER_SIZE];
  static _Thread_local unsigned at;
  char *id = ring[at++ % 4];
  smem_id_of_number(number, id);
  return id;
}

const char *message(void) {
  static _Thread_local char text[1024];
  smem_error_message(&error, text, sizeof text);
  return text;
}

/* ---- what is called for each --------------------------------------------- */

bool never_mapped(uint64_t pid, const uint64_t identity[2], uint64_t copied,
                  void *context) {
  (void)pid;
  (void)identity;
  (void)copied;
  (void)context;
  abort();
}

bool pass_entry(const smem_entry *entry, void *context) {
  (void)entry;
  (void)context;
  return true;
}

bool count_entry(const smem_entry *entry, void *count) {
  (void)entry;
  ++*(size_t *)count;
  return true;
}

void ignore_entry(const smem_entry *entry, void *context) {
  (void)entry;
  (void)context;
}

void ignore_fate(const smem_entry *entry, smem_fate fate, void *context) {
  (void)entry;
  (void)fate;
  (void)context;
}

void note_fate(const smem_entry *entry, smem_fate fate, void *last) {
  (void)entry;
  *(smem_fate *)last = fate;
}

void count_fate(const smem_entry *entry, smem_fate fate, void *counts) {
  (void)entry;
  ((unsigned *)counts)[fate]++;
}

void count_share(const smem_share *share, void *count) {
  (void)share;
  ++*(unsigned *)count;
}

/* ---- listing ------------------------------------------------------------- */

size_t count_listed(void) {
  size_t count = 0;
  CHECK_OK(smem_list(count_entry, &count, &error));
  return count;
}

struct look {
  const char *id;
  int state;
};

static bool compare_entry(const smem_entry *entry, void *context) {
  struct look *look = context;
  if (strcmp(entry->id, look->id) == 0) look->state = (int)entry->state;
  return look->state < 0;
}

int listed_state(const char *id) {
  struct look look = {id, -1};
  CHECK_OK(smem_list(compare_entry, &look, &error));
  return look.state;
}
