/* Fills a segment with a million numbers, and lets R have it:
 *
 *   cc producer.c $(pkg-config --cflags --libs smem) -lm -o producer
 *   ./producer && Rscript consumer.R */
#include <smem.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 1000000 };

static void check(smem_code code, const smem_error *error) {
  char message[1024];
  if (code == SMEM_OK) return;
  smem_error_message(error, message, sizeof message);
  fprintf(stderr, "producer: %s\n", message);
  exit(1);
}

int main(void) {
  const char *name = "waves";
  smem_request request = SMEM_REQUEST_INIT(COUNT * sizeof(double), name);
  smem_handle *handle;
  smem_error error = SMEM_ERROR_INIT;
  smem_start(NULL);
  smem_environment(getenv("SHAREDMEMORY_NAMESPACE"), NULL, NULL);

  /* All of the memory is ours from here on, or this is an error. */
  check(smem_allocate(&request, 1, SMEM_UNTIL_FREED, true, &error), &error);
  check(smem_open(name, SMEM_READ_WRITE, &handle, &error), &error);
  double *wave = handle->address;
  for (int i = 0; i < COUNT; i++) wave[i] = sin(i * 1e-3);
  smem_close(handle);

  /* Nobody changes it any more, so R may take it for a vector. */
  check(smem_seal(&name, 1, &error), &error);
  printf("%s\n", name);
  return 0;
}
