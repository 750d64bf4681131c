/* What the tests ask the system themselves about objects of the core. */
#ifndef _WIN32

#include "test.h"

#define SHM "/dev/shm/"

/* Where segments lie, with a "/" at its end. */
static const char *segment_directory(void) {
  static _Thread_local char directory[256];
  const char *asked = getenv("SHAREDMEMORY_DIR");
  if (!asked || !*asked) return SHM;
  snprintf(directory, sizeof directory, "%s/", asked);
  return directory;
}

void need_usual_directory(void) {
  if (strcmp(segment_directory(), SHM) != 0)
    test_skip("SHAREDMEMORY_DIR is set");
}

static char *next_path(void) {
  static _Thread_local char ring[3][400];
  static _Thread_local unsigned at;
  return ring[at++ % 3];
}

const char *segment_path(const char *id) {
  char *path = next_path();
  snprintf(path, 400, "%ssmem.%s.%s", segment_directory(),
           getenv("SHAREDMEMORY_NAMESPACE"), id);
  return path;
}

const char *raw_path(const char *word) {
  char *path = next_path();
  snprintf(path, 400, SHM "%s", raw_id(word) + 1);
  return path;
}

const char *control_path(void) {
  char *path = next_path();
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)
  const char *directory = segment_directory();
#else
  const char *directory = temporary_directory();
#endif
  snprintf(path, 400, "%s/smem-control.%s", directory,
           getenv("SHAREDMEMORY_NAMESPACE"));
  return path;
}

void plant_incomplete(const char *id) {
  plant_file(segment_path(id), "", 0600);
}

void need_listing_of_what_is_planted(void) {
  skip_if_portable("what is planted is not seen there");
}

ROLE(owner_of_both) {
  CHECK_OK(allocate("freed", 1));
  CHECK_OK(allocate_for_process("process"));
  raise_flag(0);
  await_flag(1, 1);
  host_exit(0); /* an end like kill -9: nothing is cleaned up */
}

process_id start_owner(void) {
  process_id owner = START(owner_of_both, "");
  await_flag(0, 1);
  return owner;
}

void leave_orphans(void) {
  process_id owner = start_owner();
  kill_process(owner);
  CHECK_EQUAL(KILLED + SIGKILL, finish(owner));
}

ROLE(creator_at_work) {
  struct name name;
  struct opening opening;
  struct call call = {SMEM_OP_ALLOCATE, argument, 0, &error, false};
  CHECK_OK(smem__name_of_segment(&call, &name));
  CHECK(smem__opening_create(&opening, name.text, smem__os_page_size()).code ==
        OS_OK);
  raise_flag(0);
  await_flag(1, 1);
  smem__opening_close(&opening);
}

process_id start_creator(const char *id) {
  process_id creator = START(creator_at_work, id);
  await_flag(0, 1);
  return creator;
}

void write_at(const char *path, long offset, const void *data, size_t length) {
  int fd = open(path, O_WRONLY);
  CHECK(fd >= 0);
  CHECK(pwrite(fd, data, length, offset) == (ssize_t)length);
  close(fd);
}

void read_footer_of(const char *id, struct footer *footer) {
  int fd = open(segment_path(id), O_RDONLY);
  struct stat status;
  CHECK(fd >= 0 && fstat(fd, &status) == 0);
  CHECK(pread(fd, footer, sizeof *footer, status.st_size - FOOTER_SIZE) ==
        FOOTER_SIZE);
  close(fd);
}

bool presence_is_held(const struct footer *footer) {
  os_info info;
  os_object control;
  bool held;
  const char *name = strrchr(control_path(), '/') + 1;
  CHECK(smem__os_control_open(name, &control, &info).code == OS_OK);
  uint64_t byte = LOCK_PRESENCE + footer->owner.presence;
  CHECK(smem__os_lock_query(control, byte, 1, &held).code == OS_OK);
  smem__os_object_close(control);
  return held;
}

int control_descriptor(void) {
  for (int fd = 0; fd < 64; fd++) {
    char link[32], target[400];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0) continue;
    target[length] = '\0';
    if (strstr(target, "smem-control.")) return fd;
  }
  return -1;
}

void check_joined(void) {
  struct stat mine, named = stat_of(control_path());
  int fd = control_descriptor();
  CHECK(fd >= 0 && fstat(fd, &mine) == 0);
  CHECK_EQUAL(named.st_ino, mine.st_ino);
}

size_t count_mappings(void) {
  char line[1024];
  size_t count = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  CHECK(maps != NULL);
  while (fgets(line, sizeof line, maps))
    count += strstr(line, "/smem.") || strstr(line, "/smem-control.") ||
             strstr(line, SHM "raw.");
  fclose(maps);
  return count;
}

struct ids {
  char id[64][SMEM_ID_MAX + 1];
  size_t count;
};

static bool collect(const smem_entry *entry, void *context) {
  struct ids *ids = context;
  snprintf(ids->id[ids->count++], sizeof *ids->id, "%s", entry->id);
  return ids->count < 64;
}

ROLE(cleaner) {
  static struct ids ids;
  CHECK_OK(smem_join(&error));
  do {
    ids.count = 0;
    CHECK_OK(smem_list(collect, &ids, &error));
    for (size_t i = 0; i < ids.count; i++) CHECK_OK(free_id(ids.id[i]));
  } while (ids.count > 0);
}

void clean_namespace(void) {
  PLAY(cleaner, "");
  smem_stop();
  CHECK_EQUAL(0, count_objects());
}

#else
typedef int not_posix;
#endif
