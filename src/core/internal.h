/* What the files of the core share with each other, one part per file. */
#ifndef SHAREDMEMORY_CORE_INTERNAL_H
#define SHAREDMEMORY_CORE_INTERNAL_H

#include "../os/os.h"
#include "smem.h"

/* ---- error.c ------------------------------------------------------------ */

/* Which call on which segment is under way: what an error record starts with. */
struct call {
  const char *op;
  const char *id; /* "" if none */
  uint64_t element; /* of a vectorised call, from 1, or 0 */
  smem_error *error;
  bool must_finish; /* cleaning up: do not ask for interrupts */
};

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
smem_code
fail(const struct call *call, smem_code code, int number, const char *format,
     ...);
smem_code fail_os(const struct call *call, os_status status, const char *what);
/* For an object of the namespace: says whose it is, or what. */
smem_code fail_object(const struct call *call, os_status status,
                      const char *name);
/* Has os_object_stat() filled its os_info? */
bool os_stat_told(os_code code);
/* Of what os_object_stat() gave: does it say that another user is the owner? */
bool is_anothers(os_status status, const os_info *info);
smem_code fail_owner(const struct call *call, const char *name, uint64_t user);
smem_code fail_no_file_system(const struct call *call, os_status status);
smem_code fail_no_memory(const struct call *call);

/* ---- name.c --------------------------------------------------------------- */

/* Room for any name of an object: "smem-control." or "smem.", a namespace, a
 * dot, an id, and the terminator. */
enum { NAMESPACE_MAX = 16, NAME_SIZE = 13 + NAMESPACE_MAX + 1 + SMEM_ID_MAX + 1 };

struct name {
  char text[NAME_SIZE];
};

/* The namespace, which is read from the environment at the first use. */
struct space {
  char text[NAMESPACE_MAX + 1];
};
smem_code namespace_get(const struct call *call, struct space *space);
void namespace_forget(void);

smem_code name_of_segment(const struct call *call, struct name *name);
smem_code name_of_control(const struct call *call, struct name *name);
/* "smem.<namespace>.": what the names of all segments begin with. */
smem_code name_prefix(const struct call *call, struct name *name);
/* The same for a namespace of choice. */
void name_of_control_in(const char *space, struct name *name);
void name_of_segment_in(const char *space, const char *id, struct name *name);
/* Does it obey the grammar of namespaces? */
bool name_is_space(const char *text);
/* Take "smem.<namespace>.<id>" apart. False if that is not its form. */
bool name_split(const char *name, struct space *space, const char **id);

/* Turn what a terminal would obey, and what is not text, into question marks: names
 * come from anybody. */
void name_defuse(char *text);

/* The hash of some bytes before and of these. */
#define HASH_NOTHING UINT64_C(0xCBF29CE484222325)
uint64_t hash_more(uint64_t hash, const void *bytes, size_t length);
uint64_t hash_text(const char *text);

void name_start(void);
void name_before_fork(void);
void name_after_fork(void);

/* ---- process.c ------------------------------------------------------------ */

/* This process, as footers name the owner. `token` is random: no other process
 * has it, a forked child has its own. */
struct process {
  os_process os;
  uint64_t token;
};
const struct process *process_self(void);

/* Different at every call, in this process and against all others. Never 0. */
uint64_t process_random(void);

bool process_interrupted(void);
/* Nanoseconds to wait for somebody else before giving up. */
uint64_t process_timeout(void);

/* Remember that a segment with this process's lifetime was made. */
void process_owes_free(void);

/* ---- footer.c --------------------------------------------------------------- */

enum { FOOTER_SIZE = 1024, FOOTER_VERSION = 2 };

/* The last FOOTER_SIZE bytes of a segment's object. Written once, before the
 * segment is visible, and never changed. Native byte order: it never leaves the
 * machine. The reserved bytes are zero. */
struct footer {
  uint64_t magic;
  uint32_t version;
  uint32_t flags;       /* FOOTER_NAMED */
  uint64_t requested;   /* bytes asked for */
  uint64_t total;       /* bytes of the object: payload, padding, footer */
  uint64_t generation;  /* random: no two segments have the same */
  uint64_t control_generation; /* the owner's presence: in this control object */
  uint64_t presence;           /* it holds the lock on this byte */
  uint64_t token;       /* the owner's struct process */
  uint64_t pid;
  uint64_t pid_start;
  uint64_t pid_space;
  uint64_t created;     /* nanoseconds since 1970 */
  uint32_t lifetime;    /* smem_lifetime */
  uint32_t spare;
  char id[256];         /* in full, also where the system hashes names */
  char tag[64];         /* for finding leaks: free text */
  char trace[256];      /* likewise: the call that allocated */
  char reserved[FOOTER_SIZE - 13 * 8 - 256 - 64 - 256 - 8];
  uint64_t checksum;    /* never 0 */
};

enum { FOOTER_NAMED = 1 };

void footer_seal(struct footer *footer);
/* NULL if the footer is one of ours, whole, and of the segment `id` in an object
 * of `total` bytes; otherwise what is wrong, as a constant. */
const char *footer_check(const struct footer *footer, const char *id,
                         uint64_t total);

/* ---- lock.c ----------------------------------------------------------------- */

/* Bytes of the control object that stand for things to lock. They lie far
 * behind its end, in ranges that cannot meet. */
#define LOCK_GATE ((uint64_t)1 << 55)
#define LOCK_PRESENCE ((uint64_t)1 << 56) /* + presence number */
#define LOCK_PRESENCES ((uint64_t)1 << 55)
#define LOCK_NUMBER ((uint64_t)1 << 57) /* + number of an unnamed segment */
#define LOCK_NAME ((uint64_t)1 << 58)   /* + hash of a name */

/* Where the name lock of an id is. */
uint64_t lock_of_id(const char *id);

/* One held lock; lives on the holder's stack. */
struct lock {
  os_object control;
  uint64_t offset, length;
  struct lock *next;
};

/* Take it, against other processes and against other threads of this one. Waits
 * at most process_timeout(): SMEM_BUSY; interruptible. Do not hold a mutex. */
smem_code lock_take(const struct call *call, os_object control, uint64_t offset,
                    uint64_t length, struct lock *lock);
/* The same without waiting: OS_BUSY. */
os_status lock_try(os_object control, uint64_t offset, struct lock *lock);
void lock_drop(struct lock *lock);
/* Between two attempts at what somebody else has: SMEM_BUSY after
 * process_timeout(), SMEM_INTERRUPTED. `patience` begins as zeros. */
struct patience {
  uint64_t deadline, pause; /* nanoseconds */
};
smem_code lock_wait(const struct call *call, struct patience *patience);
/* Does anybody hold it: another process, or a thread of this one? */
bool lock_is_held(os_object control, uint64_t offset);
void lock_start(void);
void lock_in_child(void);

/* ---- control.c -------------------------------------------------------------- */

/* A row of numbers that are being created: see claim.c. A line of the cache. */
struct claim_entry {
  _Atomic uint64_t presence; /* whose; 0: nobody's */
  _Atomic uint64_t first, count;
  uint64_t reserved[5];
};

/* Native byte order. `magic` is written last. */
enum { CLAIMS = 63 };
struct control_page {
  _Atomic uint64_t magic;
  _Atomic uint64_t version;
  _Atomic uint64_t generation; /* random: tells it from others of this name */
  _Atomic uint64_t number;     /* the last one for an unnamed segment */
  _Atomic uint64_t presence;   /* the last one handed out */
  _Atomic uint64_t reclaimed;  /* see control_reclaim_position() */
  _Atomic uint64_t guarded;    /* up to this number locks are taken too */
  uint64_t reserved;
  struct claim_entry claims[CLAIMS];
};

/* The namespace's control object as this process has it open. */
struct control {
  os_object file;
  struct control_page *page; /* NULL if control_peek() found none of use */
  uint64_t generation;       /* 0 likewise */
  uint64_t presence;         /* 0 if opened by control_peek() */
  unsigned references;
  struct control *next;
};

/* A reference to the joined control object, which is joined if need be. */
smem_code control_join(const struct call *call, struct control **control);
/* The joined one, or an opening without presence, or NULL when there is none:
 * never creates it. */
smem_code control_peek(const struct call *call, struct control **control);
/* That of another namespace; NULL also if it is not ours or cannot be used. */
struct control *control_peek_in(const struct call *call, const char *space);
void control_release(struct control *control);

/* Has nobody removed or damaged it? False also without a page. Once true after
 * something was done under a lock of it, that lock was honoured by everybody all
 * along: an unlinked object is never linked again. */
bool control_is_intact(const struct control *control);
/* Does the process with this presence live? True also of our own, and if it cannot
 * be told. */
bool control_presence_lives(const struct control *control, uint64_t presence);

/* The first of `count` numbers in a row for unnamed segments. */
smem_code control_take_numbers(const struct call *call, struct control *control,
                               uint64_t count, uint64_t *first);
uint64_t control_last_number(const struct control *control);
/* Never again hand out numbers up to this one, whatever becomes of the control
 * object: this process knows of a segment that has it. */
void control_remember_number(uint64_t number);
/* Of a namespace that is left for another. */
void control_forget_numbers(void);
/* A reference to the joined one, NULL if this process is not joined. Cheap: does not
 * look whether the object is intact. */
struct control *control_reference(void);

/* Where the last bounded reclaim of the namespace stopped: how many objects it
 * had passed. NULL if the page cannot be used. */
_Atomic uint64_t *control_reclaim_position(struct control *control);

/* To be called by who has made or mapped a segment, before the reference is given
 * back under which it was done; and how often it was. */
void control_used(void);
uint64_t control_uses(void);

/* Give up the presence, and remove the object after the last process and the
 * last segment. False, and nothing is changed: another thread is using it, or has
 * since control_uses() was `before`, so there may be something to stay for. */
bool control_leave(const struct call *call, uint64_t before);

void control_start(void);
void control_before_fork(void);
void control_after_fork(void);
void control_in_child(void);

/* ---- claim.c ------------------------------------------------------------------- */

/* The lock of call->id: lock_take(), and no unnamed segment of this number is being
 * created. To be dropped by lock_drop(). What is found incomplete then has a dead
 * creator, if the control object is intact. */
smem_code claim_lock(const struct call *call, const struct control *control,
                     struct lock *lock);
/* The same without waiting. */
bool claim_try_lock(const struct control *control, const char *id,
                    struct lock *lock);
/* Is the id a number that somebody who lives has claimed? */
bool claim_covers(const struct control *control, const char *id);

/* The right to create unnamed segments. It begins as zeros. */
struct claim {
  struct control *control;
  struct claim_entry *entry; /* NULL: there is none to be given up */
  uint64_t first, count;     /* what we wrote there */
  struct lock lock;          /* in place of the claim, if it is_locked */
  bool is_locked;
  bool lost; /* the control object, while waiting: nothing may be created */
};

/* Of a control object that is intact. */
smem_code claim_begin(const struct call *call, struct control *control,
                      struct claim *claim);
/* The first of `count` new numbers in a row, in place of those before. The control
 * object is intact. */
smem_code claim_numbers(const struct call *call, struct claim *claim,
                        uint64_t count, uint64_t *first);
/* Give it up. `intact`: is the control object? False if the claim cannot be relied
 * on to have been seen by everybody all along. */
bool claim_end(struct claim *claim, bool intact);

/* ---- segment.c ---------------------------------------------------------------- */

/* An open segment whose footer was checked. */
struct segment {
  struct name name;
  os_object object;
  os_info info;
  struct footer footer;
};

uint64_t segment_capacity(const struct footer *footer);

/* Open call->id, waiting for a creator at work. SMEM_NOT_FOUND, SMEM_CORRUPT ...
 * The caller closes the object. */
smem_code segment_open(const struct call *call, bool writable,
                       struct segment *segment);

/* The same without waiting, for `name` as it stands. OS_INCOMPLETE and
 * OS_NOT_FOUND go to *status, with SMEM_OK and nothing open. */
smem_code segment_try_open(const struct call *call, bool writable,
                           struct segment *segment, os_status *status);

/* Map the whole object. SMEM_NO_MEMORY, SMEM_TOO_MANY_MAPS; SMEM_UNSUPPORTED
 * where the system cannot map SMEM_PRIVATE. */
smem_code segment_map(const struct call *call, const struct segment *segment,
                      smem_access access, void **address);

/* Remove call->id if it still is the segment of this generation. */
void segment_remove_generation(const struct call *call,
                               struct control *control, uint64_t generation);

/* ---- owner.c ------------------------------------------------------------------- */

/* Does the owner of a complete segment live? `control` may be NULL: then by the
 * process that the footer names. SMEM_LIVE, SMEM_ORPHAN, SMEM_UNKNOWN. */
smem_state owner_state(const struct control *control,
                       const struct footer *footer);

/* ---- list.c ------------------------------------------------------------------- */

/* Is there any object of the namespace? */
smem_code list_any(const struct call *call, bool *any);
/* The highest number among the ids present, as far as the counter may have
 * handed it out: 0 if there is none. */
smem_code list_highest_number(const struct call *call, uint64_t *highest);
/* Does this process own a segment? */
smem_code list_owned(const struct call *call, bool *any);
/* What bears this name, as smem_list() tells it. The segment is left open if
 * *opened. False: there is nothing any more, or it is only being created. */
bool list_examine(const struct control *control, const char *name,
                  const char *id, smem_entry *entry, struct segment *segment,
                  bool *opened);
/* Visit the objects whose names begin with `prefix` until `visit` returns false,
 * passing over the first `skip`; *seen counts them. Interruptible. */
smem_code list_walk(const struct call *call, const char *prefix, uint64_t skip,
                    bool (*visit)(const char *name, void *context),
                    void *context, uint64_t *seen);
/* Remove the segments with the lifetime of this process. */
smem_code list_free_owned(const struct call *call, struct control *control);

/* ---- mapping.c ---------------------------------------------------------------- */

void mapping_start(void);
void mapping_before_fork(void);
void mapping_after_fork(void);
void mapping_in_child(void);
bool mapping_any(void);

#endif
