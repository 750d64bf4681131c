/* To be preloaded: the process raises the signal SIGNAL_NUMBER (SIGSTOP if
 * unset) when it is about to make the system call SIGNAL_AT. Once. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void look(const char *call) {
  const char *at = getenv("SIGNAL_AT"), *number = getenv("SIGNAL_NUMBER");
  if (!at || strcmp(at, call) != 0) return;
  unsetenv("SIGNAL_AT");
  raise(number ? atoi(number) : SIGSTOP);
}

/* The same under its second name, which large file support makes of it. */
#define WRAP(type, name, call, parameters, arguments)                          \
  type name parameters {                                                       \
    type(*next) parameters;                                                    \
    void *address = dlsym(RTLD_NEXT, #name);                                   \
    memcpy(&next, &address, sizeof next);                                      \
    look(call);                                                                \
    return next arguments;                                                     \
  }

WRAP(int, fallocate, "fallocate", (int fd, int mode, off_t from, off_t length),
     (fd, mode, from, length))
WRAP(int, fallocate64, "fallocate",
     (int fd, int mode, off64_t from, off64_t length), (fd, mode, from, length))
WRAP(ssize_t, pwrite, "pwrite",
     (int fd, const void *bytes, size_t length, off_t at),
     (fd, bytes, length, at))
WRAP(ssize_t, pwrite64, "pwrite",
     (int fd, const void *bytes, size_t length, off64_t at),
     (fd, bytes, length, at))
WRAP(int, fchmod, "fchmod", (int fd, mode_t mode), (fd, mode))
