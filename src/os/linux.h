/* Shared by linux.c and linux_proc.c. */
#ifndef SHAREDMEMORY_OS_LINUX_H
#define SHAREDMEMORY_OS_LINUX_H

#include "posix.h"

#define DIRECTORY "/dev/shm/"

/* Have we mapped so much that there are few mappings left for the rest of the
 * process? It needs some itself, to allocate memory and to load code, and does not
 * survive without. */
bool linux_mappings_run_out(void);

/* Is that why mmap() said ENOMEM? */
bool linux_mappings_used_up(void);

#endif
