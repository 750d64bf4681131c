/* Openings under way: of what is being made, and of what is being removed.
 *
 * The lock of an object goes with its last descriptor. So a forked child, which has
 * inherited one, closes it at once: its parent's death must leave what it was making
 * recognisable, and what it was removing free for others. */
#include "space.h"

static os_mutex mutex; /* around opening and closing, so that a fork waits for them */
static struct opening *all;

void opening_start(void) { os_mutex_init(&mutex); }
void opening_before_fork(void) { os_mutex_lock(&mutex); }
void opening_after_fork(void) { os_mutex_unlock(&mutex); }

/* The list is on the stacks of threads, of which only this one goes on here. */
void opening_in_child(void) {
  for (; all; all = all->next) os_object_close(all->object);
  os_mutex_unlock(&mutex);
}

static void enter(struct opening *opening) {
  opening->next = all;
  all = opening;
}

os_status opening_create(struct opening *opening, const char *name,
                         uint64_t size) {
  os_mutex_lock(&mutex);
  os_status status = os_object_create(name, size, &opening->object);
  if (status.code == OS_OK) enter(opening);
  os_mutex_unlock(&mutex);
  return status;
}

os_status opening_claim(struct opening *opening, const char *name,
                        os_info *info) {
  os_mutex_lock(&mutex);
  os_status status = os_object_claim(name, &opening->object, info);
  if (status.code == OS_OK) enter(opening);
  os_mutex_unlock(&mutex);
  return status;
}

void opening_close(struct opening *opening) {
  os_mutex_lock(&mutex);
  struct opening **at = &all;
  while (*at != opening) at = &(*at)->next;
  *at = opening->next;
  os_object_close(opening->object);
  os_mutex_unlock(&mutex);
}

os_status opening_remove(struct opening *opening, const char *name) {
  os_status status = os_object_remove_own(name);
  opening_close(opening);
  return status;
}

void opening_clean(const char *name) {
  struct opening opening;
  os_info info;
  if (opening_claim(&opening, name, &info).code != OS_OK) return;
  if (info.incomplete)
    opening_remove(&opening, name);
  else
    opening_close(&opening);
}
