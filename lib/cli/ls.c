/* smem ls: what there is. */
#include "cli.h"

#include <string.h>

static void print_ids(const struct rows *rows) {
  char id[TEXT_SIZE];
  for (size_t i = 0; i < rows->count; i++) {
    make_printable(rows->row[i].entry.id, id);
    puts(id);
  }
}

static void print_json(const struct options *options, const struct rows *rows) {
  struct json json;
  json_begin(&json);
  json_open(&json, "segments", '[');
  for (size_t i = 0; i < rows->count; i++) {
    json_open(&json, NULL, '{');
    json_row(&json, rows, &rows->row[i], options->mapped_by);
    json_close(&json, '}');
  }
  json_close(&json, ']');
  json_end(&json);
}

/* ---- for people -----------------------------------------------------------
 */

static void fill_line(const struct options *options, struct grid *grid,
                      const struct row *row) {
  const smem_entry *entry = &row->entry;
  char text[TEXT_SIZE], owner[TEXT_SIZE] = "", bytes[32], when[16];
  bool owned = has_owner(entry);
  grid_row(grid, entry->state);
  clip(entry->id, 14, text);
  grid_cell(grid, text);
  format_bytes(options, is_complete(entry) ? entry->capacity : UINT64_MAX,
               bytes);
  grid_cell(grid, bytes);
  format_bytes(options, entry->resident, bytes);
  grid_cell(grid, bytes);
  grid_cell(grid, smem_state_name(entry->state));
  if (owned) format_owner(entry->pid, row->command, owner, sizeof owner);
  clip(owner, 13, text);
  grid_cell(grid, text);
  format_when(owned ? entry->created : 0, when);
  grid_cell(grid, when);
  grid_cell(grid, owned ? lifetime_name(entry->lifetime) : "");
}

bool print_rows(const struct options *options, const struct row *row,
                size_t count) {
  struct grid grid = {.names = {"Id", "size", "resident", "state",
                                "pid command", "created", "lifetime"},
                      .left = {true, false, false, true, true, true, true},
                      .columns = 7};
  for (size_t i = 0; i < count; i++) fill_line(options, &grid, &row[i]);
  return grid_print(&grid);
}

/* What is shared, and how often it went to others. */
static void print_objects(const struct rows *rows) {
  bool some = false;
  for (size_t i = 0; i < rows->count; i++) {
    const smem_entry *entry = &rows->row[i].entry;
    char id[TEXT_SIZE], what[TEXT_SIZE], class[SMEM_WHAT_SIZE];
    if (!is_complete(entry) || !entry->is_object) continue;
    if (!some) puts("shared objects");
    some = true;
    clip(entry->id, 16, id);
    memcpy(class, entry->what, sizeof class);
    class[strcspn(class, ",")] = 0; /* the first one only */
    snprintf(what, sizeof what, "%s%s%s", class, *entry->extent ? ", " : "",
             entry->extent);
    char shown[TEXT_SIZE];
    clip(what, 34, shown);
    printf("  %s: %s, sent %llu, opened %llu\n", id, shown,
           (unsigned long long)entry->sent, (unsigned long long)entry->opened);
  }
}

static void print_locks(const struct rows *rows) {
  bool some = false;
  for (size_t i = 0; i < rows->count; i++) {
    const smem_entry *entry = &rows->row[i].entry;
    char id[TEXT_SIZE], lock[LOCK_SIZE];
    if (!is_complete(entry)) continue;
    if (entry->lock == SMEM_LOCK_FREE && entry->waiting == 0) continue;
    if (!some) puts("locked");
    some = true;
    clip(entry->id, 16, id);
    describe_lock(entry, lock);
    printf("  %s: %s\n", id, lock);
  }
}

static void print_calls(const struct rows *rows) {
  bool some = false;
  for (size_t i = 0; i < rows->count; i++) {
    const smem_entry *entry = &rows->row[i].entry;
    char id[TEXT_SIZE], trace[TEXT_SIZE];
    if (!*entry->trace) continue;
    if (!some) puts("allocated by");
    some = true;
    clip(entry->id, 16, id);
    clip_start(entry->trace, 60, trace);
    printf("  %s: %s\n", id, trace);
  }
}

static void print_users(const struct rows *rows) {
  size_t nobody = 0;
  puts("mapped by");
  for (size_t i = 0; i < rows->count; i++) {
    const struct row *row = &rows->row[i];
    char id[TEXT_SIZE], users[TEXT_SIZE], shown[TEXT_SIZE];
    nobody += rows->knows_users && row->user_count == 0;
    if (rows->knows_users && row->user_count == 0) continue;
    clip(row->entry.id, 16, id);
    format_users(rows, row, users, sizeof users);
    clip(users, 60, shown);
    printf("  %s: %s\n", id, shown);
  }
  if (nobody) puts("  the others: nobody");
}

/* One table for each namespace, with its name above if there may be several. */
static bool print_tables(const struct options *options,
                         const struct rows *rows) {
  size_t from = 0, to;
  bool good = true;
  for (; from < rows->count; from = to) {
    char name[TEXT_SIZE];
    const char *space = rows->row[from].space;
    for (to = from; to < rows->count; to++)
      if (strcmp(rows->row[to].space, space) != 0) break;
    make_printable(space, name);
    if (options->all)
      printf("%s%snamespace %s%s\n", from ? "\n" : "", bold(), name, plain());
    good = print_rows(options, rows->row + from, to - from) && good;
  }
  if (options->all) putchar('\n');
  return good;
}

/* Those of this directory, unless one before has told of them. */
static void print_directory(const struct options *options,
                            const struct rows *rows, size_t first) {
  const char *directory = rows->row[first].entry.directory;
  char shown[TEXT_SIZE], bytes[32];
  uint64_t count = 0, resident = 0;
  for (size_t i = 0; i < rows->count; i++) {
    if (strcmp(rows->row[i].entry.directory, directory) != 0) continue;
    if (i < first) return;
    count++;
    resident += resident_of(&rows->row[i].entry);
  }
  clip(directory, 60, shown);
  format_bytes(options, resident, bytes);
  printf("%llu in %s, %s\n", (unsigned long long)count, shown, bytes);
}

/* Those that are not where the system keeps shared memory. */
static void print_directories(const struct options *options,
                              const struct rows *rows) {
  for (size_t i = 0; i < rows->count; i++)
    if (rows->row[i].entry.directory[0]) print_directory(options, rows, i);
}

static int print_text(const struct options *options, const struct rows *rows) {
  if (rows->count == 0) {
    puts(options->all ? "No shared memory in any namespace."
                      : "No shared memory in this namespace.");
    return DONE;
  }
  if (!print_tables(options, rows)) return no_memory();
  print_objects(rows);
  print_locks(rows);
  print_calls(rows);
  if (options->mapped_by) print_users(rows);
  print_directories(options, rows);
  print_states(options, rows);
  return DONE;
}

int run_ls(const struct options *options) {
  struct rows rows = {0};
  int status;
  if (gather(options, &rows, &status)) {
    if (options->json)
      print_json(options, &rows);
    else if (options->ids)
      print_ids(&rows);
    else
      status = print_text(options, &rows);
    if (status == DONE && rows.count == 0) status = NOTHING;
  }
  free_rows(&rows);
  return status;
}
