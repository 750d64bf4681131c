/* POSIX: what error numbers mean. */
#include "posix.h"
#ifdef OS_POSIX

#include <stdio.h>

static const struct {
  int number;
  os_code code;
} meanings[] = {
    {ENOENT, OS_NOT_FOUND},       {EEXIST, OS_EXISTS},
    {EACCES, OS_DENIED},          {EPERM, OS_DENIED},
    {EROFS, OS_READ_ONLY_PLACE},  {EISDIR, OS_NOT_REGULAR},
    {ELOOP, OS_NOT_REGULAR},      {ENXIO, OS_NOT_REGULAR},
    {ENOSPC, OS_NO_SPACE},        {EDQUOT, OS_NO_SPACE},
    {ENOMEM, OS_NO_MEMORY},       {EMFILE, OS_TOO_MANY_FILES},
    {ENFILE, OS_TOO_MANY_FILES},  {EINTR, OS_INTERRUPTED},
    {EOPNOTSUPP, OS_UNSUPPORTED}, {ENOSYS, OS_UNSUPPORTED},
};

os_status smem__posix_status(int number) {
  for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
    if (meanings[i].number == number)
      return (os_status){meanings[i].code, number};
  return (os_status){OS_FAILED, number};
}

os_status smem__posix_last(void) { return smem__posix_status(errno); }

void smem__os_error_text(int number, char *buffer, size_t length) {
  /* strerror_r() exists in two incompatible forms, strerror() is thread-safe in
   * glibc, musl and Darwin for the numbers they know. */
  snprintf(buffer, length, "%s", strerror(number));
}

#endif
