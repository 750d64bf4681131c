/* POSIX: what all systems do alike with the control object. */
#include "posix.h"
#ifdef OS_POSIX

os_status smem__os_control_stat(os_object object, os_info *info) {
  return smem__posix_inspect((int)object, info);
}

#endif
