/* What stands in the segments, and who has a handle of one. */
#include "soak.h"

#include <sys/mman.h>

/* ---- contents ------------------------------------------------------------ */

void check_text(struct object *object, const char *id, const unsigned char *at,
                uint64_t offset, uint64_t length) {
  for (uint64_t i = 0; i < length; i++)
    if (at[i] != 0 && at[i] != byte_of(id, offset + i))
      object_fail(object, "wrong memory in '%s': byte %llu is %d", id,
                  (unsigned long long)(offset + i), at[i]);
}

/* The first word last: whoever sees another one then sees the first one too. */
uint64_t check_words(struct object *object, const void *address,
                     uint64_t generation) {
  const _Atomic uint64_t *word = address;
  uint64_t seen[WORDS];
  for (int i = WORDS; i-- > 0;) seen[i] = word[i];
  uint64_t is = generation ? generation : seen[0];
  for (int i = 0; i < WORDS; i++)
    if (seen[i] != 0 && seen[i] != word_of(is, i))
      object_fail(object,
                  "wrong memory: word %d is %016llx, the first %016llx, "
                  "the generation %016llx",
                  i, (unsigned long long)seen[i], (unsigned long long)seen[0],
                  (unsigned long long)generation);
  return is;
}

void check_memory(struct object *object, const char *id, const void *address,
                  uint64_t capacity) {
  uint64_t length = 64, range = capacity - TEXT - length;
  uint64_t offset = TEXT + random_next() % range;
  check_text(object, id, (const unsigned char *)address + offset, offset,
             length);
}

static void write_words(void *address, uint64_t generation) {
  _Atomic uint64_t *word = address;
  word[0] = generation;
  for (int i = 0; i < 4; i++) {
    unsigned at = random_below(WORDS);
    word[at] = word_of(generation, (int)at);
  }
}

/* ---- handles ------------------------------------------------------------- */

static struct kept {
  smem_handle *handle;
  struct object *object;
  char id[SMEM_ID_MAX + 1];
} kept[6];

/* Its memory stays what it was, whatever became of the segment. */
static void check_handle(const smem_handle *handle, struct object *object,
                         const char *id) {
  check_words(object, handle->address, handle->generation);
  check_memory(object, id, handle->address, handle->capacity);
}

static void keep_or_close(smem_handle *handle, struct object *object,
                          const char *id) {
  struct kept *at = &kept[random_below(6)];
  if (one_in(2)) {
    smem_close(handle);
    return;
  }
  if (at->handle) check_handle(at->handle, at->object, at->id);
  smem_close(at->handle);
  at->handle = handle;
  at->object = object;
  snprintf(at->id, sizeof at->id, "%s", id);
}

/* A letter box for references. Two may write at once: the checksum tells. */
enum { LETTERS = 16 };
static struct letter {
  unsigned char bytes[SMEM_REFERENCE_SIZE];
  _Atomic unsigned length;
  _Atomic int object;
} * letters;

void letters_make(void) {
  letters = mmap(NULL, LETTERS * sizeof *letters, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(letters != MAP_FAILED);
}

static void send_reference(const smem_handle *handle, int object) {
  smem_reference reference;
  unsigned char bytes[SMEM_REFERENCE_SIZE];
  struct letter *letter = &letters[random_below(LETTERS)];
  smem_refer(handle, &reference);
  letter->length = (unsigned)smem_reference_write(&reference, bytes);
  memcpy(letter->bytes, bytes, letter->length);
  letter->object = object;
}

uint64_t visit_object(struct object *object, const char *id) {
  smem_handle *handle;
  smem_access access = (smem_access)random_below(3);
  smem_code code = smem_open(id, access, &handle, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND), code);
  if (code != SMEM_OK) return 0;
  uint64_t generation = handle->generation;
  check_handle(handle, object, id);
  if (access == SMEM_READ_WRITE) write_words(handle->address, generation);
  if (access == SMEM_PRIVATE) *(uint64_t *)handle->address = 1; /* stays here */
  if (one_in(4)) send_reference(handle, (int)(object - object_at(0)));
  if (access == SMEM_PRIVATE)
    smem_close(handle);
  else
    keep_or_close(handle, object, id);
  return generation;
}

void act_reference(void) {
  struct letter letter = letters[random_below(LETTERS)];
  struct object *object = object_at(letter.object);
  struct watch watch;
  smem_reference reference;
  smem_handle *handle;
  char id[SMEM_ID_MAX + 1];
  if (smem_reference_read(letter.bytes, letter.length, &reference)) return;
  watch_begin(&watch, object, "reference", LOOKS);
  bool same = object_id(object, id) && strcmp(id, reference.id) == 0;
  smem_code code =
      smem_open_reference(&reference, SMEM_READ_ONLY, &handle, &error);
  CHECK_AMONG(CODE(OK) | CODE(NOT_FOUND) | CODE(REPLACED), code);
  if (code == SMEM_OK) {
    CHECK_EQUAL(reference.generation, handle->generation);
    check_handle(handle, object, reference.id);
    keep_or_close(handle, object, reference.id);
  }
  /* Of a segment that is not there any more, replaced tells little. */
  if (same && code == SMEM_REPLACED &&
      watch.present == brief(reference.generation) &&
      watch_expects(&watch) == SEEN_PRESENT)
    object_fail(object, "reference: it cannot have been replaced");
  watch_end(&watch,
            !same || code == SMEM_REPLACED ? SEEN_NOTHING
            : code == SMEM_OK              ? SEEN_PRESENT
                                           : SEEN_ABSENT,
            code == SMEM_OK && same ? reference.generation : 0);
}

void act_handle(void) {
  struct kept *at = &kept[random_below(6)];
  if (at->handle) check_handle(at->handle, at->object, at->id);
}
