/* What changes of an object: how often it was sent and opened, and until when
 * it is kept. It stands in the segment itself, at the end of its payload. The
 * segment is sealed, but its user may open the seal for a moment: see
 * smem__os_object_open_sealed(). */
#include "object_internal.h"

#include <stdatomic.h>

const uint64_t smem__tail_magic =
    0x314C49544D454D53u; /* "SMEMTIL1" in memory */

static bool is_meant(const struct call *call, struct segment *segment,
                     uint64_t generation) {
  uint64_t total = segment->info.size;
  return total > FOOTER_SIZE + sizeof(struct tail) &&
         smem__os_object_read(segment->object, total - FOOTER_SIZE,
                              &segment->footer, FOOTER_SIZE)
                 .code == OS_OK &&
         !smem__footer_check(&segment->footer, call->id, total) &&
         segment->footer.generation == generation;
}

bool smem__tail_open(const smem_reference *reference,
                     struct open_tail *opening) {
  struct call call = {SMEM_OP_FREE, reference->id, 0, NULL, true};
  struct segment *segment = &opening->segment;
  if (smem_id_is_raw(reference->id)) return false;
  smem__segment_name_referred(reference, &segment->name);
  if (smem__os_object_open_sealed(segment->name.text, &segment->object,
                                  &segment->info)
          .code != OS_OK)
    return false;
  bool is_ours = is_meant(&call, segment, reference->generation) &&
                 smem__os_object_map(segment->object, segment->info.size,
                                     OS_READ_WRITE, &opening->address)
                         .code == OS_OK;
  if (is_ours) {
    opening->tail = (struct tail *)(void *)((char *)opening->address +
                                            segment->info.size - FOOTER_SIZE) -
                    1;
    if (opening->tail->magic == smem__tail_magic) return true;
    smem__os_unmap(opening->address, segment->info.size);
  }
  smem__os_object_close(segment->object);
  return false;
}

void smem__tail_close(struct open_tail *opening) {
  smem__os_unmap(opening->address, opening->segment.info.size);
  smem__os_object_close(opening->segment.object);
}

uint64_t smem__tail_parts(const struct open_tail *opening, smem_tree *tree) {
  const struct footer *footer = &opening->segment.footer;
  if (opening->tail->parts == 0 ||
      smem_tree_open(tree, opening->address, smem__segment_capacity(footer),
                     footer->generation))
    return 0;
  return tree->parts;
}

void smem__object_counts(const struct segment *segment, smem_entry *entry) {
  struct tail tail;
  uint64_t total = segment->footer.total;
  if (total < FOOTER_SIZE + sizeof tail ||
      smem__os_object_read(segment->object, total - FOOTER_SIZE - sizeof tail,
                           &tail, sizeof tail)
              .code != OS_OK ||
      tail.magic != smem__tail_magic)
    return;
  entry->sent = tail.sent;
  entry->opened = tail.opened;
  entry->deadline = tail.deadline;
  tail.what[sizeof tail.what - 1] = tail.extent[sizeof tail.extent - 1] = '\0';
  smem_copy_text(entry->what, sizeof entry->what, tail.what);
  smem_copy_text(entry->extent, sizeof entry->extent, tail.extent);
}

/* ---- sent and received --------------------------------------------------- */

static void prolong(struct tail *tail, uint64_t until) {
  uint64_t before = atomic_load(&tail->deadline);
  while (before < until &&
         !atomic_compare_exchange_weak(&tail->deadline, &before, until)) {
  }
}

/* Whoever opens an object opens its parts, so they are kept as long. */
static void keep_parts(const struct open_tail *opening, uint64_t until) {
  smem_tree tree;
  uint64_t count = smem__tail_parts(opening, &tree);
  for (uint64_t i = 0; i < count; i++) {
    struct open_tail other;
    smem_part part;
    if (smem_tree_part(&tree, i, &part) || !part.is_object ||
        !smem__tail_open(&part.reference, &other))
      continue;
    prolong(other.tail, until);
    smem__tail_close(&other);
  }
}

bool smem_object_sent(const smem_reference *reference, uint64_t nanoseconds) {
  struct open_tail opening;
  if (!smem__tail_open(reference, &opening)) return false;
  uint64_t until = smem__os_wall_clock() + nanoseconds;
  atomic_fetch_add(&opening.tail->sent, 1);
  prolong(opening.tail, until);
  keep_parts(&opening, until);
  smem__tail_close(&opening);
  return true;
}

void smem_object_received(const smem_reference *reference) {
  struct open_tail opening;
  if (!smem__tail_open(reference, &opening)) return;
  atomic_fetch_add(&opening.tail->opened, 1);
  smem__tail_close(&opening);
}

bool smem__tail_is_awaited(const smem_reference *reference) {
  struct open_tail opening;
  if (!smem__tail_open(reference, &opening)) return false;
  bool awaited =
      atomic_load(&opening.tail->opened) < atomic_load(&opening.tail->sent) &&
      smem__os_wall_clock() < atomic_load(&opening.tail->deadline);
  smem__tail_close(&opening);
  return awaited;
}
