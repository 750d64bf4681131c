/* Windows: what is looked up once: functions that no import library promises,
 * and the user. */
#include "windows_system.h"
#ifdef OS_WINDOWS

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct smem__windows_own smem__windows_own;

static INIT_ONCE once = INIT_ONCE_STATIC_INIT;

/* A FARPROC fits no other type of function without a warning. */
static void find(HMODULE library, const char *name, void *function) {
  FARPROC found = library ? GetProcAddress(library, name) : NULL;
  memcpy(function, &found, sizeof found);
}

/* Only the user, by SID, may open what we create. The default would let in what
 * the process's token says: for an elevated process all administrators, and not
 * the same user without elevation. */
static void allow_only(PSID user) {
  DWORD length = sizeof(ACL) + sizeof(ACCESS_ALLOWED_ACE) + GetLengthSid(user);
  ACL *list = calloc(1, length); /* as long as the process */
  if (list && InitializeAcl(list, length, ACL_REVISION) &&
      AddAccessAllowedAce(list, ACL_REVISION, GENERIC_ALL, user) &&
      InitializeSecurityDescriptor(&smem__windows_own.descriptor,
                                   SECURITY_DESCRIPTOR_REVISION) &&
      SetSecurityDescriptorDacl(&smem__windows_own.descriptor, TRUE, list,
                                FALSE))
    smem__windows_own.security.lpSecurityDescriptor =
        &smem__windows_own.descriptor;
}

static void ask_user(void) {
  union {
    TOKEN_USER user;
    char room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  } token;
  DWORD length;
  HANDLE handle;
  snprintf(smem__windows_own.space, sizeof smem__windows_own.space, "user");
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &handle)) return;
  if (GetTokenInformation(handle, TokenUser, &token, sizeof token, &length)) {
    PSID user = token.user.User.Sid;
    snprintf(smem__windows_own.space, sizeof smem__windows_own.space,
             "%016" PRIx64, smem__hash(user, GetLengthSid(user), 1));
    allow_only(user);
  }
  CloseHandle(handle);
}

static BOOL CALLBACK look_up(INIT_ONCE *control, void *parameter,
                             void **context) {
  (void)control;
  (void)parameter;
  (void)context;
  HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
  find(ntdll, "NtQuerySection", &smem__windows_own.query_section);
  find(ntdll, "NtOpenDirectoryObject", &smem__windows_own.open_directory);
  find(ntdll, "NtQueryDirectoryObject", &smem__windows_own.query_directory);
  find(ntdll, "RtlNtStatusToDosError", &smem__windows_own.dos_error);
  smem__windows_own.security.nLength = sizeof smem__windows_own.security;
  ask_user();
  return TRUE;
}

void smem__windows_start(void) {
  InitOnceExecuteOnce(&once, look_up, NULL, NULL);
}

#endif
