#' sharedmemory: share objects between processes, without copies
#'
#' A *segment* is a piece of memory of the operating system that every process
#' of the same user can map into its own address space. Its life has four steps:
#'
#' 1. [allocateSharedMemory()] creates it and returns its id,
#' 2. [mapSharedMemory()] gives native code a pointer to it, in any process,
#' 3. [unmapSharedMemory()] gives the pointer back,
#' 4. [freeSharedMemory()] removes the segment.
#'
#' Whole R objects go into a segment of their own by [share()]; they are values, and
#' other processes get them without a copy.
#'
#' From R, without native code, [viewSharedMemory()] gives vectors that are a sealed
#' segment itself, [sharedArray()] reads and writes in place, [readSharedMemory()] and
#' [writeSharedMemory()] copy.
#'
#' Processes that write to the same memory take turns by [withSharedLock()], count by
#' [fetchAdd()], and wait for each other by [sharedSemaphore()] and its like;
#' [shareOnce()] makes a value once for all.
#'
#' Packages in C and C++ have the same by a C interface: see [sharedmemory-c-api].
#'
#' [hasSharedMemory()], [getSharedMemorySize()], [getLastIndex()] and
#' [listSharedObjects()] look at what there is, [sharedMemorySavings()] tells what it
#' saves. [sharedMemoryStatus()],
#' [inspectSharedMemory()] and [reclaimSharedMemory()] are for a full machine,
#' [expect_no_shared_memory_leak()] and [local_shared_memory()] for test suites.
#'
#' # Ids and names
#'
#' A segment without a name has a number as its id, which is handed out by a
#' counter that all processes of the user share. A segment with a name is found
#' by it. Ids are character strings; a whole number is accepted in their place
#' (`100000` means `"100000"`), and so is a factor, which gives its labels. A
#' name is 1 to 200 bytes of text in any encoding, without `/` and without
#' control characters; the same name in UTF-8 and in Latin-1 is the same
#' segment. An id that begins with `/` is the system's name for another program's
#' object, see [viewSharedMemory()]. The numbers up to [getLastIndex()] cannot be given
#' to new segments as names.
#'
#' # Namespaces
#'
#' Segments belong to a namespace: the user's, unless the environment variable
#' `SHAREDMEMORY_NAMESPACE` names another one (1 to 16 characters of `A-Z`,
#' `a-z`, `0-9`, `_`, `-`). It is read when the package is first used, not when
#' it is loaded, so a test suite sets it in `tests/testthat/setup.R` and is alone.
#' [releaseSharedObjectPackageData()] makes a process read it again if nothing
#' is mapped and none of its segments is left.
#'
#' # Where the memory lies
#'
#' On Linux segments are files in `/dev/shm`, whose size is a limit: 64 MiB in many
#' containers. `SHAREDMEMORY_DIR` names another directory, by an absolute path: of
#' another tmpfs, or of a local disk (ext4, xfs, btrfs, overlay), where the memory is
#' the page cache and the disk. It is read with the namespace, and what is there is
#' a set of segments of its own: processes must have the same directory to meet by
#' ids. References need not: views, shared objects and arrays carry their directory,
#' and open in any process of the user that sees it.
#'
#' `options(sharedmemory.spill = )`, or `SHAREDMEMORY_SPILL` where that is not set,
#' names a directory of the same kind for what does not fit: an object or a segment for
#' which there is no room goes there. It is found there by its id and by references from
#' every process, whatever its own setting. A namespace spills to one directory, the
#' first that was needed; a later setting only says whether this process spills. A
#' directory that is full is the error `no_space` too.
#'
#' What cannot hold there is refused at the first use, with the reason: network file
#' systems (processes of two machines would not share memory), FUSE, ramfs and ZFS
#' (nothing can be reserved), hugetlbfs, and directories that are not there, that this
#' user cannot write to, or from which others may remove files. Everything else is as
#' in `/dev/shm`: all bytes are reserved at allocation, and files are the user's alone.
#' On other systems the variable is an error of kind `unsupported`.
#'
#' # Errors
#'
#' Every error of this package is a condition of class
#' `sharedmemory_error_<kind>`, `sharedmemory_error`, `error`, `condition` with
#' these fields, beside `message` and `call`:
#'
#' * `id`: the id concerned, or `NA`,
#' * `op`: what was tried: `"allocate"`, `"map"`, `"unmap"`, `"free"`, `"find"`,
#'   `"measure"`, `"list"`, `"inspect"`, `"reclaim"`, `"count"`, `"join"`,
#'   `"leave"`, `"read"`, `"write"`, `"view"`, `"seal"`, `"share"`, `"open"`, `"lock"`,
#'   `"unlock"`, `"add to"`, `"acquire"`, `"release"`, `"wait for"` or `"wait at"`,
#' * `errno`: the error number of the operating system, 0 if it gave none,
#' * `element`: which element of a vectorized call failed, from 1, or `NA`.
#'
#' | kind | what happened |
#' |---|---|
#' | `argument` | an argument is not what it must be |
#' | `not_found` | no segment has this id |
#' | `exists` | the name is taken, and `exclusive = TRUE` |
#' | `too_small` | the name is taken by a segment too small for the request |
#' | `replaced` | another segment took the name of the one that is mapped here |
#' | `no_space` | the shared memory file system, or the machine, is full |
#' | `no_memory` | the address space or the heap of this process is full |
#' | `too_many_maps` | the kernel's limit on mappings per process |
#' | `too_many_files` | the limit on open files |
#' | `busy` | another process has been creating this segment for too long |
#' | `corrupt` | what bears the name is not a segment of this package, or is damaged |
#' | `permission` | it belongs to another user |
#' | `control` | the control object of the namespace cannot be used |
#' | `unsupported` | the operating system cannot do this |
#' | `bounds` | the segment does not have the bytes that were asked for |
#' | `elsewhere` | a reference was made where other shared memory is seen |
#' | `sealed` | it is sealed, and nobody can write to it |
#' | `unsealed` | it is not sealed, so a view of it would change |
#' | `timeout` | what was waited for did not come about in time |
#' | `deadlock` | the process would wait for itself: it holds the lock already |
#' | `not_held` | the process does not hold what it gives back |
#' | `broken` | a party of the barrier died, or gave up |
#' | `system` | anything else that the operating system refused |
#'
#' A call that fails has changed nothing (but for a write of many MiB that the system
#' refuses half-way); a vectorized call that fails midway undoes what it did.
#'
#' # Environment variables
#'
#' * `SHAREDMEMORY_NAMESPACE`, `SHAREDMEMORY_DIR`, `SHAREDMEMORY_SPILL`: see above.
#' * `SHAREDMEMORY_TIMEOUT`: how many seconds to wait for a process that is
#'   creating the very segment that is asked for, before the error `busy`;
#'   5 if unset.
#' * `SHAREDMEMORY_TAG`: a text that every segment keeps; see
#'   [expect_no_shared_memory_leak()].
#'
#' # Options
#'
#' * `sharedmemory.reclaim`: `FALSE` turns off the reclaim before a process's
#'   first [allocateSharedMemory()], see [reclaimSharedMemory()].
#' * `sharedmemory.spill`: a directory for what does not fit elsewhere; `FALSE`, the
#'   default, for none. See below.
#' * `sharedmemory.trace`: `TRUE` records with each segment that R code allocates the
#'   calls that led to it. Off by default.
#' * `sharedmemory.handoff`: how many seconds a shared object that was sent waits for
#'   those who open it, see [share()]; 60 if unset.
#'
#' @keywords internal
#' @useDynLib sharedmemory, .registration = TRUE, .fixes = "C_"
"_PACKAGE"
