/* Making ALTREP classes. */
#include "altrep.h"

#include <stdio.h>

void r_class_start(R_altrep_class_t class, const struct r_methods *methods) {
  R_set_altrep_Length_method(class, methods->length);
  R_set_altrep_Duplicate_method(class, methods->duplicate);
  R_set_altrep_Inspect_method(class, methods->inspect);
  R_set_altrep_Serialized_state_method(class, methods->state);
  R_set_altrep_Unserialize_method(class, methods->from_state);
  R_set_altvec_Dataptr_method(class, methods->pointer);
  R_set_altvec_Dataptr_or_null_method(class, methods->pointer_or_null);
}

void r_classes_start(R_altrep_class_t classes[R_TYPES], const char *family,
                     DllInfo *dll, const struct r_methods *methods,
                     const struct r_readers *readers) {
  static R_altrep_class_t (*const make[R_TYPES])(const char *, const char *,
                                                 DllInfo *) = {
      R_make_altraw_class, R_make_altlogical_class, R_make_altinteger_class,
      R_make_altreal_class, R_make_altcomplex_class};
  for (int i = 0; i < R_TYPES; i++) {
    char name[40];
    snprintf(name, sizeof name, "%s_%s", family, r_types[i].name);
    classes[i] = make[i](name, "sharedmemory", dll);
    r_class_start(classes[i], methods);
  }
  R_set_altraw_Elt_method(classes[0], readers->raw);
  R_set_altlogical_Elt_method(classes[1], readers->integer);
  R_set_altinteger_Elt_method(classes[2], readers->integer);
  R_set_altreal_Elt_method(classes[3], readers->real);
  R_set_altcomplex_Elt_method(classes[4], readers->complex);
}
