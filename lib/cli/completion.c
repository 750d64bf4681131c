/* smem completion: for bash, from the tables of commands and options. */
#include "cli.h"

#include <string.h>

static void print_options(const struct command *command) {
  printf("    %s) words='--help", command->name);
  for (const struct option_text *at = option_table; at->letter; at++)
    if (strchr(command->options, at->letter))
      printf(" --%s%s", at->name, at->value ? "=" : "");
  puts("' ;;");
}

/* Of ids only those can be completed that are plain words. */
static void print_ids(void) {
  printf("    case $command in ");
  const char *between = "";
  for (const struct command *at = command_table; at->name; at++)
    if (at->takes_id) {
      printf("%s%s", between, at->name);
      between = " | ";
    }
  puts(") words=$(\"$1\" ls --ids 2>/dev/null | grep '^[A-Za-z0-9_.-]*$') ;;\n"
       "    completion) words=bash ;; esac");
}

int run_completion(const struct options *options) {
  if (strcmp(options->operands[0], "bash") != 0) {
    complain("there is a completion for bash only");
    return USAGE;
  }
  puts("_smem() {\n"
       "  local command=${COMP_WORDS[1]-} words=\n"
       "  if [ \"$COMP_CWORD\" = 1 ]; then");
  printf("    words='");
  for (const struct command *at = command_table; at->name; at++)
    printf("%s ", at->name);
  puts("--help --version'\n"
       "  elif [ \"${2:0:1}\" = - ]; then\n"
       "    case $command in");
  for (const struct command *at = command_table; at->name; at++)
    print_options(at);
  puts("    esac\n  else");
  print_ids();
  puts("  fi\n"
       "  COMPREPLY=($(compgen -W \"$words\" -- \"$2\"))\n"
       "  case ${COMPREPLY[0]-} in *=) compopt -o nospace ;; esac\n"
       "}\n"
       "complete -F _smem smem");
  return DONE;
}
