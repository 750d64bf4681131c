/* What there is, as columns of data frames: list, reclaim, inspect. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

/* ---- rows ---------------------------------------------------------------- */

struct row {
  char id[SMEM_ID_MAX + 1], tag[64], trace[256], wrong[200];
  char directory[SMEM_DIRECTORY_SIZE];
  smem_entry entry; /* its strings are those above */
  smem_fate fate;
};

struct mapping {
  uint64_t identity[2];
  int pid;
  double copied; /* bytes, or NA */
};

struct report {
  struct r_table rows, mappings;
  double start, end;
  uint64_t asked; /* the pid whose command this is */
  char command[256];
  uint64_t named; /* the user whose name this is, if there is one */
  char user[80];
  bool is_reclaim, has_mappings, has_copies, knows_mappings;
};

static bool add_row(struct report *report, const smem_entry *entry,
                    smem_fate fate) {
  struct row *row = r_table_add(&report->rows);
  if (!row) return false;
  smem_copy_text(row->id, sizeof row->id, entry->id);
  smem_copy_text(row->tag, sizeof row->tag, entry->tag);
  smem_copy_text(row->trace, sizeof row->trace, entry->trace);
  smem_copy_text(row->wrong, sizeof row->wrong, entry->wrong);
  smem_copy_text(row->directory, sizeof row->directory, entry->directory);
  row->entry = *entry;
  row->fate = fate;
  return true;
}

static bool list_row(const smem_entry *entry, void *context) {
  struct report *report = context;
  uint64_t number;
  if (smem_id_is_number(entry->id, &number) &&
      ((double)number < report->start || (double)number > report->end))
    return true;
  return add_row(report, entry, SMEM_KEPT_LIVE);
}

static void reclaim_row(const smem_entry *entry, smem_fate fate,
                        void *context) {
  add_row(context, entry, fate);
}

static void inspect_row(const smem_entry *entry, void *context) {
  add_row(context, entry, SMEM_KEPT_LIVE);
}

static bool add_mapping(uint64_t pid, const uint64_t identity[2],
                        uint64_t copied, void *context) {
  struct report *report = context;
  struct mapping *mapping = r_table_add(&report->mappings);
  if (!mapping) return false;
  *mapping = (struct mapping){
      {identity[0], identity[1]}, (int)pid, r_number_or_na(copied)};
  return true;
}

/* Numbers first, in their order, then names in that of their bytes. */
static int compare_rows(const void *a, const void *b) {
  const char *left = ((const struct row *)a)->id;
  const char *right = ((const struct row *)b)->id;
  uint64_t x = 0, y = 0;
  bool is_x = smem_id_is_number(left, &x), is_y = smem_id_is_number(right, &y);
  if (is_x != is_y) return is_x ? -1 : 1;
  if (is_x) return (x > y) - (x < y);
  return strcmp(left, right);
}

static int compare_mappings(const void *a, const void *b) {
  const struct mapping *x = a, *y = b;
  int order = memcmp(x->identity, y->identity, sizeof x->identity);
  return order != 0 ? order : (x->pid > y->pid) - (x->pid < y->pid);
}

/* ---- columns ------------------------------------------------------------- */

static bool is_complete(const smem_entry *entry) {
  return entry->generation != 0;
}

/* Many rows have one owner: the last answer is kept, for this report. */
static SEXP command_of(struct report *report, const smem_entry *entry) {
  if (entry->state != SMEM_LIVE || !entry->pid_is_ours) return NA_STRING;
  if (entry->pid != report->asked) {
    report->asked = entry->pid;
    smem_command(entry->pid, report->command, sizeof report->command);
  }
  return r_utf8(report->command);
}

/* Likewise: the system looks users up in a file. */
static SEXP user_of(struct report *report, const smem_entry *entry) {
  if (!report->user[0] || entry->user != report->named) {
    report->named = entry->user;
    smem_user_name(entry->user, report->user, sizeof report->user);
  }
  return r_utf8(report->user);
}

/* The mappings of one object, which are in a row; sorted by pid. */
static const struct mapping *mappings_of(const struct report *report,
                                         const smem_entry *entry,
                                         size_t *count) {
  const struct mapping *all = report->mappings.data;
  struct mapping sought = {
      .identity = {entry->identity[0], entry->identity[1]}};
  size_t first = 0, last = report->mappings.used;
  while (first < last) {
    size_t middle = first + (last - first) / 2;
    if (compare_mappings(&all[middle], &sought) < 0)
      first = middle + 1;
    else
      last = middle;
  }
  for (*count = 0; first + *count < report->mappings.used; ++*count)
    if (memcmp(all[first + *count].identity, sought.identity,
               sizeof sought.identity) != 0)
      break;
  return all + first;
}

static SEXP fate_name(smem_fate fate) {
  static const char *const names[] = {"removed", "live",    "unknown",
                                      "freed",   "damaged", "foreign",
                                      "busy",    "changed", "sent"};
  return Rf_mkChar(names[fate]);
}

enum column {
  ID,
  SIZE,
  RESIDENT,
  STATE,
  PID,
  COMMAND,
  CREATED,
  LIFETIME,
  IS_SEALED,
  KIND,
  WHAT,
  EXTENT,
  SENT,
  OPENED,
  LOCK,
  HOLDER,
  SINCE,
  READERS,
  WAITING,
  DIRECTORY,
  CALL,
  TAG_OF,
  WRONG,
  USER,
  MAPPED_BY,
  COPIED,
  FATE,
  COLUMNS
};

static const char *const column_names[COLUMNS] = {
    "Id",       "size",      "resident", "state",  "pid",   "command",
    "created",  "lifetime",  "sealed",   "kind",   "class", "dim",
    "sent",     "opened",    "lock",     "holder", "since", "readers",
    "waiting",  "directory", "call",     "tag",    "wrong", "user",
    "mappedBy", "copied",    "fate"};

static SEXPTYPE column_type(enum column column) {
  switch (column) {
  case SIZE:
  case RESIDENT:
  case SENT:
  case OPENED:
  case CREATED:
  case SINCE:
    return REALSXP;
  case PID:
  case HOLDER:
  case READERS:
  case WAITING:
    return INTSXP;
  case IS_SEALED:
    return LGLSXP;
  case MAPPED_BY:
  case COPIED:
    return VECSXP;
  default:
    return STRSXP;
  }
}

/* What whole objects have more than other segments. */
static void fill_object(const smem_entry *entry, SEXP columns, R_xlen_t i) {
  bool object = entry->is_object;
  SET_STRING_ELT(VECTOR_ELT(columns, KIND), i,
                 !is_complete(entry)
                     ? NA_STRING
                     : Rf_mkChar(object ? "object" : "segment"));
  SET_STRING_ELT(VECTOR_ELT(columns, WHAT), i, r_utf8(entry->what));
  SET_STRING_ELT(VECTOR_ELT(columns, EXTENT), i, r_utf8(entry->extent));
  REAL(VECTOR_ELT(columns, SENT))[i] = object ? (double)entry->sent : NA_REAL;
  REAL(VECTOR_ELT(columns, OPENED))
  [i] = object ? (double)entry->opened : NA_REAL;
}

/* Who holds the lock, and who waits. */
static void fill_lock(const smem_entry *entry, SEXP columns, R_xlen_t i) {
  static const char *const states[] = {[SMEM_LOCK_FREE] = "free",
                                       [SMEM_LOCK_EXCLUSIVE] = "exclusive",
                                       [SMEM_LOCK_SHARED] = "shared",
                                       [SMEM_LOCK_OF_DEAD] = "dead"};
  bool complete = is_complete(entry);
  SET_STRING_ELT(VECTOR_ELT(columns, LOCK), i,
                 complete ? Rf_mkChar(states[entry->lock]) : NA_STRING);
  INTEGER(VECTOR_ELT(columns, HOLDER))
  [i] = entry->holder != 0 ? (int)entry->holder : NA_INTEGER;
  REAL(VECTOR_ELT(columns, SINCE))
  [i] = entry->since != 0 ? (double)entry->since / 1e9 : NA_REAL;
  INTEGER(VECTOR_ELT(columns, READERS))
  [i] = complete ? (int)entry->readers : NA_INTEGER;
  INTEGER(VECTOR_ELT(columns, WAITING))
  [i] = complete ? (int)entry->waiting : NA_INTEGER;
}

/* Who maps the object of row i, each once, and what each has copied. */
static void fill_users(const struct report *report, SEXP columns, R_xlen_t i,
                       const smem_entry *entry) {
  if (!report->has_mappings) return;
  size_t n, used = 0;
  const struct mapping *at = mappings_of(report, entry, &n);
  bool known = report->knows_mappings;
  if (!known) n = 1;
  SEXP pids = PROTECT(Rf_allocVector(INTSXP, (R_xlen_t)n));
  SEXP copied = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)n));
  for (size_t k = 0; k < n; k++) {
    if (known && k > 0 && at[k].pid == at[k - 1].pid) {
      REAL(copied)[used - 1] += at[k].copied;
      continue;
    }
    INTEGER(pids)[used] = known ? at[k].pid : NA_INTEGER;
    REAL(copied)[used++] = known ? at[k].copied : NA_REAL;
  }
  SET_VECTOR_ELT(VECTOR_ELT(columns, MAPPED_BY), i,
                 Rf_xlengthgets(pids, (R_xlen_t)used));
  if (report->has_copies)
    SET_VECTOR_ELT(VECTOR_ELT(columns, COPIED), i,
                   Rf_xlengthgets(copied, (R_xlen_t)used));
  UNPROTECT(2);
}

static void fill_row(struct report *report, SEXP columns, R_xlen_t i) {
  static const char *const lifetimes[] = {[SMEM_UNTIL_FREED] = "freed",
                                          [SMEM_OF_PROCESS] = "process",
                                          [SMEM_OF_OBJECT] = "object"};
  const struct row *row = (const struct row *)report->rows.data + i;
  const smem_entry *entry = &row->entry;
  bool complete = is_complete(entry);
  bool owned =
      complete && entry->pid != 0; /* another program's object is not */
  SET_STRING_ELT(VECTOR_ELT(columns, ID), i, r_utf8(row->id));
  REAL(VECTOR_ELT(columns, SIZE))
  [i] = complete ? (double)entry->capacity : NA_REAL;
  REAL(VECTOR_ELT(columns, RESIDENT))[i] = r_number_or_na(entry->resident);
  SET_STRING_ELT(VECTOR_ELT(columns, STATE), i,
                 Rf_mkChar(smem_state_name(entry->state)));
  INTEGER(VECTOR_ELT(columns, PID))[i] = owned ? (int)entry->pid : NA_INTEGER;
  SET_STRING_ELT(VECTOR_ELT(columns, COMMAND), i, command_of(report, entry));
  REAL(VECTOR_ELT(columns, CREATED))
  [i] = owned ? (double)entry->created / 1e9 : NA_REAL;
  SET_STRING_ELT(VECTOR_ELT(columns, LIFETIME), i,
                 !owned ? NA_STRING : Rf_mkChar(lifetimes[entry->lifetime]));
  LOGICAL(VECTOR_ELT(columns, IS_SEALED))
  [i] = complete ? entry->sealed : NA_LOGICAL;
  fill_object(entry, columns, i);
  fill_lock(entry, columns, i);
  SET_STRING_ELT(VECTOR_ELT(columns, DIRECTORY), i,
                 Rf_mkCharCE(row->directory, CE_UTF8));
  SET_STRING_ELT(VECTOR_ELT(columns, CALL), i, r_utf8(row->trace));
  SET_STRING_ELT(VECTOR_ELT(columns, TAG_OF), i, r_utf8(row->tag));
  SET_STRING_ELT(VECTOR_ELT(columns, WRONG), i, r_utf8(row->wrong));
  SET_STRING_ELT(VECTOR_ELT(columns, USER), i, user_of(report, entry));
  fill_users(report, columns, i, entry);
  if (report->is_reclaim)
    SET_STRING_ELT(VECTOR_ELT(columns, FATE), i, fate_name(row->fate));
}

/* A named list of all columns; those that were not asked for are NULL. */
static SEXP make_columns(void *data) {
  struct report *report = data;
  R_xlen_t n = (R_xlen_t)report->rows.used;
  SEXP columns = PROTECT(Rf_allocVector(VECSXP, COLUMNS));
  SEXP names = PROTECT(Rf_allocVector(STRSXP, COLUMNS));
  for (int k = 0; k < COLUMNS; k++) {
    SET_STRING_ELT(names, k, Rf_mkChar(column_names[k]));
    if ((k == MAPPED_BY && !report->has_mappings) ||
        (k == COPIED && !report->has_copies) ||
        (k == FATE && !report->is_reclaim))
      continue;
    SET_VECTOR_ELT(columns, k, Rf_allocVector(column_type(k), n));
  }
  Rf_setAttrib(columns, R_NamesSymbol, names);
  for (R_xlen_t i = 0; i < n; i++) fill_row(report, columns, i);
  UNPROTECT(2);
  return columns;
}

static void dispose(void *data) {
  struct report *report = data;
  free(report->rows.data);
  free(report->mappings.data);
}

static struct report new_report(void) {
  struct report report = {0};
  report.rows.size = sizeof(struct row);
  report.mappings.size = sizeof(struct mapping);
  report.start = R_NegInf;
  report.end = R_PosInf;
  return report;
}

/* The columns of a report, or the error of the call that made it. */
static SEXP finish(struct report *report, smem_op op, smem_code code,
                   const smem_error *error) {
  bool failed = report->rows.out_of_memory || report->mappings.out_of_memory;
  if (code != SMEM_OK || failed) dispose(report);
  r_check(code, error);
  if (failed) r_table_fail(op);
  if (report->rows.used > 0)
    qsort(report->rows.data, report->rows.used, report->rows.size,
          compare_rows);
  if (report->mappings.used > 0)
    qsort(report->mappings.data, report->mappings.used, report->mappings.size,
          compare_mappings);
  return R_ExecWithCleanup(make_columns, report, dispose, report);
}

/* ---- entry points -------------------------------------------------------- */

static smem_code find_mappings(struct report *report, const char *id,
                               smem_error *error) {
  report->has_mappings = true;
  smem_code code =
      smem_mapped_by(id, report->has_copies, add_mapping, report, error);
  report->knows_mappings = code == SMEM_OK;
  return code == SMEM_UNSUPPORTED ? SMEM_OK : code;
}

/* `copies`: ask also what was copied. */
static SEXP list(struct report *report, bool mappings, bool copies) {
  smem_error error = SMEM_ERROR_INIT;
  report->has_copies = copies;
  smem_code code = smem_list(list_row, report, &error);
  if (code == SMEM_OK && mappings) code = find_mappings(report, NULL, &error);
  return finish(report, SMEM_OP_LIST, code, &error);
}

SEXP r_list(SEXP end, SEXP start, SEXP mapped_by) {
  smem_op op = SMEM_OP_LIST;
  struct report report = new_report();
  r_pointer_collect();
  report.start = r_limit(op, "start", start, R_NegInf);
  report.end = r_limit(op, "end", end, R_PosInf);
  return list(&report, r_flag(op, "mappedBy", mapped_by), false);
}

SEXP r_savings(void) {
  struct report report = new_report();
  r_pointer_collect();
  return list(&report, true, true);
}

SEXP r_reclaim(SEXP dry_run, SEXP persistent) {
  smem_op op = SMEM_OP_RECLAIM;
  smem_error error = SMEM_ERROR_INIT;
  struct report report = new_report();
  r_pointer_collect();
  report.is_reclaim = true;
  bool dry = r_flag(op, "dryRun", dry_run);
  bool all = r_flag(op, "persistent", persistent);
  smem_code code = smem_reclaim(dry, all, reclaim_row, &report, &error);
  return finish(&report, op, code, &error);
}

SEXP r_inspect(SEXP id, SEXP n) {
  smem_op op = SMEM_OP_INSPECT;
  smem_error error = SMEM_ERROR_INIT;
  char path[300];
  r_pointer_collect();
  id = PROTECT(r_id(op, id));
  double asked = r_limit(op, "n", n, 256);
  if (!(asked >= 0 && asked <= INT32_MAX) || asked != (double)(int)asked)
    r_fail_argument(op, "",
                    "`n` must be a whole number of bytes, from 0 to "
                    "2^31-1");
  size_t length = (size_t)asked;
  SEXP bytes = PROTECT(Rf_allocVector(RAWSXP, (R_xlen_t)length));
  struct report report = new_report();
  smem_code code = smem_inspect(CHAR(id), RAW(bytes), &length, path,
                                sizeof path, inspect_row, &report, &error);
  if (code == SMEM_OK) code = find_mappings(&report, CHAR(id), &error);
  SEXP columns = PROTECT(finish(&report, op, code, &error));
  SEXP result = PROTECT(Rf_allocVector(VECSXP, 3));
  SET_VECTOR_ELT(result, 0, columns);
  SET_VECTOR_ELT(result, 1, Rf_ScalarString(Rf_mkCharCE(path, CE_UTF8)));
  SET_VECTOR_ELT(result, 2, Rf_xlengthgets(bytes, (R_xlen_t)length));
  UNPROTECT(4);
  return result;
}
