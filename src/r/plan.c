/* What is to be written of an R object, and where: known to the byte before
 * anything is allocated.
 *
 * The nodes are numbered in the order in which they are found: an element
 * behind all that was found before. So the array of them is also the queue of
 * those that are still to be looked at, and there is no recursion. */
#include "dictionary.h"
#include "held.h"

#include <stdlib.h>
#include <string.h>

/* Vectors with so many elements are written once, however often they occur. */
enum { SHARED_ELEMENTS = 512 };

struct plan {
  smem_node *nodes;
  SEXP *sources; /* for each node: what it is, or R_NilValue */
  uint64_t count, room;
  struct dictionary *dictionaries; /* in the order of their nodes */
  uint64_t dictionary_count, dictionary_room;
  struct numbering seen; /* vectors that may occur again */
  uint64_t *seen_nodes;
  uint64_t seen_room;
  SEXP keep;  /* the caller's pair: in its CDR what was made on the way */
  SEXP blobs; /* likewise: what goes into the blob, the last one first */
  uint64_t blob_count;
  SEXP stream; /* the blob's bytes */
  bool holds;
  struct held held;
  uint64_t at, node_at, blob_at, part_at;
};

static void fail_no_memory(void) {
  r_fail(SMEM_NO_MEMORY, SMEM_OP_SHARE, "", "there is no memory for the plan");
}

struct plan *r_plan_new(smem_lifetime lifetime, bool holds) {
  struct plan *plan = calloc(1, sizeof *plan);
  if (!plan) fail_no_memory();
  plan->holds = holds;
  plan->held.lifetime = lifetime;
  return plan;
}

void r_plan_dispose(struct plan *plan) {
  if (!plan) return;
  for (uint64_t i = 0; i < plan->dictionary_count; i++)
    r_dictionary_dispose(&plan->dictionaries[i]);
  free(plan->dictionaries);
  r_numbering_dispose(&plan->seen);
  free(plan->seen_nodes);
  r_held_dispose(&plan->held);
  free(plan->nodes);
  free(plan->sources);
  free(plan);
}

uint64_t r_plan_size(const struct plan *plan) { return plan->at; }

/* ---- arrays -------------------------------------------------------------- */

/* Room for `count` things of `size` bytes in *array, which has it for *room. */
static void make_room(void **array, uint64_t *room, uint64_t count,
                      size_t size) {
  uint64_t larger = *room ? *room : 64;
  if (count <= *room) return;
  while (larger < count) larger *= 2;
  void *moved = realloc(*array, larger * size);
  if (!moved) fail_no_memory();
  *array = moved;
  *room = larger;
}

/* The first of `count` new nodes. */
static uint64_t add_nodes(struct plan *plan, uint64_t count) {
  uint64_t first = plan->count, room = plan->room;
  make_room((void **)&plan->nodes, &room, first + count, sizeof *plan->nodes);
  room = plan->room;
  make_room((void **)&plan->sources, &room, first + count,
            sizeof *plan->sources);
  plan->room = room;
  memset(plan->nodes + first, 0, count * sizeof *plan->nodes);
  for (uint64_t i = 0; i < count; i++) plan->sources[first + i] = R_NilValue;
  plan->count += count;
  return first;
}

static SEXP keep(struct plan *plan, SEXP x) {
  PROTECT(x);
  SETCDR(plan->keep, Rf_cons(x, CDR(plan->keep)));
  UNPROTECT(1);
  return x;
}

static uint64_t place(struct plan *plan, uint64_t bytes) {
  uint64_t at = smem_place(plan->at, bytes);
  plan->at = at + bytes;
  return at;
}

/* ---- attributes ---------------------------------------------------------- */

static void count_attribute(SEXP tag, SEXP value, void *context) {
  (void)tag;
  (void)value;
  ++*(uint64_t *)context;
}

struct filling {
  struct plan *plan;
  uint64_t next; /* node */
  SEXP tags;
  R_xlen_t i;
};

static void add_attribute(SEXP tag, SEXP value, void *context) {
  struct filling *filling = context;
  SET_STRING_ELT(filling->tags, filling->i++, PRINTNAME(tag));
  filling->plan->sources[filling->next++] = value;
}

static void plan_attributes(struct plan *plan, SEXP x, uint64_t number) {
  uint64_t count = 0;
  r_each_attribute(x, count_attribute, &count);
  if (count == 0) return;
  uint64_t at = add_nodes(plan, 1), first = add_nodes(plan, count + 1);
  SEXP tags = keep(plan, Rf_allocVector(STRSXP, (R_xlen_t)count));
  struct filling filling = {plan, first, tags, 0};
  plan->nodes[at] =
      (smem_node){.kind = SMEM_ATTRIBUTES, .length = count, .where = first};
  r_each_attribute(x, add_attribute, &filling);
  plan->sources[first + count] = tags;
  smem_node_set_attributes(&plan->nodes[number], at);
}

/* ---- values -------------------------------------------------------------- */

/* R's ALTREP classes of compact sequences, and of what it wraps them in to set
 * attributes; integer and double. R_NilValue: it does not do that. */
static SEXP compact[2], wrapper[2];

static void find_classes(int real) {
  SEXP x = PROTECT(real ? r_sequence(3e9, 3e9 + 99) : r_sequence(1, 100));
  SEXP call = PROTECT(Rf_lang3(Rf_install("structure"), x, Rf_mkString("")));
  SET_TAG(CDDR(call), Rf_install("note"));
  SEXP wrapped = PROTECT(Rf_eval(call, R_BaseEnv));
  bool wraps = ALTREP(wrapped) && R_altrep_data1(wrapped) == x;
  wrapper[real] = wraps ? ALTREP_CLASS(wrapped) : R_NilValue;
  compact[real] = ALTREP(x) ? ALTREP_CLASS(x) : R_NilValue;
  UNPROTECT(3);
}

/* The compact sequence that it is, or NULL. Newer versions of R expand what is
 * in a wrapper when they are asked for a part of it. */
static SEXP sequence_behind(SEXP x) {
  int real = TYPEOF(x) == REALSXP;
  if (!ALTREP(x) || !(real || TYPEOF(x) == INTSXP)) return NULL;
  if (!compact[real]) find_classes(real);
  if (ALTREP_CLASS(x) == wrapper[real]) x = R_altrep_data1(x);
  return ALTREP(x) && ALTREP_CLASS(x) == compact[real] ? x : NULL;
}

static bool plan_sequence(SEXP x, smem_node *node) {
  R_xlen_t n = XLENGTH(x);
  SEXP sequence = n < 2 ? NULL : sequence_behind(x);
  if (!sequence) return false;
  bool real = TYPEOF(x) == REALSXP;
  double first = real ? REAL_ELT(sequence, 0) : INTEGER_ELT(sequence, 0);
  double last = real ? REAL_ELT(sequence, n - 1) : INTEGER_ELT(sequence, n - 1);
  node->kind = SMEM_SEQUENCE;
  if (real) node->flags |= SMEM_NODE_REAL;
  memcpy(&node->where, &first, sizeof first);
  memcpy(&node->more, &last, sizeof last);
  return true;
}

static void plan_strings(struct plan *plan, SEXP x, smem_node *node) {
  SEXP kept;
  /* Nobody protects what the elements of an ALTREP vector are. */
  if (ALTREP(x)) {
    SEXP copy = keep(plan, Rf_allocVector(STRSXP, XLENGTH(x)));
    for (R_xlen_t i = 0; i < XLENGTH(x); i++)
      SET_STRING_ELT(copy, i, STRING_ELT(x, i));
    x = copy;
  }
  make_room((void **)&plan->dictionaries, &plan->dictionary_room,
            plan->dictionary_count + 1, sizeof *plan->dictionaries);
  struct dictionary *dictionary = &plan->dictionaries[plan->dictionary_count];
  memset(dictionary, 0, sizeof *dictionary);
  plan->dictionary_count++; /* it is disposed of also if the next one jumps */
  if (!r_dictionary_make(dictionary, x, &kept)) fail_no_memory();
  if (kept != x) keep(plan, kept);
  node->where = smem_place(plan->at, 4096); /* as if it were as large: at 64 */
  r_dictionary_place(dictionary, node->where);
  plan->at = dictionary->end;
}

static void plan_list(struct plan *plan, SEXP x, uint64_t number) {
  uint64_t n = (uint64_t)XLENGTH(x);
  uint64_t first = add_nodes(plan, n);
  bool made = ALTREP(x); /* elements that nobody else may protect */
  plan->nodes[number].where = first;
  for (uint64_t i = 0; i < n; i++) {
    SEXP element = VECTOR_ELT(x, (R_xlen_t)i);
    plan->sources[first + i] = made ? keep(plan, element) : element;
  }
}

/* Was this very vector planned before? */
static bool plan_same(struct plan *plan, SEXP x, uint64_t number) {
  uint64_t before = plan->seen.count;
  uint32_t which = r_number_of(&plan->seen, x);
  if (which == UINT32_MAX) return false; /* then it is written twice */
  if (plan->seen.count == before) {
    plan->nodes[number] =
        (smem_node){.kind = SMEM_SAME, .where = plan->seen_nodes[which]};
    plan->sources[number] = R_NilValue;
    return true;
  }
  make_room((void **)&plan->seen_nodes, &plan->seen_room, which + 1,
            sizeof *plan->seen_nodes);
  plan->seen_nodes[which] = number;
  return false;
}

static void plan_blob(struct plan *plan, SEXP x, smem_node *node) {
  node->where = plan->blob_count++;
  SETCDR(plan->blobs, Rf_cons(x, CDR(plan->blobs)));
}

static void plan_node(struct plan *plan, uint64_t number) {
  SEXP x = plan->sources[number];
  smem_node node = {.kind = (uint8_t)r_kind_of(x)};
  bool is_vector = smem_kind_size(node.kind) > 0 || node.kind == SMEM_STRINGS;
  if (plan->nodes[number].kind == SMEM_ATTRIBUTES) return;
  if (node.kind != SMEM_BLOB && Rf_isS4(x)) node.flags = SMEM_NODE_S4;
  if (is_vector || node.kind == SMEM_LIST) node.length = (uint64_t)XLENGTH(x);
  /* The whole is always written: it is to be another object. */
  bool held = number > 0 && plan->holds && r_held_find(&plan->held, x, &node);
  if (!held && is_vector && node.length >= SHARED_ELEMENTS &&
      plan_same(plan, x, number))
    return;
  if (smem_kind_size(node.kind) > 0 && !plan_sequence(x, &node))
    node.where = place(plan, node.length * smem_kind_size(node.kind));
  if (node.kind == SMEM_STRINGS) plan_strings(plan, x, &node);
  if (node.kind == SMEM_BLOB) plan_blob(plan, x, &node);
  plan->nodes[number] = node;
  if (node.kind == SMEM_LIST) plan_list(plan, x, number);
  if (node.kind != SMEM_NULL && node.kind != SMEM_BLOB)
    plan_attributes(plan, x, number);
}

/* ---- the blob ------------------------------------------------------------ */

/* One stream for all of them, so that environments that they share stay shared.
 * Our own leaves are in it by value: nobody keeps what they would refer to. */
static void plan_stream(struct plan *plan) {
  if (plan->blob_count == 0) return;
  SEXP list = keep(plan, Rf_allocVector(VECSXP, (R_xlen_t)plan->blob_count));
  R_xlen_t i = (R_xlen_t)plan->blob_count;
  for (SEXP at = CDR(plan->blobs); at != R_NilValue; at = CDR(at))
    SET_VECTOR_ELT(list, --i, CAR(at));
  plan->stream = keep(plan, r_serialize_values(list, false));
  plan->blob_at = place(plan, (uint64_t)XLENGTH(plan->stream));
}

void r_plan_make(struct plan *plan, SEXP x, SEXP kept) {
  enum { LOOK_EVERY = 4096 };
  plan->keep = kept;
  plan->blobs = Rf_cons(R_NilValue, R_NilValue);
  SETCAR(kept, plan->blobs);
  plan->at = SMEM_OBJECT_HEADER;
  add_nodes(plan, 1);
  plan->sources[0] = x;
  for (uint64_t i = 0; i < plan->count; i++) {
    plan_node(plan, i);
    if (i % LOOK_EVERY == LOOK_EVERY - 1 && r_interrupted())
      r_check(SMEM_OK, NULL);
  }
  plan_stream(plan);
  plan->part_at = smem_place(plan->at, 8);
  size_t parts;
  r_held_parts(&plan->held, &parts);
  plan->at = plan->part_at + parts * SMEM_PART_SIZE;
  plan->node_at = smem_place(plan->at, 8);
  plan->at = plan->node_at + plan->count * sizeof *plan->nodes;
}

/* ---- writing ------------------------------------------------------------- */

/* A part of an ALTREP vector that has no memory; nothing is expanded. */
static void get_region(SEXP x, R_xlen_t from, R_xlen_t n, void *to) {
  switch (TYPEOF(x)) {
  case RAWSXP:
    RAW_GET_REGION(x, from, n, to);
    break;
  case LGLSXP:
    LOGICAL_GET_REGION(x, from, n, to);
    break;
  case INTSXP:
    INTEGER_GET_REGION(x, from, n, to);
    break;
  case REALSXP:
    REAL_GET_REGION(x, from, n, to);
    break;
  default:
    COMPLEX_GET_REGION(x, from, n, to);
    break;
  }
}

static smem_code write_numbers(SEXP x, size_t size, smem_writer *writer,
                               smem_error *error) {
  enum { REGION = 4096 };
  R_xlen_t n = XLENGTH(x);
  const void *bytes = DATAPTR_OR_NULL(x);
  if (n == 0) return SMEM_OK;
  if (bytes) return smem_write_next(writer, bytes, (uint64_t)n * size, error);
  smem_code code = SMEM_OK;
  for (R_xlen_t i = 0; i < n && code == SMEM_OK; i += REGION) {
    Rcomplex part[REGION];
    R_xlen_t k = n - i < REGION ? n - i : REGION;
    get_region(x, i, k, part);
    code = smem_write_next(writer, part, (uint64_t)k * size, error);
  }
  return code;
}

static smem_code write_data(const struct plan *plan, smem_writer *writer,
                            smem_error *error) {
  smem_code code = SMEM_OK;
  uint64_t strings = 0;
  for (uint64_t i = 0; i < plan->count && code == SMEM_OK; i++) {
    const smem_node *node = &plan->nodes[i];
    size_t size = smem_kind_size(node->kind);
    if (size == 0 && node->kind != SMEM_STRINGS) continue;
    code = smem_write_pad(writer, node->where, error);
    if (code != SMEM_OK) break;
    code = size > 0 ? write_numbers(plan->sources[i], size, writer, error)
                    : r_dictionary_write(&plan->dictionaries[strings++], writer,
                                         error);
  }
  return code;
}

static smem_code write_parts(const struct plan *plan, smem_writer *writer,
                             smem_error *error) {
  size_t count;
  const smem_part *parts = r_held_parts(&plan->held, &count);
  smem_code code = smem_write_pad(writer, plan->part_at, error);
  for (size_t i = 0; i < count && code == SMEM_OK; i++) {
    unsigned char bytes[SMEM_PART_SIZE];
    smem_part_write(&parts[i], bytes);
    code = smem_write_next(writer, bytes, sizeof bytes, error);
  }
  return code;
}

static smem_code write_blob(const struct plan *plan, smem_writer *writer,
                            smem_error *error) {
  if (plan->blob_count == 0) return SMEM_OK;
  smem_code code = smem_write_pad(writer, plan->blob_at, error);
  return code == SMEM_OK
             ? smem_write_blob(writer, RAW_RO(plan->stream),
                               (uint64_t)XLENGTH(plan->stream), error)
             : code;
}

void r_plan_describe(const struct plan *plan, smem_publication *publication) {
  publication->nodes = plan->count;
  publication->node_at = plan->node_at;
  publication->part_at = plan->part_at;
  publication->parts = r_held_parts(&plan->held, &publication->part_count);
  if (plan->blob_count == 0) return;
  publication->blob_at = plan->blob_at;
  publication->blob_size = (uint64_t)XLENGTH(plan->stream);
}

smem_code r_plan_write(const struct plan *plan, smem_writer *writer,
                       smem_error *error) {
  smem_code code = write_data(plan, writer, error);
  if (code == SMEM_OK) code = write_blob(plan, writer, error);
  if (code == SMEM_OK) code = write_parts(plan, writer, error);
  if (code == SMEM_OK) code = smem_write_pad(writer, plan->node_at, error);
  if (code == SMEM_OK)
    code = smem_write_next(writer, plan->nodes,
                           plan->count * sizeof *plan->nodes, error);
  return code;
}
