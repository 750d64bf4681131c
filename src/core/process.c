/* The life of this process as a user of the core: start, fork, end. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static bool started;
static bool (*interrupt_asked)(void);

static os_mutex mutex; /* guards what follows */
static struct process self;
static uint64_t random_state;
static bool owes_free;

/* SplitMix64: one call to the system per process instead of one per segment. */
uint64_t process_random(void) {
  os_mutex_lock(&mutex);
  if (random_state == 0) random_state = os_entropy();
  uint64_t value = (random_state += 0x9E3779B97F4A7C15u);
  os_mutex_unlock(&mutex);
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  value ^= value >> 31;
  return value ? value : 1;
}

uint64_t smem_random(void) { return process_random(); }

const struct process *process_self(void) {
  uint64_t token = process_random();
  os_mutex_lock(&mutex);
  if (self.token == 0) {
    os_process_self(&self.os);
    self.token = token;
  }
  os_mutex_unlock(&mutex);
  return &self;
}

bool process_interrupted(void) { return interrupt_asked && interrupt_asked(); }

uint64_t process_timeout(void) {
  const char *text = getenv("SHAREDMEMORY_TIMEOUT");
  double seconds = text ? strtod(text, NULL) : 0;
  if (!(seconds > 0 && seconds < 1e6)) seconds = 5;
  return (uint64_t)(seconds * 1e9);
}

void process_owes_free(void) {
  os_mutex_lock(&mutex);
  owes_free = true;
  os_mutex_unlock(&mutex);
}

/* ---- fork ------------------------------------------------------------------------
 *
 * A child is a process of its own: it owns nothing of its parent's, has no
 * presence, and must close the parent's control object, or the parent would look
 * alive as long as the child lives. Its mappings it keeps. Mutexes are taken
 * around the fork so that the child finds what they guard in order. */

static void before_fork(void) {
  mapping_before_fork();
  control_before_fork();
  name_before_fork();
  os_mutex_lock(&mutex);
}

static void in_parent(void) {
  os_mutex_unlock(&mutex);
  name_after_fork();
  control_after_fork();
  mapping_after_fork();
}

/* Unlocked, not made anew: this thread is the one that has locked them. */
static void in_child(void) {
  os_mutex_unlock(&mutex);
  memset(&self, 0, sizeof self);
  random_state = 0;
  owes_free = false;
  name_after_fork();
  lock_in_child();
  control_in_child();
  mapping_in_child();
}

static void at_exit(void) {
  interrupt_asked = NULL; /* its world is gone by now */
  smem_stop();
}

void smem_start(bool (*interrupted)(void)) {
  interrupt_asked = interrupted;
  if (started) return;
  started = true;
  os_mutex_init(&mutex);
  name_start();
  lock_start();
  control_start();
  mapping_start();
  os_at_fork(before_fork, in_parent, in_child);
  atexit(at_exit);
}

void smem_stop(void) {
  smem_error error;
  struct call call = {"free", "", 0, &error, true};
  os_process now;
  os_process_self(&now);
  os_mutex_lock(&mutex);
  /* A child that was cloned past our fork handlers is not who allocated. */
  bool free_owned = owes_free && now.pid == self.os.pid;
  owes_free = false;
  os_mutex_unlock(&mutex);
  struct control *control;
  if (free_owned && control_join(&call, &control) == SMEM_OK) {
    list_free_owned(&call, control);
    control_release(control);
  }
  control_leave(&call, control_uses());
}

smem_code smem_join(smem_error *error) {
  struct call call = {"join", "", 0, error, false};
  struct control *control;
  smem_code code = control_join(&call, &control);
  if (code == SMEM_OK) control_release(control);
  return code;
}

smem_code smem_leave(smem_error *error) {
  struct call call = {"leave", "", 0, error, false};
  bool owner;
  uint64_t before = control_uses();
  smem_code code = list_owned(&call, &owner);
  /* What is mapped keeps us here too: see smem_map(). */
  if (code != SMEM_OK || owner || mapping_any()) return code;
  if (!control_leave(&call, before)) return SMEM_OK;
  control_forget_numbers();
  namespace_forget();
  return SMEM_OK;
}
