/* Which of the implementations of os.h this build has, and what all share.
 * Every file here is compiled on every system and is empty but on its own. */
#ifndef SHAREDMEMORY_OS_SYSTEM_H
#define SHAREDMEMORY_OS_SYSTEM_H

#include "os.h"

#if defined(_WIN32)
#define OS_WINDOWS
#else
#define OS_POSIX
#if defined(__linux__) && !defined(SHAREDMEMORY_OS_PORTABLE)
#define OS_LINUX
#else
#define OS_MACOS /* and any other POSIX system */
#endif
#endif

/* Objects can be mapped there, but neither read nor written: see mapped.c. */
#ifndef OS_LINUX
#define OS_MAPPED
#endif

#define OS_SUCCESS ((os_status){OS_OK, 0})

/* Good enough to tell names and footers apart; `state` chooses among many. */
uint64_t smem__hash(const void *data, size_t length, uint64_t state);

#endif
