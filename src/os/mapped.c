/* macOS and Windows: what both do alike, because their objects can only be
 * mapped.
 *
 * The last words of a segment are those of its footer: first the seal, as there
 * are no modes to change, then the checksum, which is written last. While that
 * is 0 the segment is incomplete. */
#include "mapped.h"
#ifdef OS_MAPPED

#include <stdatomic.h>

enum {
  FOOTER = 1024,
  WORDS = 2 * OS_WORD, /* of the seal, and the last */
  CONSTANT = FOOTER - WORDS - OS_TAIL_LIVE
};

_Atomic uint64_t *smem__window_word(const struct os_window *window,
                                    size_t length) {
  return (_Atomic uint64_t *)(void *)(window->at + length - OS_WORD);
}

static _Atomic uint64_t *seal_word(const struct os_window *footer) {
  return smem__window_word(footer, FOOTER - OS_WORD);
}

static os_status open_footer(os_object object, const os_info *info,
                             bool writable, struct os_window *footer) {
  return smem__window_open(object, info->size - FOOTER, FOOTER, writable,
                           footer);
}

os_status smem__mapped_inspect(os_object object, os_info *info) {
  struct os_window footer;
  if (info->size == 0) return (os_status){OS_INCOMPLETE, 0};
  /* Not made by us: whoever reads the footer will say what is wrong. */
  if (info->size < FOOTER || info->size % OS_WORD != 0) return OS_SUCCESS;
  os_status status = open_footer(object, info, false, &footer);
  if (status.code != OS_OK) return status;
  if (atomic_load_explicit(smem__window_word(&footer, FOOTER),
                           memory_order_acquire)) {
    /* It is random. */
    info->identity[0] = smem__hash(footer.at, CONSTANT, 1);
    info->identity[1] = smem__hash(footer.at, CONSTANT, 2);
    info->sealed = atomic_load(seal_word(&footer)) != 0;
  } else {
    status.code = OS_INCOMPLETE;
  }
  smem__window_close(&footer);
  return status;
}

os_status smem__os_object_open(const char *name, bool writable,
                               os_object *object, os_info *info) {
  os_status status = smem__mapped_open(name, writable, object, info);
  if (status.code != OS_OK || !writable || !info->sealed) return status;
  smem__os_object_close(*object);
  return (os_status){OS_SEALED, 0};
}

/* There is nothing like stat() by name, so that of another user's object only
 * OS_DENIED is known. */
os_status smem__os_object_stat(const char *name, os_info *info) {
  os_object object;
  os_status status = smem__mapped_open(name, false, &object, info);
  if (status.code == OS_OK) smem__os_object_close(object);
  return status;
}

static os_status publish(os_object object, uint64_t size, const void *tail,
                         size_t length, uint64_t seal) {
  struct os_window window;
  uint64_t word;
  os_status status =
      smem__window_open(object, size - length, length, true, &window);
  if (status.code != OS_OK) return status;
  memcpy(window.at, tail, length - OS_WORD);
  memcpy(window.at + length - WORDS, &seal, sizeof seal);
  memcpy(&word, (const char *)tail + length - OS_WORD, OS_WORD);
  /* Whoever sees this word sees all the rest of the footer. */
  atomic_store_explicit(smem__window_word(&window, length), word,
                        memory_order_release);
  smem__window_close(&window);
  return status;
}

os_status smem__os_object_publish(os_object object, uint64_t size,
                                  const void *tail, size_t length) {
  return publish(object, size, tail, length, 0);
}

/* ---- objects that are sealed before they are seen ------------------------ */

os_status smem__os_object_make(const char *name, uint64_t size,
                               os_object *object) {
  return smem__os_object_create(name, size, object);
}

void smem__os_object_unmake(os_object object, const char *name) {
  smem__os_object_remove(name);
  smem__os_object_close(object);
}

os_status smem__os_object_publish_sealed(os_object object, const char *name,
                                         uint64_t size, const void *tail,
                                         size_t length) {
  (void)name; /* it has that already */
  return publish(object, size, tail, length, 1);
}

os_status smem__os_object_open_sealed(const char *name, os_object *object,
                                      os_info *info) {
  return smem__mapped_open(name, true, object, info);
}

/* ---- the seal ------------------------------------------------------------ */

os_status smem__os_object_seal(const char *name, const uint64_t identity[2],
                               bool sealed) {
  struct os_window footer;
  os_object object;
  os_info info;
  os_status status = smem__mapped_open(name, true, &object, &info);
  if (status.code != OS_OK) return status;
  if (memcmp(identity, info.identity, sizeof info.identity) != 0)
    status = (os_status){OS_NOT_FOUND, 0};
  else
    status = open_footer(object, &info, true, &footer);
  if (status.code == OS_OK) {
    atomic_store(seal_word(&footer), sealed);
    smem__window_close(&footer);
  }
  smem__os_object_close(object);
  return status;
}

os_status smem__os_object_read(os_object object, uint64_t offset, void *buffer,
                               size_t length) {
  struct os_window window;
  if (length == 0) return OS_SUCCESS;
  os_status status = smem__window_open(object, offset, length, false, &window);
  if (status.code != OS_OK) return status;
  memcpy(buffer, window.at, length);
  smem__window_close(&window);
  return status;
}

os_status smem__os_object_write(os_object object, uint64_t offset,
                                const void *buffer, size_t length) {
  struct os_window window;
  if (length == 0) return OS_SUCCESS;
  os_status status = smem__window_open(object, offset, length, true, &window);
  if (status.code != OS_OK) return status;
  memcpy(window.at, buffer, length);
  smem__window_close(&window);
  return status;
}

os_status smem__os_object_remove_own(const char *name) {
  return smem__os_object_remove(name);
}

/* ---- what only Linux can do ---------------------------------------------- */

static const os_status unsupported = {OS_UNSUPPORTED, 0};

os_status smem__os_mappings(const char *prefix, bool copies,
                            bool (*visit)(uint64_t pid,
                                          const uint64_t identity[2],
                                          uint64_t copied, void *context),
                            void *context) {
  (void)prefix;
  (void)copies;
  (void)visit;
  (void)context;
  return unsupported;
}

os_status smem__os_mapping_written(const void *address, uint64_t size,
                                   bool *written) {
  (void)address;
  (void)size;
  (void)written;
  return unsupported;
}

/* Neither limits mappings, nor removes objects. */
void smem__os_mapping_counts(uint64_t *most, uint64_t *own) {
  *most = *own = UINT64_MAX;
}

bool smem__os_cleans_at_logout(void) { return false; }

#endif
