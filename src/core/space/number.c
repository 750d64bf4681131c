/* The numbers that are ids of unnamed segments: they do not come back. */
#include "control.h"

static _Atomic uint64_t highest_seen; /* that this process had to do with */

smem_code smem__numbers_take(const struct call *call, struct control *control,
                             uint64_t count, uint64_t *first) {
  *first = atomic_fetch_add(&control->page->number, count) + 1;
  if (*first <= SMEM_MAX_NUMBER - count) {
    smem__number_remember(*first + count - 1);
    return SMEM_OK;
  }
  atomic_fetch_sub(&control->page->number, count);
  return smem__fail(call, SMEM_CONTROL, 0,
                    "the counter of the namespace is damaged or used up");
}

static void raise_to(_Atomic uint64_t *at, uint64_t number) {
  uint64_t now = atomic_load(at);
  while (now < number && !atomic_compare_exchange_weak(at, &now, number))
    continue;
}

/* The page may have been made after the loss of the former one, by somebody who
 * did not know of the numbers that this process has seen. */
void smem__numbers_raise(struct control_page *page) {
  raise_to(&page->number, atomic_load(&highest_seen));
}

void smem__number_remember(uint64_t number) { raise_to(&highest_seen, number); }

bool smem__number_is_known(uint64_t number) {
  return number <= atomic_load(&highest_seen);
}

void smem__numbers_forget(void) { atomic_store(&highest_seen, 0); }

bool smem__number_is_used(const struct control *control, uint64_t number) {
  return smem__number_is_known(number) ||
         (smem__control_is_intact(control) &&
          number <= atomic_load(&control->page->number));
}
