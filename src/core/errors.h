/* What can go wrong, and in doing what: the one list of errors, and that of
 * operations. Each makes an enum, and the word for it.
 *
 * Numbers are part of the C interface: append, never reorder. */
#ifndef SHAREDMEMORY_CORE_ERRORS_H
#define SHAREDMEMORY_CORE_ERRORS_H

#include <stdint.h>

/* X(NAME, kind): the kind is a word for programs. */
#define SMEM_ERRORS(X)                                                         \
  X(ARGUMENT, "argument")             /* what was given cannot be */           \
  X(NOT_FOUND, "not_found")           /* there is no such segment */           \
  X(EXISTS, "exists")                 /* the name is taken */                  \
  X(TOO_SMALL, "too_small")           /* what has the name is smaller */       \
  X(REPLACED, "replaced")             /* another segment has its id now */     \
  X(NO_SPACE, "no_space")             /* no shared memory is left */           \
  X(NO_MEMORY, "no_memory")           /* no memory, or no address space */     \
  X(TOO_MANY_MAPS, "too_many_maps")   /* the process may map no more */        \
  X(TOO_MANY_FILES, "too_many_files") /* it may open no more */                \
  X(BUSY, "busy")                     /* somebody holds it for too long */     \
  X(CORRUPT, "corrupt")               /* not a whole segment of ours */        \
  X(PERMISSION, "permission")         /* it is another user's */               \
  X(CONTROL, "control")               /* the control object is unusable */     \
  X(INTERRUPTED, "interrupted")       /* the user has had enough */            \
  X(UNSUPPORTED, "unsupported")       /* this system cannot do it */           \
  X(SYSTEM, "system")                 /* anything else */                      \
  X(BOUNDS, "bounds")                 /* it does not have the bytes */         \
  X(ELSEWHERE, "elsewhere")           /* it is not in our sight */             \
  X(SEALED, "sealed")                 /* it cannot be written any more */      \
  X(UNSEALED, "unsealed")             /* it could be written */                \
  X(TIMEOUT, "timeout")               /* the time to wait is over */           \
  X(DEADLOCK, "deadlock")             /* it would wait for itself */           \
  X(NOT_HELD, "not_held")             /* this process does not hold it */      \
  X(BROKEN, "broken")                 /* somebody died at the barrier */

typedef enum smem_code {
  SMEM_OK = 0,
#define X(name, kind) SMEM_##name,
  SMEM_ERRORS(X)
#undef X
      SMEM_CODES
} smem_code;

/* X(NAME, verb), as in "cannot ... shared memory". */
#define SMEM_OPERATIONS(X)                                                     \
  X(USE, "use")                                                                \
  X(ALLOCATE, "allocate")                                                      \
  X(MAP, "map")                                                                \
  X(UNMAP, "unmap")                                                            \
  X(FREE, "free")                                                              \
  X(FIND, "find")                                                              \
  X(MEASURE, "measure")                                                        \
  X(LIST, "list")                                                              \
  X(INSPECT, "inspect")                                                        \
  X(RECLAIM, "reclaim")                                                        \
  X(COUNT, "count")                                                            \
  X(JOIN, "join")                                                              \
  X(LEAVE, "leave")                                                            \
  X(READ, "read")                                                              \
  X(WRITE, "write")                                                            \
  X(VIEW, "view")                                                              \
  X(SEAL, "seal")                                                              \
  X(SHARE, "share")                                                            \
  X(OPEN, "open")                                                              \
  X(LOCK, "lock")                                                              \
  X(UNLOCK, "unlock")                                                          \
  X(ACQUIRE, "acquire")                                                        \
  X(RELEASE, "release")                                                        \
  X(WAIT_FOR, "wait for")                                                      \
  X(WAIT_AT, "wait at")                                                        \
  X(ADD_TO, "add to")

typedef enum smem_op {
#define X(name, verb) SMEM_OP_##name,
  SMEM_OPERATIONS(X)
#undef X
      SMEM_OPS
} smem_op;

enum {
  SMEM_ID_MAX = 200 /* bytes of UTF-8 in an id, without the terminator */
};

/* What went wrong. Filled by the function that returns a code other than
 * SMEM_OK, untouched otherwise. All strings are UTF-8 and terminated. */
typedef struct smem_error {
  smem_code code;
  int number; /* errno or GetLastError(), 0 if the system gave none */
  smem_op op;
  uint64_t element; /* which element of a vectorised call, from 1, or 0 */
  char id[SMEM_ID_MAX + 1]; /* empty if no segment is concerned */
  char detail[400];         /* what happened, with the sizes */
} smem_error;

#ifdef __cplusplus
extern "C" {
#endif

/* The word for a code, as "not_found"; "system" for an unknown one. A constant.
 */
const char *smem_error_kind(smem_code code);

/* The verb of an operation, as "allocate"; "use" for an unknown one. A
 * constant.
 */
const char *smem_op_name(smem_op op);

/* Write the whole message: operation, id, what happened, what the system said,
 * what to do. Returns the length that it would have with room enough. */
int smem_error_message(const smem_error *error, char *buffer, unsigned length);

/* Write the same with what a client says that there is to do. */
int smem_error_message_with(const smem_error *error, const char *advice,
                            char *buffer, unsigned length);

#ifdef __cplusplus
}
#endif
#endif
