/* Many processes at once. */
#ifndef _WIN32

#include "test.h"

#include <sys/mman.h>

enum { PROCESSES = 8, EACH = ROUNDS(2000) };

struct ids {
  uint64_t id[PROCESSES][EACH];
};
static struct ids *ids;

/* Slots of shared->number: how often a name was created, and by whom now. */
enum { CREATED, OWNERS };

/* Exactly one creator in each life of the name: a creator is alone until it
 * frees it. */
static void create_alone(void) {
  smem_code code = allocate_exclusive("once", 100);
  CHECK_AMONG(CODE(OK) | CODE(EXISTS) | CODE(NOT_FOUND), code);
  if (code != SMEM_OK) return;
  CHECK_EQUAL(0, atomic_fetch_add(&shared->number[OWNERS], 1));
  atomic_fetch_add(&shared->number[CREATED], 1);
  atomic_fetch_sub(&shared->number[OWNERS], 1);
  CHECK_OK(free_id("once"));
}

/* Open or create; whatever it is, all of its bytes are its owner's. */
static void create_or_open(void) {
  smem_mapping *mapping;
  const char *id = "common";
  CHECK_OK(allocate(id, 5000));
  smem_code code = smem_map(&id, 1, SMEM_READ_WRITE, &mapping, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), code);
  if (code == SMEM_OK) {
    volatile unsigned char *at = smem_mapping_address(mapping, SMEM_READ_WRITE);
    for (int i = 0; i < 5000; i += 1000) CHECK(at[i] == 0 || at[i] == 7);
    at[1000] = 7;
    unmap_id(id);
  }
}

ROLE(busy) {
  int self = atoi(argument);
  for (int i = 0; i < EACH; i++) {
    uint64_t number = allocate_number(100);
    ids->id[self][i] = number;
    if (i % 2) create_alone();
    if (i % 3 == 0) create_or_open();
    if (i % 7 == 0) CHECK_OK(free_id("common"));
    CHECK_OK(free_id(number_id(number)));
  }
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

TEST_FOR(processes_contend, 60) {
  process_id processes[PROCESSES];
  ids = mmap(NULL, sizeof *ids, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(ids != MAP_FAILED);
  /* Or the counter would begin again when all happen to be gone. */
  CHECK_OK(smem_join(&error));
  for (int i = 0; i < PROCESSES; i++) {
    char text[16];
    snprintf(text, sizeof text, "%d", i);
    processes[i] = START(busy, text);
  }
  for (int i = 0; i < PROCESSES; i++) FINISH(processes[i]);
  uint64_t *all = &ids->id[0][0];
  qsort(all, PROCESSES * EACH, sizeof *all, compare);
  for (int i = 0; i < PROCESSES * EACH; i++)
    CHECK_EQUAL(i + 1, all[i]); /* no number twice, and none left out */
  CHECK(shared->number[CREATED] > 0);
  CHECK_OK(free_id("common"));
  CHECK_EQUAL(0, count_listed());
}

/* ---- some are killed ----------------------------------------------------- */

static bool look_at(const smem_entry *entry, void *context) {
  (void)context;
  CHECK(entry->state != SMEM_DAMAGED && entry->state != SMEM_FOREIGN);
  return true;
}

ROLE(restless) {
  uint64_t end = now_ms() + (uint64_t)atoi(argument);
  smem_request batch[] = {SMEM_REQUEST_INIT(1, NULL),
                          SMEM_REQUEST_INIT(1, "batch"),
                          SMEM_REQUEST_INIT(1, NULL)};
  do {
    uint64_t number = allocate_number(100);
    create_or_open();
    CHECK_OK(free_id("common"));
    CHECK_OK(smem_allocate(batch, 3, SMEM_OF_PROCESS, false, &error));
    CHECK_OK(smem_list(look_at, NULL, &error));
    CHECK_OK(free_id("batch"));
    CHECK_OK(free_id(number_id(batch[0].number)));
    CHECK_OK(free_id(number_id(batch[2].number)));
    CHECK_OK(free_id(number_id(number)));
    CHECK_OK(smem_leave(&error));
  } while (now_ms() < end);
}

TEST(processes_die_in_the_throng) {
  process_id processes[PROCESSES];
  for (int i = 0; i < PROCESSES; i++) processes[i] = START(restless, "2500");
  for (uint64_t end = now_ms() + 2000; now_ms() < end;) {
    process_id victim = START(restless, "100000");
    sleep_ms((unsigned)(smem__process_random() % 30));
    kill_process(victim);
    CHECK_EQUAL(KILLED + SIGKILL, finish(victim));
  }
  for (int i = 0; i < PROCESSES; i++) FINISH(processes[i]);
  CHECK_OK(smem_list(look_at, NULL, &error));
  clean_namespace();
}

#else
typedef int not_posix;
#endif
