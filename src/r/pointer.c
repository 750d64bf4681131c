/* External pointers: one per mapping and access, kept alive while it is mapped.
 *
 * R_ReleaseObject() searches all preserved objects; with 50,000 segments mapped
 * an unmap would take as long as thousands of system calls. So the pointers
 * hang in one preserved, doubly linked list of pairlist cells (CAR: the
 * previous, CDR: the next, TAG: the pointer), and a mapping remembers its cell.
 * They have no finalizers: a pointer that nobody holds any more must not unmap,
 * the count does. */
#include "glue.h"

#include <stdlib.h>

static SEXP list;  /* the cell before the first */
static SEXP spare; /* a cell whose pointer is not in use yet, or R_NilValue */

void r_pointer_prepare(void) {
  if (!spare) {
    SEXP end = PROTECT(Rf_cons(R_NilValue, R_NilValue));
    SEXP start = PROTECT(Rf_cons(R_NilValue, end));
    SEXP keeper = PROTECT(Rf_cons(R_NilValue, start));
    SETCAR(end, start);
    R_PreserveObject(keeper); /* the only one to be found by searching */
    list = start;
    spare = keeper;
    UNPROTECT(3);
  }
  if (TAG(spare) != R_NilValue) return;
  SEXP id = PROTECT(Rf_allocVector(STRSXP, 1));
  SEXP pointer = PROTECT(R_MakeExternalPtr(NULL, id, R_NilValue));
  SEXP cell = PROTECT(Rf_cons(R_NilValue, R_NilValue));
  SET_TAG(cell, pointer);
  SET_TAG(spare, cell);
  UNPROTECT(3);
}

static SEXP take_spare(void) {
  SEXP cell = TAG(spare), next = CDR(list);
  SETCAR(cell, list);
  SETCDR(cell, next);
  SETCAR(next, cell);
  SETCDR(list, cell);
  SET_TAG(spare, R_NilValue);
  return cell;
}

SEXP r_pointer(smem_mapping *mapping, smem_access access, SEXP id) {
  SEXP cell = mapping->attached[access];
  if (cell) return TAG(cell);
  cell = take_spare();
  SEXP pointer = TAG(cell);
  SET_STRING_ELT(R_ExternalPtrTag(pointer), 0, id);
  R_SetExternalPtrAddr(pointer, mapping->address[access]);
  mapping->attached[access] = cell;
  return pointer;
}

void r_pointer_clear(smem_detached *detached) {
  for (int access = 0; access < 2; access++) {
    SEXP cell = detached->attached[access];
    if (!cell) continue;
    R_ClearExternalPtr(TAG(cell));
    SETCDR(CAR(cell), CDR(cell));
    SETCAR(CDR(cell), CAR(cell));
  }
}

void r_environment(void) {
  smem_environment(getenv("SHAREDMEMORY_NAMESPACE"),
                   getenv("SHAREDMEMORY_TIMEOUT"), getenv("SHAREDMEMORY_TAG"));
}

void r_pointer_collect(void) {
  smem_detached detached;
  r_environment();
  while (smem_collect(&detached)) r_pointer_clear(&detached);
}
