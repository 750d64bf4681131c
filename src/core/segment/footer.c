#include "segment.h"

#include <string.h>

typedef char footer_fits[sizeof(struct footer) == FOOTER_SIZE ? 1 : -1];
typedef char id_fits[SMEM_ID_MAX < sizeof((struct footer *)0)->id ? 1 : -1];

static const uint64_t magic = 0x314D454D53444853u; /* "SHDSMEM1" in memory */

/* Against damage, not against attackers: whoever can write here can write
 * anything. Two running sums, for a chain of multiplications would take as long
 * as a system call: the first tells what the words are, the second where. What
 * lives does not count, nor do the last two words, the seal and the checksum
 * itself.
 */
static uint64_t checksum(const struct footer *footer) {
  enum { WORDS = offsetof(struct footer, live) / 8 };
  uint64_t words[WORDS], sum = 1, sums = 0;
  memcpy(words, footer, sizeof words);
  for (int i = 0; i < WORDS; i++) {
    sum += words[i];
    sums += sum;
  }
  uint64_t both = sum ^ (sums << 32 | sums >> 32);
  return both ? both : 1;
}

void smem__footer_seal(struct footer *footer) {
  footer->magic = magic;
  footer->version = FOOTER_VERSION;
  footer->checksum = checksum(footer);
}

static bool ends(const char *text, size_t room) {
  return memchr(text, 0, room) != NULL;
}

bool smem__footer_is_of_another_version(const struct footer *footer) {
  return footer->magic == magic && footer->version != FOOTER_VERSION;
}

const char *smem__footer_check(const struct footer *footer, const char *id,
                               uint64_t total) {
  if (footer->magic != magic)
    return "it does not end like a segment of this package, or was truncated";
  if (smem__footer_is_of_another_version(footer))
    return "it was made by another version of this package, which can use it";
  if (footer->checksum != checksum(footer))
    return "its footer is damaged (the checksum does not fit)";
  if (footer->total != total || footer->requested == 0 ||
      footer->requested > total - FOOTER_SIZE)
    return "its size is not the one that its footer tells";
  if (!ends(footer->id, sizeof footer->id) || strcmp(footer->id, id) != 0)
    return "it is a segment of another id under this name";
  if (!ends(footer->tag, sizeof footer->tag) ||
      !ends(footer->trace, sizeof footer->trace) ||
      footer->lifetime > SMEM_OF_OBJECT ||
      footer->owner.presence >= LOCK_PRESENCES)
    return "its footer says what a segment of this package cannot be";
  return NULL;
}
