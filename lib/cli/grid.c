/* Columns of text. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

void grid_cell(struct grid *grid, const char *text) {
  char **cells = grown(grid->cells, &grid->room, grid->used, sizeof *cells);
  char *copy = cells ? strdup(text) : NULL;
  if (cells) grid->cells = cells;
  if (!copy) grid->failed = true;
  if (copy) grid->cells[grid->used++] = copy;
}

void grid_row(struct grid *grid, smem_state state) {
  grid_cell(grid, state == SMEM_STATES ? "" : colour_of(state));
}

static void print_cell(const char *text, int width, bool left, bool last) {
  int blanks = width - width_of(text);
  if (left) {
    printf("%s%*s", text, last ? 0 : blanks, "");
  } else {
    printf("%*s%s", blanks, "", text);
  }
  if (!last) fputs("  ", stdout);
}

/* Blanks at the end of a line are left out, with the cells that are empty. */
static void print_line(const struct grid *grid, const int *widths,
                       const char *const *cells) {
  int last = grid->columns - 1;
  while (last > 0 && !*cells[last]) last--;
  for (int k = 0; k <= last; k++)
    print_cell(cells[k], widths[k], grid->left[k], k == last);
}

static void find_widths(const struct grid *grid, int *widths) {
  size_t row = (size_t)grid->columns + 1;
  for (size_t k = 0; k + 1 < row; k++) {
    widths[k] = width_of(grid->names[k]);
    for (size_t i = k + 1; i < grid->used; i += row) {
      int width = width_of(grid->cells[i]);
      if (width > widths[k]) widths[k] = width;
    }
  }
}

bool grid_print(struct grid *grid) {
  int widths[GRID_COLUMNS];
  size_t row = (size_t)grid->columns + 1;
  find_widths(grid, widths);
  fputs(bold(), stdout);
  print_line(grid, widths, grid->names);
  printf("%s\n", plain());
  for (size_t i = 0; i + row <= grid->used; i += row) {
    const char *const *cells = (const char *const *)grid->cells + i;
    fputs(cells[0], stdout);
    print_line(grid, widths, cells + 1);
    printf("%s\n", *cells[0] ? plain() : "");
  }
  for (size_t i = 0; i < grid->used; i++) free(grid->cells[i]);
  free(grid->cells);
  grid->cells = NULL;
  grid->used = grid->room = 0;
  return !grid->failed;
}
