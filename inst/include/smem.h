/* libsmem: segments of shared memory by id and by name. The whole face of the
 * core, for C99 and C++11.
 *
 * What holds of all functions unless one says otherwise:
 *
 * Units: sizes and offsets are bytes, times nanoseconds. An id is UTF-8 and
 * terminated: the decimal number of an unnamed segment, or a name.
 *
 * Errors: what can fail returns SMEM_OK or a code, and fills *error only if it
 * fails; `error` may be NULL. A call that fails has changed nothing. New codes
 * may come: take an unknown one as SMEM_SYSTEM. Other pointers must not be NULL
 * unless that is said, and what is not an id is SMEM_ARGUMENT. Beside the codes
 * that a function names there may be SMEM_ARGUMENT, SMEM_CORRUPT,
 * SMEM_PERMISSION, SMEM_CONTROL, SMEM_NO_MEMORY, SMEM_TOO_MANY_FILES,
 * SMEM_INTERRUPTED, SMEM_SYSTEM. Nothing here prints, exits, or jumps out of a
 * call.
 *
 * Ownership: what a call takes stays the caller's and is not kept; what an open
 * or a map gives is the caller's until the close or the unmap. Constant texts
 * are never freed.
 *
 * Threads: all functions may be called from all threads at once. Fork: a child
 * may call all of them. It owns no segment and holds no lock of its parent's;
 * mappings and handles that it inherits are its own.
 *
 * Structs begin with their size, as whoever made them knows it: set it, and all
 * the rest to zero, by SMEM_ERROR_INIT and the like. They grow at their end
 * only, so a library serves clients of older headers: what their struct has no
 * room for is not told, and what it cannot say is zero. A size that was not set
 * is SMEM_ARGUMENT; an error record and limits of that kind are left alone. The
 * size of what the library makes (handles, entries, shares) is the library's:
 * if that may be older than your header, look before you use what is new there.
 * A reference has no size, for it never changes. */
#ifndef SMEM_H
#define SMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Largest size, id number and counter: whole numbers that a double holds. */
#define SMEM_MAX_NUMBER ((uint64_t)1 << 53)

/* Start the library: once per process, before anything else; repeating it only
 * sets `interrupted` again. Not from two threads at once. Reads nothing and
 * creates nothing in the system. `interrupted` (may be NULL) is asked during
 * long work, from whichever thread does it, with no mutex held, but perhaps
 * with a segment held that is being created. */
void smem_start(bool (*interrupted)(void));

/* Tell what the environment says of SHAREDMEMORY_NAMESPACE, _TIMEOUT and _TAG;
 * each may be NULL. The core never reads it, for another thread may be changing
 * it: the client does where that cannot be, and tells before its calls. The
 * namespace counts until it is used, the others from now on, on all threads. */
void smem_environment(const char *space, const char *timeout, const char *tag);

/* Likewise what it says of SHAREDMEMORY_DIR: the directory where the segments
 * of the namespace lie, instead of where the system keeps shared memory (Linux:
 * /dev/shm). It counts with the namespace. It is an absolute path, of a
 * directory of a tmpfs or of a local disk, to which this user may write and in
 * which nobody else may remove files; otherwise the first call that needs the
 * namespace is SMEM_ARGUMENT, or SMEM_UNSUPPORTED if the file system, or the
 * system, is not good for it. References tell of it, so that processes with
 * another one find the segment. */
enum { SMEM_DIRECTORY_MAX = 200, SMEM_DIRECTORY_SIZE = 201 };
void smem_directory(const char *directory);

/* Likewise what it says of SHAREDMEMORY_SPILL: a directory, of the same kind,
 * for segments and objects for which there is no room where the others lie;
 * NULL or "": there is none. It counts from now on. The namespace has one at
 * most, the first that was needed, which its control object keeps, so that all
 * processes find what is there; later ones do not count. One that is not good
 * is refused, as above, when it is needed first. */
void smem_spill(const char *directory);

/* A random number, never the same twice. */
uint64_t smem_random(void);

/* ---- errors -----------------------------------------------------------------
 *
 * The one list of what can go wrong, and that of what one was doing. Each makes
 * an enum, and the word for it. Their order stays, and new ones come last. */

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

/* X(NAME, verb, object), as in "cannot allocate shared memory". */
#define SMEM_OPERATIONS(X)                                                     \
  X(USE, "use", "shared memory")                                               \
  X(ALLOCATE, "allocate", "shared memory")                                     \
  X(MAP, "map", "shared memory")                                               \
  X(UNMAP, "unmap", "shared memory")                                           \
  X(FREE, "free", "shared memory")                                             \
  X(FIND, "find", "shared memory")                                             \
  X(MEASURE, "measure", "shared memory")                                       \
  X(LIST, "list", "shared memory")                                             \
  X(INSPECT, "inspect", "shared memory")                                       \
  X(RECLAIM, "reclaim", "shared memory")                                       \
  X(COUNT, "count", "shared memory")                                           \
  X(JOIN, "join", "shared memory")                                             \
  X(LEAVE, "leave", "shared memory")                                           \
  X(READ, "read", "shared memory")                                             \
  X(WRITE, "write", "shared memory")                                           \
  X(VIEW, "view", "shared memory")                                             \
  X(SEAL, "seal", "shared memory")                                             \
  X(SHARE, "share", "object")                                                  \
  X(OPEN, "open", "shared object")                                             \
  X(LOCK, "lock", "shared memory")                                             \
  X(UNLOCK, "unlock", "shared memory")                                         \
  X(ACQUIRE, "acquire", "semaphore")                                           \
  X(RELEASE, "release", "semaphore")                                           \
  X(WAIT_FOR, "wait for", "event")                                             \
  X(WAIT_AT, "wait at", "barrier")                                             \
  X(ADD_TO, "add to", "shared memory")

typedef enum smem_op {
#define X(name, verb, object) SMEM_OP_##name,
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
  size_t size;
  smem_code code;
  int number; /* errno or GetLastError(), 0 if the system gave none */
  smem_op op;
  uint64_t element; /* which element of a vectorised call, from 1, or 0 */
  char id[SMEM_ID_MAX + 1]; /* empty if no segment is concerned */
  char detail[400];         /* what happened, with the sizes */
} smem_error;
#define SMEM_ERROR_INIT                                                        \
  { sizeof(smem_error), SMEM_OK, 0, SMEM_OP_USE, 0, "", "" }

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

/* ---- ids ----------------------------------------------------------------- */

/* Is it the id of another program's object? It begins with "/" and is raw: the
 * system's name for an object of another program. It can be found, measured,
 * read, written, mapped and freed. Nothing tells when it was replaced but its
 * identity, which macOS and Windows keep to themselves, and nothing that its
 * creator will not truncate it: touching what is gone then ends this process.
 */
bool smem_id_is_raw(const char *id);

/* Does `id` obey the grammar of ids? Otherwise *why is a constant that says
 * what is wrong with it, to go on from "the id". */
bool smem_id_is_valid(const char *id, size_t length, const char **why);

/* Is the whole text UTF-8? */
bool smem_is_utf8(const char *text);

/* Copy a text, terminated, cut before a character that has no room. */
void smem_copy_text(char *to, size_t room, const char *from);

/* The id of a number. `buffer` has room for SMEM_NUMBER_SIZE characters. */
enum { SMEM_NUMBER_SIZE = 24 };
void smem_id_of_number(uint64_t number, char *buffer);

/* Is the id a number as the counter writes them ("42", not "042")? */
bool smem_id_is_number(const char *id, uint64_t *number);

/* ---- segments ------------------------------------------------------------ */

typedef enum smem_lifetime {
  SMEM_UNTIL_FREED = 0, /* until somebody frees it */
  SMEM_OF_PROCESS = 1,  /* the owner frees it at its normal end */
  SMEM_OF_OBJECT = 2    /* of objects only: see object/object.h */
} smem_lifetime;

typedef struct smem_request {
  size_t size;       /* of this struct; the same in all of an array */
  uint64_t bytes;    /* 1 to SMEM_MAX_NUMBER */
  const char *name;  /* an id, or NULL for an unnamed segment */
  const char *trace; /* to be recorded with the segment, or NULL; is cut */
  uint64_t number;   /* out: the id of an unnamed segment */
  uint64_t made;     /* out: generation of what was created, 0: it was there */
  bool is_sync;      /* a semaphore, an event or a barrier */
} smem_request;
#define SMEM_REQUEST_INIT(bytes, name)                                         \
  { sizeof(smem_request), bytes, name, NULL, 0, 0, false }

/* Allocate segments: all of them or, on an error, none. A name that exists is
 * opened: SMEM_EXISTS with `exclusive`, SMEM_TOO_SMALL if it cannot hold the
 * size. The memory is zeroed and reserved. error->element says which of several
 * requests failed. */
smem_code smem_allocate(smem_request *requests, size_t count,
                        smem_lifetime lifetime, bool exclusive,
                        smem_error *error);

/* Take back an smem_allocate() that went well: remove what it created, and
 * nothing that has its name by now. */
void smem_undo_allocate(smem_request *requests, size_t count);

/* Is there a complete segment? *exists says so. */
smem_code smem_exists(const char *id, bool *exists, smem_error *error);

/* The usable capacity of a segment, at least what was requested.
 * SMEM_NOT_FOUND. */
smem_code smem_size(const char *id, uint64_t *size, smem_error *error);

/* The usable capacity, and the bytes that were asked for at allocation; of a
 * raw one, all. SMEM_NOT_FOUND. */
smem_code smem_extent(const char *id, uint64_t *capacity, uint64_t *requested,
                      smem_error *error);

/* Seal segments: from now on nobody can map or write them, which is
 * SMEM_SEALED. For good, and all of them or, on an error, none; what is sealed
 * already is not an error. Refuses raw ids. Whoever has a writable mapping
 * keeps it. On Linux the kernel refuses others too, but for root; elsewhere
 * only this library obeys the seal. */
smem_code smem_seal(const char *const *ids, size_t count, smem_error *error);

/* ---- mappings ------------------------------------------------------------ */

typedef enum smem_access {
  SMEM_READ_WRITE = 0,
  SMEM_READ_ONLY = 1,
  SMEM_PRIVATE =
      2 /* of handles only: writable, and what is written stays there */
} smem_access;

/* A segment that is mapped in this process. One per id, with one count. */
typedef struct smem_mapping smem_mapping;

/* Where a segment is mapped with this access, SMEM_READ_WRITE or
 * SMEM_READ_ONLY; NULL: nobody has asked for that. */
void *smem_mapping_address(const smem_mapping *mapping, smem_access access);
uint64_t smem_mapping_capacity(const smem_mapping *mapping); /* usable bytes */

/* With each access the client can keep a pointer of its own, NULL at first. */
void *smem_mapping_note(const smem_mapping *mapping, smem_access access);
void smem_mapping_set_note(smem_mapping *mapping, smem_access access,
                           void *note);

/* Is told each note whose access is about to be unmapped, on the thread of the
 * call. Must not call the core. Where it is NULL nobody can be told on this
 * thread: what has a note stays mapped until smem_collect(), and so does all
 * that a free takes away from those who have it mapped. */
typedef void smem_gone(void *note);

/* Map segments, or count one more: all of them or, on an error, none. Who maps
 * joins the namespace if that is possible: otherwise the last one to allocate
 * might take the counter along, and the number of what is mapped here might be
 * handed out again. mappings[i] is good until the unmap that takes the count to
 * zero, or the free. SMEM_REPLACED if another segment took the mapped name. */
smem_code smem_map(const char *const *ids, size_t count, smem_access access,
                   smem_mapping **mappings, smem_error *error);

/* Take back a smem_map() that went well: an access that nobody else has asked
 * for goes even if the other one stays. */
void smem_undo_map(const char *const *ids, size_t count, smem_access access,
                   smem_gone *gone);

/* Unmap, which counts one less; the last one unmaps both accesses. What is not
 * mapped is not an error. Never fails. */
void smem_unmap(const char *const *ids, size_t count, smem_gone *gone);

/* Unmap all segments of this process, whatever the count. */
void smem_unmap_all(smem_gone *gone);

/* Unmap what stayed because nobody could be told. Costs nothing when there is
 * nothing. */
void smem_collect(smem_gone *gone);

/* Remove the segments that bear these names now, and unmap them whatever the
 * count. What does not exist is not an error, nor is an id that is there twice.
 * All can be removed, as far as that can be seen without trying, or none is,
 * and nothing has changed, also not the mappings. If the system refuses one of
 * them then all the same, error->element tells which: those before it are gone.
 */
smem_code smem_free(const char *const *ids, size_t count, smem_gone *gone,
                    smem_error *error);

/* ---- handles ---------------------------------------------------------------
 *
 * A mapping of its own, that no unmap and no free, from whatever thread, takes
 * away: it stays until smem_close(), also when the segment is gone. Handles do
 * not count as mapped. Whoever has one of a segment without a name joins for
 * it, as in smem_map(). */

typedef struct smem_handle {
  size_t size;
  void *address;
  uint64_t capacity;  /* bytes that may be used */
  uint64_t requested; /* bytes that were asked for; of a raw one all of them */
  uint64_t generation;
  smem_access
      access;  /* SMEM_READ_ONLY for SMEM_PRIVATE where the system cannot */
  bool sealed; /* it was when it was opened, and so is it now */
} smem_handle;

/* Open a segment. SMEM_NOT_FOUND, SMEM_SEALED for SMEM_READ_WRITE,
 * SMEM_TOO_MANY_MAPS. */
smem_code smem_open(const char *id, smem_access access, smem_handle **handle,
                    smem_error *error);
/* Unmap its memory, which nobody may use any more. NULL does nothing. */
void smem_close(smem_handle *handle);

/* Would a reference to what a handle has open lead anywhere: does the segment
 * still have its name?
 */
bool smem_handle_is_findable(const smem_handle *handle);

/* Was the memory of a handle written to? True also where the system does not
 * tell. */
bool smem_handle_is_written(const smem_handle *handle);

/* ---- references -------------------------------------------------------------
 *
 * What another process needs to find the same memory, and to notice that it is
 * not the same any more: of plain bytes, to be sent to it. */

typedef struct smem_reference {
  uint64_t place[2]; /* the machine, and its shared memory file system */
  uint64_t generation;
  uint64_t offset; /* bytes; this and the following are the client's */
  uint64_t length; /* in units of its own */
  uint8_t form;    /* what it reads there */
  char space[17];  /* namespace; "" for a raw id */
  char id[SMEM_ID_MAX + 1];
  char directory[SMEM_DIRECTORY_SIZE]; /* where it lies; "": where the system
                                          keeps shared memory */
} smem_reference;

/* Make a reference to what a handle has open; the client's parts are 0. */
void smem_refer(const smem_handle *handle, smem_reference *reference);

/* The place of references that are made here. */
smem_code smem_here(uint64_t place[2], smem_error *error);

/* Open what a reference leads to: SMEM_NOT_FOUND, SMEM_REPLACED by a successor
 * of its name, SMEM_ELSEWHERE if it is not here and the reference was made
 * where other shared memory is seen (of another program's object: wherever it
 * is). Does not look at the client's parts: check them against the capacity. */
smem_code smem_open_reference(const smem_reference *reference,
                              smem_access access, smem_handle **handle,
                              smem_error *error);

/* Does the id of a reference alone lead to its segment, in the namespace of
 * this process, or to nothing, so that whoever frees it cannot hit another one?
 * `handle` is what the reference has opened, or NULL. */
bool smem_id_means(const smem_reference *reference, const smem_handle *handle);

/* Write a reference as bytes, the same on every machine. Returns how many: 56
 * and what namespace, id and directory have. */
enum { SMEM_REFERENCE_SIZE = 56 + 16 + SMEM_ID_MAX + SMEM_DIRECTORY_MAX };
size_t smem_reference_write(const smem_reference *reference,
                            unsigned char bytes[SMEM_REFERENCE_SIZE]);

/* Read a reference from bytes, whatever they are. NULL, or a constant that says
 * what is wrong with them. */
const char *smem_reference_read(const unsigned char *bytes, size_t length,
                                smem_reference *reference);

/* ---- bytes --------------------------------------------------------------- */

/* Copy from or to a segment, without mapping it. SMEM_NOT_FOUND; SMEM_SEALED to
 * write; SMEM_BOUNDS if it does not have the bytes, and then nothing is copied.
 * Interruptible: some of them are copied then. */
smem_code smem_read(const char *id, uint64_t offset, void *to, uint64_t length,
                    smem_error *error);
smem_code smem_write(const char *id, uint64_t offset, const void *from,
                     uint64_t length, smem_error *error);

/* Read, where it depends on the segment what is read: `choose` is told how many
 * bytes it has, and how many were asked for at its allocation. It sets which
 * bytes are to be read, and returns into what; NULL: none, and the call is
 * SMEM_INTERRUPTED. It must return. Otherwise as smem_read(). */
smem_code smem_read_some(const char *id,
                         void *(*choose)(uint64_t capacity, uint64_t requested,
                                         uint64_t *offset, uint64_t *length,
                                         void *context),
                         void *context, smem_error *error);

/* ---- writing together ------------------------------------------------------
 *
 * What processes wait for each other with. Whoever holds something is known by
 * its presence in the control object, a kernel lock: so the death of a holder
 * is proved, and what it held comes free, noticed by a waiter within 50 ms. A
 * process that is only stopped holds on. A control object that somebody removes
 * by hand takes no hold away; of who joined it before, only those can prove the
 * death who had joined it too. A forked child holds nothing of its parent's.
 * The normal end of a process that holds something is a death like any other.
 *
 * Timeouts are nanoseconds: 0 tries, SMEM_FOREVER waits. Waiting is
 * interruptible: SMEM_INTERRUPTED. Without contention nothing here calls the
 * system, but for what opens and closes. */

#define SMEM_FOREVER UINT64_MAX

/* Open the lock that every segment has: in this process once, however often
 * that is asked for. Refuses raw ids: SMEM_ARGUMENT. */
typedef struct smem_latch smem_latch;
smem_code smem_latch_open(const char *id, smem_latch **latch,
                          smem_error *error);
smem_code smem_latch_open_reference(const smem_reference *reference,
                                    smem_latch **latch, smem_error *error);
/* While this process holds the lock it stays all the same, until the last
 * smem_unlock(), which must not come at the same moment from another thread.
 * May be NULL. */
void smem_latch_close(smem_latch *latch);

/* The id of the segment of an open lock, as it was opened. */
const char *smem_latch_id(const smem_latch *latch);

/* The lock of a segment that is mapped here: it stays open as long as the
 * mapping, and is not to be closed. NULL if it is not mapped. */
smem_code smem_latch_mapped(const char *id, smem_latch **latch,
                            smem_error *error);

/* The lock which this thread holds under this id of the namespace; NULL: none.
 * What the id leads to by now does not count. */
smem_latch *smem_latch_held(const char *id);

typedef enum smem_mode {
  SMEM_EXCLUSIVE, /* one holder */
  SMEM_SHARED /* many; whoever waits for SMEM_EXCLUSIVE comes before later ones
               */
} smem_mode;

/* What a lock told who has got it. */
typedef struct smem_told {
  size_t size;
  bool died;  /* its holder died, and this call is the one that noticed: what it
                 guards may be half written. Also told when the call fails, for
                 want of time, say */
  bool dirty; /* one died, and since then smem_lock_repaired() was not called */
  uint64_t pid;  /* of that one, in its pid namespace; 0: not known */
  uint64_t time; /* nanoseconds since 1970, when that was noticed; 0 likewise */
} smem_told;
#define SMEM_TOLD_INIT                                                         \
  { sizeof(smem_told), false, false, 0, 0 }

/* Lock a segment. The holder is this thread. SMEM_TIMEOUT; SMEM_DEADLOCK if it
 * holds the lock already, in whichever mode. `told` may be NULL. */
smem_code smem_lock(smem_latch *latch, smem_mode mode, uint64_t timeout,
                    smem_told *told, smem_error *error);
/* Unlock. SMEM_NOT_HELD. */
smem_code smem_unlock(smem_latch *latch, smem_error *error);
/* The same where few steps do it, for SMEM_EXCLUSIVE. False, and nothing has
 * changed: the others do it, or tell why not. */
bool smem_lock_quickly(smem_latch *latch);
bool smem_unlock_quickly(smem_latch *latch);
/* By who holds it exclusively: what it guards is in order again. */
void smem_lock_repaired(smem_latch *latch);
/* Likewise: record since when it is held, for smem_list(). Without that it is
 * since the first one waited for it. */
void smem_lock_stamp(smem_latch *latch);
/* Take the lock away from whoever has it, dead or alive. It is dirty then. For
 * holders of whom nothing can be proved; nobody else may be at work. */
void smem_lock_break(smem_latch *latch);

/* Semaphores, events, barriers: a segment of their own each. */
typedef enum smem_sync_kind {
  SMEM_SEMAPHORE = 1,
  SMEM_EVENT = 2,
  SMEM_BARRIER = 3
} smem_sync_kind;
typedef struct smem_sync smem_sync;

enum { SMEM_SYNC_MOST = 1 << 20 }; /* permits or parties */

/* Open a semaphore, an event or a barrier by its name or, if there is none and
 * `count` is not 0, create it with so many permits or parties (1 for an event);
 * its lifetime is SMEM_UNTIL_FREED. SMEM_ARGUMENT if it is something else, or
 * has another count; also of the calls below for one of another kind, of which
 * those without an error do nothing. */
smem_code smem_sync_open(smem_sync_kind kind, const char *id, uint32_t count,
                         smem_sync **sync, smem_error *error);
smem_code smem_sync_open_reference(smem_sync_kind kind,
                                   const smem_reference *reference,
                                   smem_sync **sync, smem_error *error);
void smem_sync_refer(const smem_sync *sync, smem_reference *reference);
/* Permits that this process holds stay held. May be NULL. */
void smem_sync_close(smem_sync *sync);
/* How many permits, or parties. */
uint32_t smem_sync_count(const smem_sync *sync);

/* Take one permit of a semaphore, for this process. SMEM_TIMEOUT. told->died:
 * it was a dead one's. */
smem_code smem_acquire(smem_sync *semaphore, uint64_t timeout, smem_told *told,
                       smem_error *error);
/* Give back any permit of this process, whichever thread took it.
 * SMEM_NOT_HELD. */
smem_code smem_release(smem_sync *semaphore, smem_error *error);
/* How many are free, and how many this process holds. */
void smem_permits(const smem_sync *semaphore, uint32_t *available,
                  uint32_t *held);

/* Wait until an event is set; also if it was reset again since this call began.
 * SMEM_TIMEOUT. */
smem_code smem_event_wait(smem_sync *event, uint64_t timeout,
                          smem_error *error);
void smem_event_set(smem_sync *event);
void smem_event_reset(smem_sync *event);
bool smem_event_is_set(const smem_sync *event);

/* Wait at a barrier until all parties do. The first call through this opening
 * takes a place, which it keeps: SMEM_ARGUMENT if there is none. SMEM_BROKEN
 * for all when a party died, or gave up: by a timeout or an interrupt. */
smem_code smem_barrier_wait(smem_sync *barrier, uint64_t timeout,
                            smem_error *error);

/* Change a number in shared memory as one step. *before is what was there.
 * False: the sum is out of range, and nothing has changed. */
bool smem_add_int32(int32_t *at, int64_t by, int32_t *before);
bool smem_add_uint32(uint32_t *at, int64_t by, uint32_t *before);
bool smem_add_int64(int64_t *at, int64_t by, int64_t *before);
void smem_add_double(double *at, double by, double *before);
/* Is it `old`, bit by bit? Then it is `value` now. `size`: 4 or 8 bytes. */
bool smem_compare_and_set(void *at, const void *old, const void *value,
                          size_t size);

/* ---- the namespace ------------------------------------------------------- */

typedef enum smem_state {
  SMEM_LIVE,       /* complete, the owner is there */
  SMEM_ORPHAN,     /* complete, the owner is provably dead */
  SMEM_UNKNOWN,    /* neither can be proved, or it cannot be looked at now: then
                      without generation */
  SMEM_INCOMPLETE, /* the creator died while making it */
  SMEM_DAMAGED,    /* not a segment of ours, or its footer does not check */
  SMEM_FOREIGN, /* another user's, or its name is not an id: not ours to judge
                 */
  SMEM_STATES
} smem_state;

typedef enum smem_lock_state {
  SMEM_LOCK_FREE,
  SMEM_LOCK_EXCLUSIVE,
  SMEM_LOCK_SHARED,
  SMEM_LOCK_OF_DEAD /* who waits gets it, and is told */
} smem_lock_state;

/* The name of a state, as "live": a constant. */
const char *smem_state_name(smem_state state);

enum { SMEM_WHAT_SIZE = 64 };

/* What is known of one object of the namespace. Where nothing is known: 0, ""
 * or UINT64_MAX as noted. Strings are good until the visit returns. */
typedef struct smem_entry {
  size_t size;
  const char *id;
  smem_state state;
  uint64_t capacity;  /* bytes; of the following, only of complete segments: */
  uint64_t requested; /* bytes */
  uint64_t pid;       /* the owner's, in its own pid namespace */
  bool pid_is_ours;   /* that is the pid namespace of this process */
  uint64_t created;   /* nanoseconds since 1970 */
  smem_lifetime lifetime;
  bool sealed;
  bool is_object;        /* see object/object.h; of these only: */
  uint64_t sent, opened; /* how often */
  uint64_t deadline; /* nanoseconds since 1970: until then it is kept for those
                        to whom it was sent */
  char what[SMEM_WHAT_SIZE];   /* what its maker says that it is, ... */
  char extent[SMEM_WHAT_SIZE]; /* ... and how large */
  uint64_t generation;
  const char *tag;   /* SHAREDMEMORY_TAG of the owner's environment */
  const char *trace; /* the call that allocated, if it was recorded */
  const char *wrong; /* what does not check, or why it cannot be looked at */
  uint64_t resident; /* bytes of memory it takes; UINT64_MAX: not told */
  uint64_t user;
  uint64_t identity[2]; /* as in smem_mapped_by() */
  smem_lock_state lock; /* of complete ones; and so the rest: */
  uint64_t holder; /* the pid of the one who has it exclusively; 0: not known */
  uint64_t since;  /* nanoseconds since 1970: since then at least */
  unsigned readers; /* who may be alive and has it shared */
  unsigned waiting; /* who may be alive and waits, for the lock or for what
                       else there is */
  bool in_use; /* who may be alive has a lock, a permit or a place, or waits */
  const char *directory; /* where it lies; "": where the system has such */
} smem_entry;

/* Visit what is in the namespace, in no order, until `visit` returns false.
 * What is only being created is left out. */
smem_code smem_list(bool (*visit)(const smem_entry *entry, void *context),
                    void *context, smem_error *error);

/* Visit each mapping of this object, with NULL of any object of the namespace,
 * by a process that we may look into; perhaps of others whose names begin
 * alike. With `copies`, which takes longer, `copied` is how many bytes of it
 * this process has copied by writing to them; UINT64_MAX: not told.
 * SMEM_UNSUPPORTED where the system does not tell. */
smem_code smem_mapped_by(const char *id, bool copies,
                         bool (*visit)(uint64_t pid, const uint64_t identity[2],
                                       uint64_t copied, void *context),
                         void *context, smem_error *error);

/* The command, or the script, of a process; "" if that cannot be told. */
void smem_command(uint64_t pid, char *buffer, size_t length);

/* Tell everything about one segment, and its first bytes: at most *length,
 * which is set to how many there were. `path` is the system's name for it.
 * Damaged ones can be inspected; SMEM_NOT_FOUND, SMEM_PERMISSION. */
smem_code smem_inspect(const char *id, void *bytes, size_t *length, char *path,
                       size_t path_length,
                       void (*visit)(const smem_entry *entry, void *context),
                       void *context, smem_error *error);

/* ---- reclaiming ---------------------------------------------------------- */

typedef enum smem_fate {
  SMEM_REMOVED, /* or would be, in a dry run */
  SMEM_KEPT_LIVE,
  SMEM_KEPT_UNKNOWN, /* not provably dead */
  SMEM_KEPT_FREED,   /* an orphan, but it lives until somebody frees it */
  SMEM_KEPT_DAMAGED,
  SMEM_KEPT_FOREIGN,
  SMEM_KEPT_BUSY,    /* somebody is at it */
  SMEM_KEPT_CHANGED, /* it was freed, or replaced, since we looked */
  SMEM_KEPT_SENT /* an object whose owner ended after sending it, not long ago
                  */
} smem_fate;

/* Remove what is provably nobody's: incomplete ones, orphans of the lifetime
 * SMEM_OF_PROCESS, and with `persistent` also those of SMEM_UNTIL_FREED. What
 * is still mapped by somebody only loses its name. `visit` is told of
 * everything in the namespace. */
smem_code smem_reclaim(bool dry_run, bool persistent,
                       void (*visit)(const smem_entry *entry, smem_fate fate,
                                     void *context),
                       void *context, smem_error *error);

/* Reclaim, not persistent, for about `nanoseconds`, beginning where the last
 * one of this namespace had to stop. Says nothing. */
void smem_reclaim_some(uint64_t nanoseconds);

/* ---- the machine --------------------------------------------------------- */

/* Everything of this package in the shared memory file system, of all
 * namespaces and users, by namespace, user and state. */
typedef struct smem_share {
  size_t size;
  const char *space; /* namespace */
  uint64_t user;
  smem_state state;
  uint64_t segments;
  uint64_t resident; /* bytes */
} smem_share;

/* Visit these sums, in no order. */
smem_code smem_shares(void (*visit)(const smem_share *share, void *context),
                      void *context, smem_error *error);

/* What will bite; UINT64_MAX where there is no such limit or it is not told. */
typedef struct smem_limits {
  size_t size;
  uint64_t capacity;      /* bytes of the shared memory file system */
  uint64_t used;          /* bytes of it, by whomever */
  uint64_t free;          /* bytes that an allocation can still get */
  char free_by[160];      /* what it is that limits them; "" likewise */
  uint64_t max_mappings;  /* per process */
  uint64_t mappings;      /* of this process */
  bool cleaned_at_logout; /* the system removes this user's objects then */
  char directory[SMEM_DIRECTORY_SIZE]; /* of the namespace; "": the usual one */
  char spill[SMEM_DIRECTORY_SIZE]; /* to which it spills; "": nothing was yet */
} smem_limits;
#define SMEM_LIMITS_INIT                                                       \
  { sizeof(smem_limits), 0, 0, 0, "", 0, 0, false, "", "" }
/* What limits shared memory on this machine. Does nothing if limits->size is
 * not set. */
void smem_limits_get(smem_limits *limits);

typedef enum smem_limit {
  SMEM_LIMIT_SMALL,    /* the usual file system is small, as in a container */
  SMEM_LIMIT_FULL,     /* the file system is nearly full */
  SMEM_LIMIT_MEMORY,   /* memory is shorter than the file system promises */
  SMEM_LIMIT_MAPPINGS, /* this process has nearly as many as it may have */
  SMEM_LIMIT_LOGOUT,   /* this user's objects are removed at the last logout */
  SMEM_LIMITS
} smem_limit;
/* Does it bite, now or soon? False also if limits->size is not set. */
bool smem_limit_bites(const smem_limits *limits, smem_limit which);
/* What it is called, and what helps against it, as constants for a user to
 * read; "" if there is no such limit. */
const char *smem_limit_name(smem_limit which);
const char *smem_limit_remedy(smem_limit which);

/* The name of a user, as "alice (uid 1000)". */
void smem_user_name(uint64_t user, char *buffer, size_t length);

/* The namespace of this process. SMEM_ARGUMENT if that of the environment is
 * not one. */
enum { SMEM_NAMESPACE_SIZE = 17 };
smem_code smem_own_namespace(char space[SMEM_NAMESPACE_SIZE],
                             smem_error *error);

/* The number of the last unnamed segment: 0 if there was none. */
smem_code smem_last_index(uint64_t *index, smem_error *error);

/* Join the namespace: take a presence in its control object, which is created
 * if there is none. smem_allocate() does it by itself. */
smem_code smem_join(smem_error *error);

/* Leave the namespace: give up what smem_join() took, but not as long as this
 * process owns a segment (by its presence others know that the owner lives) or
 * has one mapped (see smem_map()). After that, the namespace is read again at
 * the next use. */
smem_code smem_leave(smem_error *error);

/* End the use of the library, as the end of the process does: free the segments
 * of its lifetime, leave. Also called at exit() by itself. Does nothing in a
 * forked child that never joined. Mappings stay. */
void smem_stop(void);

#ifdef __cplusplus
}
#endif
#endif
