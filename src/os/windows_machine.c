/* Windows: which machine this is, its memory, pages, clocks, chance. */
#include "windows_system.h"
#ifdef OS_WINDOWS

#include <stdlib.h>

uint64_t smem__os_free_space(const char *directory, char *limit,
                             size_t length) {
  (void)directory;
  if (limit && length > 0) limit[0] = '\0';
  MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
  return GlobalMemoryStatusEx(&memory) ? memory.ullAvailPageFile : UINT64_MAX;
}

bool smem__os_has_room(const char *directory, uint64_t size) {
  return size <= smem__os_free_space(directory, NULL, 0);
}

/* Objects end with the processes that hold them, at the latest with the
 * session. */
os_status smem__os_place(const char *directory, uint64_t place[2]) {
  (void)directory;
  char host[MAX_COMPUTERNAME_LENGTH + 1] = "";
  DWORD length = sizeof host, session = 0;
  GetComputerNameA(host, &length);
  ProcessIdToSessionId(GetCurrentProcessId(), &session);
  place[0] = smem__hash(host, strlen(host), 1);
  place[1] = session;
  return OS_SUCCESS;
}

/* Sections are charged to the page file, as all memory is. */
void smem__os_capacity(const char *directory, uint64_t *capacity,
                       uint64_t *used) {
  (void)directory;
  MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
  *capacity = *used = UINT64_MAX;
  if (!GlobalMemoryStatusEx(&memory)) return;
  *capacity = memory.ullTotalPageFile;
  *used = memory.ullTotalPageFile - memory.ullAvailPageFile;
}

/* 100 ns units since 1601 */
uint64_t smem__windows_ticks(const FILETIME *time) {
  return (uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime;
}

uint64_t smem__os_page_size(void) {
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  return system.dwPageSize;
}

uint64_t smem__os_wall_clock(void) {
  const uint64_t unix_epoch = 116444736000000000u;
  FILETIME now;
  GetSystemTimePreciseAsFileTime(&now);
  return (smem__windows_ticks(&now) - unix_epoch) * 100;
}

uint64_t smem__os_steady_clock(void) {
  const uint64_t second = 1000000000u;
  LARGE_INTEGER now, frequency;
  QueryPerformanceCounter(&now);
  QueryPerformanceFrequency(&frequency);
  uint64_t count = (uint64_t)now.QuadPart;
  uint64_t rate = (uint64_t)frequency.QuadPart;
  return count / rate * second + count % rate * second / rate;
}

/* Rounded up: 0 would not sleep, and whoever waits for another wants to. */
void smem__os_sleep(uint64_t nanoseconds) {
  const uint64_t millisecond = 1000000u;
  Sleep((DWORD)((nanoseconds + millisecond - 1) / millisecond));
}

uint64_t smem__os_entropy(void) {
  unsigned int low = 0, high = 0;
  rand_s(&low);
  rand_s(&high);
  return ((uint64_t)high << 32 | low) ^
         (smem__os_wall_clock() * 0x9E3779B97F4A7C15u) ^
         ((uint64_t)GetCurrentProcessId() << 32) ^ smem__os_steady_clock();
}

uint64_t smem__os_largest(void) { return UINT64_MAX; }

#endif
