/* Linux: what the memory limits of control groups leave.
 *
 * Beyond such a limit neither fallocate() nor touching a page is an error:
 * somebody in the group is killed. Pages of a tmpfs count for the group of the
 * process that reserves them. Each level from our own group up may have a
 * limit; what can still be had is the least of: the limit, less what is used,
 * plus file pages, which the kernel lets go of first. Where groups are,
 * /proc/self/cgroup and the table of mounts tell; in a container its own group
 * is the root of the mount, whatever path is told. What is not there sets no
 * limit.
 *
 * Only /proc and /sys are read, nothing here can fail a call, and so it goes
 * round the table of system calls. */
#include "linux.h"
#ifdef OS_LINUX

#include <inttypes.h>
#include <stdio.h>

enum { PATH_ROOM = 4096 + 64 };

/* The files of one version. */
struct version {
  const char *type; /* of the mount */
  const char *limit, *used;
  const char
      *cache[2]; /* lines of memory.stat, of the group and those below it */
};

static const struct version versions[2] = {
    {"cgroup2",
     "memory.max",
     "memory.current",
     {"inactive_file", "active_file"}},
    {"cgroup",
     "memory.limit_in_bytes",
     "memory.usage_in_bytes",
     {"total_inactive_file", "total_active_file"}}};

/* ---- where our group is -------------------------------------------------- */

/* Is `word` one of the list "a,b,c"? */
static bool is_listed(const char *list, const char *word) {
  size_t length = strlen(word);
  for (const char *at = list; at; at = strchr(at, ',')) {
    if (*at == ',') at++;
    if (strncmp(at, word, length) == 0 && (at[length] == ',' || !at[length]))
      return true;
  }
  return false;
}

/* Lines "4:memory:/path", "0::/path": the path of our group of this version. */
static bool find_group(const char *root, bool unified, char *path) {
  char name[PATH_ROOM], *line = NULL;
  size_t room = 0;
  bool found = false;
  snprintf(name, sizeof name, "%s/proc/self/cgroup", root);
  FILE *file = fopen(name, "re");
  while (file && !found && getline(&line, &room, file) > 0) {
    char *list = strchr(line, ':');
    char *told = list ? strchr(list + 1, ':') : NULL;
    if (!told) continue;
    *told++ = '\0';
    told[strcspn(told, "\n")] = '\0';
    found =
        unified ? line[0] == '0' && !list[1] : is_listed(list + 1, "memory");
    if (found) snprintf(path, PATH_ROOM, "%s", told);
  }
  free(line);
  if (file) fclose(file);
  return found;
}

/* Blanks and the like are written as "\040". */
static void unescape(char *text) {
  char *to = text;
  for (const char *at = text; *at; at++) {
    unsigned code;
    if (*at == '\\' && sscanf(at, "\\%3o", &code) == 1) {
      *to++ = (char)code;
      at += 3;
    } else {
      *to++ = *at;
    }
  }
  *to = '\0';
}

/* What is left of `path` below `top`; NULL if it is not below it. */
static const char *below(const char *path, const char *top) {
  size_t length = strlen(top);
  if (strcmp(top, "/") == 0) return path;
  if (strncmp(path, top, length) != 0) return NULL;
  return path[length] == '/' || !path[length] ? path + length : NULL;
}

/* One line of the table of mounts: "36 35 98:0 /top /point options ... - type
 * source options". False if it is not of this version. */
static bool read_mount(char *line, const struct version *version, char **top,
                       char **point) {
  char *field[5], *rest = line, type[32], options[512];
  char *tail = strstr(line, " - ");
  if (!tail || sscanf(tail, " - %31s %*s %511s", type, options) != 2 ||
      strcmp(type, version->type) != 0)
    return false;
  if (version == &versions[1] && !is_listed(options, "memory")) return false;
  for (int i = 0; i < 5; i++)
    if (!(field[i] = strtok_r(rest, " ", &rest))) return false;
  unescape(*top = field[3]);
  unescape(*point = field[4]);
  return true;
}

/* The directory of our group, and in *top the length of the part of it that is
 * the mount's. False if this version is not mounted. */
static bool find_directory(const char *root, const struct version *version,
                           const char *path, char *directory, size_t *top) {
  char name[PATH_ROOM], *line = NULL, *from, *point;
  size_t room = 0;
  bool mounted = false, seen = false; /* seen: the path leads to it from here */
  snprintf(name, sizeof name, "%s/proc/self/mountinfo", root);
  FILE *file = fopen(name, "re");
  while (file && !seen && getline(&line, &room, file) > 0) {
    if (!read_mount(line, version, &from, &point)) continue;
    const char *rest = strstr(path, "..") ? NULL : below(path, from);
    if (mounted && !rest) continue;
    if (rest && strcmp(rest, "/") == 0) rest = "";
    *top = strlen(root) + strlen(point);
    if (snprintf(directory, PATH_ROOM, "%s%s%s", root, point,
                 rest ? rest : "") >= PATH_ROOM)
      continue;
    mounted = true;
    seen = rest && access(directory, F_OK) == 0;
    if (!seen) directory[*top] = '\0';
  }
  free(line);
  if (file) fclose(file);
  return mounted;
}

/* ---- what one level leaves ----------------------------------------------- */

/* The number in a file of the group; UINT64_MAX for "max", and where there is
 * none. */
static uint64_t number_in(const char *directory, const char *file) {
  char path[PATH_ROOM + 64];
  uint64_t number;
  snprintf(path, sizeof path, "%s/%s", directory, file);
  FILE *stream = fopen(path, "re");
  if (!stream) return UINT64_MAX;
  if (fscanf(stream, "%" SCNu64, &number) != 1) number = UINT64_MAX;
  fclose(stream);
  return number;
}

static uint64_t cached_in(const char *directory,
                          const struct version *version) {
  char path[PATH_ROOM + 64], key[64];
  uint64_t number, sum = 0;
  snprintf(path, sizeof path, "%s/memory.stat", directory);
  FILE *stream = fopen(path, "re");
  if (!stream) return 0;
  while (fscanf(stream, "%63s %" SCNu64, key, &number) == 2)
    if (strcmp(key, version->cache[0]) == 0 ||
        strcmp(key, version->cache[1]) == 0)
      sum += number;
  fclose(stream);
  return sum;
}

/* Near the limit the sums are a little off, and others of the group need some
 * too: with no margin a process was killed, with one MiB none. */
static uint64_t less_margin(uint64_t bytes) {
  uint64_t margin = (uint64_t)1 << 20;
  if (bytes / 100 > margin) margin = bytes / 100;
  return bytes > margin ? bytes - margin : 0;
}

static uint64_t left_in(const char *directory, const struct version *version) {
  uint64_t limit = number_in(directory, version->limit);
  uint64_t used = number_in(directory, version->used);
  if (limit >= UINT64_MAX / 4 || used == UINT64_MAX) return UINT64_MAX;
  uint64_t cached = cached_in(directory, version);
  used = used > cached ? used - cached : 0;
  return less_margin(limit > used ? limit - used : 0);
}

/* Before Linux 5.11 a group of version 1 may leave out what is used below it,
 * and then its limit does not hold for us. */
static bool counts_below(const char *directory, const struct version *version) {
  return version == &versions[0] ||
         number_in(directory, "memory.use_hierarchy") != 0;
}

/* All levels from `directory` up to the mount's. */
static void look_upwards(char *directory, size_t top,
                         const struct version *version, uint64_t *least,
                         char *limit, size_t length) {
  for (;;) {
    uint64_t left = left_in(directory, version);
    if (left < *least) {
      const char *group = directory + top;
      *least = left;
      if (limit)
        snprintf(limit, length,
                 "the memory limit of the control group %.80s (%s)",
                 *group ? group : "/", version->limit);
    }
    if (!directory[top]) return;
    *strrchr(directory, '/') = '\0';
    if (!counts_below(directory, version)) return;
  }
}

void smem__linux_cgroup_least(const char *root, uint64_t *least, char *limit,
                              size_t length) {
  for (int i = 0; i < 2; i++) {
    char path[PATH_ROOM], directory[PATH_ROOM];
    size_t top;
    if (find_group(root, i == 0, path) &&
        find_directory(root, &versions[i], path, directory, &top))
      look_upwards(directory, top, &versions[i], least, limit, length);
  }
}

#endif
