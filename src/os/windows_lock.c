/* Windows: locks of ranges of bytes.
 *
 * A section cannot be locked. A byte is locked by whoever created the event
 * that is named after it, and unlocked when that is gone, which the kernel sees
 * to after a death. Only the event's existence counts. A mutex would not do: it
 * belongs to a thread, and ends with it while the process lives on.
 *
 * To try a lock or to ask for it means to have a handle for a moment, in which
 * another may take the byte for locked. So a lock is tried more than once; and
 * that a byte was held a moment ago is all that a query can ever say. */
#include "windows_system.h"
#ifdef OS_WINDOWS

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct windows_lock {
  struct windows_lock *next;
  uint64_t offset, length;
  HANDLE events[]; /* one per byte; NULL where it is not ours */
};

/* Fewer bytes are quicker asked for one by one; more cannot be locked. */
enum { FEW_BYTES = 16, MOST_BYTES = 1 << 20, ATTEMPTS = 3 };

static SRWLOCK lock_guard = SRWLOCK_INIT;

#define LOCK_INFIX ".lock."

static bool lock_name(const struct windows_object *control, uint64_t offset,
                      struct windows_name *wide) {
  char name[WINDOWS_NAME_SIZE];
  snprintf(name, sizeof name, "%.200s" LOCK_INFIX "%" PRIx64, control->name,
           offset);
  return smem__windows_to_wide(name, wide);
}

static bool holds(const struct windows_object *control, uint64_t offset) {
  for (const struct windows_lock *lock = control->locks; lock;
       lock = lock->next)
    if (offset - lock->offset < lock->length &&
        lock->events[offset - lock->offset])
      return true;
  return false;
}

static os_status create_event(const struct windows_name *name, HANDLE *event) {
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) SwitchToThread();
    SetLastError(0);
    *event = CreateEventW(&smem__windows_own.security, TRUE, FALSE, name->text);
    if (!*event) return smem__windows_last();
    if (GetLastError() != ERROR_ALREADY_EXISTS) return OS_SUCCESS;
    CloseHandle(*event);
    *event = NULL;
  }
  return (os_status){OS_BUSY, ERROR_ALREADY_EXISTS};
}

static os_status lock_byte(const struct windows_object *control,
                           uint64_t offset, HANDLE *event) {
  struct windows_name name;
  if (holds(control, offset)) return OS_SUCCESS;
  if (!lock_name(control, offset, &name)) return smem__windows_last();
  return create_event(&name, event);
}

/* Close what lies in the range, and tell whether anything is left. */
static bool close_events(struct windows_lock *lock, uint64_t offset,
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

static void unlock_bytes(struct windows_object *control, uint64_t offset,
                         uint64_t length) {
  for (struct windows_lock **at = &control->locks; *at;) {
    struct windows_lock *lock = *at;
    if (close_events(lock, offset, length)) {
      at = &lock->next;
      continue;
    }
    *at = lock->next;
    free(lock);
  }
}

/* The locks go at once, also where a mapping still keeps the opening. */
void smem__os_object_close(os_object object) {
  AcquireSRWLockExclusive(&lock_guard);
  unlock_bytes(windows_object_of(object), 0, UINT64_MAX);
  ReleaseSRWLockExclusive(&lock_guard);
  smem__windows_object_close(windows_object_of(object));
}

os_status smem__os_lock(os_object object, uint64_t offset, uint64_t length) {
  struct windows_object *control = windows_object_of(object);
  if (length > MOST_BYTES) return smem__windows_status(ERROR_NOT_SUPPORTED);
  struct windows_lock *lock =
      calloc(1, sizeof *lock + (size_t)length * sizeof *lock->events);
  if (!lock) return smem__windows_no_memory;
  lock->offset = offset;
  lock->length = length;
  os_status status = OS_SUCCESS;
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

void smem__os_unlock(os_object object, uint64_t offset, uint64_t length) {
  AcquireSRWLockExclusive(&lock_guard);
  unlock_bytes(windows_object_of(object), offset, length);
  ReleaseSRWLockExclusive(&lock_guard);
}

static os_status query_byte(const struct windows_object *control,
                            uint64_t offset, bool *held) {
  struct windows_name name;
  if (holds(control, offset)) return OS_SUCCESS;
  if (!lock_name(control, offset, &name)) return smem__windows_last();
  HANDLE event = OpenEventW(SYNCHRONIZE, FALSE, name.text);
  if (event) CloseHandle(event);
  os_status status = event ? OS_SUCCESS : smem__windows_last();
  if (event) *held = true;
  return status.code == OS_NOT_FOUND ? OS_SUCCESS : status;
}

struct range {
  const struct windows_object *control;
  uint64_t offset, length;
  bool held;
};

static bool note_lock(const char *name, void *context) {
  struct range *range = context;
  const char *digits =
      name + strlen(range->control->name) + sizeof LOCK_INFIX - 1;
  uint64_t offset = strtoull(digits, NULL, 16);
  range->held =
      offset - range->offset < range->length && !holds(range->control, offset);
  return !range->held;
}

/* The locks of a longer range are found by listing. Where that cannot be done
 * they count as held, which keeps nothing alive: here nobody has to remove what
 * the last one left. */
static bool query_range(const struct windows_object *control, uint64_t offset,
                        uint64_t length) {
  char prefix[WINDOWS_NAME_SIZE];
  struct range range = {control, offset, length, false};
  snprintf(prefix, sizeof prefix, "%.200s" LOCK_INFIX, control->name);
  os_status status = smem__windows_list(
      &(struct windows_search){L"Event", prefix, note_lock, &range});
  return status.code != OS_OK || range.held;
}

os_status smem__os_lock_query(os_object object, uint64_t offset,
                              uint64_t length, bool *held) {
  struct windows_object *control = windows_object_of(object);
  os_status status = OS_SUCCESS;
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

#endif
