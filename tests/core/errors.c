/* Every code of an error, and the texts for them. */
#ifndef _WIN32

#include "../../src/os/posix.h"
#include "test.h"

TEST(every_code_of_the_system_is_an_error_of_ours) {
  const struct {
    os_code code;
    smem_code expected;
  } codes[] = {{OS_OK, SMEM_OK},
               {OS_NOT_FOUND, SMEM_NOT_FOUND},
               {OS_EXISTS, SMEM_EXISTS},
               {OS_INCOMPLETE, SMEM_BUSY},
               {OS_BUSY, SMEM_BUSY},
               {OS_DENIED, SMEM_PERMISSION},
               {OS_NOT_REGULAR, SMEM_CORRUPT},
               {OS_NO_SPACE, SMEM_NO_SPACE},
               {OS_NO_MEMORY, SMEM_NO_MEMORY},
               {OS_TOO_MANY_FILES, SMEM_TOO_MANY_FILES},
               {OS_TOO_MANY_MAPS, SMEM_TOO_MANY_MAPS},
               {OS_INTERRUPTED, SMEM_INTERRUPTED},
               {OS_UNSUPPORTED, SMEM_UNSUPPORTED},
               {OS_FAILED, SMEM_SYSTEM}};
  struct call call = {SMEM_OP_FIND, "a", 0, &error, false};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    os_status status = {codes[i].code, 0};
    CHECK_EQUAL(codes[i].expected, smem__fail_os(&call, status, "it is so"));
    if (codes[i].code != OS_DENIED && codes[i].code != OS_OK)
      CHECK_EQUAL(codes[i].expected,
                  smem__fail_object(&call, status, "smem.x.a"));
  }
}

TEST(every_number_of_the_system_has_a_code) {
  const struct {
    int number;
    os_code code;
  } numbers[] = {{ENOENT, OS_NOT_FOUND},      {EEXIST, OS_EXISTS},
                 {EACCES, OS_DENIED},         {EPERM, OS_DENIED},
                 {EISDIR, OS_NOT_REGULAR},    {ELOOP, OS_NOT_REGULAR},
                 {ENXIO, OS_NOT_REGULAR},     {ENOSPC, OS_NO_SPACE},
                 {EDQUOT, OS_NO_SPACE},       {ENOMEM, OS_NO_MEMORY},
                 {EMFILE, OS_TOO_MANY_FILES}, {ENFILE, OS_TOO_MANY_FILES},
                 {EINTR, OS_INTERRUPTED},     {EOPNOTSUPP, OS_UNSUPPORTED},
                 {ENOSYS, OS_UNSUPPORTED},    {EIO, OS_FAILED}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    os_status status = smem__posix_status(numbers[i].number);
    CHECK_EQUAL(numbers[i].code, status.code);
    CHECK_EQUAL(numbers[i].number, status.number);
  }
}

/* Whoever uses the core from another language says it in that. */
TEST(advice_names_functions_of_the_core_only) {
  char text[2048];
  smem_error some = {.size = sizeof some, .op = SMEM_OP_READ, .detail = "so"};
  for (int code = 1; code < SMEM_CODES; code++) {
    some.code = (smem_code)code;
    CHECK(smem_error_message(&some, text, sizeof text) < (int)sizeof text);
    for (const char *at = text; (at = strstr(at, "()")) != NULL; at++) {
      const char *name = at;
      while (name > text && name[-1] != ' ') name--;
      CHECK(strncmp(name, "smem_", 5) == 0);
    }
  }
  smem_error_message_with(&some, "Do it.", text, sizeof text);
  CHECK(strcmp(text, "cannot read shared memory: so. Do it.") == 0);
  smem_error_message_with(&some, "", text, sizeof text);
  CHECK(strcmp(text, "cannot read shared memory: so.") == 0);
}

TEST(unknown_codes_and_states) {
  char text[200];
  smem_error unknown = {.size = sizeof unknown,
                        .code = SMEM_CODES,
                        .op = SMEM_OP_FIND,
                        .detail = "so"};
  CHECK(strcmp(smem_error_kind(SMEM_BUSY), "busy") == 0);
  CHECK(strcmp(smem_error_kind(SMEM_CODES), "system") == 0);
  CHECK(strcmp(smem_error_kind((smem_code)-1), "system") == 0);
  CHECK(smem_error_message(&unknown, text, sizeof text) > 0);
  CHECK(strcmp(text, "cannot find shared memory: so.") == 0);
  CHECK(strcmp(smem_state_name(SMEM_DAMAGED), "damaged") == 0);
  CHECK(strcmp(smem_state_name(SMEM_STATES), "unknown") == 0);
}

TEST(texts_are_cut_between_characters) {
  char text[5];
  smem_copy_text(text, sizeof text, "abcd");
  CHECK(strcmp(text, "abcd") == 0);
  smem_copy_text(text, sizeof text, "abcde");
  CHECK(strcmp(text, "abcd") == 0);
  smem_copy_text(text, sizeof text, "abc\xC3\xA9"); /* one too long */
  CHECK(strcmp(text, "abc") == 0);
  smem_copy_text(text, sizeof text,
                 "\x80\x80\x80\x80\x80"); /* no character at all */
  CHECK(strcmp(text, "") == 0);
}

#else
typedef int not_posix;
#endif
