#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

smem_error error = SMEM_ERROR_INIT;
static char space[17];

void fuzz_fail(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: %s\n", file, line, what);
  abort();
}

static int lowest_descriptor(void) {
  int fd = open("/dev/null", O_RDONLY);
  close(fd);
  return fd;
}

/* Objects whose names have ours in them are removed. How many were there? */
static size_t clean(void) {
  char prefix[40], control[40], path[300];
  size_t count = 0;
  snprintf(prefix, sizeof prefix, "smem.%s.", space);
  snprintf(control, sizeof control, "smem-control.%s", space);
  DIR *directory = opendir("/dev/shm");
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
    if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 ||
        strcmp(entry->d_name, control) == 0) {
      snprintf(path, sizeof path, "/dev/shm/%s", entry->d_name);
      count += unlink(path) == 0;
    }
  closedir(directory);
  return count;
}

static void clean_at_exit(void) { clean(); }

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  atexit(clean_at_exit);
  /* From the script, so that it can clean up after a crash. */
  if (!getenv("SHAREDMEMORY_NAMESPACE")) {
    snprintf(space, sizeof space, "fuzz-%ld", (long)getpid());
    setenv("SHAREDMEMORY_NAMESPACE", space, 1);
  }
  snprintf(space, sizeof space, "%s", getenv("SHAREDMEMORY_NAMESPACE"));
  smem_start(NULL);
  smem_environment(space, "0.001", NULL);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int lowest = lowest_descriptor(); /* that is not in use */
  target(data, size);
  CHECK(lowest_descriptor() == lowest);
  CHECK(clean() == 0);
  return 0;
}

uint8_t take_byte(struct input *input) {
  uint8_t byte = 0;
  take(input, &byte, 1);
  return byte;
}

size_t take(struct input *input, void *to, size_t length) {
  size_t some = length < input->size ? length : input->size;
  memset(to, 0, length);
  if (some > 0) memcpy(to, input->data, some);
  input->data += some;
  input->size -= some;
  return some;
}

void plant(const char *middle, const char *end, size_t size, size_t offset,
           const void *data, size_t length) {
  char path[300];
  snprintf(path, sizeof path, "/dev/shm/smem%s.%s%s", middle, space, end);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
  CHECK(length == 0 ||
        pwrite(fd, data, length, (off_t)offset) == (ssize_t)length);
  close(fd);
}

void check_error(smem_code code) {
  char text[2048];
  if (code == SMEM_OK) return;
  CHECK(code == error.code && code < SMEM_CODES && error.op < SMEM_OPS);
  CHECK(smem_error_message(&error, text, sizeof text) < (int)sizeof text);
  CHECK(smem_is_utf8(text));
}

void check_entry(const smem_entry *entry, void *context) {
  CHECK((unsigned)entry->state < SMEM_STATES);
  CHECK(strcmp(smem_state_name(entry->state), "unknown") != 0 ||
        entry->state == SMEM_UNKNOWN);
  CHECK(strlen(entry->id) < 256 && strlen(entry->wrong) < 400);
  CHECK(strlen(entry->tag) < 64 && strlen(entry->trace) < 256);
  CHECK(entry->lifetime == SMEM_UNTIL_FREED ||
        entry->lifetime == SMEM_OF_PROCESS ||
        entry->lifetime == SMEM_OF_OBJECT);
  CHECK(entry->requested <= entry->capacity);
  ++*(size_t *)context;
}

smem_code map_id(const char *id, smem_access access, smem_mapping **mapping) {
  return smem_map(&id, 1, access, mapping, &error);
}

static void nobody_is_told(void *note) { CHECK(!note); }

smem_code free_id(const char *id) {
  return smem_free(&id, 1, nobody_is_told, &error);
}

static bool list_entry(const smem_entry *entry, void *context) {
  check_entry(entry, context);
  return true;
}

size_t list_all(void) {
  size_t count = 0;
  smem_code code = smem_list(list_entry, &count, &error);
  CHECK(code == SMEM_OK);
  return count;
}
