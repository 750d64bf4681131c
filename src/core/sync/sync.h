/* Writing together. One part per file. */
#ifndef SHAREDMEMORY_CORE_SYNC_H
#define SHAREDMEMORY_CORE_SYNC_H

#include "../segment/segment.h"

#include <stdatomic.h>

/* ---- words --------------------------------------------------------------- */

/* Who, in a word: the tag of its control object's generation (bits 63 to 40),
 * its presence there (39 to 4), and room for flags. */
#define SYNC_WHO(word) ((word) & ~(uint64_t)15)

/* Beside who has the lock. */
enum {
  LOCK_WRITERS = 1, /* somebody may sleep for exclusive */
  LOCK_READERS = 2, /* somebody may sleep for shared */
  LOCK_DIRTY = 4,   /* a holder died, nobody has said "repaired" since */
  LOCK_DRAINING = 8 /* the holder waits for readers, and is not in yet */
};
/* Beside who has a slot: waits, for whatever it is. */
enum { SLOT_WAITS = 1 };

/* The lock of a segment: `live` in its footer. All zero: free, never used. */
enum { LOCK_SLOTS = 38 };
struct lock_words {
  _Atomic uint64_t word;
  _Atomic uint64_t since;  /* nanoseconds since 1970; 0: not told */
  _Atomic uint64_t holder; /* half its presence, half its pid */
  _Atomic uint32_t high;   /* slots from here on never had a reader */
  _Atomic uint32_t drain;  /* what a draining holder sleeps on */
  _Atomic uint64_t dead_pid, dead_at; /* the last one that died inside */
  uint64_t spare[2];
  _Atomic uint64_t slot[LOCK_SLOTS]; /* readers from below, who waits from
                                        above */
};

static inline struct lock_words *sync_words_of(struct footer *footer) {
  return (struct lock_words *)(void *)footer->live;
}

/* The half of a word that futexes know. */
static inline _Atomic uint32_t *sync_low(_Atomic uint64_t *word) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return (_Atomic uint32_t *)(void *)word + 1;
#else
  return (_Atomic uint32_t *)(void *)word;
#endif
}

/* Every step that touches what processes share. In test builds a process may be
 * ended or stopped before any of them. */
#ifdef SHAREDMEMORY_TEST_SYSCALLS
extern void (*smem__sync_step)(void);
extern void (*smem__sync_steals)(uint64_t from); /* with a lock, perhaps */
extern void (*smem__sync_stole)(uint64_t from, bool inside); /* it has */
#define SYNC_STEP() (smem__sync_step ? smem__sync_step() : (void)0)
#define SYNC_STEALS(from)                                                      \
  (smem__sync_steals ? smem__sync_steals(from) : (void)0)
#define SYNC_STOLE(from, inside)                                               \
  (smem__sync_stole ? smem__sync_stole(from, inside) : (void)0)
#else
#define SYNC_STEP() ((void)0)
#define SYNC_STEALS(from) ((void)0)
#define SYNC_STOLE(from, inside) ((void)0)
#endif
#define sync_load(at) (SYNC_STEP(), atomic_load(at))
#define sync_store(at, value) (SYNC_STEP(), atomic_store(at, value))
#define sync_swap(at, value) (SYNC_STEP(), atomic_exchange(at, value))
#define sync_add(at, value) (SYNC_STEP(), atomic_fetch_add(at, value))
#define sync_or(at, value) (SYNC_STEP(), atomic_fetch_or(at, value))
#define sync_and(at, value) (SYNC_STEP(), atomic_fetch_and(at, value))
/* *seen becomes what was there. */
#define sync_cas(at, seen, value)                                              \
  (SYNC_STEP(), atomic_compare_exchange_strong(at, seen, value))

/* ---- words.c ------------------------------------------------------------- */

/* This process, as in a word; 0: it has not joined yet. */
extern _Atomic uint64_t smem__sync_own;
/* Is it held, in whichever mode, under this name of a process? */
bool smem__lock_is_held(struct lock_words *words, uint64_t who);

/* ---- party.c: who takes part, who is dead -------------------------------- */

/* Join if need be, and get that. It may change at any time: whoever has entered
 * himself under it looks whether it is still the same, and withdraws if not. */
smem_code smem__sync_join(const struct call *call, uint64_t *who);
/* The same, but finds out first whether the control object is still there. For
 * who is about to wait. */
void smem__sync_look(const struct call *call);
/* Is it proved? Never of this process. */
bool smem__sync_is_dead(uint64_t who);
/* Who this process was before the control object was lost, the latest first; 0:
 * no more. And is that, or who it is now, the one? */
uint64_t smem__sync_former(unsigned i);
bool smem__sync_is_ours(uint64_t who);
void smem__sync_forget_all(void);
extern _Atomic uint32_t smem__sync_pid; /* this process's, once it has joined */

/* Does anybody who may live have, or wait for, what is in these words? For
 * whom only looks: `control` may be NULL. */
bool smem__sync_may_live(const struct control *control, uint64_t who);

/* ---- waiting.c ----------------------------------------------------------- */

/* One call that may have to wait. Where it sleeps it is on record in the slots
 * of the segment, as far as there are any. */
struct waiting {
  const struct call *call;
  struct lock_words *words;
  uint64_t deadline, pause; /* nanoseconds */
  uint64_t timeout, who;
  unsigned spins;
  int slot;
  bool slept; /* it may have got a wake that was meant for one of several */
  bool look;  /* it is time to see who is dead */
  bool tried; /* for the last time: the deadline has passed */
};
void smem__waiting_begin(struct waiting *waiting, const struct call *call,
                         struct lock_words *words, uint64_t timeout);
/* A short while without the system, before the first sleep: try again? */
bool smem__waiting_spin(struct waiting *waiting);
/* Sleep while *at is `value`. SMEM_TIMEOUT, SMEM_INTERRUPTED. */
smem_code smem__waiting_sleep(struct waiting *waiting, _Atomic uint32_t *at,
                              uint32_t value, uint32_t bits);
void smem__waiting_end(struct waiting *waiting);

/* Bits of smem__os_wait(): of many only one is to be woken; or all. */
enum { WAKE_ONE = 1, WAKE_ALL = 2 };

/* ---- latch.c ------------------------------------------------------------- */

/* What this process holds stands here, with the thread: no list that a thread
 * has is as cheap, for where that is must be looked up in a library that is
 * loaded later. A thread that has the number of one that ended with a lock has
 * that lock. */
struct smem_latch {
  struct lock_words *words;
  struct smem_latch *next;
  void *page; /* what is mapped */
  uint64_t generation;
  _Atomic unsigned users, most; /* of `hold`, the last one ever used */
  _Atomic bool readers;         /* it had some, of whichever process */
  struct hold {
    _Atomic uintptr_t thread; /* of this process; 0: none */
    uint64_t who;             /* under which presence */
  } hold[1 + LOCK_SLOTS];     /* exclusively; in each slot */
  struct space space;
  char id[SMEM_ID_MAX + 1];
};

/* What this thread holds of it. NULL: nothing. */
struct hold *smem__latch_hold(smem_latch *latch, uintptr_t thread);
/* Nobody has it open any more; does this process hold it? If not, it goes. */
void smem__latch_settle(smem_latch *latch);
/* Has this process any lock open? Does it hold one? */
bool smem__latch_any(void);
bool smem__latch_any_held_here(void);
/* Is any lock held by this process, under this name of it? */
bool smem__latch_any_held(uint64_t who);

/* ---- lock.c -------------------------------------------------------------- */

/* What a list tells of the lock of an open segment. */
void smem__lock_describe(const struct control *control,
                         const struct segment *segment, smem_entry *entry);

/* ---- opening.c: segments that are a semaphore, an event or a barrier ----- */

struct smem_sync {
  struct lock_words *words; /* of its own segment */
  void *address;
  uint64_t total; /* bytes mapped */
  smem_sync_kind kind;
  uint32_t count;
  int party;         /* of a barrier: our place; -1: none yet */
  uint64_t who, pid; /* under which presence, in which process we took it */
  smem_reference reference;
};

/* Is it of this kind? Otherwise a call would look where another has other
 * words.
 */
smem_code smem__sync_is(const struct call *call, const smem_sync *sync,
                        smem_sync_kind kind);

/* At the start of the payload. All zero but for `what`: as it begins. */
struct sync_head {
  _Atomic uint64_t what; /* kind and count */
  uint64_t spare[7];
};
struct semaphore_words {
  struct sync_head head;
  _Atomic uint32_t changes; /* bit 0: somebody may sleep on it */
  uint32_t spare[15];
  _Atomic uint64_t slot[]; /* who has each permit */
};
struct event_words {
  struct sync_head head;
  _Atomic uint64_t state; /* bit 0: set; 1: somebody may sleep; how often it was
                             set */
};
struct barrier_words {
  struct sync_head head;
  _Atomic uint64_t round; /* bit 0: broken; which one */
  uint64_t spare[7];
  struct party {
    _Atomic uint64_t who, arrived; /* at which round */
  } party[];
};

/* Does a live process take part in this segment, or may it? */
bool smem__sync_in_use(const struct control *control,
                       const struct segment *segment);
/* How many this process has open. */
extern _Atomic uint64_t smem__sync_open_now;

/* ---- for life.c ---------------------------------------------------------- */

void smem__sync_start(void);
void smem__sync_before_fork(void);
void smem__sync_after_fork(void);
void smem__sync_in_child(void);
/* Stay joined no longer for what is here. False, and nothing is changed: this
 * process holds something. With `must` whatever it holds. */
bool smem__sync_leave(bool must);

void smem__party_start(void);
void smem__party_before_fork(void);
void smem__party_after_fork(void);
void smem__party_in_child(void);
/* Be nobody from now on; or again who one was. The reference is the caller's
 * meanwhile, and may be NULL. */
struct control *smem__party_withdraw(uint64_t *was);
void smem__party_return(struct control *control, uint64_t was);

void smem__latch_start(void);
void smem__latch_before_fork(void);
void smem__latch_after_fork(void);
void smem__latch_in_child(void);

#endif
