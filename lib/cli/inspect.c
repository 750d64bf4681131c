/* smem inspect, smem dump: one segment. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 256 };

/* ---- inspect --------------------------------------------------------------
 */

struct inspection {
  struct rows rows;
  char space[SMEM_NAMESPACE_SIZE];
  char path[300];
  unsigned char bytes[FIRST_BYTES];
  size_t length;
};

static void note_entry(const smem_entry *entry, void *context) {
  struct inspection *inspection = context;
  add_row(&inspection->rows, inspection->space, entry, SMEM_REMOVED);
}

static smem_code look(const char *id, struct inspection *inspection,
                      smem_error *error) {
  smem_code code = smem_own_namespace(inspection->space, error);
  inspection->length = sizeof inspection->bytes;
  if (code == SMEM_OK)
    code = smem_inspect(id, inspection->bytes, &inspection->length,
                        inspection->path, sizeof inspection->path, note_entry,
                        inspection, error);
  if (code != SMEM_OK || inspection->rows.failed) return code;
  return add_users(&inspection->rows, id, 0, error);
}

static void line(const char *label, const char *text) {
  char shown[TEXT_SIZE];
  if (!*text) return;
  make_printable(text, shown);
  printf("%s%-9s%s  %s\n", bold(), label, plain(), shown);
}

static void print_owner(const struct row *row) {
  const smem_entry *entry = &row->entry;
  char text[TEXT_SIZE];
  time_t then = (time_t)(entry->created / 1000000000);
  struct tm day;
  if (!has_owner(entry)) return;
  format_owner(entry->pid, row->command, text, sizeof text);
  line("owner", text);
  if (localtime_r(&then, &day) &&
      strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &day))
    line("created", text);
  line("lifetime", lifetime_name(entry->lifetime));
}

static void print_text(const struct options *options,
                       const struct inspection *inspection) {
  const struct row *row = inspection->rows.row;
  const smem_entry *entry = &row->entry;
  char text[TEXT_SIZE], usable[32], resident[32], user[80], lock[LOCK_SIZE];
  line("id", entry->id);
  snprintf(text, sizeof text, "%s: %s", smem_state_name(entry->state),
           state_meaning(entry->state));
  line("state", text);
  line("wrong", entry->wrong);
  line("path", inspection->path);
  smem_user_name(entry->user, user, sizeof user);
  line("user", user);
  format_bytes(options, is_complete(entry) ? entry->capacity : UINT64_MAX,
               usable);
  format_bytes(options, entry->resident, resident);
  snprintf(text, sizeof text, "%s usable, %s resident", usable, resident);
  line("size", text);
  print_owner(row);
  line("sealed", is_complete(entry) && entry->sealed ? "yes" : "");
  describe_lock(entry, lock);
  line("locked", is_complete(entry) ? lock : "");
  line("tag", entry->tag);
  line("call", entry->trace);
  format_users(&inspection->rows, row, text, sizeof text);
  line("mapped by", text);
  dump_bytes(inspection->bytes, inspection->length, 0);
}

static void print_json(const struct inspection *inspection) {
  const struct row *row = inspection->rows.row;
  char user[80], hex[2 * FIRST_BYTES + 1] = "";
  struct json json;
  for (size_t i = 0; i < inspection->length; i++)
    snprintf(hex + 2 * i, 3, "%02x", inspection->bytes[i]);
  smem_user_name(row->entry.user, user, sizeof user);
  json_begin(&json);
  json_row(&json, &inspection->rows, row, true);
  json_text(&json, "tag", *row->entry.tag ? row->entry.tag : NULL);
  json_text(&json, "wrong", *row->entry.wrong ? row->entry.wrong : NULL);
  json_text(&json, "user", user);
  json_text(&json, "path", inspection->path);
  json_text(&json, "bytes", hex);
  json_end(&json);
}

int run_inspect(const struct options *options) {
  struct inspection inspection = {0};
  smem_error error = SMEM_ERROR_INIT;
  int status = DONE;
  if (look(options->operands[0], &inspection, &error) != SMEM_OK)
    status = refuse(&error);
  else if (inspection.rows.failed)
    status = no_memory();
  else if (options->json)
    print_json(&inspection);
  else
    print_text(options, &inspection);
  free_rows(&inspection.rows);
  return status;
}

/* ---- dump -----------------------------------------------------------------
 */

static bool read_number(const char *text, uint64_t *number) {
  char *end;
  errno = 0;
  *number = strtoull(text, &end, 0);
  if (*text >= '0' && *text <= '9' && !*end && errno == 0) return true;
  complain("\"%s\" is not a number of bytes", text);
  return false;
}

static int dump(const struct options *options, const char *id, uint64_t offset,
                uint64_t length) {
  static unsigned char chunk[64 * 1024];
  smem_error error = SMEM_ERROR_INIT;
  while (length > 0) {
    uint64_t here = length < sizeof chunk ? length : sizeof chunk;
    if (smem_read(id, offset, chunk, here, &error) != SMEM_OK)
      return refuse(&error);
    if (options->raw)
      fwrite(chunk, 1, (size_t)here, stdout);
    else
      dump_bytes(chunk, (size_t)here, offset);
    if (ferror(stdout)) return REFUSED;
    offset += here;
    length -= here;
  }
  return DONE;
}

int run_dump(const struct options *options) {
  const char *id = options->operands[0];
  uint64_t offset = 0, length, capacity, requested;
  smem_error error = SMEM_ERROR_INIT;
  if (options->count > 1 && !read_number(options->operands[1], &offset))
    return USAGE;
  if (options->count > 2 && !read_number(options->operands[2], &length))
    return USAGE;
  if (options->count <= 2) {
    if (smem_extent(id, &capacity, &requested, &error) != SMEM_OK)
      return refuse(&error);
    length = offset < requested ? requested - offset : 0;
  }
  return dump(options, id, offset, length);
}
