/* A client that is compiled against headers of other versions than the
 * installed one. Uses only what the oldest of them has. */
#define R_NO_REMAP
#include <R.h>
#include <Rinternals.h>

#include <sharedmemory.h>

#include <string.h>

static const sharedmemory_api *shm;

enum { GUARD = 0x55, BEHIND = 2000 };

/* Structs as this client knows them, and what lies behind them. */
static struct {
  smem_error error;
  unsigned char behind_error[BEHIND];
  smem_limits limits;
  unsigned char behind_limits[BEHIND];
} mine = {SMEM_ERROR_INIT, {0}, SMEM_LIMITS_INIT, {0}};

static int is_whole(const unsigned char *behind) {
  for (int i = 0; i < BEHIND; i++)
    if (behind[i] != GUARD) return 0;
  return 1;
}

SEXP handshake_sizes(void) {
  SEXP sizes = Rf_allocVector(REALSXP, 4);
  REAL(sizes)[0] = (double)sizeof(sharedmemory_api);
  REAL(sizes)[1] = (double)shm->size;
  REAL(sizes)[2] = SHAREDMEMORY_API_VERSION;
  REAL(sizes)[3] = shm->version;
  return sizes;
}

/* Names of what does not work as it should. */
SEXP handshake_works(void) {
  double numbers[] = {1, 2, 3};
  smem_request request = SMEM_REQUEST_INIT(sizeof numbers, NULL);
  smem_handle *handle;
  char number[SMEM_NUMBER_SIZE];
  const char *id = number;
  const char *wrong = "";
  memset(mine.behind_error, GUARD, BEHIND);
  memset(mine.behind_limits, GUARD, BEHIND);
  if (shm->allocate(&request, 1, SMEM_OF_PROCESS, true, &mine.error))
    return Rf_mkString("allocate");
  shm->id_of_number(request.number, number);
  if (shm->write(id, 0, numbers, sizeof numbers, &mine.error)) wrong = "write";
  if (shm->open(id, SMEM_READ_ONLY, &handle, &mine.error))
    return Rf_mkString("open");
  if (((double *)handle->address)[2] != 3) wrong = "address";
  shm->limits_get(&mine.limits);
  if (mine.limits.capacity == 0 || mine.limits.size != sizeof mine.limits)
    wrong = "limits";
  shm->close(handle);
  if (shm->free(&id, 1, &mine.error)) wrong = "free";
  if (shm->open(id, SMEM_READ_ONLY, &handle, &mine.error) != SMEM_NOT_FOUND ||
      mine.error.code != SMEM_NOT_FOUND || strcmp(mine.error.id, id) ||
      mine.error.size != sizeof mine.error)
    wrong = "error";
  if (!is_whole(mine.behind_error)) wrong = "what lies behind the error";
  if (!is_whole(mine.behind_limits)) wrong = "what lies behind the limits";
  return Rf_mkString(wrong);
}

void R_init_handshake(DllInfo *dll) {
  (void)dll;
  shm = sharedmemory_init("handshake");
}
