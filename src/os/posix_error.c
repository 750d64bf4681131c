/* POSIX: what error numbers mean. */
#include "posix.h"
#ifdef OS_POSIX

#include <stdio.h>

os_status smem__posix_status(int number) {
  os_code code;
  switch (number) {
  case ENOENT:
    code = OS_NOT_FOUND;
    break;
  case EEXIST:
    code = OS_EXISTS;
    break;
  case EACCES:
  case EPERM:
    code = OS_DENIED;
    break;
  case EROFS:
    code = OS_READ_ONLY_PLACE;
    break;
  case EISDIR:
  case ELOOP:
  case ENXIO:
    code = OS_NOT_REGULAR;
    break;
  case ENOSPC:
  case EDQUOT:
    code = OS_NO_SPACE;
    break;
  case ENOMEM:
    code = OS_NO_MEMORY;
    break;
  case EMFILE:
  case ENFILE:
    code = OS_TOO_MANY_FILES;
    break;
  case EINTR:
    code = OS_INTERRUPTED;
    break;
  case EOPNOTSUPP:
  case ENOSYS:
    code = OS_UNSUPPORTED;
    break;
  default:
    code = OS_FAILED;
    break;
  }
  return (os_status){code, number};
}

os_status smem__posix_last(void) { return smem__posix_status(errno); }

void smem__os_error_text(int number, char *buffer, size_t length) {
  /* strerror_r() exists in two incompatible forms, strerror() is thread-safe in
   * glibc, musl and Darwin for the numbers they know. */
  snprintf(buffer, length, "%s", strerror(number));
}

#endif
