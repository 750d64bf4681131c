/* smem locks: who holds the lock of a segment, and who waits for it. */
#include "cli.h"

#include <string.h>

const char *lock_name(smem_lock_state lock) {
  switch (lock) {
  case SMEM_LOCK_EXCLUSIVE:
    return "exclusive";
  case SMEM_LOCK_SHARED:
    return "shared";
  case SMEM_LOCK_OF_DEAD:
    return "dead";
  default:
    return "free";
  }
}

void describe_lock(const smem_entry *entry, char to[LOCK_SIZE]) {
  char who[40] = "", text[80] = "", since[40] = "", wait[40] = "";
  if (entry->holder)
    snprintf(who, sizeof who, " process %llu",
             (unsigned long long)entry->holder);
  if (entry->lock == SMEM_LOCK_EXCLUSIVE)
    snprintf(text, sizeof text, "exclusively%s%s", *who ? " by" : "", who);
  if (entry->lock == SMEM_LOCK_SHARED)
    snprintf(text, sizeof text, "shared by %u", entry->readers);
  if (entry->lock == SMEM_LOCK_OF_DEAD)
    snprintf(text, sizeof text, "no more: its holder died%s%s", *who ? "," : "",
             who);
  if (entry->since) {
    memcpy(since, " since ", 8);
    format_time(entry->since, since + 7);
  }
  if (entry->waiting)
    snprintf(wait, sizeof wait, "%s%u wait%s", *text ? ", " : "",
             entry->waiting, entry->waiting == 1 ? "s" : "");
  snprintf(to, LOCK_SIZE, "%s%s%s", text, since, wait);
}

static bool is_busy(const smem_entry *entry) {
  return is_complete(entry) &&
         (entry->lock != SMEM_LOCK_FREE || entry->waiting > 0 || entry->in_use);
}

static void print_json(const struct rows *rows) {
  struct json json;
  json_begin(&json);
  json_open(&json, "locks", '[');
  for (size_t i = 0; i < rows->count; i++) {
    const struct row *row = &rows->row[i];
    if (!is_busy(&row->entry)) continue;
    json_open(&json, NULL, '{');
    json_text(&json, "namespace", row->space);
    json_text(&json, "Id", row->entry.id);
    json_lock(&json, row);
    json_close(&json, '}');
  }
  json_close(&json, ']');
  json_end(&json);
}

static void fill_line(const struct options *options, struct grid *grid,
                      const struct row *row) {
  const smem_entry *entry = &row->entry;
  char text[TEXT_SIZE], holder[TEXT_SIZE] = "", command[256] = "", number[32];
  grid_row(grid, SMEM_STATES);
  clip(entry->id, 16, text);
  grid_cell(grid, text);
  grid_cell(grid, lock_name(entry->lock));
  if (entry->holder && entry->lock == SMEM_LOCK_EXCLUSIVE)
    smem_command(entry->holder, command, sizeof command);
  if (entry->holder)
    format_owner(entry->holder, command, holder, sizeof holder);
  clip(holder, 20, text);
  grid_cell(grid, text);
  format_when(entry->since, number);
  grid_cell(grid, number);
  snprintf(number, sizeof number, "%u", entry->readers);
  grid_cell(grid, number);
  snprintf(number, sizeof number, "%u", entry->waiting);
  grid_cell(grid, number);
  make_printable(row->space, text);
  if (options->all) grid_cell(grid, text);
}

static int print_text(const struct options *options, const struct rows *rows,
                      size_t busy) {
  struct grid grid = {.names = {"Id", "lock", "holder", "since", "readers",
                                "waiting", "namespace"},
                      .left = {true, true, true, true, false, false, true},
                      .columns = options->all ? 7 : 6};
  if (busy == 0) {
    puts("No lock is held or waited for.");
    return DONE;
  }
  for (size_t i = 0; i < rows->count; i++)
    if (is_busy(&rows->row[i].entry)) fill_line(options, &grid, &rows->row[i]);
  return grid_print(&grid) ? DONE : no_memory();
}

int run_locks(const struct options *options) {
  struct rows rows = {0};
  size_t busy = 0;
  int status;
  if (gather(options, &rows, &status)) {
    for (size_t i = 0; i < rows.count; i++) busy += is_busy(&rows.row[i].entry);
    if (options->json)
      print_json(&rows);
    else
      status = print_text(options, &rows, busy);
    if (status == DONE && busy == 0) status = NOTHING;
  }
  free_rows(&rows);
  return status;
}
