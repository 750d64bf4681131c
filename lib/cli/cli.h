/* The command `smem`: one concern per file.
 *
 * It says what R says: the words and the figures are those of
 * listSharedObjects(), inspectSharedMemory(), reclaimSharedMemory() and
 * sharedMemoryStatus(). */
#ifndef SMEM_CLI_H
#define SMEM_CLI_H

#include <smem.h>

#include <stdio.h>
#include <time.h>

/* What the command ends with. */
enum {
  DONE = 0,
  NOTHING = 1, /* nothing was found, or something was kept */
  USAGE = 2,
  REFUSED = 3
};

struct options {
  const char *space;     /* -n, or NULL */
  const char *directory; /* -D, or NULL */
  bool all, bytes, ids, json, mapped_by, dry_run, persistent, yes, raw, help;
  unsigned interval; /* seconds */
  char **operands;
  int count;
};

/* ---- commands.c: the table of subcommands ---------------------------------
 */

struct command {
  const char *name;
  const char *operands; /* for people; "" if there are none */
  const char *options;  /* letters; see option_table */
  int least, most;      /* operands; most -1: any number */
  bool takes_id;        /* the first operand is one, or all of any number are */
  int (*run)(const struct options *options);
  const char *summary;
};
extern const struct command command_table[];

struct option_text {
  char letter;
  const char *name;
  const char *value; /* what it takes, or NULL */
  const char *summary;
};
extern const struct option_text option_table[];

const struct command *find_command(const char *name);
void print_commands(FILE *to);
void print_command(const struct command *command, FILE *to);

int run_ls(const struct options *options);
int run_stat(const struct options *options);
int run_inspect(const struct options *options);
int run_dump(const struct options *options);
int run_reclaim(const struct options *options);
int run_rm(const struct options *options);
int run_locks(const struct options *options);
int run_watch(const struct options *options);
int run_completion(const struct options *options);

/* ---- say.c: messages, answers, colours ------------------------------------
 */

/* "smem: ...", on standard error. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void complain(const char *format, ...);
/* What the library says; returns what the command ends with. */
int refuse(const smem_error *error);
int no_memory(void);

/* May this be done, which `question` says? --yes is yes. Where nobody can be
 * asked it is no, and *asked is false. */
bool confirm(const struct options *options, const char *question, bool *asked);

/* Around what stands for a state or a heading; nothing but on a terminal. */
const char *colour_of(smem_state state);
const char *bold(void);
const char *plain(void);

struct row;
struct rows;

/* An array with room for one more behind `count` elements of `size` bytes;
 * NULL, and it is as before, without the memory. */
void *grown(void *array, size_t *room, size_t count, size_t size);

/* ---- text.c: what people read ---------------------------------------------
 */

enum { TEXT_SIZE = 8 * 256 };

/* A character of UTF-8, and its length in bytes; 0: it is not one. */
size_t decode(const char *text, uint32_t *character);
/* Text from elsewhere as it may go to a terminal, see listSharedObjects(): what
 * is not printable becomes <U+001B>, what is not text <ff>. */
void make_printable(const char *text, char to[TEXT_SIZE]);
/* The same, cut to a number of columns. */
void clip(const char *text, int width, char to[TEXT_SIZE]);
/* Cut at its beginning. */
void clip_start(const char *text, int width, char to[TEXT_SIZE]);
int width_of(const char *text);

/* "1.5 MiB", "?" for UINT64_MAX; with --bytes the number. */
void format_bytes(const struct options *options, uint64_t bytes, char to[32]);
/* The time of today, the day of other days. "" for 0. */
void format_when(uint64_t nanoseconds, char to[16]);
/* The same with seconds, and both of other days. */
void format_time(uint64_t nanoseconds, char to[32]);
/* "1234 Rscript" */
void format_owner(uint64_t pid, const char *command, char *to, size_t room);

const char *state_meaning(smem_state state);
const char *lifetime_name(smem_lifetime lifetime);

/* Offset, hexadecimal, and what can be printed of ASCII. */
void dump_bytes(const unsigned char *bytes, size_t length, uint64_t offset);

/* ---- ls.c -----------------------------------------------------------------
 */

/* The table of listSharedObjects(). False: there was not enough memory. */
bool print_rows(const struct options *options, const struct row *row,
                size_t count);

/* ---- locks.c --------------------------------------------------------------
 */

const char *lock_name(smem_lock_state lock);
/* "exclusively by process 1234 since 10:12:03, 2 wait"; "" if it is free. */
enum { LOCK_SIZE = 200 };
void describe_lock(const smem_entry *entry, char to[LOCK_SIZE]);

/* ---- grid.c: columns of text ----------------------------------------------
 */

enum { GRID_COLUMNS = 8 };
struct grid {
  const char *names[GRID_COLUMNS];
  bool left[GRID_COLUMNS]; /* flush left, not right */
  int columns;
  char **cells; /* row by row: its colour, and what is in its columns */
  size_t used, room;
  bool failed; /* no memory */
};
/* Begin a row, in the colour of a state or, SMEM_STATES, in none. */
void grid_row(struct grid *grid, smem_state state);
void grid_cell(struct grid *grid, const char *text);
/* Print and forget it. False: there was not enough memory. */
bool grid_print(struct grid *grid);

/* ---- rows.c: what there is, gathered and sorted ---------------------------
 */

struct row {
  smem_entry entry; /* its strings are this row's */
  smem_fate fate;
  const char *space;
  const char *command; /* of a live owner; "" if not known */
  uint64_t *users;     /* pids, sorted, each once; only if asked for */
  size_t user_count;
};

struct rows {
  struct row *row;
  size_t count, room;
  bool knows_users; /* the system told who maps what */
  bool failed;      /* no memory */
};

/* Choose the namespace: `space`, or that of the environment. */
void enter_space(const struct options *options, const char *space);
/* Call `work` in each namespace that is asked for, with its name. */
smem_code each_space(const struct options *options,
                     smem_code (*work)(const char *space, void *context,
                                       smem_error *error),
                     void *context, smem_error *error);

/* For smem_list(), smem_reclaim(), smem_inspect(). */
bool add_row(struct rows *rows, const char *space, const smem_entry *entry,
             smem_fate fate);
/* Everything that is there, sorted; *code is an exit status. */
bool gather(const struct options *options, struct rows *rows, int *status);
smem_code add_users(struct rows *rows, const char *id, size_t from,
                    smem_error *error);
void sort_rows(struct rows *rows);
void free_rows(struct rows *rows);

/* Is it complete, so that it has sizes; has it an owner? */
bool is_complete(const smem_entry *entry);
bool has_owner(const smem_entry *entry);
/* In bytes; 0 if it is not known. */
uint64_t resident_of(const smem_entry *entry);

/* "12 35", "nobody", "not told" */
void format_users(const struct rows *rows, const struct row *row, char *to,
                  size_t room);
/* Of all: how many of each state, how much, and what it means. */
void print_states(const struct options *options, const struct rows *rows);

/* ---- json.c ---------------------------------------------------------------
 */

struct json {
  FILE *to;
  int depth;
  bool some[8]; /* there is an element before, by depth */
};
void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
/* `name` is NULL in arrays. NULL is null. */
void json_text(struct json *json, const char *name, const char *text);
/* UINT64_MAX is null. */
void json_number(struct json *json, const char *name, uint64_t number);
void json_bool(struct json *json, const char *name, bool is_known, bool value);
/* Seconds since 1970; 0 is null. */
void json_time(struct json *json, const char *name, uint64_t nanoseconds);
/* The whole document around it: {"version": 1, ... } */
void json_begin(struct json *json);
void json_end(struct json *json);
/* What a list tells of the lock. */
void json_lock(struct json *json, const struct row *row);
/* The columns of listSharedObjects(), of one row. */
void json_row(struct json *json, const struct rows *rows, const struct row *row,
              bool mapped_by);

#endif
