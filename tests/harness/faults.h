/* System calls that fail, or at which the process dies or stops. */
#ifndef SHAREDMEMORY_TESTS_FAULTS_H
#define SHAREDMEMORY_TESTS_FAULTS_H

#ifndef _WIN32
#include "../../src/os/syscalls.h"

#include <stdbool.h>

typedef enum fault {
  FAULT_NONE,
  FAULT_ERROR,     /* an error that cannot be overcome */
  FAULT_TRANSIENT, /* EINTR, EAGAIN, half of the bytes: must be overcome */
  FAULT_KILL,      /* SIGKILL, before the call */
  FAULT_STOP,      /* SIGSTOP, before the call */
  FAULT_HOOK       /* fault_hook is called, after the call */
} fault;

/* From now on count the calls, of all threads, and do this at the n-th (from
 * 1). FAULT_TRANSIENT counts only the calls to which it can happen. */
void fault_arm(fault what, unsigned long at);

/* Calls go through again. Was there an n-th? */
bool fault_disarm(void);

/* The name of the call where it happened, "" before. */
const char *fault_place(void);

/* With the slowest of tools not each call is tried, but each third. */
#ifndef TEST_SLOWNESS
#define TEST_SLOWNESS 1
#endif
enum { FAULT_STEP = TEST_SLOWNESS > 8 ? 3 : 1 };

extern void (*fault_hook)(const char *place);
#endif

#endif
