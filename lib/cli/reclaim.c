/* smem reclaim: removes what is provably nobody's. */
#include "cli.h"

#include <string.h>

struct reclaim {
  const struct options *options;
  const char *space;
  bool dry_run;
  struct rows rows;
};

/* The words of reclaimSharedMemory(). */
static const char *reason_of(const struct row *row) {
  switch (row->fate) {
  case SMEM_KEPT_FREED:
    return "it lives until somebody frees it (--persistent removes it)";
  case SMEM_KEPT_DAMAGED:
    return "damaged: look at it, then `smem rm`";
  case SMEM_KEPT_BUSY:
    return "somebody is at work on it";
  case SMEM_KEPT_CHANGED:
    return "it was freed or replaced meanwhile";
  case SMEM_KEPT_SENT:
    return "it is kept for those to whom it was sent";
  default:
    return state_meaning(row->entry.state);
  }
}

static const char *fate_name(smem_fate fate) {
  static const char *const names[] = {"removed", "live",    "unknown",
                                      "freed",   "damaged", "foreign",
                                      "busy",    "changed", "sent"};
  return (unsigned)fate < sizeof names / sizeof *names ? names[fate] : "kept";
}

/* Does it stay although nobody alive is known to have it? */
static bool is_left(const struct row *row) {
  return row->fate != SMEM_REMOVED && row->fate != SMEM_KEPT_LIVE &&
         row->fate != SMEM_KEPT_FOREIGN && row->fate != SMEM_KEPT_SENT &&
         row->fate != SMEM_KEPT_CHANGED;
}

static void note_fate(const smem_entry *entry, smem_fate fate, void *context) {
  struct reclaim *reclaim = context;
  add_row(&reclaim->rows, reclaim->space, entry, fate);
}

static smem_code reclaim_space(const char *space, void *context,
                               smem_error *error) {
  struct reclaim *reclaim = context;
  smem_code code;
  reclaim->space = space;
  code = smem_reclaim(reclaim->dry_run, reclaim->options->persistent, note_fate,
                      reclaim, error);
  /* Whoever leaves last removes what is left of the namespace. */
  if (code == SMEM_OK && !reclaim->dry_run && smem_join(error) == SMEM_OK)
    code = smem_leave(error);
  return code;
}

/* ---- what was done --------------------------------------------------------
 */

static void print_json(const struct reclaim *reclaim) {
  struct json json;
  json_begin(&json);
  json_bool(&json, "dryRun", true, reclaim->options->dry_run);
  json_open(&json, "segments", '[');
  for (size_t i = 0; i < reclaim->rows.count; i++) {
    const struct row *row = &reclaim->rows.row[i];
    json_open(&json, NULL, '{');
    json_row(&json, &reclaim->rows, row, false);
    json_bool(&json, "removed", true, row->fate == SMEM_REMOVED);
    json_text(&json, "fate", fate_name(row->fate));
    json_close(&json, '}');
  }
  json_close(&json, ']');
  json_end(&json);
}

static bool print_removed(const struct reclaim *reclaim) {
  const struct options *options = reclaim->options;
  struct grid grid = {
      .names = {"Id", "state", "resident", "reason", "namespace"},
      .left = {true, true, false, true, true},
      .columns = options->all ? 5 : 4};
  char text[TEXT_SIZE], bytes[32];
  bool some = false;
  for (size_t i = 0; i < reclaim->rows.count; i++) {
    const struct row *row = &reclaim->rows.row[i];
    if (row->fate != SMEM_REMOVED) continue;
    some = true;
    grid_row(&grid, row->entry.state);
    clip(row->entry.id, options->all ? 16 : 24, text);
    grid_cell(&grid, text);
    grid_cell(&grid, smem_state_name(row->entry.state));
    format_bytes(options, row->entry.resident, bytes);
    grid_cell(&grid, bytes);
    grid_cell(&grid, reason_of(row));
    make_printable(row->space, text);
    if (options->all) grid_cell(&grid, text);
  }
  return !some || grid_print(&grid);
}

/* How many are kept for this reason, once. */
static void print_kept(const struct rows *rows) {
  for (size_t i = 0; i < rows->count; i++) {
    const char *reason = reason_of(&rows->row[i]);
    size_t before = 0, count = 0;
    if (rows->row[i].fate == SMEM_REMOVED) continue;
    for (size_t k = 0; k < rows->count; k++) {
      bool same = rows->row[k].fate != SMEM_REMOVED &&
                  strcmp(reason_of(&rows->row[k]), reason) == 0;
      before += same && k < i;
      count += same;
    }
    if (before == 0) printf("%zu kept: %s\n", count, reason);
    if (count == rows->count) return;
  }
}

static int tell(const struct reclaim *reclaim) {
  const struct rows *rows = &reclaim->rows;
  uint64_t count = 0, sum = 0;
  bool left = false;
  char bytes[32];
  for (size_t i = 0; i < rows->count; i++) {
    left = left || is_left(&rows->row[i]);
    if (rows->row[i].fate != SMEM_REMOVED) continue;
    count++;
    sum += resident_of(&rows->row[i].entry);
  }
  if (reclaim->options->json) {
    print_json(reclaim);
    return left ? NOTHING : DONE;
  }
  if (!print_removed(reclaim)) return no_memory();
  format_bytes(reclaim->options, sum, bytes);
  printf("%llu %s, %s\n", (unsigned long long)count,
         reclaim->options->dry_run ? "would be removed" : "removed", bytes);
  print_kept(rows);
  return left ? NOTHING : DONE;
}

/* ---- doing it -------------------------------------------------------------
 */

static int run(struct reclaim *reclaim) {
  smem_error error = SMEM_ERROR_INIT;
  smem_code code = each_space(reclaim->options, reclaim_space, reclaim, &error);
  if (code != SMEM_OK) return refuse(&error);
  if (reclaim->rows.failed) return no_memory();
  sort_rows(&reclaim->rows);
  return DONE;
}

/* What is meant to outlive its owner is perhaps somebody's: how many? */
static int ask(const struct options *options) {
  struct reclaim trial = {.options = options, .dry_run = true};
  char question[200], bytes[32];
  uint64_t count = 0, sum = 0;
  bool asked = true;
  int status = run(&trial);
  for (size_t i = 0; i < trial.rows.count; i++) {
    const struct row *row = &trial.rows.row[i];
    if (row->fate != SMEM_REMOVED || row->entry.state != SMEM_ORPHAN ||
        row->entry.lifetime != SMEM_UNTIL_FREED)
      continue;
    count++;
    sum += resident_of(&row->entry);
  }
  free_rows(&trial.rows);
  if (status != DONE || count == 0) return status;
  format_bytes(options, sum, bytes);
  snprintf(question, sizeof question,
           "Remove %llu that are to live until somebody frees them (%s)?",
           (unsigned long long)count, bytes);
  if (confirm(options, question, &asked)) return DONE;
  if (asked) return NOTHING;
  complain("nothing was removed: %llu are to live until somebody frees them. "
           "Say --yes, or look with --dry-run",
           (unsigned long long)count);
  return REFUSED;
}

int run_reclaim(const struct options *options) {
  struct reclaim reclaim = {.options = options, .dry_run = options->dry_run};
  int status = DONE;
  if (options->persistent && !options->dry_run) {
    status = ask(options);
    enter_space(options, NULL); /* after --all */
  }
  if (status != DONE) return status;
  status = run(&reclaim);
  if (status == DONE) status = tell(&reclaim);
  free_rows(&reclaim.rows);
  return status;
}
