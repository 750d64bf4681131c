/* What of an object is in shared memory already: it is held there, and not
 * copied into another object. */
#include "held.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2 * SMEM_MOST_PARTS, REFUSED = 256 };

struct held_table {
  smem_part parts[SMEM_MOST_PARTS];
  size_t count;
  uint16_t slots[SLOTS];     /* by hash: the number of a part + 1, or 0 */
  uint64_t refused[REFUSED]; /* by hash: generations that may not be held */
};

void r_held_dispose(struct held *held) { free(held->table); }

const smem_part *r_held_parts(const struct held *held, size_t *count) {
  *count = held->table ? held->table->count : 0;
  return held->table ? held->table->parts : NULL;
}

/* ---- the table ----------------------------------------------------------- */

static bool is_equal(const smem_reference *a, const smem_reference *b) {
  return a->generation == b->generation && a->offset == b->offset &&
         a->length == b->length && a->form == b->form;
}

static size_t hash(const smem_reference *reference) {
  uint64_t mixed = reference->generation ^ (reference->offset * 31) ^
                   (reference->length * 131) ^ reference->form;
  return (size_t)((mixed * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

/* Where the number is, or is to be. There are never as many as slots. */
static uint16_t *slot_of(struct held_table *table,
                         const smem_reference *reference) {
  size_t at = hash(reference) % SLOTS;
  while (table->slots[at] &&
         !is_equal(&table->parts[table->slots[at] - 1].reference, reference))
    at = (at + 1) % SLOTS;
  return &table->slots[at];
}

static bool add(struct held_table *table, const smem_part *part) {
  uint16_t *slot = slot_of(table, &part->reference);
  if (*slot) return true;
  if (table->count == SMEM_MOST_PARTS) return false;
  table->parts[table->count++] = *part;
  *slot = (uint16_t)table->count;
  return true;
}

static void remove_last(struct held_table *table) {
  *slot_of(table, &table->parts[table->count - 1].reference) = 0;
  table->count--;
}

/* A part behind those that it has itself: these stay as long as it does. None
 * of them if they are too many. `tree` NULL: it is not an object. */
static bool add_with_its_own(struct held_table *table, const smem_part *part,
                             const smem_tree *tree) {
  size_t before = table->count;
  uint64_t parts = tree ? tree->parts : 0;
  smem_part inner;
  bool added = true;
  for (uint64_t i = 0; i < parts && added; i++)
    added = !smem_tree_part(tree, i, &inner) && add(table, &inner);
  added = added && add(table, part);
  while (!added && table->count > before) remove_last(table);
  return added;
}

/* ---- finding ------------------------------------------------------------- */

/* Is it a part, or can it be one? */
static bool hold(struct held *held, const smem_part *part,
                 const smem_tree *tree) {
  const smem_reference *reference = &part->reference;
  if (!held->table) held->table = calloc(1, sizeof *held->table);
  struct held_table *table = held->table;
  if (!table) return false;
  uint64_t *refused = &table->refused[reference->generation % REFUSED];
  if (*slot_of(table, reference)) return true;
  if (*refused == reference->generation) return false;
  if (table->count < SMEM_MOST_PARTS &&
      smem_object_may_hold(held->lifetime, reference) &&
      add_with_its_own(table, part, tree))
    return true;
  *refused = reference->generation;
  return false;
}

static bool is_large(SEXP x, smem_kind kind) {
  if (kind == SMEM_LIST) return true;
  return kind == SMEM_STRINGS
             ? XLENGTH(x) >= R_LEAF_STRINGS
             : XLENGTH(x) >= (R_xlen_t)(R_LEAF_BYTES / smem_kind_size(kind));
}

static bool hold_leaf(struct held *held, SEXP leaf, smem_part *part) {
  const struct object *object = r_leaf(leaf)->object;
  if (!object->handle || !r_leaf_is_pristine(leaf)) return false;
  *part = (smem_part){object->reference, true};
  return hold(held, part, &object->tree);
}

static bool hold_view(struct held *held, SEXP x, smem_part *part) {
  part->is_object = false;
  /* Where lists are ordinary, nothing would keep an object of views alone. */
  return HAS_ALTLIST && r_view_is_of_sealed(x, &part->reference) &&
         hold(held, part, NULL);
}

bool r_held_find(struct held *held, SEXP x, smem_node *node) {
  smem_kind kind = r_kind_of(x);
  smem_part part;
  if (!ALTREP(x) || kind == SMEM_BLOB || !is_large(x, kind)) return false;
  SEXP leaf = r_leaf_behind(x);
  if (leaf ? !hold_leaf(held, leaf, &part) : !hold_view(held, x, &part))
    return false;
  node->kind = SMEM_PART;
  node->length = (uint64_t)XLENGTH(x);
  node->where = *slot_of(held->table, &part.reference) - 1u;
  node->more = leaf ? smem_part_more(r_leaf(leaf)->node, kind) : 0;
  return true;
}
