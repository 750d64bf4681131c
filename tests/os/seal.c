/* Objects are sealed, and cannot be opened for writing then. */
#include "contract.h"

static void seal(const char *name, bool sealed) {
  os_info info = info_of(name);
  CHECK_DONE(smem__os_object_seal(name, info.identity, sealed));
}

static void check_sealed(const char *name) {
  os_object object;
  os_info info;
  CHECK_STATUS(OS_SEALED, smem__os_object_open(name, true, &object, &info));
  CHECK_DONE(smem__os_object_open(name, false, &object, &info));
  CHECK(info.sealed);
  smem__os_object_close(object);
}

ROLE(meets_a_seal) { check_sealed(own_name("a")); }

CONTRACT(smem__os_object_seal, keeps_everybody_from_writing) {
  os_object made = make(own_name("a")), written;
  CHECK(!info_of(own_name("a")).sealed);
  seal(own_name("a"), true);
  seal(own_name("a"), true);
  check_sealed(own_name("a"));
  PLAY(meets_a_seal, "");
  seal(own_name("a"), false);
  CHECK(!info_of(own_name("a")).sealed);
  written = open_object(own_name("a"), true);
  smem__os_object_close(written);
  unmake(made);
}

CONTRACT(smem__os_object_seal, leaves_the_identity_and_what_is_open) {
  os_object made = make(own_name("a"));
  os_object object = open_object(own_name("a"), true);
  unsigned char *mapped = map_object(object, OS_READ_WRITE);
  os_info before = info_of(own_name("a"));
  seal(own_name("a"), true);
  os_info after = info_of(own_name("a"));
  CHECK(memcmp(before.identity, after.identity, sizeof after.identity) == 0);
  mapped[0] = 1;
  CHECK_DONE(smem__os_object_write(object, 1, "x", 1));
  smem__os_unmap(mapped, object_size());
  unmake(object);
  smem__os_object_close(made);
}

CONTRACT(smem__os_object_seal, meets_no_other_object) {
  os_object made = make(own_name("a"));
  os_info former = info_of(own_name("a"));
  unmake(made);
  CHECK_STATUS(OS_NOT_FOUND,
               smem__os_object_seal(own_name("a"), former.identity, true));
  made = make(own_name("a"));
  CHECK_STATUS(OS_NOT_FOUND,
               smem__os_object_seal(own_name("a"), former.identity, true));
  CHECK(!info_of(own_name("a")).sealed);
  unmake(made);
}
