/* Processes that do everything at random to the same segments, while some of
 * them are killed. What must exist then is the business of model.h.
 *
 * SOAK_SECONDS says how long, SOAK_SEED repeats a run as far as the scheduler
 * lets it. */
#include "soak.h"

uint64_t soak_seed;

/* ---- who starts and kills them ------------------------------------------- */

ROLE(worker) { work(atoi(argument)); }

ROLE(inspector) { check_end(*argument == 'r'); }

static struct { unsigned killed, stopped, ended, rounds; } tally;

static process_id running[SLOTS];
static uint64_t done[SLOTS], since[SLOTS];

static void start(int slot) {
  char text[16];
  snprintf(text, sizeof text, "%d", slot);
  own_life = model->slot[slot].life; /* inherited: it may go up any time */
  running[slot] = START(worker, text);
  model->slot[slot].pid = (int)running[slot];
  model->maybe[running[slot]] = 0;
  model->ended[running[slot]] = 0;
  since[slot] = now_ms();
}

static void bury_ended(int slot, int status) {
  if (status != 0 && status != KILLED + SIGKILL) {
    if (shared->failure[0]) host_exit(1);
    test_fail(__FILE__, __LINE__, "process %d ended with status %d at %s", slot,
              status, model->slot[slot].now);
  }
  model->ended[running[slot]] = status == 0;
  tally.ended += status == 0;
  tally.killed += status != 0;
  bury(slot);
  running[slot] = 0;
}

/* Its status, if it has ended. */
static bool has_ended(int slot) {
  int status;
  if (waitpid((pid_t)running[slot], &status, WNOHANG) <= 0) return false;
  bury_ended(slot, WIFEXITED(status) ? WEXITSTATUS(status)
                                     : KILLED + WTERMSIG(status));
  return true;
}

static void check_progress(int slot) {
  enum { PATIENCE = 120 * 1000 };
  if (model->slot[slot].done != done[slot]) since[slot] = now_ms();
  done[slot] = model->slot[slot].done;
  if (now_ms() - since[slot] > PATIENCE)
    test_fail(__FILE__, __LINE__, "process %d hangs at %s", slot,
              model->slot[slot].now);
}

static void kill_one(int slot) {
  atomic_fetch_add(&model->slot[slot].life, 1);
  kill_process(running[slot]);
  bury_ended(slot, finish(running[slot]));
}

/* Half-way through something, for others to wait or to go round. */
static void stop_one(int slot) {
  kill((pid_t)running[slot], SIGSTOP);
  sleep_ms(random_below(20));
  kill((pid_t)running[slot], SIGCONT);
  tally.stopped++;
}

static void disturb(void) {
  int slot = (int)random_below(SLOTS);
  sleep_ms(random_below(15));
  if (one_in(5))
    stop_one(slot);
  else if (running[slot])
    kill_one(slot);
  for (int i = 0; i < SLOTS; i++) {
    if (running[i] && !has_ended(i)) check_progress(i);
    if (!running[i]) start(i);
  }
}

static void end_all(void) {
  model->stop = true;
  for (int i = 0; i < SLOTS; i++)
    while (running[i] && !has_ended(i)) {
      check_progress(i);
      sleep_ms(1);
    }
  model->stop = false;
}

/* In every second round somebody stays joined throughout, in the others the
 * last one to leave takes the counter with it. */
static void play_round(unsigned round, uint64_t end) {
  model->kept = round % 2 == 0;
  numbers_forget();
  if (model->kept) CHECK_OK(smem_join(&error));
  for (int i = 0; i < SLOTS; i++) start(i);
  while (now_ms() < end) disturb();
  end_all();
  PLAY(inspector, round % 4 < 2 ? "r" : "");
  if (model->kept) CHECK_OK(smem_leave(&error));
  CHECK_EQUAL(0, count_objects());
  tally.rounds++;
}

static uint64_t setting(const char *name, uint64_t otherwise) {
  const char *value = getenv(name);
  return value && *value ? strtoull(value, NULL, 10) : otherwise;
}

static void tell(void) {
  uint64_t operations = 0;
  for (int i = 0; i < SLOTS; i++) operations += model->slot[i].done;
  printf(
      "soak: %llu operations, %llu checked, %u killed, %u stopped, %u ended, "
      "%u rounds, seed %llu\n",
      (unsigned long long)operations, (unsigned long long)model->checks,
      tally.killed, tally.stopped, tally.ended, tally.rounds,
      (unsigned long long)soak_seed);
  fflush(stdout);
}

enum { NO_LIMIT = 1000000000, ROUND = 5000 };

TEST_FOR(soak, NO_LIMIT) {
  soak_seed = setting("SOAK_SEED", smem__process_random() % 1000000);
  random_start(soak_seed);
  uint64_t end = now_ms() + 1000 * setting("SOAK_SECONDS", 10);
  set_variable("SHAREDMEMORY_TIMEOUT", "100"); /* `busy` is a hang */
  printf("soak: SOAK_SEED=%llu\n", (unsigned long long)soak_seed);
  letters_make();
  model_make();
  for (unsigned round = 0; now_ms() < end; round++) {
    uint64_t until = now_ms() + ROUND;
    play_round(round, until < end ? until : end);
  }
  tell();
}
