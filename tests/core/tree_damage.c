/* An object of which every field in turn is overwritten: reading it says what
 * is wrong, or gives some value, and stays inside. In memory of its own size,
 * so that the address sanitizer and valgrind see what is read behind it.
 *
 * The fuzzer tries much more; here nothing is left to chance. */
#include "../../src/core/object/object_internal.h"
#include "test.h"
#include "three_strings.h"

#include "../harness/read_tree.h"

enum { PARTS = 1, STRINGS = 5, BLOB = 24 };

/* list(1:5 / 2, strings, structure(TRUE, blob), 3:9, a part, the same as 1) */
enum {
  WHOLE,
  DOUBLES,
  TEXTS,
  LOGICAL,
  SEQUENCE,
  PART,
  SAME,
  NAMES,
  VALUE,
  TAGS
};
enum { NODES = TAGS + 1 };

struct object {
  struct header header;
  double doubles[5];
  int32_t logicals[2];
  struct three_strings texts, tags;
  unsigned char blob[BLOB], part[SMEM_PART_SIZE];
  smem_node nodes[NODES];
};

#define AT(field) offsetof(struct object, field)

static void fill_nodes(smem_node *nodes) {
  const double first = 3, last = 9;
  nodes[WHOLE] = (smem_node){.kind = SMEM_LIST, .length = 6, .where = DOUBLES};
  nodes[DOUBLES] =
      (smem_node){.kind = SMEM_DOUBLE, .length = 5, .where = AT(doubles)};
  nodes[TEXTS] =
      (smem_node){.kind = SMEM_STRINGS, .length = STRINGS, .where = AT(texts)};
  nodes[LOGICAL] =
      (smem_node){.kind = SMEM_LOGICAL, .length = 2, .where = AT(logicals)};
  smem_node_set_attributes(&nodes[LOGICAL], NAMES);
  nodes[SEQUENCE] = (smem_node){.kind = SMEM_SEQUENCE, .length = 7};
  memcpy(&nodes[SEQUENCE].where, &first, sizeof first);
  memcpy(&nodes[SEQUENCE].more, &last, sizeof last);
  nodes[PART] = (smem_node){
      .kind = SMEM_PART, .length = 2, .more = smem_part_more(0, SMEM_LIST)};
  nodes[SAME] = (smem_node){.kind = SMEM_SAME, .where = DOUBLES};
  nodes[NAMES] =
      (smem_node){.kind = SMEM_ATTRIBUTES, .length = 1, .where = VALUE};
  nodes[VALUE] = (smem_node){.kind = SMEM_BLOB};
  nodes[TAGS] =
      (smem_node){.kind = SMEM_STRINGS, .length = 1, .where = AT(tags)};
}

static void guard(struct object *object) {
  object->header.checksum = smem__header_checksum(&object->header);
}

static struct object *make_object(void) {
  struct object *object = smem__os_allocate(sizeof *object);
  smem_part part = {.is_object = true,
                    .reference = {.generation = 7, .space = "a", .id = "1"}};
  CHECK(object != NULL);
  for (int i = 0; i < 5; i++) object->doubles[i] = i / 2.0;
  object->texts = three_strings_at(AT(texts));
  object->tags = three_strings_at(AT(tags));
  memset(object->blob, 'b', BLOB);
  smem_part_write(&part, object->part);
  fill_nodes(object->nodes);
  object->header = (struct header){.magic = smem__object_magic,
                                   .major = OBJECT_MAJOR,
                                   .minor = OBJECT_MINOR,
                                   .order = OBJECT_ORDER,
                                   .used = sizeof *object,
                                   .nodes = NODES,
                                   .node_at = AT(nodes),
                                   .blob_at = AT(blob),
                                   .blob_size = BLOB,
                                   .generation = 1,
                                   .parts = PARTS,
                                   .part_at = AT(part)};
  object->header.blob_checksum =
      smem__hash_more(HASH_NOTHING, object->blob, BLOB);
  guard(object);
  return object;
}

TEST(it_is_read_whole_when_nothing_is_damaged) {
  struct object *object = make_object();
  smem_tree tree;
  smem_node node;
  const void *blob;
  uint64_t length;
  CHECK(read_tree(object, sizeof *object));
  CHECK(!smem_tree_open(&tree, object, sizeof *object, 1));
  for (uint64_t i = 0; i < NODES; i++) CHECK(!smem_tree_node(&tree, i, &node));
  CHECK(!smem_tree_blob(&tree, &blob, &length));
  smem__os_release(object);
}

/* `size` bytes at `at` become those of `value`. The checksum of the header is
 * that of the new one: whoever damages an object on purpose can do so too. */
static bool read_with(struct object *object, size_t at, uint64_t value,
                      size_t size) {
  unsigned char *bytes = (unsigned char *)object, before[8];
  struct header header = object->header;
  memcpy(before, bytes + at, size);
  memcpy(bytes + at, &value, size);
  if (at + size <= AT(header.checksum) || at >= AT(header.blob_checksum))
    guard(object);
  bool opened = read_tree(object, sizeof *object);
  memcpy(bytes + at, before, size);
  object->header = header;
  return opened;
}

TEST(whatever_is_written_over_a_field_reading_stays_inside) {
  struct object *object = make_object();
  const uint64_t values[] = {0,
                             1,
                             UINT64_MAX,
                             UINT64_MAX - 7,
                             INT64_MAX,
                             UINT64_C(1) << 63,
                             UINT64_C(1) << 32,
                             UINT64_C(1) << 48,
                             UINT64_C(0x0102030405060708),
                             NODES,
                             sizeof *object,
                             sizeof *object - 8,
                             AT(nodes)};
  size_t opened = 0, refused = 0;
  for (size_t at = 0; at + 8 <= sizeof *object; at += 4) {
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
      ++*(read_with(object, at, values[i], 8) ? &opened : &refused);
    uint64_t own;
    memcpy(&own, (unsigned char *)object + at, sizeof own);
    for (int step = -8; step <= 8; step++)
      read_with(object, at, own + (uint64_t)step, 8);
  }
  for (size_t at = 0; at < sizeof *object; at++)
    for (uint64_t value = 0; value < 256; value++)
      read_with(object, at, value, 1);
  CHECK(opened > 0 && refused > 0);
  CHECK(read_tree(object, sizeof *object)); /* it is as it was */
  smem__os_release(object);
}

/* Cut anywhere, it is not opened, or read as far as it goes. */
TEST(what_is_cut_is_not_read_behind_its_end) {
  struct object *object = make_object();
  for (size_t size = 0; size < sizeof *object; size++) {
    void *cut = smem__os_allocate(size + 1);
    memcpy(cut, object, size);
    CHECK(!read_tree(cut, size));
    smem__os_release(cut);
  }
  smem__os_release(object);
}
