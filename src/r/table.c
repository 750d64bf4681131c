/* Rows that the core tells one by one, on their way to R. */
#include "table.h"

#include <stdlib.h>

void *r_table_add(struct r_table *table) {
  if (table->used == table->room) {
    size_t room = table->room ? table->room * 2 : 64;
    void *larger = realloc(table->data, room * table->size);
    if (!larger) {
      table->out_of_memory = true;
      return NULL;
    }
    table->data = larger;
    table->room = room;
  }
  return (char *)table->data + table->used++ * table->size;
}

void r_table_fail(smem_op op) {
  smem_error error = {.size = sizeof error,
                      .code = SMEM_NO_MEMORY,
                      .op = op,
                      .detail = "there is no memory for the table"};
  r_check(error.code, &error);
}

SEXP r_utf8(const char *text) {
  if (!text[0]) return NA_STRING;
  return Rf_mkCharCE(text, smem_is_utf8(text) ? CE_UTF8 : CE_BYTES);
}

double r_number_or_na(uint64_t value) {
  return value == UINT64_MAX ? NA_REAL : (double)value;
}
