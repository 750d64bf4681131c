/* What every test of the core has at hand, besides ../harness/harness.h. */
#ifndef SHAREDMEMORY_TESTS_TEST_H
#define SHAREDMEMORY_TESTS_TEST_H

#include "../../src/core/access/access.h"
#include "../../src/core/survey/survey.h"
#include "../harness/harness.h"

/* ---- checks -------------------------------------------------------------- */

/* What the core says goes here; each thread has its own. */
extern _Thread_local smem_error error;

void test_code(const char *file, int line, const char *text, smem_code code,
               smem_code expected);
void test_ok(const char *file, int line, const char *text, smem_code code);
/* Is it among the codes of this mask? */
void test_among(const char *file, int line, const char *text, smem_code code,
                uint32_t mask);

/* What goes well leaves the record alone. */
#define CHECK_OK(call)                                                         \
  (error.code = SMEM_OK, test_ok(__FILE__, __LINE__, #call, call))
#define CHECK_CODE(expected, call)                                             \
  test_code(__FILE__, __LINE__, #call, call, expected)
#define CHECK_AMONG(mask, call)                                                \
  test_among(__FILE__, __LINE__, #call, call, mask)
#define CODE(name) (UINT32_C(1) << SMEM_##name)

/* Tell the core of the environment, as its client does; and that of a change.
 */
void tell_environment(void);
void set_variable(const char *name, const char *value); /* NULL: unset */

/* ---- the core, in fewer words -------------------------------------------- */

smem_code allocate(const char *name, uint64_t size); /* opens what exists */
smem_code allocate_exclusive(const char *name, uint64_t size);
uint64_t allocate_number(uint64_t size); /* must go well */
unsigned char *map(const char *id);      /* must go well, writable */
smem_mapping *map_with(const char *id, smem_access access); /* must go well */
void *mapped_at(const char *id, smem_access access);        /* likewise */
smem_code map_id(const char *id, smem_access access); /* stays mapped if OK */
smem_code try_map(const char *id);                    /* and unmap */
void unmap_id(const char *id);
void undo_map(const char *id, smem_access access);
smem_code free_id(const char *id);
/* A smem_gone of the three above, on this thread: the last one, how many. */
extern _Thread_local void *note_gone;
extern _Thread_local unsigned notes_gone;
void count_note(void *note);
smem_code can_free_id(const char *id);
smem_code find_id(const char *id); /* SMEM_OK or, if absent, SMEM_NOT_FOUND */
const char *number_id(uint64_t number); /* good for some calls */
const char *message(void);              /* of `error` */
smem_handle *open_handle(const char *id, smem_access access); /* must go well */
smem_code try_open(const char *id, smem_access access);       /* and close */
smem_code read_bytes(const char *id, uint64_t offset, void *to,
                     uint64_t length);
smem_code write_bytes(const char *id, uint64_t offset, const void *from,
                      uint64_t length);
/* A reference to what `id` is now goes through shared->mail. */
_Static_assert(sizeof shared->mail >= SMEM_REFERENCE_SIZE, "it fits");
void mail_reference(const char *id);
smem_reference read_mail(void);
smem_code try_open_reference(const smem_reference *reference); /* and close */
/* The id of an object as another program would make it; its name has the
 * namespace, so that the runner finds what is left. Good for some calls. */
const char *raw_id(const char *word);
smem_code
allocate_for_process(const char *name); /* it goes with this process */
size_t count_listed(void);
/* In what state does the list show it? -1: not at all. */
int listed_state(const char *id);

/* What is called for each entry, fate or share: does nothing, notes or counts.
 */
bool pass_entry(const smem_entry *entry, void *context);
bool count_entry(const smem_entry *entry, void *count); /* a size_t */
void ignore_entry(const smem_entry *entry, void *context);
void ignore_fate(const smem_entry *entry, smem_fate fate, void *context);
void note_fate(const smem_entry *entry, smem_fate fate, void *last);
void count_fate(const smem_entry *entry, smem_fate fate, void *counts);
void count_share(const smem_share *share, void *count); /* an unsigned */
bool never_mapped(uint64_t pid, const uint64_t identity[2], uint64_t copied,
                  void *context); /* aborts */

#ifndef _WIN32

/* ---- objects of the core: objects.c -------------------------------------- */

/* Where the object is; the three last results stay good. The names in tests are
 * short, for the longer ones are hashed on some systems. */
const char *segment_path(const char *id);
const char *raw_path(const char *word); /* of raw_id(word) */
const char *control_path(void);
/* For what is about /dev/shm, where SHAREDMEMORY_DIR leads elsewhere. */
void need_usual_directory(void);
/* Where names are kept in a record, what is planted is not listed, and what is
 * left of somebody's work is told in another way: the test is skipped. */
void need_listing_of_what_is_planted(void);
/* What a creator leaves that died before its segment was complete. */
void plant_incomplete(const char *id);
void write_at(const char *path, long offset, const void *data, size_t length);
void read_footer_of(const char *id, struct footer *footer);
/* Does anybody hold the presence that the footer names? */
bool presence_is_held(const struct footer *footer);

/* A process that owns one of each lifetime, "freed" and "process", until flag
 * 1; and what it leaves when it is killed. */
process_id start_owner(void);
void leave_orphans(void);

/* A process that is creating this segment, and is not done until flag 1. */
process_id start_creator(const char *id);

/* The descriptor through which this process has a control object, or -1. */
int control_descriptor(void);
/* Is it joined to the object that others find by its name? */
void check_joined(void);

size_t count_mappings(void);
/* Free all that is there, whatever it is, and be gone: nothing may be left. */
void clean_namespace(void);
#endif

#endif
