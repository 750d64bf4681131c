/* What native code does with the pointers of the package: read and write. */
#include <R.h>
#include <Rinternals.h>

#include <string.h>

#ifndef _WIN32
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#endif

SEXP is_null(SEXP pointer) {
  return Rf_ScalarLogical(R_ExternalPtrAddr(pointer) == NULL);
}

SEXP peek(SEXP pointer, SEXP offset, SEXP length) {
  const char *at = R_ExternalPtrAddr(pointer);
  if (!at) return R_NilValue;
  R_xlen_t n = (R_xlen_t)Rf_asReal(length);
  SEXP bytes = Rf_allocVector(RAWSXP, n);
  memcpy(RAW(bytes), at + (size_t)Rf_asReal(offset), (size_t)n);
  return bytes;
}

SEXP poke(SEXP pointer, SEXP offset, SEXP bytes) {
  char *at = R_ExternalPtrAddr(pointer);
  if (!at) return Rf_ScalarLogical(FALSE);
  memcpy(at + (size_t)Rf_asReal(offset), RAW(bytes), (size_t)XLENGTH(bytes));
  return Rf_ScalarLogical(TRUE);
}

/* All bytes the same: does every page of the memory exist? */
SEXP fill(SEXP pointer, SEXP length, SEXP byte) {
  char *at = R_ExternalPtrAddr(pointer);
  if (!at) return Rf_ScalarLogical(FALSE);
  memset(at, Rf_asInteger(byte), (size_t)Rf_asReal(length));
  return Rf_ScalarLogical(TRUE);
}

/* As code does that believes that the vector is its own. */
SEXP overwrite(SEXP x, SEXP value) {
  double *at = REAL(x);
  for (R_xlen_t i = 0; i < XLENGTH(x); i++) at[i] = Rf_asReal(value);
  return R_NilValue;
}

#ifndef _WIN32
static sigjmp_buf here;
static void on_fault(int signal) { siglongjmp(here, signal); }

/* Does the operating system refuse to write the first byte? */
SEXP write_faults(SEXP pointer) {
  volatile char *at = R_ExternalPtrAddr(pointer);
  struct sigaction action, old_segv, old_bus;
  volatile int faults = TRUE;
  if (!at) return Rf_ScalarLogical(NA_LOGICAL);
  memset(&action, 0, sizeof action);
  action.sa_handler = on_fault;
  sigaction(SIGSEGV, &action, &old_segv);
  sigaction(SIGBUS, &action, &old_bus);
  if (sigsetjmp(here, 1) == 0) {
    *at = *at;
    faults = FALSE;
  }
  sigaction(SIGSEGV, &old_segv, NULL);
  sigaction(SIGBUS, &old_bus, NULL);
  return Rf_ScalarLogical(faults);
}

/* What `ulimit -n` does, but for a process that runs already. */
SEXP limit_files(SEXP count) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = (rlim_t)Rf_asInteger(count);
  return Rf_ScalarLogical(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}
#endif
