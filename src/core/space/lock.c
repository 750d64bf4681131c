/* Waiting for locks, with a deadline.
 *
 * The kernel's locks exclude processes from each other, but not the threads of
 * one process, which share the opening. So a lock is first entered into a list
 * of this process. */
#include "space.h"

static os_mutex mutex;
static struct lock *held;

void lock_start(void) { os_mutex_init(&mutex); }

void lock_in_child(void) {
  os_mutex_init(&mutex);
  held = NULL; /* they were other threads', or the parent's */
}

uint64_t lock_of_id(const char *id) {
  uint64_t number;
  if (smem_id_is_number(id, &number)) return LOCK_NUMBER + number;
  return LOCK_NAME + (hash_text(id) & 0xFFFFFFFFu);
}

static bool overlap(const struct lock *a, const struct lock *b) {
  return a->offset < b->offset + b->length && b->offset < a->offset + a->length;
}

static bool enter(struct lock *lock) {
  bool is_free = true;
  os_mutex_lock(&mutex);
  for (struct lock *other = held; other; other = other->next)
    if (overlap(lock, other)) is_free = false;
  if (is_free) {
    lock->next = held;
    held = lock;
  }
  os_mutex_unlock(&mutex);
  return is_free;
}

static void withdraw(struct lock *lock) {
  os_mutex_lock(&mutex);
  for (struct lock **at = &held; *at; at = &(*at)->next)
    if (*at == lock) {
      *at = lock->next;
      break;
    }
  os_mutex_unlock(&mutex);
}

static os_status try_once(struct lock *lock) {
  os_status status = {OS_BUSY, 0};
  if (!enter(lock)) return status;
  status = os_lock(lock->control, lock->offset, lock->length);
  if (status.code != OS_OK) withdraw(lock);
  return status;
}

smem_code lock_take(const struct call *call, os_object control, uint64_t offset,
                    uint64_t length, struct lock *lock) {
  struct patience patience = {0, 0};
  smem_code code = SMEM_OK;
  *lock = (struct lock){control, offset, length, NULL};
  while (code == SMEM_OK) {
    os_status status = try_once(lock);
    if (status.code == OS_OK) return SMEM_OK;
    if (status.code != OS_BUSY)
      return fail_os(call, status, "the lock cannot be taken");
    code = patience_wait(call, &patience);
  }
  return code;
}

os_status lock_try(os_object control, uint64_t offset, struct lock *lock) {
  *lock = (struct lock){control, offset, 1, NULL};
  return try_once(lock);
}

bool lock_is_held(os_object control, uint64_t offset) {
  struct lock asked = {control, offset, 1, NULL};
  bool is_held = false;
  os_mutex_lock(&mutex);
  for (struct lock *other = held; other; other = other->next)
    if (overlap(&asked, other)) is_held = true;
  os_mutex_unlock(&mutex);
  if (is_held) return true;
  /* What cannot be asked is not proved. */
  return os_lock_query(control, offset, 1, &is_held).code != OS_OK || is_held;
}

void lock_drop(struct lock *lock) {
  os_unlock(lock->control, lock->offset, lock->length);
  withdraw(lock);
}
