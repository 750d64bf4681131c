/* Windows: what objects there are, from the session's directory of them. */
#include "windows_system.h"
#ifdef OS_WINDOWS

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

/* An entry is two strings, its name and its type. False: enough. */
static bool offer(const struct windows_search *search,
                  const UNICODE_STRING *entry) {
  char name[WINDOWS_NAME_SIZE];
  size_t length = wcslen(search->type);
  if (entry[1].Length != length * sizeof(WCHAR) ||
      wmemcmp(entry[1].Buffer, search->type, length) != 0 ||
      !smem__windows_from_wide(&entry[0], name) ||
      strncmp(name, search->prefix, strlen(search->prefix)) != 0)
    return true;
  return search->visit(name, search->context);
}

enum {
  NT_MORE_ENTRIES = 0x00000105,
  NT_BUFFER_TOO_SMALL = (int)0xC0000023,
  NT_NO_MORE_ENTRIES = (int)0x8000001A,
  NT_NOT_IMPLEMENTED = (int)0xC0000002
};

/* A directory is continued at an index, which says nothing any more once
 * somebody has created or removed an object. So the room is made large enough
 * for all of it in one call. */
static NTSTATUS take_snapshot(HANDLE directory, char **buffer) {
  const ULONG largest = (ULONG)1 << 28;
  NTSTATUS status = NT_MORE_ENTRIES;
  *buffer = NULL;
  for (ULONG room = 1 << 16, used, context; room <= largest; room *= 4) {
    free(*buffer);
    *buffer = calloc(1, room);
    if (!*buffer) break;
    context = 0;
    status = smem__windows_own.query_directory(directory, *buffer, room, FALSE,
                                               TRUE, &context, &used);
    if (status != NT_MORE_ENTRIES && status != NT_BUFFER_TOO_SMALL) break;
  }
  return status;
}

/* Wine 8 gives one at a time only. */
static NTSTATUS list_singly(HANDLE directory,
                            const struct windows_search *search) {
  union {
    UNICODE_STRING entry[2];
    char room[2048];
  } buffer;
  ULONG context = 0, used;
  for (BOOLEAN first = TRUE;; first = FALSE) {
    NTSTATUS status = smem__windows_own.query_directory(
        directory, &buffer, sizeof buffer, TRUE, first, &context, &used);
    if (status == NT_NO_MORE_ENTRIES) return 0;
    if (status == NT_BUFFER_TOO_SMALL)
      context++; /* no name of ours is that long */
    else if (status < 0 || !offer(search, buffer.entry))
      return status;
  }
}

static os_status list_directory(HANDLE directory,
                                const struct windows_search *search) {
  char *buffer;
  NTSTATUS status = take_snapshot(directory, &buffer);
  if (status == 0)
    for (UNICODE_STRING *entry = (UNICODE_STRING *)(void *)buffer;
         entry->Buffer && offer(search, entry);)
      entry += 2;
  bool is_read = buffer != NULL;
  free(buffer);
  if (!is_read || status == NT_MORE_ENTRIES) return smem__windows_no_memory;
  if (status == NT_NOT_IMPLEMENTED) status = list_singly(directory, search);
  if (status == NT_NO_MORE_ENTRIES) return OS_SUCCESS;
  return status < 0 ? smem__windows_status_nt(status) : OS_SUCCESS;
}

/* Where the names in `Local\` are. */
static os_status open_directory(HANDLE *directory) {
  WCHAR path[64] = L"\\BaseNamedObjects";
  DWORD session = 0;
  smem__windows_start();
  if (!smem__windows_own.open_directory || !smem__windows_own.query_directory)
    return smem__windows_status(ERROR_PROC_NOT_FOUND);
  if (!ProcessIdToSessionId(GetCurrentProcessId(), &session))
    return smem__windows_last();
  if (session != 0)
    swprintf(path, sizeof path / sizeof *path,
             L"\\Sessions\\%lu\\BaseNamedObjects", (unsigned long)session);
  USHORT length = (USHORT)(wcslen(path) * sizeof *path);
  UNICODE_STRING name = {length, (USHORT)(length + sizeof *path), path};
  OBJECT_ATTRIBUTES attributes;
  InitializeObjectAttributes(&attributes, &name, 0, NULL, NULL);
  const ACCESS_MASK directory_query = 1;
  NTSTATUS status =
      smem__windows_own.open_directory(directory, directory_query, &attributes);
  if (status >= 0) return OS_SUCCESS;
  /* Refused, say in a sandbox: that says nothing about any segment. */
  return (os_status){OS_UNSUPPORTED, smem__windows_status_nt(status).number};
}

os_status smem__windows_list(const struct windows_search *search) {
  HANDLE directory;
  os_status status = open_directory(&directory);
  if (status.code != OS_OK) return status;
  status = list_directory(directory, search);
  CloseHandle(directory);
  return status;
}

os_status smem__os_object_list(const char *prefix,
                               bool (*visit)(const char *name, void *context),
                               void *context) {
  return smem__windows_list(
      &(struct windows_search){L"Section", prefix, visit, context});
}

#endif
