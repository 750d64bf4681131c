/* Objects for tests: a list of doubles and strings, and lists of parts. */
#ifndef SHAREDMEMORY_TESTS_TREES_H
#define SHAREDMEMORY_TESTS_TREES_H

#include "../../src/core/object/object_internal.h"
#include "test.h"
#include "three_strings.h"

enum { DOUBLES = 9000, NODES = 3 };

struct layout {
  smem_node nodes[NODES];
  struct three_strings strings;
  uint64_t strings_at, node_at, size;
};
struct layout lay_out_object(void);
smem_code write_object(smem_writer *writer, const struct layout *layout);

/* list(doubles, strings). `name` may be NULL. */
smem_code make_object(const char *name, smem_lifetime lifetime,
                      smem_reference *reference);
/* list(), in two steps; what is one page is written in another way. */
smem_code begin_small_object(const char *name, smem_writer **writer);
smem_code publish_small_object(smem_writer *writer);
/* A list of as many parts. */
smem_code make_object_of(const char *name, const smem_part *parts, size_t count,
                         smem_reference *reference);
/* "model", and "outer", which has it as a part. */
smem_code make_two_objects(smem_reference *model, smem_reference *outer);

void refer_by_name(const char *id, smem_reference *reference);
/* Of somebody else's; must go well. */
smem_handle *open_object(const smem_reference *reference);
/* Is it what make_object() made? */
void check_object(const smem_handle *handle);

#endif
