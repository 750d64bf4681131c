/* Windows: processes, the user, and what belongs to this process alone. */
#include "windows_system.h"
#ifdef OS_WINDOWS

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

/* Pids are the whole machine's. */
enum { PID_SPACE = 1 };

static bool start_of(HANDLE process, uint64_t *start) {
  FILETIME created, ended, kernel, user;
  if (!GetProcessTimes(process, &created, &ended, &kernel, &user)) return false;
  *start = smem__windows_ticks(&created);
  return true;
}

void smem__os_process_self(os_process *self) {
  *self = (os_process){GetCurrentProcessId(), 0, PID_SPACE};
  if (!start_of(GetCurrentProcess(), &self->start)) self->start = 0;
}

uint64_t smem__os_pid(void) { return GetCurrentProcessId(); }

uintptr_t smem__os_thread(void) { return GetCurrentThreadId(); }

os_life smem__os_process_life(const os_process *process) {
  uint64_t start;
  os_life life = OS_LIFE_UNKNOWN;
  if (process->start == 0 || process->pid_space != PID_SPACE) return life;
  HANDLE handle = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE,
                              FALSE, (DWORD)process->pid);
  if (!handle)
    return GetLastError() == ERROR_INVALID_PARAMETER ? OS_DEAD : life;
  /* Somebody's handle keeps the record of a process beyond its end. */
  if (WaitForSingleObject(handle, 0) == WAIT_OBJECT_0)
    life = OS_DEAD;
  else if (start_of(handle, &start))
    life = start == process->start ? OS_ALIVE : OS_DEAD;
  CloseHandle(handle);
  return life;
}

void smem__os_process_command(uint64_t pid, char *buffer, size_t length) {
  WCHAR path[MAX_PATH + 1];
  DWORD room = MAX_PATH;
  HANDLE handle =
      OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)pid);
  buffer[0] = '\0';
  if (!handle) return;
  if (QueryFullProcessImageNameW(handle, 0, path, &room)) {
    const WCHAR *name = wcsrchr(path, L'\\');
    smem__windows_to_utf8(name ? name + 1 : path, buffer, length);
  }
  CloseHandle(handle);
}

uint64_t smem__os_user(void) { return 0; } /* names lead to one's own only */

void smem__os_user_name(uint64_t user, char *buffer, size_t length) {
  WCHAR name[257];
  DWORD room = sizeof name / sizeof *name;
  (void)user;
  if (GetUserNameW(name, &room))
    smem__windows_to_utf8(name, buffer, length);
  else
    snprintf(buffer, length, "unknown");
}

void smem__os_default_namespace(char buffer[17]) {
  smem__windows_start();
  memcpy(buffer, smem__windows_own.space, sizeof smem__windows_own.space);
}

void *smem__os_allocate(size_t length) { return calloc(1, length); }
void smem__os_release(void *memory) { free(memory); }

typedef char mutex_fits[sizeof(SRWLOCK) <= sizeof(os_mutex) ? 1 : -1];

void smem__os_mutex_init(os_mutex *mutex) {
  InitializeSRWLock((SRWLOCK *)mutex);
}
void smem__os_mutex_lock(os_mutex *mutex) {
  AcquireSRWLockExclusive((SRWLOCK *)mutex);
}
void smem__os_mutex_unlock(os_mutex *mutex) {
  ReleaseSRWLockExclusive((SRWLOCK *)mutex);
}

/* There is no fork(). */
void smem__os_at_fork(void (*before)(void), void (*in_parent)(void),
                      void (*in_child)(void)) {
  (void)before;
  (void)in_parent;
  (void)in_child;
}

bool smem__os_pin_library(void (*function)(void)) {
  WCHAR *address;
  HMODULE library;
  memcpy(&address, &function, sizeof address);
  DWORD how =
      GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
  return GetModuleHandleExW(how, address, &library) != 0;
}

#endif
