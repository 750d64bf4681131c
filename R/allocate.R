#' Allocate shared memory
#'
#' Creates segments of shared memory, or opens those that exist under the names
#' given. The memory is filled with zeros and reserved: if it does not fit, this
#' call fails, and not a later access.
#'
#' `size` and `name` may be vectors of equal length, or one of them of length 1.
#' If one element fails, the error says which, and the segments that the call
#' had created for the others are removed again.
#'
#' A name that exists already is opened: any process, and any number of them,
#' can make the same call, and exactly one creates the segment. Its size is then
#' that of the existing segment, see [getSharedMemorySize()].
#'
#' @param size Sizes in bytes: whole numbers from 1 to 2^53.
#' @param name Names: a character vector, `""` for a segment without a name.
#'   Numbers and factors are accepted, see [sharedmemory].
#' @param lifetime `"freed"`: the segment lives until somebody frees it, and
#'   outlives this process. `"process"`: it is also freed when the process that
#'   created it ends normally or unloads the package, not when a forked child of that
#'   process ends. If the process is killed the segment stays, as an orphan for
#'   [reclaimSharedMemory()]. The children of [parallel::mclapply()] and
#'   [parallel::mcparallel()] end like that, without any exit handler: free in the
#'   child what it allocates, or hand the id to the parent. The argument has no
#'   influence on a segment that exists already.
#'   On Windows no segment outlives the last process that holds it.
#' @param exclusive `TRUE`: a name that exists already is an error.
#' @return The ids: a character vector as long as the longer one of `size` and
#'   `name`; the names where they were given, otherwise numbers.
#' @section Errors:
#' `sharedmemory_error_argument`, `_exists`, `_too_small`, `_no_space` (with the
#' size asked for and the size that is free), `_busy`, `_corrupt`,
#' `_permission`, `_control`; see [sharedmemory]. An interrupt (Ctrl-C) during a
#' large allocation leaves nothing behind.
#' @seealso [mapSharedMemory()], [freeSharedMemory()]
#' @examples
#' id <- allocateSharedMemory(1024)
#' getSharedMemorySize(id)
#' freeSharedMemory(id)
#'
#' # several at once, one of them with a name
#' ids <- allocateSharedMemory(c(10, 20), name = c("", "example-allocate"))
#' hasSharedMemory(ids)
#' freeSharedMemory(ids)
#'
#' # what to do about a full /dev/shm is in the message
#' tryCatch(allocateSharedMemory(2^52),
#'          sharedmemory_error_no_space = function(e) conditionMessage(e))
#' @export
allocateSharedMemory <- function(size, name = "",
                                 lifetime = c("freed", "process"),
                                 exclusive = FALSE) {
  .Call(C_allocate, size, name, lifetime, exclusive)
}

# The default as a value: evaluating the call to c() again costs each allocation as
# much as two system calls.
formals(allocateSharedMemory)$lifetime <- c("freed", "process")
