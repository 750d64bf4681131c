/* Reading objects: every number is checked before it is used. */
#include "object_internal.h"

typedef char node_is_32[sizeof(smem_node) == 32 ? 1 : -1];
typedef char
    header_is_128[sizeof(struct header) == SMEM_OBJECT_HEADER ? 1 : -1];
typedef char part_is_480[sizeof(struct part) == SMEM_PART_SIZE ? 1 : -1];
typedef char block_is_64[sizeof(smem_string_block) == 64 ? 1 : -1];

const uint64_t smem__object_magic =
    0x314A424F4D454D53u; /* "SMEMOBJ1" in memory */

/* More elements than any vector can have. */
static const uint64_t most_elements = (uint64_t)1 << 52;

size_t smem_kind_size(unsigned kind) {
  static const uint8_t sizes[SMEM_KINDS] = {[SMEM_RAW] = 1,
                                            [SMEM_LOGICAL] = 4,
                                            [SMEM_INTEGER] = 4,
                                            [SMEM_DOUBLE] = 8,
                                            [SMEM_COMPLEX] = 16};
  return kind < SMEM_KINDS ? sizes[kind] : 0;
}

uint64_t smem_node_attributes(const smem_node *node) {
  uint64_t number = 0;
  for (int i = 0; i < 6; i++)
    number |= (uint64_t)node->attributes[i] << (8 * i);
  return number;
}

void smem_node_set_attributes(smem_node *node, uint64_t number) {
  for (int i = 0; i < 6; i++)
    node->attributes[i] = (uint8_t)(number >> (8 * i));
}

uint64_t smem__header_checksum(const struct header *header) {
  struct header copy = *header;
  copy.checksum = 0;
  return smem__hash_more(HASH_NOTHING, &copy, sizeof copy);
}

/* Do `count` elements of `size` bytes at `at` lie inside? */
static bool is_inside(const smem_tree *tree, uint64_t at, uint64_t count,
                      uint64_t size) {
  return at <= tree->used && count <= (tree->used - at) / size;
}

bool smem_tree_is_there(const void *bytes, uint64_t size) {
  return size >= sizeof(struct header) &&
         memcmp(bytes, &smem__object_magic, sizeof smem__object_magic) == 0;
}

const char *smem_tree_open(smem_tree *tree, const void *bytes, uint64_t size,
                           uint64_t generation) {
  struct header header;
  if (size < sizeof header) return "it is too small";
  memcpy(&header, bytes, sizeof header);
  if (header.magic != smem__object_magic)
    return "this segment does not hold a shared object";
  if (header.order != OBJECT_ORDER || header.major != OBJECT_MAJOR)
    return "it was written by another version of this package, whose format "
           "this "
           "one does not know";
  if (header.checksum != smem__header_checksum(&header) ||
      header.generation != generation)
    return "its header is damaged";
  *tree = (smem_tree){
      bytes,          header.used,      header.nodes,         header.node_at,
      header.blob_at, header.blob_size, header.blob_checksum, header.parts,
      header.part_at};
  if (header.used > size || header.nodes == 0 || header.node_at % 8 != 0 ||
      !is_inside(tree, header.node_at, header.nodes, sizeof(smem_node)) ||
      !is_inside(tree, header.blob_at, header.blob_size, 1) ||
      header.parts > SMEM_MOST_PARTS ||
      !is_inside(tree, header.part_at, header.parts, SMEM_PART_SIZE))
    return "its header says what cannot be";
  return NULL;
}

static bool has_children(const smem_tree *tree, uint64_t number,
                         const smem_node *node, uint64_t count) {
  return node->where > number && node->where <= tree->nodes &&
         count <= tree->nodes - node->where;
}

static double distance(double a, double b) { return a > b ? a - b : b - a; }

static bool is_integer(double x) {
  return distance(x, 0) <= INT32_MAX && x == (double)(int32_t)x;
}

static bool is_sequence(const smem_node *node) {
  double first, last;
  memcpy(&first, &node->where, sizeof first);
  memcpy(&last, &node->more, sizeof last);
  double steps = distance(last, first); /* NaN: no comparison holds */
  if (!(steps < 4503599627370496.0) || node->length < 2) return false;
  if (!(distance(first, 0) < 9007199254740992.0)) return false;
  if ((uint64_t)(steps + 0.5) != node->length - 1) return false;
  if (distance(steps, (double)(node->length - 1)) > 1e-6) return false;
  return (node->flags & SMEM_NODE_REAL) ||
         (is_integer(first) && is_integer(last));
}

static bool is_right(const smem_tree *tree, uint64_t number,
                     const smem_node *node) {
  uint64_t size = smem_kind_size(node->kind);
  switch (node->kind) {
  case SMEM_NULL:
    return node->length == 0;
  case SMEM_STRINGS:
    return node->where % 8 == 0 &&
           is_inside(tree, node->where, 1, sizeof(smem_string_block));
  case SMEM_LIST:
    return has_children(tree, number, node, node->length);
  case SMEM_ATTRIBUTES:
    return node->length > 0 &&
           has_children(tree, number, node, node->length + 1);
  case SMEM_S4:
  case SMEM_BLOB:
    return true;
  case SMEM_SEQUENCE:
    return is_sequence(node);
  case SMEM_SAME:
    return node->where < number;
  case SMEM_PART:
    return node->where < tree->parts;
  default:
    return size > 0 && node->where % (size < 8 ? size : 8) == 0 &&
           is_inside(tree, node->where, node->length, size);
  }
}

const char *smem_tree_node(const smem_tree *tree, uint64_t number,
                           smem_node *node) {
  if (number >= tree->nodes) return "a number of a node is too high";
  memcpy(node, tree->bytes + tree->node_at + number * sizeof *node,
         sizeof *node);
  uint64_t attributes = smem_node_attributes(node);
  bool may_have = node->kind != SMEM_NULL && node->kind != SMEM_BLOB &&
                  node->kind != SMEM_ATTRIBUTES && node->kind != SMEM_SAME;
  if (node->kind >= SMEM_KINDS || node->length > most_elements ||
      (attributes != 0 &&
       (!may_have || attributes <= number || attributes >= tree->nodes)) ||
      !is_right(tree, number, node))
    return "a node says what cannot be";
  return NULL;
}

const char *smem_tree_blob(const smem_tree *tree, const void **bytes,
                           uint64_t *size) {
  *bytes = tree->bytes + tree->blob_at;
  *size = tree->blob_size;
  if (tree->blob_size == 0) return "it has no blob";
  return smem__hash_more(HASH_NOTHING, *bytes, (size_t)*size) ==
                 tree->blob_checksum
             ? NULL
             : "the checksum of its blob does not fit";
}

/* ---- parts ---------------------------------------------------------------
 */

void smem_part_write(const smem_part *part,
                     unsigned char bytes[SMEM_PART_SIZE]) {
  struct part written = {.is_object = part->is_object};
  written.length =
      (uint32_t)smem_reference_write(&part->reference, written.reference);
  memcpy(bytes, &written, sizeof written);
}

const char *smem_tree_part(const smem_tree *tree, uint64_t number,
                           smem_part *part) {
  struct part found;
  if (number >= tree->parts) return "a number of a part is too high";
  memcpy(&found, tree->bytes + tree->part_at + number * sizeof found,
         sizeof found);
  if (found.is_object > 1 || found.length > sizeof found.reference)
    return "a part is damaged";
  part->is_object = found.is_object;
  return smem_reference_read(found.reference, found.length, &part->reference);
}

/* ---- strings ----------------------------------------------------------------
 */

static bool is_array(const smem_tree *tree, uint64_t at, uint64_t count,
                     uint64_t size) {
  return at % size == 0 && is_inside(tree, at, count, size);
}

const char *smem_tree_strings(const smem_tree *tree, const smem_node *node,
                              smem_strings *strings) {
  smem_string_block block;
  memcpy(&block, tree->bytes + node->where, sizeof block);
  if (block.unique > most_elements ||
      !is_array(tree, block.offsets_at, block.unique + 1, 8) ||
      !is_inside(tree, block.text_at, block.bytes, 1) ||
      (block.encodings_at &&
       !is_array(tree, block.encodings_at, block.unique, 1)) ||
      (block.validity_at &&
       !is_array(tree, block.validity_at, block.unique / 8 + 1, 1)))
    return "its strings lie outside of it";
  bool all = block.width == 0 && block.unique == node->length;
  bool indexed = block.width == 1 || block.width == 2 || block.width == 4;
  if (!all &&
      !(indexed && is_array(tree, block.index_at, node->length, block.width)))
    return "the index of its strings is damaged";
  const unsigned char *bytes = tree->bytes;
  *strings = (smem_strings){
      .length = node->length,
      .unique = block.unique,
      .bytes = block.bytes,
      .offsets = (const int64_t *)(const void *)(bytes + block.offsets_at),
      .encodings = block.encodings_at ? bytes + block.encodings_at : NULL,
      .validity = block.validity_at ? bytes + block.validity_at : NULL,
      .index = indexed ? bytes + block.index_at : NULL,
      .text = (const char *)bytes + block.text_at,
      .width = block.width};
  return NULL;
}

const char *smem_strings_text(const smem_strings *strings, uint64_t key,
                              smem_text *text) {
  if (strings->validity && !(strings->validity[key / 8] >> (key % 8) & 1)) {
    *text = (smem_text){NULL, 0, SMEM_ASCII};
    return NULL;
  }
  int64_t from = strings->offsets[key], to = strings->offsets[key + 1];
  if (from < 0 || from > to || (uint64_t)to > strings->bytes ||
      to - from > INT32_MAX)
    return "the place of a string is damaged";
  text->text = strings->text + from;
  text->length = (uint32_t)(to - from);
  text->encoding = strings->encodings ? strings->encodings[key] : SMEM_ASCII;
  if (text->encoding > SMEM_BYTES ||
      memchr(text->text, 0, text->length) != NULL)
    return "a string is damaged";
  return NULL;
}
