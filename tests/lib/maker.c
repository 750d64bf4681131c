/* Makes what the tests of the command look at, says so, and stays until its
 * input ends; with an argument it ends at once instead, as if it were killed.
 */
#include <smem.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static smem_error error = SMEM_ERROR_INIT;

static void check(smem_code code) {
  char message[1024];
  if (code == SMEM_OK) return;
  smem_error_message(&error, message, sizeof message);
  fprintf(stderr, "maker: %s\n", message);
  exit(1);
}

static void make(const char *name, uint64_t size, smem_lifetime lifetime,
                 const char *trace) {
  smem_request request = SMEM_REQUEST_INIT(size, name);
  request.trace = trace;
  check(smem_allocate(&request, 1, lifetime, true, &error));
}

int main(int argc, char **argv) {
  smem_latch *latch;
  smem_handle *handle;
  const char *sealed = "results";
  (void)argv;
  smem_start(NULL);
  smem_environment(getenv("SHAREDMEMORY_NAMESPACE"), NULL, "a tag");
  make(NULL, 5000, SMEM_UNTIL_FREED, "f(x) <- g(y)");
  make("guarded", 100, SMEM_UNTIL_FREED, NULL);
  make(sealed, 10000000, SMEM_OF_PROCESS, NULL);
  make("\xC3\xA4\xC3\xB6 and a name that is longer than a column", 1,
       SMEM_OF_PROCESS, NULL);
  check(smem_write("guarded", 1, "hello", 5, &error));
  check(smem_seal(&sealed, 1, &error));
  check(smem_open(sealed, SMEM_READ_ONLY, &handle, &error));
  check(smem_latch_open("guarded", &latch, &error));
  check(smem_lock(latch, SMEM_EXCLUSIVE, 0, NULL, &error));
  smem_lock_stamp(latch);
  if (argc > 1) _exit(0);
  puts("ready");
  fflush(stdout);
  getchar();
  check(smem_unlock(latch, &error));
  return 0;
}
