/* Windows: named objects are sections backed by the page file, `Local\name`,
 * which every process of the login session can open.
 *
 * The kernel frees a section with its last handle and last view, and takes away
 * its NAME with the last handle, whatever views there are. So orphans cannot
 * exist, and this file holds one handle per opening as long as it is needed:
 *
 *   what this process has     needs the handle until
 *   an os_object              smem__os_object_close()
 *   smem__os_object_keep()    smem__os_object_remove() of its name
 *   smem__os_object_map()     smem__os_unmap(), or smem__os_object_remove() of
 *                             its name: the view stays and the name goes
 *
 * Another process that holds a section, if only for the moment in which it
 * looks at it, keeps the name alive too, and nothing can take that from it:
 * after smem__os_object_remove() the name may go on leading to the section
 * until all others have let go.
 *
 * A section is born full-size and filled with zeros, the page file space for it
 * charged. It is incomplete as long as its last 8 bytes are zero: those of the
 * footer's checksum, written last. Only names that begin with "smem" have a
 * footer; another program's section is complete from its first byte on.
 *
 *   state        last 8 bytes   reached by
 *   absent            -         the last handle closed, also by a death
 *   incomplete        0         CreateFileMapping
 *   complete       checksum     smem__os_object_publish()
 *
 * Sections have whole pages, and do not tell what was asked for: sizes are
 * multiples of smem__os_page_size(). */
#include "windows_system.h"
#ifdef OS_WINDOWS

/* user: what belongs to another cannot be opened. */
void smem__windows_fill_info(uint64_t size, os_info *info) {
  memset(info, 0, sizeof *info);
  info->size = size;
  info->resident = size; /* charged, if not in memory */
  info->user = smem__os_user();
}

os_status smem__windows_window_open(os_object object, uint64_t offset,
                                    size_t length, DWORD rights,
                                    struct os_window *window) {
  const struct windows_object *opened = windows_object_of(object);
  uint64_t start = offset - offset % WINDOWS_GRANULE;
  size_t before = (size_t)(offset - start);
  if (offset > opened->size || length > opened->size - offset)
    return (os_status){OS_FAILED, 0};
  window->length = before + length;
  window->base = MapViewOfFile(opened->section, rights, (DWORD)(start >> 32),
                               (DWORD)(start & 0xFFFFFFFFu), window->length);
  if (!window->base) return smem__windows_last();
  window->at = (char *)window->base + before;
  return OS_SUCCESS;
}

os_status smem__window_open(os_object object, uint64_t offset, size_t length,
                            bool writable, struct os_window *window) {
  return smem__windows_window_open(object, offset, length,
                                   writable ? FILE_MAP_WRITE : FILE_MAP_READ,
                                   window);
}

void smem__window_close(struct os_window *window) {
  UnmapViewOfFile(window->base);
}

/* ---- objects ------------------------------------------------------------- */

os_status smem__windows_create_section(const char *name, uint64_t size,
                                       HANDLE *section) {
  struct windows_name wide;
  smem__windows_start();
  if (!smem__windows_to_wide(name, &wide)) return smem__windows_last();
  SetLastError(0);
  *section =
      CreateFileMappingW(INVALID_HANDLE_VALUE, &smem__windows_own.security,
                         PAGE_READWRITE | SEC_COMMIT, (DWORD)(size >> 32),
                         (DWORD)(size & 0xFFFFFFFFu), wide.text);
  /* Opened, not created, also counts as success: the error number tells. */
  return *section ? (os_status){OS_OK, (int)GetLastError()}
                  : smem__windows_last();
}

os_status smem__os_object_create(const char *name, uint64_t size,
                                 os_object *object) {
  struct windows_object *made;
  HANDLE section;
  if (size == 0 || size % smem__os_page_size() != 0)
    return smem__windows_status(ERROR_INVALID_PARAMETER);
  /* Beyond all bounds a size is an invalid parameter, not a lack of space. */
  if (size > ((uint64_t)64 << 20) && size > smem__os_free_space("", NULL, 0))
    return smem__windows_status(ERROR_COMMITMENT_LIMIT);
  os_status status = smem__windows_create_section(name, size, &section);
  if (status.code == OS_NOT_REGULAR) status.code = OS_EXISTS;
  if (status.code != OS_OK) return status;
  if (status.number == ERROR_ALREADY_EXISTS) {
    CloseHandle(section);
    return smem__windows_status(ERROR_ALREADY_EXISTS);
  }
  status = smem__windows_object_new(section, name, &made);
  if (status.code == OS_OK) *object = (os_object)made;
  return status;
}

/* The space was charged when it was created. */
os_status smem__os_object_reserve(os_object object, uint64_t size,
                                  uint64_t largest,
                                  os_interrupted interrupted) {
  (void)largest;
  (void)object;
  (void)size;
  (void)interrupted;
  return OS_SUCCESS;
}

os_status smem__windows_open_section(const char *name, bool writable,
                                     HANDLE *section) {
  struct windows_name wide;
  smem__windows_start();
  if (!smem__windows_to_wide(name, &wide)) return smem__windows_last();
  DWORD access = SECTION_QUERY | FILE_MAP_READ; /* the first: to ask its size */
  if (writable) access |= FILE_MAP_WRITE;
  *section = OpenFileMappingW(access, FALSE, wide.text);
  return *section ? OS_SUCCESS : smem__windows_last();
}

os_status smem__mapped_open(const char *name, bool writable, os_object *object,
                            os_info *info) {
  struct windows_object *made;
  HANDLE section;
  smem__windows_fill_info(0, info);
  os_status status = smem__windows_open_section(name, writable, &section);
  if (status.code == OS_OK)
    status = smem__windows_object_new(section, name, &made);
  if (status.code != OS_OK) return status;
  info->size = made->size;
  info->resident = made->size;
  if (os_is_own_name(name))
    status = smem__mapped_inspect((os_object)made, info);
  if (status.code == OS_OK)
    *object = (os_object)made;
  else
    smem__windows_object_close(made);
  return status;
}

/* A dead creator leaves nothing: what is incomplete is being created, or
 * somebody else is just looking at what a dead one has left. And nothing has to
 * be kept from others while it is removed, for a name only goes with all who
 * have the object. */
os_status smem__os_object_claim(const char *name, os_object *object,
                                os_info *info) {
  os_status status = smem__os_object_open(name, false, object, info);
  info->incomplete = status.code == OS_INCOMPLETE;
  if (info->incomplete) status.code = OS_BUSY;
  return status;
}

os_status smem__os_object_remove(const char *name) {
  HANDLE section;
  if (smem__windows_let_go(name)) return OS_SUCCESS;
  os_status status = smem__windows_open_section(name, false, &section);
  if (status.code == OS_OK) CloseHandle(section);
  return status;
}

#endif
