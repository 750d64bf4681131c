/* A semaphore, as in src/core/sync/semaphore.c; names are of that file.
 *
 * Shown: each permit has one holder, permits of the dead come back, nobody
 * stays asleep. FAULT_... are mistakes: each must be found. */
#ifndef PROCESSES
#define PROCESSES 3
#endif
#ifndef PERMITS
#define PERMITS 1
#endif
#include "common.pml"

byte slot[PERMITS];
byte changes; /* bit 0: somebody may sleep on it */

#define ON_CHANGES 1

/* What only the model knows. */
byte user[PERMITS]; /* who has this permit, and lives */

inline when_dead() {
  if :: mine < PERMITS && user[mine] == me -> user[mine] = 0 :: else fi
}

#ifdef FAULT_STEALS_WITHOUT_COMPARING
#define IS_UNCHANGED(i) (slot[i] == holder || holder != 0)
#else
#define IS_UNCHANGED(i) slot[i] == holder
#endif

/* change_slot(), from 0 to me; with `looks` one of a dead process will do. */
inline take_slot(looks) {
  i = 0;
  do
  :: i == PERMITS || taken -> break
  :: else ->
    STEP(holder = slot[i]);
    if
    :: holder == 0 || (looks && dead[holder]) ->
      STEP(if :: IS_UNCHANGED(i) -> slot[i] = me; taken = true :: else fi)
    :: else
    fi;
    if :: taken :: else -> i++ fi
  od;
  if :: taken -> mine = i :: else fi;
  i = 0; holder = 0
}

/* give_back() */
inline give_back() {
  STEP(assert(slot[mine] == me); slot[mine] = 0);
  mine = PERMITS;
  STEP(seen = changes);
  do
  :: !(seen & 1) -> break
  :: else ->
    STEP(
      if
      :: changes == seen -> changes = (changes + 1) % 16; ok = true
      :: else -> seen = changes
      fi);
    if
    :: ok ->
#ifndef FAULT_NOBODY_WOKEN
      wake_one(ON_CHANGES);
#endif
      break
    :: else
    fi
  od
}

proctype user_of_permits(byte me) {
  byte rounds, i, holder, seen, mine = PERMITS;
  bool ok, taken, slept, look, looks, gave_up;
  do
  :: rounds == ROUNDS -> break
  :: else ->
    rounds++;
    /* take() */
    take_slot(false);
    do
    :: taken || gave_up -> break
    :: else -> /* wait_for_permit() */
      looks = look;
      look = false;
      take_slot(looks);
      looks = false;
      if
      :: taken
      :: else ->
        STEP(changes = changes | 1; seen = changes);
#ifndef FAULT_NO_SECOND_LOOK
        take_slot(false);
#endif
        if
        :: taken -> slept = true
        :: else -> sleep(ON_CHANGES, changes == seen); slept = true
        fi
      fi
    od;
#ifndef FAULT_SLEEPERS_FORGOTTEN
    if :: slept && taken -> STEP(changes = changes | 1) :: else fi;
#endif
#ifndef FAULT_WAKE_NOT_PASSED_ON
    if :: slept && !taken -> wake_one(ON_CHANGES) :: else fi;
#endif
    if
    :: taken ->
      STEP(assert(user[mine] == 0); user[mine] = me);
      STEP(assert(user[mine] == me); user[mine] = 0);
      give_back()
    :: else
    fi;
    seen = 0; ok = false; taken = false; slept = false; look = false;
    gave_up = false
  od;
gone:
  skip
}

init {
  atomic {
    run user_of_permits(1);
    run user_of_permits(2);
    if :: PROCESSES > 2 -> run user_of_permits(3) :: else fi;
    if :: PROCESSES > 3 -> run user_of_permits(4) :: else fi
  }
}
