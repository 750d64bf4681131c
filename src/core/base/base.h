/* The ground floor: it knows of no segments. One part per file. */
#ifndef SHAREDMEMORY_CORE_BASE_H
#define SHAREDMEMORY_CORE_BASE_H

#include "../../../inst/include/smem.h"
#include "../../os/os.h"

/* ---- advice.c ------------------------------------------------------------ */

/* What can be done about an error; "" where there is nothing to say. */
const char *smem__advice(smem_code code);

/* ---- error.c ------------------------------------------------------------- */

/* Which call on which segment is under way: what an error record starts with.
 */
struct call {
  smem_op op;
  const char *id;    /* "" if none */
  uint64_t element;  /* of a vectorised call, from 1, or 0 */
  smem_error *error; /* may be NULL */
  bool must_finish;  /* cleaning up: do not ask for interrupts */
};

/* The same, whose failure is not told. */
static inline struct call call_quietly(const struct call *call) {
  struct call quiet = *call;
  quiet.error = NULL;
  return quiet;
}

/* It goes on with ids[i]. */
void smem__call_element(struct call *call, const char *const *ids, size_t count,
                        size_t i);

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
smem_code
smem__fail(const struct call *call, smem_code code, int number,
           const char *format, ...);
smem_code smem__fail_os(const struct call *call, os_status status,
                        const char *what);
/* For an object of the namespace: says whose it is, or what. */
smem_code smem__fail_object(const struct call *call, os_status status,
                            const char *name);
/* Has smem__os_object_stat() filled its os_info? */
bool smem__os_stat_told(os_code code);
/* Of what smem__os_object_stat() gave: does it say that another user is the
 * owner? */
bool smem__is_anothers(os_status status, const os_info *info);
smem_code smem__fail_owner(const struct call *call, const char *name,
                           uint64_t user);
/* Of what was to be created: has somebody else its name? */
bool smem__is_taken(os_status status);
/* Does this mean that no object can be created there, whatever its name? */
bool smem__is_bad_place(os_status status);
/* Of such a one: what is wrong with the file system where `name` would be, and
 * what to do. */
smem_code smem__fail_place(const struct call *call, os_status status,
                           const char *name);
smem_code smem__fail_no_memory(const struct call *call);
/* What one record has is another's from now on, which may be NULL. Returns the
 * code. */
smem_code smem__hand_on(const smem_error *failure, smem_error *error);
/* For a struct whose size is not set. */
smem_code smem__fail_struct(const struct call *call);

/* ---- struct.c ------------------------------------------------------------ */

/* Copy what both structs have; each begins with its size, which stays. False:
 * one of them is not set. */
bool smem__struct_copy(void *to, const void *from);

/* ---- text.c -------------------------------------------------------------- */

/* Bytes of the UTF-8 character at `at`, 0 if it is none, is too long a form, a
 * surrogate, or beyond Unicode. */
size_t smem__utf8_length(const unsigned char *at, size_t room);

/* Is it what a terminal obeys: a control character, the end of a line, a mark
 * that turns the direction of writing (U+2028 to 202E, 2066 to 2069)? Of a
 * whole character of UTF-8. */
bool smem__text_is_control(const unsigned char *at);
/* Turn what a terminal would obey, and what is not text, into question marks:
 * names come from anybody. */
void smem__text_defuse(char *text);

/* The hash of some bytes before and of these. */
#define HASH_NOTHING UINT64_C(0xCBF29CE484222325)
uint64_t smem__hash_more(uint64_t hash, const void *bytes, size_t length);
uint64_t smem__hash_text(const char *text);

/* ---- process.c ----------------------------------------------------------- */

/* This process, as footers name the owner. `token` is random: no other process
 * has it, a forked child has its own. */
struct process {
  os_process os;
  uint64_t token;
};
const struct process *smem__process_self(void);

/* Different at every call, in this process and against all others. Never 0. */
uint64_t smem__process_random(void);

bool smem__process_interrupted(void);
/* What smem_environment() told: the beginning of it, "" for nothing. */
struct environment {
  char space[48], timeout[32], tag[64];
  char directory[SMEM_DIRECTORY_SIZE + 1]; /* one that is too long stays so */
  char spill[SMEM_DIRECTORY_SIZE + 1];     /* likewise */
};
void smem__process_told(struct environment *environment);
/* Nanoseconds to wait for somebody else before giving up. */
uint64_t smem__process_timeout(void);

/* Who tells that the user wants to interrupt; may be NULL. */
void smem__process_ask(bool (*interrupted)(void));

/* Remember that a segment with this process's lifetime was made. */
void smem__process_owes_free(void);
/* Was there one, since this was asked last? Not in a forked child. */
bool smem__process_settle(void);

void smem__process_start(void);
void smem__process_before_fork(void);
void smem__process_after_fork(void);
void smem__process_in_child(void);

/* ---- patience.c ---------------------------------------------------------- */

/* Between two attempts at what somebody else has: SMEM_BUSY after
 * smem__process_timeout(), SMEM_INTERRUPTED. `patience` begins as zeros. */
struct patience {
  uint64_t deadline, pause; /* nanoseconds */
};
smem_code smem__patience_wait(const struct call *call,
                              struct patience *patience);

/* After element i, from 0, of many: now and then, SMEM_INTERRUPTED. */
smem_code smem__patience_look(const struct call *call, uint64_t i);

#endif
