/* Objects that are open in this process, and what all leaves have in common. */
#include "shared.h"

#include <string.h>

/* Those that can be found again, by their generation. */
enum { BUCKETS = 256 };
static struct object *known[BUCKETS];

static struct object **bucket(uint64_t generation) {
  return &known[generation % BUCKETS];
}

/* ---- the pointer --------------------------------------------------------- */

/* What the pointer protects: the record, the blob's list, the sign, the
 * pointers of the objects that it has as parts. */
enum { RECORD, BLOBS, SIGN, HELD, PARTS };

static void forget(const struct object *object) {
  struct object **at = bucket(object->reference.generation);
  while (*at && *at != object) at = &(*at)->next;
  if (*at) *at = object->next;
}

static void close_object(struct object *object) {
  if (!object->handle) return;
  smem_close(object->handle);
  object->handle = NULL;
  object->epoch++;
}

/* The record stays: a finalizer of something that became unreachable together
 * with the object may still use that, which then opens it again. */
static void finalize(SEXP pointer) {
  struct object *object = R_ExternalPtrAddr(pointer);
  if (!object || object->finalized) return;
  forget(object);
  close_object(object);
  object->finalized = true;
  if (!object->is_private) smem_object_let_go(&object->reference);
}

void r_object_let_go(struct object *object) { finalize(object->pointer); }

static SEXP new_pointer(const smem_reference *reference) {
  SEXP parts = PROTECT(Rf_allocVector(VECSXP, PARTS));
  SEXP record = Rf_allocVector(RAWSXP, sizeof(struct object));
  SET_VECTOR_ELT(parts, RECORD, record);
  struct object *object = (struct object *)(void *)RAW(record);
  memset(object, 0, sizeof *object);
  object->reference = *reference;
  SEXP pointer = PROTECT(R_MakeExternalPtr(object, R_NilValue, parts));
  object->pointer = pointer;
  R_RegisterCFinalizer(pointer, finalize);
  UNPROTECT(2);
  return pointer;
}

static struct object *find_known(uint64_t generation) {
  struct object *object = *bucket(generation);
  while (object && object->reference.generation != generation)
    object = object->next;
  return object;
}

SEXP r_object_pointer(const smem_reference *reference) {
  struct object *object = find_known(reference->generation);
  if (object) return object->pointer;
  SEXP pointer = new_pointer(reference);
  struct object **at = bucket(reference->generation);
  object = R_ExternalPtrAddr(pointer);
  object->next = *at;
  *at = object;
  return pointer;
}

struct object *r_object_of(SEXP pointer) {
  return R_ExternalPtrAddr(pointer);
}

SEXP r_object_sign(struct object *object) {
  SEXP parts = R_ExternalPtrProtected(object->pointer);
  SEXP sign = VECTOR_ELT(parts, SIGN);
  if (sign != R_NilValue) return sign;
  SEXP text = PROTECT(r_reference_packed(&object->reference));
  sign = PROTECT(R_MakeExternalPtr(NULL, text, R_NilValue));
  SET_VECTOR_ELT(parts, SIGN, sign);
  UNPROTECT(2);
  return sign;
}

/* ---- opening ------------------------------------------------------------- */

void r_object_wrong(const struct object *object, const char *wrong) {
  r_fail(SMEM_CORRUPT, SMEM_OP_OPEN, object->reference.id,
         "the object cannot be read: %s", wrong);
}

/* *wrong: what is, of an object that can be opened but not read. */
static smem_code open_one(struct object *object, enum smem_arrival arrival,
                          const char **wrong, smem_error *error) {
  bool mine;
  *wrong = NULL;
  smem_code code = smem_object_open(&object->reference, arrival,
                                    &object->handle, &mine, error);
  if (code != SMEM_OK) return code;
  *wrong = smem_tree_open(&object->tree, object->handle->address,
                          object->handle->capacity, object->handle->generation);
  object->epoch++;
  if (*wrong) close_object(object);
  if (object->finalized) R_RegisterCFinalizer(object->pointer, finalize);
  object->finalized = false;
  return SMEM_OK;
}

static void open_part(struct object *object);

/* As long as this object is open, so are they, whatever becomes of their names.
 * `open`: what is not open yet is opened; what cannot be says so when it is
 * used. */
static void hold_parts(struct object *object, bool open) {
  if (!object->handle || object->tree.parts == 0) return;
  R_xlen_t n = (R_xlen_t)object->tree.parts;
  SEXP held = Rf_allocVector(VECSXP, n);
  SET_VECTOR_ELT(R_ExternalPtrProtected(object->pointer), HELD, held);
  for (R_xlen_t i = 0; i < n; i++) {
    smem_part part;
    if (smem_tree_part(&object->tree, (uint64_t)i, &part) || !part.is_object ||
        !(open || find_known(part.reference.generation)))
      continue;
    SEXP pointer = r_object_pointer(&part.reference);
    SET_VECTOR_ELT(held, i, pointer);
    if (open) open_part(r_object_of(pointer));
  }
}

/* Its own parts are among those that were opened before it. */
static void open_part(struct object *object) {
  const char *wrong;
  if (object->handle) return;
  if (open_one(object, SMEM_AS_PART, &wrong, NULL) == SMEM_OK)
    hold_parts(object, false);
}

static smem_code open_object(struct object *object, enum smem_arrival arrival,
                             const char **wrong, smem_error *error) {
  smem_code code = open_one(object, arrival, wrong, error);
  if (code != SMEM_OK || *wrong || object->tree.parts == 0) return code;
  hold_parts(object, true);
  if (arrival == SMEM_BY_REFERENCE) smem_object_received(&object->reference);
  return code;
}

/* Say what has become of it, and how to avoid that. */
static void explain(smem_error *error) {
  error->op = SMEM_OP_OPEN;
  if (error->code == SMEM_NOT_FOUND)
    smem_copy_text(
        error->detail, sizeof error->detail,
        "the shared object is gone: its owner let it go, or somebody "
        "freed it, since the reference to it was made. Keep it until it "
        "was received, see options(sharedmemory.handoff); into files put "
        "what unshare() makes of it");
}

void r_object_open(struct object *object, enum smem_arrival arrival) {
  smem_error error = SMEM_ERROR_INIT;
  const char *wrong;
  if (object->handle) return;
  smem_code code = open_object(object, arrival, &wrong, &error);
  if (code != SMEM_OK) explain(&error);
  r_check(code, &error);
  if (wrong) r_object_wrong(object, wrong);
}

void r_object_receive(struct object *object) {
  const char *wrong;
  if (object->handle)
    smem_object_received(&object->reference);
  else
    open_object(object, SMEM_BY_REFERENCE, &wrong, NULL);
}

SEXP r_object_alias(const struct object *object) {
  SEXP pointer = PROTECT(new_pointer(&object->reference));
  struct object *alias = R_ExternalPtrAddr(pointer);
  alias->is_private = true;
  smem_code code = smem_open_reference(&alias->reference, SMEM_PRIVATE,
                                       &alias->handle, NULL);
  if (code == SMEM_OK) {
    alias->epoch++;
    if (smem_tree_open(&alias->tree, alias->handle->address,
                       alias->handle->capacity, alias->handle->generation))
      close_object(alias);
  }
  UNPROTECT(1);
  return alias->handle ? pointer : R_NilValue;
}

smem_node r_object_node(const struct object *object, uint64_t number) {
  smem_node node;
  const char *wrong = smem_tree_node(&object->tree, number, &node);
  if (wrong) r_object_wrong(object, wrong);
  return node;
}

/* ---- the blob ------------------------------------------------------------ */

struct stream {
  const unsigned char *bytes;
  uint64_t size, at;
};

static void read_bytes(R_inpstream_t in, void *to, int length) {
  struct stream *stream = in->data;
  if (length < 0 || (uint64_t)length > stream->size - stream->at)
    Rf_error("the stream ends too early");
  memcpy(to, stream->bytes + stream->at, (size_t)length);
  stream->at += (uint64_t)length;
}

static int read_char(R_inpstream_t in) {
  unsigned char byte;
  read_bytes(in, &byte, 1);
  return byte;
}

SEXP r_object_blobs(struct object *object) {
  SEXP parts = R_ExternalPtrProtected(object->pointer);
  SEXP blobs = VECTOR_ELT(parts, BLOBS);
  if (blobs != R_NilValue) return blobs;
  const void *bytes;
  uint64_t size;
  const char *wrong = smem_tree_blob(&object->tree, &bytes, &size);
  if (wrong) r_object_wrong(object, wrong);
  struct stream stream = {bytes, size, 0};
  struct R_inpstream_st in;
  R_InitInPStream(&in, (R_pstream_data_t)&stream, R_pstream_any_format,
                  read_char, read_bytes, NULL, R_NilValue);
  blobs = PROTECT(R_Unserialize(&in));
  SET_VECTOR_ELT(parts, BLOBS, blobs);
  UNPROTECT(1);
  return blobs;
}

/* ---- leaves -------------------------------------------------------------- */

struct r_last_leaf r_last_leaf;

SEXP r_leaf_new(R_altrep_class_t class, SEXP pointer, uint64_t node,
                uint64_t length) {
  SEXP record = PROTECT(Rf_allocVector(RAWSXP, sizeof(struct leaf)));
  struct leaf *leaf = (struct leaf *)(void *)RAW(record);
  memset(leaf, 0, sizeof *leaf);
  leaf->object = R_ExternalPtrAddr(pointer);
  leaf->node = node;
  leaf->length = length;
  SEXP address = PROTECT(R_MakeExternalPtr(leaf, record, pointer));
  SEXP x = R_new_altrep(class, R_NilValue, address);
  if (x == r_last_leaf.x) r_last_leaf.x = NULL;
  UNPROTECT(2);
  return x;
}

SEXP r_leaf_pointer(SEXP x) {
  return R_ExternalPtrProtected(R_altrep_data2(x));
}

/* The tag holds the record, and with it what it keeps. */
SEXP r_leaf_keeper(SEXP x) {
  SEXP tag = R_ExternalPtrTag(R_altrep_data2(x));
  return TYPEOF(tag) == LISTSXP ? CDR(tag) : R_NilValue;
}

void r_leaf_keep(SEXP x, SEXP keeper) {
  SEXP address = R_altrep_data2(x);
  R_SetExternalPtrTag(address, Rf_cons(R_ExternalPtrTag(address), keeper));
}

smem_node r_leaf_find(struct leaf *leaf, smem_kind kind) {
  struct object *object = leaf->object;
  r_object_open(object, SMEM_BY_REFERENCE);
  smem_node node = r_object_node(object, leaf->node);
  if (node.kind != kind || node.length != leaf->length)
    r_object_wrong(object,
                   "the reference names something else than what is there");
  leaf->epoch = object->epoch;
  return node;
}

R_xlen_t r_leaf_length(SEXP x) { return (R_xlen_t)r_leaf(x)->length; }

Rboolean r_leaf_inspect(SEXP x, int before, int deep, int vectors,
                        void (*subtree)(SEXP, int, int, int)) {
  const struct leaf *leaf = r_leaf(x);
  (void)before;
  (void)deep;
  (void)vectors;
  (void)subtree;
  Rprintf(" part %.0f of shared object '%s'%s%s\n", (double)leaf->node,
          leaf->object->reference.id, leaf->written ? ", written to" : "",
          leaf->object->handle ? "" : " (not open)");
  return TRUE;
}

/* ---- travelling ---------------------------------------------------------- */

static uint64_t handoff(void) {
  static SEXP symbol;
  SEXP option = r_option("sharedmemory.handoff", &symbol);
  double seconds = 60;
  if ((TYPEOF(option) == REALSXP || TYPEOF(option) == INTSXP) &&
      XLENGTH(option) == 1)
    seconds = Rf_asReal(option);
  if (!(seconds >= 0)) seconds = 60;
  return seconds > 1e9 ? (uint64_t)1e18 : (uint64_t)(seconds * 1e9);
}

static SEXP serialize(void *call) { return Rf_eval(call, R_BaseEnv); }

static void end_by_value(void *nothing) {
  (void)nothing;
  r_by_value--;
}

SEXP r_with_values(SEXP (*code)(void *data), void *data) {
  r_by_value++;
  return R_ExecWithCleanup(code, data, end_by_value, NULL);
}

SEXP r_serialize_values(SEXP x, bool xdr) {
  SEXP quoted = PROTECT(Rf_lang2(Rf_install("quote"), x));
  SEXP no = PROTECT(Rf_ScalarLogical(0));
  SEXP portable = PROTECT(Rf_ScalarLogical(xdr));
  SEXP version = PROTECT(Rf_ScalarInteger(3));
  SEXP arguments = PROTECT(Rf_list5(quoted, R_NilValue, no, portable, version));
  SEXP call = PROTECT(Rf_lcons(Rf_install("serialize"), arguments));
  SEXP bytes = r_with_values(serialize, call);
  UNPROTECT(6);
  return bytes;
}

SEXP r_leaf_state(SEXP x) {
  const struct leaf *leaf = r_leaf(x);
  /* Of what was never found there are no values to be sent. */
  bool lost = !leaf->object->handle;
  if (r_by_value > 0 && !lost) return NULL;
  if (!smem_object_sent(&leaf->object->reference, handoff()) && !lost)
    return NULL;
  SEXP state = PROTECT(Rf_allocVector(VECSXP, 2));
  SET_VECTOR_ELT(state, 0, r_object_sign(leaf->object));
  SEXP numbers = Rf_allocVector(REALSXP, 2);
  SET_VECTOR_ELT(state, 1, numbers);
  REAL(numbers)[0] = (double)leaf->node;
  REAL(numbers)[1] = (double)leaf->length;
  UNPROTECT(1);
  return state;
}

static bool is_number(double x, double most) {
  return x >= 0 && x <= most && x == (double)(uint64_t)x;
}

static const char *read_state(SEXP state, smem_reference *reference,
                              double **numbers) {
  static const char *const none = "this is not a reference to a shared object";
  if (TYPEOF(state) != VECSXP || XLENGTH(state) != 2) return none;
  SEXP sign = VECTOR_ELT(state, 0), where = VECTOR_ELT(state, 1);
  if (TYPEOF(sign) != EXTPTRSXP || TYPEOF(where) != REALSXP ||
      XLENGTH(where) != 2)
    return none;
  SEXP text = R_ExternalPtrTag(sign);
  if (TYPEOF(text) != RAWSXP) return none;
  *numbers = REAL(where);
  if (!is_number((*numbers)[0], 281474976710655.0) ||
      !is_number((*numbers)[1], (double)R_XLEN_T_MAX))
    return "the reference is damaged";
  return smem_reference_read(RAW(text), (size_t)XLENGTH(text), reference);
}

/* If it cannot be opened now, the first use will say why. */
SEXP r_leaf_of_state(SEXP class, SEXP state) {
  R_altrep_class_t ours = R_SUBTYPE_INIT(class);
  smem_reference reference;
  double *numbers;
  const char *wrong = read_state(state, &reference, &numbers);
  if (wrong) r_fail_argument(SMEM_OP_OPEN, "", "%s", wrong);
  SEXP pointer = PROTECT(r_object_pointer(&reference));
  r_object_receive(R_ExternalPtrAddr(pointer));
  SEXP x = PROTECT(
      r_leaf_new(ours, pointer, (uint64_t)numbers[0], (uint64_t)numbers[1]));
  MARK_NOT_MUTABLE(x);
  UNPROTECT(2);
  return x;
}
