/* The control object: one page per namespace, with the counters that all
 * processes share, and the locks that tell who is alive.
 *
 *   state of a process     presence byte   how
 *   apart                  free            at start, in a forked child, after
 *                                          smem__control_leave()
 *   joined                 locked          smem__control_join()
 *   joined to a lost one   (unreachable)   somebody removed or damaged the
 *                                          object; noticed at the next join
 *
 * It comes into being like a segment: made and locked by one process, complete
 * when it has its page, and cleaned away if that process dies in between.
 * Nothing that exists depends on it: if it is lost, numbers and presences begin
 * again in another one.
 *
 * Who joins locks the byte of a presence and looks then whether the object
 * still has its name. Who leaves gives up its own, locks the bytes of all and
 * looks then whether anything is left; only with these locks held it removes
 * the object. So nobody is left in an object that others cannot find. */
#include "space.h"

#include <stdatomic.h>
#include <string.h>

enum { PAGE_VERSION = 3, PAGE_SIZE = 4096 };

/* As it is written. */
union page {
  struct control_page page;
  char room[PAGE_SIZE];
};

static const uint64_t page_magic = 0x314C5443534D4853u; /* "SHMSCTL1" */

/* Guards what follows, and references. A fork waits for it, so whatever is
 * opened while it is held is in `all` when a child looks for what it must
 * close. */
static os_mutex mutex;
static struct control *joined;     /* the mutex's own reference, or NULL */
static struct control *all;        /* every one this process has open */
static _Atomic uint64_t joined_by; /* pid; read without the mutex */
static uint64_t known_number; /* the highest this process has had to do with */
static _Atomic bool freed;    /* see smem__control_freed() */
static _Atomic uint64_t uses; /* see smem__control_used() */

void smem__control_start(void) { smem__os_mutex_init(&mutex); }
void smem__control_before_fork(void) { smem__os_mutex_lock(&mutex); }
void smem__control_after_fork(void) { smem__os_mutex_unlock(&mutex); }

/* ---- references ---------------------------------------------------------- */

static void close_files(struct control *control) {
  if (control->page) smem__os_unmap(control->page, PAGE_SIZE);
  smem__os_object_close(control->file);
}

void smem__control_in_child(void) {
  freed = false;
  smem__os_mutex_unlock(&mutex);
  /* Also those that other threads of the parent were using: they do not exist
   * here, and the locks of these openings would outlive the parent. */
  while (all) {
    struct control *control = all;
    all = control->next;
    close_files(control);
    smem__os_release(control);
  }
  joined = NULL;
}

/* A new one with one reference, in the list; the file becomes its own. Under
 * the mutex. */
static struct control *adopt(os_object file) {
  struct control *control = smem__os_allocate(sizeof *control);
  if (!control) return NULL;
  control->file = file;
  control->references = 1;
  control->next = all;
  all = control;
  return control;
}

void smem__control_release(struct control *control) {
  smem__os_mutex_lock(&mutex);
  bool last = --control->references == 0;
  for (struct control **at = &all; last && *at; at = &(*at)->next)
    if (*at == control) {
      *at = control->next;
      break;
    }
  if (last) close_files(control); /* before a child could inherit the locks */
  smem__os_mutex_unlock(&mutex);
  if (last) smem__os_release(control);
}

struct control *smem__control_reference(void) {
  smem__os_mutex_lock(&mutex);
  struct control *control = joined;
  if (control) control->references++;
  smem__os_mutex_unlock(&mutex);
  return control;
}

/* Let go of the joined one, if it is this one. */
static void forget_joined(struct control *control) {
  smem__os_mutex_lock(&mutex);
  bool was_joined = joined == control;
  if (was_joined) joined = NULL;
  smem__os_mutex_unlock(&mutex);
  if (was_joined) smem__control_release(control);
}

/* ---- the page ------------------------------------------------------------ */

static bool page_is_valid(struct control_page *page) {
  return atomic_load(&page->magic) == page_magic &&
         atomic_load(&page->version) == PAGE_VERSION &&
         atomic_load(&page->generation) != 0 &&
         atomic_load(&page->number) <= SMEM_MAX_NUMBER &&
         atomic_load(&page->presence) < LOCK_PRESENCES / 2;
}

bool smem__control_is_intact(const struct control *control) {
  os_info info;
  /* The size comes first: touching the page of a truncated file is SIGBUS. */
  return control->page &&
         smem__os_control_stat(control->file, &info).code == OS_OK &&
         !info.unlinked && info.size >= PAGE_SIZE &&
         page_is_valid(control->page) &&
         atomic_load(&control->page->generation) == control->generation;
}

static smem_code map_page(const struct call *call, struct control *control) {
  void *address = NULL;
  /* A mapping keeps the opening, and with it the locks, like a descriptor does:
   * a child must know of it. */
  smem__os_mutex_lock(&mutex);
  os_status status =
      smem__os_object_map(control->file, PAGE_SIZE, OS_READ_WRITE, &address);
  control->page = address;
  smem__os_mutex_unlock(&mutex);
  if (status.code == OS_OK) return SMEM_OK;
  return smem__fail_os(call, status, "the control object cannot be mapped");
}

/* Let go of a page that is of no use. */
static void unmap_page(struct control *control) {
  smem__os_mutex_lock(&mutex);
  smem__os_unmap(control->page, PAGE_SIZE);
  control->page = NULL;
  smem__os_mutex_unlock(&mutex);
}

/* ---- opening ------------------------------------------------------------- */

static smem_code fail_control(const struct call *call, os_status status,
                              const char *name) {
  if (smem__is_bad_place(status)) return smem__fail_place(call, status);
  switch (status.code) {
  case OS_NO_SPACE:
    return smem__fail(
        call, SMEM_NO_SPACE, status.number,
        "there is no room for the control object of the namespace");
  case OS_NOT_REGULAR:
    return smem__fail(
        call, SMEM_CONTROL, 0,
        "the control object %s is a link, a directory or a FIFO, or a file "
        "that has another name too",
        name);
  default:
    return smem__fail_os(call, status, "the control object cannot be opened");
  }
}

static smem_code open_file(const struct call *call, const struct name *name,
                           os_object *file, os_info *info, bool *found) {
  *info = (os_info){.user = smem__os_user()};
  os_status status = smem__os_control_open(name->text, file, info);
  *found = status.code == OS_OK;
  if (info->user != smem__os_user()) {
    if (*found) smem__os_object_close(*file);
    return smem__fail_owner(call, name->text, info->user);
  }
  if (*found || status.code == OS_NOT_FOUND) return SMEM_OK;
  return fail_control(call, status, name->text);
}

/* *control stays NULL if there is none. */
static smem_code open_control(const struct call *call, const struct name *name,
                              struct control **control, os_info *info) {
  os_object file;
  bool found;
  *control = NULL;
  smem__os_mutex_lock(&mutex);
  smem_code code = open_file(call, name, &file, info, &found);
  if (code == SMEM_OK && found && !(*control = adopt(file))) {
    smem__os_object_close(file);
    code = smem__fail_no_memory(call);
  }
  smem__os_mutex_unlock(&mutex);
  return code;
}

/* ---- all presences ------------------------------------------------------- */

static os_status lock_presences(const struct control *control) {
  return smem__os_lock(control->file, LOCK_PRESENCE, LOCK_PRESENCES);
}

/* Under the lock of all presences: does it still have its name? */
static bool is_named(const struct control *control) {
  os_info info;
  return smem__os_control_stat(control->file, &info).code == OS_OK &&
         !info.unlinked;
}

/* The last one out removes the object, if nothing is left. Of two who leave at
 * once the later one sees that the other is gone. */
static void remove_if_unused(const struct call *call, struct control *control,
                             const char *name) {
  bool any = true;
  smem_error ignored;
  struct call quiet = *call;
  quiet.error = &ignored;
  if (lock_presences(control).code == OS_OK && is_named(control) &&
      smem__walk_any(&quiet, &any) == SMEM_OK && !any)
    smem__os_control_remove(name);
}

/* ---- making -------------------------------------------------------------- */

/* Remove what a dead creator left, if it is that. */
static void clean(const char *name) {
  os_object file;
  os_info info;
  smem__os_mutex_lock(&mutex); /* no child is to inherit it */
  if (smem__os_control_claim(name, &file, &info).code == OS_OK) {
    if (info.incomplete) smem__os_control_remove(name);
    smem__os_object_close(file);
  }
  smem__os_mutex_unlock(&mutex);
}

/* Numbers start above the ids that are there already, or they would be handed
 * out a second time. */
static smem_code fill_page(const struct call *call, struct control_page *page) {
  uint64_t highest = 0;
  smem_code code = smem__walk_highest_number(call, &highest);
  /* A system that cannot list: then O_EXCL finds what is taken. */
  if (code != SMEM_OK && code != SMEM_UNSUPPORTED) return code;
  atomic_store(&page->magic, page_magic);
  atomic_store(&page->version, PAGE_VERSION);
  atomic_store(&page->generation, smem__process_random());
  atomic_store(&page->number, highest);
  return SMEM_OK;
}

static smem_code publish(const struct call *call, struct control *control,
                         const char *name) {
  union page page;
  memset(&page, 0, sizeof page);
  smem_code code = fill_page(call, &page.page);
  if (code != SMEM_OK) return code;
  os_status status =
      smem__os_control_publish(control->file, &page, sizeof page);
  if (status.code != OS_OK) return fail_control(call, status, name);
  return map_page(call, control);
}

/* *control stays NULL if somebody else makes it. */
static smem_code create_control(const struct call *call,
                                const struct name *name,
                                struct control **control) {
  os_object file;
  smem_code code = SMEM_OK;
  *control = NULL;
  smem__os_mutex_lock(&mutex);
  os_status status = smem__os_control_create(name->text, &file);
  if (status.code == OS_OK && !(*control = adopt(file))) {
    smem__os_object_close(file);
    code = smem__fail_no_memory(call);
  }
  smem__os_mutex_unlock(&mutex);
  if (status.code == OS_EXISTS || status.code == OS_BUSY) return SMEM_OK;
  if (status.code != OS_OK) code = fail_control(call, status, name->text);
  if (code == SMEM_OK) code = publish(call, *control, name->text);
  if (code == SMEM_OK) return code;
  /* What could not be made use of must not stay. */
  if (*control) {
    remove_if_unused(call, *control, name->text);
    smem__control_release(*control);
  }
  *control = NULL;
  clean(name->text);
  return code;
}

/* ---- joining ------------------------------------------------------------- */

/* It has a page that cannot be used. If nobody does, it goes. */
static smem_code replace_damaged(const struct call *call,
                                 struct control *control, const char *name) {
  if (lock_presences(control).code == OS_OK) {
    if (is_named(control)) smem__os_control_remove(name);
    return SMEM_OK;
  }
  return smem__fail(
      call, SMEM_CONTROL, 0,
      "the control object %s is damaged, or of another version of this "
      "package, and in use",
      name);
}

/* A page that was made while we knew of higher numbers: after the loss of the
 * former one, by somebody who did not know of them. */
static void raise_number(struct control_page *page) {
  uint64_t number = atomic_load(&page->number);
  while (number < known_number &&
         !atomic_compare_exchange_weak(&page->number, &number, known_number))
    continue;
}

/* *again: somebody who leaves has all of them locked, or has removed the
 * object. */
static smem_code take_presence(const struct call *call, struct control *control,
                               bool *again) {
  smem__os_mutex_lock(&mutex);
  raise_number(control->page);
  smem__os_mutex_unlock(&mutex);
  uint64_t presence = atomic_fetch_add(&control->page->presence, 1) + 1;
  os_status status = smem__os_lock(control->file, LOCK_PRESENCE + presence, 1);
  *again =
      status.code == OS_BUSY || (status.code == OS_OK && !is_named(control));
  if (*again) return SMEM_OK;
  if (status.code != OS_OK)
    return smem__fail_os(call, status, "the presence lock cannot be taken");
  control->presence = presence;
  control->generation = atomic_load(&control->page->generation);
  return SMEM_OK;
}

/* Join what was found. *again: it is not, or not yet, what can be joined. */
static smem_code join_found(const struct call *call, struct control *control,
                            const os_info *info, const char *name,
                            bool *again) {
  *again = true;
  if (info->size == 0) { /* being made, or left by a dead creator */
    clean(name);
    return SMEM_OK;
  }
  if (info->size < PAGE_SIZE) return replace_damaged(call, control, name);
  smem_code code = control->page ? SMEM_OK : map_page(call, control);
  if (code != SMEM_OK) return code;
  if (page_is_valid(control->page)) return take_presence(call, control, again);
  unmap_page(control);
  return replace_damaged(call, control, name);
}

static smem_code join_once(const struct call *call, const struct name *name,
                           struct control **control, bool *again) {
  os_info info = {.size = PAGE_SIZE};
  smem_code code = open_control(call, name, control, &info);
  if (code == SMEM_OK && !*control) {
    code = create_control(call, name, control);
    info.size = PAGE_SIZE;
  }
  *again = true;
  if (code == SMEM_OK && *control)
    code = join_found(call, *control, &info, name->text, again);
  if ((code != SMEM_OK || *again) && *control) {
    if (code != SMEM_OK) remove_if_unused(call, *control, name->text);
    smem__control_release(*control);
    *control = NULL;
  }
  return code;
}

static smem_code join_anew(const struct call *call, struct control **result) {
  struct patience patience = {0, 0};
  struct name name;
  bool again = true;
  smem_code code = smem__name_of_control(call, &name);
  while (code == SMEM_OK && again) {
    code = join_once(call, &name, result, &again);
    if (code == SMEM_OK && again) code = smem__patience_wait(call, &patience);
  }
  return code;
}

smem_code smem__control_join(const struct call *call, struct control **result) {
  struct control *control = smem__control_reference();
  if (control) {
    if (smem__control_is_intact(control)) {
      *result = control;
      return SMEM_OK;
    }
    forget_joined(control);
    smem__control_release(control);
  }
  smem_code code = join_anew(call, &control);
  if (code != SMEM_OK) return code;
  smem__os_mutex_lock(&mutex);
  struct control *first = joined;
  if (!first) {
    joined = control;
    joined_by = smem__os_pid();
  }
  /* A thread that joined at the same time has won: one presence per process. */
  (first ? first : control)->references++;
  smem__os_mutex_unlock(&mutex);
  if (first) smem__control_release(control);
  *result = first ? first : control;
  return SMEM_OK;
}

/* Open one without presence, and with the page if that can be used. */
static smem_code peek_file(const struct call *call, const struct name *name,
                           struct control **result) {
  os_info info;
  smem_code code = open_control(call, name, result, &info);
  if (code != SMEM_OK || !*result) return code;
  struct control *control = *result;
  if (info.size >= PAGE_SIZE && (code = map_page(call, control)) == SMEM_OK &&
      page_is_valid(control->page))
    control->generation = atomic_load(&control->page->generation);
  if (code == SMEM_OK) return code;
  smem__control_release(control);
  *result = NULL;
  return code;
}

smem_code smem__control_peek(const struct call *call, struct control **result) {
  struct name name;
  *result = smem__control_reference();
  if (*result && smem__control_is_intact(*result)) return SMEM_OK;
  if (*result) smem__control_release(*result);
  *result = NULL;
  smem_code code = smem__name_of_control(call, &name);
  if (code == SMEM_OK) code = peek_file(call, &name, result);
  return code;
}

struct control *smem__control_peek_in(const struct call *call,
                                      const char *space) {
  struct space own;
  struct name name;
  struct control *control = NULL;
  smem_error ignored;
  struct call quiet = *call;
  quiet.error = &ignored;
  if (smem__namespace_get(&quiet, &own) == SMEM_OK &&
      strcmp(own.text, space) == 0) {
    if (smem__control_peek(&quiet, &control) != SMEM_OK) return NULL;
    return control;
  }
  smem__name_of_control_in(space, &name);
  return peek_file(&quiet, &name, &control) == SMEM_OK ? control : NULL;
}

/* ---- leaving ------------------------------------------------------------- */

void smem__control_used(void) { atomic_fetch_add(&uses, 1); }

uint64_t smem__control_uses(void) { return atomic_load(&uses); }

/* Let go of the joined one, unless another thread is at work by its presence or
 * has been since `before`: what that one has made would belong to nobody. From
 * here on whoever needs a presence joins again. */
static bool withdraw(struct control *control, uint64_t before) {
  smem__os_mutex_lock(&mutex);
  bool is_joined = joined == control;
  bool unused = atomic_load(&uses) == before &&
                control->references == (is_joined ? 2u : 1u);
  if (is_joined && unused) {
    joined = NULL;
    control->references--;
  }
  smem__os_mutex_unlock(&mutex);
  return unused;
}

void smem__control_freed(void) { freed = true; }

/* Who has freed the last segment without ever having joined leaves nobody
 * behind who would remove the object. */
static void sweep(const struct call *call) {
  struct control *control;
  struct name name;
  if (!atomic_exchange(&freed, false) ||
      smem__control_peek(call, &control) != SMEM_OK || !control)
    return;
  /* Through the opening of a thread that has joined meanwhile its own presence
   * would not be seen. */
  if (control->presence == 0 && smem__control_is_intact(control) &&
      smem__name_of_control(call, &name) == SMEM_OK)
    remove_if_unused(call, control, name.text);
  smem__control_release(control);
}

bool smem__control_leave(const struct call *call, uint64_t before) {
  struct control *control = smem__control_reference();
  struct name name;
  if (!control) {
    sweep(call);
    return true;
  }
  /* A child that was cloned past our fork handlers is not the one that joined.
   */
  bool is_ours = smem__os_pid() == joined_by &&
                 smem__name_of_control(call, &name) == SMEM_OK;
  bool left = withdraw(control, before);
  if (is_ours && left) {
    smem__os_unlock(control->file, LOCK_PRESENCE + control->presence, 1);
    remove_if_unused(call, control, name.text);
  }
  smem__control_release(control);
  return left;
}

/* ---- numbers ------------------------------------------------------------- */

smem_code smem__control_take_numbers(const struct call *call,
                                     struct control *control, uint64_t count,
                                     uint64_t *first) {
  *first = atomic_fetch_add(&control->page->number, count) + 1;
  if (*first <= SMEM_MAX_NUMBER - count) {
    smem__control_remember_number(*first + count - 1);
    return SMEM_OK;
  }
  atomic_fetch_sub(&control->page->number, count);
  return smem__fail(call, SMEM_CONTROL, 0,
                    "the counter of the namespace is damaged or used up");
}

void smem__control_remember_number(uint64_t number) {
  smem__os_mutex_lock(&mutex);
  if (number > known_number) known_number = number;
  smem__os_mutex_unlock(&mutex);
}

bool smem__control_knows_number(uint64_t number) {
  smem__os_mutex_lock(&mutex);
  bool known = number <= known_number;
  smem__os_mutex_unlock(&mutex);
  return known;
}

void smem__control_forget_numbers(void) {
  smem__os_mutex_lock(&mutex);
  known_number = 0;
  smem__os_mutex_unlock(&mutex);
}

bool smem__control_has_passed(const struct control *control, uint64_t number) {
  if (smem__control_knows_number(number)) return true;
  return smem__control_is_intact(control) &&
         number <= atomic_load(&control->page->number);
}

_Atomic uint64_t *smem__control_reclaim_position(struct control *control) {
  return control->generation != 0 ? &control->page->reclaimed : NULL;
}

smem_code smem_last_index(uint64_t *index, smem_error *error) {
  struct call call = {SMEM_OP_COUNT, "", 0, error, false};
  struct control *control;
  smem_code code = smem__control_peek(&call, &control);
  if (code != SMEM_OK) return code;
  if (!control || !control->page) /* none yet, or only just made */
    code = smem__walk_highest_number(&call, index);
  else if (control->generation != 0)
    *index = atomic_load(&control->page->number);
  else
    code = smem__fail(&call, SMEM_CONTROL, 0, "the control object is damaged");
  if (control) smem__control_release(control);
  return code;
}
