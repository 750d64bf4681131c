/* Texts and their hashes. */
#include "base.h"

#include <string.h>

size_t smem__utf8_length(const unsigned char *at, size_t room) {
  if (at[0] < 0x80) return 1;
  size_t length = at[0] < 0xC2   ? 0
                  : at[0] < 0xE0 ? 2
                  : at[0] < 0xF0 ? 3
                  : at[0] < 0xF5 ? 4
                                 : 0;
  if (length == 0 || length > room) return 0;
  for (size_t i = 1; i < length; i++)
    if ((at[i] & 0xC0) != 0x80) return 0;
  if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) ||
      (at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F))
    return 0;
  return length;
}

bool smem_is_utf8(const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  const unsigned char *end = at + strlen(text);
  while (at < end) {
    size_t step = smem__utf8_length(at, (size_t)(end - at));
    if (step == 0) return false;
    at += step;
  }
  return true;
}

bool smem__text_is_control(const unsigned char *at) {
  if (at[0] < 0x20 || at[0] == 0x7F) return true;
  if (at[0] == 0xC2) return at[1] < 0xA0;
  if (at[0] != 0xE2) return false;
  return (at[1] == 0x80 && at[2] >= 0xA8 && at[2] <= 0xAE) ||
         (at[1] == 0x81 && at[2] >= 0xA6 && at[2] <= 0xA9);
}

void smem__text_defuse(char *text) {
  unsigned char *at = (unsigned char *)text, *end = at + strlen(text);
  while (at < end) {
    size_t step = smem__utf8_length(at, (size_t)(end - at));
    if (step == 0 || smem__text_is_control(at)) {
      *at = '?'; /* what follows of the character is not text without it */
      step = 1;
    }
    at += step;
  }
}

void smem_copy_text(char *to, size_t room, const char *from) {
  size_t length = strlen(from);
  if (length >= room) {
    length = room - 1;
    /* never half a UTF-8 character: a reader may refuse the whole message */
    while (length > 0 && ((unsigned char)from[length] & 0xC0) == 0x80) length--;
  }
  memcpy(to, from, length);
  to[length] = '\0';
}

/* FNV-1a: what is hashed is short, and nobody attacks a hash table of their
 * own. */
uint64_t smem__hash_more(uint64_t hash, const void *bytes, size_t length) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < length; i++) hash = (hash ^ at[i]) * 0x100000001B3u;
  return hash;
}

uint64_t smem__hash_text(const char *text) {
  return smem__hash_more(HASH_NOTHING, text, strlen(text));
}
