/* Shared by the systems whose objects can be mapped, but neither read nor
 * written: macOS and Windows. */
#ifndef SHAREDMEMORY_OS_MAPPED_H
#define SHAREDMEMORY_OS_MAPPED_H

#include "system.h"

#ifdef OS_MAPPED

enum { OS_WORD = 8 }; /* bytes of the word that is written last */

/* ---- of each system ------------------------------------------------------ */

/* A part of an object, mapped for a moment. */
struct os_window {
  void *base;
  size_t length; /* from `base` on */
  char *at;      /* the bytes asked for */
};

os_status smem__window_open(os_object object, uint64_t offset, size_t length,
                            bool writable, struct os_window *window);
void smem__window_close(struct os_window *window);

/* smem__os_object_open() without regard to the seal. */
os_status smem__mapped_open(const char *name, bool writable, os_object *object,
                            os_info *info);

/* ---- mapped.c ------------------------------------------------------------ */

/* Is the footer of an object of info->size bytes there, and which one is it? */
os_status smem__mapped_inspect(os_object object, os_info *info);

/* The word that ends with a window's first `length` bytes. */
_Atomic uint64_t *smem__window_word(const struct os_window *window,
                                    size_t length);

#endif
#endif
