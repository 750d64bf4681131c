/* Linux: mapping objects, and who maps what. */
#include "linux.h"
#ifdef OS_LINUX

#include <inttypes.h>
#include <stdio.h>
#include <sys/sysmacros.h>

/* ---- how many there may be ----------------------------------------------- */

/* Not by stdio, whose buffer may need a mapping itself (it does in musl), and
 * one may ask because there are none left. */
uint64_t smem__linux_own_mappings(void) {
  uint64_t lines = 0;
  char block[4096];
  int fd = smem__os_sys.open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return UINT64_MAX;
  for (ssize_t got; (got = read(fd, block, sizeof block)) > 0;)
    for (ssize_t i = 0; i < got; i++) lines += block[i] == '\n';
  smem__posix_shut(fd);
  return lines;
}

/* mmap() says ENOMEM for a full address space and for too many mappings alike;
 * they have different remedies. */
static bool mappings_used_up(void) {
  uint64_t most = smem__linux_read_number("/proc/sys/vm/max_map_count");
  uint64_t mappings = smem__linux_own_mappings();
  return most != UINT64_MAX && mappings != UINT64_MAX && mappings + 2 >= most;
}

/* Have we mapped so much that there are few mappings left for the rest of the
 * process? It needs some itself, to allocate memory and to load code, and does
 * not survive without. */
static bool mappings_run_out(void) {
  enum { SHARE = 64 }; /* the others' part of the limit: 1 in 64, some 1,000 */
  static _Atomic uint64_t most; /* as it was when we last came near it */
  uint64_t mapped = smem__posix_mapped;
  if (mapped < most - most / SHARE) return false;
  most = smem__linux_read_number("/proc/sys/vm/max_map_count");
  return mapped >= most - most / SHARE;
}

/* ---- mapping ------------------------------------------------------------- */

os_status smem__linux_map(os_object object, uint64_t offset, uint64_t size,
                          os_access access, void **address) {
  if (mappings_run_out()) return (os_status){OS_TOO_MANY_MAPS, ENOMEM};
  os_status status =
      smem__posix_map((int)object, offset, size, access, address);
  if (status.code == OS_NO_MEMORY && mappings_used_up())
    status.code = OS_TOO_MANY_MAPS;
  return status;
}

os_status smem__os_object_map(os_object object, uint64_t size, os_access access,
                              void **address) {
  return smem__linux_map(object, 0, size, access, address);
}

os_status smem__os_object_map_end(os_object object, uint64_t size,
                                  void **address) {
  uint64_t page = smem__os_page_size();
  return smem__linux_map(object, size - page, page, OS_READ_WRITE, address);
}

/* ---- copied pages -------------------------------------------------------- */

/* /proc/self/pagemap has 64 bits per page: 63 present, 62 swapped, 61 the page
 * is the file's. What is there and not the file's was copied. */
os_status smem__os_mapping_written(const void *address, uint64_t size,
                                   bool *written) {
  const uint64_t mapped = (uint64_t)3 << 62, of_file = (uint64_t)1 << 61;
  uint64_t entries[2048], page = smem__os_page_size();
  uint64_t at = (uint64_t)(uintptr_t)address / page;
  uint64_t end = at + (size + page - 1) / page;
  os_status status = OS_SUCCESS;
  *written = false;
  int fd = smem__os_sys.open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return (os_status){OS_UNSUPPORTED, errno};
  while (at < end && !*written && status.code == OS_OK) {
    size_t room = sizeof entries / sizeof *entries;
    size_t count = end - at < room ? (size_t)(end - at) : room;
    status = smem__posix_read_all(fd, entries, count * sizeof *entries,
                                  (off_t)(at * sizeof *entries));
    for (size_t i = 0; i < count && status.code == OS_OK; i++)
      if ((entries[i] & mapped) && !(entries[i] & of_file)) *written = true;
    at += count;
  }
  smem__posix_shut(fd);
  if (status.code != OS_OK) status.code = OS_UNSUPPORTED;
  return status;
}

/* ---- who maps what ------------------------------------------------------- */

struct mapping_visitor {
  const char *prefix;
  bool copies;
  bool (*visit)(uint64_t pid, const uint64_t identity[2], uint64_t copied,
                void *context);
  void *context;
  bool waits; /* what follows was read, and not told yet */
  uint64_t pid, identity[2], copied;
};

static bool tell_waiting(struct mapping_visitor *visitor) {
  if (!visitor->waits) return true;
  visitor->waits = false;
  return visitor->visit(visitor->pid, visitor->identity, visitor->copied,
                        visitor->context);
}

/* btrfs has a device of its own for each subvolume, of which stat() tells and
 * the maps do not. What has the path and the inode is the file. */
static uint64_t device_of(const char *path, uint64_t inode, dev_t told) {
  char name[LINUX_PATH_SIZE];
  struct stat status;
  snprintf(name, sizeof name, "%.*s", (int)strcspn(path, "\n"), path);
  if (strncmp(name, DIRECTORY, sizeof DIRECTORY - 1) != 0 &&
      smem__os_sys.lstat(name, &status) == 0 &&
      (uint64_t)status.st_ino == inode)
    return (uint64_t)status.st_dev;
  return (uint64_t)told;
}

/* A line of /proc/<pid>/maps: address, access, offset, device, inode, path. In
 * smaps there are lines after it that say what there is of it: what is neither
 * the file's nor absent was copied. */
static bool visit_line(const char *line, struct mapping_visitor *visitor) {
  unsigned major, minor;
  uint64_t inode, kilobytes;
  if (line[0] >= 'A' && line[0] <= 'Z') {
    if (sscanf(line, "Anonymous: %" SCNu64, &kilobytes) == 1)
      visitor->copied = kilobytes * 1024;
    return true;
  }
  if (!tell_waiting(visitor)) return false;
  const char *path = strchr(line, '/');
  visitor->waits =
      path && strncmp(path, visitor->prefix, strlen(visitor->prefix)) == 0 &&
      sscanf(line, "%*s %*s %*s %x:%x %" SCNu64, &major, &minor, &inode) == 3;
  if (!visitor->waits) return true;
  visitor->identity[0] = device_of(path, inode, makedev(major, minor));
  visitor->identity[1] = inode;
  visitor->copied = UINT64_MAX;
  return true;
}

static bool visit_process(const char *pid, struct mapping_visitor *visitor) {
  char path[300], *line = NULL;
  size_t room = 0;
  bool go_on = true;
  snprintf(path, sizeof path, "/proc/%s/%s", pid,
           visitor->copies ? "smaps" : "maps");
  FILE *maps = fopen(path, "re");
  if (!maps) return true; /* ended, or not ours to look into */
  visitor->pid = strtoull(pid, NULL, 10);
  while (go_on && getline(&line, &room, maps) > 0)
    go_on = visit_line(line, visitor);
  free(line);
  fclose(maps);
  return go_on && tell_waiting(visitor);
}

os_status smem__os_mappings(const char *prefix, bool copies,
                            bool (*visit)(uint64_t pid,
                                          const uint64_t identity[2],
                                          uint64_t copied, void *context),
                            void *context) {
  struct linux_path path = smem__linux_path_of(prefix);
  struct mapping_visitor visitor = {.prefix = path.text,
                                    .copies = copies,
                                    .visit = visit,
                                    .context = context};
  DIR *directory = opendir("/proc");
  if (!directory) return (os_status){OS_UNSUPPORTED, errno};
  os_status status;
  for (struct dirent *entry;
       (entry = smem__posix_next_entry(directory, &status));)
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
        !visit_process(entry->d_name, &visitor))
      break;
  closedir(directory);
  return status;
}

#endif
