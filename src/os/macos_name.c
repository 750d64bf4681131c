/* macOS: what names become, and where the files beside the objects are. */
#include "macos.h"
#ifdef OS_MACOS

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

enum { TEMP_SIZE = 700 }; /* the temporary directory */

/* What shm_open() wants: "/name", or "/smem" and 104 bits in hexadecimal, which
 * are 31 bytes again and no name that anybody gives. */
struct macos_path smem__macos_name(const char *name) {
  struct macos_path path;
  size_t length = strlen(name);
  if (length < MACOS_NAME_LIMIT || !os_is_own_name(name))
    snprintf(path.text, sizeof path.text, "/%s", name);
  else
    snprintf(path.text, sizeof path.text,
             "/" OS_OWN_PREFIX "%016" PRIx64 "%010" PRIx64,
             smem__hash(name, length, 1), smem__hash(name, length, 2) >> 24);
  return path;
}

void smem__os_object_path(const char *name, char *buffer, size_t length) {
  struct macos_path path = smem__macos_name(name);
  snprintf(buffer, length, "%s", path.text);
}

static char temp[TEMP_SIZE];
static pthread_once_t temp_once = PTHREAD_ONCE_INIT;

static bool set_temp(const char *directory) {
  size_t length = directory ? strlen(directory) : 0;
  while (length > 1 && directory[length - 1] == '/') length--;
  if (length == 0 || length >= sizeof temp || directory[0] != '/') return false;
  memcpy(temp, directory, length);
  temp[length] = '\0';
  return true;
}

/* Looked up once: with another TMPDIR half way through, a process would no
 * longer find its own control object. */
static void find_temp(void) {
#ifdef _CS_DARWIN_USER_TEMP_DIR
  char own[TEMP_SIZE];
  size_t length = confstr(_CS_DARWIN_USER_TEMP_DIR, own, sizeof own);
  if (length > 0 && length <= sizeof own && set_temp(own)) return;
#endif
  if (!set_temp(getenv("TMPDIR"))) set_temp("/tmp");
}

const char *smem__macos_temp(void) {
  pthread_once(&temp_once, find_temp);
  return temp;
}

struct macos_path smem__macos_temp_path(const char *prefix, const char *name) {
  struct macos_path path;
  snprintf(path.text, sizeof path.text, "%s/%s%.255s", smem__macos_temp(),
           prefix, name);
  return path;
}

#endif
