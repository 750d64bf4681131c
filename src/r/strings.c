/* Leaves of strings.
 *
 * R wants a CHARSXP for each element, and to make one takes ten times as long
 * as to find it again. So those that were made are kept: data1 is R_NilValue,
 * or a list of two: a character vector of the different strings, in which ""
 * stands for what was not made yet ("" itself is made each time, which costs
 * nothing), and NULL or the whole as an ordinary vector, for whoever wants a
 * pointer to all elements or has set one. Nobody but these vectors protects
 * what elements are. */
#include "shared.h"

enum { DICTIONARY, FULL, PARTS };

static R_altrep_class_t class;

bool r_is_strings(SEXP x) {
  return TYPEOF(x) == STRSXP && R_altrep_inherits(x, class);
}

static SEXP string_of(const struct object *object, const smem_strings *strings,
                      uint64_t key) {
  static const cetype_t encodings[] = {CE_NATIVE, CE_UTF8, CE_LATIN1, CE_BYTES};
  smem_text text;
  const char *wrong = smem_strings_text(strings, key, &text);
  if (wrong) r_object_wrong(object, wrong);
  if (!text.text) return NA_STRING;
  return Rf_mkCharLenCE(text.text, (int)text.length, encodings[text.encoding]);
}

static uint64_t key_of(const struct object *object, const smem_strings *strings,
                       uint64_t i) {
  uint64_t key = smem_strings_key(strings, i);
  if (key == UINT64_MAX)
    r_object_wrong(object, "the index of its strings is damaged");
  return key;
}

static void find(struct leaf *leaf) {
  smem_node node = r_leaf_find(leaf, SMEM_STRINGS);
  leaf->epoch = 0; /* as long as it is not known to be good */
  smem_strings strings;
  const char *wrong = smem_tree_strings(&leaf->object->tree, &node, &strings);
  if (wrong) r_object_wrong(leaf->object, wrong);
  if (leaf->made && strings.unique != leaf->strings.unique)
    r_object_wrong(leaf->object, "it has changed");
  leaf->strings = strings;
  leaf->epoch = leaf->object->epoch;
}

static struct leaf *found(SEXP x) {
  struct leaf *leaf = r_leaf(x);
  if (!r_leaf_is_found(leaf)) find(leaf);
  return leaf;
}

/* The vector of what was made, which is there from now on. */
static SEXP dictionary(SEXP x, struct leaf *leaf) {
  SEXP parts = R_altrep_data1(x);
  if (parts == R_NilValue) {
    parts = PROTECT(Rf_allocVector(VECSXP, PARTS));
    SET_VECTOR_ELT(parts, DICTIONARY,
                   Rf_allocVector(STRSXP, (R_xlen_t)leaf->strings.unique));
    R_set_altrep_data1(x, parts);
    leaf->made = STRING_PTR_RO(VECTOR_ELT(parts, DICTIONARY));
    UNPROTECT(1);
  }
  return VECTOR_ELT(parts, DICTIONARY);
}

static SEXP make_element(SEXP x, struct leaf *leaf, uint64_t key) {
  SEXP known = dictionary(x, leaf);
  SEXP string = string_of(leaf->object, &leaf->strings, key);
  SET_STRING_ELT(known, (R_xlen_t)key, string);
  return string;
}

static SEXP element(SEXP x, R_xlen_t i) {
  struct leaf *leaf = r_leaf(x);
  if (leaf->full) return leaf->full[i];
  if (!r_leaf_is_found(leaf)) find(leaf);
  uint64_t key = key_of(leaf->object, &leaf->strings, (uint64_t)i);
  if (leaf->made && leaf->made[key] != R_BlankString) return leaf->made[key];
  return make_element(x, leaf, key);
}

/* All elements as an ordinary vector, which takes over. */
static SEXP full(SEXP x) {
  struct leaf *leaf = r_leaf(x);
  if (leaf->full) return VECTOR_ELT(R_altrep_data1(x), FULL);
  dictionary(x, found(x));
  SEXP all = PROTECT(Rf_allocVector(STRSXP, (R_xlen_t)leaf->length));
  for (uint64_t i = 0; i < leaf->length; i++)
    SET_STRING_ELT(all, (R_xlen_t)i, element(x, (R_xlen_t)i));
  /* The list may be that of a duplicate too. */
  SEXP parts = PROTECT(Rf_allocVector(VECSXP, PARTS));
  SET_VECTOR_ELT(parts, DICTIONARY, VECTOR_ELT(R_altrep_data1(x), DICTIONARY));
  SET_VECTOR_ELT(parts, FULL, all);
  R_set_altrep_data1(x, parts);
  leaf->full = STRING_PTR_RO(all);
  UNPROTECT(2);
  return all;
}

static void *pointer(SEXP x, Rboolean writable) {
  SEXP all = full(x);
  if (writable) r_leaf(x)->written = true;
  return (void *)(uintptr_t)STRING_PTR_RO(all);
}

static const void *pointer_or_null(SEXP x) { return r_leaf(x)->full; }

static void set_element(SEXP x, R_xlen_t i, SEXP value) {
  SEXP all = full(x);
  r_leaf(x)->written = true;
  SET_STRING_ELT(all, i, value);
}

/* Much of R asks for a pointer to write through and only reads. */
bool r_strings_is_pristine(SEXP x) {
  const struct leaf *leaf = r_leaf(x);
  if (!leaf->written) return true;
  if (!r_leaf_is_found(leaf)) return false;
  for (uint64_t i = 0; i < leaf->length; i++) {
    uint64_t key = smem_strings_key(&leaf->strings, i);
    if (key == UINT64_MAX ||
        (leaf->full[i] != leaf->made[key] && leaf->full[i] != R_BlankString))
      return false;
    if (leaf->full[i] == R_BlankString &&
        string_of(leaf->object, &leaf->strings, key) != R_BlankString)
      return false;
  }
  return true;
}

/* The duplicate shares what was made. NULL: R makes an ordinary copy. */
static SEXP duplicate(SEXP x, Rboolean deep) {
  struct leaf *leaf = r_leaf(x);
  (void)deep;
  if (leaf->full) return NULL;
  if (leaf->object->handle) dictionary(x, found(x));
  SEXP copy =
      PROTECT(r_leaf_new(class, r_leaf_pointer(x), leaf->node, leaf->length));
  struct leaf *other = r_leaf(copy);
  R_set_altrep_data1(copy, R_altrep_data1(x));
  other->strings = leaf->strings;
  other->made = leaf->made;
  other->epoch = leaf->epoch;
  UNPROTECT(1);
  return copy;
}

static int no_na(SEXP x) {
  const struct leaf *leaf = r_leaf(x);
  return !leaf->written && r_leaf_is_found(leaf) && !leaf->strings.validity;
}

static SEXP state(SEXP x) {
  return r_strings_is_pristine(x) ? r_leaf_state(x) : NULL;
}

SEXP r_strings_new(SEXP object, uint64_t node, uint64_t length) {
  return r_leaf_new(class, object, node, length);
}

SEXP r_strings_copy(const struct object *object, const smem_node *node) {
  smem_strings strings;
  const char *wrong = smem_tree_strings(&object->tree, node, &strings);
  if (wrong) r_object_wrong(object, wrong);
  SEXP x = PROTECT(Rf_allocVector(STRSXP, (R_xlen_t)node->length));
  for (uint64_t i = 0; i < node->length; i++)
    SET_STRING_ELT(x, (R_xlen_t)i,
                   string_of(object, &strings, key_of(object, &strings, i)));
  UNPROTECT(1);
  return x;
}

void r_strings_start(DllInfo *dll) {
  static const struct r_methods methods = {
      r_leaf_length,   duplicate, r_leaf_inspect, state,
      r_leaf_of_state, pointer,   pointer_or_null};
  class = R_make_altstring_class("shared_strings", "sharedmemory", dll);
  r_class_start(class, &methods);
  R_set_altstring_Elt_method(class, element);
  R_set_altstring_Set_elt_method(class, set_element);
  R_set_altstring_No_NA_method(class, no_na);
}
