/* References as bytes. They come from files and from the network: nothing in
 * them is believed.
 *
 *   0  "SMRF"            4  version  5  form  6  length of namespace  7  of id
 *   8  five numbers of 8 bytes: place (2), generation, offset, length
 *  48  checksum (8 bytes, of all the rest)
 *  56  namespace, id, and to the end the directory
 *
 * Numbers have their lowest byte first. */
#include "access.h"

#include <string.h>

enum { VERSION = 1, NUMBERS = 5, CHECKSUM = 48, TEXT = 56 };

static const unsigned char magic[4] = {'S', 'M', 'R', 'F'};

typedef char
    reference_fits[TEXT + 16 + SMEM_ID_MAX <= SMEM_REFERENCE_SIZE ? 1 : -1];

static void put(unsigned char *at, uint64_t number) {
  for (int i = 0; i < 8; i++) at[i] = (unsigned char)(number >> (8 * i));
}

static uint64_t get(const unsigned char *at) {
  uint64_t number = 0;
  for (int i = 0; i < 8; i++) number |= (uint64_t)at[i] << (8 * i);
  return number;
}

/* Over all but its own place. */
static uint64_t checksum(const unsigned char *bytes, size_t length) {
  return smem__hash_more(smem__hash_more(HASH_NOTHING, bytes, CHECKSUM),
                         bytes + TEXT, length - TEXT);
}

size_t smem_reference_write(const smem_reference *reference,
                            unsigned char bytes[SMEM_REFERENCE_SIZE]) {
  size_t space = strlen(reference->space), id = strlen(reference->id);
  size_t directory = strlen(reference->directory);
  const uint64_t numbers[NUMBERS] = {reference->place[0], reference->place[1],
                                     reference->generation, reference->offset,
                                     reference->length};
  memcpy(bytes, magic, sizeof magic);
  bytes[4] = VERSION;
  bytes[5] = reference->form;
  bytes[6] = (unsigned char)space;
  bytes[7] = (unsigned char)id;
  for (int i = 0; i < NUMBERS; i++) put(bytes + 8 + 8 * i, numbers[i]);
  memcpy(bytes + TEXT, reference->space, space);
  memcpy(bytes + TEXT + space, reference->id, id);
  memcpy(bytes + TEXT + space + id, reference->directory, directory);
  put(bytes + CHECKSUM, checksum(bytes, TEXT + space + id + directory));
  return TEXT + space + id + directory;
}

/* The texts, which must obey their grammars. */
static bool read_texts(const unsigned char *bytes, size_t length,
                       smem_reference *reference) {
  const char *text = (const char *)bytes + TEXT, *why;
  size_t space = bytes[6], id = bytes[7];
  size_t directory = length - TEXT - space - id;
  if (space >= sizeof reference->space || id > SMEM_ID_MAX ||
      directory > SMEM_DIRECTORY_MAX)
    return false;
  memcpy(reference->space, text, space);
  memcpy(reference->id, text + space, id);
  memcpy(reference->directory, text + space + id, directory);
  if (memchr(text, 0, length - TEXT) ||
      !smem_id_is_valid(reference->id, id, &why))
    return false;
  if (smem_id_is_raw(reference->id)) return space == 0 && directory == 0;
  return smem__name_is_space(reference->space) &&
         smem__directory_is_valid(reference->directory);
}

const char *smem_reference_read(const unsigned char *bytes, size_t length,
                                smem_reference *reference) {
  memset(reference, 0, sizeof *reference);
  if (length < TEXT || memcmp(bytes, magic, sizeof magic) != 0)
    return "this is not a reference to shared memory";
  if (bytes[4] != VERSION)
    return "the reference was made by another version of this package";
  if (length < (size_t)TEXT + bytes[6] + bytes[7] ||
      get(bytes + CHECKSUM) != checksum(bytes, length))
    return "the reference is damaged";
  reference->form = bytes[5];
  reference->place[0] = get(bytes + 8);
  reference->place[1] = get(bytes + 16);
  reference->generation = get(bytes + 24);
  reference->offset = get(bytes + 32);
  reference->length = get(bytes + 40);
  return read_texts(bytes, length, reference) ? NULL
                                              : "the reference is damaged";
}
