/* smem rm: removes segments by their ids. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static void note_entry(const smem_entry *entry, void *context) {
  add_row(context, "", entry, SMEM_REMOVED);
}

static bool is_nobodys(const smem_entry *entry) {
  return entry->state == SMEM_ORPHAN || entry->state == SMEM_INCOMPLETE;
}

/* May it go? An exit status: NOTHING if it is not there, or is to stay. */
static int ask(const struct options *options, const char *id) {
  struct rows rows = {0};
  char path[300], question[3 * TEXT_SIZE], shown[TEXT_SIZE], owner[TEXT_SIZE],
      bytes[32];
  size_t none = 0;
  smem_error error = SMEM_ERROR_INIT;
  bool asked;
  int status = DONE;
  if (smem_inspect(id, NULL, &none, path, sizeof path, note_entry, &rows,
                   &error) != SMEM_OK) {
    error.op = SMEM_OP_FREE; /* that is what the user knows of */
    return refuse(&error);
  }
  if (rows.failed) {
    status = no_memory();
  } else if (!is_nobodys(&rows.row->entry)) {
    const smem_entry *entry = &rows.row->entry;
    clip(id, 40, shown);
    format_bytes(options, entry->resident, bytes);
    owner[0] = 0;
    if (has_owner(entry)) {
      format_owner(entry->pid, rows.row->command, question, TEXT_SIZE);
      make_printable(question, owner);
    }
    snprintf(question, sizeof question, "Remove %s (%s, %s%s%s)?", shown,
             smem_state_name(entry->state), bytes, *owner ? ", owner " : "",
             owner);
    if (!confirm(options, question, &asked)) status = asked ? NOTHING : REFUSED;
    if (!asked)
      complain("%s stays: it is not provably nobody's (%s). Say --yes", id,
               smem_state_name(entry->state));
  }
  free_rows(&rows);
  return status;
}

static int remove_one(const struct options *options, const char *id) {
  smem_error error = SMEM_ERROR_INIT;
  int status = ask(options, id);
  if (status != DONE) return status;
  return smem_free(&id, 1, NULL, &error) == SMEM_OK ? DONE : refuse(&error);
}

/* The worst of what happened to any of them. */
int run_rm(const struct options *options) {
  int worst = DONE;
  for (int i = 0; i < options->count; i++) {
    int status = remove_one(options, options->operands[i]);
    if (status > worst) worst = status;
  }
  return worst;
}
