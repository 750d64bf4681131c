/* Writing objects: into memory that has no name until all is there. */
#include "object_internal.h"

enum {
  BUFFER = 1 << 20,    /* bytes; less of what is smaller */
  DIRECT = BUFFER / 4, /* what is as large is not buffered */
  CHUNK = 4 << 20      /* bytes between two looks for an interrupt */
};

struct smem_writer {
  smem_taker *take; /* NULL: it has a segment */
  void *context;
  struct control *control;
  struct opening opening;
  struct name here, name; /* where the others lie; its own */
  char id[SMEM_ID_MAX + 1];
  bool is_named, is_spilled;
  uint64_t size, total; /* bytes: as planned; of the segment's object */
  uint64_t at;          /* the next byte's place */
  uint64_t generation, blob_checksum;
  size_t filled; /* bytes of the buffer, which end at `at` */
  size_t capacity;
  unsigned char buffer[]; /* at first with room for the header */
};

uint64_t smem_place(uint64_t at, uint64_t bytes) {
  uint64_t unit = bytes >= 65536  ? smem__os_page_size()
                  : bytes >= 4096 ? 64
                                  : 8;
  return (at + unit - 1) / unit * unit;
}

static struct call writing(const char *id, smem_error *error) {
  return (struct call){SMEM_OP_SHARE, id, 0, error, false};
}

/* ---- begin, end -------------------------------------------------------------
 */

static smem_code fail_make(const struct call *call, os_status status,
                           const char *name, uint64_t size) {
  if (status.code == OS_INTERRUPTED)
    return smem__fail(call, SMEM_INTERRUPTED, 0, "interrupted");
  if (smem__is_bad_place(status)) return smem__fail_place(call, status, name);
  if (status.code != OS_NO_SPACE && status.code != OS_NO_MEMORY)
    return smem__fail_os(call, status, "its memory cannot be made");
  return smem__fail_no_space(call, status.number, size);
}

/* What fits into one page is written at once, when all is there. Until then it
 * is incomplete even if it bears its name, as a segment does, which costs less
 * than to link what has none. What is spilled is named in another way. */
static bool is_of_one_page(const smem_writer *writer) {
  return writer->total == smem__os_page_size();
}

static bool bears_name(const smem_writer *writer) {
  return is_of_one_page(writer) && !writer->is_spilled;
}

static os_status make_once(smem_writer *writer) {
  os_status status =
      bears_name(writer)
          ? smem__opening_create(&writer->opening, writer->name.text,
                                 writer->total)
          : smem__opening_make(&writer->opening, writer->name.text,
                               writer->total);
  if (status.code != OS_OK) return status;
  status =
      smem__os_object_reserve(writer->opening.object, writer->total,
                              smem__os_largest(), smem__process_interrupted);
  if (status.code != OS_OK)
    smem__opening_unmake(&writer->opening, writer->name.text);
  return status;
}

/* Where there is more room, if the user wants that. */
static smem_code spill(const struct call *call, smem_writer *writer,
                       os_status *status) {
  struct name there;
  bool spills;
  smem_code code =
      smem__name_spilled(call, writer->control, writer->id, &there, &spills);
  if (code != SMEM_OK || !spills) return code;
  writer->name = there;
  writer->is_spilled = true;
  *status = make_once(writer);
  return SMEM_OK;
}

/* What was let go, and only waits for somebody who has not come yet, gives way.
 * *taken: where it has its name from the start, something else has it. */
static smem_code make(const struct call *call, smem_writer *writer,
                      bool *taken) {
  os_status status = make_once(writer);
  smem_code code = SMEM_OK;
  if (status.code == OS_NO_SPACE) code = spill(call, writer, &status);
  if (code != SMEM_OK) return code;
  while (status.code == OS_NO_SPACE && smem__object_drop_oldest(writer->total))
    status = make_once(writer);
  *taken = smem__is_taken(status);
  if (status.code == OS_OK && !writer->is_spilled &&
      smem__name_is_spilled(call, writer->control)) {
    smem__opening_unmake(&writer->opening, writer->name.text);
    *taken = true;
  }
  return status.code == OS_OK || *taken
             ? SMEM_OK
             : fail_make(call, status, writer->name.text, writer->size);
}

/* What is spilled has its file already. */
static smem_code name_it(const struct call *call, smem_writer *writer) {
  bool spills;
  smem_code code = smem__name_of_segment(call, &writer->here);
  writer->name = writer->here;
  if (code != SMEM_OK || !writer->is_spilled) return code;
  return smem__name_spilled(call, writer->control, writer->id, &writer->name,
                            &spills);
}

/* The id of an object that was not given one. */
static smem_code take_number(struct call *call, smem_writer *writer) {
  uint64_t number;
  call->id = ""; /* of an error: it has none yet */
  smem_code code = smem__numbers_take(call, writer->control, 1, &number);
  if (code != SMEM_OK) return code;
  smem_id_of_number(number, writer->id);
  call->id = writer->id;
  return name_it(call, writer);
}

static smem_code make_numbered(struct call *call, smem_writer *writer) {
  bool taken = true;
  smem_code code = SMEM_OK;
  while (code == SMEM_OK && taken) {
    writer->is_spilled = false;
    code = take_number(call, writer);
    call->id = ""; /* of an error, still */
    if (code == SMEM_OK) code = make(call, writer, &taken);
  }
  return code;
}

static smem_code check_name(const struct call *call,
                            const smem_writer *writer) {
  uint64_t number;
  if (smem_id_is_raw(call->id))
    return smem__fail(
        call, SMEM_ARGUMENT, 0,
        "names that begin with \"/\" are those of other programs' objects");
  if (smem_id_is_number(call->id, &number) &&
      smem__number_is_used(writer->control, number))
    return smem__fail(
        call, SMEM_ARGUMENT, 0,
        "the numbers up to the last index are ids of unnamed segments; choose "
        "a name with a letter in it");
  return SMEM_OK;
}

static smem_code check_free(const struct call *call) {
  bool there = false;
  smem_error error = SMEM_ERROR_INIT;
  smem_code code = smem_exists(call->id, &there, &error);
  if (code != SMEM_OK)
    return smem__fail(call, code, error.number, "%s", error.detail);
  return there ? smem__fail(call, SMEM_EXISTS, 0, "a segment has this name")
               : SMEM_OK;
}

/* What has the name is a segment, or what is being created, or what a dead
 * creator left, here or where it spills to. */
static smem_code wait_for_name(const struct call *call,
                               const smem_writer *writer,
                               struct patience *patience) {
  smem_code code = check_free(call);
  if (code != SMEM_OK) return code;
  smem__opening_clean(writer->here.text);
  if (writer->is_spilled) smem__opening_clean(writer->name.text);
  return smem__patience_wait(call, patience);
}

static smem_code make_named(const struct call *call, smem_writer *writer) {
  struct patience patience = {0, 0};
  bool taken = true;
  smem_code code = check_name(call, writer);
  if (code == SMEM_OK) code = check_free(call); /* before all is written */
  while (code == SMEM_OK && taken) {
    writer->is_spilled = false;
    code = name_it(call, writer);
    if (code == SMEM_OK) code = make(call, writer, &taken);
    if (code == SMEM_OK && taken) code = wait_for_name(call, writer, &patience);
  }
  return code;
}

static smem_code begin(struct call *call, smem_writer *writer) {
  smem_code code = smem__presence_join(call, &writer->control);
  if (code != SMEM_OK) return code;
  code =
      writer->is_named ? make_named(call, writer) : make_numbered(call, writer);
  if (code != SMEM_OK) smem__control_release(writer->control);
  return code;
}

/* `room`: bytes that the buffer should have. NULL: there is no memory. */
static smem_writer *new_writer(uint64_t size, uint64_t room) {
  size_t capacity = room < BUFFER ? (size_t)room : BUFFER;
  smem_writer *writer = smem__os_allocate(sizeof *writer + capacity);
  if (!writer) return NULL;
  writer->take = NULL;
  writer->capacity = capacity;
  writer->size = size;
  writer->at = writer->filled = SMEM_OBJECT_HEADER;
  writer->blob_checksum = HASH_NOTHING;
  return writer;
}

smem_code smem_write_to(smem_taker *take, void *context, uint64_t size,
                        smem_writer **result, smem_error *error) {
  struct call call = writing("", error);
  smem_writer *writer = new_writer(size, size);
  if (!writer) return smem__fail_no_memory(&call);
  writer->take = take;
  writer->context = context;
  writer->filled = 0; /* the header is written where there is a segment */
  writer->is_named = false;
  *result = writer;
  return SMEM_OK;
}

smem_code smem_write_begin(const char *name, uint64_t size,
                           smem_writer **result, smem_error *error) {
  struct call call = writing(name ? name : "", error);
  uint64_t page = smem__os_page_size();
  uint64_t whole = size + sizeof(struct tail) + FOOTER_SIZE;
  if (whole > SIZE_MAX / 2)
    return smem__fail(&call, SMEM_NO_MEMORY, 0,
                      "%llu bytes are more than this process can address",
                      (unsigned long long)size);
  uint64_t total = (whole + page - 1) / page * page;
  smem_writer *writer = new_writer(size, total == page ? total : size);
  if (!writer) return smem__fail_no_memory(&call);
  writer->total = total;
  writer->generation = smem__process_random();
  writer->is_named = name != NULL;
  smem_copy_text(writer->id, sizeof writer->id, call.id);
  call.id = writer->id;
  smem_code code = begin(&call, writer);
  if (code == SMEM_OK)
    *result = writer;
  else
    smem__os_release(writer);
  return code;
}

/* Has it a segment, and does this process make that? A child of the one that
 * does has neither the object nor the control object any more. */
static bool makes(const smem_writer *writer) {
  return !writer->take && smem__opening_is_own(&writer->opening);
}

/* `published`: its object stays. */
static void end(smem_writer *writer, bool published) {
  if (makes(writer)) {
    if (published)
      smem__opening_close(&writer->opening);
    else
      smem__opening_unmake(&writer->opening, writer->name.text);
    smem__control_release(writer->control);
  }
  smem__os_release(writer);
}

void smem_write_abandon(smem_writer *writer) {
  if (writer) end(writer, false);
}

/* ---- bytes ------------------------------------------------------------------
 */

uint64_t smem_write_at(const smem_writer *writer) { return writer->at; }

static smem_code write_at(const struct call *call, smem_writer *writer,
                          uint64_t at, const unsigned char *bytes,
                          uint64_t length) {
  if (writer->take)
    return writer->take(writer->context, bytes, length, call->error);
  if (!makes(writer))
    return smem__fail(call, SMEM_SYSTEM, 0,
                      "another process, from which this one was forked, has "
                      "begun to write it");
  for (uint64_t done = 0; done < length;) {
    size_t step = length - done < CHUNK ? (size_t)(length - done) : CHUNK;
    os_status status = smem__os_object_write(writer->opening.object, at + done,
                                             bytes + done, step);
    if (status.code != OS_OK)
      return smem__fail_os(call, status, "its bytes cannot be written");
    done += step;
    if (smem__process_interrupted())
      return smem__fail(call, SMEM_INTERRUPTED, 0, "interrupted");
  }
  return SMEM_OK;
}

static smem_code flush(const struct call *call, smem_writer *writer) {
  size_t filled = writer->filled;
  writer->filled = 0;
  return write_at(call, writer, writer->at - filled, writer->buffer, filled);
}

smem_code smem_write_flush(smem_writer *writer, smem_error *error) {
  struct call call = writing("", error);
  return flush(&call, writer);
}

/* What is large, or does not fit into the buffer any more. */
static smem_code write_through(smem_writer *writer, const void *bytes,
                               uint64_t length, smem_error *error) {
  struct call call = writing(writer->is_named ? writer->id : "", error);
  if (length > writer->size - writer->at)
    return smem__fail(
        &call, SMEM_SYSTEM, 0,
        "it has changed while it was written: more than the planned %llu "
        "bytes",
        (unsigned long long)writer->size);
  smem_code code = flush(&call, writer);
  if (code != SMEM_OK) return code;
  if (length < DIRECT) return smem_write_next(writer, bytes, length, error);
  code = write_at(&call, writer, writer->at, bytes, length);
  writer->at += length;
  return code;
}

smem_code smem_write_next(smem_writer *writer, const void *bytes,
                          uint64_t length, smem_error *error) {
  if (length >= DIRECT || length > writer->capacity - writer->filled ||
      length > writer->size - writer->at)
    return write_through(writer, bytes, length, error);
  memcpy(writer->buffer + writer->filled, bytes, (size_t)length);
  writer->filled += (size_t)length;
  writer->at += length;
  return SMEM_OK;
}

smem_code smem_write_pad(smem_writer *writer, uint64_t at, smem_error *error) {
  static const unsigned char zeros[64];
  struct call call = writing(writer->is_named ? writer->id : "", error);
  if (at < writer->at || at > writer->size)
    return smem__fail(&call, SMEM_SYSTEM, 0,
                      "it has changed while it was written");
  smem_code code = SMEM_OK;
  bool is_piecemeal = !writer->take && !is_of_one_page(writer);
  if (is_piecemeal && at - writer->at > sizeof zeros) {
    code = flush(&call, writer); /* new memory is zero */
    writer->at = at;
  }
  while (code == SMEM_OK && writer->at < at) {
    uint64_t left = at - writer->at;
    code = smem_write_next(writer, zeros,
                           left < sizeof zeros ? left : sizeof zeros, error);
  }
  return code;
}

smem_code smem_write_blob(smem_writer *writer, const void *bytes,
                          uint64_t length, smem_error *error) {
  writer->blob_checksum =
      smem__hash_more(writer->blob_checksum, bytes, (size_t)length);
  return smem_write_next(writer, bytes, length, error);
}

/* ---- the end of it ------------------------------------------------------- */

/* While the first bytes are in the buffer yet, it stands before them. */
static smem_code write_header(const struct call *call, smem_writer *writer,
                              const smem_publication *publication) {
  struct header header = {.magic = smem__object_magic,
                          .major = OBJECT_MAJOR,
                          .minor = OBJECT_MINOR,
                          .order = OBJECT_ORDER,
                          .used = writer->at,
                          .nodes = publication->nodes,
                          .node_at = publication->node_at,
                          .blob_at = publication->blob_at,
                          .blob_size = publication->blob_size,
                          .generation = writer->generation,
                          .blob_checksum = writer->blob_checksum,
                          .parts = publication->part_count,
                          .part_at = publication->part_at};
  header.checksum = smem__header_checksum(&header);
  bool all_buffered = writer->filled == writer->at;
  if (all_buffered) memcpy(writer->buffer, &header, sizeof header);
  if (is_of_one_page(writer)) return SMEM_OK; /* see give_name() */
  smem_code code = flush(call, writer);
  if (code != SMEM_OK || all_buffered) return code;
  return write_at(call, writer, 0, (unsigned char *)&header, sizeof header);
}

/* The last bytes of the object, which are written at once. */
struct ending {
  struct tail tail;
  struct footer footer;
};

static void fill_tail(const smem_publication *publication, struct tail *tail) {
  *tail = (struct tail){.magic = smem__tail_magic,
                        .parts = publication->part_count};
  if (publication->what)
    smem_copy_text(tail->what, sizeof tail->what, publication->what);
  if (publication->extent)
    smem_copy_text(tail->extent, sizeof tail->extent, publication->extent);
}

static void fill_footer(const smem_writer *writer,
                        const smem_publication *publication,
                        struct footer *footer) {
  const struct process *self = smem__process_self();
  struct environment told;
  *footer = (struct footer){
      .flags = FOOTER_OBJECT | (writer->is_named ? FOOTER_NAMED : 0),
      .requested = writer->size,
      .total = writer->total,
      .generation = writer->generation,
      .owner = {.control_generation = writer->control->generation,
                .presence = writer->control->presence,
                .token = self->token,
                .pid = self->os.pid,
                .pid_start = self->os.start,
                .pid_space = self->os.pid_space},
      .created = smem__os_wall_clock(),
      .lifetime = (uint32_t)publication->lifetime};
  smem_copy_text(footer->id, sizeof footer->id, writer->id);
  smem__process_told(&told);
  smem_copy_text(footer->tag, sizeof footer->tag, told.tag);
  if (publication->trace)
    smem_copy_text(footer->trace, sizeof footer->trace, publication->trace);
  smem__footer_seal(footer);
}

/* Under its name, if that is free: OS_EXISTS, OS_BUSY. */
static os_status give_name(smem_writer *writer, const struct ending *ending) {
  const char *name = bears_name(writer) ? NULL : writer->name.text;
  const void *last = ending;
  size_t length = sizeof *ending;
  if (is_of_one_page(writer)) {
    length = (size_t)writer->total;
    memcpy(writer->buffer + length - sizeof *ending, ending, sizeof *ending);
    last = writer->buffer;
  }
  os_status status = smem__os_object_publish_sealed(
      writer->opening.object, name, writer->total, last, length);
  if (status.code != OS_OK) return status;
  return smem__os_object_keep(writer->name.text, writer->opening.object);
}

/* What is spilled holds its name here meanwhile: see space/spill.c. */
static os_status give_spilled_name(smem_writer *writer,
                                   const struct ending *ending) {
  struct opening holder;
  os_status status =
      smem__opening_create(&holder, writer->here.text, writer->total);
  if (status.code != OS_OK) return status;
  status = give_name(writer, ending);
  smem__opening_remove(&holder, writer->here.text);
  return status;
}

/* A file without a name does not hold the one that it will have. Somebody may
 * have spilled a segment of that name between our look and our link. */
static smem_code withdraw_double(const struct call *call,
                                 const smem_writer *writer) {
  if (writer->is_spilled || !smem__name_is_spilled(call, writer->control))
    return SMEM_OK;
  smem__os_object_remove_own(writer->name.text);
  return smem__fail(call, SMEM_EXISTS, 0, "a segment has this name");
}

/* Under its id, if nothing else bears it: then *exists. */
static smem_code publish_once(const struct call *call, smem_writer *writer,
                              const smem_publication *publication,
                              bool *exists) {
  struct ending ending;
  *exists = !writer->is_spilled && !bears_name(writer) &&
            smem__name_is_spilled(call, writer->control);
  if (*exists) return SMEM_OK;
  fill_tail(publication, &ending.tail);
  fill_footer(writer, publication, &ending.footer);
  os_status status = writer->is_spilled ? give_spilled_name(writer, &ending)
                                        : give_name(writer, &ending);
  *exists = smem__is_taken(status);
  if (*exists) return SMEM_OK;
  if (status.code != OS_OK)
    return smem__fail_object(call, status, writer->name.text);
  return withdraw_double(call, writer);
}

static smem_code publish(struct call *call, smem_writer *writer,
                         const smem_publication *publication) {
  struct patience patience = {0, 0};
  bool exists = true;
  smem_code code = writer->is_named ? check_name(call, writer) : SMEM_OK;
  while (code == SMEM_OK) {
    code = publish_once(call, writer, publication, &exists);
    if (code != SMEM_OK || !exists) break;
    code = writer->is_named ? wait_for_name(call, writer, &patience)
                            : take_number(call, writer);
  }
  return code;
}

static void refer(const smem_writer *writer, smem_reference *reference) {
  struct space space = smem__space_own();
  memset(reference, 0, sizeof *reference);
  reference->generation = writer->generation;
  smem__os_place(space.directory, reference->place);
  smem_copy_text(reference->directory, sizeof reference->directory,
                 space.directory);
  smem_copy_text(reference->space, sizeof reference->space, space.text);
  smem_copy_text(reference->id, sizeof reference->id, writer->id);
}

static void publish_done(const smem_writer *writer,
                         const smem_publication *publication, struct own **own,
                         smem_reference *reference) {
  refer(writer, reference);
  if (publication->lifetime == SMEM_OF_OBJECT) {
    smem__object_own(*own, reference, writer->total);
    *own = NULL;
  }
  if (publication->lifetime == SMEM_OF_PROCESS) smem__process_owes_free();
  smem__presence_count_act();
}

smem_code smem_publish(smem_writer *writer, const smem_publication *publication,
                       smem_reference *reference, smem_error *error) {
  struct call call = writing(writer->is_named ? writer->id : "", error);
  struct own *own =
      smem__object_prepare(publication->parts, publication->part_count);
  smem_code code = own ? write_header(&call, writer, publication)
                       : smem__fail_no_memory(&call);
  call.id = writer->id;
  if (code == SMEM_OK) code = publish(&call, writer, publication);
  if (code == SMEM_OK) publish_done(writer, publication, &own, reference);
  smem__object_unprepare(own);
  end(writer, code == SMEM_OK);
  return code;
}
