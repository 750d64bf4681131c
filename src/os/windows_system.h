/* Shared by the files windows_*.c. (Not windows.h: that is the system's own.)
 */
#ifndef SHAREDMEMORY_OS_WINDOWS_SYSTEM_H
#define SHAREDMEMORY_OS_WINDOWS_SYSTEM_H

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define _CRT_RAND_S
#if !defined(_WIN32_WINNT) || _WIN32_WINNT < 0x0602
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0602 /* GetSystemTimePreciseAsFileTime */
#endif
#endif

#include "mapped.h"

#ifdef OS_WINDOWS

#include <stdatomic.h>
#include <windows.h>
#include <winternl.h>

/* ---- errors -------------------------------------------------------------- */

/* GetLastError() -> os_status. */
os_status smem__windows_status(DWORD number);
os_status smem__windows_last(void);
os_status smem__windows_status_nt(NTSTATUS status);
extern const os_status smem__windows_no_memory;

/* "" if it cannot be, or does not fit. */
void smem__windows_to_utf8(const WCHAR *text, char *buffer, size_t length);

/* ---- what is looked up once ---------------------------------------------- */

typedef NTSTATUS(NTAPI *query_section_fn)(HANDLE, int, void *, SIZE_T,
                                          SIZE_T *);
typedef NTSTATUS(NTAPI *open_directory_fn)(HANDLE *, ACCESS_MASK,
                                           OBJECT_ATTRIBUTES *);
typedef NTSTATUS(NTAPI *query_directory_fn)(HANDLE, void *, ULONG, BOOLEAN,
                                            BOOLEAN, ULONG *, ULONG *);
typedef ULONG(NTAPI *dos_error_fn)(NTSTATUS);

struct smem__windows_own {
  query_section_fn query_section;
  open_directory_fn open_directory;
  query_directory_fn query_directory;
  dos_error_fn dos_error;
  SECURITY_ATTRIBUTES security; /* descriptor NULL: the default one */
  SECURITY_DESCRIPTOR descriptor;
  char space[17];
};
extern struct smem__windows_own
    smem__windows_own; /* after smem__windows_start() */
void smem__windows_start(void);

/* 100 ns units since 1601 */
uint64_t smem__windows_ticks(const FILETIME *time);

/* ---- names --------------------------------------------------------------- */

enum { WINDOWS_NAME_SIZE = 300 }; /* the longest, in bytes or UTF-16 units */

struct windows_name {
  WCHAR text[WINDOWS_NAME_SIZE];
};

bool smem__windows_to_wide(const char *name, struct windows_name *wide);

/* Of a name in a directory of kernel objects; false if it cannot be ours. */
bool smem__windows_from_wide(const UNICODE_STRING *wide,
                             char name[WINDOWS_NAME_SIZE]);

/* ---- openings ------------------------------------------------------------ */

struct windows_lock; /* see windows_lock.c */

/* What an os_object points to. */
struct windows_object {
  HANDLE section; /* NULL when it is no longer needed */
  uint64_t size;
  /* Guarded by the tables' lock: */
  bool is_open, is_kept;
  bool is_removed; /* and so in the table of names no more */
  uint64_t views;
  /* Of a control object only: */
  void *view;
  _Atomic uint64_t *told_size; /* at the end of `view` */
  struct windows_lock *locks;  /* of this opening */
  char name[];
};

static inline struct windows_object *windows_object_of(os_object object) {
  return (struct windows_object *)object;
}

/* The handle becomes the opening's, or is closed. */
os_status smem__windows_object_new(HANDLE section, const char *name,
                                   struct windows_object **object);
void smem__windows_object_close(struct windows_object *object);

/* A view keeps the object's handle. False: no memory. */
bool smem__windows_enter_view(struct windows_object *object,
                              const void *address);
void smem__windows_leave_view(const void *address);

/* Let go of all that this process has of that name. False: nothing. */
bool smem__windows_let_go(const char *name);

/* ---- sections and parts of them ------------------------------------------ */

/* Create, or open if it exists: then the status has ERROR_ALREADY_EXISTS. */
os_status smem__windows_create_section(const char *name, uint64_t size,
                                       HANDLE *section);
os_status smem__windows_open_section(const char *name, bool writable,
                                     HANDLE *section);
void smem__windows_fill_info(uint64_t size, os_info *info);

enum { WINDOWS_GRANULE = 64 * 1024 }; /* where a view may begin */

/* smem__window_open() with these rights. */
os_status smem__windows_window_open(os_object object, uint64_t offset,
                                    size_t length, DWORD rights,
                                    struct os_window *window);

/* ---- listing ------------------------------------------------------------- */

/* Objects of one type in the session's directory, by the beginning of their
 * names. */
struct windows_search {
  const WCHAR *type;
  const char *prefix;
  bool (*visit)(const char *name, void *context);
  void *context;
};
os_status smem__windows_list(const struct windows_search *search);

#endif
#endif
