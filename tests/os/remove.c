/* Objects are removed and listed; what names are and what they lead to. */
#include "contract.h"

/* ---- os_is_own_name, smem__os_object_path -------------------------------- */

CONTRACT(os_is_own_name, goes_by_the_prefix) {
  CHECK(os_is_own_name(own_name("a")) && os_is_own_name(control_name()));
  CHECK(os_is_own_name("smem"));
  CHECK(!os_is_own_name("raw.a") && !os_is_own_name("sme") &&
        !os_is_own_name(""));
}

CONTRACT(smem__os_object_path, tells_the_name_and_ends) {
  char path[200];
  memset(path, 'x', sizeof path);
  smem__os_object_path("smem.0.a", path, sizeof path);
  CHECK(strstr(path, "smem.0.a") != NULL);
  memset(path, 'x', sizeof path);
  smem__os_object_path("smem.0.a", path, 6);
  CHECK(strlen(path) < 6 && path[6] == 'x');
}

/* ---- smem__os_object_remove ---------------------------------------------- */

CONTRACT(smem__os_object_remove, takes_the_name_and_leaves_mappings) {
  os_object object = make(own_name("a"));
  unsigned char *at = map_object(object, OS_READ_WRITE);
  *at = 5;
  smem__os_object_close(object);
  CHECK_DONE(smem__os_object_remove(own_name("a")));
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
  CHECK_EQUAL(5, *at);
  os_object next = make(own_name("a"));
  unsigned char *other = map_object(next, OS_READ_WRITE);
  CHECK_EQUAL(0, *other);
  *other = 6;
  CHECK_EQUAL(5, *at);
  unmake(next);
  smem__os_unmap(at, object_size());
  smem__os_unmap(other, object_size());
}

CONTRACT(smem__os_object_remove, tells_what_is_not_there) {
  CHECK_STATUS(OS_NOT_FOUND, smem__os_object_remove(own_name("a")));
  os_object object = make(own_name("a"));
  unmake(object);
  CHECK_STATUS(OS_NOT_FOUND, smem__os_object_remove(own_name("a")));
}

ROLE(makes_it_as_another) {
  become_another_user();
  smem__os_object_close(make(own_name("a")));
}

ROLE(removes_it_as_another) {
  become_another_user();
  CHECK_DONE(smem__os_object_remove(own_name("a")));
  remove_control(); /* and a record of names, which is that user's too */
}

/* An accident of root's must not end other people's work. */
CONTRACT(smem__os_object_remove, refuses_what_is_anothers_also_to_root) {
  need_another_user();
  PLAY(makes_it_as_another, "");
  CHECK_STATUS(OS_DENIED, smem__os_object_remove(own_name("a")));
  PLAY(removes_it_as_another, "");
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
}

ROLE(holds_it) {
  os_object object = make(own_name("a"));
  raise_flag(0);
  await_flag(1, 1);
  smem__os_object_close(object);
}

CONTRACT(smem__os_object_remove, of_what_another_process_has_open) {
  process_id other = START(holds_it, "");
  await_flag(0, 1);
  CHECK_DONE(smem__os_object_remove(own_name("a")));
  if (OUTLIVES) CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
  raise_flag(1);
  FINISH(other);
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
}

/* ---- smem__os_object_remove_own ------------------------------------------ */

CONTRACT(smem__os_object_remove_own, removes_what_is_ours) {
  os_object object = make(own_name("a"));
  os_info info = info_of(own_name("a"));
  CHECK_EQUAL(smem__os_user(), info.user);
  CHECK_DONE(smem__os_object_remove_own(own_name("a")));
  smem__os_object_close(object);
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
  CHECK_STATUS(OS_NOT_FOUND, smem__os_object_remove_own(own_name("a")));
}

/* ---- smem__os_object_list ------------------------------------------------ */

struct seen {
  unsigned count, last; /* how many names end in a digit, and their sum */
  bool other;
};

static bool note_name(const char *name, void *context) {
  struct seen *seen = context;
  size_t length = strlen(name);
  seen->count++;
  seen->last += (unsigned)(name[length - 1] - '0');
  seen->other |= strncmp(name, own_name("x"), length - 1) != 0;
  return true;
}

static bool stop_at_once(const char *name, void *context) {
  (void)name;
  ++*(unsigned *)context;
  return false;
}

enum { LISTED = 5 };

ROLE(lists_them) {
  struct seen seen = {0, 0, false};
  CHECK_DONE(smem__os_object_list(own_name("x"), note_name, &seen));
  CHECK_EQUAL(LISTED, seen.count);
  CHECK_EQUAL(0 + 1 + 2 + 3 + 4, seen.last);
  CHECK(!seen.other);
}

CONTRACT(smem__os_object_list, tells_each_name_with_the_prefix_once) {
  os_object objects[LISTED], other = make(own_name("y0"));
  char word[] = "x0";
  for (int i = 0; i < LISTED; i++) {
    word[1] = (char)('0' + i);
    objects[i] = make(own_name(word));
  }
  lists_them("");
  PLAY(lists_them, "");
  for (int i = 0; i < LISTED; i++) {
    word[1] = (char)('0' + i);
    CHECK_DONE(smem__os_object_remove(own_name(word)));
    smem__os_object_close(objects[i]);
  }
  CHECK_DONE(smem__os_object_remove(own_name("y0")));
  smem__os_object_close(other);
}

CONTRACT(smem__os_object_list, ends_when_it_is_told_to) {
  unsigned count = 0;
  os_object a = make(own_name("x1")), b = make(own_name("x2"));
  CHECK_DONE(smem__os_object_list(own_name("x"), stop_at_once, &count));
  CHECK_EQUAL(1, count);
  CHECK_DONE(smem__os_object_remove(own_name("x1")));
  CHECK_DONE(smem__os_object_remove(own_name("x2")));
  smem__os_object_close(a);
  smem__os_object_close(b);
}

CONTRACT(smem__os_object_list, of_nothing) {
  unsigned count = 0;
  CHECK_DONE(smem__os_object_list(own_name(""), stop_at_once, &count));
  CHECK_EQUAL(0, count);
}
