/* What the files about the control object know of each other: control.c,
 * control_make.c, number.c, presence.c. */
#ifndef SHAREDMEMORY_CORE_CONTROL_H
#define SHAREDMEMORY_CORE_CONTROL_H

#include "space.h"

#include <stdatomic.h>

enum { CONTROL_PAGE_SIZE = 4096 };

/* ---- control.c ----------------------------------------------------------- */

/* A fork waits for this mutex. So it is held while anything is opened that a
 * child must close, until adopt() has it on record. It guards references too.
 */
void smem__control_lock(void);
void smem__control_unlock(void);

/* A new one with one reference; the file becomes its own. NULL without memory.
 * Under the mutex. */
struct control *smem__control_adopt(os_object file);

/* Open what has the name, without its page. *control stays NULL if there is
 * none. */
smem_code smem__control_open(const struct call *call, const struct name *name,
                             struct control **control, os_info *info);
smem_code smem__control_fail(const struct call *call, os_status status,
                             const char *name);

smem_code smem__control_map(const struct call *call, struct control *control);
void smem__control_unmap(struct control *control);
/* Is what was mapped a page of this version, and in order? */
bool smem__control_is_valid(const struct control *control);
/* Has it its name still? */
bool smem__control_is_named(const struct control *control);

/* Fill the page that a new one is to have. */
void smem__control_fill(struct control_page *page, uint64_t number);

/* See that this process knows where the namespace spills to. */
void smem__control_learn(const struct control *control);
/* Write it into the page. */
void smem__control_note_spill(struct control_page *page, const char *directory);

/* ---- control_make.c ------------------------------------------------------ */

/* Make it. *control stays NULL if somebody else does. */
smem_code smem__control_make(const struct call *call, const struct name *name,
                             struct control **control);
/* Remove what a dead creator left, if it is that. */
void smem__control_clean(const char *name);
/* Remove it, unless somebody is present or anything is left in the namespace.
 */
void smem__control_remove_unused(const struct call *call,
                                 struct control *control, const char *name);
/* Remove one whose page cannot be used, unless somebody is present. */
smem_code smem__control_remove_damaged(const struct call *call,
                                       struct control *control,
                                       const char *name);

/* ---- number.c ------------------------------------------------------------ */

/* Raise the counter to the numbers that this process knows of. */
void smem__numbers_raise(struct control_page *page);

#endif
