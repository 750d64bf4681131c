/* The control objects that this process has open, and their page. */
#include "control.h"

enum { PAGE_VERSION = 4 };
static const uint64_t page_magic = 0x314C5443534D4853u; /* "SHMSCTL1" */

static os_mutex mutex;
static struct control *all; /* those that a child must close */

void smem__control_start(void) { smem__os_mutex_init(&mutex); }
void smem__control_lock(void) { smem__os_mutex_lock(&mutex); }
void smem__control_unlock(void) { smem__os_mutex_unlock(&mutex); }
void smem__control_before_fork(void) { smem__control_lock(); }
void smem__control_after_fork(void) { smem__control_unlock(); }

/* ---- references ---------------------------------------------------------- */

static void close_files(struct control *control) {
  if (control->page) smem__os_unmap(control->page, CONTROL_PAGE_SIZE);
  smem__os_object_close(control->file);
}

void smem__control_in_child(void) {
  /* Also those that other threads of the parent were using: they do not exist
   * here, and the locks of these openings would outlive the parent. */
  while (all) {
    struct control *control = all;
    all = control->next;
    close_files(control);
    smem__os_release(control);
  }
  smem__control_unlock();
}

struct control *smem__control_adopt(os_object file) {
  struct control *control = smem__os_allocate(sizeof *control);
  if (!control) return NULL;
  control->file = file;
  control->references = 1;
  control->next = all;
  all = control;
  return control;
}

void smem__control_release(struct control *control) {
  smem__control_lock();
  bool last = --control->references == 0;
  for (struct control **at = &all; last && *at; at = &(*at)->next)
    if (*at == control) {
      *at = control->next;
      break;
    }
  if (last) close_files(control); /* before a child could inherit the locks */
  smem__control_unlock();
  if (last) smem__os_release(control);
}

/* ---- the page ------------------------------------------------------------ */

void smem__control_fill(struct control_page *page, uint64_t number) {
  atomic_store(&page->magic, page_magic);
  atomic_store(&page->version, PAGE_VERSION);
  atomic_store(&page->generation, smem__process_random());
  atomic_store(&page->number, number);
}

bool smem__control_is_valid(const struct control *control) {
  struct control_page *page = control->page;
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
         !info.unlinked && info.size >= CONTROL_PAGE_SIZE &&
         smem__control_is_valid(control) &&
         atomic_load(&control->page->generation) == control->generation;
}

bool smem__control_is_named(const struct control *control) {
  os_info info;
  return smem__os_control_stat(control->file, &info).code == OS_OK &&
         !info.unlinked;
}

smem_code smem__control_map(const struct call *call, struct control *control) {
  void *address = NULL;
  /* A mapping keeps the opening, and with it the locks, like a descriptor does:
   * a child must know of it. */
  smem__control_lock();
  os_status status = smem__os_object_map(control->file, CONTROL_PAGE_SIZE,
                                         OS_READ_WRITE, &address);
  control->page = address;
  smem__control_unlock();
  if (status.code == OS_OK) return SMEM_OK;
  return smem__fail_os(call, status, "the control object cannot be mapped");
}

void smem__control_unmap(struct control *control) {
  smem__control_lock();
  smem__os_unmap(control->page, CONTROL_PAGE_SIZE);
  control->page = NULL;
  smem__control_unlock();
}

_Atomic uint64_t *smem__control_reclaim_position(struct control *control) {
  return control->generation != 0 ? &control->page->reclaimed : NULL;
}

/* ---- the directory to spill to ------------------------------------------- */

static uint64_t check_of(const char *directory) {
  return smem__hash_text(directory) | 1;
}

/* A process that is killed in between leaves no checksum. */
void smem__control_note_spill(struct control_page *page,
                              const char *directory) {
  memset(page->spill, 0, sizeof page->spill);
  smem_copy_text(page->spill, sizeof page->spill, directory);
  atomic_store(&page->spill_check, check_of(directory));
}

bool smem__control_spill(const struct control *control,
                         char directory[SMEM_DIRECTORY_SIZE]) {
  char known[SMEM_DIRECTORY_SIZE];
  if (!control->page || control->generation == 0) return false;
  uint64_t check = atomic_load(&control->page->spill_check);
  if (check == 0) return false;
  memcpy(directory, control->page->spill, SMEM_DIRECTORY_SIZE);
  directory[SMEM_DIRECTORY_MAX] = '\0';
  if (check != check_of(directory) || !directory[0]) return false;
  smem__spill_known(known);
  return strcmp(known, directory) == 0 ||
         (smem__directory_is_valid(directory) &&
          smem__os_directory_is_safe(directory));
}

void smem__control_learn(const struct control *control) {
  char directory[SMEM_DIRECTORY_SIZE];
  if (smem__control_spill(control, directory)) smem__spill_know(directory);
}

/* The lock goes with its process, so that whoever is killed hinders nobody; it
 * does not keep threads of one process apart. */
smem_code smem__control_set_spill(const struct call *call,
                                  struct control *control,
                                  const char *directory) {
  struct patience patience = {0, 0};
  smem_code code = SMEM_OK;
  os_status status;
  do {
    smem__control_lock();
    status = smem__os_lock(control->file, LOCK_SPILL, 1);
    if (status.code == OS_OK) {
      if (atomic_load(&control->page->spill_check) == 0)
        smem__control_note_spill(control->page, directory);
      smem__os_unlock(control->file, LOCK_SPILL, 1);
    }
    smem__control_unlock();
    if (status.code == OS_BUSY) code = smem__patience_wait(call, &patience);
  } while (status.code == OS_BUSY && code == SMEM_OK);
  if (code == SMEM_OK && status.code != OS_OK)
    code = smem__fail_os(call, status, "the control object cannot be locked");
  if (code == SMEM_OK) smem__control_learn(control);
  return code;
}

/* ---- opening ------------------------------------------------------------- */

smem_code smem__control_fail(const struct call *call, os_status status,
                             const char *name) {
  if (smem__is_bad_place(status)) return smem__fail_place(call, status, name);
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
  return smem__control_fail(call, status, name->text);
}

smem_code smem__control_open(const struct call *call, const struct name *name,
                             struct control **control, os_info *info) {
  os_object file;
  bool found;
  *control = NULL;
  smem__control_lock();
  smem_code code = open_file(call, name, &file, info, &found);
  if (code == SMEM_OK && found && !(*control = smem__control_adopt(file))) {
    smem__os_object_close(file);
    code = smem__fail_no_memory(call);
  }
  smem__control_unlock();
  return code;
}
