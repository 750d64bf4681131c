/* The leaves in an R object. */
#include "shared.h"

/* R wraps a large vector in one of its own to set attributes. */
SEXP r_leaf_behind(SEXP x) {
  while (ALTREP(x)) {
    if (r_is_numbers(x) || r_is_strings(x) || r_is_list(x)) return x;
    SEXP inner = R_altrep_data1(x);
    if (TYPEOF(inner) != TYPEOF(x)) return NULL;
    x = inner;
  }
  return NULL;
}

bool r_leaf_is_pristine(SEXP x) {
  if (TYPEOF(x) == STRSXP) return r_strings_is_pristine(x);
  if (TYPEOF(x) == VECSXP) return r_lists_is_pristine(x);
  return r_numbers_is_pristine(x);
}

struct search {
  SEXP found;
};

static void search_attribute(SEXP tag, SEXP value, void *context) {
  struct search *search = context;
  (void)tag;
  if (!search->found) search->found = r_leaf_inside(value);
}

/* What only looks like a list, because it is one of another package's, is not
 * looked into: that might make its elements. */
SEXP r_leaf_inside(SEXP x) {
  struct search search = {r_leaf_behind(x)};
  if (search.found && r_leaf_is_pristine(search.found)) return search.found;
  search.found = NULL;
  R_CheckStack();
  if (TYPEOF(x) == VECSXP && !ALTREP(x))
    for (R_xlen_t i = 0; i < XLENGTH(x) && !search.found; i++)
      search.found = r_leaf_inside(VECTOR_ELT(x, i));
  if (!search.found && x != R_NilValue && TYPEOF(x) != CHARSXP &&
      TYPEOF(x) != SYMSXP && TYPEOF(x) != ENVSXP)
    r_each_attribute(x, search_attribute, &search);
  return search.found;
}
