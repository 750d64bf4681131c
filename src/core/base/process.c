/* Who we are, and whether the user has had enough. */
#include "base.h"

#include <stdlib.h>
#include <string.h>

static bool (*interrupt_asked)(void);

static os_mutex mutex; /* guards what follows */
static struct process self;
static uint64_t random_state;
static bool owes_free;
static struct environment told;
static _Atomic uint64_t patience = UINT64_C(5000000000); /* nanoseconds */

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

void process_ask(bool (*interrupted)(void)) { interrupt_asked = interrupted; }

bool process_interrupted(void) { return interrupt_asked && interrupt_asked(); }

/* True if it is another text. */
static bool keep(char *to, size_t room, const char *text) {
  char kept[64];
  smem_copy_text(kept, room, text ? text : "");
  if (strcmp(to, kept) == 0) return false;
  memcpy(to, kept, room);
  return true;
}

void smem_environment(const char *space, const char *timeout, const char *tag) {
  os_mutex_lock(&mutex);
  /* One that is too long must not become a good one, or none, by being cut. */
  if (space && strlen(space) >= sizeof told.space) space = "/";
  keep(told.space, sizeof told.space, space);
  keep(told.tag, sizeof told.tag, tag);
  if (keep(told.timeout, sizeof told.timeout, timeout)) {
    double seconds = strtod(told.timeout, NULL);
    if (!(seconds > 0 && seconds < 1e6)) seconds = 5;
    patience = (uint64_t)(seconds * 1e9);
  }
  os_mutex_unlock(&mutex);
}

uint64_t process_timeout(void) { return patience; }

void process_told(struct environment *environment) {
  os_mutex_lock(&mutex);
  *environment = told;
  os_mutex_unlock(&mutex);
}

void process_owes_free(void) {
  os_mutex_lock(&mutex);
  owes_free = true;
  os_mutex_unlock(&mutex);
}

bool process_settle(void) {
  os_process now;
  os_process_self(&now);
  os_mutex_lock(&mutex);
  /* A child that was cloned past our fork handlers is not who allocated. */
  bool owes = owes_free && now.pid == self.os.pid;
  owes_free = false;
  os_mutex_unlock(&mutex);
  return owes;
}

void process_start(void) { os_mutex_init(&mutex); }
void process_before_fork(void) { os_mutex_lock(&mutex); }
void process_after_fork(void) { os_mutex_unlock(&mutex); }

void process_in_child(void) {
  os_mutex_unlock(&mutex);
  memset(&self, 0, sizeof self);
  random_state = 0;
  owes_free = false;
}
