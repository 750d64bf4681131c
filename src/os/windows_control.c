/* Windows: the control object.
 *
 * A section too, that goes with the last process that has it open. It cannot be
 * made without a size, so its size as a control object is a number at its end,
 * where the zeros that it is born with say: none yet. */
#include "windows_system.h"
#ifdef OS_WINDOWS

enum { CONTROL_SIZE = 64 * 1024 };

static os_status show_size(struct windows_object *object) {
  struct os_window window;
  if (object->size != CONTROL_SIZE)
    return smem__windows_status(ERROR_FILE_INVALID);
  os_status status =
      smem__window_open((os_object)object, 0, CONTROL_SIZE, true, &window);
  if (status.code != OS_OK) return status;
  object->view = window.base;
  object->told_size = smem__window_word(&window, CONTROL_SIZE);
  return status;
}

/* The section becomes the opening's, or is closed. */
static os_status adopt(HANDLE section, const char *name, os_object *object) {
  struct windows_object *made;
  os_status status = smem__windows_object_new(section, name, &made);
  if (status.code != OS_OK) return status;
  status = show_size(made);
  if (status.code == OS_OK)
    *object = (os_object)made;
  else
    smem__windows_object_close(made);
  return status;
}

os_status smem__os_control_open(const char *name, os_object *object,
                                os_info *info) {
  HANDLE section;
  smem__windows_fill_info(0, info);
  os_status status = smem__windows_open_section(name, true, &section);
  if (status.code == OS_OK) status = adopt(section, name, object);
  if (status.code != OS_OK) return status;
  return smem__os_control_stat(*object, info);
}

os_status smem__os_control_create(const char *name, os_object *object) {
  HANDLE section;
  os_status status = smem__windows_create_section(name, CONTROL_SIZE, &section);
  if (status.code != OS_OK) return status;
  if (status.number != ERROR_ALREADY_EXISTS)
    return adopt(section, name, object);
  CloseHandle(section);
  return smem__windows_status(ERROR_ALREADY_EXISTS);
}

/* See smem__os_object_claim(). */
os_status smem__os_control_claim(const char *name, os_object *object,
                                 os_info *info) {
  os_status status = smem__os_control_open(name, object, info);
  info->incomplete = status.code == OS_OK && info->size == 0;
  if (!info->incomplete) return status;
  smem__os_object_close(*object);
  return (os_status){OS_BUSY, 0};
}

os_status smem__os_control_stat(os_object object, os_info *info) {
  smem__windows_fill_info(atomic_load(windows_object_of(object)->told_size),
                          info);
  return OS_SUCCESS;
}

os_status smem__os_control_publish(os_object object, const void *page,
                                   size_t size) {
  struct windows_object *control = windows_object_of(object);
  if (size > CONTROL_SIZE - OS_WORD)
    return smem__windows_status(ERROR_DISK_FULL);
  memcpy(control->view, page, size);
  atomic_store(control->told_size, size);
  return OS_SUCCESS;
}

os_status smem__os_control_remove(const char *name) {
  (void)name;
  return OS_SUCCESS;
}

#endif
