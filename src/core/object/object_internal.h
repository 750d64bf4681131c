/* What the files of core/object/ share with each other and with the core. */
#ifndef SHAREDMEMORY_CORE_OBJECT_INTERNAL_H
#define SHAREDMEMORY_CORE_OBJECT_INTERNAL_H

#include "../segment/segment.h"
#include "object.h"

struct header {
  uint64_t magic;
  uint16_t major, minor;
  uint32_t order;
  uint64_t used, nodes, node_at, blob_at, blob_size, generation;
  uint64_t checksum; /* of all the rest */
  uint64_t blob_checksum;
  uint64_t parts, part_at;
  uint64_t reserved[4];
};

/* A part, as the table of parts has it. */
struct part {
  uint32_t is_object, length;
  unsigned char reference[SMEM_PART_SIZE - 8]; /* `length` bytes of it */
};

enum { OBJECT_MAJOR = 1, OBJECT_MINOR = 0 };
extern const uint64_t smem__object_magic;
#define OBJECT_ORDER UINT32_C(0x01020304)

uint64_t smem__header_checksum(const struct header *header);

/* The last bytes of the payload, on the footer's page: the numbers change. */
struct tail {
  uint64_t magic;
  _Atomic uint64_t sent, opened;
  _Atomic uint64_t
      deadline; /* nanoseconds since 1970: kept for others until then */
  _Atomic uint64_t
      adopted;    /* somebody became responsible after its owner's end */
  uint64_t parts; /* as in the header */
  uint64_t reserved[2];
  char what[SMEM_WHAT_SIZE], extent[SMEM_WHAT_SIZE];
};
extern const uint64_t smem__tail_magic;

/* ---- tail.c -------------------------------------------------------------- */

/* The segment's object, open in spite of its seal, and its last page. */
struct open_tail {
  struct segment segment;
  void *address;
  struct tail *tail;
};

/* False also for what has no name any more, or is not an object. */
bool smem__tail_open(const smem_reference *reference,
                     struct open_tail *opening);
void smem__tail_close(struct open_tail *opening);
/* How many parts it has, which smem_tree_part() then tells. */
uint64_t smem__tail_parts(const struct open_tail *opening, smem_tree *tree);
/* Was it sent to somebody who may still come? */
bool smem__tail_is_awaited(const smem_reference *reference);
/* The part of the entry that only objects have. */
void smem__object_counts(const struct segment *segment, smem_entry *entry);

/* ---- life.c -------------------------------------------------------------- */

/* From now on this process is responsible for it. What that takes is prepared
 * before there is anything to be responsible for; NULL: there is no memory. */
struct own;
struct own *smem__object_prepare(const smem_part *parts, size_t count);
void smem__object_unprepare(struct own *own); /* may be NULL */
void smem__object_own(struct own *own, const smem_reference *reference,
                      uint64_t size);

/* For life.c of the core; smem__object_stop(): this process ends. */
void smem__object_start(void);
void smem__object_before_fork(void);
void smem__object_after_fork(void);
void smem__object_in_child(void);
void smem__object_stop(void);

/* Remove the name of what was let go longest ago, for want of room for `size`
 * bytes. False: there is nothing, or all of it would not be enough. */
bool smem__object_drop_oldest(uint64_t size);

#endif
