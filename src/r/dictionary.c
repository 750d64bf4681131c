/* R keeps each string once per process, so that the pointers tell strings
 * apart: no text is compared or hashed here. */
#include "dictionary.h"

#include <stdlib.h>
#include <string.h>

/* ---- numbers for pointers ------------------------------------------------ */

static uint64_t hash(SEXP x) {
  return ((uint64_t)(uintptr_t)x >> 3) * UINT64_C(0x9E3779B97F4A7C15) >> 20;
}

static uint64_t slot_of(const struct numbering *numbering, SEXP x) {
  uint64_t slot = hash(x) & numbering->mask;
  while (numbering->slots[slot] && numbering->slots[slot] != x)
    slot = (slot + 1) & numbering->mask;
  return slot;
}

static bool grow_slots(struct numbering *numbering) {
  struct numbering larger = *numbering;
  uint64_t slots = numbering->slots ? (numbering->mask + 1) * 4 : 256;
  larger.mask = slots - 1;
  larger.slots = calloc(slots, sizeof *larger.slots);
  larger.numbers = malloc(slots * sizeof *larger.numbers);
  if (!larger.slots || !larger.numbers) {
    free(larger.slots);
    free(larger.numbers);
    return false;
  }
  for (uint64_t i = 0; i < numbering->count; i++) {
    uint64_t slot = slot_of(&larger, numbering->list[i]);
    larger.slots[slot] = numbering->list[i];
    larger.numbers[slot] = (uint32_t)i;
  }
  free(numbering->slots);
  free(numbering->numbers);
  *numbering = larger;
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

uint32_t r_number_of(struct numbering *numbering, SEXP x) {
  if (numbering->count * 2 >= numbering->mask && !grow_slots(numbering))
    return UINT32_MAX;
  uint64_t slot = slot_of(numbering, x);
  if (numbering->slots[slot]) return numbering->numbers[slot];
  if (numbering->count == INT32_MAX ||
      (numbering->count == numbering->room && !grow_list(numbering)))
    return UINT32_MAX;
  numbering->slots[slot] = x;
  numbering->list[numbering->count] = x;
  return numbering->numbers[slot] = (uint32_t)numbering->count++;
}

void r_numbering_dispose(struct numbering *numbering) {
  free(numbering->slots);
  free(numbering->numbers);
  free(numbering->list);
  memset(numbering, 0, sizeof *numbering);
}

/* ---- text ---------------------------------------------------------------- */

static bool is_ascii(SEXP string) {
  const char *text = CHAR(string);
  int length = LENGTH(string), i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    memcpy(&word, text + i, sizeof word);
    if (word & UINT64_C(0x8080808080808080)) return false;
  }
  for (; i < length; i++)
    if (text[i] & 0x80) return false;
  return true;
}

static uint8_t encoding_of(SEXP string) {
  switch (Rf_getCharCE(string)) {
  case CE_UTF8:
    return SMEM_UTF8;
  case CE_LATIN1:
    return SMEM_LATIN1;
  case CE_BYTES:
    return SMEM_BYTES;
  default:
    return SMEM_ASCII;
  }
}

/* What is in the character set of this process alone. */
static bool is_native(SEXP string) {
  return encoding_of(string) == SMEM_ASCII && string != NA_STRING &&
         !is_ascii(string);
}

/* A copy in which native strings are in UTF-8. */
static SEXP translated(SEXP x) {
  SEXP copy = PROTECT(Rf_allocVector(STRSXP, XLENGTH(x)));
  for (R_xlen_t i = 0; i < XLENGTH(x); i++) {
    SEXP string = STRING_ELT(x, i);
    const void *before = vmaxget();
    if (is_native(string))
      string = Rf_mkCharCE(Rf_translateCharUTF8(string), CE_UTF8);
    SET_STRING_ELT(copy, i, string);
    vmaxset(before);
  }
  UNPROTECT(1);
  return copy;
}

/* ---- making -------------------------------------------------------------- */

/* Is most of it different? Then an index does not pay. False also if there is
 * no memory for one; true: `seen` and `index` are made. */
static bool find_repeats(struct dictionary *dictionary, const SEXP *strings,
                         uint64_t n) {
  enum { FEW = 64, PROBE = 16384 };
  uint64_t probe = n / 4 > PROBE ? n / 4 : PROBE;
  if (n < FEW) return false;
  dictionary->index = malloc(n * sizeof *dictionary->index);
  bool repeats = dictionary->index != NULL;
  for (uint64_t i = 0; repeats && i < n; i++) {
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

/* In block: how much text there is, and which arrays are needed, as 1. False:
 * there is something to be translated first. */
static bool measure(struct dictionary *dictionary) {
  smem_string_block *block = &dictionary->block;
  const SEXP *strings = strings_of(dictionary);
  memset(block, 0, sizeof *block);
  block->unique = count(dictionary);
  for (uint64_t i = 0; i < block->unique; i++) {
    uint8_t encoding = encoding_of(strings[i]);
    if (strings[i] == NA_STRING) {
      block->validity_at = 1;
      continue;
    }
    if (encoding != SMEM_ASCII) block->encodings_at = 1;
    if (encoding == SMEM_ASCII && !is_ascii(strings[i])) return false;
    block->bytes += (uint64_t)LENGTH(strings[i]);
  }
  if (dictionary->index)
    block->width = block->unique <= INT8_MAX    ? 1
                   : block->unique <= INT16_MAX ? 2
                                                : 4;
  return true;
}

bool r_dictionary_make(struct dictionary *dictionary, SEXP x, SEXP *keep) {
  memset(dictionary, 0, sizeof *dictionary);
  dictionary->vector = *keep = x;
  find_repeats(dictionary, STRING_PTR_RO(x), (uint64_t)XLENGTH(x));
  if (measure(dictionary)) return true;
  r_dictionary_dispose(dictionary);
  dictionary->vector = *keep = PROTECT(translated(x));
  find_repeats(dictionary, STRING_PTR_RO(*keep), (uint64_t)XLENGTH(*keep));
  UNPROTECT(1);
  return measure(dictionary);
}

void r_dictionary_dispose(struct dictionary *dictionary) {
  r_numbering_dispose(&dictionary->seen);
  free(dictionary->index);
  dictionary->index = NULL;
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
  if (block->encodings_at) block->encodings_at = take(&at, unique);
  if (block->validity_at) block->validity_at = take(&at, unique / 8 + 1);
  if (block->width) block->index_at = take(&at, n * block->width);
  block->text_at = take(&at, block->bytes);
  dictionary->end = at;
}

enum { BATCH = 4096 };

static smem_code write_offsets(const struct dictionary *dictionary,
                               smem_writer *writer, smem_error *error) {
  const SEXP *strings = strings_of(dictionary);
  uint64_t unique = dictionary->block.unique;
  int64_t batch[BATCH], offset = 0;
  smem_code code = smem_write_next(writer, &offset, sizeof offset, error);
  for (uint64_t i = 0; code == SMEM_OK && i < unique;) {
    size_t k = 0;
    for (; k < BATCH && i < unique; i++) {
      if (strings[i] != NA_STRING) offset += LENGTH(strings[i]);
      batch[k++] = offset;
    }
    code = smem_write_next(writer, batch, k * sizeof *batch, error);
  }
  return code;
}

static smem_code write_encodings(const struct dictionary *dictionary,
                                 smem_writer *writer, smem_error *error) {
  const SEXP *strings = strings_of(dictionary);
  uint64_t unique = dictionary->block.unique;
  uint8_t batch[BATCH];
  smem_code code = SMEM_OK;
  for (uint64_t i = 0; code == SMEM_OK && i < unique;) {
    size_t k = 0;
    for (; k < BATCH && i < unique; i++) batch[k++] = encoding_of(strings[i]);
    code = smem_write_next(writer, batch, k, error);
  }
  return code;
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
  smem_code code = SMEM_OK;
  for (uint64_t i = 0; code == SMEM_OK && i < dictionary->block.unique; i++)
    if (strings[i] != NA_STRING)
      code = smem_write_next(writer, CHAR(strings[i]),
                             (uint64_t)LENGTH(strings[i]), error);
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
