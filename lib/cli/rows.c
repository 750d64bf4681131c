/* What there is, gathered and sorted. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* ---- namespaces -----------------------------------------------------------
 */

void enter_space(const struct options *options, const char *space) {
  if (!space) space = options->space;
  if (!space) space = getenv("SHAREDMEMORY_NAMESPACE");
  smem_environment(space, getenv("SHAREDMEMORY_TIMEOUT"),
                   getenv("SHAREDMEMORY_TAG"));
  smem_directory(options->directory ? options->directory
                                    : getenv("SHAREDMEMORY_DIR"));
}

struct spaces {
  char (*name)[SMEM_NAMESPACE_SIZE];
  size_t count, room;
  bool failed;
};

static void note_space(const smem_share *share, void *context) {
  struct spaces *spaces = context;
  for (size_t i = 0; i < spaces->count; i++)
    if (strcmp(spaces->name[i], share->space) == 0) return;
  void *name =
      grown(spaces->name, &spaces->room, spaces->count, sizeof *spaces->name);
  if (!name) {
    spaces->failed = true;
    return;
  }
  spaces->name = name;
  smem_copy_text(spaces->name[spaces->count++], SMEM_NAMESPACE_SIZE,
                 share->space);
}

static int compare_spaces(const void *a, const void *b) { return strcmp(a, b); }

smem_code each_space(const struct options *options,
                     smem_code (*work)(const char *space, void *context,
                                       smem_error *error),
                     void *context, smem_error *error) {
  struct spaces spaces = {NULL, 0, 0, false};
  char own[SMEM_NAMESPACE_SIZE];
  smem_code code;
  if (!options->all) {
    code = smem_own_namespace(own, error);
    return code == SMEM_OK ? work(own, context, error) : code;
  }
  code = smem_shares(note_space, &spaces, error);
  if (spaces.count > 1)
    qsort(spaces.name, spaces.count, sizeof *spaces.name, compare_spaces);
  for (size_t i = 0; code == SMEM_OK && i < spaces.count; i++) {
    /* To leave is to read the namespace again at the next use. */
    code = smem_leave(error);
    enter_space(options, spaces.name[i]);
    if (code == SMEM_OK) code = work(spaces.name[i], context, error);
  }
  free(spaces.name);
  return code;
}

/* ---- rows -----------------------------------------------------------------
 */

bool is_complete(const smem_entry *entry) { return entry->generation != 0; }

bool has_owner(const smem_entry *entry) {
  return is_complete(entry) && entry->pid != 0; /* not another program's */
}

uint64_t resident_of(const smem_entry *entry) {
  return entry->resident == UINT64_MAX ? 0 : entry->resident;
}

static char *copy_of(struct rows *rows, const char *text) {
  char *copy = strdup(text ? text : "");
  if (!copy) rows->failed = true;
  return copy;
}

/* Many rows have one owner: the last answer is kept. */
static const char *command_of(const smem_entry *entry) {
  static uint64_t asked;
  static char command[256];
  if (entry->state != SMEM_LIVE || !entry->pid_is_ours) return "";
  if (entry->pid != asked) {
    asked = entry->pid;
    smem_command(entry->pid, command, sizeof command);
  }
  return command;
}

bool add_row(struct rows *rows, const char *space, const smem_entry *entry,
             smem_fate fate) {
  struct row *row = grown(rows->row, &rows->room, rows->count, sizeof *row);
  if (!row) {
    rows->failed = true;
    return false;
  }
  rows->row = row;
  row += rows->count++;
  memset(row, 0, sizeof *row);
  row->entry = *entry;
  row->fate = fate;
  row->entry.id = copy_of(rows, entry->id);
  row->entry.tag = copy_of(rows, entry->tag);
  row->entry.trace = copy_of(rows, entry->trace);
  row->entry.wrong = copy_of(rows, entry->wrong);
  row->entry.directory = copy_of(rows, entry->directory);
  row->command = copy_of(rows, command_of(entry));
  row->space = copy_of(rows, space);
  return !rows->failed;
}

void free_rows(struct rows *rows) {
  for (size_t i = 0; i < rows->count; i++) {
    struct row *row = &rows->row[i];
    const char *texts[] = {
        row->entry.id,    row->entry.tag,       row->entry.trace,
        row->entry.wrong, row->entry.directory, row->command,
        row->space};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
      free((void *)(uintptr_t)texts[k]);
    free(row->users);
  }
  free(rows->row);
  memset(rows, 0, sizeof *rows);
}

/* By namespace; numbers first, in their order, then names by their bytes. */
static int compare_rows(const void *a, const void *b) {
  const struct row *left = a, *right = b;
  uint64_t x = 0, y = 0;
  int order = strcmp(left->space, right->space);
  if (order != 0) return order;
  bool is_x = smem_id_is_number(left->entry.id, &x);
  bool is_y = smem_id_is_number(right->entry.id, &y);
  if (is_x != is_y) return is_x ? -1 : 1;
  if (is_x) return (x > y) - (x < y);
  return strcmp(left->entry.id, right->entry.id);
}

void sort_rows(struct rows *rows) {
  if (rows->count > 1)
    qsort(rows->row, rows->count, sizeof *rows->row, compare_rows);
}

/* ---- who maps what --------------------------------------------------------
 */

struct users {
  struct rows *rows;
  size_t from; /* rows from here on */
};

static void add_user(struct rows *rows, struct row *row, uint64_t pid) {
  size_t at = row->user_count;
  while (at > 0 && row->users[at - 1] > pid) at--;
  if (at > 0 && row->users[at - 1] == pid) return;
  uint64_t *users = realloc(row->users, (row->user_count + 1) * sizeof *users);
  if (!users) {
    rows->failed = true;
    return;
  }
  memmove(users + at + 1, users + at, (row->user_count - at) * sizeof *users);
  users[at] = pid;
  row->users = users;
  row->user_count++;
}

static int compare_identities(const void *a, const void *b) {
  const struct row *left = a, *right = b;
  return memcmp(left->entry.identity, right->entry.identity,
                sizeof left->entry.identity);
}

static bool note_user(uint64_t pid, const uint64_t identity[2], uint64_t copied,
                      void *context) {
  const struct users *users = context;
  struct rows *rows = users->rows;
  struct row key, *row = NULL;
  (void)copied;
  memcpy(key.entry.identity, identity, sizeof key.entry.identity);
  if (rows->count > users->from)
    row = bsearch(&key, rows->row + users->from, rows->count - users->from,
                  sizeof key, compare_identities);
  if (row) add_user(rows, row, pid);
  return !rows->failed;
}

smem_code add_users(struct rows *rows, const char *id, size_t from,
                    smem_error *error) {
  struct users users = {rows, from};
  if (rows->count > from)
    qsort(rows->row + from, rows->count - from, sizeof *rows->row,
          compare_identities);
  smem_code code = smem_mapped_by(id, false, note_user, &users, error);
  rows->knows_users = code == SMEM_OK;
  return code == SMEM_UNSUPPORTED ? SMEM_OK : code;
}

void format_users(const struct rows *rows, const struct row *row, char *to,
                  size_t room) {
  size_t used = 0;
  snprintf(to, room, "%s", rows->knows_users ? "nobody" : "not told");
  for (size_t i = 0; i < row->user_count && used + 24 < room; i++)
    used += (size_t)snprintf(to + used, room - used, "%s%llu", i ? " " : "",
                             (unsigned long long)row->users[i]);
}

/* ---- all of them ----------------------------------------------------------
 */

struct gathering {
  const struct options *options;
  struct rows *rows;
  const char *space;
};

static bool note_entry(const smem_entry *entry, void *context) {
  const struct gathering *gathering = context;
  return add_row(gathering->rows, gathering->space, entry, SMEM_REMOVED);
}

static smem_code gather_space(const char *space, void *context,
                              smem_error *error) {
  struct gathering *gathering = context;
  size_t from = gathering->rows->count;
  gathering->space = space;
  smem_code code = smem_list(note_entry, gathering, error);
  if (code == SMEM_OK && gathering->options->mapped_by)
    code = add_users(gathering->rows, NULL, from, error);
  return code;
}

bool gather(const struct options *options, struct rows *rows, int *status) {
  struct gathering gathering = {options, rows, NULL};
  smem_error error = SMEM_ERROR_INIT;
  smem_code code = each_space(options, gather_space, &gathering, &error);
  *status = DONE;
  if (code != SMEM_OK) *status = refuse(&error);
  if (code == SMEM_OK && rows->failed) *status = no_memory();
  sort_rows(rows);
  return *status == DONE;
}

/* Of the rows in this state: how many, and how much memory they take. */
static uint64_t count_state(const struct rows *rows, smem_state state,
                            uint64_t *resident) {
  uint64_t count = 0;
  *resident = 0;
  for (size_t i = 0; i < rows->count; i++) {
    const smem_entry *entry = &rows->row[i].entry;
    if (entry->state != state) continue;
    count++;
    *resident += resident_of(entry);
  }
  return count;
}

void print_states(const struct options *options, const struct rows *rows) {
  char count[SMEM_STATES][24], size[SMEM_STATES][32];
  int widths[3] = {0, 0, 0};
  for (int k = 0; k < SMEM_STATES; k++) {
    uint64_t resident, found = count_state(rows, (smem_state)k, &resident);
    count[k][0] = 0;
    if (found == 0) continue;
    snprintf(count[k], sizeof count[k], "%llu", (unsigned long long)found);
    format_bytes(options, resident, size[k]);
    const char *texts[] = {count[k], smem_state_name((smem_state)k), size[k]};
    for (int i = 0; i < 3; i++)
      if (width_of(texts[i]) > widths[i]) widths[i] = width_of(texts[i]);
  }
  for (int k = 0; k < SMEM_STATES; k++)
    if (count[k][0])
      printf("%s%*s %-*s%s  %*s  %s\n", colour_of((smem_state)k), widths[0],
             count[k], widths[1], smem_state_name((smem_state)k), plain(),
             widths[2], size[k], state_meaning((smem_state)k));
}
