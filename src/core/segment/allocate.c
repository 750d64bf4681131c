/* Allocating: one segment or many, or none. */
#include "segment.h"

#include <stdio.h>
#include <string.h>

/* What all segments of one smem_allocate() have in common. */
struct batch {
  smem_request *requests;
  size_t count;
  size_t at; /* the request under way */
  smem_lifetime lifetime;
  bool exclusive;
  uint64_t largest; /* bytes that an object of this process may have */
  struct control *control;
  struct footer footer; /* of the segment under way */
};

/* What the footers of all segments of a batch have in common. */
static void begin_footers(struct batch *batch) {
  const struct process *self = smem__process_self();
  struct environment told;
  struct footer *footer = &batch->footer;
  memset(footer, 0, sizeof *footer);
  footer->owner = (struct owner){batch->control->generation,
                                 batch->control->presence,
                                 self->token,
                                 self->os.pid,
                                 self->os.start,
                                 self->os.pid_space};
  footer->lifetime = (uint32_t)batch->lifetime;
  smem__process_told(&told);
  smem_copy_text(footer->tag, sizeof footer->tag, told.tag);
}

/* batch->footer, for call->id. */
static void fill_footer(const struct call *call, struct batch *batch,
                        uint64_t size, uint64_t total) {
  const smem_request *request = &batch->requests[batch->at];
  struct footer *footer = &batch->footer;
  footer->flags = (request->name ? FOOTER_NAMED : 0u) |
                  (request->is_sync ? FOOTER_SYNC : 0u);
  footer->requested = size;
  footer->total = total;
  footer->generation = smem__process_random();
  footer->created = smem__os_wall_clock();
  memset(footer->id, 0, sizeof footer->id);
  memset(footer->trace, 0, sizeof footer->trace);
  smem_copy_text(footer->id, sizeof footer->id, call->id);
  if (request->trace)
    smem_copy_text(footer->trace, sizeof footer->trace, request->trace);
  smem__footer_seal(footer);
}

uint64_t smem__room_left(char *limit, size_t length) {
  struct space space = smem__space_own();
  uint64_t room = smem__os_free_space(space.directory, limit, length);
  uint64_t largest = smem__os_largest();
  if (largest >= room) return room;
  smem_copy_text(limit, length, "the limit on the size of files (ulimit -f)");
  return largest;
}

smem_code smem__fail_no_space(const struct call *call, int number,
                              uint64_t size) {
  char limit[160], left[240] = "", also[280] = "";
  char directory[SMEM_DIRECTORY_SIZE];
  uint64_t room = smem__room_left(limit, sizeof limit);
  if (limit[0])
    snprintf(left, sizeof left, ": %s leaves %llu", limit,
             (unsigned long long)room);
  if (smem__spill_is_wanted() && smem__spill_known(directory))
    snprintf(also, sizeof also, "; the directory to spill to, '%s', has %llu",
             directory,
             (unsigned long long)smem__os_free_space(directory, NULL, 0));
  return smem__fail(call, SMEM_NO_SPACE, number,
                    "there is no room for %llu byte%s%s%s",
                    (unsigned long long)size, size == 1 ? "" : "s", left, also);
}

static smem_code fail_create(const struct call *call, os_status status,
                             const char *name, uint64_t size) {
  if (status.code == OS_INTERRUPTED)
    return smem__fail(call, SMEM_INTERRUPTED, 0, "interrupted");
  if (smem__is_bad_place(status)) return smem__fail_place(call, status, name);
  if (status.code != OS_NO_SPACE && status.code != OS_NO_MEMORY)
    return smem__fail_object(call, status, name);
  return smem__fail_no_space(call, status.number, size);
}

static void begin(struct call *call, struct batch *batch, size_t at,
                  const char *id) {
  batch->at = at;
  call->element = batch->count > 1 ? at + 1 : 0;
  call->id = id;
}

/* A number that the counter has handed out belongs to an unnamed segment, which
 * may be mapped by somebody who relies on its never coming back: such a name
 * can be opened, not created. */
static bool is_spent(const struct call *call, const struct batch *batch) {
  uint64_t number;
  return smem_id_is_number(call->id, &number) &&
         smem__number_is_used(batch->control, number);
}

/* What became of an attempt at a name. */
enum outcome {
  MADE,
  TAKEN, /* by somebody's segment, or what will be one */
  SPENT  /* see is_spent() */
};

/* Give what is held its memory and its footer. */
static os_status complete(const struct call *call, struct batch *batch,
                          const struct name *name, os_object object,
                          uint64_t size, uint64_t total) {
  os_status status = smem__os_object_reserve(object, total, batch->largest,
                                             smem__process_interrupted);
  if (status.code != OS_OK) return status;
  fill_footer(call, batch, size, total);
  status = smem__os_object_publish(object, total, &batch->footer, FOOTER_SIZE);
  return status.code == OS_OK ? smem__os_object_keep(name->text, object)
                              : status;
}

static uint64_t total_of(uint64_t size) {
  uint64_t page = smem__os_page_size();
  return (size + FOOTER_SIZE + page - 1) / page * page;
}

/* It does not fit where the others are: make it where the namespace spills to,
 * if the user wants that, under the name that is held here. */
static smem_code spill(const struct call *call, struct batch *batch,
                       uint64_t size, os_status *status,
                       enum outcome *outcome) {
  struct opening opening;
  struct name there;
  bool spills;
  uint64_t total = total_of(size);
  smem_code code =
      smem__name_spilled(call, batch->control, call->id, &there, &spills);
  if (code != SMEM_OK || !spills) return code;
  smem__opening_clean(there.text);
  *status = smem__opening_create(&opening, there.text, total);
  if (smem__is_taken(*status)) {
    *outcome = TAKEN;
    *status = (os_status){OS_OK, 0};
  } else if (status->code == OS_OK) {
    *status = complete(call, batch, &there, opening.object, size, total);
    if (status->code == OS_OK)
      smem__opening_close(&opening);
    else
      smem__opening_remove(&opening, there.text);
  }
  return SMEM_OK;
}

/* The name is ours, here, until its object is closed. So nobody can get this
 * number from now on; whoever has got it before is seen. */
static enum outcome judge(const struct call *call, const struct batch *batch) {
  if (batch->requests[batch->at].name && is_spent(call, batch)) return SPENT;
  return smem__name_is_spilled(call, batch->control) ? TAKEN : MADE;
}

/* Completed here, or where there is room, or removed: *outcome tells whether
 * there is a segment now. A number needs nobody to hold it: it does not come
 * back. */
static smem_code make_of(const struct call *call, struct batch *batch,
                         const struct name *name, struct opening *opening,
                         uint64_t size, os_status *status,
                         enum outcome *outcome) {
  bool is_named = batch->requests[batch->at].name != NULL;
  smem_code code = SMEM_OK;
  *outcome = judge(call, batch);
  if (*outcome == MADE)
    *status =
        complete(call, batch, name, opening->object, size, total_of(size));
  if (*outcome == MADE && status->code == OS_OK) {
    smem__opening_close(opening);
    return SMEM_OK;
  }
  if (!is_named) smem__opening_remove(opening, name->text);
  if (*outcome == MADE && status->code == OS_NO_SPACE)
    code = spill(call, batch, size, status, outcome);
  if (is_named) smem__opening_remove(opening, name->text);
  return code;
}

static smem_code create(const struct call *call, struct batch *batch,
                        const struct name *name, uint64_t size,
                        enum outcome *outcome) {
  struct opening opening;
  smem_code code = SMEM_OK;
  if (total_of(size) > SIZE_MAX / 2)
    return smem__fail(call, SMEM_NO_MEMORY, 0,
                      "%llu bytes are more than this process can address",
                      (unsigned long long)size);
  os_status status = smem__opening_create(&opening, name->text, total_of(size));
  *outcome = TAKEN;
  if (smem__is_taken(status)) return SMEM_OK;
  if (status.code == OS_OK)
    code = make_of(call, batch, name, &opening, size, &status, outcome);
  else
    smem__opening_clean(name->text);
  if (code != SMEM_OK) return code;
  if (status.code != OS_OK) return fail_create(call, status, name->text, size);
  if (*outcome == MADE)
    batch->requests[batch->at].made = batch->footer.generation;
  return SMEM_OK;
}

/* A name that exists: is the segment good for this request? *again: it is gone,
 * or not complete. */
static smem_code use_existing(const struct call *call, struct batch *batch,
                              uint64_t size, bool *again) {
  struct segment segment;
  os_status status;
  smem_code code = smem__segment_seek(call, false, &segment, &status);
  *again = code == SMEM_OK && status.code != OS_OK;
  if (code != SMEM_OK || *again) return code;
  uint64_t capacity = smem__segment_capacity(&segment.footer);
  if (batch->exclusive)
    code = smem__fail(call, SMEM_EXISTS, 0,
                      "a segment of %llu bytes has this name",
                      (unsigned long long)capacity);
  else if (capacity < size)
    code = smem__fail(call, SMEM_TOO_SMALL, 0,
                      "the segment of this name has %llu bytes, not %llu",
                      (unsigned long long)capacity, (unsigned long long)size);
  else if ((status = smem__os_object_keep(segment.name.text, segment.object))
               .code != OS_OK)
    code = smem__fail_object(call, status, segment.name.text);
  smem__os_object_close(segment.object);
  return code;
}

static smem_code fail_spent(const struct call *call) {
  return smem__fail(
      call, SMEM_ARGUMENT, 0,
      "the numbers up to the last index are ids of unnamed segments; choose "
      "a name with a letter in it");
}

/* One attempt. *again: somebody was in the way. */
static smem_code create_or_open(const struct call *call, struct batch *batch,
                                const struct name *name, bool *again) {
  uint64_t size = batch->requests[batch->at].bytes;
  enum outcome outcome = is_spent(call, batch) ? SPENT : TAKEN;
  smem_code code = SMEM_OK;
  *again = false;
  if (outcome == TAKEN) code = create(call, batch, name, size, &outcome);
  if (code != SMEM_OK || outcome == MADE) return code;
  code = use_existing(call, batch, size, again);
  if (code == SMEM_OK && *again && outcome == SPENT) {
    *again = false;
    return fail_spent(call);
  }
  if (code == SMEM_OK && *again) smem__opening_clean(name->text);
  return code;
}

/* Waits for a creator at work, as long as there is one. */
static smem_code allocate_named(const struct call *call, struct batch *batch) {
  struct patience patience = {0, 0};
  struct name name;
  bool again = true;
  smem_code code = smem__name_of_segment(call, &name);
  while (code == SMEM_OK && again) {
    code = create_or_open(call, batch, &name, &again);
    if (code == SMEM_OK && again) code = smem__patience_wait(call, &patience);
  }
  return code;
}

/* `number` is ours. */
static smem_code allocate_number(struct call *call, struct batch *batch,
                                 uint64_t number, enum outcome *outcome) {
  smem_request *request = &batch->requests[batch->at];
  char id[SMEM_NUMBER_SIZE];
  struct name name;
  smem_id_of_number(number, id);
  request->number = number;
  call->id = id;
  smem_code code = smem__name_of_segment(call, &name);
  if (code == SMEM_OK)
    code = create(call, batch, &name, request->bytes, outcome);
  call->id = "";
  return code;
}

/* The unnamed ones from *at on, with as many numbers in a row, of which some
 * may be taken. */
static smem_code allocate_row(struct call *call, struct batch *batch,
                              size_t *at, size_t *left) {
  uint64_t number;
  size_t row = *left;
  smem_code code = smem__numbers_take(call, batch->control, row, &number);
  for (; row > 0 && code == SMEM_OK; row--, number++) {
    enum outcome outcome = MADE;
    while (batch->requests[*at].name) ++*at;
    begin(call, batch, *at, "");
    code = allocate_number(call, batch, number, &outcome);
    if (outcome != MADE) continue;
    ++*at;
    if (code == SMEM_OK) code = smem__patience_look(call, --*left);
  }
  return code;
}

static uint64_t add_sizes(uint64_t a, uint64_t b) {
  return b < UINT64_MAX - a ? a + b : UINT64_MAX;
}

static uint64_t sum_of_sizes(const struct batch *batch) {
  uint64_t sum = 0;
  for (size_t i = 0; i < batch->count; i++)
    sum = add_sizes(sum, batch->requests[i].bytes);
  return sum;
}

/* What cannot be had in full is not begun: the memory would be short for all
 * others meanwhile. (Named segments may be there already.) */
static smem_code check_room(struct call *call, struct batch *batch) {
  uint64_t sum = 0, room;
  struct space space = smem__space_own();
  for (size_t i = 0; i < batch->count; i++)
    if (!batch->requests[i].name)
      sum = add_sizes(sum, batch->requests[i].bytes);
  if (smem__spill_is_wanted() || smem__os_has_room(space.directory, sum))
    return SMEM_OK;
  room = smem__os_free_space(space.directory, NULL, 0);
  sum = 0;
  for (size_t i = 0; i < batch->count; i++) {
    if (batch->requests[i].name) continue;
    sum = add_sizes(sum, batch->requests[i].bytes);
    begin(call, batch, i, "");
    if (sum > room) return smem__fail_no_space(call, 0, sum);
  }
  return SMEM_OK;
}

/* Join, and be from now on who owns what is made. */
static smem_code join(const struct call *call, struct batch *batch) {
  smem_code code = smem__presence_join(call, &batch->control);
  if (code == SMEM_OK) begin_footers(batch);
  return code;
}

/* A number that is taken is a sign that somebody else counts again: then the
 * control object was lost, and there is another one. */
static smem_code join_again(const struct call *call, struct batch *batch) {
  if (smem__control_is_intact(batch->control)) return SMEM_OK;
  smem__presence_count_act();
  smem__control_release(batch->control);
  batch->control = NULL;
  return join(call, batch);
}

static smem_code allocate_unnamed(struct call *call, struct batch *batch,
                                  size_t unnamed) {
  size_t at = 0;
  smem_code code = batch->count > 1 ? check_room(call, batch) : SMEM_OK;
  while (unnamed > 0 && code == SMEM_OK) {
    code = allocate_row(call, batch, &at, &unnamed);
    if (code == SMEM_OK && unnamed > 0) code = join_again(call, batch);
  }
  return code;
}

static smem_code allocate_all(struct call *call, struct batch *batch,
                              size_t unnamed) {
  size_t count = batch->count;
  smem_code code = batch->control ? SMEM_OK : join(call, batch);
  if (code == SMEM_OK && unnamed > 0)
    code = allocate_unnamed(call, batch, unnamed);
  for (size_t i = 0; unnamed < count && i < count && code == SMEM_OK; i++) {
    if (!batch->requests[i].name) continue;
    begin(call, batch, i, batch->requests[i].name);
    code = allocate_named(call, batch);
    if (code == SMEM_OK) code = smem__patience_look(call, i);
  }
  return code;
}

/* Its id, in `number` if it is one. */
static const char *id_of_request(const smem_request *request,
                                 char number[SMEM_NUMBER_SIZE]) {
  if (request->name) return request->name;
  smem_id_of_number(request->number, number);
  return number;
}

static bool (*relief)(uint64_t size);

void smem__allocate_relief(bool (*make_room)(uint64_t size)) {
  relief = make_room;
}

/* Sets how many have no name, and that nothing was made. */
static smem_code check_requests(struct call *call, struct batch *batch,
                                size_t *unnamed) {
  for (size_t i = 0; i < batch->count; i++) {
    smem_request *request = &batch->requests[i];
    request->made = 0;
    *unnamed += !request->name;
    begin(call, batch, i, request->name ? request->name : "");
    if (request->bytes < 1 || request->bytes > SMEM_MAX_NUMBER)
      return smem__fail(call, SMEM_ARGUMENT, 0,
                        "the size must be from 1 to 2^53 bytes");
    if (batch->lifetime != SMEM_UNTIL_FREED &&
        batch->lifetime != SMEM_OF_PROCESS)
      return smem__fail(call, SMEM_ARGUMENT, 0, "there is no such lifetime");
    if (smem_id_is_raw(call->id))
      return smem__fail(
          call, SMEM_ARGUMENT, 0,
          "names that begin with \"/\" are those of other programs' "
          "objects, which can be mapped and not allocated");
  }
  return SMEM_OK;
}

static void undo(smem_request *requests, size_t count) {
  struct call call = {SMEM_OP_ALLOCATE, "", 0, NULL, true};
  for (size_t i = 0; i < count; i++) {
    char number[SMEM_NUMBER_SIZE];
    if (requests[i].made == 0) continue;
    call.id = id_of_request(&requests[i], number);
    smem__segment_remove_generation(&call, requests[i].made);
    requests[i].made = 0;
  }
}

static smem_code allocate(smem_request *requests, size_t count,
                          smem_lifetime lifetime, bool exclusive,
                          smem_error *error) {
  struct call call = {SMEM_OP_ALLOCATE, "", 0, error, false};
  struct batch batch = {.requests = requests,
                        .count = count,
                        .lifetime = lifetime,
                        .exclusive = exclusive,
                        .largest = smem__os_largest()};
  size_t unnamed = 0;
  smem_code code = check_requests(&call, &batch, &unnamed);
  if (code == SMEM_OK) code = allocate_all(&call, &batch, unnamed);
  while (code == SMEM_NO_SPACE && relief && relief(sum_of_sizes(&batch))) {
    undo(requests, count);
    code = allocate_all(&call, &batch, unnamed);
  }
  if (code != SMEM_OK) undo(requests, count);
  if (batch.control) {
    smem__presence_count_act();
    smem__control_release(batch.control);
  }
  if (code == SMEM_OK && lifetime == SMEM_OF_PROCESS) smem__process_owes_free();
  return code;
}

/* ---- clients of other headers -------------------------------------------- */

/* Element i of what has elements of another size than ours. */
static smem_request *client_request(smem_request *requests, size_t i) {
  return (smem_request *)(void *)((char *)requests + i * requests->size);
}

/* The same in our size; NULL: there is no memory. */
static smem_request *our_requests(smem_request *theirs, size_t count) {
  const smem_request empty = SMEM_REQUEST_INIT(0, NULL);
  smem_request *ours = count < SIZE_MAX / sizeof *ours
                           ? smem__os_allocate(count * sizeof *ours)
                           : NULL;
  for (size_t i = 0; ours && i < count; i++) {
    ours[i] = empty;
    smem__struct_copy(&ours[i], client_request(theirs, i));
  }
  return ours;
}

static void give_back(smem_request *theirs, smem_request *ours, size_t count) {
  for (size_t i = 0; i < count; i++)
    smem__struct_copy(client_request(theirs, i), &ours[i]);
  smem__os_release(ours);
}

smem_code smem_allocate(smem_request *requests, size_t count,
                        smem_lifetime lifetime, bool exclusive,
                        smem_error *error) {
  struct call call = {SMEM_OP_ALLOCATE, "", 0, error, false};
  if (count == 0) return SMEM_OK;
  if (requests->size == sizeof *requests)
    return allocate(requests, count, lifetime, exclusive, error);
  if (requests->size < sizeof requests->size) return smem__fail_struct(&call);
  smem_request *ours = our_requests(requests, count);
  if (!ours) return smem__fail_no_memory(&call);
  smem_code code = allocate(ours, count, lifetime, exclusive, error);
  give_back(requests, ours, count);
  return code;
}

void smem_undo_allocate(smem_request *requests, size_t count) {
  if (count == 0) return;
  if (requests->size == sizeof *requests) {
    undo(requests, count);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    smem_request ours = SMEM_REQUEST_INIT(0, NULL);
    smem__struct_copy(&ours, client_request(requests, i));
    undo(&ours, 1);
    smem__struct_copy(client_request(requests, i), &ours);
  }
}
