/* Parts of arrays: blocks of elements, and how to walk through them. */
#include "array.h"

#include <string.h>

/* ---- making -------------------------------------------------------------- */

void r_axis_set(struct r_axis *axis, R_xlen_t *at, R_xlen_t n) {
  axis->count = n;
  axis->at = at;
  for (R_xlen_t i = 0; i < n; i++)
    if (at[i] != at[0] + i) return;
  if (n == 0 || axis->has_na) return;
  axis->start = at[0];
  axis->at = NULL;
}

struct r_part r_part_of_extents(const struct r_array *array, R_xlen_t rank) {
  R_xlen_t axes = rank > 0 ? rank : 1, stride = 1;
  struct r_part part = {.rank = axes};
  part.axes = (struct r_axis *)(void *)R_alloc((size_t)axes, sizeof *part.axes);
  memset(part.axes, 0, (size_t)axes * sizeof *part.axes);
  for (R_xlen_t i = 0; i < axes; i++) {
    part.axes[i].extent = rank > 0 ? array->extents[i] : array->length;
    part.axes[i].stride = stride;
    stride *= part.axes[i].extent;
  }
  return part;
}

struct r_part r_part_counted(struct r_part part) {
  double count = 1;
  for (R_xlen_t i = 0; i < part.rank; i++) {
    count *= (double)part.axes[i].count;
    part.has_na |= part.axes[i].has_na;
  }
  if (count > (double)R_XLEN_T_MAX) Rf_error("too many elements are asked for");
  part.count = (R_xlen_t)count;
  return part;
}

struct r_part r_part_whole(const struct r_array *array) {
  struct r_part part = r_part_of_extents(array, 0);
  part.axes[0].count = part.axes[0].extent;
  return r_part_counted(part);
}

/* ---- walking ------------------------------------------------------------- */

static bool is_full(const struct r_axis *axis) {
  return !axis->at && axis->start == 0 && axis->count == axis->extent;
}

/* Fewer axes: without those that stand still, whose place is added to *base,
 * and with one in place of two where the second goes on where the first ends.
 */
static struct r_part merged(struct r_part part, R_xlen_t *base) {
  size_t bytes = (size_t)part.rank * sizeof *part.axes;
  part.axes = memcpy(R_alloc(bytes, 1), part.axes, bytes);
  while (part.rank > 1 && !part.axes[0].at) {
    struct r_axis first = part.axes[0], *next = &part.axes[1];
    if (is_full(&first) && !next->at) {
      next->extent *= first.extent;
      next->start *= first.extent;
      next->count *= first.extent;
      next->stride = first.stride;
    } else if (first.count == 1) {
      *base += first.start * first.stride;
    } else {
      return part;
    }
    part.axes++;
    part.rank--;
  }
  return part;
}

/* Where the counters of the axes from the second on point. */
static R_xlen_t first_of(const struct r_part *part, R_xlen_t base,
                         const R_xlen_t *counters) {
  for (R_xlen_t i = 1; i < part->rank; i++) {
    R_xlen_t at = r_place(&part->axes[i], counters[i]);
    if (at < 0) return -1;
    base += at;
  }
  return base;
}

/* False after the last. */
static bool step(const struct r_part *part, R_xlen_t *counters) {
  for (R_xlen_t i = 1; i < part->rank; i++) {
    if (++counters[i] < part->axes[i].count) return true;
    counters[i] = 0;
  }
  return false;
}

void r_part_walk(struct r_part part, r_visit *visit, void *context) {
  R_xlen_t done = 0, looked = 0, base = 0;
  if (part.count == 0) return;
  part = merged(part, &base);
  R_xlen_t *counters =
      (R_xlen_t *)(void *)R_alloc((size_t)part.rank, sizeof *counters);
  memset(counters, 0, (size_t)part.rank * sizeof *counters);
  do {
    visit(context, first_of(&part, base, counters), &part.axes[0], done);
    done += part.axes[0].count;
    if (done - looked < R_BLOCK) continue;
    R_CheckUserInterrupt();
    looked = done;
  } while (step(&part, counters));
}
