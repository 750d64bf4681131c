/* Rows that the core tells one by one, on their way to R.
 *
 * The core's walks must not be jumped out of, and R may jump out of any
 * allocation. So rows are collected in C's memory first. */
#ifndef SHAREDMEMORY_R_TABLE_H
#define SHAREDMEMORY_R_TABLE_H

#include "glue.h"

/* Zero but for `size`. The rows are for free(). */
struct r_table {
  void *data;
  size_t used, room, size; /* rows, rows, bytes of one */
  bool out_of_memory;
};

/* Another row, not set; NULL without memory, which the table remembers. */
void *r_table_add(struct r_table *table);

/* The error for a table without memory. Jumps. */
void r_table_fail(smem_op op);

/* A text of the core's, NA if it is empty; not protected. A number of the
 * core's, NA for UINT64_MAX. */
SEXP r_utf8(const char *text);
double r_number_or_na(uint64_t value);

#endif
