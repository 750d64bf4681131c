/* Reads the command line, and runs a subcommand. */
#include "cli.h"

#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#ifndef SMEM_VERSION
#define SMEM_VERSION "unknown"
#endif

enum { MOST_OPTIONS = 16 };

/* For getopt_long(): what the table has of this command's. */
static void fill_options(const struct command *command, char *letters,
                         struct option *names) {
  *letters = 0;
  for (const struct option_text *at = option_table; at->letter; at++) {
    if (at->letter != 'h' && !strchr(command->options, at->letter)) continue;
    size_t length = strlen(letters);
    letters[length] = at->letter;
    letters[length + 1] = at->value ? ':' : 0;
    letters[length + 2] = 0;
    *names++ =
        (struct option){at->name, at->value ? required_argument : no_argument,
                        NULL, at->letter};
  }
  *names = (struct option){NULL, 0, NULL, 0};
}

static bool set_interval(struct options *options, const char *text) {
  char *end;
  unsigned long seconds = strtoul(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || seconds < 1 || seconds > 86400) {
    complain("--interval must be a number of seconds, from 1 to 86400");
    return false;
  }
  options->interval = (unsigned)seconds;
  return true;
}

static bool set_option(struct options *options, int letter) {
  switch (letter) {
  case 'n':
    options->space = optarg;
    return true;
  case 'D':
    options->directory = optarg;
    return true;
  case 'i':
    return set_interval(options, optarg);
  case '1':
    return options->ids = true;
  case 'a':
    return options->all = true;
  case 'b':
    return options->bytes = true;
  case 'd':
    return options->dry_run = true;
  case 'h':
    return options->help = true;
  case 'j':
    return options->json = true;
  case 'm':
    return options->mapped_by = true;
  case 'p':
    return options->persistent = true;
  case 'r':
    return options->raw = true;
  case 'y':
    return options->yes = true;
  default: /* getopt_long() has said what is wrong */
    return false;
  }
}

static int usage(const struct command *command) {
  fprintf(stderr, "`smem %s%s--help` says how it is used.\n",
          command ? command->name : "", command ? " " : "");
  return USAGE;
}

static bool check_operands(const struct command *command,
                           const struct options *options) {
  const char *why;
  if (options->count < command->least ||
      (command->most >= 0 && options->count > command->most)) {
    if (options->count < command->least)
      complain("an operand is missing: %s", command->operands);
    else if (command->operands[0])
      complain("too many operands: it takes %s", command->operands);
    else
      complain("too many operands: it takes none");
    return false;
  }
  bool all = command->most < 0;
  for (int i = 0; i < (all ? options->count : 1) && command->takes_id; i++) {
    const char *id = options->operands[i];
    if (smem_id_is_raw(id) || smem_id_is_valid(id, strlen(id), &why)) continue;
    complain("the id \"%s\" %s", id, why);
    return false;
  }
  return true;
}

/* Options may stand before and behind the operands. */
static bool read_options(const struct command *command, int argc, char **argv,
                         struct options *options) {
  char letters[2 * MOST_OPTIONS];
  struct option names[MOST_OPTIONS];
  int letter;
  fill_options(command, letters, names);
  while ((letter = getopt_long(argc, argv, letters, names, NULL)) != -1)
    if (!set_option(options, letter)) return false;
  options->operands = argv + optind;
  options->count = argc - optind;
  if (options->help) return true;
  if (options->all && options->space) {
    complain("--all and --namespace exclude each other");
    return false;
  }
  return check_operands(command, options);
}

int main(int argc, char **argv) {
  struct options options = {.interval = 2};
  setlocale(LC_ALL, "");
  smem_start(NULL);
  if (argc < 2) {
    print_commands(stderr);
    return USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
    print_commands(stdout);
    return DONE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    printf("smem %s\n", SMEM_VERSION);
    return DONE;
  }
  const struct command *command = find_command(argv[1]);
  if (!command) {
    complain("there is no command \"%s\"", argv[1]);
    return usage(NULL);
  }
  argv[1] = argv[0]; /* by which getopt_long() names us */
  if (!read_options(command, argc - 1, argv + 1, &options))
    return usage(command);
  if (options.help) {
    print_command(command, stdout);
    return DONE;
  }
  enter_space(&options, NULL);
  int status = command->run(&options);
  if (fflush(stdout) == 0 && !ferror(stdout)) return status;
  complain("the output could not be written");
  return REFUSED;
}
