/* References that travel to other processes: what an external pointer of ours
 * protects, so that R serializes it.
 *
 * The bytes of a reference are an ALTREP vector, for nothing else makes R load
 * this package where they arrive: an external pointer with a class does not,
 * and without the package it has no methods. */
#include "glue.h"

#include <R_ext/Altrep.h>

#include <string.h>

const char r_reference_damaged[] = "the reference is damaged";

static R_altrep_class_t bytes_class;

static R_xlen_t bytes_length(SEXP x) { return XLENGTH(R_altrep_data1(x)); }
static void *bytes_pointer(SEXP x, Rboolean writable) {
  (void)writable;
  return RAW(R_altrep_data1(x));
}
static const void *bytes_pointer_or_null(SEXP x) {
  return RAW(R_altrep_data1(x));
}
static SEXP bytes_state(SEXP x) { return R_altrep_data1(x); }

/* Never an error: what is wrong is told at the first use. */
static SEXP bytes_from_state(SEXP class, SEXP state) {
  (void)class;
  if (TYPEOF(state) != RAWSXP || ALTREP(state))
    return Rf_allocVector(RAWSXP, 0);
  return R_new_altrep(bytes_class, state, R_NilValue);
}

void r_reference_start(DllInfo *dll) {
  bytes_class = R_make_altraw_class("reference", "sharedmemory", dll);
  R_set_altrep_Length_method(bytes_class, bytes_length);
  R_set_altrep_Serialized_state_method(bytes_class, bytes_state);
  R_set_altrep_Unserialize_method(bytes_class, bytes_from_state);
  R_set_altvec_Dataptr_method(bytes_class, bytes_pointer);
  R_set_altvec_Dataptr_or_null_method(bytes_class, bytes_pointer_or_null);
}

SEXP r_reference_packed(const smem_reference *reference) {
  unsigned char bytes[SMEM_REFERENCE_SIZE];
  size_t length = smem_reference_write(reference, bytes);
  SEXP packed = Rf_allocVector(RAWSXP, (R_xlen_t)length);
  memcpy(RAW(packed), bytes, length);
  return packed;
}

SEXP r_reference_bytes(const smem_reference *reference) {
  SEXP packed = PROTECT(r_reference_packed(reference));
  SEXP result = R_new_altrep(bytes_class, packed, R_NilValue);
  UNPROTECT(1);
  return result;
}

const char *r_reference_read(SEXP bytes, smem_reference *reference) {
  unsigned char copy[SMEM_REFERENCE_SIZE];
  if (TYPEOF(bytes) != RAWSXP || XLENGTH(bytes) > (R_xlen_t)sizeof copy)
    return r_reference_damaged;
  R_xlen_t length = RAW_GET_REGION(bytes, 0, XLENGTH(bytes), copy);
  return smem_reference_read(copy, (size_t)length, reference);
}
