/* JSON, as far as it is needed here; smem(1) says what is in it. */
#include "cli.h"

#include <string.h>

static void begin_value(struct json *json, const char *name) {
  bool own_line = json->depth == 1 || (json->depth == 2 && !name);
  if (json->some[json->depth]) fputs(own_line ? "," : ", ", json->to);
  json->some[json->depth] = true;
  if (own_line) putc('\n', json->to);
  if (name) fprintf(json->to, "\"%s\": ", name);
}

void json_open(struct json *json, const char *name, char bracket) {
  begin_value(json, name);
  putc(bracket, json->to);
  json->some[++json->depth] = false;
}

void json_close(struct json *json, char bracket) {
  json->depth--;
  putc(bracket, json->to);
}

/* What is not ASCII goes as it is if it is text. A byte that is none goes as
 * half a surrogate, U+DC80 to U+DCFF, as in Python's os.fsencode(), so that it
 * can be had back. */
static void put_string(FILE *to, const char *text) {
  putc('"', to);
  while (*text) {
    uint32_t character;
    size_t length = decode(text, &character);
    if (length == 0)
      fprintf(to, "\\udc%02x", (unsigned char)*text);
    else if (character == '"' || character == '\\')
      fprintf(to, "\\%c", (int)character);
    else if (character < 0x20 || (character >= 0x7F && character < 0xA0))
      fprintf(to, "\\u%04x", (unsigned)character); /* what a terminal obeys */
    else
      fwrite(text, 1, length, to);
    text += length ? length : 1;
  }
  putc('"', to);
}

void json_text(struct json *json, const char *name, const char *text) {
  begin_value(json, name);
  if (text)
    put_string(json->to, text);
  else
    fputs("null", json->to);
}

void json_number(struct json *json, const char *name, uint64_t number) {
  begin_value(json, name);
  if (number == UINT64_MAX)
    fputs("null", json->to);
  else
    fprintf(json->to, "%llu", (unsigned long long)number);
}

void json_bool(struct json *json, const char *name, bool is_known, bool value) {
  begin_value(json, name);
  fputs(!is_known ? "null" : value ? "true" : "false", json->to);
}

void json_time(struct json *json, const char *name, uint64_t nanoseconds) {
  begin_value(json, name);
  if (nanoseconds == 0)
    fputs("null", json->to);
  else
    fprintf(json->to, "%llu.%09llu",
            (unsigned long long)(nanoseconds / 1000000000),
            (unsigned long long)(nanoseconds % 1000000000));
}

void json_begin(struct json *json) {
  memset(json, 0, sizeof *json);
  json->to = stdout;
  putc('{', json->to);
  json->depth = 1;
  json_number(json, "version", 1);
}

void json_end(struct json *json) { fputs("\n}\n", json->to); }

void json_lock(struct json *json, const struct row *row) {
  const smem_entry *entry = &row->entry;
  bool complete = is_complete(entry);
  json_text(json, "lock", complete ? lock_name(entry->lock) : NULL);
  json_number(json, "holder", entry->holder ? entry->holder : UINT64_MAX);
  json_time(json, "since", entry->since);
  json_number(json, "readers", complete ? entry->readers : UINT64_MAX);
  json_number(json, "waiting", complete ? entry->waiting : UINT64_MAX);
}

void json_row(struct json *json, const struct rows *rows, const struct row *row,
              bool mapped_by) {
  const smem_entry *entry = &row->entry;
  bool complete = is_complete(entry), owned = has_owner(entry);
  bool object = complete && entry->is_object;
  json_text(json, "namespace", row->space);
  json_text(json, "Id", entry->id);
  json_number(json, "size", complete ? entry->capacity : UINT64_MAX);
  json_number(json, "resident", entry->resident);
  json_text(json, "state", smem_state_name(entry->state));
  json_number(json, "pid", owned ? entry->pid : UINT64_MAX);
  json_text(json, "command", *row->command ? row->command : NULL);
  json_time(json, "created", owned ? entry->created : 0);
  json_text(json, "lifetime", owned ? lifetime_name(entry->lifetime) : NULL);
  json_bool(json, "sealed", complete, entry->sealed);
  json_text(json, "kind", !complete ? NULL : object ? "object" : "segment");
  json_text(json, "class", *entry->what ? entry->what : NULL);
  json_text(json, "dim", *entry->extent ? entry->extent : NULL);
  json_number(json, "sent", object ? entry->sent : UINT64_MAX);
  json_number(json, "opened", object ? entry->opened : UINT64_MAX);
  json_lock(json, row);
  json_text(json, "directory", entry->directory);
  json_text(json, "call", *entry->trace ? entry->trace : NULL);
  if (!mapped_by) return;
  if (!rows->knows_users) {
    json_text(json, "mappedBy", NULL);
    return;
  }
  json_open(json, "mappedBy", '[');
  for (size_t i = 0; i < row->user_count; i++)
    json_number(json, NULL, row->users[i]);
  json_close(json, ']');
}
