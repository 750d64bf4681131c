/* Events: set or not, and how often, so that whoever waits does not miss one
 * that is reset at once. tests/model/event.pml is a model of this. */
#include "sync.h"

enum { IS_SET = 1, WAITED_FOR = 2, ONCE = 4 };

static _Atomic uint64_t *state_of(const smem_sync *event) {
  return &((struct event_words *)event->address)->state;
}

bool smem_event_is_set(const smem_sync *event) {
  return event->kind == SMEM_EVENT && (sync_load(state_of(event)) & IS_SET);
}

smem_code smem_event_wait(smem_sync *event, uint64_t timeout,
                          smem_error *error) {
  struct call call = {SMEM_OP_WAIT_FOR, event->reference.id, 0, error, false};
  _Atomic uint64_t *state = state_of(event);
  struct waiting waiting;
  uint64_t seen = sync_load(state), before = seen / ONCE;
  smem_code code = smem__sync_is(&call, event, SMEM_EVENT);
  if (code != SMEM_OK || (seen & IS_SET)) return code;
  smem__waiting_begin(&waiting, &call, event->words, timeout);
  while (code == SMEM_OK && !(seen & IS_SET) && seen / ONCE == before) {
    if ((seen & WAITED_FOR) || sync_cas(state, &seen, seen | WAITED_FOR))
      code = smem__waiting_sleep(&waiting, sync_low(state),
                                 (uint32_t)(seen | WAITED_FOR), WAKE_ALL);
    seen = sync_load(state);
  }
  smem__waiting_end(&waiting);
  return code;
}

void smem_event_set(smem_sync *event) {
  _Atomic uint64_t *state = state_of(event);
  uint64_t seen = sync_load(state);
  if (event->kind != SMEM_EVENT) return;
  while (!(seen & IS_SET))
    if (sync_cas(state, &seen, ((seen / ONCE + 1) * ONCE) | IS_SET)) {
      SYNC_STEP();
      if (seen & WAITED_FOR) smem__os_wake(sync_low(state), WAKE_ALL, true);
      break;
    }
}

void smem_event_reset(smem_sync *event) {
  if (event->kind == SMEM_EVENT) sync_and(state_of(event), ~(uint64_t)IS_SET);
}
