/* Writing objects: into memory that has no name until all is there. */
#include "object_internal.h"

enum {
  BUFFER = 1 << 20,    /* bytes */
  DIRECT = BUFFER / 4, /* what is as large is not buffered */
  CHUNK = 4 << 20      /* bytes between two looks for an interrupt */
};

struct smem_writer {
  struct control *control;
  os_object object;
  uint64_t size, total; /* bytes: as planned; of the segment's object */
  uint64_t at;          /* the next byte's place */
  uint64_t generation, blob_checksum;
  size_t filled; /* bytes of the buffer, which end at `at` */
  unsigned char buffer[BUFFER];
};

uint64_t smem_place(uint64_t at, uint64_t bytes) {
  uint64_t unit = bytes >= 65536  ? smem__os_page_size()
                  : bytes >= 4096 ? 64
                                  : 8;
  return (at + unit - 1) / unit * unit;
}

static struct call writing(smem_error *error) {
  return (struct call){"share", "", 0, error, false};
}

/* ---- begin, end -------------------------------------------------------------
 */

static smem_code fail_make(const struct call *call, os_status status,
                           uint64_t size) {
  if (status.code == OS_INTERRUPTED)
    return smem__fail(call, SMEM_INTERRUPTED, 0, "interrupted");
  if (status.code == OS_UNSUPPORTED)
    return smem__fail(
        call, SMEM_UNSUPPORTED, status.number,
        "this system has no memory without a name, in which an object is "
        "made");
  if (smem__is_bad_place(status)) return smem__fail_place(call, status);
  if (status.code != OS_NO_SPACE && status.code != OS_NO_MEMORY)
    return smem__fail_os(call, status, "its memory cannot be made");
  char limit[160];
  unsigned long long room = smem__os_free_space(limit, sizeof limit);
  return smem__fail(
      call, SMEM_NO_SPACE, status.number,
      "%llu bytes are needed, %llu bytes of shared memory are left%s%s",
      (unsigned long long)size, room, limit[0] ? " by " : "", limit);
}

/* What was let go, and only waits for somebody who has not come yet, gives way.
 */
static os_status make(uint64_t total, os_object *object) {
  for (;;) {
    os_status status =
        smem__os_object_make(total, smem__process_interrupted, object);
    if (status.code != OS_NO_SPACE || !smem__object_drop_oldest(total))
      return status;
  }
}

smem_code smem_write_begin(uint64_t size, smem_writer **result,
                           smem_error *error) {
  struct call call = writing(error);
  uint64_t page = smem__os_page_size();
  uint64_t whole = size + sizeof(struct tail) + FOOTER_SIZE;
  if (whole > SIZE_MAX / 2)
    return smem__fail(&call, SMEM_NO_MEMORY, 0,
                      "%llu bytes are more than this process can address",
                      (unsigned long long)size);
  smem_writer *writer = smem__os_allocate(sizeof *writer);
  if (!writer) return smem__fail_no_memory(&call);
  writer->size = size;
  writer->total = (whole + page - 1) / page * page;
  writer->at = SMEM_OBJECT_HEADER;
  writer->generation = smem__process_random();
  writer->blob_checksum = HASH_NOTHING;
  smem_code code = smem__control_join(&call, &writer->control);
  if (code == SMEM_OK) {
    os_status status = make(writer->total, &writer->object);
    if (status.code == OS_OK) {
      *result = writer;
      return SMEM_OK;
    }
    code = fail_make(&call, status, size);
    smem__control_release(writer->control);
  }
  smem__os_release(writer);
  return code;
}

void smem_write_abandon(smem_writer *writer) {
  if (!writer) return;
  smem__os_object_close(writer->object);
  smem__control_release(writer->control);
  smem__os_release(writer);
}

/* ---- bytes ------------------------------------------------------------------
 */

uint64_t smem_write_at(const smem_writer *writer) { return writer->at; }

static smem_code write_at(const struct call *call, smem_writer *writer,
                          uint64_t at, const unsigned char *bytes,
                          uint64_t length) {
  for (uint64_t done = 0; done < length;) {
    size_t step = length - done < CHUNK ? (size_t)(length - done) : CHUNK;
    os_status status =
        smem__os_object_write(writer->object, at + done, bytes + done, step);
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

/* What is large, or does not fit into the buffer any more. */
static smem_code write_through(smem_writer *writer, const void *bytes,
                               uint64_t length, smem_error *error) {
  struct call call = writing(error);
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
  if (length >= DIRECT || length > BUFFER - writer->filled ||
      length > writer->size - writer->at)
    return write_through(writer, bytes, length, error);
  memcpy(writer->buffer + writer->filled, bytes, (size_t)length);
  writer->filled += (size_t)length;
  writer->at += length;
  return SMEM_OK;
}

smem_code smem_write_pad(smem_writer *writer, uint64_t at, smem_error *error) {
  static const unsigned char zeros[64];
  struct call call = writing(error);
  if (at < writer->at || at > writer->size)
    return smem__fail(&call, SMEM_SYSTEM, 0,
                      "it has changed while it was written");
  if (at - writer->at <= sizeof zeros)
    return smem_write_next(writer, zeros, at - writer->at, error);
  smem_code code = flush(&call, writer); /* new memory is zero */
  writer->at = at;
  return code;
}

smem_code smem_write_blob(smem_writer *writer, const void *bytes,
                          uint64_t length, smem_error *error) {
  writer->blob_checksum =
      smem__hash_more(writer->blob_checksum, bytes, (size_t)length);
  return smem_write_next(writer, bytes, length, error);
}

/* ---- the end of it ------------------------------------------------------- */

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
  struct tail tail = {.magic = smem__tail_magic,
                      .parts = publication->part_count};
  if (publication->what)
    smem_copy_text(tail.what, sizeof tail.what, publication->what);
  if (publication->extent)
    smem_copy_text(tail.extent, sizeof tail.extent, publication->extent);
  header.checksum = smem__header_checksum(&header);
  smem_code code = flush(call, writer);
  if (code == SMEM_OK)
    code = write_at(call, writer, 0, (unsigned char *)&header, sizeof header);
  if (code == SMEM_OK)
    code = write_at(call, writer, writer->total - FOOTER_SIZE - sizeof tail,
                    (unsigned char *)&tail, sizeof tail);
  return code;
}

static smem_code write_footer(const struct call *call, smem_writer *writer,
                              const smem_publication *publication) {
  const struct process *self = smem__process_self();
  struct environment told;
  struct footer footer = {
      .flags = FOOTER_OBJECT | (publication->name ? FOOTER_NAMED : 0),
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
  smem_copy_text(footer.id, sizeof footer.id, call->id);
  smem__process_told(&told);
  smem_copy_text(footer.tag, sizeof footer.tag, told.tag);
  if (publication->trace)
    smem_copy_text(footer.trace, sizeof footer.trace, publication->trace);
  smem__footer_seal(&footer);
  return write_at(call, writer, writer->total - FOOTER_SIZE,
                  (unsigned char *)&footer, sizeof footer);
}

/* Under this id, if nothing else bears it: then *exists. */
static smem_code publish_as(const struct call *call, smem_writer *writer,
                            const smem_publication *publication, bool *exists) {
  struct name name;
  smem_code code = smem__name_of_segment(call, &name);
  if (code == SMEM_OK) code = write_footer(call, writer, publication);
  if (code != SMEM_OK) return code;
  os_status status = smem__os_object_publish_sealed(writer->object, name.text);
  *exists = status.code == OS_EXISTS;
  if (status.code == OS_OK || *exists) return SMEM_OK;
  return smem__fail_object(call, status, name.text);
}

static smem_code publish_numbered(struct call *call, smem_writer *writer,
                                  const smem_publication *publication,
                                  char number[SMEM_NUMBER_SIZE]) {
  bool exists = true;
  smem_code code = SMEM_OK;
  while (code == SMEM_OK && exists) {
    uint64_t next;
    call->id = "";
    code = smem__control_take_numbers(call, writer->control, 1, &next);
    if (code != SMEM_OK) break;
    smem_id_of_number(next, number);
    call->id = number;
    code = publish_as(call, writer, publication, &exists);
  }
  return code;
}

/* What is in the way is a segment, or what is being created, or what a dead
 * creator left. */
static smem_code publish_name(struct call *call, smem_writer *writer,
                              const smem_publication *publication) {
  struct patience patience = {0, 0};
  struct name name;
  smem_code code = smem__name_of_segment(call, &name);
  while (code == SMEM_OK) {
    bool exists = false, there = false;
    code = publish_as(call, writer, publication, &exists);
    if (code != SMEM_OK || !exists) return code;
    code = smem_exists(publication->name, &there, call->error);
    if (code == SMEM_OK && there)
      return smem__fail(call, SMEM_EXISTS, 0, "a segment has this name");
    smem__opening_clean(name.text);
    if (code == SMEM_OK) code = smem__patience_wait(call, &patience);
  }
  return code;
}

static smem_code publish_named(struct call *call, smem_writer *writer,
                               const smem_publication *publication) {
  uint64_t number;
  call->id = publication->name;
  if (smem_id_is_raw(call->id))
    return smem__fail(
        call, SMEM_ARGUMENT, 0,
        "names that begin with \"/\" are those of other programs' objects");
  if (smem_id_is_number(call->id, &number) &&
      smem__control_has_passed(writer->control, number))
    return smem__fail(
        call, SMEM_ARGUMENT, 0,
        "the numbers up to the last index are ids of unnamed segments; choose "
        "a name with a letter in it");
  return publish_name(call, writer, publication);
}

static void refer(const struct call *call, const smem_writer *writer,
                  smem_reference *reference) {
  struct space space = {""};
  smem_error ignored;
  struct call quiet = *call;
  quiet.error = &ignored;
  smem__namespace_get(&quiet, &space);
  memset(reference, 0, sizeof *reference);
  reference->generation = writer->generation;
  smem__os_place(reference->place);
  smem_copy_text(reference->space, sizeof reference->space, space.text);
  smem_copy_text(reference->id, sizeof reference->id, call->id);
}

smem_code smem_publish(smem_writer *writer, const smem_publication *publication,
                       smem_reference *reference, smem_error *error) {
  struct call call = writing(error);
  char number[SMEM_NUMBER_SIZE];
  struct own *own =
      smem__object_prepare(publication->parts, publication->part_count);
  smem_code code = own ? write_header(&call, writer, publication)
                       : smem__fail_no_memory(&call);
  if (code == SMEM_OK)
    code = publication->name
               ? publish_named(&call, writer, publication)
               : publish_numbered(&call, writer, publication, number);
  if (code == SMEM_OK) {
    refer(&call, writer, reference);
    if (publication->lifetime == SMEM_OF_OBJECT) {
      smem__object_own(own, reference, writer->total);
      own = NULL;
    }
    if (publication->lifetime == SMEM_OF_PROCESS) smem__process_owes_free();
    smem__control_used();
  }
  smem__object_unprepare(own);
  smem_write_abandon(writer);
  return code;
}
