/* Linux: what /proc and /etc say. */
#include "linux.h"
#ifdef OS_LINUX

#include <inttypes.h>
#include <stdio.h>

size_t smem__linux_read_text(const char *path, char *buffer, size_t length) {
  int fd = smem__os_sys.open(path, O_RDONLY | O_CLOEXEC, 0);
  buffer[0] = '\0';
  if (fd < 0) return 0;
  ssize_t got;
  do got = smem__os_sys.pread(fd, buffer, length - 1, 0);
  while (got < 0 && errno == EINTR);
  smem__posix_shut(fd);
  buffer[got > 0 ? got : 0] = '\0';
  return got > 0 ? (size_t)got : 0;
}

uint64_t smem__linux_read_number(const char *path) {
  char text[32];
  uint64_t value;
  if (smem__linux_read_text(path, text, sizeof text) == 0 ||
      sscanf(text, "%" SCNu64, &value) != 1)
    return UINT64_MAX;
  return value;
}

#endif
