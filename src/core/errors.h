/* The one list of errors: enum, R class, and what the user can do about it.
 *
 * X(NAME, class, advice). The class is the <kind> of sharedmemory_error_<kind>;
 * numbers are part of the C interface: append, never reorder. */
#ifndef SHAREDMEMORY_CORE_ERRORS_H
#define SHAREDMEMORY_CORE_ERRORS_H

#include <stdint.h>

#define SMEM_ERRORS(X)                                                         \
  X(ARGUMENT, "argument", "")                                                  \
  X(NOT_FOUND, "not_found",                                                    \
    "Compare with the list of segments; those of other namespaces "            \
    "(SHAREDMEMORY_NAMESPACE) are not seen.")                                  \
  X(EXISTS, "exists",                                                          \
    "Choose another name, free the segment, or allocate without `exclusive` "  \
    "to share it.")                                                            \
  X(TOO_SMALL, "too_small", "Free the segment first, or choose another name.") \
  X(REPLACED, "replaced",                                                      \
    "What still maps the former one keeps it; unmap it, and its id leads to "  \
    "the new one.")                                                            \
  X(NO_SPACE, "no_space",                                                      \
    "Free segments that are no longer needed, or enlarge the shared memory "   \
    "file system: as root `mount -o remount,size=4g /dev/shm`; in a "          \
    "container "                                                               \
    "start it with `docker run --shm-size=4g`, and with `--memory` if that "   \
    "is "                                                                      \
    "the limit. A limit on the size of files (`ulimit -f`) counts too.")       \
  X(NO_MEMORY, "no_memory",                                                    \
    "Free memory, or raise the limit on the address space (`ulimit -v`).")     \
  X(TOO_MANY_MAPS, "too_many_maps",                                            \
    "Unmap segments that are no longer used, or raise the limit as root: "     \
    "`sysctl vm.max_map_count=262144`.")                                       \
  X(TOO_MANY_FILES, "too_many_files",                                          \
    "Close files or connections, or raise the limit: `ulimit -n`.")            \
  X(BUSY, "busy",                                                              \
    "The process that holds it is stopped or slow. Resume or end it, then "    \
    "try "                                                                     \
    "again; SHAREDMEMORY_TIMEOUT sets how many seconds to wait.")              \
  X(CORRUPT, "corrupt",                                                        \
    "Nothing was changed. Free the id to remove it, if you know that nobody "  \
    "needs it.")                                                               \
  X(PERMISSION, "permission",                                                  \
    "Segments are private to their user. Set the environment variable "        \
    "SHAREDMEMORY_NAMESPACE to a name of your own before the first use, or "   \
    "ask the owner to remove it.")                                             \
  X(CONTROL, "control",                                                        \
    "End the processes that use this namespace and remove the object, or set " \
    "the environment variable SHAREDMEMORY_NAMESPACE to another name before "  \
    "the first use.")                                                          \
  X(INTERRUPTED, "interrupted", "")                                            \
  X(UNSUPPORTED, "unsupported", "")                                            \
  X(SYSTEM, "system", "")                                                      \
  X(BOUNDS, "bounds", "")                                                      \
  X(ELSEWHERE, "elsewhere",                                                    \
    "A reference is good for processes that see the same shared memory file "  \
    "system. Send the values themselves: readSharedMemory() gets them.")       \
  X(SEALED, "sealed",                                                          \
    "A seal is for good. The bytes can be read and viewed; to change them, "   \
    "copy them into a new segment.")                                           \
  X(UNSEALED, "unsealed", "")                                                  \
  X(TIMEOUT, "timeout", "")                                                    \
  X(DEADLOCK, "deadlock",                                                      \
    "It would wait for itself. Unlock first, or pass on that it is locked.")   \
  X(NOT_HELD, "not_held", "")                                                  \
  X(BROKEN, "broken",                                                          \
    "A broken barrier stays so: free it, and make another one.")

typedef enum smem_code {
  SMEM_OK = 0,
#define X(name, kind, advice) SMEM_##name,
  SMEM_ERRORS(X)
#undef X
      SMEM_CODES
} smem_code;

/* The one list of operations: enum, and the verb for "cannot ... shared
 * memory". */
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
  X(WAIT_AT, "wait at")

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

/* The verb of an operation, as "allocate"; "use" for an unknown one. A constant.
 */
const char *smem_op_name(smem_op op);

/* Write the whole message: operation, id, what happened, what the system said,
 * what to do. Returns the length that it would have with room enough. */
int smem_error_message(const smem_error *error, char *buffer, unsigned length);

#ifdef __cplusplus
}
#endif
#endif
