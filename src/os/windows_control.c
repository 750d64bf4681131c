/* Windows: the control object.
 *
 * A section too, that goes with the last process that has it open. It cannot be
 * made without a size, so its size as a control object is a number at its end,
 * where the zeros that it is born with say: none yet. */
#include "windows_system.h"
#ifdef OS_WINDOWS

enum { CONTROL_SIZE = 64 * 1024 };

static os_status show_size(struct windows_object *object) {
  struct windows_window window = {0};
  if (object->size != CONTROL_SIZE) return windows_status(ERROR_FILE_INVALID);
  os_status status =
      windows_window_open(object, 0, CONTROL_SIZE, FILE_MAP_WRITE, &window);
  if (status.code != OS_OK) return status;
  object->view = window.base;
  object->told_size = windows_last_word(&window, CONTROL_SIZE);
  return status;
}

os_status os_control_open(const char *name, bool create, os_object *object,
                          os_info *info) {
  struct windows_object *made;
  HANDLE section;
  windows_fill_info(0, info);
  os_status status = create
                         ? windows_create_section(name, CONTROL_SIZE, &section)
                         : windows_open_section(name, true, &section);
  if (status.code == OS_OK) status = windows_object_new(section, name, &made);
  if (status.code != OS_OK) return status;
  status = show_size(made);
  if (status.code != OS_OK) {
    windows_object_close(made);
    return status;
  }
  *object = (os_object)made;
  return os_control_stat(*object, info);
}

os_status os_control_stat(os_object object, os_info *info) {
  windows_fill_info(atomic_load(windows_object_of(object)->told_size), info);
  return OS_SUCCESS;
}

os_status os_control_resize(os_object object, uint64_t size) {
  struct windows_object *control = windows_object_of(object);
  if (size > CONTROL_SIZE - WINDOWS_LAST)
    return windows_status(ERROR_DISK_FULL);
  memset(control->view, 0, (size_t)size);
  atomic_store(control->told_size, size);
  return OS_SUCCESS;
}

os_status os_control_remove(const char *name) {
  (void)name;
  return OS_SUCCESS;
}

#endif
