/* What all files of this folder touch: who we are, the words of a lock, and the
 * hooks of test builds. */
#include "sync.h"

#ifdef SHAREDMEMORY_TEST_SYSCALLS
void (*smem__sync_step)(void);
void (*smem__sync_steals)(uint64_t from);
void (*smem__sync_stole)(uint64_t from, bool inside);
#endif

_Atomic uint64_t smem__sync_own;
_Atomic uint64_t smem__sync_open_now;

bool smem__lock_is_held(struct lock_words *words, uint64_t who) {
  if (SYNC_WHO(atomic_load(&words->word)) == who) return true;
  for (int i = 0; i < LOCK_SLOTS; i++)
    if (atomic_load(&words->slot[i]) == who) return true;
  return false;
}
