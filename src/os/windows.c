/* Windows: named objects are sections backed by the page file, `Local\name`,
 * which every process of the login session can open.
 *
 * The kernel frees a section with its last handle and last view, and takes away
 * its NAME with the last handle, whatever views there are. So orphans cannot
 * exist, and this file holds one handle per opening as long as it is needed:
 *
 *   what this process has        needs the handle until
 *   an os_object                 os_object_close()
 *   os_object_keep()             os_object_remove() of its name
 *   os_object_map() -> address   os_unmap(), or os_object_remove() of its name:
 *                                the view stays and the name goes
 *
 * Another process that holds a section, if only for the moment in which it
 * looks at it, keeps the name alive too, and nothing can take that from it:
 * after os_object_remove() the name may go on leading to the section until all
 * others have let go.
 *
 * A section is born full-size and filled with zeros, the page file space for it
 * charged. It is incomplete as long as its last 8 bytes are zero: those of the
 * footer's checksum, written last. Only names that begin with "smem" have a
 * footer; another program's section is complete from its first byte on.
 *
 *   state        last 8 bytes   reached by
 *   absent            -         the last handle closed, also by a death
 *   incomplete        0         CreateFileMapping
 *   complete       checksum     os_object_publish()
 *
 * Sections have whole pages, and do not tell what was asked for: sizes are
 * multiples of os_page_size(). */
#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#define _CRT_RAND_S
#if !defined(_WIN32_WINNT) || _WIN32_WINNT < 0x0602
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0602 /* GetSystemTimePreciseAsFileTime */
#endif

#include "os.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>
#include <winternl.h>

#define SUCCESS ((os_status){OS_OK, 0})

enum {
  NAME_SIZE = 300, /* the longest name, in bytes or in UTF-16 units */
  FOOTER = 1024,
  LAST = 8 /* bytes of the word that is written last */
};

/* ---- errors -------------------------------------------------------------- */

static os_status status_of(DWORD number) {
  os_code code;
  switch (number) {
  case ERROR_FILE_NOT_FOUND:
  case ERROR_PATH_NOT_FOUND:       code = OS_NOT_FOUND; break;
  case ERROR_ALREADY_EXISTS:
  case ERROR_FILE_EXISTS:          code = OS_EXISTS; break;
  case ERROR_ACCESS_DENIED:
  case ERROR_PRIVILEGE_NOT_HELD:   code = OS_DENIED; break;
  /* What the functions that take a name say if an event, a mutex ... has it. */
  case ERROR_INVALID_HANDLE:       code = OS_NOT_REGULAR; break;
  case ERROR_COMMITMENT_LIMIT:
  case ERROR_COMMITMENT_MINIMUM:
  case ERROR_PAGEFILE_QUOTA:
  case ERROR_DISK_FULL:            code = OS_NO_SPACE; break;
  case ERROR_NOT_ENOUGH_MEMORY:
  case ERROR_OUTOFMEMORY:
  case ERROR_NO_SYSTEM_RESOURCES:
  case ERROR_NONPAGED_SYSTEM_RESOURCES:
  case ERROR_PAGED_SYSTEM_RESOURCES:
  case ERROR_WORKING_SET_QUOTA:    code = OS_NO_MEMORY; break;
  case ERROR_TOO_MANY_OPEN_FILES:  code = OS_TOO_MANY_FILES; break;
  case ERROR_NOT_SUPPORTED:
  case ERROR_CALL_NOT_IMPLEMENTED:
  case ERROR_PROC_NOT_FOUND:       code = OS_UNSUPPORTED; break;
  default:                         code = OS_FAILED; break;
  }
  return (os_status){code, (int)number};
}

static os_status last(void) { return status_of(GetLastError()); }

static const os_status no_memory = {OS_NO_MEMORY, ERROR_NOT_ENOUGH_MEMORY};

static void to_utf8(const WCHAR *text, char *buffer, size_t length) {
  if (!WideCharToMultiByte(CP_UTF8, 0, text, -1, buffer, (int)length, NULL,
                           NULL) &&
      length > 0)
    buffer[0] = '\0';
}

void os_error_text(int number, char *buffer, size_t length) {
  WCHAR text[256];
  DWORD count = FormatMessageW(
      FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
          FORMAT_MESSAGE_MAX_WIDTH_MASK,
      NULL, (DWORD)number, 0, text, sizeof text / sizeof *text, NULL);
  while (count > 0 && (text[count - 1] <= L' ' || text[count - 1] == L'.'))
    count--;
  text[count] = L'\0';
  to_utf8(text, buffer, length);
  if (length > 0 && !buffer[0])
    snprintf(buffer, length, "Windows error %d", number);
}

/* ---- what is looked up once ---------------------------------------------- */

/* No import library promises these, so they are asked for by name. */
typedef NTSTATUS(NTAPI *query_section_fn)(HANDLE, int, void *, SIZE_T,
                                          SIZE_T *);
typedef NTSTATUS(NTAPI *open_directory_fn)(HANDLE *, ACCESS_MASK,
                                           OBJECT_ATTRIBUTES *);
typedef NTSTATUS(NTAPI *query_directory_fn)(HANDLE, void *, ULONG, BOOLEAN,
                                            BOOLEAN, ULONG *, ULONG *);
typedef ULONG(NTAPI *dos_error_fn)(NTSTATUS);

static struct {
  query_section_fn query_section;
  open_directory_fn open_directory;
  query_directory_fn query_directory;
  dos_error_fn dos_error;
  SECURITY_ATTRIBUTES security; /* descriptor NULL: the default one */
  SECURITY_DESCRIPTOR descriptor;
  char space[17];
} own;

static INIT_ONCE once = INIT_ONCE_STATIC_INIT;

/* A FARPROC fits no other type of function without a warning. */
static void find(HMODULE library, const char *name, void *function) {
  FARPROC found = library ? GetProcAddress(library, name) : NULL;
  memcpy(function, &found, sizeof found);
}

/* Only the user, by SID, may open what we create. The default would let in what
 * the process's token says: for an elevated process all administrators, and not
 * the same user without elevation. */
static void allow_only(PSID user) {
  DWORD length = sizeof(ACL) + sizeof(ACCESS_ALLOWED_ACE) + GetLengthSid(user);
  ACL *list = calloc(1, length); /* as long as the process */
  if (list && InitializeAcl(list, length, ACL_REVISION) &&
      AddAccessAllowedAce(list, ACL_REVISION, GENERIC_ALL, user) &&
      InitializeSecurityDescriptor(&own.descriptor,
                                   SECURITY_DESCRIPTOR_REVISION) &&
      SetSecurityDescriptorDacl(&own.descriptor, TRUE, list, FALSE))
    own.security.lpSecurityDescriptor = &own.descriptor;
}

static uint64_t hash(const void *data, size_t length) {
  const unsigned char *at = data;
  uint64_t value = 0xCBF29CE484222325u;
  for (size_t i = 0; i < length; i++)
    value = (value ^ at[i]) * 0x100000001B3u;
  return value;
}

static void ask_user(void) {
  union {
    TOKEN_USER user;
    char room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  } token;
  DWORD length;
  HANDLE handle;
  snprintf(own.space, sizeof own.space, "user");
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &handle)) return;
  if (GetTokenInformation(handle, TokenUser, &token, sizeof token, &length)) {
    PSID user = token.user.User.Sid;
    snprintf(own.space, sizeof own.space, "%016" PRIx64,
             hash(user, GetLengthSid(user)));
    allow_only(user);
  }
  CloseHandle(handle);
}

static BOOL CALLBACK look_up(INIT_ONCE *control, void *parameter,
                             void **context) {
  (void)control;
  (void)parameter;
  (void)context;
  HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
  find(ntdll, "NtQuerySection", &own.query_section);
  find(ntdll, "NtOpenDirectoryObject", &own.open_directory);
  find(ntdll, "NtQueryDirectoryObject", &own.query_directory);
  find(ntdll, "RtlNtStatusToDosError", &own.dos_error);
  own.security.nLength = sizeof own.security;
  ask_user();
  return TRUE;
}

static void start(void) { InitOnceExecuteOnce(&once, look_up, NULL, NULL); }

static os_status status_of_nt(NTSTATUS status) {
  return own.dos_error ? status_of(own.dos_error(status))
                       : (os_status){OS_FAILED, (int)status};
}

/* ---- names --------------------------------------------------------------- */

#define SESSION L"Local\\"

/* A backslash separates directories of kernel objects: its place in the private
 * use area stands for it, as in Cygwin's file names. */
#define BACKSLASH ((WCHAR)(0xF000 + '\\'))

struct wide {
  WCHAR text[NAME_SIZE];
};

static bool to_wide(const char *name, struct wide *wide) {
  enum { BEFORE = sizeof SESSION / sizeof(WCHAR) - 1 };
  wmemcpy(wide->text, SESSION, BEFORE);
  if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1,
                           wide->text + BEFORE, NAME_SIZE - BEFORE))
    return false;
  for (WCHAR *at = wide->text + BEFORE; *at; at++)
    if (*at == L'\\') *at = BACKSLASH;
  return true;
}

/* Of a name in a directory of kernel objects; false if it cannot be ours. */
static bool from_wide(const UNICODE_STRING *wide, char name[NAME_SIZE]) {
  WCHAR text[NAME_SIZE];
  size_t length = wide->Length / sizeof(WCHAR);
  if (length >= NAME_SIZE) return false;
  for (size_t i = 0; i < length; i++)
    text[i] = wide->Buffer[i] == BACKSLASH ? L'\\' : wide->Buffer[i];
  text[length] = L'\0';
  return WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, text, -1, name,
                             NAME_SIZE, NULL, NULL) > 0;
}

void os_object_path(const char *name, char *buffer, size_t length) {
  snprintf(buffer, length, "Local\\%s", name);
}

/* ---- openings ------------------------------------------------------------ */

struct lock {
  struct lock *next;
  uint64_t offset, length;
  HANDLE events[]; /* one per byte; NULL where it is not ours */
};

/* In a hash table, for a process may hold 50,000 segments. */
struct entry {
  struct entry *next;
  uint64_t hash;
  struct object *object;
};

/* What an os_object points to. */
struct object {
  HANDLE section; /* NULL when it is no longer needed */
  uint64_t size;
  /* Guarded by table_guard: */
  bool is_open, is_kept;
  bool is_removed; /* and so in table `named` no more */
  uint64_t views;
  /* Of a control object only: */
  void *view;
  _Atomic uint64_t *told_size; /* at the end of `view` */
  struct lock *locks;          /* of this opening; guarded by lock_guard */
  char name[];
};

static struct object *object_of(os_object object) {
  return (struct object *)object;
}

static os_status section_size(HANDLE section, uint64_t *size) {
  struct {
    void *base;
    ULONG attributes;
    LARGE_INTEGER size;
  } basic = {NULL, 0, {{0, 0}}};
  if (!own.query_section) return status_of(ERROR_PROC_NOT_FOUND);
  NTSTATUS status =
      own.query_section(section, 0, &basic, sizeof basic, NULL);
  if (status < 0) return status_of_nt(status);
  *size = (uint64_t)basic.size.QuadPart;
  return SUCCESS;
}

/* user: what belongs to another cannot be opened. */
static void fill_info(uint64_t size, os_info *info) {
  memset(info, 0, sizeof *info);
  info->size = size;
  info->resident = size; /* charged, if not in memory */
  info->user = os_user();
}

/* ---- tables -------------------------------------------------------------- */

struct table {
  struct entry **buckets;
  size_t capacity; /* a power of two, or 0 */
  size_t count;
};

static SRWLOCK table_guard = SRWLOCK_INIT;
static struct table mapped; /* by address: every view */
static struct table named;  /* by name: every opening with a handle */

static uint64_t hash_name(const char *name) { return hash(name, strlen(name)); }

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

static struct entry *entry_new(struct object *object, uint64_t value) {
  struct entry *entry = malloc(sizeof *entry);
  if (entry) *entry = (struct entry){NULL, value, object};
  return entry;
}

/* Take out and free the entry of the object, or of any with that name. Returns
 * the object; NULL if there is none. */
static struct object *table_take(struct table *table, uint64_t value,
                                 const struct object *object,
                                 const char *name) {
  if (table->capacity == 0) return NULL;
  for (struct entry **at = bucket(table, value); *at; at = &(*at)->next) {
    struct entry *entry = *at;
    struct object *found = entry->object;
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
static void settle(struct object *object) {
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
static os_status object_new(HANDLE section, const char *name,
                            struct object **object) {
  size_t length = strlen(name) + 1;
  struct object *made = calloc(1, sizeof *made + length);
  os_status status = no_memory;
  if (made) {
    memcpy(made->name, name, length);
    made->section = section;
    made->is_open = true;
    status = section_size(section, &made->size);
  }
  if (status.code == OS_OK) {
    AcquireSRWLockExclusive(&table_guard);
    if (!table_insert(&named, entry_new(made, hash_name(name))))
      status = no_memory;
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

static bool enter_view(struct object *object, const void *address) {
  AcquireSRWLockExclusive(&table_guard);
  bool done = table_insert(&mapped, entry_new(object, hash_address(address)));
  if (done) object->views++;
  ReleaseSRWLockExclusive(&table_guard);
  return done;
}

static void leave_view(const void *address) {
  AcquireSRWLockExclusive(&table_guard);
  struct object *object =
      table_take(&mapped, hash_address(address), NULL, NULL);
  if (object) {
    object->views--;
    settle(object);
  }
  ReleaseSRWLockExclusive(&table_guard);
}

static void object_close(struct object *object) {
  if (object->view) UnmapViewOfFile(object->view);
  object->view = NULL;
  AcquireSRWLockExclusive(&table_guard);
  object->is_open = false;
  settle(object);
  ReleaseSRWLockExclusive(&table_guard);
}

/* Let go of all that this process has of that name. False: nothing. */
static bool let_go(const char *name) {
  uint64_t value = hash_name(name);
  bool found = false;
  AcquireSRWLockExclusive(&table_guard);
  for (struct object *object;
       (object = table_take(&named, value, NULL, name)) != NULL;) {
    found = true;
    object->is_removed = true;
    object->is_kept = false;
    settle(object);
  }
  ReleaseSRWLockExclusive(&table_guard);
  return found;
}

/* ---- parts of objects ---------------------------------------------------- */

struct window {
  void *base;
  char *at; /* the bytes asked for */
};

static os_status window_open(const struct object *object, uint64_t offset,
                             size_t length, DWORD access,
                             struct window *window) {
  enum { GRANULE = 64 * 1024 }; /* where a view may begin */
  uint64_t start = offset - offset % GRANULE;
  size_t before = (size_t)(offset - start);
  if (offset > object->size || length > object->size - offset)
    return (os_status){OS_FAILED, 0};
  window->base =
      MapViewOfFile(object->section, access, (DWORD)(start >> 32),
                    (DWORD)(start & 0xFFFFFFFFu), before + length);
  if (!window->base) return last();
  window->at = (char *)window->base + before;
  return SUCCESS;
}

static _Atomic uint64_t *last_word(const struct window *window,
                                   size_t length) {
  return (_Atomic uint64_t *)(void *)(window->at + length - LAST);
}

/* Is the footer there, and which one is it? */
static os_status inspect_footer(const struct object *object, os_info *info) {
  struct window window = {0};
  os_status status = window_open(object, object->size - FOOTER, FOOTER,
                                 FILE_MAP_READ, &window);
  if (status.code != OS_OK) return status;
  if (atomic_load_explicit(last_word(&window, FOOTER), memory_order_acquire))
    info->identity[0] = hash(window.at, FOOTER); /* it is random */
  else
    status.code = OS_INCOMPLETE;
  UnmapViewOfFile(window.base);
  return status;
}

/* ---- objects ------------------------------------------------------------- */

uint64_t os_free_space(void) {
  MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
  return GlobalMemoryStatusEx(&memory) ? memory.ullAvailPageFile : UINT64_MAX;
}

static os_status create_section(const char *name, uint64_t size,
                                HANDLE *section) {
  struct wide wide;
  start();
  if (!to_wide(name, &wide)) return last();
  SetLastError(0);
  *section = CreateFileMappingW(INVALID_HANDLE_VALUE, &own.security,
                                PAGE_READWRITE | SEC_COMMIT,
                                (DWORD)(size >> 32),
                                (DWORD)(size & 0xFFFFFFFFu), wide.text);
  /* Opened, not created, also counts as success: the error number tells. */
  return *section ? (os_status){OS_OK, (int)GetLastError()} : last();
}

os_status os_object_create(const char *name, uint64_t size,
                           os_interrupted interrupted, os_object *object) {
  struct object *made;
  HANDLE section;
  (void)interrupted; /* the space is charged at once, not filled */
  if (size == 0 || size % os_page_size() != 0)
    return status_of(ERROR_INVALID_PARAMETER);
  /* Beyond all bounds a size is an invalid parameter, not a lack of space. */
  if (size > ((uint64_t)64 << 20) && size > os_free_space())
    return status_of(ERROR_COMMITMENT_LIMIT);
  os_status status = create_section(name, size, &section);
  if (status.code == OS_NOT_REGULAR) status.code = OS_EXISTS;
  if (status.code != OS_OK) return status;
  if (status.number == ERROR_ALREADY_EXISTS) {
    CloseHandle(section);
    return status_of(ERROR_ALREADY_EXISTS);
  }
  status = object_new(section, name, &made);
  if (status.code == OS_OK) *object = (os_object)made;
  return status;
}

os_status os_object_publish(os_object object, uint64_t size, const void *tail,
                            size_t length) {
  struct window window = {0};
  uint64_t word;
  os_status status = window_open(object_of(object), size - length, length,
                                 FILE_MAP_WRITE, &window);
  if (status.code != OS_OK) return status;
  memcpy(window.at, tail, length - LAST);
  memcpy(&word, (const char *)tail + length - LAST, LAST);
  /* Who sees this word sees all the rest of the footer. */
  atomic_store_explicit(last_word(&window, length), word,
                        memory_order_release);
  UnmapViewOfFile(window.base);
  return status;
}

static os_status open_section(const char *name, bool writable,
                              HANDLE *section) {
  struct wide wide;
  start();
  if (!to_wide(name, &wide)) return last();
  DWORD access = SECTION_QUERY | FILE_MAP_READ; /* the first: to ask its size */
  if (writable) access |= FILE_MAP_WRITE;
  *section = OpenFileMappingW(access, FALSE, wide.text);
  return *section ? SUCCESS : last();
}

os_status os_object_open(const char *name, bool writable, os_object *object,
                         os_info *info) {
  struct object *made;
  HANDLE section;
  fill_info(0, info);
  os_status status = open_section(name, writable, &section);
  if (status.code == OS_OK) status = object_new(section, name, &made);
  if (status.code != OS_OK) return status;
  info->size = made->size;
  info->resident = made->size;
  if (os_is_own_name(name)) status = inspect_footer(made, info);
  if (status.code == OS_OK)
    *object = (os_object)made;
  else
    object_close(made);
  return status;
}

os_status os_object_stat(const char *name, os_info *info) {
  os_object object;
  os_status status = os_object_open(name, false, &object, info);
  if (status.code == OS_OK) os_object_close(object);
  return status;
}

void os_object_discard(const char *name, os_object object) {
  os_object_remove(name);
  os_object_close(object);
}

os_status os_object_read(os_object object, uint64_t offset, void *buffer,
                         size_t length) {
  struct window window = {0};
  if (length == 0) return SUCCESS;
  os_status status =
      window_open(object_of(object), offset, length, FILE_MAP_READ, &window);
  if (status.code != OS_OK) return status;
  memcpy(buffer, window.at, length);
  UnmapViewOfFile(window.base);
  return status;
}

os_status os_object_write(os_object object, uint64_t offset, const void *buffer,
                          size_t length) {
  struct window window = {0};
  if (length == 0) return SUCCESS;
  os_status status =
      window_open(object_of(object), offset, length, FILE_MAP_WRITE, &window);
  if (status.code != OS_OK) return status;
  memcpy(window.at, buffer, length);
  UnmapViewOfFile(window.base);
  return status;
}

os_status os_object_map(os_object object, uint64_t size, os_access access,
                        void **address) {
  static const DWORD rights[] = {[OS_READ_WRITE] = FILE_MAP_WRITE,
                                 [OS_READ_ONLY] = FILE_MAP_READ,
                                 [OS_COPY_ON_WRITE] = FILE_MAP_COPY};
  struct window window = {0};
  *address = NULL;
  os_status status = window_open(object_of(object), 0, (size_t)size,
                                 rights[access], &window);
  if (status.code != OS_OK) return status;
  if (!enter_view(object_of(object), window.base)) {
    UnmapViewOfFile(window.base);
    return no_memory;
  }
  *address = window.base;
  return status;
}

void os_unmap(void *address, uint64_t size) {
  (void)size; /* views are unmapped whole */
  /* Out of the table first: another thread may get the same address next. */
  leave_view(address);
  UnmapViewOfFile(address);
}

os_status os_object_keep(const char *name, os_object object) {
  struct object *keep = object_of(object);
  (void)name; /* the one that it was opened by */
  AcquireSRWLockExclusive(&table_guard);
  keep->is_kept = !keep->is_removed;
  ReleaseSRWLockExclusive(&table_guard);
  return SUCCESS;
}

os_status os_object_remove(const char *name) {
  HANDLE section;
  if (let_go(name)) return SUCCESS;
  os_status status = open_section(name, false, &section);
  if (status.code == OS_OK) CloseHandle(section);
  return status;
}

os_status os_object_remove_own(const char *name) {
  return os_object_remove(name);
}

/* ---- listing ------------------------------------------------------------- */

/* Objects of one type in the session's directory, by the beginning of their
 * names. */
struct search {
  const WCHAR *type;
  const char *prefix;
  bool (*visit)(const char *name, void *context);
  void *context;
};

/* An entry is two strings, its name and its type. False: enough. */
static bool offer(const struct search *search, const UNICODE_STRING *entry) {
  char name[NAME_SIZE];
  size_t length = wcslen(search->type);
  if (entry[1].Length != length * sizeof(WCHAR) ||
      wmemcmp(entry[1].Buffer, search->type, length) != 0 ||
      !from_wide(&entry[0], name) ||
      strncmp(name, search->prefix, strlen(search->prefix)) != 0)
    return true;
  return search->visit(name, search->context);
}

enum {
  NT_MORE_ENTRIES = 0x00000105,
  NT_BUFFER_TOO_SMALL = (int)0xC0000023,
  NT_NO_MORE_ENTRIES = (int)0x8000001A,
  NT_NOT_IMPLEMENTED = (int)0xC0000002
};

/* A directory is continued at an index, which says nothing any more once
 * somebody has created or removed an object. So the room is made large enough
 * for all of it in one call. */
static NTSTATUS take_snapshot(HANDLE directory, char **buffer) {
  const ULONG largest = (ULONG)1 << 28;
  NTSTATUS status = NT_MORE_ENTRIES;
  *buffer = NULL;
  for (ULONG room = 1 << 16, used, context; room <= largest; room *= 4) {
    free(*buffer);
    *buffer = calloc(1, room);
    if (!*buffer) break;
    context = 0;
    status = own.query_directory(directory, *buffer, room, FALSE, TRUE,
                                 &context, &used);
    if (status != NT_MORE_ENTRIES && status != NT_BUFFER_TOO_SMALL) break;
  }
  return status;
}

/* Wine 8 gives one at a time only. */
static NTSTATUS list_singly(HANDLE directory, const struct search *search) {
  union {
    UNICODE_STRING entry[2];
    char room[2048];
  } buffer;
  ULONG context = 0, used;
  for (BOOLEAN first = TRUE;; first = FALSE) {
    NTSTATUS status = own.query_directory(directory, &buffer, sizeof buffer,
                                          TRUE, first, &context, &used);
    if (status == NT_NO_MORE_ENTRIES) return 0;
    if (status == NT_BUFFER_TOO_SMALL)
      context++; /* no name of ours is that long */
    else if (status < 0 || !offer(search, buffer.entry))
      return status;
  }
}

static os_status list_directory(HANDLE directory,
                                const struct search *search) {
  char *buffer;
  NTSTATUS status = take_snapshot(directory, &buffer);
  if (status == 0)
    for (UNICODE_STRING *entry = (UNICODE_STRING *)(void *)buffer;
         entry->Buffer && offer(search, entry);)
      entry += 2;
  bool is_read = buffer != NULL;
  free(buffer);
  if (!is_read || status == NT_MORE_ENTRIES) return no_memory;
  if (status == NT_NOT_IMPLEMENTED) status = list_singly(directory, search);
  if (status == NT_NO_MORE_ENTRIES) return SUCCESS;
  return status < 0 ? status_of_nt(status) : SUCCESS;
}

/* Where the names in `Local\` are. */
static os_status open_directory(HANDLE *directory) {
  WCHAR path[64] = L"\\BaseNamedObjects";
  DWORD session = 0;
  start();
  if (!own.open_directory || !own.query_directory)
    return status_of(ERROR_PROC_NOT_FOUND);
  if (!ProcessIdToSessionId(GetCurrentProcessId(), &session)) return last();
  if (session != 0)
    swprintf(path, sizeof path / sizeof *path,
             L"\\Sessions\\%lu\\BaseNamedObjects", (unsigned long)session);
  USHORT length = (USHORT)(wcslen(path) * sizeof *path);
  UNICODE_STRING name = {length, (USHORT)(length + sizeof *path), path};
  OBJECT_ATTRIBUTES attributes;
  InitializeObjectAttributes(&attributes, &name, 0, NULL, NULL);
  const ACCESS_MASK directory_query = 1;
  NTSTATUS status =
      own.open_directory(directory, directory_query, &attributes);
  if (status >= 0) return SUCCESS;
  /* Refused, say in a sandbox: that is no property of any segment. */
  return (os_status){OS_UNSUPPORTED, status_of_nt(status).number};
}

static os_status list(const struct search *search) {
  HANDLE directory;
  os_status status = open_directory(&directory);
  if (status.code != OS_OK) return status;
  status = list_directory(directory, search);
  CloseHandle(directory);
  return status;
}

os_status os_object_list(const char *prefix,
                         bool (*visit)(const char *name, void *context),
                         void *context) {
  return list(&(struct search){L"Section", prefix, visit, context});
}

/* ---- control object --------------------------------------------------------
 *
 * A section too, that goes with the last process that has it open. It cannot be
 * made without a size, so its size as a control object is a number at its end,
 * where the zeros that it is born with say: none yet. */

enum { CONTROL_SIZE = 64 * 1024 };

static os_status show_size(struct object *object) {
  struct window window = {0};
  if (object->size != CONTROL_SIZE) return status_of(ERROR_FILE_INVALID);
  os_status status =
      window_open(object, 0, CONTROL_SIZE, FILE_MAP_WRITE, &window);
  if (status.code != OS_OK) return status;
  object->view = window.base;
  object->told_size = last_word(&window, CONTROL_SIZE);
  return status;
}

os_status os_control_open(const char *name, bool create, os_object *object,
                          os_info *info) {
  struct object *made;
  HANDLE section;
  fill_info(0, info);
  os_status status = create ? create_section(name, CONTROL_SIZE, &section)
                            : open_section(name, true, &section);
  if (status.code == OS_OK) status = object_new(section, name, &made);
  if (status.code != OS_OK) return status;
  status = show_size(made);
  if (status.code != OS_OK) {
    object_close(made);
    return status;
  }
  *object = (os_object)made;
  return os_control_stat(*object, info);
}

os_status os_control_stat(os_object object, os_info *info) {
  fill_info(atomic_load(object_of(object)->told_size), info);
  return SUCCESS;
}

os_status os_control_resize(os_object object, uint64_t size) {
  struct object *control = object_of(object);
  if (size > CONTROL_SIZE - LAST) return status_of(ERROR_DISK_FULL);
  memset(control->view, 0, (size_t)size);
  atomic_store(control->told_size, size);
  return SUCCESS;
}

os_status os_control_remove(const char *name) {
  (void)name;
  return SUCCESS;
}

/* ---- locks -----------------------------------------------------------------
 *
 * A section cannot be locked. A byte is locked by whoever created the event
 * that is named after it, and unlocked when that is gone, which the kernel sees
 * to after a death. Only the event's existence counts. A mutex would not do: it
 * belongs to a thread, and ends with it while the process lives on.
 *
 * To try a lock or to ask for it means to have a handle for a moment, in which
 * another may take the byte for locked. So a lock is tried more than once; and
 * that a byte was held a moment ago is all that a query can ever say. */

/* Fewer bytes are quicker asked for one by one; more cannot be locked. */
enum { FEW_BYTES = 16, MOST_BYTES = 1 << 20, ATTEMPTS = 3 };

static SRWLOCK lock_guard = SRWLOCK_INIT;

#define LOCK_INFIX ".lock."

static bool lock_name(const struct object *control, uint64_t offset,
                      struct wide *wide) {
  char name[NAME_SIZE];
  snprintf(name, sizeof name, "%.200s" LOCK_INFIX "%" PRIx64, control->name,
           offset);
  return to_wide(name, wide);
}

static bool holds(const struct object *control, uint64_t offset) {
  for (const struct lock *lock = control->locks; lock; lock = lock->next)
    if (offset - lock->offset < lock->length &&
        lock->events[offset - lock->offset])
      return true;
  return false;
}

static os_status create_event(const struct wide *name, HANDLE *event) {
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) SwitchToThread();
    SetLastError(0);
    *event = CreateEventW(&own.security, TRUE, FALSE, name->text);
    if (!*event) return last();
    if (GetLastError() != ERROR_ALREADY_EXISTS) return SUCCESS;
    CloseHandle(*event);
    *event = NULL;
  }
  return (os_status){OS_BUSY, ERROR_ALREADY_EXISTS};
}

static os_status lock_byte(const struct object *control, uint64_t offset,
                           HANDLE *event) {
  struct wide name;
  if (holds(control, offset)) return SUCCESS;
  if (!lock_name(control, offset, &name)) return last();
  return create_event(&name, event);
}

/* Close what lies in the range, and tell whether anything is left. */
static bool close_events(struct lock *lock, uint64_t offset,
                         uint64_t length) {
  bool any = false;
  for (uint64_t i = 0; i < lock->length; i++) {
    if (!lock->events[i]) continue;
    if (lock->offset + i - offset < length) {
      CloseHandle(lock->events[i]);
      lock->events[i] = NULL;
    } else {
      any = true;
    }
  }
  return any;
}

static void unlock_bytes(struct object *control, uint64_t offset,
                         uint64_t length) {
  for (struct lock **at = &control->locks; *at;) {
    struct lock *lock = *at;
    if (close_events(lock, offset, length)) {
      at = &lock->next;
      continue;
    }
    *at = lock->next;
    free(lock);
  }
}

/* The locks go at once, also where a mapping still keeps the opening. */
void os_object_close(os_object object) {
  AcquireSRWLockExclusive(&lock_guard);
  unlock_bytes(object_of(object), 0, UINT64_MAX);
  ReleaseSRWLockExclusive(&lock_guard);
  object_close(object_of(object));
}

os_status os_lock(os_object object, uint64_t offset, uint64_t length) {
  struct object *control = object_of(object);
  if (length > MOST_BYTES) return status_of(ERROR_NOT_SUPPORTED);
  struct lock *lock =
      calloc(1, sizeof *lock + (size_t)length * sizeof *lock->events);
  if (!lock) return no_memory;
  lock->offset = offset;
  lock->length = length;
  os_status status = SUCCESS;
  AcquireSRWLockExclusive(&lock_guard);
  for (uint64_t i = 0; i < length && status.code == OS_OK; i++)
    status = lock_byte(control, offset + i, &lock->events[i]);
  if (status.code == OS_OK) {
    lock->next = control->locks;
    control->locks = lock;
  }
  ReleaseSRWLockExclusive(&lock_guard);
  if (status.code == OS_OK) return status;
  close_events(lock, offset, length);
  free(lock);
  return status;
}

void os_unlock(os_object object, uint64_t offset, uint64_t length) {
  AcquireSRWLockExclusive(&lock_guard);
  unlock_bytes(object_of(object), offset, length);
  ReleaseSRWLockExclusive(&lock_guard);
}

static os_status query_byte(const struct object *control, uint64_t offset,
                            bool *held) {
  struct wide name;
  if (holds(control, offset)) return SUCCESS;
  if (!lock_name(control, offset, &name)) return last();
  HANDLE event = OpenEventW(SYNCHRONIZE, FALSE, name.text);
  if (event) CloseHandle(event);
  os_status status = event ? SUCCESS : last();
  if (event) *held = true;
  return status.code == OS_NOT_FOUND ? SUCCESS : status;
}

struct range {
  const struct object *control;
  uint64_t offset, length;
  bool held;
};

static bool note_lock(const char *name, void *context) {
  struct range *range = context;
  const char *digits =
      name + strlen(range->control->name) + sizeof LOCK_INFIX - 1;
  uint64_t offset = strtoull(digits, NULL, 16);
  range->held = offset - range->offset < range->length &&
                !holds(range->control, offset);
  return !range->held;
}

/* The locks of a longer range are found by listing. Where that cannot be done
 * they count as held, which keeps nothing alive: here nobody has to remove what
 * the last one left. */
static bool query_range(const struct object *control, uint64_t offset,
                        uint64_t length) {
  char prefix[NAME_SIZE];
  struct range range = {control, offset, length, false};
  snprintf(prefix, sizeof prefix, "%.200s" LOCK_INFIX, control->name);
  os_status status =
      list(&(struct search){L"Event", prefix, note_lock, &range});
  return status.code != OS_OK || range.held;
}

os_status os_lock_query(os_object object, uint64_t offset, uint64_t length,
                        bool *held) {
  struct object *control = object_of(object);
  os_status status = SUCCESS;
  *held = false;
  AcquireSRWLockShared(&lock_guard);
  if (length > FEW_BYTES)
    *held = query_range(control, offset, length);
  else
    for (uint64_t i = 0; i < length && !*held && status.code == OS_OK; i++)
      status = query_byte(control, offset + i, held);
  ReleaseSRWLockShared(&lock_guard);
  return status;
}

/* ---- process and machine ------------------------------------------------- */

/* 100 ns units since 1601 */
static uint64_t ticks(const FILETIME *time) {
  return (uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime;
}

/* Pids are the whole machine's. */
enum { PID_SPACE = 1 };

static bool start_of(HANDLE process, uint64_t *start) {
  FILETIME created, ended, kernel, user;
  if (!GetProcessTimes(process, &created, &ended, &kernel, &user)) return false;
  *start = ticks(&created);
  return true;
}

void os_process_self(os_process *self) {
  *self = (os_process){GetCurrentProcessId(), 0, PID_SPACE};
  if (!start_of(GetCurrentProcess(), &self->start)) self->start = 0;
}

os_life os_process_life(const os_process *process) {
  uint64_t start;
  os_life life = OS_LIFE_UNKNOWN;
  if (process->start == 0 || process->pid_space != PID_SPACE) return life;
  HANDLE handle = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE,
                              FALSE, (DWORD)process->pid);
  if (!handle)
    return GetLastError() == ERROR_INVALID_PARAMETER ? OS_DEAD : life;
  /* Somebody's handle keeps the record of a process beyond its end. */
  if (WaitForSingleObject(handle, 0) == WAIT_OBJECT_0)
    life = OS_DEAD;
  else if (start_of(handle, &start))
    life = start == process->start ? OS_ALIVE : OS_DEAD;
  CloseHandle(handle);
  return life;
}

void os_process_command(uint64_t pid, char *buffer, size_t length) {
  WCHAR path[MAX_PATH + 1];
  DWORD room = MAX_PATH;
  HANDLE handle =
      OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)pid);
  buffer[0] = '\0';
  if (!handle) return;
  if (QueryFullProcessImageNameW(handle, 0, path, &room)) {
    const WCHAR *name = wcsrchr(path, L'\\');
    to_utf8(name ? name + 1 : path, buffer, length);
  }
  CloseHandle(handle);
}

os_status os_mappings(const char *prefix,
                      bool (*visit)(uint64_t pid, const uint64_t identity[2],
                                    void *context),
                      void *context) {
  (void)prefix;
  (void)visit;
  (void)context;
  return (os_status){OS_UNSUPPORTED, 0};
}

os_status os_mapping_written(const void *address, uint64_t size,
                             bool *written) {
  (void)address;
  (void)size;
  (void)written;
  return (os_status){OS_UNSUPPORTED, 0};
}

/* Objects end with the processes that hold them, at the latest with the session. */
os_status os_place(uint64_t place[2]) {
  char host[MAX_COMPUTERNAME_LENGTH + 1] = "";
  DWORD length = sizeof host, session = 0;
  GetComputerNameA(host, &length);
  ProcessIdToSessionId(GetCurrentProcessId(), &session);
  place[0] = hash(host, strlen(host));
  place[1] = session;
  return SUCCESS;
}

/* Sections are charged to the page file, as all memory is. */
void os_limits_get(os_limits *limits) {
  MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
  *limits = (os_limits){UINT64_MAX, UINT64_MAX, os_free_space(), UINT64_MAX,
                        UINT64_MAX, false};
  if (!GlobalMemoryStatusEx(&memory)) return;
  limits->capacity = memory.ullTotalPageFile;
  limits->used = memory.ullTotalPageFile - memory.ullAvailPageFile;
}

uint64_t os_user(void) { return 0; } /* names lead to one's own only */

void os_user_name(uint64_t user, char *buffer, size_t length) {
  WCHAR name[257];
  DWORD room = sizeof name / sizeof *name;
  (void)user;
  if (GetUserNameW(name, &room))
    to_utf8(name, buffer, length);
  else
    snprintf(buffer, length, "unknown");
}

void os_default_namespace(char buffer[17]) {
  start();
  memcpy(buffer, own.space, sizeof own.space);
}

uint64_t os_page_size(void) {
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  return system.dwPageSize;
}

uint64_t os_wall_clock(void) {
  const uint64_t unix_epoch = 116444736000000000u;
  FILETIME now;
  GetSystemTimePreciseAsFileTime(&now);
  return (ticks(&now) - unix_epoch) * 100;
}

uint64_t os_steady_clock(void) {
  const uint64_t second = 1000000000u;
  LARGE_INTEGER now, frequency;
  QueryPerformanceCounter(&now);
  QueryPerformanceFrequency(&frequency);
  uint64_t count = (uint64_t)now.QuadPart;
  uint64_t rate = (uint64_t)frequency.QuadPart;
  return count / rate * second + count % rate * second / rate;
}

/* Rounded up: 0 would not sleep, and who waits for another wants to. */
void os_sleep(uint64_t nanoseconds) {
  const uint64_t millisecond = 1000000u;
  Sleep((DWORD)((nanoseconds + millisecond - 1) / millisecond));
}

uint64_t os_entropy(void) {
  unsigned int low = 0, high = 0;
  rand_s(&low);
  rand_s(&high);
  return ((uint64_t)high << 32 | low) ^
         (os_wall_clock() * 0x9E3779B97F4A7C15u) ^
         ((uint64_t)GetCurrentProcessId() << 32) ^ os_steady_clock();
}

void *os_allocate(size_t length) { return calloc(1, length); }
void os_release(void *memory) { free(memory); }

typedef char mutex_fits[sizeof(SRWLOCK) <= sizeof(os_mutex) ? 1 : -1];

void os_mutex_init(os_mutex *mutex) { InitializeSRWLock((SRWLOCK *)mutex); }
void os_mutex_lock(os_mutex *mutex) {
  AcquireSRWLockExclusive((SRWLOCK *)mutex);
}
void os_mutex_unlock(os_mutex *mutex) {
  ReleaseSRWLockExclusive((SRWLOCK *)mutex);
}

/* There is no fork(). */
void os_at_fork(void (*before)(void), void (*in_parent)(void),
                void (*in_child)(void)) {
  (void)before;
  (void)in_parent;
  (void)in_child;
}

bool os_pin_library(void (*function)(void)) {
  WCHAR *address;
  HMODULE library;
  memcpy(&address, &function, sizeof address);
  DWORD how = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
  return GetModuleHandleExW(how, address, &library) != 0;
}

#else
typedef int not_windows; /* C wants a declaration in every file */
#endif
