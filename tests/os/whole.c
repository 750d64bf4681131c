/* Objects that are sealed before anybody sees them. */
#include "contract.h"

static os_object make_whole(const char *name) {
  os_object object;
  CHECK_DONE(smem__os_object_make(name, object_size(), &object));
  CHECK_DONE(
      smem__os_object_reserve(object, object_size(), smem__os_largest(), NULL));
  return object;
}

static os_status publish_sealed(os_object object, const char *name) {
  uint64_t tail[TAIL / sizeof(uint64_t)];
  make_tail(tail);
  return smem__os_object_publish_sealed(object, name, object_size(), tail,
                                        sizeof tail);
}

static os_object make_sealed(const char *name) {
  os_object object = make_whole(name);
  CHECK_DONE(publish_sealed(object, name));
  return object;
}

/* Nothing, or where it has its name from the start, what is incomplete. */
static bool is_unseen(const char *name) {
  os_code code = look(name);
  return code == OS_NOT_FOUND || code == OS_INCOMPLETE;
}

CONTRACT(smem__os_object_make, is_not_seen) {
  os_object object = make_whole(own_name("a"));
  CHECK(is_unseen(own_name("a")));
  CHECK_DONE(smem__os_object_write(object, 0, "x", 1));
  CHECK(is_unseen(own_name("a")));
  smem__os_object_unmake(object, own_name("a"));
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
}

CONTRACT(smem__os_object_publish_sealed, shows_a_whole_object) {
  os_object object = make_sealed(own_name("a")), other;
  os_info info;
  CHECK_STATUS(OS_SEALED,
               smem__os_object_open(own_name("a"), true, &other, &info));
  CHECK(info_of(own_name("a")).sealed);
  CHECK_EQUAL(object_size(), info_of(own_name("a")).size);
  unmake(object);
}

/* What is one page bears its name from the start. */
CONTRACT(smem__os_object_publish_sealed, completes_what_was_created) {
  size_t page = (size_t)smem__os_page_size();
  unsigned char *bytes = calloc(1, page), byte;
  uint64_t tail[TAIL / sizeof(uint64_t)];
  os_object object;
  CHECK(bytes != NULL);
  make_tail(tail);
  bytes[5] = 55;
  memcpy(bytes + page - TAIL, tail, TAIL);
  CHECK_DONE(smem__os_object_create(own_name("a"), page, &object));
  CHECK_DONE(smem__os_object_reserve(object, page, smem__os_largest(), NULL));
  CHECK_EQUAL(OS_INCOMPLETE, look(own_name("a")));
  CHECK_DONE(smem__os_object_publish_sealed(object, NULL, page, bytes, page));
  CHECK(info_of(own_name("a")).sealed);
  CHECK_EQUAL(page, info_of(own_name("a")).size);
  CHECK_DONE(smem__os_object_read(object, 5, &byte, 1));
  CHECK_EQUAL(55, byte);
  free(bytes);
  unmake(object);
}

/* At the latest when it is published. */
CONTRACT(smem__os_object_publish_sealed, takes_nobodys_name) {
  os_object there = make(own_name("a")), object;
  os_info before = info_of(own_name("a"));
  os_status status =
      smem__os_object_make(own_name("a"), object_size(), &object);
  if (status.code == OS_OK) {
    CHECK_DONE(smem__os_object_reserve(object, object_size(),
                                       smem__os_largest(), NULL));
    CHECK_STATUS(OS_EXISTS, publish_sealed(object, own_name("a")));
    CHECK_DONE(publish_sealed(object, own_name("b")));
    CHECK_DONE(smem__os_object_remove(own_name("b")));
    smem__os_object_close(object);
  } else {
    CHECK(status.code == OS_EXISTS || status.code == OS_BUSY);
  }
  os_info after = info_of(own_name("a"));
  CHECK(memcmp(before.identity, after.identity, sizeof after.identity) == 0);
  unmake(there);
}

CONTRACT(smem__os_object_open_sealed, writes_and_leaves_the_seal) {
  os_object object = make_sealed(own_name("a")), opened;
  os_info info;
  unsigned char byte = 0;
  CHECK_DONE(smem__os_object_open_sealed(own_name("a"), &opened, &info));
  CHECK_DONE(smem__os_object_write(opened, 0, "x", 1));
  CHECK(info_of(own_name("a")).sealed);
  CHECK_DONE(smem__os_object_read(object, 0, &byte, 1));
  CHECK_EQUAL('x', byte);
  smem__os_object_close(opened);
  unmake(object);
}

CONTRACT(smem__os_object_open_sealed, tells_what_is_not_there) {
  os_object opened;
  os_info info;
  CHECK_STATUS(OS_NOT_FOUND,
               smem__os_object_open_sealed(own_name("a"), &opened, &info));
}

CONTRACT(smem__os_object_unmake, leaves_nothing) {
  os_object object;
  CHECK_DONE(smem__os_object_make(own_name("a"), object_size(), &object));
  smem__os_object_unmake(object, own_name("a"));
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
}
