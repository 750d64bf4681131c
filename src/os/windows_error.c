/* Windows: what error numbers mean. */
#include "windows_system.h"
#ifdef OS_WINDOWS

#include <stdio.h>

os_status smem__windows_status(DWORD number) {
  os_code code;
  switch (number) {
  case ERROR_FILE_NOT_FOUND:
  case ERROR_PATH_NOT_FOUND:
    code = OS_NOT_FOUND;
    break;
  case ERROR_ALREADY_EXISTS:
  case ERROR_FILE_EXISTS:
    code = OS_EXISTS;
    break;
  case ERROR_ACCESS_DENIED:
  case ERROR_PRIVILEGE_NOT_HELD:
    code = OS_DENIED;
    break;
  /* What the functions that take a name say if an event, a mutex ... has it. */
  case ERROR_INVALID_HANDLE:
    code = OS_NOT_REGULAR;
    break;
  case ERROR_COMMITMENT_LIMIT:
  case ERROR_COMMITMENT_MINIMUM:
  case ERROR_PAGEFILE_QUOTA:
  case ERROR_DISK_FULL:
    code = OS_NO_SPACE;
    break;
  case ERROR_NOT_ENOUGH_MEMORY:
  case ERROR_OUTOFMEMORY:
  case ERROR_NO_SYSTEM_RESOURCES:
  case ERROR_NONPAGED_SYSTEM_RESOURCES:
  case ERROR_PAGED_SYSTEM_RESOURCES:
  case ERROR_WORKING_SET_QUOTA:
    code = OS_NO_MEMORY;
    break;
  case ERROR_TOO_MANY_OPEN_FILES:
    code = OS_TOO_MANY_FILES;
    break;
  case ERROR_NOT_SUPPORTED:
  case ERROR_CALL_NOT_IMPLEMENTED:
  case ERROR_PROC_NOT_FOUND:
    code = OS_UNSUPPORTED;
    break;
  default:
    code = OS_FAILED;
    break;
  }
  return (os_status){code, (int)number};
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
