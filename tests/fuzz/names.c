/* Names: ids, namespaces, and names of objects taken apart.
 *
 * Input: a text, of which ids may have all bytes and the others those up to the
 * first 0. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROOM = 512 };

static void is_number(const char *id) {
  char back[SMEM_NUMBER_SIZE];
  uint64_t number;
  if (!smem_id_is_number(id, &number)) return;
  CHECK(number > 0 && number <= SMEM_MAX_NUMBER);
  smem_id_of_number(number, back);
  CHECK(strcmp(back, id) == 0);
}

static bool visit(const smem_entry *entry, void *context) {
  CHECK(strcmp(entry->id, context) == 0);
  return true;
}

/* A good name can be used, and is told as it was given. */
static void use(char *id) {
  smem_request request = SMEM_REQUEST_INIT(1, id);
  bool exists;
  CHECK(smem_exists(id, &exists, &error) == SMEM_OK && !exists);
  /* Any number may be one of those that have been handed out. */
  CHECK(smem_allocate(&request, 1, SMEM_UNTIL_FREED, true, &error) == SMEM_OK);
  CHECK(smem_list(visit, id, &error) == SMEM_OK && list_all() == 1);
  CHECK(smem_exists(id, &exists, &error) == SMEM_OK && exists);
  CHECK(free_id(id) == SMEM_OK);
}

/* Another program's object of this name: there may be one. */
static void look(const char *id) {
  bool exists;
  smem_code code = smem_exists(id, &exists, &error);
  check_error(code);
  CHECK(code != SMEM_ARGUMENT);
}

static void try_id(char *id, size_t size) {
  const char *why = "";
  struct name name;
  struct call call = {SMEM_OP_FIND, id, 0, &error, false};
  bool valid = smem_id_is_valid(id, size, &why);
  CHECK(valid == !why);
  if (!valid) return;
  CHECK(strlen(id) == size && size <= SMEM_ID_MAX && smem_is_utf8(id));
  CHECK(smem__name_of_segment(&call, &name) == SMEM_OK);
  CHECK(smem_id_is_raw(id) != os_is_own_name(name.text));
  if (smem_id_is_raw(id))
    look(id);
  else
    use(id);
}

static void split(const char *text) {
  struct space space;
  struct name name;
  const char *id;
  if (!smem__name_split(text, &space, &id)) return;
  CHECK(smem__name_is_space(space.text));
  if (strlen(id) > SMEM_ID_MAX) return;
  smem__name_of_segment_in(&space, id, &name);
  CHECK(strcmp(name.text, text) == 0);
}

static void try_space(const char *text) {
  char told[SMEM_NAMESPACE_SIZE];
  smem_environment(text, NULL, NULL);
  smem__namespace_forget();
  smem_code code = smem_own_namespace(told, &error);
  check_error(code);
  CHECK(text[0] == '\0' || (code == SMEM_OK) == smem__name_is_space(text));
  CHECK(code != SMEM_OK || text[0] == '\0' || strcmp(told, text) == 0);
  smem_environment(getenv("SHAREDMEMORY_NAMESPACE"), NULL, NULL);
  smem__namespace_forget();
}

void target(const uint8_t *data, size_t size) {
  char text[ROOM] = "", part[8];
  if (size >= ROOM) return;
  if (size > 0) memcpy(text, data, size);
  try_id(text, size);
  is_number(text);
  split(text);
  CHECK(smem_leave(&error) == SMEM_OK);
  try_space(text);
  smem_copy_text(part, sizeof part, text);
  CHECK(!smem_is_utf8(text) || smem_is_utf8(part));
}
