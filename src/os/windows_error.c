/* Windows: what error numbers mean. */
#include "windows_system.h"
#ifdef OS_WINDOWS

#include <stdio.h>

static const struct {
  DWORD number;
  os_code code;
} meanings[] = {
    {ERROR_FILE_NOT_FOUND, OS_NOT_FOUND},
    {ERROR_PATH_NOT_FOUND, OS_NOT_FOUND},
    {ERROR_ALREADY_EXISTS, OS_EXISTS},
    {ERROR_FILE_EXISTS, OS_EXISTS},
    {ERROR_ACCESS_DENIED, OS_DENIED},
    {ERROR_PRIVILEGE_NOT_HELD, OS_DENIED},
    /* What functions that take a name say if an event, a mutex ... has it. */
    {ERROR_INVALID_HANDLE, OS_NOT_REGULAR},
    {ERROR_COMMITMENT_LIMIT, OS_NO_SPACE},
    {ERROR_COMMITMENT_MINIMUM, OS_NO_SPACE},
    {ERROR_PAGEFILE_QUOTA, OS_NO_SPACE},
    {ERROR_DISK_FULL, OS_NO_SPACE},
    {ERROR_NOT_ENOUGH_MEMORY, OS_NO_MEMORY},
    {ERROR_OUTOFMEMORY, OS_NO_MEMORY},
    {ERROR_NO_SYSTEM_RESOURCES, OS_NO_MEMORY},
    {ERROR_NONPAGED_SYSTEM_RESOURCES, OS_NO_MEMORY},
    {ERROR_PAGED_SYSTEM_RESOURCES, OS_NO_MEMORY},
    {ERROR_WORKING_SET_QUOTA, OS_NO_MEMORY},
    {ERROR_TOO_MANY_OPEN_FILES, OS_TOO_MANY_FILES},
    {ERROR_NOT_SUPPORTED, OS_UNSUPPORTED},
    {ERROR_CALL_NOT_IMPLEMENTED, OS_UNSUPPORTED},
    {ERROR_PROC_NOT_FOUND, OS_UNSUPPORTED},
};

os_status smem__windows_status(DWORD number) {
  for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
    if (meanings[i].number == number)
      return (os_status){meanings[i].code, (int)number};
  return (os_status){OS_FAILED, (int)number};
}

os_status smem__windows_last(void) {
  return smem__windows_status(GetLastError());
}

const os_status smem__windows_no_memory = {OS_NO_MEMORY,
                                           ERROR_NOT_ENOUGH_MEMORY};

void smem__windows_to_utf8(const WCHAR *text, char *buffer, size_t length) {
  if (!WideCharToMultiByte(CP_UTF8, 0, text, -1, buffer, (int)length, NULL,
                           NULL) &&
      length > 0)
    buffer[0] = '\0';
}

void smem__os_error_text(int number, char *buffer, size_t length) {
  WCHAR text[256];
  DWORD count = FormatMessageW(
      FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
          FORMAT_MESSAGE_MAX_WIDTH_MASK,
      NULL, (DWORD)number, 0, text, sizeof text / sizeof *text, NULL);
  while (count > 0 && (text[count - 1] <= L' ' || text[count - 1] == L'.'))
    count--;
  text[count] = L'\0';
  smem__windows_to_utf8(text, buffer, length);
  if (length > 0 && !buffer[0])
    snprintf(buffer, length, "Windows error %d", number);
}

os_status smem__windows_status_nt(NTSTATUS status) {
  return smem__windows_own.dos_error
             ? smem__windows_status(smem__windows_own.dos_error(status))
             : (os_status){OS_FAILED, (int)status};
}

#endif
