/* What the core needs of an operating system: the mechanism, and no policy.
 *
 * One contract, three implementations, each in files by subject, which have the
 * same names for all: posix_*.c with linux_*.c, posix_*.c with macos_*.c, and
 * windows_*.c. So smem__os_lock() is in posix_lock.c and windows_lock.c. What
 * macOS and Windows do alike is in mapped.c and polling_wait.c. Every function
 * is thread-safe unless it says otherwise, never prints and never exits. Sizes
 * and offsets are bytes.
 *
 * Names are UTF-8, for example "smem.1000.42"; each implementation makes of
 * them what its system accepts. Before its last "/" a name may have a directory
 * as smem__os_directory() gives it: "/data/smem.1000.42" lies there, and not
 * where the system keeps shared memory. A name whose last part does not begin
 * with OS_OWN_PREFIX is that of another program's object: it is taken as it is,
 * is never incomplete, and nothing about it is put right. */
#ifndef SHAREDMEMORY_OS_H
#define SHAREDMEMORY_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define OS_OWN_PREFIX "smem"
static inline bool os_begins_own(const char *name) {
  return strncmp(name, OS_OWN_PREFIX, sizeof OS_OWN_PREFIX - 1) == 0;
}
static inline bool os_is_own_name(const char *name) {
  const char *slash = strrchr(name, '/');
  return os_begins_own(slash ? slash + 1 : name);
}

typedef enum os_code {
  OS_OK = 0,
  OS_NOT_FOUND,       /* no object has this name */
  OS_EXISTS,          /* the name is taken */
  OS_INCOMPLETE,      /* the object exists, its creator has not finished it */
  OS_DENIED,          /* it belongs to somebody else */
  OS_SEALED,          /* it is sealed, and was to be opened for writing */
  OS_NOT_REGULAR,     /* a link, FIFO, directory or device bears the name, or a
                         file that has another name too */
  OS_CLOSED,          /* this user may create nothing where objects are */
  OS_READ_ONLY_PLACE, /* nobody may: it is mounted read-only */
  OS_NO_SPACE,        /* the shared memory file system is full */
  OS_NO_MEMORY,       /* the machine or the address space is full */
  OS_TOO_MANY_FILES,  /* descriptors of the process or of the system */
  OS_TOO_MANY_MAPS,   /* mappings of the process */
  OS_INTERRUPTED,     /* the caller's `interrupted` said so */
  OS_BUSY,            /* somebody else holds the lock */
  OS_UNSUPPORTED,     /* the system cannot do this */
  OS_FAILED           /* anything else: see the number */
} os_code;

/* `number` is errno or GetLastError(), 0 where the system gave none. */
typedef struct os_status {
  os_code code;
  int number;
} os_status;

/* An open object: a descriptor or a handle. */
typedef intptr_t os_object;

typedef struct os_info {
  uint64_t size;        /* bytes */
  uint64_t resident;    /* bytes of memory it takes; UINT64_MAX: not told */
  uint64_t identity[2]; /* differs between two objects that ever bear one name:
                           device and inode, or what stands in for them */
  uint64_t user;        /* the owner's id */
  bool unlinked;        /* the name is gone, or leads to another object */
  bool incomplete;      /* only of smem__os_object_claim() and
                           smem__os_control_claim() */
  uint64_t changed;     /* nanoseconds since 1970, 0 where it is not told */
  bool
      directory; /* with OS_NOT_REGULAR: smem__os_object_remove() will refuse */
  bool sealed;   /* see smem__os_object_seal() */
} os_info;

typedef bool (*os_interrupted)(void);

/* ---- shared memory objects ----------------------------------------------- */

/* An object is its own lock. Its creator holds it from the moment it is there
 * until the object is closed, however that comes about; whoever removes an
 * object holds it from its look at the object to the removal. An object that is
 * incomplete and that nobody holds is a dead creator's. A forked child must
 * close what its parent holds.
 *
 * Create `name`, held, incomplete: smem__os_object_open() says so until
 * smem__os_object_publish(). `size` is what the object will have. OS_EXISTS;
 * OS_BUSY: somebody else holds the name, or took the object for a dead
 * creator's: try again. What is left of it after any other failure is
 * incomplete and nobody's. */
os_status smem__os_object_create(const char *name, uint64_t size,
                                 os_object *object);

/* Reserve all of the `size` bytes of a created object, so that no later access
 * can fail for want of memory. `largest` is what smem__os_largest() has just
 * told: asked for each of many objects that would be a system call more.
 * OS_NO_SPACE; OS_INTERRUPTED: `interrupted` (may be NULL) is asked between
 * chunks. */
os_status smem__os_object_reserve(os_object object, uint64_t size,
                                  uint64_t largest, os_interrupted interrupted);

/* Write the last `length` bytes of the object of `size` bytes, which makes it
 * complete, and give the owner, and nobody else, access to it. The last word of
 * them is not 0. The word before it is 0, and belongs to this layer: where the
 * system has no means to seal an object, the seal stands there. The
 * OS_TAIL_LIVE bytes before these two may change later on. */
enum { OS_TAIL_LIVE = 368 };
os_status smem__os_object_publish(os_object object, uint64_t size,
                                  const void *tail, size_t length);

/* The same for an object that is written before anybody sees it, and sealed
 * then. Where the system has objects without a name it is one, which is gone
 * when it is closed. Elsewhere it bears `name` at once, as what is created
 * does. */
os_status smem__os_object_make(const char *name, uint64_t size,
                               os_object *object);

/* Write the tail of such an object, as smem__os_object_publish() does, seal it
 * and give it its name, all at once: OS_EXISTS if the name is taken, where it
 * was not borne before. Then another one may be tried. With `name` NULL that of
 * what was created, of which all is in this tail, and that is one page: whoever
 * sees it before it is sealed knows it by its footer. */
os_status smem__os_object_publish_sealed(os_object object, const char *name,
                                         uint64_t size, const void *tail,
                                         size_t length);

/* Give up such an object, which was not published: nothing is left of it. */
void smem__os_object_unmake(os_object object, const char *name);

/* Open a sealed object for writing all the same, which takes the seal away for
 * an instant. OS_BUSY if others doing the same are always in the way. */
os_status smem__os_object_open_sealed(const char *name, os_object *object,
                                      os_info *info);

/* Open what bears `name` and hold it, in order to remove it. info->incomplete:
 * it is a dead creator's. OS_BUSY: somebody else holds it, and info->incomplete
 * tells whether it is being created. OS_DENIED: another user's. OS_NOT_REGULAR:
 * it cannot be held. */
os_status smem__os_object_claim(const char *name, os_object *object,
                                os_info *info);

/* Open a complete object. Never follows a link, never blocks. With
 * OS_INCOMPLETE info->user is filled. OS_SEALED if it is sealed and `writable`,
 * also for root. */
os_status smem__os_object_open(const char *name, bool writable,
                               os_object *object, os_info *info);

/* Seal the object of this identity, or take the seal back: what is sealed
 * cannot be opened for writing. On Linux it then has the mode 0400, which the
 * kernel enforces against everybody but root; elsewhere a word in the object
 * says so, and only this layer obeys it. Openings and mappings that exist stay
 * as they are. OS_NOT_FOUND if the name leads to nothing or to another object.
 */
os_status smem__os_object_seal(const char *name, const uint64_t identity[2],
                               bool sealed);

/* What bears `name`, without opening it. OS_NOT_REGULAR leaves `info` filled.
 */
os_status smem__os_object_stat(const char *name, os_info *info);

os_status smem__os_object_read(os_object object, uint64_t offset, void *buffer,
                               size_t length);

/* Write into an object that was opened writable, within its size. Memory that
 * nobody has touched yet is filled at the system's full speed, more than twice
 * that of touching it through a mapping. */
os_status smem__os_object_write(os_object object, uint64_t offset,
                                const void *buffer, size_t length);

typedef enum os_access {
  OS_READ_WRITE,
  OS_READ_ONLY,
  OS_COPY_ON_WRITE /* writable; what is written stays in this mapping, page by
                      page. OS_UNSUPPORTED where the system cannot do it. */
} os_access;

/* Map all `size` bytes. The mapping outlives smem__os_object_close(). */
os_status smem__os_object_map(os_object object, uint64_t size, os_access access,
                              void **address);
void smem__os_unmap(void *address, uint64_t size);

/* Map the last page of an object of `size` bytes that was opened writable, for
 * reading and writing. To be unmapped with the size of a page. */
os_status smem__os_object_map_end(os_object object, uint64_t size,
                                  void **address);

/* Was any page of a mapping with OS_COPY_ON_WRITE written to? OS_UNSUPPORTED
 * where the system does not tell. */
os_status smem__os_mapping_written(const void *address, uint64_t size,
                                   bool *written);

/* May objects lie in the directory `path`? Then its path without links is in
 * `real`, which has room for OS_DIRECTORY_MAX bytes and the terminator.
 * Otherwise *why says what is wrong and what to do, as a constant, with
 * OS_UNSUPPORTED if the file system, or this system, cannot have them. */
enum { OS_DIRECTORY_MAX = 200 };
os_status smem__os_directory(const char *path, char real[OS_DIRECTORY_MAX + 1],
                             const char **why);

/* May one look for objects in what a reference says is such a directory? It is
 * looked at without being touched. */
bool smem__os_directory_is_safe(const char *directory);

/* Numbers that tell where objects are to be found: [0] this run of this
 * machine, [1] its shared memory file system, of which each container may have
 * its own, or `directory`. That is here and below what smem__os_directory()
 * gave, or "". Fails only for a moment, for want of a descriptor, say: what the
 * system never tells this process is 0. */
os_status smem__os_place(const char *directory, uint64_t place[2]);

/* Keep the object alive in this process until smem__os_object_remove(). Where
 * the kernel keeps named objects by itself this does nothing. */
os_status smem__os_object_keep(const char *name, os_object object);

/* Remove the name; mappings stay. Refuses what belongs to another user, also to
 * root. OS_NOT_FOUND where there is nothing. Where the kernel keeps an object
 * by its handles, the name goes only with the last that is open, in any
 * process. */
os_status smem__os_object_remove(const char *name);

/* The same for what is ours because we hold it, or because
 * smem__os_object_stat() has just shown so: only we could have removed that
 * since. */
os_status smem__os_object_remove_own(const char *name);

void smem__os_object_close(os_object object);

/* Call `visit` with each name that begins with `prefix`, with which directory
 * it may have, in no order, until it returns false. */
os_status smem__os_object_list(const char *prefix,
                               bool (*visit)(const char *name, void *context),
                               void *context);

/* Bytes that can still be allocated; UINT64_MAX where the system does not tell.
 * Into `limit` (may be NULL) what it is that limits them, as text, "" likewise.
 */
uint64_t smem__os_free_space(const char *directory, char *limit, size_t length);

/* Could so many bytes be allocated now? Costs little while they are few. */
bool smem__os_has_room(const char *directory, uint64_t size);

/* Bytes that a single object of this process may have, by a limit of its own;
 * UINT64_MAX: there is none. */
uint64_t smem__os_largest(void);

/* Who maps what: call `visit` for each mapping, in any process that we may look
 * into, of an object whose name begins with `prefix`. One process may come up
 * several times for one object. With `copies`, which takes longer, `copied` is
 * how many bytes of it this process has copied by writing to them; UINT64_MAX:
 * not told. OS_UNSUPPORTED where the system does not tell.
 */
os_status smem__os_mappings(const char *prefix, bool copies,
                            bool (*visit)(uint64_t pid,
                                          const uint64_t identity[2],
                                          uint64_t copied, void *context),
                            void *context);

/* Bytes of the file system there, and how many of them somebody uses.
 * UINT64_MAX where the system does not tell. */
void smem__os_capacity(const char *directory, uint64_t *capacity,
                       uint64_t *used);

/* How many mappings a process may have, and how many this one has; likewise. */
void smem__os_mapping_counts(uint64_t *most, uint64_t *own);

/* Does the system remove this user's objects when the last session ends? */
bool smem__os_cleans_at_logout(void);

/* ---- control object: a small file that can be locked --------------------- */

/* It comes into being like a segment. As long as it is incomplete its size is
 * 0.
 *
 * Open the control object. One of another user is opened too where the system
 * lets us: check info->user. */
os_status smem__os_control_open(const char *name, os_object *object,
                                os_info *info);
os_status smem__os_control_stat(os_object object, os_info *info);

/* As smem__os_object_create() and smem__os_object_claim(). */
os_status smem__os_control_create(const char *name, os_object *object);
os_status smem__os_control_claim(const char *name, os_object *object,
                                 os_info *info);

/* Give a created control object its contents, all at once, reserved, and let go
 * of it. It stays open. */
os_status smem__os_control_publish(os_object object, const void *page,
                                   size_t size);
os_status smem__os_control_remove(const char *name);

/* Lock `length` bytes at `offset`, exclusively, without waiting: OS_BUSY if
 * somebody else has any of them. The lock goes with the last descriptor of this
 * opening, however its process ends. It does not exclude the threads of a
 * process from each other. Offsets may lie behind the end of the object. */
os_status smem__os_lock(os_object control, uint64_t offset, uint64_t length);
void smem__os_unlock(os_object control, uint64_t offset, uint64_t length);

/* Does anybody hold any of these bytes through another opening? */
os_status smem__os_lock_query(os_object control, uint64_t offset,
                              uint64_t length, bool *held);

/* ---- waiting for a word ---------------------------------------------------
 */

/* Sleep while *word, of memory that processes share, is `value`: until
 * smem__os_wake() with one of these bits by any process, or until
 * smem__os_steady_clock() is `deadline`, or for a signal, or for nothing. True:
 * until the deadline. Where the system wakes nobody in another process, the
 * word is looked at again and again, with a pause that grows to 5 ms: so what a
 * wake is to tell must have changed the word. */
bool smem__os_wait(const _Atomic uint32_t *word, uint32_t value, uint32_t bits,
                   uint64_t deadline);

/* Wake one of those who sleep on the word with one of these bits, or all. */
void smem__os_wake(_Atomic uint32_t *word, uint32_t bits, bool all);

/* ---- process and machine ------------------------------------------------- */

typedef struct os_process {
  uint64_t pid;
  uint64_t start;     /* with `pid` names a process of this boot for good; 0 if
                         the system does not tell */
  uint64_t pid_space; /* which pid namespace `pid` belongs to; 0 likewise */
} os_process;

void smem__os_process_self(os_process *self);
uint64_t smem__os_pid(void); /* that alone, which costs next to nothing */

/* What no other thread of this process has, not 0; one that is started when it
 * has ended may have it. Where the compiler knows it, it is no call: that would
 * be a tenth of what a lock costs. */
uintptr_t smem__os_thread(void);
static inline uintptr_t os_thread(void) {
#if defined(__linux__) && defined(__x86_64__) && !defined(__clang__) &&        \
    __GNUC__ >= 11
  return (uintptr_t)__builtin_thread_pointer();
#else
  return smem__os_thread();
#endif
}

typedef enum os_life { OS_LIFE_UNKNOWN, OS_ALIVE, OS_DEAD } os_life;

/* Is the very process alive, not only its pid? OS_DEAD is a proof. */
os_life smem__os_process_life(const os_process *process);

/* Its command, or the script that it runs; "" if that cannot be told. The pid
 * must be of our own pid space. */
void smem__os_process_command(uint64_t pid, char *buffer, size_t length);
uint64_t smem__os_user(void);

/* A name for a user: "alice (uid 1000)". Always terminated. */
void smem__os_user_name(uint64_t user, char *buffer, size_t length);

/* The default namespace: the effective user. At most 16 characters of
 * [A-Za-z0-9_-], and the terminator. */
void smem__os_default_namespace(char buffer[17]);

/* What the object's path is on this system, for messages. */
void smem__os_object_path(const char *name, char *buffer, size_t length);

/* The system's text for an error number. Always terminated. */
void smem__os_error_text(int number, char *buffer, size_t length);

uint64_t smem__os_page_size(void);
uint64_t smem__os_wall_clock(void);   /* nanoseconds since 1970 */
uint64_t smem__os_steady_clock(void); /* nanoseconds, never set back */
void smem__os_sleep(uint64_t nanoseconds);
uint64_t smem__os_entropy(void);

void *smem__os_allocate(size_t length); /* zeroed; NULL when there is none */
void smem__os_release(void *memory);

/* Plain mutual exclusion, for a few instructions at a time. */
typedef union os_mutex {
  void *align;
  char room[64];
} os_mutex;
void smem__os_mutex_init(os_mutex *mutex);
void smem__os_mutex_lock(os_mutex *mutex);
void smem__os_mutex_unlock(os_mutex *mutex);

/* Run the three around every fork() of this process. Call once. */
void smem__os_at_fork(void (*before)(void), void (*in_parent)(void),
                      void (*in_child)(void));

/* Never unload the library that `function` is in: code of it may still be
 * called after its client has let go of it. False if that cannot be had. */
bool smem__os_pin_library(void (*function)(void));

#endif
