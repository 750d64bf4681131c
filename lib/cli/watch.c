/* smem watch: what there is, again and again, on a terminal. */
#include "cli.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void on_signal(int number) { ended = number; }

/* What takes most memory comes first. */
static int compare_resident(const void *a, const void *b) {
  const struct row *left = a, *right = b;
  uint64_t x = resident_of(&left->entry), y = resident_of(&right->entry);
  return x == y ? strcmp(left->entry.id, right->entry.id) : x < y ? 1 : -1;
}

static size_t lines_of_terminal(void) {
  struct winsize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 10)
    return 24;
  return size.ws_row;
}

static void print_head(const struct options *options) {
  char used[32], capacity[32], free_bytes[32], clock[16];
  time_t now = time(NULL);
  struct tm day;
  smem_limits limits = SMEM_LIMITS_INIT;
  smem_limits_get(&limits);
  format_bytes(options, limits.used, used);
  format_bytes(options, limits.capacity, capacity);
  format_bytes(options, limits.free, free_bytes);
  if (!localtime_r(&now, &day) || !strftime(clock, sizeof clock, "%T", &day))
    clock[0] = 0;
  printf("%s  %s of %s used, %s can be allocated\n\n", clock, used, capacity,
         free_bytes);
}

static int draw(const struct options *options) {
  enum { AROUND = 8 }; /* head, heading, states, and the cursor's line */
  struct rows rows = {0};
  size_t shown = lines_of_terminal() - AROUND;
  int status;
  enter_space(options, NULL);
  if (gather(options, &rows, &status)) {
    fputs("\033[H\033[2J", stdout);
    print_head(options);
    if (rows.count > 1)
      qsort(rows.row, rows.count, sizeof *rows.row, compare_resident);
    if (shown > rows.count) shown = rows.count;
    if (rows.count == 0)
      puts("No shared memory.");
    else if (!print_rows(options, rows.row, shown))
      status = no_memory();
    if (rows.count > shown) printf("... and %zu more\n", rows.count - shown);
    print_states(options, &rows);
    fflush(stdout);
  }
  free_rows(&rows);
  return status;
}

/* Until the next time: true if somebody wants to end it. */
static bool pause_for(unsigned seconds) {
  struct pollfd input = {STDIN_FILENO, POLLIN, 0};
  char key;
  if (poll(&input, 1, (int)seconds * 1000) <= 0) return ended;
  return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || ended;
}

int run_watch(const struct options *options) {
  struct termios before, now;
  struct sigaction action;
  int status = DONE;
  if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0) {
    complain("watch needs a terminal; `smem ls` does not");
    return USAGE;
  }
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal; /* no SA_RESTART: it ends poll() */
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
  now = before;
  now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  tcsetattr(STDIN_FILENO, TCSANOW, &now);
  fputs("\033[?1049h\033[?25l", stdout); /* the other screen, no cursor */
  do status = draw(options);
  while (status == DONE && !pause_for(options->interval));
  fputs("\033[?25h\033[?1049l", stdout);
  fflush(stdout);
  tcsetattr(STDIN_FILENO, TCSANOW, &before);
  return status;
}
