/* What a client can do about an error: on this machine, or with this library.
 */
#include "base.h"

static const char *const advice[SMEM_CODES] = {
    [SMEM_NOT_FOUND] =
        "Compare with the list of segments; those of other namespaces "
        "(SHAREDMEMORY_NAMESPACE) are not seen.",

    [SMEM_EXISTS] =
        "Choose another name, free the segment, or allocate without "
        "`exclusive` to share it.",

    [SMEM_TOO_SMALL] = "Free the segment first, or choose another name.",

    [SMEM_REPLACED] =
        "What still maps the former one keeps it; unmap it, and its id leads "
        "to the new one.",

    [SMEM_NO_SPACE] =
        "Free segments that are no longer needed, or enlarge the shared memory "
        "file system: as root `mount -o remount,size=4g /dev/shm`; in a "
        "container start it with `docker run --shm-size=4g`, and with "
        "`--memory` if that is the limit; or set SHAREDMEMORY_SPILL to a "
        "directory on a local disk for what does not fit, or SHAREDMEMORY_DIR "
        "for all before the first use. A limit on the size of files (`ulimit "
        "-f`) counts too.",

    [SMEM_NO_MEMORY] =
        "Free memory, or raise the limit on the address space (`ulimit -v`).",

    [SMEM_TOO_MANY_MAPS] =
        "Unmap segments that are no longer used, or raise the limit as root: "
        "`sysctl vm.max_map_count=262144`.",

    [SMEM_TOO_MANY_FILES] =
        "Close files or connections, or raise the limit: `ulimit -n`.",

    [SMEM_BUSY] =
        "The process that holds it is stopped or slow. Resume or end it, then "
        "try again; SHAREDMEMORY_TIMEOUT sets how many seconds to wait.",

    [SMEM_CORRUPT] =
        "Nothing was changed. Free the id to remove it, if you know that "
        "nobody needs it.",

    [SMEM_PERMISSION] =
        "Segments are private to their user. Set the environment variable "
        "SHAREDMEMORY_NAMESPACE to a name of your own before the first use, or "
        "ask the owner to remove it.",

    [SMEM_CONTROL] =
        "End the processes that use this namespace and remove the object, or "
        "set the environment variable SHAREDMEMORY_NAMESPACE to another name "
        "before the first use.",

    [SMEM_ELSEWHERE] =
        "A reference is good for processes that see the same shared memory "
        "file system. Send the bytes themselves: smem_read() gets them.",

    [SMEM_SEALED] =
        "A seal is for good. The bytes can be read; to change them, copy them "
        "into a new segment.",

    [SMEM_DEADLOCK] =
        "It would wait for itself. Unlock it first, or do the work under the "
        "lock that is held already.",

    [SMEM_BROKEN] = "A broken barrier stays so: free it, and make another one.",
};

const char *smem__advice(smem_code code) {
  const char *known =
      (unsigned)code < (unsigned)SMEM_CODES ? advice[code] : NULL;
  return known ? known : "";
}
