/* What R users can do about an error, where it is other than what clients of
 * the core can. */
#include "glue.h"

static const char *const advice[SMEM_CODES] = {
    [SMEM_NOT_FOUND] =
        "listSharedObjects() tells what there is; segments of other namespaces "
        "(SHAREDMEMORY_NAMESPACE) are not seen.",

    [SMEM_EXISTS] =
        "Choose another name, free the segment, or allocate with exclusive = "
        "FALSE to share it.",

    [SMEM_NO_SPACE] =
        "Free segments that are no longer needed, or enlarge the shared memory "
        "file system: as root `mount -o remount,size=4g /dev/shm`; in a "
        "container start it with `docker run --shm-size=4g`, and with "
        "`--memory` if that is the limit; or name a directory on a local disk: "
        "with options(sharedmemory.spill = ) or SHAREDMEMORY_SPILL for what "
        "does not fit, with SHAREDMEMORY_DIR before the first use for all. A "
        "limit on the size of files (`ulimit -f`) counts too.",

    [SMEM_ELSEWHERE] =
        "A reference is good for processes that see the same shared memory "
        "file system. Send the values themselves to others: unshare() and "
        "readSharedMemory() get them, and clusterShare() does it.",

    [SMEM_SEALED] =
        "A seal is for good. The bytes can be read and viewed; to change them, "
        "copy them into a new segment.",

    [SMEM_UNSEALED] =
        "Seal it with sealSharedMemory(), or copy it with readSharedMemory(), "
        "or read and write it in place with sharedArray(), or ask for a vector "
        "whose elements may change with live = TRUE.",
};

int r_error_message(const smem_error *error, char *buffer, unsigned room) {
  bool is_known = (unsigned)error->code < (unsigned)SMEM_CODES;
  if (is_known && advice[error->code])
    return smem_error_message_with(error, advice[error->code], buffer, room);
  return smem_error_message(error, buffer, room);
}
