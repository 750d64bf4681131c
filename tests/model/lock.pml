/* The lock of a segment, as in src/core/sync/lock.c; names are of that file.
 *
 * Shown: nobody is inside with a writer; whoever enters after a death inside is
 * told that it is dirty, until it is repaired; each death inside is told of
 * once; nobody stays asleep. FAULT_... are mistakes: each must be found. */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef SLOTS
#define SLOTS READERS
#endif
#include "common.pml"

/* struct lock_words. The word: who has it, and flags. */
short word;
byte high, drain, slot[SLOTS];

#define WHO(word) ((word) >> 4)
#define ME (me << 4)
#define FOR_WRITERS 1
#define FOR_READERS 2
#define DIRTY 4
#define DRAINING 8

/* What who is asleep waits for. */
#define ON_WORD_WRITER 1
#define ON_WORD_READER 2
#define ON_DRAIN 3
#define ON_A_SLOT 4

/* What only the model knows. */
byte writer, readers; /* who is inside; how many are */
bool damaged;    /* a writer died inside, and nobody has repaired it */
bool told[MOST]; /* its death was told of */

inline when_dead() {
  if :: writer == me -> writer = 0; damaged = true :: else fi;
  if :: reads -> readers-- :: else fi
}

/* wake(): of the flags that were on the word. */
inline wake(flags) {
  if :: (flags) & FOR_WRITERS -> wake_one(ON_WORD_WRITER) :: else fi;
#ifdef FAULT_READERS_NOT_WOKEN
  skip
#else
  if :: (flags) & FOR_READERS -> wake_all(ON_WORD_READER) :: else fi
#endif
}

#ifdef FAULT_STEALS_FROM_THE_LIVING
#define IS_DEAD(who) true
#else
#define IS_DEAD(who) dead[who]
#endif
#ifdef FAULT_STEALS_WITHOUT_COMPARING
#define IS_UNCHANGED true
#else
#define IS_UNCHANGED word == seen
#endif

/* flags_after() */
#define KEPT(seen) ((seen) & (FOR_WRITERS | FOR_READERS | DIRTY))
#ifdef FAULT_DEATH_LEAVES_NO_DIRT
#define FLAGS_AFTER(seen) KEPT(seen)
#else
#define FLAGS_AFTER(seen) (KEPT(seen) | ((seen) & DRAINING -> 0 : DIRTY))
#endif

/* tell_death(): by the one whose compare-and-swap it was. */
inline tell_death() {
  if
  :: !(seen & DRAINING) ->
    assert(dead[WHO(seen)] && !told[WHO(seen)]);
    told[WHO(seen)] = true
  :: else
  fi
}

/* steal() */
inline steal(to) {
  STEP(
    if
    :: IS_UNCHANGED -> word = to; stolen = true; tell_death()
    :: else
    fi)
}

/* sleep_on(): the flag must be on the very word that the holder will free. */
inline sleep_on(flag, on) {
  ok = true;
  if
  :: seen & flag
#ifdef FAULT_FLAG_ON_WHATEVER_IS_THERE
  :: else -> STEP(word = word | flag; seen = word)
#else
  :: else ->
    ok = false;
    CAS(word, seen, seen | flag, ok = true; seen = seen | flag)
#endif
  fi;
  if
  :: ok ->
#ifdef FAULT_SLEEPS_WITHOUT_COMPARING
    sleep(on, true);
#else
    sleep(on, word == seen);
#endif
    slept = true
  :: else
  fi
}

/* wait_for(), with the word that was seen. */
inline wait_for(to, flag, on) {
  if
  :: look && IS_DEAD(WHO(seen)) -> look = false; steal(to)
  :: else -> look = false; sleep_on(flag, on)
  fi
}

/* has_readers() */
inline has_readers() {
  looks = look;
  look = false;
  busy = false;
  i = 0;
  STEP(most = high);
  do
  :: i < most ->
    STEP(reader = slot[i]);
    if
    :: reader == 0
    :: reader != 0 && looks && dead[reader] -> CAS(slot[i], reader, 0, skip)
    :: else -> busy = true
    fi;
    i++
  :: else -> break
  od;
  i = 0; most = 0; reader = 0; looks = false
}

#ifdef FAULT_DIRT_SWEPT_AWAY
#define FREE(seen) 0
#else
#define FREE(seen) ((seen) & DIRTY)
#endif

/* free_word(): its compare-and-swap goes on until it works, and so is a step
 * that finds the flags that are there. */
inline free_word() {
  STEP(seen = word; assert(WHO(seen) == me); word = FREE(seen));
  wake(seen)
}

/* Whoever has slept was one of many, perhaps. */
#ifdef FAULT_SLEEPERS_FORGOTTEN
#define OTHERS_SLEEP 0
#else
#define OTHERS_SLEEP (slept -> FOR_WRITERS : 0)
#endif

proctype exclusive(byte me) {
  short seen;
  byte rounds, i, most, reader, was;
  bool ok, slept, look, looks, busy, marked, taken, stolen, gave_up, dirt;
  bool reads;
  do
  :: rounds == ROUNDS -> break
  :: else ->
    rounds++;
    /* lock_exclusive(): the short way */
    CAS(word, 0, ME, taken = true);
    if
    :: taken -> STEP(if :: high == 0 -> goto inside :: else fi)
    :: else
    fi;

    /* take_word() */
    do
    :: taken || gave_up -> break
    :: else ->
      STEP(seen = word);
      if
      :: WHO(seen) == 0 ->
        CAS(word, seen, ME | seen | OTHERS_SLEEP, taken = true)
      :: else ->
        wait_for(ME | FLAGS_AFTER(seen) | FOR_WRITERS, FOR_WRITERS,
                 ON_WORD_WRITER);
        taken = stolen;
        stolen = false
      fi
    od;
    if
    :: !taken ->
#ifndef FAULT_WAKE_NOT_PASSED_ON
      if :: slept -> wake_one(ON_WORD_WRITER) :: else fi;
#endif
      goto next
    :: else
    fi;

    /* drain() */
    do
    :: STEP(was = drain);
      has_readers();
      if
      :: !busy -> break
      :: busy && marked ->
        sleep(ON_DRAIN, drain == was);
        if :: gave_up -> goto free :: else fi
      :: else ->
        STEP(word = word | DRAINING);
        marked = true;
#ifdef FAULT_NO_SECOND_LOOK
        sleep(ON_DRAIN, drain == was)
#endif
      fi
    od;
    if :: marked -> STEP(word = word & ~DRAINING) :: else fi;
    STEP(dirt = (word & DIRTY) != 0); /* tell_dirt() */

inside:
    STEP(
      assert(writer == 0 && readers == 0 && (!damaged || dirt));
      writer = me);
    if
    :: dirt -> /* smem_lock_repaired() */
      STEP(word = word & ~DIRTY; damaged = false)
    :: true
    fi;
    STEP(assert(writer == me && readers == 0); writer = 0);
free:
    free_word();
next:
    seen = 0; was = 0; ok = false; slept = false; look = false; busy = false;
    marked = false; taken = false; gave_up = false; dirt = false
  od;
gone:
  skip
}

/* leave_slot() */
inline leave_slot() {
  STEP(slot[i] = 0);
#ifndef FAULT_LEAVES_QUIETLY
  STEP(ok = (word & DRAINING) != 0);
  if
  :: ok -> STEP(drain = (drain + 1) % 8); wake_one(ON_DRAIN)
  :: else
  fi
#endif
}

/* raise_high(), which goes on until it works */
inline raise_high() { STEP(if :: high <= i -> high = i + 1 :: else fi) }

/* claim_slot(): from any one on. `mine`: that is slot i. */
inline claim_slot() {
  if
  :: i = 0
  :: SLOTS > 1 -> i = SLOTS - 1
  fi;
  do
  :: tries == SLOTS || mine -> break
  :: else ->
    STEP(holder = slot[i]);
    if
    :: holder == 0 || (look && dead[holder]) ->
#ifndef FAULT_HIGH_RAISED_LATE
      raise_high();
#endif
      CAS(slot[i], holder, me, mine = true)
    :: else
    fi;
    if
    :: mine
    :: else -> i = (i + 1) % SLOTS; tries++
    fi
  od;
  holder = 0; tries = 0
}

proctype shared(byte me) {
  short seen;
  byte rounds, i, tries, holder;
  bool ok, slept, look, mine, stolen, gave_up, dirt, reads;
  do
  :: rounds == ROUNDS -> break
  :: else ->
    rounds++;
    /* lock_shared() */
    do
    :: mine -> break
    :: else ->
      STEP(seen = word);
      if
      :: WHO(seen) == 0 -> /* enter() */
        claim_slot();
        if
        :: mine ->
#ifndef FAULT_NO_LOOK_AT_THE_WORD_AGAIN
          STEP(mine = WHO(word) == 0);
          if :: mine :: else -> leave_slot(); i = 0 fi
#endif
#ifdef FAULT_HIGH_RAISED_LATE
          if :: mine -> raise_high() :: else fi
#endif
        :: else -> sleep(ON_A_SLOT, deaths > 0) /* wait_for_slot() */
        fi
      :: else ->
        wait_for(FLAGS_AFTER(seen) & DIRTY, FOR_READERS, ON_WORD_READER);
        if
        :: stolen -> stolen = false; wake(seen | FOR_WRITERS)
        :: else
        fi
      fi
    od;
    STEP(dirt = (word & DIRTY) != 0); /* tell_dirt() */

    STEP(
      assert(writer == 0 && (!damaged || dirt));
      readers++;
      reads = true);
    STEP(assert(writer == 0); readers--; reads = false);
    leave_slot();
    seen = 0; i = 0; ok = false; slept = false; look = false; mine = false;
    dirt = false
  od;
gone:
  skip
}

init {
  atomic {
    run exclusive(1);
    if :: WRITERS > 1 -> run exclusive(2) :: else fi;
    if :: WRITERS > 2 -> run exclusive(3) :: else fi;
    if :: READERS > 0 -> run shared(WRITERS + 1) :: else fi;
    if :: READERS > 1 -> run shared(WRITERS + 2) :: else fi
  }
}
