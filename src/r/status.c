/* What the machine has room for, and who uses it: status. */
#include "table.h"

#include <stdlib.h>

/* ---- who uses it --------------------------------------------------------- */

struct share_row {
  char space[24];
  smem_share share;
};

static void add_share(const smem_share *share, void *context) {
  struct share_row *row = r_table_add(context);
  if (!row) return;
  smem_copy_text(row->space, sizeof row->space, share->space);
  row->share = *share;
}

static SEXP make_shares(void *data) {
  struct r_table *shares = data;
  R_xlen_t n = (R_xlen_t)shares->used;
  const char *names[] = {"namespace", "user",     "state",
                         "segments",  "resident", ""};
  SEXP columns = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int k = 0; k < 5; k++)
    SET_VECTOR_ELT(columns, k, Rf_allocVector(k < 3 ? STRSXP : REALSXP, n));
  for (R_xlen_t i = 0; i < n; i++) {
    const struct share_row *row = (const struct share_row *)shares->data + i;
    char user[80];
    smem_user_name(row->share.user, user, sizeof user);
    SET_STRING_ELT(VECTOR_ELT(columns, 0), i, Rf_mkChar(row->space));
    SET_STRING_ELT(VECTOR_ELT(columns, 1), i, r_utf8(user));
    SET_STRING_ELT(VECTOR_ELT(columns, 2), i,
                   Rf_mkChar(smem_state_name(row->share.state)));
    REAL(VECTOR_ELT(columns, 3))[i] = (double)row->share.segments;
    REAL(VECTOR_ELT(columns, 4))[i] = (double)row->share.resident;
  }
  UNPROTECT(1);
  return columns;
}

static void dispose_shares(void *data) { free(((struct r_table *)data)->data); }

/* ---- the machine --------------------------------------------------------- */

/* Those that bite: which, what it is called, what helps. */
static SEXP make_bites(const smem_limits *limits) {
  const char *names[] = {"which", "limit", "remedy", ""};
  int n = 0, at = 0;
  for (int i = 0; i < SMEM_LIMITS; i++)
    n += smem_limit_bites(limits, (smem_limit)i);
  SEXP columns = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(columns, 0, Rf_allocVector(INTSXP, n));
  for (int k = 1; k < 3; k++)
    SET_VECTOR_ELT(columns, k, Rf_allocVector(STRSXP, n));
  for (int i = 0; i < SMEM_LIMITS; i++) {
    smem_limit which = (smem_limit)i;
    if (!smem_limit_bites(limits, which)) continue;
    INTEGER(VECTOR_ELT(columns, 0))[at] = i + 1;
    SET_STRING_ELT(VECTOR_ELT(columns, 1), at,
                   Rf_mkChar(smem_limit_name(which)));
    SET_STRING_ELT(VECTOR_ELT(columns, 2), at++,
                   Rf_mkChar(smem_limit_remedy(which)));
  }
  UNPROTECT(1);
  return columns;
}

SEXP r_status(void) {
  smem_error error = SMEM_ERROR_INIT;
  smem_limits limits = SMEM_LIMITS_INIT;
  char space[SMEM_NAMESPACE_SIZE];
  struct r_table shares = {.size = sizeof(struct share_row)};
  r_pointer_collect();
  smem_code code = smem_own_namespace(space, &error);
  if (code == SMEM_OK) code = smem_shares(add_share, &shares, &error);
  if (code != SMEM_OK || shares.out_of_memory) dispose_shares(&shares);
  r_check(code, &error);
  if (shares.out_of_memory) r_table_fail(SMEM_OP_LIST);
  SEXP columns =
      PROTECT(R_ExecWithCleanup(make_shares, &shares, dispose_shares, &shares));
  smem_limits_get(&limits);
  const char *names[] = {"namespace", "capacity",  "used",         "free",
                         "free_by",   "shares",    "max_mappings", "mappings",
                         "bites",     "directory", "spill",        ""};
  SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(result, 0, Rf_mkString(space));
  SET_VECTOR_ELT(result, 1, Rf_ScalarReal(r_number_or_na(limits.capacity)));
  SET_VECTOR_ELT(result, 2, Rf_ScalarReal(r_number_or_na(limits.used)));
  SET_VECTOR_ELT(result, 3, Rf_ScalarReal(r_number_or_na(limits.free)));
  SET_VECTOR_ELT(result, 4, Rf_ScalarString(r_utf8(limits.free_by)));
  SET_VECTOR_ELT(result, 5, columns);
  SET_VECTOR_ELT(result, 6, Rf_ScalarReal(r_number_or_na(limits.max_mappings)));
  SET_VECTOR_ELT(result, 7, Rf_ScalarReal(r_number_or_na(limits.mappings)));
  SET_VECTOR_ELT(result, 8, make_bites(&limits));
  SET_VECTOR_ELT(result, 9,
                 Rf_ScalarString(Rf_mkCharCE(limits.directory, CE_UTF8)));
  SET_VECTOR_ELT(result, 10,
                 Rf_ScalarString(Rf_mkCharCE(limits.spill, CE_UTF8)));
  UNPROTECT(2);
  return result;
}
