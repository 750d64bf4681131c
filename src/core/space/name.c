/* Names: the namespace, the ids, and the names of objects made of them. */
#include "space.h"

#include <string.h>

/* ---- ids ----------------------------------------------------------------- */

bool smem_id_is_raw(const char *id) { return id[0] == '/'; }

/* To reach our own objects by their names in the system would go round all that
 * is checked of them. */
static const char *wrong_with_raw(const char *name) {
  if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return "names no object";
  if (os_begins_own(name)) /* it may lack a terminator */
    return "begins like the system's names for objects of this package, which "
           "are "
           "reached by their ids";
  return NULL;
}

bool smem_id_is_valid(const char *id, size_t length, const char **why) {
  const unsigned char *at = (const unsigned char *)id, *end = at + length;
  *why = NULL;
  if (length == 0) *why = "is empty";
  if (length > SMEM_ID_MAX) *why = "is longer than 200 bytes";
  if (!*why && smem_id_is_raw(id)) {
    *why = wrong_with_raw(id + 1);
    at++;
  }
  while (!*why && at < end) {
    size_t step = smem__utf8_length(at, (size_t)(end - at));
    if (step == 0)
      *why = "is not valid UTF-8";
    else if (smem__text_is_control(at))
      *why = "contains a control character";
    else if (*at == '/')
      *why = "contains a \"/\"";
    at += step;
  }
  return !*why;
}

void smem_id_of_number(uint64_t number, char *buffer) {
  char digits[SMEM_NUMBER_SIZE];
  size_t length = 0;
  do {
    digits[length++] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  for (size_t i = 0; i < length; i++) buffer[i] = digits[length - 1 - i];
  buffer[length] = '\0';
}

bool smem_id_is_number(const char *id, uint64_t *number) {
  uint64_t value = 0;
  if (id[0] < '1' || id[0] > '9') return false;
  for (const char *at = id; *at; at++) {
    if (*at < '0' || *at > '9') return false;
    value = value * 10 + (uint64_t)(*at - '0');
    if (value > SMEM_MAX_NUMBER) return false;
  }
  *number = value;
  return true;
}

/* ---- the namespace ------------------------------------------------------- */

static os_mutex mutex;
static struct space current;            /* empty until the first use */
static char spill[SMEM_DIRECTORY_SIZE]; /* its; "": not known */

void smem__name_start(void) { smem__os_mutex_init(&mutex); }
void smem__name_before_fork(void) { smem__os_mutex_lock(&mutex); }
void smem__name_after_fork(void) { smem__os_mutex_unlock(&mutex); }

bool smem__name_is_space(const char *text) {
  size_t length = strlen(text);
  return length >= 1 && length <= NAMESPACE_MAX &&
         strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                      "0123456789_-") == length;
}

static smem_code fail_namespace(const struct call *call, const char *asked) {
  char shown[41];
  smem_copy_text(shown, sizeof shown, asked);
  return smem__fail(
      call, SMEM_ARGUMENT, 0,
      "the environment variable SHAREDMEMORY_NAMESPACE is '%s'; it must "
      "have 1 to 16 characters of A-Z, a-z, 0-9, '_', '-'",
      shown);
}

/* Under the mutex. */
static smem_code choose_namespace(const struct call *call) {
  struct environment told;
  smem__process_told(&told);
  if (told.space[0] && !smem__name_is_space(told.space))
    return fail_namespace(call, told.space);
  smem_code code = smem__directory_choose(call, "SHAREDMEMORY_DIR",
                                          told.directory, current.directory);
  if (code != SMEM_OK) return code;
  if (told.space[0])
    smem_copy_text(current.text, sizeof current.text, told.space);
  else
    smem__os_default_namespace(current.text);
  return SMEM_OK;
}

/* A copy, for another thread may be at smem__namespace_forget(). */
smem_code smem__namespace_get(const struct call *call, struct space *space) {
  smem_code code = SMEM_OK;
  smem__os_mutex_lock(&mutex);
  if (!current.text[0]) code = choose_namespace(call);
  *space = current;
  smem__os_mutex_unlock(&mutex);
  return code;
}

bool smem__space_is_same(const struct space *a, const struct space *b) {
  return strcmp(a->text, b->text) == 0 &&
         strcmp(a->directory, b->directory) == 0;
}

struct space smem__space_own(void) {
  struct space space = {"", ""};
  struct call quiet = {SMEM_OP_USE, "", 0, NULL, true};
  smem__namespace_get(&quiet, &space);
  return space;
}

bool smem__space_is_own(const struct space *space) {
  struct space own = smem__space_own();
  return own.text[0] && smem__space_is_same(&own, space);
}

void smem__namespace_forget(void) {
  smem__os_mutex_lock(&mutex);
  current.text[0] = '\0';
  spill[0] = '\0';
  smem__os_mutex_unlock(&mutex);
}

bool smem__spill_known(char directory[SMEM_DIRECTORY_SIZE]) {
  smem__os_mutex_lock(&mutex);
  memcpy(directory, spill, sizeof spill);
  smem__os_mutex_unlock(&mutex);
  return directory[0];
}

void smem__spill_know(const char *directory) {
  smem__os_mutex_lock(&mutex);
  if (!spill[0]) smem_copy_text(spill, sizeof spill, directory);
  smem__os_mutex_unlock(&mutex);
}

/* ---- names of objects ---------------------------------------------------- */

static char *append(char *at, const char *text) {
  size_t length = strlen(text);
  memcpy(at, text, length + 1);
  return at + length;
}

static char *append_directory(char *at, const struct space *space) {
  if (!space->directory[0]) return at;
  return append(append(at, space->directory), "/");
}

smem_code smem__name_prefix(const struct call *call, struct name *name) {
  struct space space;
  smem_code code = smem__namespace_get(call, &space);
  if (code == SMEM_OK) smem__name_of_segment_in(&space, "", name);
  return code;
}

smem_code smem__name_of_segment(const struct call *call, struct name *name) {
  struct space space;
  const char *why;
  if (!smem_id_is_valid(call->id, strlen(call->id), &why))
    return smem__fail(call, SMEM_ARGUMENT, 0, "the id %s", why);
  if (smem_id_is_raw(call->id)) {
    smem_copy_text(name->text, sizeof name->text, call->id + 1);
    return SMEM_OK;
  }
  smem_code code = smem__namespace_get(call, &space);
  if (code == SMEM_OK) smem__name_of_segment_in(&space, call->id, name);
  return code;
}

void smem__name_of_segment_in(const struct space *space, const char *id,
                              struct name *name) {
  char *at = append(append_directory(name->text, space), "smem.");
  append(append(append(at, space->text), "."), id);
}

void smem__name_of_control_in(const struct space *space, struct name *name) {
  char *at = append_directory(name->text, space);
  append(append(at, "smem-control."), space->text);
}

smem_code smem__name_of_control(const struct call *call, struct name *name) {
  struct space space;
  smem_code code = smem__namespace_get(call, &space);
  if (code == SMEM_OK) smem__name_of_control_in(&space, name);
  return code;
}

static void come_home(struct space *space) {
  smem__os_mutex_lock(&mutex);
  if (spill[0] && strcmp(space->directory, spill) == 0 &&
      strcmp(space->text, current.text) == 0)
    *space = current;
  smem__os_mutex_unlock(&mutex);
}

bool smem__name_split(const char *name, struct space *space, const char **id) {
  const char *slash = strrchr(name, '/');
  size_t before = slash ? (size_t)(slash - name) : 0;
  if (slash == name || before >= sizeof space->directory) return false;
  memcpy(space->directory, name, before);
  space->directory[before] = '\0';
  if (slash) name = slash + 1;
  if (strncmp(name, "smem.", 5) != 0) return false;
  const char *dot = strchr(name + 5, '.');
  size_t length = dot ? (size_t)(dot - name - 5) : 0;
  if (length == 0 || length > NAMESPACE_MAX) return false;
  memcpy(space->text, name + 5, length);
  space->text[length] = '\0';
  *id = dot + 1;
  come_home(space);
  return smem__name_is_space(space->text);
}

smem_code smem_own_namespace(char space[SMEM_NAMESPACE_SIZE],
                             smem_error *error) {
  struct call call = {SMEM_OP_LIST, "", 0, error, false};
  struct space own;
  smem_code code = smem__namespace_get(&call, &own);
  if (code == SMEM_OK) smem_copy_text(space, SMEM_NAMESPACE_SIZE, own.text);
  return code;
}
