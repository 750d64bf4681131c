/* Objects that get their name when they are complete and sealed. */
#include "contract.h"

static os_object make_whole(void) {
  os_object object;
  os_status status = smem__os_object_make(object_size(), NULL, &object);
  if (status.code == OS_UNSUPPORTED) test_skip("the system cannot do this");
  CHECK_DONE(status);
  return object;
}

static os_object make_sealed(const char *name) {
  os_object object = make_whole();
  publish(object);
  CHECK_DONE(smem__os_object_publish_sealed(object, name));
  return object;
}

CONTRACT(smem__os_object_make, gives_no_name) {
  os_object object = make_whole();
  CHECK_EQUAL(OS_NOT_FOUND, look(own_name("a")));
  CHECK_DONE(smem__os_object_write(object, 0, "x", 1));
  smem__os_object_close(object); /* and nothing is left */
}

static bool always(void) { return true; }

CONTRACT(smem__os_object_make, is_interruptible) {
  os_object object;
  os_status status = smem__os_object_make((uint64_t)256 << 20, always, &object);
  if (status.code == OS_UNSUPPORTED) test_skip("the system cannot do this");
  CHECK_STATUS(OS_INTERRUPTED, status);
}

CONTRACT(smem__os_object_publish_sealed, gives_a_whole_object_its_name) {
  os_object object = make_sealed(own_name("a")), other;
  os_info info;
  CHECK_STATUS(OS_SEALED,
               smem__os_object_open(own_name("a"), true, &other, &info));
  CHECK(info_of(own_name("a")).sealed);
  CHECK_EQUAL(object_size(), info_of(own_name("a")).size);
  unmake(object);
}

CONTRACT(smem__os_object_publish_sealed, takes_nobodys_name) {
  os_object there = make(own_name("a")), object = make_whole();
  os_info before = info_of(own_name("a"));
  publish(object);
  CHECK_STATUS(OS_EXISTS,
               smem__os_object_publish_sealed(object, own_name("a")));
  os_info after = info_of(own_name("a"));
  CHECK(memcmp(before.identity, after.identity, sizeof after.identity) == 0);
  smem__os_object_close(object);
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
  os_status status = smem__os_object_open_sealed(own_name("a"), &opened, &info);
  CHECK(status.code == OS_NOT_FOUND || status.code == OS_UNSUPPORTED);
}
