/* For plan.c: what is held in other segments. */
#ifndef SHAREDMEMORY_R_HELD_H
#define SHAREDMEMORY_R_HELD_H

#include "shared.h"

struct held_table;
struct held {
  smem_lifetime lifetime;   /* of the object that is to hold it */
  struct held_table *table; /* NULL: nothing was met that could be held */
};

/* Can the object hold what x is, without attributes? Then that is the node. */
bool r_held_find(struct held *held, SEXP x, smem_node *node);

/* The parts, in the order of their numbers. */
const smem_part *r_held_parts(const struct held *held, size_t *count);
void r_held_dispose(struct held *held);

#endif
