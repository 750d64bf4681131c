/* Errors: records of what went wrong, and the words for them. */
#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *smem_error_kind(smem_code code) {
  static const char *const kinds[SMEM_CODES] = {[SMEM_OK] = "system",
#define X(name, kind) [SMEM_##name] = (kind),
                                                SMEM_ERRORS(X)
#undef X
  };
  return kinds[(unsigned)code < (unsigned)SMEM_CODES ? code : SMEM_SYSTEM];
}

const char *smem_op_name(smem_op op) {
  static const char *const names[SMEM_OPS] = {
#define X(name, verb, object) [SMEM_OP_##name] = (verb),
      SMEM_OPERATIONS(X)
#undef X
  };
  return names[(unsigned)op < (unsigned)SMEM_OPS ? op : SMEM_OP_USE];
}

/* What the operation is done to. */
static const char *object_of(smem_op op) {
  static const char *const objects[SMEM_OPS] = {
#define X(name, verb, object) [SMEM_OP_##name] = (object),
      SMEM_OPERATIONS(X)
#undef X
  };
  return objects[(unsigned)op < (unsigned)SMEM_OPS ? op : SMEM_OP_USE];
}

int smem_error_message(const smem_error *error, char *buffer, unsigned length) {
  return smem_error_message_with(error, smem__advice(error->code), buffer,
                                 length);
}

int smem_error_message_with(const smem_error *error, const char *advice,
                            char *buffer, unsigned length) {
  smem_error whole = SMEM_ERROR_INIT;
  smem__struct_copy(&whole, error);
  error = &whole;
  char system[160] = "", element[40] = "";
  if (error->number != 0)
    smem__os_error_text(error->number, system, sizeof system);
  if (!smem_is_utf8(system)) system[0] = '\0'; /* translated, in Latin-1, say */
  if (error->element != 0)
    snprintf(element, sizeof element, " (element %llu)",
             (unsigned long long)error->element);
  int needed =
      snprintf(buffer, length, "cannot %s %s%s%s%s%s: %s%s%s%s.%s%s",
               smem_op_name(error->op), object_of(error->op),
               error->id[0] ? " '" : "", error->id, error->id[0] ? "'" : "",
               element, error->detail, system[0] ? " (" : "", system,
               system[0] ? ")" : "", advice[0] ? " " : "", advice);
  if (length > 0) smem__text_defuse(buffer);
  return needed;
}

void smem__call_element(struct call *call, const char *const *ids, size_t count,
                        size_t i) {
  call->id = ids[i];
  call->element = count > 1 ? i + 1 : 0;
}

smem_code smem__fail(const struct call *call, smem_code code, int number,
                     const char *format, ...) {
  smem_error error = SMEM_ERROR_INIT;
  va_list arguments;
  if (!call->error) return code;
  error.code = code;
  error.number = number;
  error.op = call->op;
  error.element = call->element;
  smem_copy_text(error.id, sizeof error.id, call->id);
  va_start(arguments, format);
  vsnprintf(error.detail, sizeof error.detail, format, arguments);
  va_end(arguments);
  return smem__hand_on(&error, call->error);
}

static smem_code code_of(os_code code) {
  switch (code) {
  case OS_OK:
    return SMEM_OK;
  case OS_NOT_FOUND:
    return SMEM_NOT_FOUND;
  case OS_EXISTS:
    return SMEM_EXISTS;
  case OS_INCOMPLETE:
  case OS_BUSY:
    return SMEM_BUSY;
  case OS_DENIED:
    return SMEM_PERMISSION;
  case OS_SEALED:
    return SMEM_SEALED;
  case OS_NOT_REGULAR:
    return SMEM_CORRUPT;
  case OS_NO_SPACE:
    return SMEM_NO_SPACE;
  case OS_NO_MEMORY:
    return SMEM_NO_MEMORY;
  case OS_TOO_MANY_FILES:
    return SMEM_TOO_MANY_FILES;
  case OS_TOO_MANY_MAPS:
    return SMEM_TOO_MANY_MAPS;
  case OS_INTERRUPTED:
    return SMEM_INTERRUPTED;
  case OS_UNSUPPORTED:
    return SMEM_UNSUPPORTED;
  case OS_CLOSED:
  case OS_READ_ONLY_PLACE:
  case OS_FAILED:
    break;
  }
  return SMEM_SYSTEM;
}

smem_code smem__fail_os(const struct call *call, os_status status,
                        const char *what) {
  return smem__fail(call, code_of(status.code), status.number, "%s", what);
}

smem_code smem__fail_owner(const struct call *call, const char *name,
                           uint64_t user) {
  char path[520], who[80];
  smem__os_object_path(name, path, sizeof path);
  smem__os_user_name(user, who, sizeof who);
  return smem__fail(call, SMEM_PERMISSION, 0, "%s belongs to user %s", path,
                    who);
}

bool smem__os_stat_told(os_code code) {
  return code == OS_OK || code == OS_INCOMPLETE || code == OS_NOT_REGULAR;
}

bool smem__is_anothers(os_status status, const os_info *info) {
  return smem__os_stat_told(status.code) && info->user != smem__os_user();
}

smem_code smem__fail_object(const struct call *call, os_status status,
                            const char *name) {
  char path[520];
  os_info info;
  if (status.code == OS_DENIED &&
      smem__is_anothers(smem__os_object_stat(name, &info), &info))
    return smem__fail_owner(call, name, info.user);
  smem__os_object_path(name, path, sizeof path);
  switch (status.code) {
  case OS_NOT_FOUND:
    return smem__fail(call, SMEM_NOT_FOUND, 0, "no segment has this id");
  case OS_NOT_REGULAR:
    return smem__fail(
        call, SMEM_CORRUPT, 0,
        "%s is not a segment but a link, a directory or a FIFO, or a file "
        "that has another name too",
        path);
  default:
    return smem__fail(call, code_of(status.code), status.number,
                      "the system refused %s", path);
  }
}

bool smem__is_taken(os_status status) {
  return status.code == OS_EXISTS || status.code == OS_BUSY;
}

bool smem__is_bad_place(os_status status) {
  return status.code == OS_NOT_FOUND || status.code == OS_CLOSED ||
         status.code == OS_READ_ONLY_PLACE || status.code == OS_UNSUPPORTED;
}

/* The directory that is before the last "/" of a name. */
static const char *wrong_with_directory(os_code code) {
  switch (code) {
  case OS_CLOSED:
    return "this user may not create files in it any more";
  case OS_READ_ONLY_PLACE:
    return "its file system is mounted read-only";
  case OS_UNSUPPORTED:
    return "its file system cannot reserve bytes";
  default:
    return "it is not there any more; make it again, or name another one";
  }
}

static const char *wrong_with_place(os_code code) {
  switch (code) {
  case OS_CLOSED:
    return "this user may not create files in /dev/shm; as root: `chmod 1777 "
           "/dev/shm`";
  case OS_READ_ONLY_PLACE:
    return "the file system at /dev/shm is mounted read-only; as root: `mount "
           "-o remount,rw /dev/shm`";
  case OS_UNSUPPORTED:
    return "the file system at /dev/shm is not a tmpfs and cannot reserve "
           "memory; as root mount one: `mount -t tmpfs tmpfs /dev/shm`";
  default:
    return "this system has no shared memory file system at /dev/shm; mount "
           "one: `mount -t tmpfs tmpfs /dev/shm`";
  }
}

smem_code smem__fail_place(const struct call *call, os_status status,
                           const char *name) {
  const char *slash = strrchr(name, '/');
  if (slash)
    return smem__fail(call, SMEM_SYSTEM, status.number,
                      "segments cannot be made in the directory %.*s: %s",
                      (int)(slash - name), name,
                      wrong_with_directory(status.code));
  return smem__fail(call, SMEM_SYSTEM, status.number, "%s",
                    wrong_with_place(status.code));
}

smem_code smem__fail_no_memory(const struct call *call) {
  return smem__fail(call, SMEM_NO_MEMORY, 0,
                    "no memory for the package's own records");
}

smem_code smem__hand_on(const smem_error *failure, smem_error *error) {
  if (error) smem__struct_copy(error, failure);
  return failure->code;
}

smem_code smem__fail_struct(const struct call *call) {
  return smem__fail(call, SMEM_ARGUMENT, 0,
                    "the member `size` of a struct is not set");
}
