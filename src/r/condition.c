/* The one place where an error of the core becomes an R condition, and where
 * R's interrupts meet the core. */
#include "glue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static SEXP package;   /* the namespace environment */
static SEXP unwinding; /* R's record of a jump that was stopped half-way */
static _Atomic bool jump_waits; /* ... and has to go on */
static _Thread_local bool is_main_thread;

void r_condition_start(SEXP environment) {
  if (package) R_ReleaseObject(package);
  R_PreserveObject(package = environment);
  if (!unwinding) R_PreserveObject(unwinding = R_MakeUnwindCont());
  is_main_thread = true;
}

/* ---- interrupts -------------------------------------------------------------
 *
 * R_CheckUserInterrupt() leaves by a jump, over the core's frames and whatever
 * they would have cleaned up. So it is called where R lets us stop the jump;
 * the core then sees an ordinary answer, cleans up and returns, and r_check()
 * lets the jump go on. Handlers and on.exit() code see the original interrupt.
 */

static SEXP check_interrupt(void *nothing) {
  (void)nothing;
  R_CheckUserInterrupt();
  return R_NilValue;
}

static void stop_jump(void *target, Rboolean jumping) {
  if (jumping) longjmp(*(jmp_buf *)target, 1);
}

bool r_without_jump(SEXP (*run)(void *), void *data) {
  jmp_buf here;
  if (setjmp(here)) return false;
  R_UnwindProtect(run, data, stop_jump, &here, unwinding);
  return true;
}

bool r_postpone_jump(SEXP (*run)(void *), void *data) {
  if (!jump_waits) jump_waits = !r_without_jump(run, data);
  return jump_waits;
}

bool r_interrupted(void) {
  if (!is_main_thread || !unwinding) return false;
  return r_postpone_jump(check_interrupt, NULL);
}

bool r_is_main_thread(void) { return is_main_thread; }

bool r_interrupt_waits(void) { return jump_waits; }

void r_interrupt_forget(void) {
  if (jump_waits && is_main_thread)
    jump_waits = false; /* the cheap one first */
}

SEXP r_package_call(const char *function, SEXP arguments) {
  SEXP call = PROTECT(Rf_lcons(Rf_install(function), arguments));
  SEXP value = Rf_eval(call, package);
  UNPROTECT(1);
  return value;
}

/* ---- conditions ---------------------------------------------------------- */

static SEXP utf8_string(const char *text) {
  return Rf_ScalarString(Rf_mkCharCE(text, CE_UTF8));
}

static void throw_condition(const smem_error *error) {
  char message[2048];
  if (!package) Rf_error("sharedmemory is not loaded");
  r_error_message(error, message, sizeof message);
  SEXP arguments = PROTECT(Rf_allocList(6)), at = arguments;
  SETCAR(at, utf8_string(smem_error_kind(error->code)));
  SETCAR(at = CDR(at), utf8_string(message));
  SETCAR(at = CDR(at),
         error->id[0] ? utf8_string(error->id) : Rf_ScalarString(NA_STRING));
  SETCAR(at = CDR(at), utf8_string(smem_op_name(error->op)));
  SETCAR(at = CDR(at), Rf_ScalarInteger(error->number));
  SETCAR(CDR(at),
         Rf_ScalarReal(error->element ? (double)error->element : NA_REAL));
  SEXP call = PROTECT(Rf_lcons(Rf_install("throw_condition"), arguments));
  Rf_eval(call, package);
  UNPROTECT(2);
}

void r_check(smem_code code, const smem_error *error) {
  if (jump_waits) {
    jump_waits = false;
    R_ContinueUnwind(unwinding);
  }
  if (code != SMEM_OK) throw_condition(error);
}

void r_check_element(smem_code code, smem_error *error, R_xlen_t i,
                     R_xlen_t n) {
  if (code != SMEM_OK && n > 1) error->element = (uint64_t)i + 1;
  r_check(code, error);
}

static void fail(smem_code code, smem_op op, const char *id, const char *format,
                 va_list arguments) {
  smem_error error = {.size = sizeof error, .code = code, .op = op};
  snprintf(error.id, sizeof error.id, "%s", id);
  vsnprintf(error.detail, sizeof error.detail, format, arguments);
  throw_condition(&error);
}

void r_fail(smem_code code, smem_op op, const char *id, const char *format,
            ...) {
  va_list arguments;
  va_start(arguments, format);
  fail(code, op, id, format, arguments);
  va_end(arguments);
  Rf_error("unreachable: the condition was not thrown");
}

void r_fail_argument(smem_op op, const char *id, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fail(SMEM_ARGUMENT, op, id, format, arguments);
  va_end(arguments);
  Rf_error("unreachable: the condition was not thrown");
}
