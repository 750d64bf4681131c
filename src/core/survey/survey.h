/* What there is, and what may go. One part per file. */
#ifndef SHAREDMEMORY_CORE_SURVEY_H
#define SHAREDMEMORY_CORE_SURVEY_H

#include "../segment/segment.h"

/* ---- list.c -------------------------------------------------------------- */

/* Open `name`; SMEM_OK only for a complete segment, and then the caller closes.
 * `error` says what is wrong otherwise, SMEM_BUSY that it is incomplete. */
smem_code smem__list_open(const char *name, const char *id,
                          struct segment *segment, smem_error *error);
/* What bears this name, as smem_list() tells it. The segment is left open if
 * *opened. False: there is nothing any more, or it is only being created. */
bool smem__list_examine(const struct control *control, const char *name,
                        const char *id, smem_entry *entry,
                        struct segment *segment, bool *opened);

#endif
