/* What must exist while many processes allocate, use and free the same segments
 * and some of them are killed: kept in anonymous memory, outside of what is
 * tested, without locks that a killed process could hold.
 *
 * A name, or an unnamed segment, is an `object`. It has two versions: one goes
 * up when a creation begins and when it has ended, the other one likewise for
 * removals. Whoever has seen it while a version stood still writes down a fact:
 * "at this version of the removals it was there, with this generation", or "at
 * this version of the creations it was absent". A fact holds as long as its
 * version stands, and whoever sees anything else then has found an error. What
 * a killed process had begun is over, with either outcome, when the process is
 * buried.
 */
#ifndef SHAREDMEMORY_TORTURE_MODEL_H
#define SHAREDMEMORY_TORTURE_MODEL_H

#include "../core/test.h"

enum {
  SLOTS = 8,   /* processes at a time */
  SHARED = 12, /* names that everybody creates and frees */
  PRIVATE = 3, /* names of each process, which others only look at */
  NAMES = SHARED + SLOTS * PRIVATE,
  POOL = 28, /* unnamed segments */
  OBJECTS = NAMES + POOL,
  HISTORY = 32,
  PIDS = 1 << 22
};

struct event {
  const char *what, *seen;
  uint32_t generation;
  uint64_t creating, removing;
  int slot;
};

struct object {
  char name[16]; /* "" for an unnamed one */
  int owner;     /* the only slot that changes it, or -1 */
  _Atomic int lifetime;
  _Atomic uint64_t number; /* of an unnamed one, 0 before it is known */
  _Atomic int holder; /* likewise: FREE, KNOWN, or the slot at work on it */
  _Atomic uint64_t creating, removing;
  _Atomic uint64_t present; /* version of removing, generation */
  _Atomic uint64_t absent;  /* version of creating, and 1 */
  _Atomic uint64_t creator; /* generation, slot, life; 0 if it is not known */
  atomic_uint events;
  struct event history[HISTORY]; /* to be told after a failure */
};
enum { FREE = -1, KNOWN = -2 };

struct slot {
  _Atomic uint32_t life; /* goes up before a life is ended from here or there */
  _Atomic uint32_t buried;  /* the last life that is over for certain */
  _Atomic uint64_t at_work; /* flags and object of what is under way */
  _Atomic uint64_t done;    /* operations */
  const char *_Atomic now;  /* the last one that was begun */
  _Atomic int pid;
};

struct model {
  struct object object[OBJECTS];
  struct slot slot[SLOTS];
  _Atomic uint64_t checks; /* of facts that held */
  atomic_bool stop;        /* workers are to end */
  bool kept;               /* somebody stays joined: numbers never come back */
  _Atomic uint64_t highest;
  _Atomic unsigned char *maybe; /* by pid: unnamed segments it may have left */
  _Atomic unsigned char *ended; /* by pid: it came to its normal end */
  _Atomic uint64_t *spent;      /* numbers handed out, a bit each */
};
extern struct model *model;
extern int self;          /* the slot of this process, or -1 */
extern uint32_t own_life; /* to be set before the process is forked */

void model_make(void);
struct object *object_at(int index);
/* Its id, into a buffer of SMEM_ID_MAX + 1; false if it has none now. */
bool object_id(const struct object *object, char *id);

/* ---- one operation on an object ------------------------------------------ */

/* RECLAIMS and RECLAIMS_ALL are done to all objects. */
enum { LOOKS = 0, CREATES = 1, REMOVES = 2, RECLAIMS = 4, RECLAIMS_ALL = 8 };

enum seen {
  SEEN_NOTHING, /* it tells nothing */
  SEEN_ABSENT,  /* also: it was freed */
  SEEN_PRESENT, /* and it was there before */
  SEEN_MADE,    /* there, and it was not before */
  SEEN_EITHER   /* there, made or found */
};

struct watch {
  struct object *object;
  const char *what;
  int flags;
  uint64_t creating, removing; /* as they were in the beginning */
  uint32_t present;            /* the generation, if that was a fact then */
  bool absent;                 /* if that was a fact then */
};

void watch_begin(struct watch *watch, struct object *object, const char *what,
                 int flags);
/* The generation of what was seen, 0 if that is not known. */
void watch_end(struct watch *watch, enum seen seen, uint64_t generation);
/* What must be seen, without an end: of looks at many objects. */
enum seen watch_expects(const struct watch *watch);

uint32_t brief(uint64_t generation);
bool creator_lives(const struct object *object, uint32_t generation);
bool creator_is_buried(const struct object *object, uint32_t generation);

/* A removal of what dead processes have left, or of what this one leaves. */
void reclaim_begin(int flags);
void reclaim_end(int slot);

/* The process in this slot is no more. Unnamed segments that it was making may
 * be there. */
void bury(int slot);

/* A number was handed out: never for the second time. */
void number_spent(uint64_t number);
void numbers_forget(void);

/* With the history of the object. */
__attribute__((format(printf, 2, 3), noreturn)) void
object_fail(struct object *object, const char *format, ...);

/* ---- contents ---------------------------------------------------------------
 *
 * The first 512 bytes tell the generation, what follows from 1024 on the id. A
 * byte that nobody has written yet is 0. */
enum { WORDS = 64, TEXT = 1024 };
uint64_t mix(uint64_t x);
uint64_t word_of(uint64_t generation, int i);
unsigned char byte_of(const char *id, uint64_t offset);

#endif
