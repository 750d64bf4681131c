/* The namespace: names, what there is, who is here. One part per file. */
#ifndef SHAREDMEMORY_CORE_SPACE_H
#define SHAREDMEMORY_CORE_SPACE_H

#include "../base/base.h"

/* ---- name.c -------------------------------------------------------------- */

/* Room for any name of an object: a directory and "/", "smem-control." or
 * "smem.", a namespace, a dot, an id, and the terminator. */
enum {
  NAMESPACE_MAX = 16,
  NAME_SIZE = SMEM_DIRECTORY_MAX + 1 + 13 + NAMESPACE_MAX + 1 + SMEM_ID_MAX + 1
};

struct name {
  char text[NAME_SIZE];
};

/* The namespace, which is that of the environment at the first use, and the
 * directory where its objects lie; "": where the system has them. */
struct space {
  char text[NAMESPACE_MAX + 1];
  char directory[SMEM_DIRECTORY_SIZE];
};
smem_code smem__namespace_get(const struct call *call, struct space *space);
/* The same; all "" if it cannot be chosen. */
struct space smem__space_own(void);
bool smem__space_is_same(const struct space *a, const struct space *b);
/* Is it this process's? Chooses that if need be. */
bool smem__space_is_own(const struct space *space);
void smem__namespace_forget(void);
/* The directory to which the namespace spills, as far as this process knows;
 * false: it knows of none. The first that it is told of stays. */
bool smem__spill_known(char directory[SMEM_DIRECTORY_SIZE]);
void smem__spill_know(const char *directory);

smem_code smem__name_of_segment(const struct call *call, struct name *name);
smem_code smem__name_of_control(const struct call *call, struct name *name);
/* "smem.<namespace>.": what the names of all segments begin with. */
smem_code smem__name_prefix(const struct call *call, struct name *name);
/* The same for a namespace of choice. */
void smem__name_of_control_in(const struct space *space, struct name *name);
void smem__name_of_segment_in(const struct space *space, const char *id,
                              struct name *name);
/* Does it obey the grammar of namespaces? */
bool smem__name_is_space(const char *text);
/* Take "smem.<namespace>.<id>", which may be in a directory, apart. False if
 * that is not its form. What was spilled belongs to the namespace all the same:
 * its directory is the namespace's. */
bool smem__name_split(const char *name, struct space *space, const char **id);

void smem__name_start(void);
void smem__name_before_fork(void);
void smem__name_after_fork(void);

/* ---- directory.c --------------------------------------------------------- */

/* Does the text obey the grammar of directories? "" does. */
bool smem__directory_is_valid(const char *text);
/* The directory that `variable` asks for, if objects may lie there. */
smem_code smem__directory_choose(const struct call *call, const char *variable,
                                 const char *asked,
                                 char directory[SMEM_DIRECTORY_SIZE]);

/* ---- referred.c ---------------------------------------------------------- */

/* Where to look for what is referred to; never a directory that may not be. */
void smem__space_referred(const smem_reference *reference, struct space *space);

/* ---- walk.c -------------------------------------------------------------- */

/* Called with each name and what is behind the prefix, until it returns false.
 */
typedef bool visit_name(const char *name, const char *id, void *context);
/* The objects of the namespace. Interruptible. */
smem_code smem__walk_own(const struct call *call, visit_name *visit,
                         void *context);
/* Passing over the first `skip`; *seen counts them. */
smem_code smem__walk_own_from(const struct call *call, uint64_t skip,
                              visit_name *visit, void *context, uint64_t *seen);
/* Those of all namespaces; the `id` begins with the namespace then. */
smem_code smem__walk_all(const struct call *call, visit_name *visit,
                         void *context);
/* Is there any object of the namespace? */
smem_code smem__walk_any(const struct call *call, bool *any);
/* The highest number among the ids present, as far as the counter may have
 * handed it out: 0 if there is none. */
smem_code smem__walk_highest_number(const struct call *call, uint64_t *highest);

/* ---- opening.c ----------------------------------------------------------- */

/* What this process holds to make or to remove it. On the stack, or in a
 * writer. */
struct opening {
  os_object object;
  struct opening *next;
};

/* smem__os_object_create(), _make() and _claim(). What was opened is closed by
 * one of those below. */
os_status smem__opening_create(struct opening *opening, const char *name,
                               uint64_t size);
os_status smem__opening_make(struct opening *opening, const char *name,
                             uint64_t size);
os_status smem__opening_claim(struct opening *opening, const char *name,
                              os_info *info);
/* Likewise, of what a dead creator may have left. OS_BUSY: held for so long
 * that its holder does not only look at it. */
os_status smem__opening_claim_idle(struct opening *opening, const char *name,
                                   os_info *info);
/* Or the parent's of this process: there is nothing to do with it here. */
bool smem__opening_is_own(const struct opening *opening);
void smem__opening_close(struct opening *opening);
/* smem__os_object_unmake() */
void smem__opening_unmake(struct opening *opening, const char *name);
/* Remove what is held, and close it. */
os_status smem__opening_remove(struct opening *opening, const char *name);
/* Remove what a dead creator left under this name, if it is that. */
void smem__opening_clean(const char *name);

void smem__opening_start(void);
void smem__opening_before_fork(void);
void smem__opening_after_fork(void);
void smem__opening_in_child(void);

/* ---- control.c ----------------------------------------------------------- */

/* Bytes of the control object that stand for presences. They lie far behind its
 * end. */
#define LOCK_PRESENCE ((uint64_t)1 << 56) /* + presence number */
#define LOCK_PRESENCES ((uint64_t)1 << 55)
#define LOCK_SPILL ((uint64_t)1 << 54) /* who writes the directory */

/* One page per namespace: what all processes share. Native byte order. Written
 * once, all of it, before anybody can see it. */
struct control_page {
  _Atomic uint64_t magic;
  _Atomic uint64_t version;
  _Atomic uint64_t generation;  /* random: tells it from others of this name */
  _Atomic uint64_t number;      /* the last one for an unnamed segment */
  _Atomic uint64_t presence;    /* the last one handed out */
  _Atomic uint64_t reclaimed;   /* see smem__control_reclaim_position() */
  _Atomic uint64_t spill_check; /* of what follows; 0: there is none yet */
  char spill[SMEM_DIRECTORY_SIZE]; /* written once, before its checksum is */
};

/* The namespace's control object as this process has it open. */
struct control {
  os_object file;
  struct control_page
      *page;           /* NULL if smem__control_peek() found none of use */
  uint64_t generation; /* 0 likewise */
  uint64_t presence;   /* 0 if opened by smem__control_peek() */
  unsigned references;
  struct control *next;
};

void smem__control_release(struct control *control);

/* Has nobody removed or damaged it? False also without a page. */
bool smem__control_is_intact(const struct control *control);

/* Where the last bounded reclaim of the namespace stopped: how many objects it
 * had passed. NULL if the page cannot be used. */
_Atomic uint64_t *smem__control_reclaim_position(struct control *control);

/* The directory to which its namespace spills; false: there is none. What is
 * not good is not believed. */
bool smem__control_spill(const struct control *control,
                         char directory[SMEM_DIRECTORY_SIZE]);
/* It spills to this one from now on, unless there is one already. */
smem_code smem__control_set_spill(const struct call *call,
                                  struct control *control,
                                  const char *directory);

void smem__control_start(void);
void smem__control_before_fork(void);
void smem__control_after_fork(void);
void smem__control_in_child(void);

/* ---- number.c ------------------------------------------------------------ */

/* The first of `count` numbers in a row for unnamed segments. */
smem_code smem__numbers_take(const struct call *call, struct control *control,
                             uint64_t count, uint64_t *first);
/* Has the counter handed out this number? */
bool smem__number_is_used(const struct control *control, uint64_t number);
/* Never again hand out numbers up to this one, whatever becomes of the control
 * object: this process knows of a segment that has it. */
void smem__number_remember(uint64_t number);
/* Is it among those? Then it will never be another segment's. */
bool smem__number_is_known(uint64_t number);
/* Of a namespace that is left for another. */
void smem__numbers_forget(void);

/* ---- presence.c ---------------------------------------------------------- */

/* A reference to the joined control object, which is joined if need be; NULL if
 * that fails. */
smem_code smem__presence_join(const struct call *call,
                              struct control **control);
/* A reference to the joined one, NULL if this process is not joined. Cheap:
 * does not look whether the object is intact. */
struct control *smem__presence_reference(void);
/* The joined one, or an opening without presence, or NULL when there is none:
 * never creates it. */
smem_code smem__control_peek(const struct call *call, struct control **control);
/* That of another namespace; NULL also if it is not ours or cannot be used. */
struct control *smem__control_peek_in(const struct call *call,
                                      const struct space *space);

/* To be called by whoever has made or mapped a segment, before the reference is
 * given back under which it was done; and how often it was. */
void smem__presence_count_act(void);
uint64_t smem__presence_acts(void);

/* To be called by whoever has freed a segment. */
void smem__presence_note_free(void);

/* Give up the presence, and remove the object after the last process and the
 * last segment. False, and nothing is changed: another thread is using it, or
 * has since smem__presence_acts() was `before`, so there may be something to
 * stay for. */
bool smem__presence_leave(const struct call *call, uint64_t before);

/* Before smem__control_in_child(). */
void smem__presence_in_child(void);

/* ---- spill.c ------------------------------------------------------------- */

/* The directory to which a namespace spills; false: there is none yet. */
bool smem__spill_find(const struct call *call, const struct space *space,
                      char directory[SMEM_DIRECTORY_SIZE]);
/* The name of a segment where it lies. What there is not would lie where all
 * others do. */
smem_code smem__name_find(const struct call *call, struct name *name);
/* Its name where the namespace spills to, whether it is there or not; false:
 * the namespace does not spill. */
bool smem__name_there(const struct call *call, struct name *name);
bool smem__name_there_in(const struct call *call, const struct space *space,
                         const char *id, struct name *name);
/* For who has looked here, and found nothing that is complete: the name if it
 * was spilled. So whoever finds a segment where it should be does not pay for
 * those that are not. */
bool smem__name_find_spilled(const struct call *call, struct name *name);
void smem__name_find_in(const struct call *call, const struct space *space,
                        const char *id, struct name *name);
/* For who holds call->id here: is there a segment of it where the namespace
 * spills to, as the joined control object tells? What a dead creator left there
 * is removed. */
bool smem__name_is_spilled(const struct call *call, struct control *control);
/* The name of a segment where there is room. *spills is false if the user wants
 * none to be spilled. */
smem_code smem__name_spilled(const struct call *call, struct control *control,
                             const char *id, struct name *name, bool *spills);
/* Does the user want it? */
bool smem__spill_is_wanted(void);

/* ---- owner.c ------------------------------------------------------------- */

/* Who has made a segment, as its footer tells. */
struct owner {
  uint64_t control_generation; /* the presence is in this control object */
  uint64_t presence;           /* it holds the lock on this byte */
  uint64_t token;              /* its struct process */
  uint64_t pid, pid_start, pid_space;
};

/* Does the owner of a complete segment live? `control` may be NULL: then by the
 * process that it names. SMEM_LIVE, SMEM_ORPHAN, SMEM_UNKNOWN. */
smem_state smem__owner_state(const struct control *control,
                             const struct owner *owner);

/* Does the process live that has this presence, which is not our own, in this
 * control object? */
smem_state smem__owner_presence_state(const struct control *control,
                                      uint64_t presence);

#endif
