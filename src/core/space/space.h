/* The namespace: names, what there is, who is here. One part per file. */
#ifndef SHAREDMEMORY_CORE_SPACE_H
#define SHAREDMEMORY_CORE_SPACE_H

#include "../base/base.h"

/* ---- name.c --------------------------------------------------------------- */

/* Room for any name of an object: "smem-control." or "smem.", a namespace, a
 * dot, an id, and the terminator. */
enum { NAMESPACE_MAX = 16, NAME_SIZE = 13 + NAMESPACE_MAX + 1 + SMEM_ID_MAX + 1 };

struct name {
  char text[NAME_SIZE];
};

/* The namespace, which is that of the environment at the first use. */
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

void name_start(void);
void name_before_fork(void);
void name_after_fork(void);

/* ---- walk.c ------------------------------------------------------------------- */

/* Called with each name and what is behind the prefix, until it returns false. */
typedef bool visit_name(const char *name, const char *id, void *context);
/* The objects of the namespace. Interruptible. */
smem_code walk_own(const struct call *call, visit_name *visit, void *context);
/* Passing over the first `skip`; *seen counts them. */
smem_code walk_own_from(const struct call *call, uint64_t skip,
                        visit_name *visit, void *context, uint64_t *seen);
/* Those of all namespaces; the `id` begins with the namespace then. */
smem_code walk_all(const struct call *call, visit_name *visit, void *context);
/* Is there any object of the namespace? */
smem_code walk_any(const struct call *call, bool *any);
/* The highest number among the ids present, as far as the counter may have
 * handed it out: 0 if there is none. */
smem_code walk_highest_number(const struct call *call, uint64_t *highest);

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

/* ---- owner.c ------------------------------------------------------------------- */

/* Who has made a segment, as its footer tells. */
struct owner {
  uint64_t control_generation; /* the presence is in this control object */
  uint64_t presence;           /* it holds the lock on this byte */
  uint64_t token;              /* its struct process */
  uint64_t pid, pid_start, pid_space;
};

/* Does the owner of a complete segment live? `control` may be NULL: then by the
 * process that it names. SMEM_LIVE, SMEM_ORPHAN, SMEM_UNKNOWN. */
smem_state owner_state(const struct control *control, const struct owner *owner);

#endif
