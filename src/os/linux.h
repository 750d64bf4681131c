/* Shared by linux.c and linux_proc.c. */
#ifndef SHAREDMEMORY_OS_LINUX_H
#define SHAREDMEMORY_OS_LINUX_H

#include "posix.h"

#define DIRECTORY "/dev/shm/"

/* Is that why mmap() said ENOMEM? */
bool linux_mappings_used_up(void);

#endif
