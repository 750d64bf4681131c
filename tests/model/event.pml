/* An event, as in src/core/sync/event.c; names are of that file.
 *
 * Shown: whoever waits, and has begun before the event is set, does not miss it,
 * also if it is reset at once; nobody stays asleep. FAULT_... are mistakes:
 * each must be found. */
#define PROCESSES 3
#include "common.pml"

/* Bit 0: set; bit 1: somebody may sleep on it; how often it was set. */
byte state;
#define IS_SET 1
#define WAITED_FOR 2
#define ONCE 4

#define ON_STATE 1

/* What only the model knows. */
byte begun; /* how many waiters have */

inline when_dead() { skip }

/* smem_event_wait() */
proctype waiter(byte me) {
  byte seen, before;
  bool ok, look, gave_up;
  STEP(seen = state; before = seen / ONCE; begun++);
  do
#ifdef FAULT_NOT_COUNTED
  :: seen & IS_SET -> break
  :: else ->
#else
  :: (seen & IS_SET) || seen / ONCE != before -> break
  :: else ->
#endif
    ok = true;
    if
    :: seen & WAITED_FOR
#ifdef FAULT_MARK_ON_WHATEVER_IS_THERE
    :: else -> STEP(state = state | WAITED_FOR; seen = state)
#else
    :: else ->
      ok = false;
      CAS(state, seen, seen | WAITED_FOR, seen = seen | WAITED_FOR; ok = true)
#endif
    fi;
    if
#ifdef FAULT_SLEEPS_WITHOUT_COMPARING
    :: ok -> sleep(ON_STATE, true)
#else
    :: ok -> sleep(ON_STATE, state == seen)
#endif
    :: else
    fi;
    STEP(seen = state)
  od;
gone:
  skip
}

/* smem_event_set() and smem_event_reset(), when all who live wait, or are about
 * to. If the one who sets dies, nobody need come back. */
proctype setter(byte me) {
  byte seen;
  bool ok;
  atomic { begun + deaths >= PROCESSES - 1 -> skip };
  STEP(seen = state);
  do
  :: ok -> break
  :: else ->
    STEP(
      if
      :: state == seen ->
        state = ((seen / ONCE + 1) * ONCE) | IS_SET;
        ok = true
      :: else -> seen = state
      fi)
  od;
#ifdef FAULT_ONE_WOKEN
  if :: seen & WAITED_FOR -> wake_one(ON_STATE) :: else fi;
#else
  if :: seen & WAITED_FOR -> wake_all(ON_STATE) :: else fi;
#endif
  STEP(state = state & ~IS_SET);
gone:
  skip
}

init {
  atomic {
    run waiter(1);
    run waiter(2);
    run setter(3)
  }
}
