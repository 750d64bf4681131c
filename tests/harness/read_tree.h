/* Reads all of an object that somebody may have damaged: every number of it is
 * looked at, by the functions by which R reads it. For the fuzzer and the
 * tests, each of which has a CHECK() of its own. */
#ifndef READ_TREE_H
#define READ_TREE_H

static uint64_t sum; /* so that nothing read is left out */

static inline void touch(const void *bytes, uint64_t length) {
  const unsigned char *at = bytes;
  for (uint64_t i = 0; i < length; i++) sum += at[i];
}

static inline void read_text(const smem_tree *tree, const smem_text *text) {
  const char *bytes = (const char *)tree->bytes;
  CHECK(text->text >= bytes && text->text + text->length <= bytes + tree->used);
  touch(text->text, text->length);
}

static inline void read_strings(const smem_tree *tree, const smem_node *node) {
  smem_strings strings;
  smem_text text;
  if (smem_tree_strings(tree, node, &strings)) return;
  CHECK(strings.length == node->length);
  for (uint64_t i = 0; i < strings.length; i++) {
    uint64_t key = smem_strings_key(&strings, i);
    CHECK(key == UINT64_MAX || key < strings.unique);
    if (key == UINT64_MAX || smem_strings_text(&strings, key, &text)) continue;
    if (text.text) read_text(tree, &text);
    CHECK(text.encoding <= SMEM_BYTES);
  }
}

static inline void read_node(const smem_tree *tree, uint64_t number) {
  smem_node node;
  if (smem_tree_node(tree, number, &node)) return;
  uint64_t attributes = smem_node_attributes(&node);
  CHECK(attributes == 0 || (attributes > number && attributes < tree->nodes));
  uint64_t size = smem_kind_size(node.kind);
  if (size > 0) touch(tree->bytes + node.where, node.length * size);
  if (node.kind == SMEM_STRINGS) read_strings(tree, &node);
  if (node.kind == SMEM_LIST || node.kind == SMEM_ATTRIBUTES)
    CHECK(node.where > number && node.length <= tree->nodes - node.where);
  if (node.kind == SMEM_SAME) CHECK(node.where < number);
  if (node.kind == SMEM_PART) CHECK(node.where < tree->parts);
}

static inline void read_part(const smem_tree *tree, uint64_t number) {
  smem_part part;
  if (smem_tree_part(tree, number, &part)) return;
  CHECK(memchr(part.reference.id, 0, sizeof part.reference.id) != NULL);
  touch(&part.reference, sizeof part.reference);
}

/* True: it could be opened. */
static inline bool read_tree(const void *bytes, size_t size) {
  smem_tree tree;
  const void *blob;
  uint64_t length;
  if (smem_tree_open(&tree, bytes, size, 1)) return false;
  for (uint64_t i = 0; i < tree.nodes; i++) read_node(&tree, i);
  CHECK(tree.parts <= SMEM_MOST_PARTS);
  for (uint64_t i = 0; i <= tree.parts; i++) read_part(&tree, i);
  CHECK(smem_tree_node(&tree, tree.nodes, &(smem_node){0}) != NULL);
  if (!smem_tree_blob(&tree, &blob, &length)) touch(blob, length);
  return true;
}

#endif
