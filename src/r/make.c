/* From the nodes of an object to R's values. */
#include "shared.h"

#include <math.h>
#include <string.h>

static const SEXPTYPE types[] = {[SMEM_RAW] = RAWSXP,
                                 [SMEM_LOGICAL] = LGLSXP,
                                 [SMEM_INTEGER] = INTSXP,
                                 [SMEM_DOUBLE] = REALSXP,
                                 [SMEM_COMPLEX] = CPLXSXP};

/* ---- attributes
 * ------------------------------------------------------------------------
 *
 * Rf_setAttrib() throws errors of R's for values that do not fit. They would
 * not say what is the matter, so what another process has written is looked at
 * before. */

static bool fits_names(SEXP x, SEXP value) {
  return TYPEOF(value) == STRSXP && XLENGTH(value) == Rf_xlength(x);
}

static bool fits_dim(SEXP x, SEXP value) {
  double product = 1;
  if (TYPEOF(value) != INTSXP || XLENGTH(value) == 0) return false;
  for (R_xlen_t i = 0; i < XLENGTH(value); i++) {
    if (INTEGER_ELT(value, i) < 0) return false; /* NA too */
    product *= INTEGER_ELT(value, i);
  }
  return product == (double)Rf_xlength(x);
}

static bool fits_dimnames(SEXP x, SEXP value) {
  SEXP dim = Rf_getAttrib(x, R_DimSymbol);
  if (TYPEOF(value) != VECSXP || dim == R_NilValue ||
      XLENGTH(value) != XLENGTH(dim))
    return false;
  for (R_xlen_t i = 0; i < XLENGTH(value); i++) {
    SEXP names = VECTOR_ELT(value, i);
    if (names != R_NilValue &&
        (TYPEOF(names) != STRSXP || XLENGTH(names) != INTEGER_ELT(dim, i)))
      return false;
  }
  return true;
}

static bool fits_class(SEXP x, SEXP value) {
  if (TYPEOF(value) != STRSXP || XLENGTH(value) == 0) return false;
  for (R_xlen_t i = 0; i < XLENGTH(value); i++)
    if (strcmp(CHAR(STRING_ELT(value, i)), "factor") == 0)
      return TYPEOF(x) == INTSXP;
  return true;
}

static bool fits_tsp(SEXP x, SEXP value) {
  if (TYPEOF(value) != REALSXP || XLENGTH(value) != 3) return false;
  SEXP dim = Rf_getAttrib(x, R_DimSymbol);
  double n = dim == R_NilValue ? (double)Rf_xlength(x) : INTEGER_ELT(dim, 0);
  double start = REAL_ELT(value, 0), end = REAL_ELT(value, 1);
  double frequency = REAL_ELT(value, 2);
  return frequency > 0 && n >= 1 &&
         fabs(end - start - (n - 1) / frequency) <= 1e-5;
}

static bool fits(SEXP x, SEXP tag, SEXP value) {
  if (value == R_NilValue) return false;
  if (tag == R_NamesSymbol) return fits_names(x, value);
  if (tag == R_DimSymbol) return fits_dim(x, value);
  if (tag == R_DimNamesSymbol) return fits_dimnames(x, value);
  if (tag == R_ClassSymbol) return fits_class(x, value);
  if (tag == R_TspSymbol) return fits_tsp(x, value);
  if (tag == R_RowNamesSymbol)
    return TYPEOF(value) == INTSXP || TYPEOF(value) == STRSXP;
  if (strcmp(CHAR(PRINTNAME(tag)), "comment") == 0)
    return TYPEOF(value) == STRSXP;
  return true;
}

static SEXP tag_of(const struct object *object, SEXP tags, R_xlen_t i) {
  SEXP name = STRING_ELT(tags, i);
  if (name == NA_STRING || LENGTH(name) == 0)
    r_object_wrong(object, "an attribute has no name");
  return Rf_installTrChar(name);
}

static void set_attributes(SEXP x, SEXP pointer, uint64_t number) {
  const struct object *object = r_object_of(pointer);
  smem_node node = r_object_node(object, number);
  if (node.kind != SMEM_ATTRIBUTES)
    r_object_wrong(object, "a node is not the attributes that it should be");
  SEXP tags = PROTECT(r_make(pointer, node.where + node.length, R_ATTRIBUTE));
  if (TYPEOF(tags) != STRSXP || (uint64_t)XLENGTH(tags) != node.length)
    r_object_wrong(object, "the names of attributes are damaged");
  for (uint64_t i = 0; i < node.length; i++) {
    SEXP tag = tag_of(object, tags, (R_xlen_t)i);
    SEXP value = PROTECT(r_make(pointer, node.where + i, R_ATTRIBUTE));
    if (!fits(x, tag, value))
      r_object_wrong(object, "an attribute is not what it can be");
    Rf_setAttrib(x, tag, value);
    UNPROTECT(1);
  }
  UNPROTECT(1);
}

/* ---- values -------------------------------------------------------------- */

/* Where lists are ordinary, one of small vectors has no leaf in it, and nobody
 * would know that it is shared. Then the next vector is to be one. */
static bool leaf_wanted;

static SEXP wanted(SEXP leaf) {
  leaf_wanted = false;
  return leaf;
}

static SEXP make_numbers(SEXP pointer, uint64_t number, const smem_node *node,
                         enum r_form form) {
  const struct object *object = r_object_of(pointer);
  size_t bytes = (size_t)node->length * smem_kind_size(node->kind);
  if (bytes >= R_LEAF_BYTES || ((form == R_WHOLE || leaf_wanted) && bytes > 0))
    return wanted(r_numbers_new(node->kind, pointer, number, node->length));
  SEXP x = Rf_allocVector(types[node->kind], (R_xlen_t)node->length);
  if (bytes > 0)
    memcpy(r_vector_bytes(x), object->tree.bytes + node->where, bytes);
  if (node->kind == SMEM_LOGICAL &&
      r_first_improper(LOGICAL(x), node->length) < node->length)
    r_object_wrong(object, "a logical is neither TRUE nor FALSE nor NA");
  return x;
}

static SEXP make_strings(SEXP pointer, uint64_t number, const smem_node *node,
                         enum r_form form) {
  if (node->length >= R_LEAF_STRINGS ||
      ((form == R_WHOLE || leaf_wanted) && node->length > 0))
    return wanted(r_strings_new(pointer, number, node->length));
  return r_strings_copy(r_object_of(pointer), node);
}

/* Each node has one place. Otherwise a few that are damaged, each of them in
 * the next one twice, would take all memory. */
static SEXP make_ordinary_list(SEXP pointer, const smem_node *node) {
  struct object *object = r_object_of(pointer);
  object->made += node->length;
  if (object->made > object->tree.nodes)
    r_object_wrong(object, "an element is in several lists");
  R_CheckStack();
  SEXP x = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)node->length));
  for (uint64_t i = 0; i < node->length; i++)
    SET_VECTOR_ELT(x, (R_xlen_t)i, r_make(pointer, node->where + i, R_ELEMENT));
  UNPROTECT(1);
  return x;
}

static SEXP make_list(SEXP pointer, uint64_t number, const smem_node *node,
                      enum r_form form) {
#if HAS_ALTLIST
  if (form != R_ATTRIBUTE && node->length > 0)
    return r_lists_new(pointer, number, node->length);
#else
  (void)number;
  (void)form;
#endif
  return make_ordinary_list(pointer, node);
}

/* A list that is a part. Where it is an ordinary one, the other object must be
 * there. */
static SEXP make_list_of_object(SEXP other, uint64_t number, uint64_t length,
                                enum r_form form) {
#if HAS_ALTLIST
  if (form != R_ATTRIBUTE) return r_lists_new(other, number, length);
#else
  (void)form;
#endif
  struct object *object = r_object_of(other);
  r_object_open(object, SMEM_AS_PART);
  smem_node node = r_object_node(object, number);
  if (node.kind != SMEM_LIST || node.length != length)
    r_object_wrong(object, "it is not what another object has as a part");
  object->made = 0;
  return make_ordinary_list(other, &node);
}

static SEXP make_sequence(const struct object *object, const smem_node *node) {
  double first, last;
  memcpy(&first, &node->where, sizeof first);
  memcpy(&last, &node->more, sizeof last);
  SEXP x = PROTECT(r_sequence(first, last));
  SEXPTYPE type = node->flags & SMEM_NODE_REAL ? REALSXP : INTSXP;
  /* That of small numbers is integer, unless it was converted; then it stays
   * compact all the same. */
  if (type == REALSXP) x = Rf_coerceVector(x, REALSXP);
  PROTECT(x);
  if ((uint64_t)XLENGTH(x) != node->length || (SEXPTYPE)TYPEOF(x) != type)
    r_object_wrong(object, "a sequence is damaged");
  UNPROTECT(2);
  return x;
}

static SEXP make_blob(struct object *object, const smem_node *node) {
  SEXP blobs = r_object_blobs(object);
  if (TYPEOF(blobs) != VECSXP || node->where >= (uint64_t)XLENGTH(blobs))
    r_object_wrong(object, "a node names what is not in the blob");
  return VECTOR_ELT(blobs, (R_xlen_t)node->where);
}

/* Only a vector, further up, and not again the same as another one. */
static SEXP make_same(SEXP pointer, const smem_node *node, enum r_form form) {
  const struct object *object = r_object_of(pointer);
  smem_node other = r_object_node(object, node->where);
  if (smem_kind_size(other.kind) == 0 && other.kind != SMEM_STRINGS &&
      other.kind != SMEM_SEQUENCE)
    r_object_wrong(object, "a node is the same as what is not a vector");
  return r_make(pointer, node->where, form);
}

/* What is in another object; its attributes are in this one. */
static SEXP make_of_object(SEXP pointer, const smem_node *node,
                           const smem_part *part, enum r_form form) {
  unsigned kind = smem_part_kind(node->more);
  uint64_t number = smem_part_node(node->more);
  SEXP other = PROTECT(r_object_pointer(&part->reference)), x = NULL;
  if (smem_kind_size(kind) > 0)
    x = r_numbers_new(kind, other, number, node->length);
  else if (kind == SMEM_STRINGS)
    x = r_strings_new(other, number, node->length);
  else if (kind == SMEM_LIST)
    x = make_list_of_object(other, number, node->length, form);
  if (!x || node->length == 0)
    r_object_wrong(r_object_of(pointer), "a part is not what it can be");
  PROTECT(x);
  if (r_leaf_behind(x) == x) r_leaf_keep(x, pointer);
  UNPROTECT(2);
  return x;
}

static SEXP make_part(SEXP pointer, const smem_node *node, enum r_form form) {
  const struct object *object = r_object_of(pointer);
  smem_part part;
  const char *wrong = smem_tree_part(&object->tree, node->where, &part);
  if (!wrong && part.is_object)
    return make_of_object(pointer, node, &part, form);
  SEXP x = wrong ? R_NilValue : r_view_of_part(&part.reference, &wrong);
  if (!wrong && (uint64_t)XLENGTH(x) != node->length)
    wrong = "a part has another length";
  if (wrong) r_object_wrong(object, wrong);
  return x;
}

static SEXP make_value(SEXP pointer, uint64_t number, const smem_node *node,
                       enum r_form form) {
  struct object *object = r_object_of(pointer);
  switch (node->kind) {
  case SMEM_NULL:
    return R_NilValue;
  case SMEM_STRINGS:
    return make_strings(pointer, number, node, form);
  case SMEM_LIST:
    return make_list(pointer, number, node, form);
  case SMEM_S4:
    return Rf_allocS4Object();
  case SMEM_BLOB:
    return make_blob(object, node);
  case SMEM_SEQUENCE:
    return make_sequence(object, node);
  case SMEM_SAME:
    return make_same(pointer, node, form);
  case SMEM_PART:
    return make_part(pointer, node, form);
  case SMEM_ATTRIBUTES:
    r_object_wrong(object, "attributes are where a value should be");
  default:
    return make_numbers(pointer, number, node, form);
  }
}

/* The order matters: attributes, then the S4 bit, then the mark, as R copies
 * what is marked to set either. */
SEXP r_make(SEXP pointer, uint64_t number, enum r_form form) {
  struct object *object = r_object_of(pointer);
  smem_node node = r_object_node(object, number);
  SEXP x = PROTECT(make_value(pointer, number, &node, form));
  uint64_t attributes = smem_node_attributes(&node);
  if (attributes != 0) set_attributes(x, pointer, attributes);
  if ((node.flags & SMEM_NODE_S4) && node.kind != SMEM_S4 && !Rf_isS4(x))
    x = Rf_asS4(x, TRUE, 0);
  if (x != R_NilValue && node.kind != SMEM_BLOB && node.kind != SMEM_SAME)
    MARK_NOT_MUTABLE(x);
  UNPROTECT(1);
  return x;
}

SEXP r_make_element(SEXP pointer, uint64_t number) {
  r_object_of(pointer)->made = 0;
  return r_make(pointer, number, R_ELEMENT);
}

SEXP r_make_object(SEXP pointer) {
  leaf_wanted = false;
  r_object_of(pointer)->made = 0;
  SEXP x = r_make(pointer, 0, R_WHOLE);
  if (HAS_ALTLIST || r_leaf_inside(x)) return x;
  leaf_wanted = true; /* an error in between leaves it so until the next call */
  r_object_of(pointer)->made = 0;
  x = r_make(pointer, 0, R_WHOLE);
  leaf_wanted = false;
  return x;
}

SEXP r_make_found(const smem_reference *reference, enum smem_arrival arrival) {
  SEXP pointer = PROTECT(r_object_pointer(reference));
  r_object_open(r_object_of(pointer), arrival);
  SEXP x = r_make_object(pointer);
  UNPROTECT(1);
  return x;
}
