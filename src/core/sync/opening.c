/* Segments that are a semaphore, an event or a barrier: made, opened, closed.
 *
 * All zeros is how each of them begins, so one compare-and-swap of the first
 * word makes one: nobody sees it half made. */
#include "sync.h"

#include <string.h>

static const char *const kinds[] = {"nothing", "a semaphore", "an event",
                                    "a barrier"};

static uint64_t size_of(smem_sync_kind kind, uint64_t count) {
  switch (kind) {
  case SMEM_SEMAPHORE:
    return sizeof(struct semaphore_words) + count * sizeof(uint64_t);
  case SMEM_BARRIER:
    return sizeof(struct barrier_words) + count * sizeof(struct party);
  default:
    return sizeof(struct event_words);
  }
}

/* ---- making -------------------------------------------------------------- */

static smem_code check_request(const struct call *call, uint32_t count) {
  if (smem_id_is_raw(call->id))
    return smem__fail(call, SMEM_ARGUMENT, 0,
                      "it is another program's object, which cannot be used "
                      "like that");
  if (count <= SMEM_SYNC_MOST) return SMEM_OK;
  return smem__fail(call, SMEM_ARGUMENT, 0, "%lu are more than 2^20",
                    (unsigned long)count);
}

/* Unless it is there. Numbers are never made again. */
static smem_code make(const struct call *call, smem_sync_kind kind,
                      uint32_t count, smem_request *request) {
  uint64_t number;
  request->bytes = size_of(kind, count);
  request->name = call->id;
  request->is_sync = true;
  if (count == 0 || smem_id_is_number(call->id, &number)) return SMEM_OK;
  smem_error failure = SMEM_ERROR_INIT;
  smem_code code = smem_allocate(request, 1, SMEM_UNTIL_FREED, false, &failure);
  /* One of a smaller count: what is wrong is told when it is looked at. */
  return code == SMEM_OK || code == SMEM_TOO_SMALL
             ? SMEM_OK
             : smem__hand_on(&failure, call->error);
}

/* ---- opening ------------------------------------------------------------- */

static smem_code fail_kind(const struct call *call, uint64_t what) {
  uint64_t kind = what >> 32;
  return smem__fail(call, SMEM_ARGUMENT, 0, "it is %s of %llu",
                    kinds[kind <= SMEM_BARRIER ? kind : 0],
                    (unsigned long long)(what & UINT32_MAX));
}

smem_code smem__sync_is(const struct call *call, const smem_sync *sync,
                        smem_sync_kind kind) {
  if (sync->kind == kind) return SMEM_OK;
  return fail_kind(call, (uint64_t)sync->kind << 32 | sync->count);
}

/* Is it of this kind and count, or nothing yet, and then it is from now on? */
static smem_code settle(const struct call *call, smem_sync *sync,
                        smem_sync_kind kind, uint32_t count,
                        uint64_t capacity) {
  struct sync_head *head = sync->address;
  uint64_t seen = 0, wanted = (uint64_t)kind << 32 | count;
  if (count == 0)
    seen = sync_load(&head->what);
  else if (sync_cas(&head->what, &seen, wanted))
    seen = wanted;
  sync->count = (uint32_t)seen;
  if (seen >> 32 != kind || sync->count == 0 || (count != 0 && seen != wanted))
    return fail_kind(call, seen);
  if (size_of(kind, sync->count) <= capacity) return SMEM_OK;
  return smem__fail(call, SMEM_CORRUPT, 0,
                    "it has no room for the %lu that it says it has",
                    (unsigned long)sync->count);
}

static smem_code map_words(const struct call *call,
                           const struct segment *segment, smem_sync *sync) {
  if (!(segment->footer.flags & FOOTER_SYNC))
    return smem__fail(call, SMEM_ARGUMENT, 0,
                      "it is a segment, which was not made for that");
  smem_code code =
      smem__segment_map(call, segment, SMEM_READ_WRITE, &sync->address);
  if (code != SMEM_OK) return code;
  sync->total = segment->info.size;
  char *footer = (char *)sync->address + sync->total - FOOTER_SIZE;
  sync->words = sync_words_of((struct footer *)(void *)footer);
  return SMEM_OK;
}

/* The object is closed in any case. */
static smem_code open_segment(const struct call *call, struct segment *segment,
                              smem_sync_kind kind, uint32_t count,
                              smem_sync **result) {
  smem_sync *sync = smem__os_allocate(sizeof *sync);
  smem_code code =
      sync ? map_words(call, segment, sync) : smem__fail_no_memory(call);
  smem__os_object_close(segment->object);
  if (code == SMEM_OK) {
    code = settle(call, sync, kind, count,
                  smem__segment_capacity(&segment->footer));
    if (code != SMEM_OK) smem__os_unmap(sync->address, sync->total);
  }
  if (code != SMEM_OK) {
    smem__os_release(sync);
    return code;
  }
  sync->kind = kind;
  sync->party = -1;
  sync->reference.generation = segment->footer.generation;
  smem_copy_text(sync->reference.id, sizeof sync->reference.id, call->id);
  smem__sync_open_now++;
  *result = sync;
  return SMEM_OK;
}

smem_code smem_sync_open(smem_sync_kind kind, const char *id, uint32_t count,
                         smem_sync **sync, smem_error *error) {
  struct call call = {SMEM_OP_OPEN, id, 0, error, false};
  struct segment segment;
  struct space space = {"", ""};
  smem_request request = SMEM_REQUEST_INIT(0, NULL);
  uint64_t place[2] = {0, 0}, who;
  const char *same;
  smem_code code = check_request(&call, count);
  /* Joined before it is open, it keeps its number. */
  if (code == SMEM_OK) code = smem__sync_join(&call, &who);
  if (code == SMEM_OK) code = make(&call, kind, count, &request);
  if (code == SMEM_OK) code = smem__segment_open(&call, true, &segment);
  if (code == SMEM_OK) code = open_segment(&call, &segment, kind, count, sync);
  if (code != SMEM_OK) {
    smem_undo_allocate(&request, request.made != 0);
    return code;
  }
  smem__name_split(segment.name.text, &space, &same);
  smem_copy_text((*sync)->reference.space, sizeof space.text, space.text);
  smem_copy_text((*sync)->reference.directory, sizeof space.directory,
                 space.directory);
  if (smem__os_place(space.directory, place).code == OS_OK)
    memcpy((*sync)->reference.place, place, sizeof place);
  return SMEM_OK;
}

smem_code smem_sync_open_reference(smem_sync_kind kind,
                                   const smem_reference *reference,
                                   smem_sync **sync, smem_error *error) {
  struct call call = {SMEM_OP_OPEN, reference->id, 0, error, false};
  struct segment segment;
  uint64_t who;
  smem_code code = check_request(&call, 0);
  if (code == SMEM_OK) code = smem__sync_join(&call, &who);
  if (code == SMEM_OK)
    code = smem__segment_open_reference(&call, reference, true, &segment);
  if (code == SMEM_OK) code = open_segment(&call, &segment, kind, 0, sync);
  if (code == SMEM_OK) (*sync)->reference = *reference;
  return code;
}

void smem_sync_refer(const smem_sync *sync, smem_reference *reference) {
  *reference = sync->reference;
}

uint32_t smem_sync_count(const smem_sync *sync) { return sync->count; }

/* A place at a barrier is given back. Not by a forked child: it is its
 * parent's. */
static void leave_place(smem_sync *barrier) {
  struct barrier_words *words = barrier->address;
  uint64_t mine = barrier->who;
  if (barrier->pid != smem__process_self()->os.pid) return;
  sync_cas(&words->party[barrier->party].who, &mine, 0);
}

void smem_sync_close(smem_sync *sync) {
  if (!sync) return;
  if (sync->party >= 0) leave_place(sync);
  smem__os_unmap(sync->address, sync->total);
  smem__os_release(sync);
  smem__sync_open_now--;
}

/* ---- who takes part ------------------------------------------------------ */

/* How far apart the presences are in the payload, and where the first is. */
static bool presences_of(uint64_t what, uint64_t *first, uint64_t *step) {
  if (what >> 32 == SMEM_SEMAPHORE) {
    *first = offsetof(struct semaphore_words, slot);
    *step = sizeof(uint64_t);
  } else if (what >> 32 == SMEM_BARRIER) {
    *first = offsetof(struct barrier_words, party);
    *step = sizeof(struct party);
  } else {
    return false;
  }
  return true;
}

bool smem__sync_in_use(const struct control *control,
                       const struct segment *segment) {
  uint64_t what = 0, first, step, who;
  uint64_t capacity = smem__segment_capacity(&segment->footer);
  if (!(segment->footer.flags & FOOTER_SYNC) ||
      smem__os_object_read(segment->object, 0, &what, sizeof what).code !=
          OS_OK ||
      !presences_of(what, &first, &step))
    return false;
  for (uint64_t i = 0; i < (what & UINT32_MAX); i++) {
    uint64_t at = first + i * step;
    if (at + sizeof who > capacity ||
        smem__os_object_read(segment->object, at, &who, sizeof who).code !=
            OS_OK)
      return false;
    if (smem__sync_may_live(control, who)) return true;
  }
  return false;
}
