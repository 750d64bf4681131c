/* What is mapped, and how its bytes are reached. One part per file. */
#ifndef SHAREDMEMORY_CORE_ACCESS_H
#define SHAREDMEMORY_CORE_ACCESS_H

#include "../segment/segment.h"

/* ---- mapping.c ---------------------------------------------------------------- */

void mapping_start(void);
void mapping_before_fork(void);
void mapping_after_fork(void);
void mapping_in_child(void);
bool mapping_any(void);

#endif
