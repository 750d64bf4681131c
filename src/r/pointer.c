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

static SEXP list; /* the cell before the first */

static void begin_list(void) {
  SEXP end = PROTECT(Rf_cons(R_NilValue, R_NilValue));
  SEXP start = PROTECT(Rf_cons(R_NilValue, end));
  SETCAR(end, start);
  R_PreserveObject(start); /* the only one to be found by searching */
  list = start;
  UNPROTECT(2);
}

static SEXP add_cell(SEXP pointer) {
  SEXP next = CDR(list), cell = Rf_cons(list, next);
  SET_TAG(cell, pointer);
  SETCAR(next, cell);
  SETCDR(list, cell);
  return cell;
}

SEXP r_pointer(smem_mapping *mapping, smem_access access, SEXP id) {
  SEXP cell = smem_mapping_note(mapping, access);
  if (cell) return TAG(cell);
  if (!list) begin_list();
  SEXP ids = PROTECT(Rf_ScalarString(id));
  SEXP pointer = PROTECT(R_MakeExternalPtr(
      smem_mapping_address(mapping, access), ids, R_NilValue));
  smem_mapping_set_note(mapping, access, add_cell(pointer));
  UNPROTECT(2);
  return pointer;
}

void r_pointer_gone(void *note) {
  SEXP cell = note;
  R_ClearExternalPtr(TAG(cell));
  SETCDR(CAR(cell), CDR(cell));
  SETCAR(CDR(cell), CAR(cell));
}

SEXP r_option(const char *name, SEXP *symbol) {
  if (!*symbol) *symbol = Rf_install(name);
  return Rf_GetOption1(*symbol);
}

static const char *spill_asked(void) {
  static SEXP symbol;
  SEXP option = r_option("sharedmemory.spill", &symbol);
  if (option == R_NilValue) return getenv("SHAREDMEMORY_SPILL");
  if (Rf_isLogical(option) && XLENGTH(option) == 1 && !LOGICAL(option)[0])
    return NULL;
  if (!Rf_isString(option) || XLENGTH(option) != 1)
    return "(not a string)"; /* refused as any other that is not a path */
  return CHAR(STRING_ELT(option, 0));
}

void r_environment(void) {
  smem_environment(getenv("SHAREDMEMORY_NAMESPACE"),
                   getenv("SHAREDMEMORY_TIMEOUT"), getenv("SHAREDMEMORY_TAG"));
  smem_directory(getenv("SHAREDMEMORY_DIR"));
}

void r_spill(void) { smem_spill(spill_asked()); }

void r_pointer_collect(void) {
  r_environment();
  smem_collect(r_pointer_gone);
}
