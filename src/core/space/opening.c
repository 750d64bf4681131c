/* Openings under way: of what is being made, and of what is being removed.
 *
 * The lock of an object goes with its last descriptor. So a forked child, which
 * has inherited one, closes it at once: its parent's death must leave what it
 * was making recognisable, and what it was removing free for others. */
#include "space.h"

enum { CLOSED = -1 };

static os_mutex
    mutex; /* around opening and closing, so that a fork waits for them */
static struct opening *all;

void smem__opening_start(void) { smem__os_mutex_init(&mutex); }
void smem__opening_before_fork(void) { smem__os_mutex_lock(&mutex); }
void smem__opening_after_fork(void) { smem__os_mutex_unlock(&mutex); }

/* The list is on the stacks of threads, of which only this one goes on here,
 * and in writers, which may be met here: see smem__opening_is_own(). */
void smem__opening_in_child(void) {
  for (; all; all = all->next) {
    smem__os_object_close(all->object);
    all->object = CLOSED;
  }
  smem__os_mutex_unlock(&mutex);
}

static void enter(struct opening *opening) {
  opening->next = all;
  all = opening;
}

static os_status begin(struct opening *opening, const char *name, uint64_t size,
                       os_status (*open)(const char *, uint64_t, os_object *)) {
  smem__os_mutex_lock(&mutex);
  os_status status = open(name, size, &opening->object);
  if (status.code == OS_OK) enter(opening);
  smem__os_mutex_unlock(&mutex);
  return status;
}

os_status smem__opening_create(struct opening *opening, const char *name,
                               uint64_t size) {
  return begin(opening, name, size, smem__os_object_create);
}

os_status smem__opening_make(struct opening *opening, const char *name,
                             uint64_t size) {
  return begin(opening, name, size, smem__os_object_make);
}

os_status smem__opening_claim(struct opening *opening, const char *name,
                              os_info *info) {
  smem__os_mutex_lock(&mutex);
  os_status status = smem__os_object_claim(name, &opening->object, info);
  if (status.code == OS_OK) enter(opening);
  smem__os_mutex_unlock(&mutex);
  return status;
}

/* Who looks whether it was abandoned holds it for some microseconds, and who
 * creates or removes it holds it too: only time tells them apart. */
os_status smem__opening_claim_idle(struct opening *opening, const char *name,
                                   os_info *info) {
  const uint64_t longest = (uint64_t)16 * 1000 * 1000; /* nanoseconds */
  for (uint64_t pause = 30000;; pause *= 2) {
    os_status status = smem__opening_claim(opening, name, info);
    if (status.code != OS_BUSY || pause > longest) return status;
    smem__os_sleep(pause);
  }
}

bool smem__opening_is_own(const struct opening *opening) {
  return opening->object != CLOSED;
}

static void leave(const struct opening *opening) {
  struct opening **at = &all;
  while (*at != opening) at = &(*at)->next;
  *at = opening->next;
}

void smem__opening_close(struct opening *opening) {
  smem__os_mutex_lock(&mutex);
  leave(opening);
  smem__os_object_close(opening->object);
  smem__os_mutex_unlock(&mutex);
}

void smem__opening_unmake(struct opening *opening, const char *name) {
  smem__os_mutex_lock(&mutex);
  leave(opening);
  smem__os_object_unmake(opening->object, name);
  smem__os_mutex_unlock(&mutex);
}

os_status smem__opening_remove(struct opening *opening, const char *name) {
  os_status status = smem__os_object_remove_own(name);
  smem__opening_close(opening);
  return status;
}

void smem__opening_clean(const char *name) {
  struct opening opening;
  os_info info;
  if (smem__opening_claim(&opening, name, &info).code != OS_OK) return;
  if (info.incomplete)
    smem__opening_remove(&opening, name);
  else
    smem__opening_close(&opening);
}
