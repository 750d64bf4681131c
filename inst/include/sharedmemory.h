/* sharedmemory: operating system shared memory for R packages, from C and C++.
 *
 * A client has in its DESCRIPTION
 *
 *     LinkingTo: sharedmemory
 *     Imports: sharedmemory
 *
 * imports any function of the package in its NAMESPACE, so that it is loaded,
 * and asks once for the table of functions, in the R_init_ of its own library:
 *
 *     #include <sharedmemory.h>
 *     const sharedmemory_api *shm;
 *
 *     void R_init_client(DllInfo *dll) { shm = sharedmemory_init("client"); }
 *
 * From then on `shm->allocate(...)` and so on may be called, from any thread.
 * Ids are those of the R functions: what is allocated here is listed, viewed
 * and freed there, and the other way round.
 *
 * This header is C99 and C++11. It includes R_ext/Error.h, which, as all of R's
 * headers, makes macros of common names such as `error`: include it after those
 * of the C++ library, or define R_NO_REMAP.
 *
 * Everything that will ever be added to it comes behind what is here now. */
#ifndef SHAREDMEMORY_H
#define SHAREDMEMORY_H

#include <stddef.h>
#include <stdint.h>

#include <R_ext/Error.h>
#include <R_ext/Rdynload.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors -----------------------------------------------------------------
 *
 * Every function that can fail returns one of these codes, 0 if it went well,
 * and never jumps out of the call, neither by longjmp() nor by an exception.
 * New codes may be added: treat an unknown one as SHAREDMEMORY_SYSTEM. */
typedef enum sharedmemory_code {
  SHAREDMEMORY_OK = 0,
  SHAREDMEMORY_ARGUMENT,       /* an argument is not what it must be */
  SHAREDMEMORY_NOT_FOUND,      /* no segment has this id */
  SHAREDMEMORY_EXISTS,         /* the name is taken, and `exclusive` */
  SHAREDMEMORY_TOO_SMALL,      /* ... by a segment too small for the request */
  SHAREDMEMORY_REPLACED,       /* another segment took its name */
  SHAREDMEMORY_NO_SPACE,       /* the shared memory file system is full */
  SHAREDMEMORY_NO_MEMORY,      /* the address space or the heap is full */
  SHAREDMEMORY_TOO_MANY_MAPS,  /* the kernel's limit of mappings per process */
  SHAREDMEMORY_TOO_MANY_FILES, /* the limit of open files */
  SHAREDMEMORY_BUSY,           /* its creator does not get done */
  SHAREDMEMORY_CORRUPT, /* what has the name is not a segment, or is damaged */
  SHAREDMEMORY_PERMISSION,  /* it belongs to another user */
  SHAREDMEMORY_CONTROL,     /* the namespace's control object is unusable */
  SHAREDMEMORY_INTERRUPTED, /* Ctrl-C. R has been told and will not say it
                               again: give up what you are doing and return
                               to R. Only on R's main thread. */
  SHAREDMEMORY_UNSUPPORTED, /* the system cannot do this */
  SHAREDMEMORY_SYSTEM,      /* anything else, see os_error */
  SHAREDMEMORY_BOUNDS,      /* the segment does not have so many bytes */
  SHAREDMEMORY_ELSEWHERE,   /* a reference from where other memory is seen */
  SHAREDMEMORY_SEALED,      /* it is sealed: nobody can write to it */
  SHAREDMEMORY_UNSEALED,    /* a view needs a sealed one, or `live` */
  SHAREDMEMORY_TIMEOUT,     /* others have held it for too long */
  SHAREDMEMORY_DEADLOCK,    /* this thread has locked it already */
  SHAREDMEMORY_NOT_HELD,    /* it has not */
  SHAREDMEMORY_BROKEN       /* a party of the barrier died */
} sharedmemory_code;

/* Bytes of an id, with the terminator. */
#define SHAREDMEMORY_ID_SIZE 201

/* What went wrong, filled by a function that returns a code other than 0 and
 * left alone otherwise. It is the caller's: threads that share one must take
 * turns. Strings are UTF-8, terminated, cut if they do not fit. Initialise with
 * SHAREDMEMORY_ERROR_INIT. */
typedef struct sharedmemory_error {
  size_t size; /* of this struct, as the client knows it */
  int code;
  int os_error;                  /* errno or GetLastError(), or 0 */
  char id[SHAREDMEMORY_ID_SIZE]; /* "" if no segment is concerned */
  char message[1024];            /* one or two sentences, with what to do */
} sharedmemory_error;

#define SHAREDMEMORY_ERROR_INIT                                                \
  {                                                                            \
    sizeof(sharedmemory_error), 0, 0, {0}, { 0 }                               \
  }

/* ---- segments ------------------------------------------------------------ */

/* Who frees it? A name that exists already keeps the lifetime that it has. */
enum {
  SHAREDMEMORY_UNTIL_FREED = 0, /* somebody who calls free() */
  SHAREDMEMORY_OF_PROCESS = 1   /* also this process, when it ends normally */
};

/* Initialise with SHAREDMEMORY_REQUEST_INIT, then set what differs. */
typedef struct sharedmemory_request {
  size_t size;      /* of this struct, as the client knows it */
  uint64_t bytes;   /* how many are needed: 1 to 2^53 */
  const char *name; /* UTF-8; NULL: none, the id will be a number */
  int lifetime;     /* SHAREDMEMORY_UNTIL_FREED or SHAREDMEMORY_OF_PROCESS */
  int exclusive;    /* not 0: a name that exists is an error. Otherwise it is
                       opened if it is large enough */
} sharedmemory_request;

#define SHAREDMEMORY_REQUEST_INIT                                              \
  { sizeof(sharedmemory_request), 0, NULL, 0, 0 }

/* What a process knows of a segment. */
enum {
  SHAREDMEMORY_LIVE = 0,       /* complete, its owner is there */
  SHAREDMEMORY_ORPHAN = 1,     /* complete, its owner is provably dead */
  SHAREDMEMORY_UNKNOWN = 2,    /* neither can be proved */
  SHAREDMEMORY_INCOMPLETE = 3, /* its creator died while making it */
  SHAREDMEMORY_DAMAGED = 4     /* no segment, or it cannot be believed */
};

/* Initialise with SHAREDMEMORY_INFO_INIT. What is not known of damaged and
 * incomplete ones, and of other programs' objects, is 0 or ""; on Windows
 * `resident` is the whole segment and `user` is 0. */
typedef struct sharedmemory_info {
  size_t size; /* of this struct, as the client knows it */
  int state;   /* SHAREDMEMORY_LIVE ... */
  int lifetime;
  uint64_t capacity;   /* bytes that may be used */
  uint64_t requested;  /* bytes that were asked for */
  uint64_t resident;   /* bytes of memory it takes; UINT64_MAX: not known */
  uint64_t generation; /* no two segments have the same */
  uint64_t pid;        /* of the owner, in its own pid namespace */
  uint64_t user;       /* of the owner */
  uint64_t created;    /* nanoseconds since 1970 */
  int sealed;          /* not 0: nobody can write to it */
  char tag[64];        /* SHAREDMEMORY_TAG of the owner's environment */
  char trace[256];     /* the R call that allocated it, if that was recorded */
} sharedmemory_info;

#define SHAREDMEMORY_INFO_INIT                                                 \
  {                                                                            \
    sizeof(sharedmemory_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, { 0 }        \
  }

/* A mapping that belongs to whoever holds the handle: no unmap and no free, by
 * whomever, in R or in C, takes its memory away before unmap() of this handle.
 */
typedef struct sharedmemory_handle sharedmemory_handle;

/* The lock that every segment has: for one who writes, or for many who read.
 * Its holder is a thread of a process. When that process dies, however it ends,
 * the lock comes free, which who waits notices within 50 ms. A process that is
 * only stopped holds on; a forked child holds nothing of its parent's. R code
 * has the same locks: see ?lockSharedMemory. */
typedef struct sharedmemory_lock sharedmemory_lock;

/* A timeout, in nanoseconds like any other. */
#define SHAREDMEMORY_FOREVER UINT64_MAX

/* What lock() tells of holders that died. Initialise with
 * SHAREDMEMORY_TOLD_INIT. */
typedef struct sharedmemory_told {
  size_t size; /* of this struct, as the client knows it */
  int died;    /* not 0: it was this call that noticed one. Each death is told
                  of once, also when the call fails, for want of time, say */
  int dirty;   /* not 0: one died while it wrote, perhaps, and since then nobody
                  has called lock_repaired() */
  uint64_t pid;  /* of that one, in its pid namespace; 0: not known */
  uint64_t time; /* nanoseconds since 1970, when it was noticed; 0 likewise */
} sharedmemory_told;

#define SHAREDMEMORY_TOLD_INIT                                                 \
  { sizeof(sharedmemory_told), 0, 0, 0, 0 }

/* Element types of a view. */
enum {
  SHAREDMEMORY_RAW = 0,
  SHAREDMEMORY_LOGICAL = 1,
  SHAREDMEMORY_INTEGER = 2,
  SHAREDMEMORY_DOUBLE = 3,
  SHAREDMEMORY_COMPLEX = 4
};

struct SEXPREC;

/* ---- the functions ----------------------------------------------------------
 *
 * All of them are thread-safe and may be called from any thread, but for
 * view(). Only on R's main thread do they read environment variables; other
 * threads go by what was read there last.
 *
 * Ids are UTF-8 and terminated: a number as text, a name, or "/" and the
 * system's name for another program's object (which cannot be allocated). An id
 * that cannot be one, NULL where that is not allowed, and a struct whose `size`
 * is not set are the error ARGUMENT. `error` may be NULL; one whose `size` is
 * not set is left alone.
 *
 * A call that fails has changed nothing, also not what its pointers lead to;
 * only fill() may have copied a part. A segment that is only being made is not
 * there yet. allocate() by a name that somebody is making waits, five seconds
 * unless SHAREDMEMORY_TIMEOUT says otherwise (see ?sharedmemory), and so does
 * free() of what somebody else is removing: BUSY. Beside the errors that are
 * named with a function there may be CORRUPT, PERMISSION, CONTROL, NO_MEMORY,
 * TOO_MANY_FILES, SYSTEM.
 *
 * After fork() a child may call all of them; the handles that it inherits are
 * its own from then on, the segments are its parent's. */
#define SHAREDMEMORY_API_VERSION 1

typedef struct sharedmemory_api {
  size_t size; /* of this table in the package that is installed */
  int version; /* SHAREDMEMORY_API_VERSION likewise */

  /* Allocate `request->bytes`, zeroed and reserved: no later access can fail
   * for want of memory. The id is written to `id`. Errors: EXISTS, TOO_SMALL,
   * NO_SPACE, INTERRUPTED. On Windows a segment ends with the last process that
   * holds it. */
  int (*allocate)(const sharedmemory_request *request,
                  char id[SHAREDMEMORY_ID_SIZE], sharedmemory_error *error);

  /* Map a segment into this process. `readonly` not 0: writing through the
   * address ends the process. *handle is the caller's until unmap(). Each call
   * makes a mapping of its own. Errors: NOT_FOUND, SEALED unless `readonly`,
   * TOO_MANY_MAPS, NO_MEMORY, INTERRUPTED, BOUNDS (an empty object of another
   * program). */
  int (*map)(const char *id, int readonly, sharedmemory_handle **handle,
             sharedmemory_error *error);

  /* Give up a handle and its memory. NULL does nothing. No other thread may use
   * the handle or its memory any more. Cannot fail. Handles that nobody unmaps
   * go with the process. */
  void (*unmap)(sharedmemory_handle *handle);

  /* The first byte, at the start of a page; how many bytes may be used from
   * there on; and how many were asked for at allocation, which are not more.
   * The handle must not be NULL. Cannot fail. */
  void *(*address)(const sharedmemory_handle *handle);
  uint64_t (*capacity)(const sharedmemory_handle *handle);
  uint64_t (*requested)(const sharedmemory_handle *handle);

  /* Remove the segment, whoever allocated it. Handles and views, in this
   * process and in others, stay good. The pointers of R's mapSharedMemory() in
   * this process stay good until the next call of an R function of this
   * package, and are NULL then. What does not exist is not an error. On Windows
   * the memory goes with the last process that holds it. */
  int (*free)(const char *id, sharedmemory_error *error);

  /* *exists = 1 if there is a complete segment, otherwise 0. Errors:
   * INTERRUPTED. */
  int (*exists)(const char *id, int *exists, sharedmemory_error *error);

  /* Bytes that may be used, and bytes that were asked for, of what bears the id
   * now. Either pointer may be NULL. Errors: NOT_FOUND, INTERRUPTED. */
  int (*size_of)(const char *id, uint64_t *capacity, uint64_t *requested,
                 sharedmemory_error *error);

  /* All that is known of it, also of damaged ones. Errors: NOT_FOUND,
   * INTERRUPTED. */
  int (*info)(const char *id, sharedmemory_info *info,
              sharedmemory_error *error);

  /* The number of the last segment without a name, whoever made it; 0 if there
   * was none. */
  int (*last_index)(uint64_t *index, sharedmemory_error *error);

  /* Copy `length` bytes to `offset` (bytes) without mapping the segment: the
   * fast way to fill a new one. Errors: NOT_FOUND; SEALED; BOUNDS if it does
   * not have so many there, and then none is copied; INTERRUPTED, and then some
   * of them are. */
  int (*fill)(const char *id, uint64_t offset, const void *data,
              uint64_t length, sharedmemory_error *error);

  /* Seal the segment, for good: from now on nobody can map it for writing or
   * fill it. What is mapped for writing stays so. Sealing it again does
   * nothing. On Linux the system refuses other programs too, but for root;
   * elsewhere only this package obeys the seal. Errors: NOT_FOUND, ARGUMENT
   * (another program's object). */
  int (*seal)(const char *id, sharedmemory_error *error);

  /* An R vector on `length` elements from `offset` (bytes, a multiple of the
   * element's size) on, as by viewSharedMemory(). It has a mapping of its own:
   * the handle may be unmapped. *view is not protected from R's garbage
   * collector. It is a value: what is written to it stays there. The segment
   * must be sealed; `live` not 0: it need not be, and then the elements change
   * when somebody writes to it, while R believes that they cannot (see
   * ?viewSharedMemory; not for SHAREDMEMORY_LOGICAL). ONLY on R's main thread,
   * otherwise ARGUMENT. Errors: UNSEALED, BOUNDS, NO_MEMORY, TOO_MANY_MAPS;
   * ARGUMENT if a logical element is not FALSE, TRUE or NA; NOT_FOUND or
   * REPLACED if the segment was freed since it was mapped. */
  int (*view)(const sharedmemory_handle *handle, int type, uint64_t offset,
              uint64_t length, int live, struct SEXPREC **view,
              sharedmemory_error *error);

  /* "not_found" and so on, as in R's condition classes
   * sharedmemory_error_<kind>; a constant. A code that is not an error gives
   * "system". */
  const char *(*kind)(int code);

  /* Open the lock of a segment, once or several times, until lock_close().
   * Errors: NOT_FOUND, ARGUMENT (another program's object has none). */
  int (*lock_open)(const char *id, sharedmemory_lock **lock,
                   sharedmemory_error *error);

  /* Lock it for this thread; `shared` not 0: with others who do so, too.
   * `timeout` (nanoseconds): 0 tries, SHAREDMEMORY_FOREVER waits for as long as
   * it takes. `told` may be NULL. Calls the system only to wait. Errors:
   * TIMEOUT; DEADLOCK if this thread holds it already, in either way;
   * INTERRUPTED. */
  int (*lock)(sharedmemory_lock *lock, int shared, uint64_t timeout,
              sharedmemory_told *told, sharedmemory_error *error);

  /* By the thread that has locked it. Error: NOT_HELD. */
  int (*unlock)(sharedmemory_lock *lock, sharedmemory_error *error);

  /* By who holds it, not `shared`: what the lock guards is in order again.
   * Cannot fail. */
  void (*lock_repaired)(sharedmemory_lock *lock);

  /* NULL does nothing. A lock that this process holds stays open until it is
   * unlocked, and stays locked when its segment is freed. Cannot fail. */
  void (*lock_close)(sharedmemory_lock *lock);
} sharedmemory_api;

/* ---- the table ----------------------------------------------------------- */

/* The functions of the installed package; the table is never freed. Call it in
 * R_init_<client>(), or anywhere on R's main thread; it is an R error, with a
 * message for the user, if the installed package is older than this header. A
 * newer one serves clients of older headers. */
static inline const sharedmemory_api *sharedmemory_init(const char *client) {
  typedef const sharedmemory_api *(*getter)(void);
  /* By way of void (*)(void), which compilers let any function be cast from. */
  const sharedmemory_api *api = ((getter)(void (*)(void))R_GetCCallable(
      "sharedmemory", "sharedmemory_api"))();
  if (api->version < SHAREDMEMORY_API_VERSION ||
      api->size < sizeof(sharedmemory_api))
    Rf_error("%s was built for version %d of the C interface of sharedmemory, "
             "the installed package has version %d: update sharedmemory",
             client, SHAREDMEMORY_API_VERSION, api->version);
  return api;
}

#ifdef __cplusplus
}
#endif
#endif
