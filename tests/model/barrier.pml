/* A barrier, as in src/core/sync/barrier.c; names are of that file.
 *
 * Shown: nobody leaves a round that not all have come to; it breaks only when
 * one died before it came, or gave up; when it is broken all are told; nobody
 * stays asleep. FAULT_... are mistakes: each must be found. */
#ifndef PARTIES
#define PARTIES 3
#endif
#include "common.pml"

byte round; /* bit 0: broken; which one */
#define IS_BROKEN 1
#define ROUND 2
byte who[MOST], arrived[MOST]; /* each has its place: that of its number */

#define ON_ROUND 1

/* What only the model knows. */
bool missing; /* one died before it came, or gave up */

inline when_dead() {
  if :: arrived[me] < rounds && rounds > 0 -> missing = true :: else fi;
  if :: rounds < ROUNDS -> missing = true :: else fi
}

/* turn() */
inline turn(from, to) {
#ifdef FAULT_TURNS_WITHOUT_COMPARING
  STEP(round = to; ok = true);
#else
  ok = false;
  CAS(round, from, to, ok = true);
#endif
#ifndef FAULT_NOBODY_WOKEN
  if :: ok -> wake_all(ON_ROUND) :: else fi
#endif
}

/* are_all_here() and is_any_dead() */
inline look_at_parties() {
  all_here = true;
  any_dead = false;
  i = 1;
  do
  :: i > PARTIES -> break
  :: else ->
    STEP(if :: arrived[i] < next -> all_here = false :: else fi);
    i++
  od;
  i = 1;
  do
  :: i > PARTIES || all_here || !look -> break
  :: else ->
#ifdef FAULT_WHO_HAS_COME_COUNTS
    STEP(if :: who[i] != 0 && dead[i] -> any_dead = true :: else fi);
#else
    STEP(
      if
      :: who[i] != 0 && arrived[i] < next && dead[i] -> any_dead = true
      :: else
      fi);
#endif
    i++
  od;
  i = 0
}

/* meet() */
inline meet() {
  do
  :: STEP(seen = round);
    if
    :: seen / ROUND >= next || (seen & IS_BROKEN) -> break
    :: else
    fi;
    look_at_parties();
    look = false;
    if
    :: all_here -> turn(seen, next * ROUND)
    :: !all_here && any_dead -> turn(seen, seen | IS_BROKEN)
    :: else ->
      sleep(ON_ROUND, round == seen);
      if
      :: gave_up ->
        missing = true;
        turn(seen, seen | IS_BROKEN);
        if :: ok -> break :: else -> gave_up = false fi
      :: else
      fi
    fi
  od
}

/* smem_barrier_wait() */
proctype party(byte me) {
  byte rounds, next, seen, i;
  bool ok, look, all_here, any_dead, gave_up;
  STEP(who[me] = me); /* take_place() */
  do
  :: rounds == ROUNDS || gave_up -> break
  :: else ->
    rounds++;
    STEP(next = round / ROUND + 1);
    STEP(arrived[me] = next);
    meet();
    STEP(seen = round);
    if
    :: seen / ROUND >= next ->
      assert(arrived[1] >= rounds && arrived[2] >= rounds &&
             (PARTIES < 3 || arrived[3] >= rounds))
    :: else -> assert((seen & IS_BROKEN) && missing); break
    fi;
    seen = 0; next = 0; ok = false; look = false; all_here = false;
    any_dead = false
  od;
gone:
  skip
}

init {
  atomic {
    run party(1);
    run party(2);
    if :: PARTIES > 2 -> run party(3) :: else fi
  }
}
