/* Objects: a tree of vectors and strings in one sealed segment, which any
 * process can read where it lies.
 *
 * This is the format and its life, without R. A segment holds, from the start
 * of its payload: a header of 128 bytes, the data, the blob (one stream of the
 * client's, for what is not a vector) and the table of nodes of 32 bytes.
 * Offsets count from the payload's start. Numbers are in the writer's byte
 * order; a reader with another one refuses the object.
 *
 * Another process has written all that, so nothing is believed: a function that
 * reads it says what is wrong with it, as a constant text, or NULL. The text of
 * an error is to go on from "the object is damaged: ". */
#ifndef SHAREDMEMORY_CORE_OBJECT_H
#define SHAREDMEMORY_CORE_OBJECT_H

#include "../../../inst/include/smem.h"

/* ---- nodes ----------------------------------------------------------------
 */

typedef enum smem_kind {
  SMEM_NULL,
  SMEM_RAW, /* of the vectors `where` is the data, `length` elements */
  SMEM_LOGICAL,
  SMEM_INTEGER,
  SMEM_DOUBLE,
  SMEM_COMPLEX,
  SMEM_STRINGS,    /* where: a block of strings */
  SMEM_LIST,       /* where: the first of `length` children in a row */
  SMEM_S4,         /* nothing but its attributes */
  SMEM_BLOB,       /* where: which one in the blob */
  SMEM_ATTRIBUTES, /* where: the first of `length` values; then their names */
  SMEM_SEQUENCE, /* where, more: first and last value, doubles in steps of 1 */
  SMEM_SAME,     /* where: the number of the vector, further up, that it is */
  SMEM_PART,     /* where: which part; what of it is in `more` */
  SMEM_KINDS
} smem_kind;

enum {
  SMEM_NODE_S4 = 1,  /* the S4 bit is set */
  SMEM_NODE_REAL = 2 /* of a sequence: of doubles, not of integers */
};

/* `more` of a SMEM_PART that is an object: the number of a node there, and its
 * kind. A part that is not an object is what its reference says. */
static inline uint64_t smem_part_node(uint64_t more) {
  return more & ((UINT64_C(1) << 48) - 1);
}
static inline unsigned smem_part_kind(uint64_t more) {
  return (unsigned)(more >> 48);
}
static inline uint64_t smem_part_more(uint64_t node, unsigned kind) {
  return node | (uint64_t)kind << 48;
}

typedef struct smem_node {
  uint8_t kind, flags;
  uint8_t attributes[6]; /* the number of its SMEM_ATTRIBUTES; 0: it has none */
  uint64_t length;       /* elements */
  uint64_t where, more;
} smem_node;

/* Bytes of an element of the kinds that are plain data, 0 of the others. */
size_t smem_kind_size(unsigned kind);

uint64_t smem_node_attributes(const smem_node *node);
void smem_node_set_attributes(smem_node *node, uint64_t number);

/* ---- reading --------------------------------------------------------------
 */

typedef struct smem_tree {
  const unsigned char *bytes; /* the payload, as it is mapped */
  uint64_t used;              /* bytes of it */
  uint64_t nodes, node_at;
  uint64_t blob_at, blob_size, blob_checksum;
  uint64_t parts, part_at;
} smem_tree;

/* Does a segment with these bytes hold an object, of whatever version? */
bool smem_tree_is_there(const void *bytes, uint64_t size);

/* `bytes` are `size` bytes of the segment of this generation; 8-aligned. */
const char *smem_tree_open(smem_tree *tree, const void *bytes, uint64_t size,
                           uint64_t generation);

/* Copy a node after checking all that can be checked of it alone: what it says
 * about data, children and attributes lies inside, and children have higher
 * numbers than their parents, so that there are no cycles. */
const char *smem_tree_node(const smem_tree *tree, uint64_t number,
                           smem_node *node);

/* The blob, checked against its checksum. */
const char *smem_tree_blob(const smem_tree *tree, const void **bytes,
                           uint64_t *size);

/* ---- parts -----------------------------------------------------------------
 *
 * What is in other segments already is not copied: of each of these there is a
 * reference in the table of parts, also of those that parts have themselves,
 * before these. So nothing needs to go from one object to the next. Whoever
 * opens the object opens those that are objects as well, so that they are there
 * as long as it is. */

typedef struct smem_part {
  smem_reference reference;
  bool is_object; /* otherwise plain memory, as the reference says */
} smem_part;

enum {
  SMEM_PART_SIZE = 480, /* bytes in the table */
  /* Each is one more mapping, of which a process can have some 65000, and some
   * 20 microseconds for whoever opens the object. */
  SMEM_MOST_PARTS = 1000
};
void smem_part_write(const smem_part *part,
                     unsigned char bytes[SMEM_PART_SIZE]);
const char *smem_tree_part(const smem_tree *tree, uint64_t number,
                           smem_part *part);

/* ---- strings ---------------------------------------------------------------
 *
 * Different strings, each once, and an index of them; or, with width 0, all
 * strings in their order. A block of 64 bytes says where the arrays are, which
 * are Arrow's buffers: offsets (int64, one more than there are strings), text
 * without terminators, a validity bitmap if there are NAs, the index (signed).
 * Beside these, a byte per string that says how it is encoded, if it is not all
 * ASCII. */

enum { SMEM_ASCII = 0, SMEM_UTF8 = 1, SMEM_LATIN1 = 2, SMEM_BYTES = 3 };

typedef struct smem_string_block {
  uint64_t unique, bytes; /* strings; bytes of text */
  uint64_t offsets_at, encodings_at, validity_at, index_at, text_at; /* or 0 */
  uint32_t width; /* bytes of an index: 0, 1, 2 or 4 */
  uint32_t reserved;
} smem_string_block;

typedef struct smem_strings {
  uint64_t length, unique, bytes;
  const int64_t *offsets;
  const uint8_t *encodings, *validity; /* or NULL */
  const void *index;
  const char *text;
  unsigned width;
} smem_strings;

/* Of a node of SMEM_STRINGS, as smem_tree_node() gave it. */
const char *smem_tree_strings(const smem_tree *tree, const smem_node *node,
                              smem_strings *strings);

/* Which of the different strings element i < length is; UINT64_MAX if the index
 * is damaged. */
static inline uint64_t smem_strings_key(const smem_strings *strings,
                                        uint64_t i) {
  int64_t key;
  switch (strings->width) {
  case 0:
    return i;
  case 1:
    key = ((const int8_t *)strings->index)[i];
    break;
  case 2:
    key = ((const int16_t *)strings->index)[i];
    break;
  default:
    key = ((const int32_t *)strings->index)[i];
    break;
  }
  return key >= 0 && (uint64_t)key < strings->unique ? (uint64_t)key
                                                     : UINT64_MAX;
}

typedef struct smem_text {
  const char *text; /* not terminated; NULL: missing */
  uint32_t length;  /* bytes, at most 2^31 - 1 */
  uint8_t encoding;
} smem_text;

/* The string of a key below `unique`. */
const char *smem_strings_text(const smem_strings *strings, uint64_t key,
                              smem_text *text);

/* ---- writing ----------------------------------------------------------------
 */

/* Where a block of `bytes` bytes of data is to begin, at or behind `at`. */
uint64_t smem_place(uint64_t at, uint64_t bytes);

enum { SMEM_OBJECT_HEADER = 128 /* bytes; the data begin behind it */ };

/* One object that is being written: memory that is reserved, and has no name
 * yet, or is incomplete where it has one already: what is one page, and where
 * the system needs a name. So whatever happens before
 * smem_publish(), nothing of it is ever seen, and nothing is left. Of one
 * thread. */
typedef struct smem_writer smem_writer;

/* `name`: a valid id, or NULL. `size`: exactly as many bytes as will be
 * written, the header with them. SMEM_EXISTS. When there is no room, objects
 * that were sent and not opened yet give way, the oldest first, if that is of
 * use. */
smem_code smem_write_begin(const char *name, uint64_t size,
                           smem_writer **writer, smem_error *error);
/* A writer without a segment, for what is to be written on another machine: its
 * bytes, from offset SMEM_OBJECT_HEADER on, go to `take` in their order, and
 * smem_publish() is not for it. `take` may jump: then smem_write_abandon(). */
typedef smem_code smem_taker(void *context, const void *bytes, uint64_t length,
                             smem_error *error);
smem_code smem_write_to(smem_taker *take, void *context, uint64_t size,
                        smem_writer **writer, smem_error *error);
/* What such a writer still has. */
smem_code smem_write_flush(smem_writer *writer, smem_error *error);
/* Where the next byte goes. */
uint64_t smem_write_at(const smem_writer *writer);
/* Interruptible. */
smem_code smem_write_next(smem_writer *writer, const void *bytes,
                          uint64_t length, smem_error *error);
/* Zeros up to offset `at`. */
smem_code smem_write_pad(smem_writer *writer, uint64_t at, smem_error *error);
/* As smem_write_next(), of the blob, whose checksum is kept. */
smem_code smem_write_blob(smem_writer *writer, const void *bytes,
                          uint64_t length, smem_error *error);

typedef struct smem_publication {
  smem_lifetime lifetime;
  const char *trace; /* or NULL */
  /* What it is and how large, for the list, or NULL. They are cut. */
  const char *what, *extent;
  uint64_t nodes, node_at, blob_at, blob_size, part_at;
  /* Of which smem_object_may_hold() is true, or that such a one has. */
  const smem_part *parts;
  size_t part_count;
} smem_publication;

/* Seal it and give it its name, at once: from then on the object is there,
 * whole. SMEM_EXISTS. Ends the writer, also on an error. */
smem_code smem_publish(smem_writer *writer, const smem_publication *publication,
                       smem_reference *reference, smem_error *error);
void smem_write_abandon(smem_writer *writer); /* may be NULL */

/* ---- life -------------------------------------------------------------------
 *
 * An object of the lifetime SMEM_OF_OBJECT goes when whoever is responsible for
 * it lets it go, but not before it was opened as often as it was sent, or the
 * time for that is over. A process that ends leaves such objects behind:
 * whoever opens one first becomes responsible. */

enum smem_arrival {
  SMEM_BY_REFERENCE, /* it was sent */
  SMEM_BY_NAME,
  SMEM_AS_PART, /* of another object, whoever is responsible for that */
  SMEM_AS_OWNER /* who has just published it */
};

/* Open it, which counts if it was sent. *mine: this process is responsible now,
 * and must let it go. What has parts counts with smem_object_received() only,
 * when they are open too: until then its owner keeps them. */
smem_code smem_object_open(const smem_reference *reference,
                           enum smem_arrival arrival, smem_handle **handle,
                           bool *mine, smem_error *error);

/* What is open here was sent (once more), and has arrived. */
void smem_object_received(const smem_reference *reference);

/* It is about to be sent, and may take `nanoseconds` to be opened. False: it
 * has no name any more, so nobody would find it. */
bool smem_object_sent(const smem_reference *reference, uint64_t nanoseconds);

/* May an object of this lifetime have it as a part, because it stays at least
 * as long? That is so if it is sealed, and stays until it is freed, or has the
 * same lifetime and this process is responsible for it: then it stays as long
 * as the object does. */
bool smem_object_may_hold(smem_lifetime lifetime, const smem_reference *part);

/* Does this process use it no more? Its name goes, now or when the time is
 * over. Of what somebody else is responsible for, who lives, nothing happens.
 */
void smem_object_let_go(const smem_reference *reference);

/* Look after what was let go. Costs nothing when there is nothing. Returns how
 * many are still waiting. */
size_t smem_object_sweep(void);

/* Was the memory of a private mapping written to, in this range of bytes? Where
 * the system does not tell, is it another one than in the segment? */
bool smem_object_is_written(const smem_handle *handle, uint64_t offset,
                            uint64_t length);

#endif
