#ifndef _WIN32

#include "faults.h"
#include "harness.h"

enum place {
#define X(result, name, parameters, arguments) CALL_##name,
  OS_SYSCALLS(X)
#undef X
};

static const char *const names[] = {
#define X(result, name, parameters, arguments) #name,
    OS_SYSCALLS(X)
#undef X
};

/* What each may well say. */
static const int errors[] = {
    [CALL_open] = EMFILE,     [CALL_unlink] = EPERM,
    [CALL_shm_open] = EMFILE, [CALL_shm_unlink] = EACCES,
    [CALL_close] = EIO,       [CALL_fstat] = EIO,
    [CALL_lstat] = ENOMEM,    [CALL_chmod] = EPERM,
    [CALL_fchmod] = EPERM,    [CALL_reserve] = ENOSPC,
    [CALL_ftruncate] = EIO,   [CALL_pread] = EIO,
    [CALL_pwrite] = ENOSPC,   [CALL_mmap] = ENOMEM,
    [CALL_munmap] = EINVAL,   [CALL_lock] = ENOLCK,
    [CALL_readdir] = EIO,     [CALL_calloc] = ENOMEM,
    [CALL_linkat] = ENOSPC,
};

static struct os_syscalls real;
static fault armed;
static atomic_ulong left; /* calls until it happens; 0: it has */
static const char *struck = "";
void (*fault_hook)(const char *place);

static bool is_transient(enum place call) {
  return call == CALL_reserve || call == CALL_pread || call == CALL_pwrite;
}

/* Is this the one? */
static bool strikes(enum place call) {
  if (armed == FAULT_NONE) return false;
  /* As often as others have files there: see places.c of the core's tests. */
  if (call == CALL_readdir) return false;
  if (armed == FAULT_TRANSIENT && !is_transient(call)) return false;
  unsigned long before = atomic_load(&left);
  while (before > 0 &&
         !atomic_compare_exchange_weak(&left, &before, before - 1)) {
  }
  if (before != 1) return false;
  struck = names[call];
  atomic_fetch_add(&shared->faults, 1);
  return true;
}

/* Called where it strikes: must the call go wrong? */
static bool go_wrong(enum place call) {
  if (armed == FAULT_KILL) kill(getpid(), SIGKILL);
  if (armed == FAULT_STOP) kill(getpid(), SIGSTOP);
  if (armed == FAULT_TRANSIENT) errno = EINTR;
  if (armed == FAULT_ERROR) errno = errors[call];
  return armed == FAULT_ERROR || armed == FAULT_TRANSIENT;
}

/* These do their work all the same: Linux has closed the descriptor also when
 * close() reports an error, and nothing can be wrong with a whole mapping. */
static bool does_it_anyway(enum place call) {
  return call == CALL_close || call == CALL_munmap;
}

/* calloc() and readdir() say NULL, mmap() (void *)-1, the others -1. */
#define FAILURE(result, name)                                                  \
  ((result)(intptr_t)(CALL_##name == CALL_calloc ||                            \
                              CALL_##name == CALL_readdir                      \
                          ? 0                                                  \
                          : -1))

#define X(result, name, parameters, arguments)                                 \
  static result faulty_##name parameters {                                     \
    bool now = strikes(CALL_##name);                                           \
    if (now && armed == FAULT_HOOK) {                                          \
      result value = real.name arguments;                                      \
      int kept = errno;                                                        \
      fault_hook(#name);                                                       \
      errno = kept;                                                            \
      return value;                                                            \
    }                                                                          \
    if (now && go_wrong(CALL_##name)) {                                        \
      if (does_it_anyway(CALL_##name)) real.name arguments;                    \
      return FAILURE(result, name);                                            \
    }                                                                          \
    return real.name arguments;                                                \
  }
OS_SYSCALLS(X)
#undef X

static const struct os_syscalls faulty = {
#define X(result, name, parameters, arguments) .name = faulty_##name,
    OS_SYSCALLS(X)
#undef X
};

void fault_arm(fault what, unsigned long at) {
  if (!real.open) real = smem__os_sys;
  struck = "";
  armed = what;
  atomic_store(&left, at);
  smem__os_sys = faulty;
  /* A system may not have all of them. */
#define X(result, name, parameters, arguments)                                 \
  if (!real.name) smem__os_sys.name = NULL;
  OS_SYSCALLS(X)
#undef X
}

bool fault_disarm(void) {
  if (real.open) smem__os_sys = real;
  armed = FAULT_NONE;
  return atomic_load(&left) == 0;
}

const char *fault_place(void) { return struck; }

#else
typedef int not_posix;
#endif
