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
  sharedmemory_error error;
  unsigned char behind_error[BEHIND];
  sharedmemory_info info;
  unsigned char behind_info[BEHIND];
} mine = {SHAREDMEMORY_ERROR_INIT, {0}, SHAREDMEMORY_INFO_INIT, {0}};

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
  sharedmemory_request request = SHAREDMEMORY_REQUEST_INIT;
  sharedmemory_handle *handle;
  char id[SHAREDMEMORY_ID_SIZE];
  double numbers[] = {1, 2, 3};
  const char *wrong = "";
  memset(mine.behind_error, GUARD, BEHIND);
  memset(mine.behind_info, GUARD, BEHIND);
  request.bytes = sizeof numbers;
  if (shm->allocate(&request, id, &mine.error)) return Rf_mkString("allocate");
  if (shm->fill(id, 0, numbers, sizeof numbers, &mine.error)) wrong = "fill";
  if (shm->map(id, 1, &handle, &mine.error)) return Rf_mkString("map");
  if (((double *)shm->address(handle))[2] != 3) wrong = "address";
  if (shm->info(id, &mine.info, &mine.error) || mine.info.requested != 24 ||
      mine.info.size != sizeof mine.info)
    wrong = "info";
  shm->unmap(handle);
  if (shm->free(id, &mine.error)) wrong = "free";
  if (shm->map(id, 1, &handle, &mine.error) != SHAREDMEMORY_NOT_FOUND ||
      mine.error.code != SHAREDMEMORY_NOT_FOUND || strcmp(mine.error.id, id) ||
      mine.error.size != sizeof mine.error)
    wrong = "error";
  if (!is_whole(mine.behind_error)) wrong = "what lies behind the error";
  if (!is_whole(mine.behind_info)) wrong = "what lies behind the info";
  return Rf_mkString(wrong);
}

void R_init_handshake(DllInfo *dll) {
  (void)dll;
  shm = sharedmemory_init("handshake");
}
