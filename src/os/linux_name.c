/* Linux: where a name leads. */
#include "linux.h"
#ifdef OS_LINUX

#include <stdio.h>

/* Also what is too long is cut: names of the core are shorter. */
static void put(struct linux_path *path, size_t *at, const char *text,
                size_t length) {
  size_t room = sizeof path->text - 1 - *at;
  if (length > room) length = room;
  memcpy(path->text + *at, text, length);
  *at += length;
  path->text[*at] = '\0';
}

struct linux_path smem__linux_path_of(const char *name) {
  struct linux_path path;
  size_t at = 0;
  if (name[0] != '/') put(&path, &at, DIRECTORY, sizeof DIRECTORY - 1);
  put(&path, &at, name, strlen(name));
  return path;
}

struct linux_path smem__linux_directory_of(const char *name) {
  struct linux_path path = smem__linux_path_of(name);
  strrchr(path.text, '/')[1] = '\0';
  return path;
}

struct linux_path smem__linux_directory(const char *directory) {
  struct linux_path path;
  size_t at = 0;
  put(&path, &at, directory[0] ? directory : DIRECTORY,
      strlen(directory[0] ? directory : DIRECTORY));
  return path;
}

void smem__os_object_path(const char *name, char *buffer, size_t length) {
  snprintf(buffer, length, "%s", smem__linux_path_of(name).text);
}

#endif
