/* Who we are, and whether the user has had enough. */
#include "base.h"

#include <stdlib.h>
#include <string.h>

static bool (*interrupt_asked)(void);

static os_mutex mutex; /* guards what follows */
static struct process self;
static uint64_t random_state;
static uint64_t owes_free; /* the pid of who owes it, or 0 */
static struct environment told;
static _Atomic uint64_t patience = UINT64_C(5000000000); /* nanoseconds */

/* SplitMix64: one call to the system per process instead of one per segment. */
uint64_t smem__process_random(void) {
  smem__os_mutex_lock(&mutex);
  if (random_state == 0) random_state = smem__os_entropy();
  uint64_t value = (random_state += 0x9E3779B97F4A7C15u);
  smem__os_mutex_unlock(&mutex);
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  value ^= value >> 31;
  return value ? value : 1;
}

uint64_t smem_random(void) { return smem__process_random(); }

const struct process *smem__process_self(void) {
  uint64_t token = smem__process_random();
  smem__os_mutex_lock(&mutex);
  if (self.token == 0) {
    smem__os_process_self(&self.os);
    self.token = token;
  }
  smem__os_mutex_unlock(&mutex);
  return &self;
}

void smem__process_ask(bool (*interrupted)(void)) {
  interrupt_asked = interrupted;
}

bool smem__process_interrupted(void) {
  return interrupt_asked && interrupt_asked();
}

/* True if it is another text. */
static bool keep(char *to, size_t room, const char *text) {
  char kept[SMEM_DIRECTORY_SIZE + 1];
  if (!text) text = "";
  if (strcmp(to, text) == 0) return false; /* nearly always */
  smem_copy_text(kept, room, text);
  if (strcmp(to, kept) == 0) return false;
  memcpy(to, kept, room);
  return true;
}

void smem_environment(const char *space, const char *timeout, const char *tag) {
  smem__os_mutex_lock(&mutex);
  /* One that is too long must not become a good one, or none, by being cut. */
  if (space && strlen(space) >= sizeof told.space) space = "/";
  keep(told.space, sizeof told.space, space);
  keep(told.tag, sizeof told.tag, tag);
  if (keep(told.timeout, sizeof told.timeout, timeout)) {
    double seconds = strtod(told.timeout, NULL);
    if (!(seconds > 0 && seconds < 1e6)) seconds = 5;
    patience = (uint64_t)(seconds * 1e9);
  }
  smem__os_mutex_unlock(&mutex);
}

void smem_directory(const char *directory) {
  smem__os_mutex_lock(&mutex);
  keep(told.directory, sizeof told.directory, directory);
  smem__os_mutex_unlock(&mutex);
}

void smem_spill(const char *directory) {
  smem__os_mutex_lock(&mutex);
  keep(told.spill, sizeof told.spill, directory);
  smem__os_mutex_unlock(&mutex);
}

uint64_t smem__process_timeout(void) { return patience; }

void smem__process_told(struct environment *environment) {
  smem__os_mutex_lock(&mutex);
  *environment = told;
  smem__os_mutex_unlock(&mutex);
}

void smem__process_owes_free(void) {
  smem__os_mutex_lock(&mutex);
  owes_free = smem__os_pid();
  smem__os_mutex_unlock(&mutex);
}

bool smem__process_settle(void) {
  smem__os_mutex_lock(&mutex);
  /* A child that was cloned past our fork handlers is not who allocated. */
  bool owes = owes_free == smem__os_pid();
  owes_free = 0;
  smem__os_mutex_unlock(&mutex);
  return owes;
}

void smem__process_start(void) { smem__os_mutex_init(&mutex); }
void smem__process_before_fork(void) { smem__os_mutex_lock(&mutex); }
void smem__process_after_fork(void) { smem__os_mutex_unlock(&mutex); }

void smem__process_in_child(void) {
  smem__os_mutex_unlock(&mutex);
  memset(&self, 0, sizeof self);
  random_state = owes_free = 0;
}
