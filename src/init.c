/* Load: what R calls by itself. Unloading is r_unload(), which .onUnload()
 * calls: R does not find an R_unload_<package>() in a library whose symbols are
 * not searched. */
#include "os/os.h"
#include "r/glue.h"

#include <R_ext/Visibility.h>

/* void (*)(void) is the one function type that compilers let any other be cast
 * to and from without a warning. */
#define ENTRY(name, arguments)                                                 \
  { #name, (DL_FUNC)(void (*)(void))r_##name, arguments }

static const R_CallMethodDef entries[] = {ENTRY(load, 1),
                                          ENTRY(allocate, 4),
                                          ENTRY(map, 2),
                                          ENTRY(unmap, 1),
                                          ENTRY(free, 1),
                                          ENTRY(has, 1),
                                          ENTRY(get_size, 1),
                                          ENTRY(last_index, 0),
                                          ENTRY(join, 0),
                                          ENTRY(leave, 0),
                                          ENTRY(unload, 0),
                                          ENTRY(list, 3),
                                          ENTRY(savings, 0),
                                          ENTRY(reclaim, 2),
                                          ENTRY(inspect, 2),
                                          ENTRY(status, 0),
                                          ENTRY(random, 0),
                                          ENTRY(read, 4),
                                          ENTRY(write, 3),
                                          ENTRY(view, 5),
                                          ENTRY(seal, 1),
                                          ENTRY(array_new, 4),
                                          ENTRY(array_length, 1),
                                          ENTRY(array_dim, 1),
                                          ENTRY(array_set_dim, 2),
                                          ENTRY(array_id, 2),
                                          ENTRY(array_type, 1),
                                          ENTRY(array_get, 2),
                                          ENTRY(array_get_part, 3),
                                          ENTRY(array_get_element, 3),
                                          ENTRY(array_set, 3),
                                          ENTRY(array_set_part, 3),
                                          ENTRY(array_set_element, 4),
                                          ENTRY(array_reduce, 3),
                                          ENTRY(share, 3),
                                          ENTRY(unshare, 1),
                                          ENTRY(open_shared, 1),
                                          ENTRY(is_shared, 1),
                                          ENTRY(shared_id, 2),
                                          ENTRY(lock, 3),
                                          ENTRY(unlock, 1),
                                          ENTRY(with_lock, 5),
                                          ENTRY(fetch_add, 3),
                                          ENTRY(compare_and_set, 4),
                                          ENTRY(sync_open, 3),
                                          ENTRY(sync_id, 2),
                                          ENTRY(sync_count, 1),
                                          ENTRY(semaphore_acquire, 2),
                                          ENTRY(semaphore_release, 1),
                                          ENTRY(semaphore_permits, 1),
                                          ENTRY(event_wait, 2),
                                          ENTRY(event_set, 2),
                                          ENTRY(event_is_set, 1),
                                          ENTRY(barrier_wait, 2),
                                          ENTRY(here, 0),
                                          ENTRY(receiver, 1),
                                          ENTRY(values, 1),
                                          ENTRY(reference, 1),
                                          ENTRY(open_reference, 1),
                                          ENTRY(let_go, 1),
                                          ENTRY(image_new, 1),
                                          ENTRY(image_head, 1),
                                          ENTRY(image_digest, 1),
                                          ENTRY(image_send, 3),
                                          ENTRY(image_end, 1),
                                          ENTRY(arrival_new, 1),
                                          ENTRY(arrival_write, 3),
                                          ENTRY(arrival_publish, 1),
                                          ENTRY(arrival_end, 1),
                                          {NULL, NULL, 0}};

static void in_this_library(void) {}

/* When a library is unloaded, R takes the methods from all ALTREP classes that
 * were registered for it, and every vector of these classes is an error from
 * then on, for good: save.image() fails for the whole workspace. This library
 * stays in memory, as fork and exit handlers of it may be called after an
 * unload. So the classes belong to no library, as R's own do, and are made
 * once: views outlive any number of unloads. */
static void make_classes(DllInfo *dll) {
  static bool stays;
  if (stays) return;
  stays = smem__os_pin_library(in_this_library);
  r_view_start(stays ? NULL : dll);
  r_shared_start(stays ? NULL : dll);
  r_reference_start(stays ? NULL : dll);
}

void attribute_visible R_init_sharedmemory(DllInfo *dll) {
  R_registerRoutines(dll, NULL, entries, NULL, NULL);
  R_useDynamicSymbols(dll, FALSE);
  R_forceSymbols(dll, TRUE);
  make_classes(dll);
  r_api_start();
  smem_start(r_interrupted);
  r_environment();
  r_spill();
}
