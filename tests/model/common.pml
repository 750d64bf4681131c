/* What all models have in common: death, sleep, time.
 *
 * A step is what is in STEP( ): one access to what processes share. Before any
 * of them a process may die, and then does nothing more.
 *
 * Whoever sleeps is woken, or looks by itself after a while who is dead
 * (smem__waiting_sleep()). In the models it looks only when somebody has died.
 * So a wake that is lost while all live leaves it asleep for ever, which spin
 * finds: an invalid end state. */
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef IMPATIENT
#define IMPATIENT 0 /* this one gives up waiting, by a timeout, say */
#endif

#define MOST 5 /* processes are 1 to 4 */

bool dead[MOST];
byte deaths;
byte asleep[MOST]; /* on what; 0: it is awake */

/* when_dead(): what the model notes beside. */
#define DIE                                                                    \
  deaths < DEATHS -> deaths++; dead[me] = true; asleep[me] = 0; when_dead();   \
  goto gone
#define STEP(what)                                                             \
  atomic {                                                                     \
    if :: true :: DIE fi;                                                      \
    what                                                                       \
  }

/* sync_cas(), and what comes of it. */
#define CAS(at, seen, value, then)                                             \
  STEP(if :: at == seen -> at = value; then :: else fi)

/* smem__waiting_sleep(): the kernel compares and sleeps in one step. */
inline sleep(on, same) {
  STEP(if :: same -> asleep[me] = on :: else fi);
  atomic {
    if
    :: asleep[me] == 0
    :: asleep[me] != 0 && deaths > 0 -> asleep[me] = 0; look = true
    :: me == IMPATIENT -> asleep[me] = 0; gave_up = true
    :: asleep[me] != 0 && DIE
    fi
  }
}

/* smem__os_wake(): one, whichever, or all. */
inline wake_one(on) {
  STEP(
    if
    :: asleep[1] == on -> asleep[1] = 0
    :: asleep[2] == on -> asleep[2] = 0
    :: asleep[3] == on -> asleep[3] = 0
    :: asleep[4] == on -> asleep[4] = 0
    :: else
    fi)
}

inline wake_all(on) {
  STEP(
    if :: asleep[1] == on -> asleep[1] = 0 :: else fi;
    if :: asleep[2] == on -> asleep[2] = 0 :: else fi;
    if :: asleep[3] == on -> asleep[3] = 0 :: else fi;
    if :: asleep[4] == on -> asleep[4] = 0 :: else fi)
}
