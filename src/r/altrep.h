/* What the ALTREP classes of views and of leaves have in common. */
#ifndef SHAREDMEMORY_R_ALTREP_H
#define SHAREDMEMORY_R_ALTREP_H

#include "glue.h"

#include <R_ext/Altrep.h>

/* The methods that every class has. */
struct r_methods {
  R_xlen_t (*length)(SEXP x);
  SEXP (*duplicate)(SEXP x, Rboolean deep);
  Rboolean (*inspect)(SEXP x, int before, int deep, int vectors,
                      void (*subtree)(SEXP, int, int, int));
  SEXP (*state)(SEXP x);
  SEXP (*from_state)(SEXP class, SEXP state);
  void *(*pointer)(SEXP x, Rboolean writable);
  const void *(*pointer_or_null)(SEXP x);
};
void r_class_start(R_altrep_class_t class, const struct r_methods *methods);

/* The methods that read an element, one for each way to read one. */
struct r_readers {
  Rbyte (*raw)(SEXP x, R_xlen_t i);
  int (*integer)(SEXP x, R_xlen_t i);
  double (*real)(SEXP x, R_xlen_t i);
  Rcomplex (*complex)(SEXP x, R_xlen_t i);
};

/* Defines the struct r_readers `readers`: elements are at bytes(x). A macro, so
 * that each of them has that function inline: R calls them for every x[i]. */
#define R_READER(name, type, bytes)                                            \
  static type read_##name(SEXP x, R_xlen_t i) {                                \
    return ((const type *)(const void *)bytes(x))[i];                          \
  }
#define R_READERS(bytes)                                                       \
  R_READER(raw, Rbyte, bytes)                                                  \
  R_READER(integer, int, bytes)                                                \
  R_READER(real, double, bytes)                                                \
  R_READER(complex, Rcomplex, bytes)                                           \
  static const struct r_readers readers = {read_raw, read_integer, read_real,  \
                                           read_complex};

/* One class for each of r_types, of this family: "view" makes "view_raw" ... */
void r_classes_start(R_altrep_class_t classes[R_TYPES], const char *family,
                     DllInfo *dll, const struct r_methods *methods,
                     const struct r_readers *readers);

#endif
