/* What is mapped, and how its bytes are reached. One part per file. */
#ifndef SHAREDMEMORY_CORE_ACCESS_H
#define SHAREDMEMORY_CORE_ACCESS_H

#include "../segment/segment.h"

/* ---- mapping.c ----------------------------------------------------------- */

void smem__mapping_start(void);
void smem__mapping_before_fork(void);
void smem__mapping_after_fork(void);
void smem__mapping_in_child(void);
bool smem__mapping_any(void);

/* What is mapped by this id goes, whatever its count: see smem_gone. */
void smem__mapping_remove(const char *id, smem_gone *gone);

/* Whoever has a segment mapped that has a number joins, so that the counter
 * outlives the mapping, and sees to it that the number is not handed out again.
 * *control, unless NULL, is to be released when the mapping is on record. Can
 * the number come back all the same? */
bool smem__mapping_settle_number(const struct call *call,
                                 const struct segment *segment,
                                 struct control **control);

/* ---- free.c -------------------------------------------------------------- */

/* Could call->id be removed, as far as that shows without trying? SMEM_OK also
 * for what does not exist. */
smem_code smem__free_look(const struct call *call, bool *exists);

/* ---- handle.c ------------------------------------------------------------ */

/* Is there a handle for whose number we have to stay joined? */
bool smem__handle_any(void);

#endif
