/* What the parts of the soak share: see soak.c. */
#ifndef SHAREDMEMORY_TORTURE_SOAK_H
#define SHAREDMEMORY_TORTURE_SOAK_H

#include "model.h"

extern uint64_t soak_seed;

/* ---- random.c ------------------------------------------------------------ */

/* Each process has its own. */
void random_start(uint64_t seed);
uint64_t random_next(void);
unsigned random_below(unsigned limit);
bool one_in(unsigned n);

/* ---- contents.c: what stands in a segment, handles, references ----------- */

void letters_make(void); /* through which references go; before any fork */

/* Are these bytes, these words, and some bytes of this memory what was written
 * there? check_words() returns the generation that it tells, 0 if none yet. */
void check_text(struct object *object, const char *id, const unsigned char *at,
                uint64_t offset, uint64_t length);
uint64_t check_words(struct object *object, const void *address,
                     uint64_t generation);
void check_memory(struct object *object, const char *id, const void *address,
                  uint64_t capacity);

/* Open it, and leave a mark. Returns the generation, 0 if there is none. */
uint64_t visit_object(struct object *object, const char *id);

void act_reference(void);
void act_handle(void);

/* ---- segments.c: what is done to one ------------------------------------- */

typedef void action(struct object *object, const char *id, struct watch *watch);
action act_create, act_open, act_batch, act_free, act_has, act_size, act_visit,
    act_map, act_inspect, act_read, act_write;
void act_unmap(void);

/* ---- whole.c: what is done to the namespace ------------------------------ */

void act_list(void);
void act_reclaim(void);
void act_index(void);
void act_rejoin(void);

/* Nobody else is left: all must be as the facts say. Then remove it all. */
void check_end(bool by_reclaiming);

/* ---- worker.c ------------------------------------------------------------ */

/* Do anything at random, as the process of this slot, until model->stop or for
 * a while. */
void work(int slot);

#endif
