/* Without fork(): every test, and every role, is this program run again. */
#ifdef _WIN32

#include "harness.h"

#include <windows.h>

static HANDLE section;

/* All processes of a run know it by the name in this variable. */
#define SHARED_VARIABLE "SMEM_TEST_SHARED"

static void open_shared(void) {
  char name[64], *known = getenv(SHARED_VARIABLE);
  snprintf(name, sizeof name, "Local\\smem-tests-%lu", GetCurrentProcessId());
  if (!known) _putenv_s(SHARED_VARIABLE, name);
  section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                               sizeof *shared, known ? known : name);
  shared = section
               ? MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, sizeof *shared)
               : NULL;
  if (!shared) abort();
}

void host_exit(int status) {
  fflush(stdout);
  TerminateProcess(GetCurrentProcess(), (UINT)status);
  abort();
}

static LONG WINAPI die_quietly(EXCEPTION_POINTERS *exception) {
  TerminateProcess(GetCurrentProcess(),
                   exception->ExceptionRecord->ExceptionCode);
  return EXCEPTION_CONTINUE_SEARCH;
}

void host_expect_crash(void) { SetUnhandledExceptionFilter(die_quietly); }

static void run_test(const char *name) {
  const struct test *test = test_first();
  while (test && strcmp(test->name, name) != 0) test = test->next;
  if (!test) abort();
  suite_start();
  test->run();
}

static void run_role(const char *name, const char *argument) {
  const struct role *role = role_first();
  while (role && strcmp(role->name, name) != 0) role = role->next;
  if (!role) abort();
  suite_start();
  role->play(argument);
}

void host_start(int argc, char **argv) {
  open_shared();
  SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
  if (argc == 3 && strcmp(argv[1], "--test") == 0)
    run_test(argv[2]);
  else if (argc == 4 && strcmp(argv[1], "--role") == 0)
    run_role(argv[2], argv[3]);
  else
    return;
  exit(0);
}

void host_end(void) {}

static HANDLE start_self(const char *arguments) {
  char program[MAX_PATH], line[MAX_PATH + 300];
  STARTUPINFOA startup = {.cb = sizeof startup};
  PROCESS_INFORMATION made;
  GetModuleFileNameA(NULL, program, sizeof program);
  snprintf(line, sizeof line, "\"%s\" %s", program, arguments);
  fflush(stdout);
  if (!CreateProcessA(program, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup,
                      &made))
    test_fail(__FILE__, __LINE__, "CreateProcess: %lu", GetLastError());
  CloseHandle(made.hThread);
  return made.hProcess;
}

int host_run(const struct test *test, unsigned index) {
  char text[200];
  DWORD status = 1;
  memset(shared, 0, sizeof *shared);
  snprintf(text, sizeof text, "t%lx-%u", GetCurrentProcessId() & 0xFFFFFF,
           index);
  _putenv_s("SHAREDMEMORY_NAMESPACE", text);
  snprintf(text, sizeof text, "--test %s", test->name);
  HANDLE process = start_self(text);
  if (WaitForSingleObject(process, test->seconds * 2000) == WAIT_TIMEOUT) {
    snprintf(shared->failure, sizeof shared->failure, "timeout");
    TerminateProcess(process, 1);
    WaitForSingleObject(process, 5000);
  } else {
    GetExitCodeProcess(process, &status);
  }
  CloseHandle(process);
  if (status == 0 && atomic_load(&shared->failed)) status = 1;
  if (status != 0 && !shared->failure[0])
    snprintf(shared->failure, sizeof shared->failure, "exit code 0x%lX",
             status);
  return status == SKIPPED ? SKIPPED : status != 0;
}

process_id start_role(const char *name, role_function play,
                      const char *argument) {
  char text[200];
  (void)play;
  snprintf(text, sizeof text, "--role %s \"%s\"", name, argument);
  return (process_id)start_self(text);
}

int finish(process_id id) {
  DWORD status = 1;
  WaitForSingleObject((HANDLE)id, INFINITE);
  GetExitCodeProcess((HANDLE)id, &status);
  CloseHandle((HANDLE)id);
  return status != 0;
}

void kill_process(process_id id) { TerminateProcess((HANDLE)id, 9); }

#else
typedef int not_windows;
#endif
