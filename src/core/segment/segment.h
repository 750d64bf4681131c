/* Segments as objects of the system. One part per file. */
#ifndef SHAREDMEMORY_CORE_SEGMENT_H
#define SHAREDMEMORY_CORE_SEGMENT_H

#include "../space/space.h"

/* ---- footer.c ------------------------------------------------------------ */

enum { FOOTER_SIZE = 1024, FOOTER_VERSION = 4 };

/* The last FOOTER_SIZE bytes of a segment's object. Written once, before the
 * segment is visible, and never changed, but for `live` and `seal`. Native byte
 * order: it never leaves the machine. What is reserved is zero. */
struct footer {
  uint64_t magic;
  uint32_t version;
  uint32_t flags;      /* FOOTER_NAMED, FOOTER_OBJECT */
  uint64_t requested;  /* bytes asked for */
  uint64_t total;      /* bytes of the object: payload, padding, footer */
  uint64_t generation; /* random: no two segments have the same */
  struct owner owner;
  uint64_t created;  /* nanoseconds since 1970 */
  uint32_t lifetime; /* smem_lifetime */
  uint32_t spare;
  char id[208];    /* in full, also where the system hashes names */
  char tag[64];    /* for finding leaks: free text */
  char trace[256]; /* likewise: the call that allocated */
  uint64_t reserved;
  uint64_t live[OS_TAIL_LIVE / 8]; /* the lock's: see sync/sync.h */
  uint64_t seal;     /* the system's layer's: see smem__os_object_publish() */
  uint64_t checksum; /* never 0 */
};

enum {
  FOOTER_NAMED = 1,
  FOOTER_OBJECT = 2,
  FOOTER_SYNC = 4 /* a semaphore, an event or a barrier */
};

void smem__footer_seal(struct footer *footer);
/* Does it look like a segment that another version of this package uses? Where
 * such a version differs it may be alive, and nobody here can tell. */
bool smem__footer_is_of_another_version(const struct footer *footer);
/* NULL if the footer is one of ours, whole, and of the segment `id` in an
 * object of `total` bytes; otherwise what is wrong, as a constant. */
const char *smem__footer_check(const struct footer *footer, const char *id,
                               uint64_t total);

/* ---- allocate.c ---------------------------------------------------------- */

/* Bytes that a segment can still have, and by what; see
 * smem__os_free_space(). */
uint64_t smem__room_left(char *limit, size_t length);

/* There is no room for so many bytes. */
smem_code smem__fail_no_space(const struct call *call, int number,
                              uint64_t size);

/* What is asked, as long as it says true, to make room before an allocation of
 * so many bytes fails for want of memory. To be set once, at the start. */
void smem__allocate_relief(bool (*make_room)(uint64_t size));

/* ---- segment.c ----------------------------------------------------------- */

/* An open segment whose footer was checked. */
struct segment {
  struct name name;
  os_object object;
  os_info info;
  bool sealed;
  struct footer footer;
};

uint64_t smem__segment_capacity(const struct footer *footer);

/* Open call->id. What is not complete is not there. SMEM_NOT_FOUND,
 * SMEM_CORRUPT ... The caller closes the object. */
smem_code smem__segment_open(const struct call *call, bool writable,
                             struct segment *segment);

/* The same for `name` as it stands. OS_INCOMPLETE and OS_NOT_FOUND go to
 * *status, with SMEM_OK and nothing open. */
smem_code smem__segment_try_open(const struct call *call, bool writable,
                                 struct segment *segment, os_status *status);

/* The same for call->id, wherever it lies. */
smem_code smem__segment_seek(const struct call *call, bool writable,
                             struct segment *segment, os_status *status);

/* What the reference names, in whichever namespace; the same sought, as by
 * smem__segment_seek(), whatever its generation; and opened: SMEM_NOT_FOUND,
 * SMEM_REPLACED by a successor of its name. */
void smem__segment_name_referred(const smem_reference *reference,
                                 struct name *name);
smem_code smem__segment_seek_referred(const struct call *call,
                                      const smem_reference *reference,
                                      bool writable, struct segment *segment,
                                      os_status *status);
smem_code smem__segment_open_reference(const struct call *call,
                                       const smem_reference *reference,
                                       bool writable, struct segment *segment);

/* Map the whole object. SMEM_NO_MEMORY, SMEM_TOO_MANY_MAPS; SMEM_UNSUPPORTED
 * where the system cannot map SMEM_PRIVATE. */
smem_code smem__segment_map(const struct call *call,
                            const struct segment *segment, smem_access access,
                            void **address);

/* Remove call->id, whatever it is; what is being created is not there yet.
 * Waits only for somebody else who is just removing it. SMEM_OK also if there
 * is nothing. */
smem_code smem__segment_remove(const struct call *call);
/* Only if it still is the segment of this generation, and come what may. */
void smem__segment_remove_generation(const struct call *call,
                                     uint64_t generation);
/* The same of what is referred to, wherever it is. */
void smem__segment_remove_referred(const smem_reference *reference);
/* What bears this name is incomplete: was it left by a dead creator? */
bool smem__segment_is_abandoned(const char *name);

#endif
