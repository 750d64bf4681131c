/* Arrays: objects that stand for a segment's elements. No vector is underneath,
 * so that nothing of R's takes them for values.
 *
 * An array is an external pointer to a struct r_array. R serializes what an
 * external pointer protects, and sets its address to NULL. So it protects what
 * another process needs: a list of the bytes of a reference, whose form is the
 * index of the element, and the dim. The first use there makes the struct from
 * them, and the next opens the segment; both may fail, unserializing does not.
 *
 * Nobody can forge an address, but anybody can give the class to another
 * package's pointer. The tag tells ours: a symbol that no other code has reason
 * to use. */
#include "array.h"

#include <stdlib.h>
#include <string.h>

struct r_shared {
  smem_handle *handle;
  smem_latch *latch; /* its lock, once that was asked for; or NULL */
  size_t users;
};

static SEXP tag;

static SEXP our_tag(void) {
  if (!tag) tag = Rf_install("sharedmemory_array");
  return tag;
}

bool r_is_array(SEXP x) {
  return TYPEOF(x) == EXTPTRSXP && R_ExternalPtrTag(x) == our_tag();
}

/* ---- life ------------------------------------------------------------------
 */

static void release(struct r_shared *shared) {
  if (!shared || --shared->users > 0) return;
  smem_latch_close(shared->latch);
  smem_close(shared->handle);
  free(shared);
}

/* What became unreachable together with the array may still use it in a
 * finalizer of its own, which then opens it again. */
static void finalize(SEXP x) {
  struct r_array *array = R_ExternalPtrAddr(x);
  if (!array) return;
  R_ClearExternalPtr(x);
  release(array->shared);
  free(array);
}

static void fail_memory(smem_op op) {
  r_fail(SMEM_NO_MEMORY, op, "", "there is no memory for the array");
}

/* Give `x`, whose address is NULL, a struct with this dim (an integer vector,
 * or NULL). */
static struct r_array *attach(smem_op op, SEXP x, SEXP dim) {
  R_xlen_t rank = Rf_xlength(dim);
  R_RegisterCFinalizer(x, finalize);
  struct r_array *array =
      malloc(sizeof *array + (size_t)rank * sizeof array->extents[0]);
  if (!array) fail_memory(op);
  memset(array, 0, sizeof *array);
  array->rank = rank;
  for (R_xlen_t i = 0; i < rank; i++) array->extents[i] = INTEGER_ELT(dim, i);
  R_SetExternalPtrAddr(x, array);
  return array;
}

static SEXP new_pointer(void) {
  SEXP x = PROTECT(R_MakeExternalPtr(NULL, our_tag(), R_NilValue));
  Rf_setAttrib(x, R_ClassSymbol, PROTECT(Rf_mkString("sharedArray")));
  UNPROTECT(2);
  return x;
}

/* ---- dim ----------------------------------------------------------------- */

static void check_extent(smem_op op, SEXP dim, R_xlen_t i) {
  double extent = TYPEOF(dim) == REALSXP              ? REAL_ELT(dim, i)
                  : INTEGER_ELT(dim, i) == NA_INTEGER ? NA_REAL
                                                      : INTEGER_ELT(dim, i);
  if (!(extent >= 0 && extent <= INT_MAX) || extent != (int)extent)
    r_fail_argument(op, "",
                    "element %.0f of `dim` is %s; it must be a whole "
                    "number from 0 to 2^31-1",
                    (double)i + 1, ISNAN(extent) ? "NA" : "not one");
}

/* `dim` as an ordinary integer vector, or NULL. */
static SEXP good_dim(smem_op op, SEXP dim) {
  if (dim == R_NilValue) return dim;
  if ((TYPEOF(dim) != INTSXP && TYPEOF(dim) != REALSXP) || Rf_isFactor(dim) ||
      XLENGTH(dim) == 0)
    r_fail_argument(op, "", "`dim` must be NULL or whole numbers");
  R_xlen_t rank = XLENGTH(dim);
  SEXP copy = PROTECT(Rf_allocVector(INTSXP, rank));
  for (R_xlen_t i = 0; i < rank; i++) {
    check_extent(op, dim, i);
    INTEGER(copy)
    [i] = TYPEOF(dim) == REALSXP ? (int)REAL_ELT(dim, i) : INTEGER_ELT(dim, i);
  }
  UNPROTECT(1);
  return copy;
}

/* How many elements a dim (integer) has; -1 if that is not a number that R can
 * have. */
static int64_t product(SEXP dim) {
  double elements = 1;
  for (R_xlen_t i = 0; i < XLENGTH(dim); i++)
    if (INTEGER_ELT(dim, i) == 0) return 0;
  for (R_xlen_t i = 0; i < XLENGTH(dim); i++) elements *= INTEGER_ELT(dim, i);
  return elements <= (double)R_XLEN_T_MAX ? (int64_t)elements : -1;
}

/* ---- travelling ---------------------------------------------------------- */

static void set_state(SEXP x, const smem_reference *reference, SEXP dim) {
  SEXP state = PROTECT(Rf_allocVector(VECSXP, 2));
  SET_VECTOR_ELT(state, 0, r_reference_bytes(reference));
  SET_VECTOR_ELT(state, 1, dim);
  R_SetExternalPtrProtected(x, state);
  UNPROTECT(1);
}

/* Of what may have come from a file and be a vector that changes. */
static SEXP copy_dim(SEXP dim) {
  SEXP copy = Rf_allocVector(INTSXP, XLENGTH(dim));
  INTEGER_GET_REGION(dim, 0, XLENGTH(dim), INTEGER(copy));
  return copy;
}

static bool dim_fits(SEXP dim, uint64_t length) {
  for (R_xlen_t i = 0; i < XLENGTH(dim); i++)
    if (INTEGER(dim)[i] < 0) return false;
  int64_t elements = product(dim);
  return XLENGTH(dim) > 0 && elements >= 0 && (uint64_t)elements == length;
}

static const char *read_reference(SEXP bytes, smem_reference *reference) {
  const char *wrong = r_reference_read(bytes, reference);
  if (wrong) return wrong;
  bool known =
      reference->form < R_ELEMENTS && reference->length <= R_XLEN_T_MAX;
  return known ? NULL : r_reference_damaged;
}

/* NULL, or what is wrong with what `x` has brought along. *dim is a copy. */
static const char *read_state(SEXP x, smem_reference *reference, SEXP *dim) {
  SEXP state = R_ExternalPtrProtected(x);
  if (TYPEOF(state) != VECSXP || XLENGTH(state) != 2)
    return r_reference_damaged;
  const char *wrong = read_reference(VECTOR_ELT(state, 0), reference);
  *dim = VECTOR_ELT(state, 1);
  if (wrong || *dim == R_NilValue) return wrong;
  if (TYPEOF(*dim) != INTSXP) return r_reference_damaged;
  *dim = copy_dim(*dim);
  return dim_fits(*dim, reference->length) ? NULL : r_reference_damaged;
}

static void fill(struct r_array *array, const smem_reference *reference) {
  array->reference = *reference;
  array->length = (R_xlen_t)reference->length;
  array->element = &r_elements[reference->form];
}

struct r_array *r_array_known(smem_op op, SEXP x) {
  smem_reference reference;
  SEXP dim;
  if (!r_is_array(x))
    r_fail_argument(op, "", "this is not an array that sharedArray() has made");
  struct r_array *array = R_ExternalPtrAddr(x);
  if (array) return array;
  const char *wrong = read_state(x, &reference, &dim);
  if (wrong) r_fail_argument(op, "", "%s", wrong);
  PROTECT(dim);
  array = attach(op, x, dim);
  fill(array, &reference);
  UNPROTECT(1);
  return array;
}

/* ---- opening ------------------------------------------------------------- */

/* For writing, or if it is sealed for reading. */
static smem_code open_reference(const smem_reference *reference,
                                smem_handle **handle, smem_error *error) {
  smem_code code =
      smem_open_reference(reference, SMEM_READ_WRITE, handle, error);
  if (code != SMEM_SEALED) return code;
  return smem_open_reference(reference, SMEM_READ_ONLY, handle, error);
}

static smem_code open_id(const char *id, smem_handle **handle,
                         smem_error *error) {
  smem_code code = smem_open(id, SMEM_READ_WRITE, handle, error);
  return code == SMEM_SEALED ? smem_open(id, SMEM_READ_ONLY, handle, error)
                             : code;
}

static struct r_shared *new_shared(smem_op op) {
  struct r_shared *shared = malloc(sizeof *shared);
  if (!shared) fail_memory(op);
  *shared = (struct r_shared){.users = 1};
  return shared;
}

static void point(struct r_array *array) {
  array->bytes =
      (char *)array->shared->handle->address + array->reference.offset;
}

static void close_array(struct r_array *array) {
  release(array->shared);
  array->shared = NULL;
  array->bytes = NULL;
}

static void open_now(smem_op op, struct r_array *array) {
  smem_error error = SMEM_ERROR_INIT;
  array->shared = new_shared(op);
  smem_code code =
      open_reference(&array->reference, &array->shared->handle, &error);
  if (code == SMEM_OK && r_is_inside(&array->reference, &array->element->type,
                                     array->shared->handle->capacity)) {
    point(array);
    return;
  }
  close_array(array);
  if (code == SMEM_OK)
    r_fail(SMEM_BOUNDS, op, array->reference.id,
           "the reference names bytes that the segment has not");
  error.op = op;
  r_check(code, &error);
}

struct r_array *r_array_open(smem_op op, SEXP x) {
  struct r_array *array = r_array_known(op, x);
  if (!array->bytes) open_now(op, array);
  return array;
}

struct r_array *r_array_writable(smem_op op, SEXP x) {
  struct r_array *array = r_array_open(op, x);
  if (array->shared->handle->access != SMEM_READ_WRITE)
    r_fail(SMEM_SEALED, op, array->reference.id,
           "it is sealed, and nobody can write to it");
  return array;
}

static smem_latch *open_latch(smem_op op, const struct r_array *array) {
  smem_error error = SMEM_ERROR_INIT;
  struct r_shared *shared = array->shared;
  r_pointer_collect();
  smem_code code =
      smem_latch_open_reference(&array->reference, &shared->latch, &error);
  error.op = op;
  r_check(code, &error);
  return shared->latch;
}

/* An error record on the stack would cost as much as the rest. */
smem_latch *r_array_latch(smem_op op, SEXP x) {
  struct r_array *array = r_array_open(op, x);
  return array->shared->latch ? array->shared->latch : open_latch(op, array);
}

/* ---- for the user -------------------------------------------------------- */

struct making {
  SEXP x, dim;
  int64_t offset;
  int element;
  bool done;
};

static SEXP fit(void *data) {
  struct making *making = data;
  struct r_array *array = R_ExternalPtrAddr(making->x);
  const smem_handle *handle = array->shared->handle;
  smem_reference reference;
  int64_t count = making->dim == R_NilValue ? 0 : product(making->dim);
  smem_refer(handle, &reference);
  reference.form = (uint8_t)making->element;
  reference.offset = (uint64_t)making->offset;
  reference.length = (uint64_t)r_fit(
      SMEM_OP_MAP, reference.id, &r_elements[making->element].type, making->dim,
      count, making->offset, handle->capacity, handle->requested);
  set_state(making->x, &reference, making->dim);
  fill(array, &reference);
  point(array);
  making->done = true;
  return making->x;
}

static void close_undone(void *data) {
  struct making *making = data;
  if (!making->done) close_array(R_ExternalPtrAddr(making->x));
}

static void check_place(const char *id, const struct making *making) {
  const struct r_type *type = &r_elements[making->element].type;
  if (making->offset % (int64_t)type->size != 0)
    r_fail_argument(SMEM_OP_MAP, id,
                    "`offset` is %.0f; for an array of type %s it must "
                    "be a multiple of %d",
                    (double)making->offset, type->name, (int)type->size);
  if (making->dim != R_NilValue && product(making->dim) < 0)
    r_fail_argument(SMEM_OP_MAP, id,
                    "`dim` has more elements than R can count");
}

SEXP r_array_new(SEXP id, SEXP type, SEXP dim, SEXP offset) {
  smem_op op = SMEM_OP_MAP;
  smem_error error = SMEM_ERROR_INIT;
  r_pointer_collect();
  id = PROTECT(r_id(op, id));
  struct making making = {.element = r_element_named(op, type)};
  making.dim = PROTECT(good_dim(op, dim));
  making.offset = r_whole(op, "offset", offset, 0);
  check_place(CHAR(id), &making);
  making.x = PROTECT(new_pointer());
  struct r_array *array = attach(op, making.x, making.dim);
  array->shared = new_shared(op);
  smem_code code = open_id(CHAR(id), &array->shared->handle, &error);
  error.op = op;
  r_check(code, &error);
  R_ExecWithCleanup(fit, &making, close_undone, &making);
  UNPROTECT(3);
  return making.x;
}

SEXP r_array_length(SEXP x) {
  R_xlen_t length = r_array_known(SMEM_OP_READ, x)->length;
  return length <= INT_MAX ? Rf_ScalarInteger((int)length)
                           : Rf_ScalarReal((double)length);
}

static SEXP dim_of(const struct r_array *array) {
  if (array->rank == 0) return R_NilValue;
  SEXP dim = Rf_allocVector(INTSXP, array->rank);
  for (R_xlen_t i = 0; i < array->rank; i++)
    INTEGER(dim)[i] = (int)array->extents[i];
  return dim;
}

SEXP r_array_dim(SEXP x) { return dim_of(r_array_known(SMEM_OP_READ, x)); }

/* Another array on the same mapping. */
SEXP r_array_set_dim(SEXP x, SEXP dim) {
  smem_op op = SMEM_OP_MAP;
  struct r_array *array = r_array_known(op, x);
  dim = PROTECT(good_dim(op, dim));
  if (dim != R_NilValue && product(dim) != array->length)
    r_fail_argument(op, array->reference.id,
                    "`dim` has %.0f elements, the array "
                    "%.0f",
                    (double)product(dim), (double)array->length);
  SEXP other = PROTECT(new_pointer());
  Rf_copyMostAttrib(x, other);
  set_state(other, &array->reference, dim);
  struct r_array *same = attach(op, other, dim);
  fill(same, &array->reference);
  same->shared = array->shared;
  same->bytes = array->bytes;
  if (same->shared) same->shared->users++;
  UNPROTECT(2);
  return other;
}

SEXP r_array_id(SEXP x, SEXP full) {
  bool with_space = r_flag(SMEM_OP_FIND, "full", full);
  const struct r_array *array = r_array_known(SMEM_OP_FIND, x);
  const smem_handle *handle = array->shared ? array->shared->handle : NULL;
  SEXP id = PROTECT(r_id_of(&array->reference, handle, with_space));
  SEXP result = Rf_ScalarString(id);
  UNPROTECT(1);
  return result;
}

SEXP r_array_type(SEXP x) {
  return Rf_mkString(r_array_known(SMEM_OP_READ, x)->element->type.name);
}
