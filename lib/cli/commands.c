/* Which subcommands and options there are: for running, help and completion. */
#include "cli.h"

#include <string.h>

const struct command command_table[] = {
    {"ls", "", "anD1bjm", 0, 0, false, run_ls,
     "list what is there, and whose it is"},
    {"stat", "", "nDbj", 0, 0, false, run_stat,
     "how much shared memory there is, who has it, what limits it"},
    {"inspect", "ID", "nDbj", 1, 1, true, run_inspect,
     "everything about one segment, and its first bytes"},
    {"dump", "ID [OFFSET [LENGTH]]", "nDr", 1, 3, true, run_dump,
     "the bytes of a segment"},
    {"reclaim", "", "anDbjdpy", 0, 0, false, run_reclaim,
     "remove what is provably nobody's"},
    {"rm", "ID...", "nDby", 1, -1, true, run_rm, "remove segments"},
    {"locks", "", "anDj", 0, 0, false, run_locks,
     "which locks are held or waited for, and by whom"},
    {"watch", "", "anDbi", 0, 0, false, run_watch,
     "show what is there again and again; q ends it"},
    {"completion", "bash", "", 1, 1, false, run_completion,
     "a script that completes these words: source <(smem completion bash)"},
    {NULL, NULL, NULL, 0, 0, false, NULL, NULL}};

const struct option_text option_table[] = {
    {'n', "namespace", "NAME",
     "instead of SHAREDMEMORY_NAMESPACE, or the user's own"},
    {'D', "directory", "PATH", "instead of SHAREDMEMORY_DIR, or /dev/shm"},
    {'a', "all", NULL, "of all namespaces"},
    {'1', "ids", NULL, "only ids, one a line"},
    {'b', "bytes", NULL, "sizes as numbers of bytes"},
    {'j', "json", NULL, "as JSON, see smem(1)"},
    {'m', "mapped-by", NULL, "also which processes map each, which takes time"},
    {'d', "dry-run", NULL, "only tell what would be done"},
    {'p', "persistent", NULL,
     "also orphans that are to live until they are freed"},
    {'y', "yes", NULL, "do not ask"},
    {'r', "raw", NULL, "the bytes themselves, not a hex dump"},
    {'i', "interval", "SECONDS", "how often; 2 if it is not given"},
    {'h', "help", NULL, "this text"},
    {0, NULL, NULL, NULL}};

const struct command *find_command(const char *name) {
  const struct command *command = command_table;
  while (command->name && strcmp(command->name, name) != 0) command++;
  return command->name ? command : NULL;
}

void print_commands(FILE *to) {
  fprintf(to, "Usage: smem COMMAND [OPTION]... [OPERAND]...\n"
              "Shared memory of the package sharedmemory and of libsmem: what "
              "there is, whose it\nis, what may go.\n\n");
  for (const struct command *at = command_table; at->name; at++)
    fprintf(to, "  %-11s %s\n", at->name, at->summary);
  fprintf(to, "\n`smem COMMAND --help` has its options; `smem --version`; the "
              "manual is smem(1).\n");
}

void print_command(const struct command *command, FILE *to) {
  fprintf(to, "Usage: smem %s [OPTION]...%s%s\n%s\n\n", command->name,
          command->operands[0] ? " " : "", command->operands, command->summary);
  for (const struct option_text *at = option_table; at->letter; at++) {
    char name[40];
    if (at->letter != 'h' && !strchr(command->options, at->letter)) continue;
    snprintf(name, sizeof name, "%s%s%s", at->name, at->value ? "=" : "",
             at->value ? at->value : "");
    fprintf(to, "  -%c, --%-18s %s\n", at->letter, name, at->summary);
  }
}
