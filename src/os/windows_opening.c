/* Windows: what this process has of each object, for as long as it needs it. */
#include "windows_system.h"
#ifdef OS_WINDOWS

#include <stdlib.h>

/* In a hash table, for a process may hold 50,000 segments. */
struct entry {
  struct entry *next;
  uint64_t hash;
  struct windows_object *object;
};

static os_status section_size(HANDLE section, uint64_t *size) {
  struct {
    void *base;
    ULONG attributes;
    LARGE_INTEGER size;
  } basic = {NULL, 0, {{0, 0}}};
  if (!smem__windows_own.query_section)
    return smem__windows_status(ERROR_PROC_NOT_FOUND);
  NTSTATUS status =
      smem__windows_own.query_section(section, 0, &basic, sizeof basic, NULL);
  if (status < 0) return smem__windows_status_nt(status);
  *size = (uint64_t)basic.size.QuadPart;
  return OS_SUCCESS;
}

struct table {
  struct entry **buckets;
  size_t capacity; /* a power of two, or 0 */
  size_t count;
};

static SRWLOCK table_guard = SRWLOCK_INIT;
static struct table mapped; /* by address: every view */
static struct table named;  /* by name: every opening with a handle */

static uint64_t hash_name(const char *name) {
  return smem__hash(name, strlen(name), 1);
}

/* No two addresses have the same, for all steps can be undone. The last brings
 * the upper bits down: views begin at multiples of 64 KiB. */
static uint64_t hash_address(const void *address) {
  uint64_t value = (uint64_t)(uintptr_t)address * 0x9E3779B97F4A7C15u;
  return value ^ (value >> 32);
}

static struct entry **bucket(const struct table *table, uint64_t value) {
  return &table->buckets[value & (table->capacity - 1)];
}

static void table_grow(struct table *table) {
  struct table larger = {NULL, table->capacity ? 2 * table->capacity : 64,
                         table->count};
  larger.buckets = calloc(larger.capacity, sizeof *larger.buckets);
  if (!larger.buckets) return; /* longer chains, then */
  for (size_t i = 0; i < table->capacity; i++)
    for (struct entry *entry = table->buckets[i], *next; entry; entry = next) {
      struct entry **at = bucket(&larger, entry->hash);
      next = entry->next;
      entry->next = *at;
      *at = entry;
    }
  free(table->buckets);
  *table = larger;
}

/* False, with the entry freed, if there is no memory. */
static bool table_insert(struct table *table, struct entry *entry) {
  if (entry && table->count >= table->capacity) table_grow(table);
  if (!entry || table->capacity == 0) {
    free(entry);
    return false;
  }
  struct entry **at = bucket(table, entry->hash);
  entry->next = *at;
  *at = entry;
  table->count++;
  return true;
}

static struct entry *entry_new(struct windows_object *object, uint64_t value) {
  struct entry *entry = malloc(sizeof *entry);
  if (entry) *entry = (struct entry){NULL, value, object};
  return entry;
}

/* Take out and free the entry of the object, or of any with that name. Returns
 * the object; NULL if there is none. */
static struct windows_object *table_take(struct table *table, uint64_t value,
                                         const struct windows_object *object,
                                         const char *name) {
  if (table->capacity == 0) return NULL;
  for (struct entry **at = bucket(table, value); *at; at = &(*at)->next) {
    struct entry *entry = *at;
    struct windows_object *found = entry->object;
    if (entry->hash != value || (object && found != object) ||
        (name && strcmp(found->name, name) != 0))
      continue;
    *at = entry->next;
    table->count--;
    free(entry);
    return found;
  }
  return NULL;
}

/* Let go of what is needed no longer. The caller has table_guard. */
static void settle(struct windows_object *object) {
  bool is_held = object->is_kept || object->views > 0;
  if (object->is_open) return;
  if (object->section && (object->is_removed || !is_held)) {
    CloseHandle(object->section);
    object->section = NULL;
    if (!object->is_removed)
      table_take(&named, hash_name(object->name), object, NULL);
  }
  if (!is_held) free(object);
}

/* The handle becomes the opening's, or is closed. */
os_status smem__windows_object_new(HANDLE section, const char *name,
                                   struct windows_object **object) {
  size_t length = strlen(name) + 1;
  struct windows_object *made = calloc(1, sizeof *made + length);
  os_status status = smem__windows_no_memory;
  if (made) {
    memcpy(made->name, name, length);
    made->section = section;
    made->is_open = true;
    status = section_size(section, &made->size);
  }
  if (status.code == OS_OK) {
    AcquireSRWLockExclusive(&table_guard);
    if (!table_insert(&named, entry_new(made, hash_name(name))))
      status = smem__windows_no_memory;
    ReleaseSRWLockExclusive(&table_guard);
  }
  if (status.code == OS_OK) {
    *object = made;
    return status;
  }
  CloseHandle(section);
  free(made);
  return status;
}

bool smem__windows_enter_view(struct windows_object *object,
                              const void *address) {
  AcquireSRWLockExclusive(&table_guard);
  bool done = table_insert(&mapped, entry_new(object, hash_address(address)));
  if (done) object->views++;
  ReleaseSRWLockExclusive(&table_guard);
  return done;
}

void smem__windows_leave_view(const void *address) {
  AcquireSRWLockExclusive(&table_guard);
  struct windows_object *object =
      table_take(&mapped, hash_address(address), NULL, NULL);
  if (object) {
    object->views--;
    settle(object);
  }
  ReleaseSRWLockExclusive(&table_guard);
}

void smem__windows_object_close(struct windows_object *object) {
  if (object->view) UnmapViewOfFile(object->view);
  object->view = NULL;
  AcquireSRWLockExclusive(&table_guard);
  object->is_open = false;
  settle(object);
  ReleaseSRWLockExclusive(&table_guard);
}

/* Let go of all that this process has of that name. False: nothing. */
bool smem__windows_let_go(const char *name) {
  uint64_t value = hash_name(name);
  bool found = false;
  AcquireSRWLockExclusive(&table_guard);
  for (struct windows_object *object;
       (object = table_take(&named, value, NULL, name)) != NULL;) {
    found = true;
    object->is_removed = true;
    object->is_kept = false;
    settle(object);
  }
  ReleaseSRWLockExclusive(&table_guard);
  return found;
}

os_status smem__os_object_keep(const char *name, os_object object) {
  struct windows_object *keep = windows_object_of(object);
  (void)name; /* the one that it was opened by */
  AcquireSRWLockExclusive(&table_guard);
  keep->is_kept = !keep->is_removed;
  ReleaseSRWLockExclusive(&table_guard);
  return OS_SUCCESS;
}

#endif
