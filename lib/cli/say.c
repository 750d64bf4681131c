/* Messages, answers, colours. */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void complain(const char *format, ...) {
  char text[1024], shown[TEXT_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  make_printable(text, shown);
  fflush(stdout);
  fprintf(stderr, "smem: %s\n", shown);
}

int refuse(const smem_error *error) {
  char message[1024];
  smem_error_message(error, message, sizeof message);
  complain("%s", message);
  return error->code == SMEM_NOT_FOUND  ? NOTHING
         : error->code == SMEM_ARGUMENT ? USAGE
                                        : REFUSED;
}

int no_memory(void) {
  complain("there is not enough memory");
  return REFUSED;
}

void *grown(void *array, size_t *room, size_t count, size_t size) {
  size_t more = *room ? 2 * *room : 16;
  if (count < *room) return array;
  void *moved = realloc(array, more * size);
  if (moved) *room = more;
  return moved;
}

bool confirm(const struct options *options, const char *question, bool *asked) {
  char answer[80];
  *asked = true;
  if (options->yes) return true;
  *asked = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
  if (!*asked) return false;
  fflush(stdout);
  fprintf(stderr, "%s [y/N] ", question);
  if (!fgets(answer, sizeof answer, stdin)) return false;
  return answer[0] == 'y' || answer[0] == 'Y';
}

static bool has_colours(void) {
  static int known = -1;
  if (known < 0) {
    const char *off = getenv("NO_COLOR"), *terminal = getenv("TERM");
    known = isatty(STDOUT_FILENO) && !(off && *off) && terminal &&
            strcmp(terminal, "dumb") != 0;
  }
  return known;
}

const char *colour_of(smem_state state) {
  if (!has_colours()) return "";
  switch (state) {
  case SMEM_LIVE:
    return "\033[32m";
  case SMEM_ORPHAN:
  case SMEM_INCOMPLETE:
    return "\033[33m";
  case SMEM_DAMAGED:
    return "\033[31m";
  default:
    return "\033[35m";
  }
}

const char *bold(void) { return has_colours() ? "\033[1m" : ""; }
const char *plain(void) { return has_colours() ? "\033[0m" : ""; }
