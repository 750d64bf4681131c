/* The core, as the glue and the C tests see it.
 *
 * Thread-safe and fork-safe unless a function says otherwise. Nothing here
 * prints, exits, or jumps out of a call. Sizes are bytes. An id is UTF-8: the
 * decimal number of an unnamed segment, or a name. */
#ifndef SHAREDMEMORY_CORE_SMEM_H
#define SHAREDMEMORY_CORE_SMEM_H

#include "errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Largest size, id number and counter: whole numbers that an R double holds. */
#define SMEM_MAX_NUMBER ((uint64_t)1 << 53)

/* Once per process, before anything else; repeating it does nothing. Reads
 * nothing and creates nothing in the system. `interrupted` (may be NULL) is
 * asked during long work, from whichever thread does it, with no lock held. */
void smem_start(bool (*interrupted)(void));

/* ---- ids ------------------------------------------------------------------- */

/* Does `id` obey the grammar of ids? Otherwise *why is a constant that says what
 * is wrong with it, to go on from "the id". */
bool smem_id_is_valid(const char *id, size_t length, const char **why);

/* The number's id. `buffer` has room for SMEM_NUMBER_SIZE characters. */
enum { SMEM_NUMBER_SIZE = 24 };
void smem_id_of_number(uint64_t number, char *buffer);

/* Is the id a number as the counter writes them ("42", not "042")? */
bool smem_id_is_number(const char *id, uint64_t *number);

/* ---- segments -------------------------------------------------------------- */

typedef enum smem_lifetime {
  SMEM_UNTIL_FREED = 0, /* until somebody frees it */
  SMEM_OF_PROCESS = 1   /* the owner frees it at its normal end */
} smem_lifetime;

typedef struct smem_request {
  uint64_t size;    /* at least 1 */
  const char *name; /* a valid id, or NULL for an unnamed segment */
  uint64_t number;  /* out: the id of an unnamed segment */
} smem_request;

/* Allocate all or, on an error, none. A name that exists is opened: SMEM_EXISTS
 * with `exclusive`, SMEM_TOO_SMALL if it cannot hold the size. The memory is
 * zeroed and reserved. error->element says which of several requests failed. */
smem_code smem_allocate(smem_request *requests, size_t count,
                        smem_lifetime lifetime, bool exclusive,
                        smem_error *error);

/* *exists = is there a complete segment? */
smem_code smem_exists(const char *id, bool *exists, smem_error *error);

/* The usable capacity, at least what was requested. */
smem_code smem_size(const char *id, uint64_t *size, smem_error *error);

/* ---- mappings -------------------------------------------------------------- */

typedef enum smem_access { SMEM_READ_WRITE = 0, SMEM_READ_ONLY = 1 } smem_access;

/* A segment that is mapped in this process. One per id, with one count; each
 * access it was asked for has an address, the other is NULL. */
typedef struct smem_mapping {
  void *address[2];  /* by smem_access */
  void *attached[2]; /* the client's own, NULL at first: R's pointers */
  uint64_t capacity; /* bytes that may be used */
} smem_mapping;

/* What the client attached to a mapping that is gone now. */
typedef struct smem_detached {
  void *attached[2];
} smem_detached;

/* Map, or count one more. Who maps joins the namespace where he can: otherwise the
 * last one to allocate might take the counter with him, and the number of what is
 * mapped here might be handed out again.  *mapping is good until the unmap that takes the count
 * to zero, or the free. SMEM_REPLACED if another segment took the mapped name. */
smem_code smem_map(const char *id, smem_access access, smem_mapping **mapping,
                   smem_error *error);

/* Count one less; the last one unmaps both accesses. What is not mapped is no
 * error. Never fails. */
void smem_unmap(const char *id, smem_detached *detached);

/* Take back a smem_map() of this access just made. `fresh`: it was the first of
 * this access, which goes even if the other one stays. */
void smem_undo_map(const char *id, smem_access access, bool fresh,
                   smem_detached *detached);

/* Unmap whatever the count and remove what bears the name now. What does not
 * exist is no error. On an error nothing has changed, also not the mapping. */
smem_code smem_free(const char *id, smem_detached *detached, smem_error *error);

/* Could smem_free() remove it? SMEM_OK also for what does not exist. */
smem_code smem_can_free(const char *id, smem_error *error);

/* Unmap everything; `gone` is called for each mapping. */
void smem_unmap_all(void (*gone)(smem_detached *detached));

/* ---- the namespace ----------------------------------------------------------- */

typedef enum smem_state {
  SMEM_COMPLETE,
  SMEM_INCOMPLETE, /* its creator is at work, or died */
  SMEM_DAMAGED,    /* no segment of ours, or its footer does not check */
  SMEM_FOREIGN     /* another user's */
} smem_state;

typedef struct smem_entry {
  const char *id;
  uint64_t capacity; /* bytes; of use only when SMEM_COMPLETE */
  smem_state state;
} smem_entry;

/* Visit what is in the namespace, in no order, until `visit` returns false. */
smem_code smem_list(bool (*visit)(const smem_entry *entry, void *context),
                    void *context, smem_error *error);

/* The number of the last unnamed segment: 0 if there was none. */
smem_code smem_last_index(uint64_t *index, smem_error *error);

/* Join the namespace: take a presence in its control object, which is created
 * if there is none. smem_allocate() does it by itself. */
smem_code smem_join(smem_error *error);

/* Give up what smem_join() took, but not as long as this process owns a segment
 * (by its presence others know that the owner lives) or has one mapped (see
 * smem_map()). After that, the namespace is read anew at the next use. */
smem_code smem_leave(smem_error *error);

/* The end of the process, or of its use of the core: free the segments of its
 * lifetime, leave. Also called at exit() by itself. Does nothing in a forked
 * child that never joined. Mappings stay. */
void smem_stop(void);

#endif
