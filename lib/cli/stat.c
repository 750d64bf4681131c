/* smem stat: how much there is, who has it, what limits it. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

struct shares {
  struct share {
    char space[SMEM_NAMESPACE_SIZE];
    uint64_t user;
    smem_state state;
    uint64_t segments, resident;
  } * share;
  size_t count, room;
  bool failed;
};

static void note_share(const smem_share *share, void *context) {
  struct shares *shares = context;
  struct share *copy =
      grown(shares->share, &shares->room, shares->count, sizeof *copy);
  if (!copy) {
    shares->failed = true;
    return;
  }
  shares->share = copy;
  copy += shares->count++;
  smem_copy_text(copy->space, sizeof copy->space, share->space);
  copy->user = share->user;
  copy->state = share->state;
  copy->segments = share->segments;
  copy->resident = share->resident;
}

/* What takes most comes first. */
static int compare_shares(const void *a, const void *b) {
  const struct share *left = a, *right = b;
  if (left->resident != right->resident)
    return left->resident < right->resident ? 1 : -1;
  int order = strcmp(left->space, right->space);
  return order ? order
               : strcmp(smem_state_name(left->state),
                        smem_state_name(right->state));
}

static void print_json(const char *space, const smem_limits *limits,
                       const struct shares *shares) {
  struct json json;
  json_begin(&json);
  json_text(&json, "namespace", space);
  json_number(&json, "capacity", limits->capacity);
  json_number(&json, "used", limits->used);
  json_number(&json, "free", limits->free);
  json_text(&json, "free_by", *limits->free_by ? limits->free_by : NULL);
  json_text(&json, "directory", limits->directory);
  json_text(&json, "spill", limits->spill);
  json_bool(&json, "cleaned_at_logout", true, limits->cleaned_at_logout);
  json_open(&json, "shares", '[');
  for (size_t i = 0; i < shares->count; i++) {
    const struct share *share = &shares->share[i];
    char user[80];
    smem_user_name(share->user, user, sizeof user);
    json_open(&json, NULL, '{');
    json_text(&json, "namespace", share->space);
    json_text(&json, "user", user);
    json_text(&json, "state", smem_state_name(share->state));
    json_number(&json, "segments", share->segments);
    json_number(&json, "bytes", share->resident);
    json_close(&json, '}');
  }
  json_close(&json, ']');
  json_end(&json);
}

static bool print_shares(const struct options *options,
                         const struct shares *shares) {
  struct grid grid = {
      .names = {"namespace", "user", "state", "segments", "resident"},
      .left = {true, true, true, false, false},
      .columns = 5};
  for (size_t i = 0; i < shares->count; i++) {
    const struct share *share = &shares->share[i];
    char text[TEXT_SIZE], user[80], number[32];
    grid_row(&grid, share->state);
    make_printable(share->space, text);
    grid_cell(&grid, text);
    smem_user_name(share->user, user, sizeof user);
    clip(user, 24, text);
    grid_cell(&grid, text);
    grid_cell(&grid, smem_state_name(share->state));
    snprintf(number, sizeof number, "%llu",
             (unsigned long long)share->segments);
    grid_cell(&grid, number);
    format_bytes(options, share->resident, number);
    grid_cell(&grid, number);
  }
  return grid_print(&grid);
}

/* In lines that fit the terminals of old. */
static void print_wrapped(const char *text) {
  enum { WIDTH = 78 };
  int at = 0;
  while (*text) {
    int length = (int)strcspn(text, " ");
    bool fits = at > 0 && at + 1 + length <= WIDTH;
    printf("%s%.*s", fits ? " " : at > 0 ? "\n  " : "  ", length, text);
    at = fits ? at + 1 + length : 2 + length;
    text += length;
    if (*text) text++;
  }
  putchar('\n');
}

/* What bites now or soon, and what helps. */
static void print_limits(const smem_limits *limits) {
  for (smem_limit i = 0; i < SMEM_LIMITS; i++) {
    if (!smem_limit_bites(limits, i)) continue;
    printf("\n! %s", smem_limit_name(i));
    if (i == SMEM_LIMIT_MEMORY) printf(": limited by %s", limits->free_by);
    putchar('\n');
    print_wrapped(smem_limit_remedy(i));
    if (i == SMEM_LIMIT_FULL)
      print_wrapped("`smem ls -a` tells who has it, `smem reclaim` removes "
                    "what is nobody's.");
  }
}

static int print_text(const struct options *options, const char *space,
                      const smem_limits *limits, const struct shares *shares) {
  char used[32], capacity[32], free_bytes[32], name[TEXT_SIZE],
      shown[TEXT_SIZE];
  format_bytes(options, limits->used, used);
  format_bytes(options, limits->capacity, capacity);
  format_bytes(options, limits->free, free_bytes);
  make_printable(space, name);
  if (limits->capacity != UINT64_MAX)
    printf("Shared memory: %s of %s used, %s can be allocated\n", used,
           capacity, free_bytes);
  if (limits->spill[0]) {
    make_printable(limits->spill, shown);
    printf("Spilled to: %s\n", shown);
  }
  printf("Namespace: %s\n", name);
  if (shares->count == 0) puts("There are no segments on this machine.");
  if (shares->count == 0 && limits->used > 0 && limits->used != UINT64_MAX)
    puts("What is used is other programs', or memory whose name is gone: it "
         "stays\nuntil the last process lets go of it.");
  if (shares->count > 0) {
    putchar('\n');
    if (!print_shares(options, shares)) return no_memory();
  }
  print_limits(limits);
  return DONE;
}

int run_stat(const struct options *options) {
  struct shares shares = {0};
  char space[SMEM_NAMESPACE_SIZE];
  smem_limits limits = SMEM_LIMITS_INIT;
  smem_error error = SMEM_ERROR_INIT;
  int status = DONE;
  smem_code code = smem_own_namespace(space, &error);
  if (code == SMEM_OK) code = smem_shares(note_share, &shares, &error);
  smem_limits_get(&limits);
  if (shares.count > 1)
    qsort(shares.share, shares.count, sizeof *shares.share, compare_shares);
  if (code != SMEM_OK)
    status = refuse(&error);
  else if (shares.failed)
    status = no_memory();
  else if (options->json)
    print_json(space, &limits, &shares);
  else
    status = print_text(options, space, &limits, &shares);
  free(shares.share);
  return status;
}
