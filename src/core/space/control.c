/* The control object: one page per namespace, with the counters that all
 * processes share, and the locks that tell who is alive.
 *
 *   state of a process     presence byte   how
 *   apart                  free            at start, in a forked child, after
 *                                          control_leave()
 *   joined                 locked          control_join()
 *   joined to a lost one   (unreachable)   somebody removed or damaged the
 *                                          object; noticed at the next join
 *
 * Joining and leaving hold the gate. A process that waits for the gate has the
 * object open, and the one that leaves may remove it meanwhile: so who gets the
 * gate looks whether the object still has its name, and otherwise starts again.
 * Without that, processes would live on in objects that nobody else can find. */
#include "space.h"

#include <stdatomic.h>
#include <string.h>

enum { PAGE_VERSION = 2, PAGE_SIZE = 4096 };
typedef char page_fits[sizeof(struct control_page) == PAGE_SIZE ? 1 : -1];

static const uint64_t page_magic = 0x314C5443534D4853u; /* "SHMSCTL1" */

/* Guards what follows, and references. A fork waits for it, so whatever is opened
 * while it is held is in `all` when a child looks for what it must close. */
static os_mutex mutex;
static struct control *joined; /* the mutex's own reference, or NULL */
static struct control *all;    /* every one this process has open */
static _Atomic uint64_t joined_by; /* pid; read without the mutex */
static uint64_t known_number;  /* the highest this process has had to do with */
static _Atomic uint64_t uses;  /* see control_used() */

void control_start(void) { os_mutex_init(&mutex); }
void control_before_fork(void) { os_mutex_lock(&mutex); }
void control_after_fork(void) { os_mutex_unlock(&mutex); }

/* ---- references -------------------------------------------------------------- */

static void close_files(struct control *control) {
  if (control->page) os_unmap(control->page, PAGE_SIZE);
  os_object_close(control->file);
}

void control_in_child(void) {
  os_mutex_unlock(&mutex);
  /* Also those that other threads of the parent were using: they do not exist
   * here, and the locks of these openings would outlive the parent. */
  while (all) {
    struct control *control = all;
    all = control->next;
    close_files(control);
    os_release(control);
  }
  joined = NULL;
}

/* A new one with one reference, in the list; the file becomes its own. Under the
 * mutex. */
static struct control *adopt(os_object file) {
  struct control *control = os_allocate(sizeof *control);
  if (!control) return NULL;
  control->file = file;
  control->references = 1;
  control->next = all;
  all = control;
  return control;
}

void control_release(struct control *control) {
  os_mutex_lock(&mutex);
  bool last = --control->references == 0;
  for (struct control **at = &all; last && *at; at = &(*at)->next)
    if (*at == control) {
      *at = control->next;
      break;
    }
  if (last) close_files(control); /* before a child could inherit the locks */
  os_mutex_unlock(&mutex);
  if (last) os_release(control);
}

struct control *control_reference(void) {
  os_mutex_lock(&mutex);
  struct control *control = joined;
  if (control) control->references++;
  os_mutex_unlock(&mutex);
  return control;
}

/* Let go of the joined one, if it is this one. */
static void forget_joined(struct control *control) {
  os_mutex_lock(&mutex);
  bool was_joined = joined == control;
  if (was_joined) joined = NULL;
  os_mutex_unlock(&mutex);
  if (was_joined) control_release(control);
}

/* ---- the page ------------------------------------------------------------------- */

static bool page_is_valid(struct control_page *page) {
  return atomic_load(&page->magic) == page_magic &&
         atomic_load(&page->version) == PAGE_VERSION &&
         atomic_load(&page->generation) != 0 &&
         atomic_load(&page->number) <= SMEM_MAX_NUMBER &&
         atomic_load(&page->presence) < LOCK_PRESENCES / 2;
}

bool control_is_intact(const struct control *control) {
  os_info info;
  /* The size comes first: touching the page of a truncated file is SIGBUS. */
  return control->page &&
         os_control_stat(control->file, &info).code == OS_OK &&
         !info.unlinked && info.size >= PAGE_SIZE &&
         page_is_valid(control->page) &&
         atomic_load(&control->page->generation) == control->generation;
}

static smem_code map_page(const struct call *call, struct control *control) {
  void *address = NULL;
  /* A mapping keeps the opening, and with it the locks, like a descriptor does:
   * a child must know of it. */
  os_mutex_lock(&mutex);
  os_status status = os_object_map(control->file, PAGE_SIZE,
                                   OS_READ_WRITE, &address);
  control->page = address;
  os_mutex_unlock(&mutex);
  if (status.code == OS_OK) return SMEM_OK;
  return fail_os(call, status, "the control object cannot be mapped");
}

/* Fill an empty page. Numbers start above the ids that are there already, or
 * they would be handed out a second time. */
static smem_code init_page(const struct call *call,
                           struct control_page *page) {
  uint64_t highest = 0;
  smem_code code = walk_highest_number(call, &highest);
  /* A system that cannot list: then O_EXCL finds what is taken. */
  if (code != SMEM_OK && code != SMEM_UNSUPPORTED) return code;
  atomic_store(&page->version, PAGE_VERSION);
  atomic_store(&page->generation, process_random());
  atomic_store(&page->number, highest);
  atomic_store(&page->magic, page_magic);
  return SMEM_OK;
}

/* ---- opening ------------------------------------------------------------------ */

static smem_code open_file(const struct call *call, bool create,
                           const struct name *name, os_object *file,
                           os_status *status) {
  os_info info = {.user = os_user()};
  *status = os_control_open(name->text, create, file, &info);
  if (status->code == OS_NOT_FOUND && !create) return SMEM_OK;
  if (info.user != os_user()) {
    if (status->code == OS_OK) os_object_close(*file);
    return fail_owner(call, name->text, info.user);
  }
  if (is_bad_place(*status)) return fail_place(call, *status);
  switch (status->code) {
  case OS_OK:
    return SMEM_OK;
  case OS_NO_SPACE:
    return fail(call, SMEM_NO_SPACE, status->number,
                "there is no room for the control object of the namespace");
  case OS_NOT_REGULAR:
    return fail(call, SMEM_CONTROL, 0,
                "the control object %s is a link, a directory or a FIFO, or a file "
                "that has another name too",
                name->text);
  default:
    return fail_os(call, *status, "the control object cannot be opened");
  }
}

/* *control stays NULL if there is none and none is to be created. */
static smem_code open_control(const struct call *call, bool create,
                              const struct name *name,
                              struct control **control) {
  os_object file;
  os_status status;
  *control = NULL;
  os_mutex_lock(&mutex);
  smem_code code = open_file(call, create, name, &file, &status);
  if (code == SMEM_OK && status.code == OS_OK && !(*control = adopt(file))) {
    os_object_close(file);
    code = fail_no_memory(call);
  }
  os_mutex_unlock(&mutex);
  return code;
}

/* The rest of joining, under the gate: give the object its contents if it has
 * none. Damaged contents are replaced when nobody uses them any more. */
static smem_code settle_page(const struct call *call, struct control *control,
                             const os_info *info, const char *name) {
  smem_code code;
  if (info->size >= PAGE_SIZE) {
    if ((code = map_page(call, control)) != SMEM_OK) return code;
    if (page_is_valid(control->page)) return SMEM_OK;
    os_mutex_lock(&mutex);
    os_unmap(control->page, PAGE_SIZE);
    control->page = NULL;
    os_mutex_unlock(&mutex);
  }
  bool used = true; /* also where it cannot be asked */
  os_lock_query(control->file, LOCK_PRESENCE, LOCK_PRESENCES, &used);
  if (info->size > 0 && used)
    return fail(call, SMEM_CONTROL, 0,
                "the control object %s is damaged, or of another version of "
                "this package, and in use", name);
  os_status status = os_control_resize(control->file, PAGE_SIZE);
  if (is_bad_place(status)) return fail_place(call, status);
  if (status.code != OS_OK)
    return fail_os(call, status,
                   "there is no room for the control object of the namespace");
  if ((code = map_page(call, control)) != SMEM_OK) return code;
  return init_page(call, control->page);
}

/* A page that was made while we knew of higher numbers: after the loss of the
 * former one, by somebody who did not know of them. */
static void raise_number(struct control_page *page) {
  uint64_t number = atomic_load(&page->number);
  while (number < known_number &&
         !atomic_compare_exchange_weak(&page->number, &number, known_number))
    continue;
}

static smem_code take_presence(const struct call *call,
                               struct control *control) {
  os_status status;
  uint64_t presence;
  os_mutex_lock(&mutex);
  raise_number(control->page);
  os_mutex_unlock(&mutex);
  do {
    presence = atomic_fetch_add(&control->page->presence, 1) + 1;
    status = os_lock(control->file, LOCK_PRESENCE + presence, 1);
    /* busy: the page was made anew while an older process is still there */
  } while (status.code == OS_BUSY);
  os_mutex_lock(&mutex); /* others look through the list of all */
  control->presence = presence;
  control->generation = atomic_load(&control->page->generation);
  os_mutex_unlock(&mutex);
  if (status.code == OS_OK) return SMEM_OK;
  return fail_os(call, status, "the presence lock cannot be taken");
}

/* Under the gate: nobody else is here and nothing is left. */
static bool is_last(const struct call *call, struct control *control) {
  bool used = true, any = true;
  return os_lock_query(control->file, LOCK_PRESENCE, LOCK_PRESENCES, &used)
                 .code == OS_OK &&
         !used && walk_any(call, &any) == SMEM_OK && !any;
}

/* One attempt at joining through an open file. *again: it lost its name while we
 * waited. */
static smem_code join_file(const struct call *call, struct control *control,
                           const char *name, bool *again) {
  struct lock gate;
  os_info info;
  smem_code code = lock_take(call, control->file, LOCK_GATE, 1, &gate);
  if (code != SMEM_OK) return code;
  os_status status = os_control_stat(control->file, &info);
  *again = status.code == OS_OK && info.unlinked;
  if (status.code != OS_OK)
    code = fail_os(call, status, "the control object cannot be examined");
  else if (!*again) {
    code = settle_page(call, control, &info, name);
    if (code == SMEM_OK) code = take_presence(call, control);
    /* What could not be made use of must not stay in /dev/shm. */
    if (code != SMEM_OK && info.size == 0 && is_last(call, control))
      os_control_remove(name);
  }
  lock_drop(&gate);
  return code;
}

static smem_code join_anew(const struct call *call, struct control **result) {
  for (;;) {
    struct name name;
    bool again = false;
    smem_code code = name_of_control(call, &name);
    if (code == SMEM_OK) code = open_control(call, true, &name, result);
    if (code != SMEM_OK) return code;
    code = join_file(call, *result, name.text, &again);
    if (code == SMEM_OK && !again) return SMEM_OK;
    control_release(*result);
    if (code != SMEM_OK) return code;
  }
}

smem_code control_join(const struct call *call, struct control **result) {
  struct control *control = control_reference();
  if (control) {
    if (control_is_intact(control)) {
      *result = control;
      return SMEM_OK;
    }
    forget_joined(control);
    control_release(control);
  }
  smem_code code = join_anew(call, &control);
  if (code != SMEM_OK) return code;
  os_mutex_lock(&mutex);
  struct control *first = joined;
  if (!first) {
    joined = control;
    joined_by = process_self()->os.pid;
  }
  /* A thread that joined at the same time has won: one presence per process. */
  (first ? first : control)->references++;
  os_mutex_unlock(&mutex);
  if (first) control_release(control);
  *result = first ? first : control;
  return SMEM_OK;
}

/* Open one without presence, and with the page if that can be used. */
static smem_code peek_file(const struct call *call, const struct name *name,
                           struct control **result) {
  os_info info;
  smem_code code = open_control(call, false, name, result);
  if (code != SMEM_OK || !*result) return code;
  struct control *control = *result;
  if (os_control_stat(control->file, &info).code == OS_OK &&
      info.size >= PAGE_SIZE &&
      (code = map_page(call, control)) == SMEM_OK &&
      page_is_valid(control->page))
    control->generation = atomic_load(&control->page->generation);
  if (code == SMEM_OK) return code;
  control_release(control);
  *result = NULL;
  return code;
}

smem_code control_peek(const struct call *call, struct control **result) {
  struct name name;
  *result = control_reference();
  if (*result && control_is_intact(*result)) return SMEM_OK;
  if (*result) control_release(*result);
  *result = NULL;
  smem_code code = name_of_control(call, &name);
  if (code == SMEM_OK) code = peek_file(call, &name, result);
  return code;
}

struct control *control_peek_in(const struct call *call, const char *space) {
  struct space own;
  struct name name;
  struct control *control = NULL;
  smem_error ignored;
  struct call quiet = *call;
  quiet.error = &ignored;
  if (namespace_get(&quiet, &own) == SMEM_OK && strcmp(own.text, space) == 0) {
    if (control_peek(&quiet, &control) != SMEM_OK) return NULL;
    return control;
  }
  name_of_control_in(space, &name);
  return peek_file(&quiet, &name, &control) == SMEM_OK ? control : NULL;
}

/* ---- presence ------------------------------------------------------------------- */

bool control_presence_lives(const struct control *control, uint64_t presence) {
  bool lives = false;
  if (presence == 0 || presence >= LOCK_PRESENCES) return false; /* nobody's */
  /* A query does not show locks of the opening it is made through; and no lock of
   * the process where the system has only the classic ones. */
  os_mutex_lock(&mutex);
  for (const struct control *own = all; own; own = own->next)
    lives |= own->presence == presence && own->generation == control->generation;
  os_mutex_unlock(&mutex);
  if (lives) return true;
  return os_lock_query(control->file, LOCK_PRESENCE + presence, 1, &lives)
                 .code != OS_OK ||
         lives;
}

/* ---- leaving -------------------------------------------------------------------- */

void control_used(void) { atomic_fetch_add(&uses, 1); }

uint64_t control_uses(void) { return atomic_load(&uses); }

/* Let go of the joined one, unless another thread is at work by its presence or has
 * been since `before`: what that one has made would belong to nobody. From here on
 * who needs a presence joins anew. */
static bool withdraw(struct control *control, uint64_t before) {
  os_mutex_lock(&mutex);
  bool is_joined = joined == control;
  bool unused = atomic_load(&uses) == before &&
                control->references == (is_joined ? 2u : 1u);
  if (is_joined && unused) {
    joined = NULL;
    control->references--;
  }
  os_mutex_unlock(&mutex);
  return unused;
}

/* The presence has to go while we hold the gate. Otherwise of two who leave at once
 * the first sees the second, who waits for the gate, and the second still sees the
 * first: nobody would remove the object. */
bool control_leave(const struct call *call, uint64_t before) {
  struct control *control = control_reference();
  struct lock gate;
  struct name name;
  os_process self;
  if (!control) return true;
  os_process_self(&self);
  /* A child that was cloned past our fork handlers is not the one that joined. */
  bool is_ours = self.pid == joined_by && control_is_intact(control) &&
                 name_of_control(call, &name) == SMEM_OK &&
                 lock_take(call, control->file, LOCK_GATE, 1, &gate) == SMEM_OK;
  bool left = withdraw(control, before);
  if (is_ours && left) {
    if (is_last(call, control)) os_control_remove(name.text);
    os_unlock(control->file, LOCK_PRESENCE + control->presence, 1);
  }
  /* With the gate not to be had the object stays: the next to leave removes it. */
  if (is_ours) lock_drop(&gate);
  control_release(control);
  return left;
}

/* ---- numbers -------------------------------------------------------------------- */

smem_code control_take_numbers(const struct call *call, struct control *control,
                               uint64_t count, uint64_t *first) {
  *first = atomic_fetch_add(&control->page->number, count) + 1;
  if (*first <= SMEM_MAX_NUMBER - count) {
    control_remember_number(*first + count - 1);
    return SMEM_OK;
  }
  atomic_fetch_sub(&control->page->number, count);
  return fail(call, SMEM_CONTROL, 0,
              "the counter of the namespace is damaged or used up");
}

void control_remember_number(uint64_t number) {
  os_mutex_lock(&mutex);
  if (number > known_number) known_number = number;
  os_mutex_unlock(&mutex);
}

void control_forget_numbers(void) {
  os_mutex_lock(&mutex);
  known_number = 0;
  os_mutex_unlock(&mutex);
}

uint64_t control_last_number(const struct control *control) {
  return atomic_load(&control->page->number);
}

_Atomic uint64_t *control_reclaim_position(struct control *control) {
  return control->generation != 0 ? &control->page->reclaimed : NULL;
}

smem_code smem_last_index(uint64_t *index, smem_error *error) {
  struct call call = {"count", "", 0, error, false};
  struct control *control;
  smem_code code = control_peek(&call, &control);
  if (code != SMEM_OK) return code;
  if (!control || !control->page) /* none yet, or only just made */
    code = walk_highest_number(&call, index);
  else if (control->generation != 0)
    *index = control_last_number(control);
  else
    code = fail(&call, SMEM_CONTROL, 0, "the control object is damaged");
  if (control) control_release(control);
  return code;
}
