/* The different strings of a character vector, each once. */
#ifndef SHAREDMEMORY_R_DICTIONARY_H
#define SHAREDMEMORY_R_DICTIONARY_H

#include "shared.h"

/* Numbers for pointers, in the order in which they were seen. */
struct numbering {
  uint32_t *slots; /* a number and one; 0: free */
  uint64_t mask;   /* slots - 1 */
  SEXP *list;      /* by number */
  uint64_t count, room;
};

/* A number of its own for each; UINT32_MAX: there is no memory, or no number
 * left. It begins as zeros. */
uint32_t r_number_of(struct numbering *numbering, SEXP x);
void r_numbering_dispose(struct numbering *numbering);

struct dictionary {
  SEXP vector; /* an ordinary one, with nothing to be translated in it */
  struct numbering seen; /* not used with width 0 */
  uint32_t *index;
  int64_t *offsets;        /* of all different strings, and of the end */
  uint8_t *encodings;      /* NULL: all are ASCII */
  char *text;              /* or NULL */
  uint64_t copied;         /* strings, the first ones, whose text that has */
  smem_string_block block; /* where all is, once it was placed */
  uint64_t end;
};

/* Of an ordinary character vector; false: there is no memory. *keep: what is to
 * be protected as long as the dictionary is used. May jump. */
bool r_dictionary_make(struct dictionary *dictionary, SEXP x, SEXP *keep);
/* At an offset, of which it needs the bytes up to dictionary->end. */
void r_dictionary_place(struct dictionary *dictionary, uint64_t at);
smem_code r_dictionary_write(const struct dictionary *dictionary,
                             smem_writer *writer, smem_error *error);
void r_dictionary_dispose(struct dictionary *dictionary);

#endif
