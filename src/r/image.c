/* Objects on their way to another machine: their bytes as they will lie there.
 *
 * The sender plans the object and hands these bytes on as they are written,
 * without a copy of its own; the receiver writes them into memory that has no
 * name until all is there. So neither has the object twice, and nothing has to
 * be made of it in between. Both have the same order of bytes, and the same
 * version of this package. */
#include "shared.h"

#include <string.h>

/* R writes raw vectors to a connection in pieces of 8 KiB and numbers in such
 * of 64, which takes a quarter of the time: so the bytes are in numbers. */
enum { UNIT = sizeof(double) };

static void *address(SEXP pointer, SEXP tag) {
  void *found = TYPEOF(pointer) == EXTPTRSXP && R_ExternalPtrTag(pointer) == tag
                    ? R_ExternalPtrAddr(pointer)
                    : NULL;
  if (!found)
    r_fail_argument(SMEM_OP_SHARE, "", "this is not an object on its way");
  return found;
}

/* ---- the sender's: an image ------------------------------------------------
 */

static SEXP image_tag(void) { return Rf_install("sharedmemory_image"); }

static void dispose_image(SEXP pointer) {
  r_plan_dispose(R_ExternalPtrAddr(pointer));
  R_ClearExternalPtr(pointer);
  R_SetExternalPtrProtected(pointer, R_NilValue);
}

/* NULL: what share() would give back as it is. */
SEXP r_image_new(SEXP x) {
  if (!r_can_be_shared(x)) return R_NilValue;
  SEXP kept = PROTECT(Rf_cons(R_NilValue, R_NilValue));
  SEXP all = PROTECT(Rf_cons(x, kept));
  SEXP pointer = PROTECT(R_MakeExternalPtr(NULL, image_tag(), all));
  R_RegisterCFinalizer(pointer, dispose_image);
  struct plan *plan = r_plan_new(SMEM_OF_OBJECT, false);
  R_SetExternalPtrAddr(pointer, plan);
  r_plan_make(plan, x, kept);
  UNPROTECT(3);
  return pointer;
}

SEXP r_image_end(SEXP pointer) {
  address(pointer, image_tag());
  dispose_image(pointer);
  return R_NilValue;
}

/* What the receiver has to know beforehand: numbers, and the two words for
 * lists. The first number is how many bytes there will be. */
SEXP r_image_head(SEXP pointer) {
  const struct plan *plan = address(pointer, image_tag());
  char words[2][SMEM_WHAT_SIZE];
  smem_publication publication = {.lifetime = SMEM_OF_OBJECT};
  r_plan_describe(plan, &publication);
  r_describe(CAR(R_ExternalPtrProtected(pointer)), words[0], words[1]);
  SEXP head = PROTECT(Rf_allocVector(VECSXP, 2));
  SEXP numbers = Rf_allocVector(REALSXP, 6), texts;
  SET_VECTOR_ELT(head, 0, numbers);
  SET_VECTOR_ELT(head, 1, texts = Rf_allocVector(STRSXP, 2));
  REAL(numbers)[0] = (double)(r_plan_size(plan) - SMEM_OBJECT_HEADER);
  REAL(numbers)[1] = (double)publication.nodes;
  REAL(numbers)[2] = (double)publication.node_at;
  REAL(numbers)[3] = (double)publication.blob_at;
  REAL(numbers)[4] = (double)publication.blob_size;
  REAL(numbers)[5] = (double)publication.part_at;
  for (int i = 0; i < 2; i++)
    SET_STRING_ELT(texts, i, Rf_mkCharCE(words[i], CE_UTF8));
  UNPROTECT(1);
  return head;
}

/* Bytes on their way into parts, which are handed on when they are full. */
struct cutting {
  SEXP part;
  size_t filled;    /* bytes of it */
  double handed_on; /* bytes */
  SEXP function;    /* of a part, and of how many bytes came before it; or NULL:
                       for the digest */
  uint64_t digest[2];
};

static SEXP call_function(void *context) {
  struct cutting *cutting = context;
  R_xlen_t units = (R_xlen_t)((cutting->filled + UNIT - 1) / UNIT);
  SEXP part = PROTECT(units < XLENGTH(cutting->part)
                          ? Rf_xlengthgets(cutting->part, units)
                          : cutting->part);
  SEXP before = PROTECT(Rf_ScalarReal(cutting->handed_on));
  SEXP call = PROTECT(Rf_lang3(cutting->function, part, before));
  Rf_eval(call, R_GlobalEnv);
  UNPROTECT(3);
  return R_NilValue;
}

/* By which equal bytes are known, 8 at a time: no protection against anybody,
 * only against chance. */
static void digest_more(uint64_t digest[2], const char *bytes, size_t length) {
  uint64_t a = digest[0], b = digest[1];
  for (size_t i = 0; i < length; i += UNIT) {
    uint64_t word;
    memcpy(&word, bytes + i, sizeof word);
    a = (a ^ word) * 0xBF58476D1CE4E5B9u;
    a ^= a >> 31;
    b = (b ^ word) * 0x94D049BB133111EBu;
    b ^= b >> 29;
  }
  digest[0] = a;
  digest[1] = b;
}

/* The last part is filled up with zeros, up to a number. Jumps are postponed:
 * see r_check(). */
static smem_code hand_on(struct cutting *cutting) {
  char *bytes = (char *)REAL(cutting->part);
  if (cutting->filled == 0) return SMEM_OK;
  size_t over = (UNIT - cutting->filled % UNIT) % UNIT;
  memset(bytes + cutting->filled, 0, over);
  if (cutting->function == R_NilValue)
    digest_more(cutting->digest, bytes, cutting->filled + over);
  else if (r_postpone_jump(call_function, cutting))
    return SMEM_INTERRUPTED;
  cutting->handed_on += (double)cutting->filled;
  cutting->filled = 0;
  return SMEM_OK;
}

static smem_code cut(void *context, const void *bytes, uint64_t length,
                     smem_error *error) {
  struct cutting *cutting = context;
  const char *from = bytes;
  size_t room = (size_t)XLENGTH(cutting->part) * UNIT;
  (void)error;
  for (uint64_t done = 0; done < length;) {
    size_t step = room - cutting->filled;
    if (length - done < step) step = (size_t)(length - done);
    memcpy((char *)REAL(cutting->part) + cutting->filled, from + done, step);
    cutting->filled += step;
    done += step;
    smem_code code = cutting->filled == room ? hand_on(cutting) : SMEM_OK;
    if (code == SMEM_OK && r_interrupted()) code = SMEM_INTERRUPTED;
    if (code != SMEM_OK) return code;
  }
  return SMEM_OK;
}

static void cut_all(SEXP pointer, struct cutting *cutting) {
  const struct plan *plan = address(pointer, image_tag());
  smem_error error = SMEM_ERROR_INIT;
  smem_writer *writer;
  smem_code code =
      smem_write_to(cut, cutting, r_plan_size(plan), &writer, &error);
  r_check(code, &error);
  code = r_plan_write(plan, writer, &error);
  if (code == SMEM_OK) code = smem_write_flush(writer, &error);
  if (code == SMEM_OK) code = hand_on(cutting);
  smem_write_abandon(writer);
  r_check(code, &error);
}

static SEXP new_part(const struct plan *plan, uint64_t most) {
  uint64_t bytes = r_plan_size(plan) - SMEM_OBJECT_HEADER;
  if (bytes > most) bytes = most;
  return Rf_allocVector(REALSXP, (R_xlen_t)((bytes + UNIT - 1) / UNIT));
}

SEXP r_image_digest(SEXP pointer) {
  enum { SMALL = 256 << 10 }; /* what stays in the processor's cache */
  struct cutting cutting = {
      .function = R_NilValue,
      .digest = {0x9E3779B97F4A7C15u, 0xC2B2AE3D27D4EB4Fu}};
  cutting.part = PROTECT(new_part(address(pointer, image_tag()), SMALL));
  cut_all(pointer, &cutting);
  cutting.digest[0] ^= (uint64_t)cutting.handed_on;
  UNPROTECT(1);
  return r_hexadecimal(cutting.digest);
}

/* Call a function for each part of as many bytes: the vector is the same one
 * each time, but for the last. */
SEXP r_image_send(SEXP pointer, SEXP bytes, SEXP function) {
  const struct plan *plan = address(pointer, image_tag());
  struct cutting cutting = {.function = function};
  cutting.part = PROTECT(new_part(plan, (uint64_t)Rf_asReal(bytes)));
  cut_all(pointer, &cutting);
  UNPROTECT(1);
  return R_NilValue;
}

/* ---- the receiver's: an arrival --------------------------------------------
 */

struct arrival {
  smem_writer *writer; /* NULL: it is over */
  uint64_t bytes;      /* that are to come */
  smem_publication publication;
  char what[SMEM_WHAT_SIZE], extent[SMEM_WHAT_SIZE];
};

static SEXP arrival_tag(void) { return Rf_install("sharedmemory_arrival"); }

static void abandon(SEXP pointer) {
  struct arrival *arrival = R_ExternalPtrAddr(pointer);
  smem_write_abandon(arrival->writer);
  arrival->writer = NULL;
}

static bool are_sizes(const double *numbers, int count) {
  for (int i = 0; i < count; i++)
    if (!(numbers[i] >= 0 && numbers[i] < 4503599627370496.0)) return false;
  return true;
}

static bool is_head(SEXP head) {
  return TYPEOF(head) == VECSXP && XLENGTH(head) == 2 &&
         TYPEOF(VECTOR_ELT(head, 0)) == REALSXP &&
         XLENGTH(VECTOR_ELT(head, 0)) == 6 &&
         TYPEOF(VECTOR_ELT(head, 1)) == STRSXP &&
         XLENGTH(VECTOR_ELT(head, 1)) == 2 &&
         are_sizes(REAL(VECTOR_ELT(head, 0)), 6);
}

static void read_head(SEXP head, struct arrival *arrival) {
  const double *numbers = REAL(VECTOR_ELT(head, 0));
  SEXP words = VECTOR_ELT(head, 1);
  smem_copy_text(arrival->what, sizeof arrival->what,
                 Rf_translateCharUTF8(STRING_ELT(words, 0)));
  smem_copy_text(arrival->extent, sizeof arrival->extent,
                 Rf_translateCharUTF8(STRING_ELT(words, 1)));
  arrival->bytes = (uint64_t)numbers[0];
  arrival->publication = (smem_publication){.lifetime = SMEM_OF_OBJECT,
                                            .what = arrival->what,
                                            .extent = arrival->extent,
                                            .nodes = (uint64_t)numbers[1],
                                            .node_at = (uint64_t)numbers[2],
                                            .blob_at = (uint64_t)numbers[3],
                                            .blob_size = (uint64_t)numbers[4],
                                            .part_at = (uint64_t)numbers[5]};
}

/* Memory for what r_image_head() tells of. */
SEXP r_arrival_new(SEXP head) {
  smem_error error = SMEM_ERROR_INIT;
  if (!is_head(head))
    r_fail_argument(SMEM_OP_SHARE, "", "this is not the head of an object");
  r_pointer_collect();
  smem_object_sweep();
  r_before_allocation(SMEM_OP_SHARE);
  SEXP record = PROTECT(Rf_allocVector(RAWSXP, sizeof(struct arrival)));
  struct arrival *arrival = (struct arrival *)(void *)RAW(record);
  memset(arrival, 0, sizeof *arrival);
  read_head(head, arrival);
  SEXP pointer = PROTECT(R_MakeExternalPtr(arrival, arrival_tag(), record));
  R_RegisterCFinalizerEx(pointer, abandon, TRUE);
  smem_code code = smem_write_begin(NULL, SMEM_OBJECT_HEADER + arrival->bytes,
                                    &arrival->writer, &error);
  r_check(code, &error);
  UNPROTECT(2);
  return pointer;
}

static struct arrival *arrival_of(SEXP pointer) {
  struct arrival *arrival = address(pointer, arrival_tag());
  if (!arrival->writer)
    r_fail_argument(SMEM_OP_SHARE, "", "this object has arrived");
  return arrival;
}

/* The blob has a checksum. */
static smem_code write_some(struct arrival *arrival, const char *from,
                            uint64_t length, uint64_t *done,
                            smem_error *error) {
  uint64_t at = smem_write_at(arrival->writer);
  uint64_t blob = arrival->publication.blob_at;
  uint64_t blob_end = blob + arrival->publication.blob_size;
  bool in_blob = at >= blob && at < blob_end;
  uint64_t until = in_blob ? blob_end : at < blob ? blob : UINT64_MAX;
  uint64_t step = until - at < length ? until - at : length;
  *done += step;
  return in_blob ? smem_write_blob(arrival->writer, from, step, error)
                 : smem_write_next(arrival->writer, from, step, error);
}

/* A part before which `before` bytes have come. What has come already is sent
 * again where the answer was lost. */
SEXP r_arrival_write(SEXP pointer, SEXP part, SEXP before) {
  struct arrival *arrival = arrival_of(pointer);
  smem_error error = SMEM_ERROR_INIT;
  smem_code code = SMEM_OK;
  uint64_t at = smem_write_at(arrival->writer) - SMEM_OBJECT_HEADER;
  uint64_t from = (uint64_t)Rf_asReal(before);
  if (TYPEOF(part) != REALSXP || from > at)
    r_fail_argument(SMEM_OP_SHARE, "", "a part is missing");
  uint64_t length = (uint64_t)XLENGTH(part) * UNIT, left = arrival->bytes - at;
  if (from < at) return R_NilValue;
  if (length > left) length = left; /* the last one was filled up */
  for (uint64_t done = 0; done < length && code == SMEM_OK;)
    code = write_some(arrival, (const char *)REAL(part) + done, length - done,
                      &done, &error);
  r_check(code, &error);
  return R_NilValue;
}

SEXP r_arrival_publish(SEXP pointer) {
  struct arrival *arrival = arrival_of(pointer);
  smem_error error = SMEM_ERROR_INIT;
  smem_reference reference;
  if (smem_write_at(arrival->writer) != SMEM_OBJECT_HEADER + arrival->bytes)
    r_fail_argument(SMEM_OP_SHARE, "", "a part is missing");
  arrival->publication.trace = r_current_call();
  smem_writer *writer = arrival->writer;
  arrival->writer = NULL;
  smem_code code =
      smem_publish(writer, &arrival->publication, &reference, &error);
  r_check(code, &error);
  return r_make_own(&reference, SMEM_OF_OBJECT);
}

SEXP r_arrival_end(SEXP pointer) {
  address(pointer, arrival_tag());
  abandon(pointer);
  return R_NilValue;
}
