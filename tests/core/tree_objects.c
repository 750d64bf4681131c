/* The objects that tests of them make, and what is in them. */
#include "trees.h"

/* ---- an object: list(doubles, strings) ----------------------------------- */

static double values[DOUBLES];

static void fill_values(void) {
  for (int i = 0; i < DOUBLES; i++) values[i] = i / 7.0;
}

struct layout lay_out_object(void) {
  struct layout layout = {
      .nodes = {{.kind = SMEM_LIST, .length = 2, .where = 1},
                {.kind = SMEM_DOUBLE, .length = DOUBLES},
                {.kind = SMEM_STRINGS, .length = 5}}};
  layout.nodes[1].where = smem_place(SMEM_OBJECT_HEADER, sizeof values);
  layout.strings_at = smem_place(layout.nodes[1].where + sizeof values, 4096);
  layout.strings = three_strings_at(layout.strings_at);
  layout.nodes[2].where = layout.strings_at;
  layout.node_at = layout.strings_at + sizeof layout.strings;
  layout.size = layout.node_at + sizeof layout.nodes;
  return layout;
}

smem_code write_object(smem_writer *writer, const struct layout *layout) {
  smem_code code = smem_write_pad(writer, layout->nodes[1].where, &error);
  if (code == SMEM_OK)
    code = smem_write_next(writer, values, sizeof values, &error);
  if (code == SMEM_OK)
    code = smem_write_pad(writer, layout->strings_at, &error);
  if (code == SMEM_OK)
    code = smem_write_next(writer, &layout->strings, sizeof layout->strings,
                           &error);
  if (code == SMEM_OK)
    code = smem_write_next(writer, layout->nodes, sizeof layout->nodes, &error);
  return code;
}

smem_code make_object(const char *name, smem_lifetime lifetime,
                      smem_reference *reference) {
  struct layout layout = lay_out_object();
  smem_writer *writer;
  fill_values();
  smem_code code = smem_write_begin(name, layout.size, &writer, &error);
  if (code != SMEM_OK) return code;
  code = write_object(writer, &layout);
  if (code != SMEM_OK) {
    smem_write_abandon(writer);
    return code;
  }
  smem_publication publication = {.lifetime = lifetime,
                                  .trace = "a call",
                                  .what = "list",
                                  .extent = "2",
                                  .nodes = NODES,
                                  .node_at = layout.node_at};
  return smem_publish(writer, &publication, reference, &error);
}

/* ---- one of one page ----------------------------------------------------- */

enum { SMALL = SMEM_OBJECT_HEADER + sizeof(smem_node) };

/* list() */
smem_code begin_small_object(const char *name, smem_writer **writer) {
  smem_node node = {.kind = SMEM_LIST, .where = 1};
  smem_code code = smem_write_begin(name, SMALL, writer, &error);
  if (code != SMEM_OK) return code;
  return smem_write_next(*writer, &node, sizeof node, &error);
}

smem_code publish_small_object(smem_writer *writer) {
  smem_reference reference;
  smem_publication publication = {
      .lifetime = SMEM_UNTIL_FREED, .nodes = 1, .node_at = SMEM_OBJECT_HEADER};
  return smem_publish(writer, &publication, &reference, &error);
}

/* ---- objects that have others as parts ----------------------------------- */

/* A list of as many parts. */
smem_code make_object_of(const char *name, const smem_part *parts, size_t count,
                         smem_reference *reference) {
  smem_node node = {.kind = SMEM_LIST, .length = count, .where = 1};
  unsigned char bytes[SMEM_PART_SIZE];
  uint64_t part_at = SMEM_OBJECT_HEADER;
  smem_publication publication = {
      .lifetime = SMEM_OF_OBJECT,
      .nodes = count + 1,
      .node_at = part_at + count * sizeof bytes,
      .part_at = part_at,
      .parts = parts,
      .part_count = count,
  };
  smem_writer *writer;
  smem_code code = smem_write_begin(
      name, publication.node_at + (count + 1) * sizeof node, &writer, &error);
  if (code != SMEM_OK) return code;
  for (size_t i = 0; i < count && code == SMEM_OK; i++) {
    smem_part_write(&parts[i], bytes);
    code = smem_write_next(writer, bytes, sizeof bytes, &error);
  }
  for (size_t i = 0; i <= count && code == SMEM_OK; i++) {
    code = smem_write_next(writer, &node, sizeof node, &error);
    node = (smem_node){.kind = SMEM_PART,
                       .length = 2,
                       .where = i,
                       .more = smem_part_more(0, SMEM_LIST)};
  }
  if (code == SMEM_OK)
    return smem_publish(writer, &publication, reference, &error);
  smem_write_abandon(writer);
  return code;
}

/* An object, and one that has it as a part. */
smem_code make_two_objects(smem_reference *model, smem_reference *outer) {
  smem_part part = {.is_object = true};
  smem_code code = make_object("model", SMEM_OF_OBJECT, model);
  part.reference = *model;
  if (code == SMEM_OK) code = make_object_of("outer", &part, 1, outer);
  return code;
}

void refer_by_name(const char *id, smem_reference *reference) {
  smem_handle *handle;
  CHECK_OK(smem_open(id, SMEM_READ_ONLY, &handle, &error));
  smem_refer(handle, reference);
  smem_close(handle);
}

smem_handle *open_object(const smem_reference *reference) {
  smem_handle *handle;
  bool mine;
  CHECK_OK(
      smem_object_open(reference, SMEM_BY_REFERENCE, &handle, &mine, &error));
  CHECK(!mine);
  return handle;
}

void check_object(const smem_handle *handle) {
  smem_tree tree;
  smem_node node;
  smem_strings strings;
  smem_text found;
  fill_values();
  CHECK(!smem_tree_open(&tree, handle->address, handle->capacity,
                        handle->generation));
  CHECK_EQUAL(NODES, tree.nodes);
  CHECK(!smem_tree_node(&tree, 1, &node));
  CHECK_EQUAL(0, node.where % smem__os_page_size()); /* pages of its own */
  CHECK(memcmp(tree.bytes + node.where, values, sizeof values) == 0);
  CHECK(!smem_tree_node(&tree, 2, &node));
  CHECK(!smem_tree_strings(&tree, &node, &strings));
  CHECK_EQUAL(1, smem_strings_key(&strings, 3));
  CHECK(!smem_strings_text(&strings, 1, &found));
  CHECK(found.length == 2 && memcmp(found.text, "bc", 2) == 0);
  CHECK(!smem_strings_text(&strings, 2, &found));
  CHECK(!found.text);
  CHECK(smem_tree_node(&tree, 3, &node) != NULL);
}
