/* POSIX: the user, and what belongs to this process alone. */
#include "posix.h"
#ifdef OS_POSIX

#include <dlfcn.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>

uint64_t smem__os_pid(void) { return (uint64_t)getpid(); }

uintptr_t smem__os_thread(void) { return (uintptr_t)pthread_self(); }

uint64_t smem__os_user(void) { return (uint64_t)geteuid(); }

void smem__os_user_name(uint64_t user, char *buffer, size_t length) {
  struct passwd entry, *found = NULL;
  char room[1024];
  if (getpwuid_r((uid_t)user, &entry, room, sizeof room, &found) == 0 && found)
    snprintf(buffer, length, "%s (uid %llu)", entry.pw_name,
             (unsigned long long)user);
  else
    snprintf(buffer, length, "uid %llu", (unsigned long long)user);
}

void smem__os_default_namespace(char buffer[17]) {
  snprintf(buffer, 17, "%llu", (unsigned long long)geteuid());
}

void *smem__os_allocate(size_t length) {
  return smem__os_sys.calloc(1, length);
}
void smem__os_release(void *memory) { free(memory); }

typedef char mutex_fits[sizeof(pthread_mutex_t) <= sizeof(os_mutex) ? 1 : -1];

void smem__os_mutex_init(os_mutex *mutex) {
  pthread_mutex_init((pthread_mutex_t *)mutex, NULL);
}
void smem__os_mutex_lock(os_mutex *mutex) {
  pthread_mutex_lock((pthread_mutex_t *)mutex);
}
void smem__os_mutex_unlock(os_mutex *mutex) {
  pthread_mutex_unlock((pthread_mutex_t *)mutex);
}

void smem__os_at_fork(void (*before)(void), void (*in_parent)(void),
                      void (*in_child)(void)) {
  pthread_atfork(before, in_parent, in_child);
}

bool smem__os_pin_library(void (*function)(void)) {
  Dl_info library;
  void *address;
  memcpy(&address, &function, sizeof address);
  if (dladdr(address, &library) == 0 || !library.dli_fname) return false;
  /* RTLD_NOLOAD: only if it is a loaded library, which an executable of C tests
   * that has the core linked in is not. The handle is never closed. */
  int how = RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE;
  return dlopen(library.dli_fname, how) != NULL;
}

#endif
