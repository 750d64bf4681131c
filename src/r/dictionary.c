/* R keeps each string once per process, so that the pointers tell strings
 * apart: no text is compared or hashed here. */
#include "dictionary.h"

#include <stdlib.h>
#include <string.h>

/* Most of the time goes into waiting for memory, as the strings lie anywhere.
 * So what comes next is asked for before it is needed. */
#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif
enum { AHEAD = 16 };

/* ---- numbers for pointers ------------------------------------------------ */

static uint64_t hash(SEXP x) {
  return ((uint64_t)(uintptr_t)x >> 3) * UINT64_C(0x9E3779B97F4A7C15) >> 20;
}

static uint64_t slot_of(const struct numbering *numbering, SEXP x) {
  uint64_t slot = hash(x) & numbering->mask;
  while (numbering->slots[slot] &&
         numbering->list[numbering->slots[slot] - 1] != x)
    slot = (slot + 1) & numbering->mask;
  return slot;
}

static bool grow_slots(struct numbering *numbering) {
  uint64_t slots = numbering->slots ? (numbering->mask + 1) * 4 : 256;
  uint32_t *larger = calloc(slots, sizeof *larger);
  if (!larger) return false;
  free(numbering->slots);
  numbering->slots = larger;
  numbering->mask = slots - 1;
  for (uint64_t i = 0; i < numbering->count; i++)
    larger[slot_of(numbering, numbering->list[i])] = (uint32_t)i + 1;
  return true;
}

static bool grow_list(struct numbering *numbering) {
  uint64_t room = numbering->room ? numbering->room * 2 : 256;
  SEXP *larger = realloc(numbering->list, room * sizeof *larger);
  if (!larger) return false;
  numbering->list = larger;
  numbering->room = room;
  return true;
}

/* A table that fits into the nearest cache is kept sparse: as the addresses
 * fall by chance, many would meet others there, which took up to twice as long.
 */
static bool is_dense(const struct numbering *numbering) {
  enum { NEAR = 4096 };                            /* slots */
  uint64_t least = numbering->mask < NEAR ? 8 : 2; /* slots for each */
  return numbering->count * least >= numbering->mask;
}

uint32_t r_number_of(struct numbering *numbering, SEXP x) {
  if (is_dense(numbering) && !grow_slots(numbering)) return UINT32_MAX;
  uint64_t slot = slot_of(numbering, x);
  if (numbering->slots[slot]) return numbering->slots[slot] - 1;
  if (numbering->count == INT32_MAX ||
      (numbering->count == numbering->room && !grow_list(numbering)))
    return UINT32_MAX;
  numbering->list[numbering->count] = x;
  numbering->slots[slot] = (uint32_t)++numbering->count;
  return numbering->slots[slot] - 1;
}

void r_numbering_dispose(struct numbering *numbering) {
  free(numbering->slots);
  free(numbering->list);
  memset(numbering, 0, sizeof *numbering);
}

/* ---- text ---------------------------------------------------------------- */

static bool is_ascii(const char *text, int length) {
  int i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    memcpy(&word, text + i, sizeof word);
    if (word & UINT64_C(0x8080808080808080)) return false;
  }
  for (; i < length; i++)
    if (text[i] & 0x80) return false;
  return true;
}

/* R marks no string that is ASCII. One that is not, and has no mark, is in the
 * character set of this process alone. */
enum { NATIVE = SMEM_BYTES + 1 };

static uint8_t encoding_of(SEXP string, int length) {
  if (is_ascii(CHAR(string), length)) return SMEM_ASCII;
  switch (Rf_getCharCE(string)) {
  case CE_UTF8:
    return SMEM_UTF8;
  case CE_LATIN1:
    return SMEM_LATIN1;
  case CE_BYTES:
    return SMEM_BYTES;
  default:
    return NATIVE;
  }
}

/* A copy in which native strings are in UTF-8. */
static SEXP translated(SEXP x) {
  SEXP copy = PROTECT(Rf_allocVector(STRSXP, XLENGTH(x)));
  for (R_xlen_t i = 0; i < XLENGTH(x); i++) {
    SEXP string = STRING_ELT(x, i);
    const void *before = vmaxget();
    if (encoding_of(string, LENGTH(string)) == NATIVE)
      string = Rf_mkCharCE(Rf_translateCharUTF8(string), CE_UTF8);
    SET_STRING_ELT(copy, i, string);
    vmaxset(before);
  }
  UNPROTECT(1);
  return copy;
}

/* ---- making -------------------------------------------------------------- */

/* Is hardly a string there twice among those at the beginning and as many from
 * all over it? If a quarter were, 600 would be met again. */
static bool all_differ(const SEXP *strings, uint64_t n) {
  enum { FROM = 1 << 17, HARDLY = 64 };
  struct numbering seen = {0};
  uint64_t sample = FROM / 32, missed = 0;
  if (n < FROM) return false;
  while (sample * sample < 256 * n) sample *= 2;
  uint64_t step = (n - sample) / sample;
  for (uint64_t i = 0; i < sample; i++) {
    missed += r_number_of(&seen, strings[i]) == UINT32_MAX;
    missed += r_number_of(&seen, strings[sample + i * step]) == UINT32_MAX;
  }
  bool differ = missed == 0 && seen.count + HARDLY > 2 * sample;
  r_numbering_dispose(&seen);
  return differ;
}

/* Is most of it different? Then an index does not pay. False also if there is
 * no memory for one; true: `seen` and `index` are made. */
static bool find_repeats(struct dictionary *dictionary, const SEXP *strings,
                         uint64_t n) {
  enum { FEW = 64, PROBE = 16384 };
  uint64_t probe = n / 4 > PROBE ? n / 4 : PROBE;
  if (n < FEW || all_differ(strings, n)) return false;
  dictionary->index = malloc(n * sizeof *dictionary->index);
  bool repeats = dictionary->index != NULL;
  for (uint64_t i = 0; repeats && i < n; i++) {
    if (i + AHEAD < n && dictionary->seen.slots)
      PREFETCH(&dictionary->seen
                    .slots[hash(strings[i + AHEAD]) & dictionary->seen.mask]);
    uint32_t number = r_number_of(&dictionary->seen, strings[i]);
    dictionary->index[i] = number;
    repeats = number != UINT32_MAX &&
              (i != probe || dictionary->seen.count <= i / 4 * 3);
  }
  repeats = repeats && dictionary->seen.count <= n / 4 * 3;
  if (repeats) return true;
  free(dictionary->index);
  dictionary->index = NULL;
  r_numbering_dispose(&dictionary->seen);
  return false;
}

static uint64_t count(const struct dictionary *dictionary) {
  return dictionary->index ? dictionary->seen.count
                           : (uint64_t)XLENGTH(dictionary->vector);
}

static const SEXP *strings_of(const struct dictionary *dictionary) {
  return dictionary->index ? dictionary->seen.list
                           : STRING_PTR_RO(dictionary->vector);
}

enum outcome { MEASURED, TO_TRANSLATE, NO_MEMORY };

static bool set_encoding(struct dictionary *dictionary, uint64_t i,
                         uint8_t encoding) {
  if (!dictionary->encodings)
    dictionary->encodings = calloc(dictionary->block.unique, 1);
  if (dictionary->encodings) dictionary->encodings[i] = encoding;
  return dictionary->encodings != NULL;
}

/* Short text is copied at the first look: to come back to each of the strings
 * takes longer. So much per string is still less than what R has for it. */
enum { SHORT = 32 };

static void copy_text(struct dictionary *dictionary, uint64_t i,
                      const char *text, int64_t at, int length) {
  if (!dictionary->text || dictionary->copied < i ||
      (uint64_t)(at + length) > SHORT * dictionary->block.unique)
    return;
  memcpy(dictionary->text + at, text, (size_t)length);
  dictionary->copied = i + 1;
}

static enum outcome measure(struct dictionary *dictionary) {
  smem_string_block *block = &dictionary->block;
  const SEXP *strings = strings_of(dictionary);
  uint64_t n = block->unique = count(dictionary);
  int64_t *offsets = malloc((n + 1) * sizeof *offsets), end = 0;
  dictionary->offsets = offsets;
  dictionary->text = malloc(SHORT * n);
  if (!offsets) return NO_MEMORY;
  for (uint64_t i = 0; i < n; i++) {
    int length = 0;
    if (i + AHEAD < n) PREFETCH(strings[i + AHEAD]);
    if (strings[i] == NA_STRING) {
      block->validity_at = 1;
    } else {
      length = LENGTH(strings[i]);
      uint8_t encoding = encoding_of(strings[i], length);
      if (encoding == NATIVE) return TO_TRANSLATE;
      if (encoding != SMEM_ASCII && !set_encoding(dictionary, i, encoding))
        return NO_MEMORY;
    }
    copy_text(dictionary, i, CHAR(strings[i]), end, length);
    offsets[i] = end;
    end += length;
  }
  block->bytes = (uint64_t)(offsets[n] = end);
  if (dictionary->index)
    block->width = n <= INT8_MAX ? 1 : n <= INT16_MAX ? 2 : 4;
  return MEASURED;
}

static enum outcome make(struct dictionary *dictionary, SEXP x) {
  r_dictionary_dispose(dictionary);
  dictionary->vector = x;
  find_repeats(dictionary, STRING_PTR_RO(x), (uint64_t)XLENGTH(x));
  return measure(dictionary);
}

bool r_dictionary_make(struct dictionary *dictionary, SEXP x, SEXP *keep) {
  enum outcome outcome = make(dictionary, *keep = x);
  if (outcome == TO_TRANSLATE) {
    *keep = PROTECT(translated(x));
    outcome = make(dictionary, *keep);
    UNPROTECT(1);
  }
  return outcome == MEASURED;
}

void r_dictionary_dispose(struct dictionary *dictionary) {
  r_numbering_dispose(&dictionary->seen);
  free(dictionary->index);
  free(dictionary->offsets);
  free(dictionary->text);
  free(dictionary->encodings);
  memset(dictionary, 0, sizeof *dictionary);
}
/* ---- placing and writing ------------------------------------------------- */

static uint64_t take(uint64_t *at, uint64_t bytes) {
  uint64_t place = smem_place(*at, 8);
  *at = place + bytes;
  return place;
}

void r_dictionary_place(struct dictionary *dictionary, uint64_t at) {
  smem_string_block *block = &dictionary->block;
  uint64_t n = (uint64_t)XLENGTH(dictionary->vector), unique = block->unique;
  at += sizeof *block;
  block->offsets_at = take(&at, 8 * (unique + 1));
  if (dictionary->encodings) block->encodings_at = take(&at, unique);
  if (block->validity_at) block->validity_at = take(&at, unique / 8 + 1);
  if (block->width) block->index_at = take(&at, n * block->width);
  block->text_at = take(&at, block->bytes);
  dictionary->end = at;
}

enum { BATCH = 4096 };

static smem_code write_offsets(const struct dictionary *dictionary,
                               smem_writer *writer, smem_error *error) {
  uint64_t ends = dictionary->block.unique + 1;
  return smem_write_next(writer, dictionary->offsets, 8 * ends, error);
}

static smem_code write_encodings(const struct dictionary *dictionary,
                                 smem_writer *writer, smem_error *error) {
  return smem_write_next(writer, dictionary->encodings,
                         dictionary->block.unique, error);
}

static smem_code write_validity(const struct dictionary *dictionary,
                                smem_writer *writer, smem_error *error) {
  const SEXP *strings = strings_of(dictionary);
  uint64_t unique = dictionary->block.unique;
  smem_code code = SMEM_OK;
  for (uint64_t i = 0; code == SMEM_OK && i <= unique; i += 8) {
    uint8_t bits = 0;
    for (uint64_t k = i; k < i + 8 && k < unique; k++)
      if (strings[k] != NA_STRING) bits |= (uint8_t)(1 << (k - i));
    code = smem_write_next(writer, &bits, 1, error);
  }
  return code;
}

static smem_code write_index(const struct dictionary *dictionary,
                             smem_writer *writer, smem_error *error) {
  uint64_t n = (uint64_t)XLENGTH(dictionary->vector);
  const uint32_t *index = dictionary->index;
  size_t width = dictionary->block.width;
  if (width == 4) return smem_write_next(writer, index, n * 4, error);
  smem_code code = SMEM_OK;
  for (uint64_t i = 0; code == SMEM_OK && i < n;) {
    unsigned char batch[2 * BATCH];
    size_t k = 0;
    for (; k < BATCH && i < n; i++, k++) {
      uint16_t two = (uint16_t)index[i];
      if (width == 1)
        batch[k] = (unsigned char)index[i];
      else
        memcpy(batch + 2 * k, &two, sizeof two);
    }
    code = smem_write_next(writer, batch, k * width, error);
  }
  return code;
}

static smem_code write_text(const struct dictionary *dictionary,
                            smem_writer *writer, smem_error *error) {
  const SEXP *strings = strings_of(dictionary);
  const int64_t *offsets = dictionary->offsets;
  uint64_t n = dictionary->block.unique, copied = dictionary->copied;
  smem_code code = SMEM_OK;
  if (copied > 0)
    code = smem_write_next(writer, dictionary->text, (uint64_t)offsets[copied],
                           error);
  for (uint64_t i = copied; code == SMEM_OK && i < n; i++) {
    if (i + AHEAD < n) PREFETCH(strings[i + AHEAD]);
    code = smem_write_next(writer, CHAR(strings[i]),
                           (uint64_t)(offsets[i + 1] - offsets[i]), error);
  }
  return code;
}

smem_code r_dictionary_write(const struct dictionary *dictionary,
                             smem_writer *writer, smem_error *error) {
  const smem_string_block *block = &dictionary->block;
  const struct {
    uint64_t at;
    smem_code (*write)(const struct dictionary *, smem_writer *, smem_error *);
  } parts[] = {{block->offsets_at, write_offsets},
               {block->encodings_at, write_encodings},
               {block->validity_at, write_validity},
               {block->index_at, write_index},
               {block->text_at, write_text}};
  smem_code code = smem_write_next(writer, block, sizeof *block, error);
  for (size_t i = 0; i < sizeof parts / sizeof *parts && code == SMEM_OK; i++) {
    if (parts[i].at == 0) continue;
    code = smem_write_pad(writer, parts[i].at, error);
    if (code == SMEM_OK) code = parts[i].write(dictionary, writer, error);
  }
  return code;
}
