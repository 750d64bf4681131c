/* Windows: names, which are UTF-16 there. */
#include "windows_system.h"
#ifdef OS_WINDOWS

#include <stdio.h>
#include <wchar.h>

#define SESSION L"Local\\"

/* A backslash separates directories of kernel objects: its place in the private
 * use area stands for it, as in Cygwin's file names. */
#define BACKSLASH ((WCHAR)(0xF000 + '\\'))

bool smem__windows_to_wide(const char *name, struct windows_name *wide) {
  enum { BEFORE = sizeof SESSION / sizeof(WCHAR) - 1 };
  wmemcpy(wide->text, SESSION, BEFORE);
  if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1,
                           wide->text + BEFORE, WINDOWS_NAME_SIZE - BEFORE))
    return false;
  for (WCHAR *at = wide->text + BEFORE; *at; at++)
    if (*at == L'\\') *at = BACKSLASH;
  return true;
}

/* Of a name in a directory of kernel objects; false if it cannot be ours. */
bool smem__windows_from_wide(const UNICODE_STRING *wide,
                             char name[WINDOWS_NAME_SIZE]) {
  WCHAR text[WINDOWS_NAME_SIZE];
  size_t length = wide->Length / sizeof(WCHAR);
  if (length >= WINDOWS_NAME_SIZE) return false;
  for (size_t i = 0; i < length; i++)
    text[i] = wide->Buffer[i] == BACKSLASH ? L'\\' : wide->Buffer[i];
  text[length] = L'\0';
  return WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, text, -1, name,
                             WINDOWS_NAME_SIZE, NULL, NULL) > 0;
}

void smem__os_object_path(const char *name, char *buffer, size_t length) {
  snprintf(buffer, length, "Local\\%s", name);
}

#endif
