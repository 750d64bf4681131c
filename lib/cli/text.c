/* What people read. */
#include "cli.h"

#include <string.h>
#include <wchar.h>

/* ---- what is printable ----------------------------------------------------
 */

size_t decode(const char *text, uint32_t *character) {
  const unsigned char *at = (const unsigned char *)text;
  size_t length = *at < 0x80   ? 1
                  : *at < 0xC2 ? 0
                  : *at < 0xE0 ? 2
                  : *at < 0xF0 ? 3
                  : *at < 0xF5 ? 4
                               : 0;
  *character = length < 2 ? *at : *at & (0x7Fu >> length);
  for (size_t i = 1; i < length; i++) {
    if ((at[i] & 0xC0) != 0x80) return 0;
    *character = *character << 6 | (at[i] & 0x3F);
  }
  char one[5] = "";
  memcpy(one, text, length);
  return length && smem_is_utf8(one) ? length : 0;
}

/* Controls, what has no form of its own but changes that of others (it may turn
 * the direction of writing), and ends of lines: Unicode's Cc, Cf, Zl, Zp. */
static bool is_control(uint32_t character) {
  static const uint32_t range[][2] = {
      {0, 0x1F},          {0x7F, 0x9F},       {0xAD, 0xAD},
      {0x600, 0x605},     {0x61C, 0x61C},     {0x6DD, 0x6DD},
      {0x70F, 0x70F},     {0x890, 0x891},     {0x8E2, 0x8E2},
      {0x180E, 0x180E},   {0x200B, 0x200F},   {0x2028, 0x202E},
      {0x2060, 0x2064},   {0x2066, 0x206F},   {0xFEFF, 0xFEFF},
      {0xFFF9, 0xFFFB},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},
      {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
      {0xE0001, 0xE0001}, {0xE0020, 0xE007F}};
  for (size_t i = 0; i < sizeof range / sizeof *range; i++)
    if (character >= range[i][0] && character <= range[i][1]) return true;
  return false;
}

/* As this locale has it; 0: it has not. */
static int width_of_one(const char *text, size_t length, wchar_t *wide) {
  mbstate_t state;
  memset(&state, 0, sizeof state);
  if (mbrtowc(wide, text, length, &state) != length) return 0;
  int width = wcwidth(*wide);
  return width < 0 ? 0 : width;
}

/* Can the terminal show it? Combining marks have no width, but a locale of
 * ASCII does not know them at all. */
static bool is_shown(const char *text, size_t length) {
  wchar_t wide = 0;
  width_of_one(text, length, &wide);
  return wide != 0;
}

void make_printable(const char *text, char to[TEXT_SIZE]) {
  size_t used = 0;
  while (*text && used + 12 < TEXT_SIZE) {
    uint32_t character;
    size_t length = decode(text, &character);
    if (length == 0) {
      used += (size_t)snprintf(to + used, 12, "<%02x>", (unsigned char)*text++);
      continue;
    }
    if (is_control(character) || !is_shown(text, length)) {
      used += (size_t)snprintf(to + used, 12, "<U+%04X>", (unsigned)character);
    } else {
      memcpy(to + used, text, length);
      used += length;
    }
    text += length;
  }
  to[used] = 0;
}

/* ---- columns --------------------------------------------------------------
 */

static size_t step(const char *text, int *width) {
  uint32_t character;
  wchar_t wide;
  size_t length = decode(text, &character);
  if (length == 0) length = 1;
  *width = width_of_one(text, length, &wide);
  return length;
}

int width_of(const char *text) {
  int sum = 0, width;
  while (*text) {
    text += step(text, &width);
    sum += width;
  }
  return sum;
}

void clip(const char *text, int width, char to[TEXT_SIZE]) {
  int sum = 0, one;
  make_printable(text, to);
  if (width_of(to) <= width) return;
  char *at = to;
  for (;;) {
    size_t length = step(at, &one);
    if (sum + one > width - 3) break;
    sum += one;
    at += length;
  }
  memcpy(at, "...", 4); /* there was more behind */
}

void clip_start(const char *text, int width, char to[TEXT_SIZE]) {
  char whole[TEXT_SIZE];
  const char *at = whole;
  int one, left;
  make_printable(text, whole);
  left = width_of(whole);
  if (left <= width) {
    memcpy(to, whole, strlen(whole) + 1);
    return;
  }
  while (left > width - 3) {
    at += step(at, &one);
    left -= one;
  }
  snprintf(to, TEXT_SIZE, "...%.*s", TEXT_SIZE - 4, at);
}

/* ---- figures --------------------------------------------------------------
 */

void format_bytes(const struct options *options, uint64_t bytes, char to[32]) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = (double)bytes;
  int power = 0;
  if (bytes == UINT64_MAX) {
    memcpy(to, "?", 2);
    return;
  }
  if (options->bytes) {
    snprintf(to, 32, "%llu", (unsigned long long)bytes);
    return;
  }
  /* What would be written as 1024 is one of the next unit. */
  while (power < 5 && value >= (power ? 1023.5 : 1024)) {
    value /= 1024;
    power++;
  }
  if (value < 1) value = 1;
  snprintf(to, 32, "%.*f %s", power == 0 || value >= 99.95 ? 0 : 1,
           bytes ? value : 0.0, units[power]);
}

static void write_time(uint64_t nanoseconds, const char *of_today,
                       const char *of_others, char *to, size_t room) {
  time_t then = (time_t)(nanoseconds / 1000000000), now = time(NULL);
  struct tm day, today;
  to[0] = 0;
  if (nanoseconds == 0 || !localtime_r(&then, &day) ||
      !localtime_r(&now, &today))
    return;
  bool same = day.tm_year == today.tm_year && day.tm_yday == today.tm_yday;
  strftime(to, room, same ? of_today : of_others, &day);
}

void format_when(uint64_t nanoseconds, char to[16]) {
  write_time(nanoseconds, "%H:%M", "%m-%d", to, 16);
}

void format_time(uint64_t nanoseconds, char to[32]) {
  write_time(nanoseconds, "%T", "%F %T", to, 32);
}

void format_owner(uint64_t pid, const char *command, char *to, size_t room) {
  const char *slash = strrchr(command, '/');
  snprintf(to, room, "%llu%s%s", (unsigned long long)pid, *command ? " " : "",
           slash ? slash + 1 : command);
}

/* ---- words ----------------------------------------------------------------
 */

const char *state_meaning(smem_state state) {
  switch (state) {
  case SMEM_LIVE:
    return "its owner is there";
  case SMEM_ORPHAN:
    return "its owner is dead";
  case SMEM_UNKNOWN:
    return "whether its owner lives cannot be proved";
  case SMEM_INCOMPLETE:
    return "its creator died while making it";
  case SMEM_DAMAGED:
    return "not a segment, or its footer does not check";
  default:
    return "another user's, or not made by this package";
  }
}

const char *lifetime_name(smem_lifetime lifetime) {
  return lifetime == SMEM_OF_PROCESS  ? "process"
         : lifetime == SMEM_OF_OBJECT ? "object"
                                      : "freed";
}

void dump_bytes(const unsigned char *bytes, size_t length, uint64_t offset) {
  enum { LINE = 16 };
  for (size_t from = 0; from < length; from += LINE) {
    size_t here = length - from < LINE ? length - from : LINE;
    char hex[3 * LINE + 1] = "", shown[LINE + 1] = "";
    for (size_t i = 0; i < here; i++) {
      unsigned char byte = bytes[from + i];
      snprintf(hex + 3 * i, 4, "%02x ", byte);
      shown[i] = byte < 0x20 || byte > 0x7E ? '.' : (char)byte;
    }
    printf("%08llx  %-48s %s\n", (unsigned long long)(offset + from), hex,
           shown);
  }
}
