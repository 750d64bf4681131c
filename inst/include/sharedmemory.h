/* sharedmemory: operating system shared memory for R packages, from C and C++.
 *
 * The types, and what each function does, are those of smem.h, which comes with
 * this header: it is the contract. Here is how a package of R gets at them.
 *
 * A client has in its DESCRIPTION
 *
 *     LinkingTo: sharedmemory
 *     Imports: sharedmemory
 *
 * imports any function of the package in its NAMESPACE, so that it is loaded,
 * and asks once for the table of functions, in the R_init_ of its own library:
 *
 *     #include <sharedmemory.h>
 *     const sharedmemory_api *shm;
 *
 *     void R_init_client(DllInfo *dll) { shm = sharedmemory_init("client"); }
 *
 * From then on `shm->allocate(...)` and so on, which are smem_allocate() and so
 * on of smem.h, may be called, from any thread. Ids are those of the R
 * functions: what is allocated here is listed, viewed and freed there, and the
 * other way round.
 *
 * This header is C99 and C++11. It includes R_ext/Error.h. As all of R's
 * headers that makes macros of common names such as `error` and `length`:
 * define R_NO_REMAP, or include this behind R's headers, and those of the C++
 * library before them. */
#ifndef SHAREDMEMORY_H
#define SHAREDMEMORY_H

#include <R_ext/Error.h>
#include <R_ext/Rdynload.h>

#include "smem.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- views --------------------------------------------------------------- */

/* Element types of a view. */
enum {
  SHAREDMEMORY_RAW = 0,
  SHAREDMEMORY_LOGICAL = 1,
  SHAREDMEMORY_INTEGER = 2,
  SHAREDMEMORY_DOUBLE = 3,
  SHAREDMEMORY_COMPLEX = 4
};

struct SEXPREC;

/* ---- the functions ----------------------------------------------------------
 *
 * What smem.h says holds, and beside it:
 *
 * Threads: all but view() may be called from any thread. Only on R's main
 * thread is the environment read (see smem_environment()), and is Ctrl-C
 * noticed: SMEM_INTERRUPTED. R has been told then and will not say it again:
 * give up what you are doing and return to R.
 *
 * What is not here belongs to the package: it starts, joins and stops, and the
 * mappings that are counted are those of mapSharedMemory().
 *
 * error_message() says what can be done in terms of R. */
#define SHAREDMEMORY_API_VERSION 1

typedef struct sharedmemory_api {
  size_t size; /* of this table in the package that is installed */
  int version; /* SHAREDMEMORY_API_VERSION likewise */

  /* ids and errors */
  uint64_t (*random)(void);
  const char *(*error_kind)(smem_code code);
  const char *(*op_name)(smem_op op);
  int (*error_message)(const smem_error *error, char *buffer, unsigned length);
  int (*error_message_with)(const smem_error *error, const char *advice,
                            char *buffer, unsigned length);
  bool (*id_is_raw)(const char *id);
  bool (*id_is_valid)(const char *id, size_t length, const char **why);
  bool (*is_utf8)(const char *text);
  void (*copy_text)(char *to, size_t room, const char *from);
  void (*id_of_number)(uint64_t number, char *buffer);
  bool (*id_is_number)(const char *id, uint64_t *number);

  /* segments */
  smem_code (*allocate)(smem_request *requests, size_t count,
                        smem_lifetime lifetime, bool exclusive,
                        smem_error *error);
  void (*undo_allocate)(smem_request *requests, size_t count);
  smem_code (*exists)(const char *id, bool *exists, smem_error *error);
  smem_code (*extent)(const char *id, uint64_t *capacity, uint64_t *requested,
                      smem_error *error);
  smem_code (*seal)(const char *const *ids, size_t count, smem_error *error);

  /* handles and references */
  smem_code (*open)(const char *id, smem_access access, smem_handle **handle,
                    smem_error *error);
  void (*close)(smem_handle *handle);
  bool (*handle_is_findable)(const smem_handle *handle);
  bool (*handle_is_written)(const smem_handle *handle);
  void (*refer)(const smem_handle *handle, smem_reference *reference);
  smem_code (*here)(uint64_t place[2], smem_error *error);
  smem_code (*open_reference)(const smem_reference *reference,
                              smem_access access, smem_handle **handle,
                              smem_error *error);
  bool (*id_means)(const smem_reference *reference, const smem_handle *handle);
  size_t (*reference_write)(const smem_reference *reference,
                            unsigned char bytes[SMEM_REFERENCE_SIZE]);
  const char *(*reference_read)(const unsigned char *bytes, size_t length,
                                smem_reference *reference);

  /* bytes */
  smem_code (*read)(const char *id, uint64_t offset, void *to, uint64_t length,
                    smem_error *error);
  smem_code (*write)(const char *id, uint64_t offset, const void *from,
                     uint64_t length, smem_error *error);
  smem_code (*read_some)(const char *id,
                         void *(*choose)(uint64_t capacity, uint64_t requested,
                                         uint64_t *offset, uint64_t *length,
                                         void *context),
                         void *context, smem_error *error);

  /* locks */
  smem_code (*latch_open)(const char *id, smem_latch **latch,
                          smem_error *error);
  smem_code (*latch_open_reference)(const smem_reference *reference,
                                    smem_latch **latch, smem_error *error);
  void (*latch_close)(smem_latch *latch);
  const char *(*latch_id)(const smem_latch *latch);
  smem_latch *(*latch_held)(const char *id);
  smem_code (*lock)(smem_latch *latch, smem_mode mode, uint64_t timeout,
                    smem_told *told, smem_error *error);
  smem_code (*unlock)(smem_latch *latch, smem_error *error);
  bool (*lock_quickly)(smem_latch *latch);
  bool (*unlock_quickly)(smem_latch *latch);
  void (*lock_repaired)(smem_latch *latch);
  void (*lock_stamp)(smem_latch *latch);
  void (*lock_break)(smem_latch *latch);

  /* semaphores, events, barriers */
  smem_code (*sync_open)(smem_sync_kind kind, const char *id, uint32_t count,
                         smem_sync **sync, smem_error *error);
  smem_code (*sync_open_reference)(smem_sync_kind kind,
                                   const smem_reference *reference,
                                   smem_sync **sync, smem_error *error);
  void (*sync_refer)(const smem_sync *sync, smem_reference *reference);
  void (*sync_close)(smem_sync *sync);
  uint32_t (*sync_count)(const smem_sync *sync);
  smem_code (*acquire)(smem_sync *semaphore, uint64_t timeout, smem_told *told,
                       smem_error *error);
  smem_code (*release)(smem_sync *semaphore, smem_error *error);
  void (*permits)(const smem_sync *semaphore, uint32_t *available,
                  uint32_t *held);
  smem_code (*event_wait)(smem_sync *event, uint64_t timeout,
                          smem_error *error);
  void (*event_set)(smem_sync *event);
  void (*event_reset)(smem_sync *event);
  bool (*event_is_set)(const smem_sync *event);
  smem_code (*barrier_wait)(smem_sync *barrier, uint64_t timeout,
                            smem_error *error);

  /* numbers */
  bool (*add_int32)(int32_t *at, int64_t by, int32_t *before);
  bool (*add_uint32)(uint32_t *at, int64_t by, uint32_t *before);
  bool (*add_int64)(int64_t *at, int64_t by, int64_t *before);
  void (*add_double)(double *at, double by, double *before);
  bool (*compare_and_set)(void *at, const void *old, const void *value,
                          size_t size);

  /* what there is */
  const char *(*state_name)(smem_state state);
  smem_code (*list)(bool (*visit)(const smem_entry *entry, void *context),
                    void *context, smem_error *error);
  smem_code (*mapped_by)(const char *id, bool copies,
                         bool (*visit)(uint64_t pid, const uint64_t identity[2],
                                       uint64_t copied, void *context),
                         void *context, smem_error *error);
  void (*command)(uint64_t pid, char *buffer, size_t length);
  smem_code (*inspect)(const char *id, void *bytes, size_t *length, char *path,
                       size_t path_length,
                       void (*visit)(const smem_entry *entry, void *context),
                       void *context, smem_error *error);
  smem_code (*reclaim)(bool dry_run, bool persistent,
                       void (*visit)(const smem_entry *entry, smem_fate fate,
                                     void *context),
                       void *context, smem_error *error);
  smem_code (*shares)(void (*visit)(const smem_share *share, void *context),
                      void *context, smem_error *error);
  void (*limits_get)(smem_limits *limits);
  void (*user_name)(uint64_t user, char *buffer, size_t length);
  smem_code (*own_namespace)(char space[SMEM_NAMESPACE_SIZE],
                             smem_error *error);
  smem_code (*last_index)(uint64_t *index, smem_error *error);

  /* R's own */

  /* smem_free(), without `gone`. The pointers of R's mapSharedMemory() in this
   * process stay good until the next call of an R function of this package, and
   * are NULL then. */
  smem_code (*free)(const char *const *ids, size_t count, smem_error *error);

  /* An R vector on `length` elements from `offset` (bytes, a multiple of the
   * element's size) on, as by viewSharedMemory(). It has a mapping of its own:
   * the handle may be closed. *view is not protected from R's garbage
   * collector. It is a value: what is written to it stays there. The segment
   * must be sealed; `live`: it need not be, and then the elements change when
   * somebody writes to it, while R believes that they cannot (see
   * ?viewSharedMemory; not for SHAREDMEMORY_LOGICAL). ONLY on R's main thread,
   * otherwise SMEM_ARGUMENT. SMEM_UNSEALED, SMEM_BOUNDS, SMEM_TOO_MANY_MAPS;
   * SMEM_ARGUMENT if a logical element is not FALSE, TRUE or NA; SMEM_NOT_FOUND
   * or SMEM_REPLACED if the segment was freed since it was opened. */
  smem_code (*view)(const smem_handle *handle, int type, uint64_t offset,
                    uint64_t length, bool live, struct SEXPREC **view,
                    smem_error *error);

  /* which limits will bite */

  bool (*limit_bites)(const smem_limits *limits, smem_limit which);
  const char *(*limit_name)(smem_limit which);
  const char *(*limit_remedy)(smem_limit which);
} sharedmemory_api;

/* ---- the table ----------------------------------------------------------- */

/* The functions of the installed package; the table is never freed. Call it in
 * R_init_<client>(), or anywhere on R's main thread; it is an R error, with a
 * message for the user, if the installed package is older than this header. A
 * newer one serves clients of older headers. */
static inline const sharedmemory_api *sharedmemory_init(const char *client) {
  typedef const sharedmemory_api *(*getter)(void);
  /* By way of void (*)(void), which compilers let any function be cast from. */
  const sharedmemory_api *api = ((getter)(void (*)(void))R_GetCCallable(
      "sharedmemory", "sharedmemory_api"))();
  if (api->version < SHAREDMEMORY_API_VERSION ||
      api->size < sizeof(sharedmemory_api))
    Rf_error("%s was built for version %d of the C interface of sharedmemory, "
             "the installed package has version %d: update sharedmemory",
             client, SHAREDMEMORY_API_VERSION, api->version);
  return api;
}

#ifdef __cplusplus
}
#endif
#endif
