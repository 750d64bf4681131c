/* The floor: what the bare system calls cost, in loops of C without checks and
 * without a package around them. `floor_run(name, rounds)` sets one of the
 * works up, runs it `rounds` times, and returns the seconds that one took. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define R_NO_REMAP
#include <R.h>
#include <Rinternals.h>
/* needs the above */
#include <R_ext/Altrep.h>

#define DIRECTORY "/dev/shm/"
enum { PAGE = 4096, FOOTER = 1024 };
static const size_t bulk = (size_t)1 << 30; /* bytes */

static char name[64];
static char footer[FOOTER];
static long number;
static char *source;         /* of bulk copies: an R vector's memory */
static volatile double sink; /* so that loads are not optimised away */

static void must(int good, const char *what) {
  if (!good) Rf_error("the floor's %s failed", what);
}

static void next_name(void) {
  snprintf(name, sizeof name, DIRECTORY "floor.%ld.%ld", (long)getpid(),
           ++number);
}

static int open_new(size_t reserve) {
  int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  must(fd >= 0, "open");
  must(fallocate(fd, 0, 0, (off_t)reserve) == 0, "fallocate");
  return fd;
}

static void make_segment(void) {
  next_name();
  int fd = open_new(2 * PAGE);
  must(pwrite(fd, footer, FOOTER, 2 * PAGE - FOOTER) == FOOTER, "pwrite");
  close(fd);
}

static void remove_segment(void) { unlink(name); }

/* ---- small ones ---------------------------------------------------------- */

/* An unnamed segment has an id that no other ever had: so has this one. */
static void allocate_free(void) {
  make_segment();
  remove_segment();
}

static int open_checked(int flags, struct stat *status) {
  int fd = open(name, flags | O_CLOEXEC);
  must(fd >= 0 && fstat(fd, status) == 0, "open or fstat");
  must(pread(fd, footer, FOOTER, status->st_size - FOOTER) == FOOTER, "pread");
  return fd;
}

static void *map_file(int fd, size_t size, int flags) {
  void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  must(at != MAP_FAILED, "mmap");
  return at;
}

static void map_unmap(void) {
  struct stat status;
  int fd = open_checked(O_RDWR, &status);
  void *at = map_file(fd, (size_t)status.st_size, MAP_SHARED);
  close(fd);
  munmap(at, (size_t)status.st_size);
}

static void look(void) {
  struct stat status;
  close(open_checked(O_RDONLY, &status));
}

/* What a reference comes to: open, map, load one element. */
static void map_load(void) {
  struct stat status;
  int fd = open_checked(O_RDONLY, &status);
  double *at = map_file(fd, (size_t)status.st_size, MAP_PRIVATE);
  close(fd);
  sink = at[0];
  munmap(at, (size_t)status.st_size);
}

/* ---- many ---------------------------------------------------------------- */

enum { MANY = 10000 };
static long first;

static void make_row(int count) {
  first = number + 1;
  for (int i = 0; i < count; i++) make_segment();
}

static void remove_row(int count) {
  for (number = first - 1; number < first + count - 1;) {
    next_name();
    unlink(name);
  }
}

static void make_many(void) { make_row(MANY); }
static void remove_many(void) { remove_row(MANY); }

static void thousand(void) {
  make_row(1000);
  remove_row(1000);
}

static void list_many(void) {
  struct stat status;
  char prefix[64];
  int length = snprintf(prefix, sizeof prefix, "floor.%ld.", (long)getpid());
  DIR *directory = opendir(DIRECTORY);
  must(directory != NULL, "opendir");
  for (struct dirent *entry; (entry = readdir(directory));)
    if (strncmp(entry->d_name, prefix, (size_t)length) == 0) {
      snprintf(name, sizeof name, DIRECTORY "%.40s", entry->d_name);
      close(open_checked(O_RDONLY, &status));
    }
  closedir(directory);
}

/* ---- large ones ---------------------------------------------------------- */

static int bulk_file;

static void make_bulk(void) {
  next_name();
  bulk_file = open_new(bulk);
}

static void make_empty(void) {
  next_name();
  bulk_file = open_new(PAGE);
}

static void remove_bulk(void) {
  close(bulk_file);
  unlink(name);
}

static void make_filled_bulk(void) {
  make_bulk();
  for (size_t at = 0; at < bulk; at += 4 << 20)
    must(pwrite(bulk_file, source + at, 4 << 20, (off_t)at) == 4 << 20,
         "pwrite");
}

static void write_in(size_t chunk) {
  for (size_t at = 0; at < bulk; at += chunk)
    must(pwrite(bulk_file, source + at, chunk, (off_t)at) == (ssize_t)chunk,
         "pwrite");
}
static void write_1(void) { write_in(1 << 20); }
static void write_4(void) { write_in(4 << 20); }
static void write_16(void) { write_in(16 << 20); }

static void copy_to(int flags) {
  void *at = map_file(bulk_file, bulk, flags);
  memcpy(at, source, bulk);
  munmap(at, bulk);
}
static void write_map(void) { copy_to(MAP_SHARED); }
static void write_populate(void) { copy_to(MAP_SHARED | MAP_POPULATE); }

/* Into a new vector, as the package does it. */
static void read_file(void) {
  SEXP x = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)(bulk / sizeof(double))));
  char *to = (char *)REAL(x);
  for (size_t at = 0; at < bulk; at += 4 << 20)
    must(pread(bulk_file, to + at, 4 << 20, (off_t)at) == 4 << 20, "pread");
  UNPROTECT(1);
}

static void read_map(void) {
  SEXP x = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)(bulk / sizeof(double))));
  void *at = map_file(bulk_file, bulk, MAP_SHARED);
  memcpy(REAL(x), at, bulk);
  munmap(at, bulk);
  UNPROTECT(1);
}

/* R adds up in long double. */
static void sum_map(void) {
  const double *at = map_file(bulk_file, bulk, MAP_PRIVATE);
  long double sum = 0;
  for (size_t i = 0; i < bulk / sizeof(double); i++) sum += at[i];
  sink = (double)sum;
  munmap((void *)at, bulk);
}

/* ---- running ------------------------------------------------------------- */

static void nothing(void) {}

static const struct work {
  const char *name;
  void (*before)(void), (*run)(void), (*after)(void);
} works[] = {
    {"allocate_free", nothing, allocate_free, nothing},
    {"thousand", nothing, thousand, nothing},
    {"map_unmap", make_segment, map_unmap, remove_segment},
    {"map_load", make_segment, map_load, remove_segment},
    {"list_many", make_many, list_many, remove_many},
    {"remove_many", make_many, remove_many, nothing},
    {"write_1", make_bulk, write_1, remove_bulk},
    {"write_4", make_bulk, write_4, remove_bulk},
    {"write_16", make_bulk, write_16, remove_bulk},
    {"fresh_1", make_empty, write_1, remove_bulk},
    {"fresh_4", make_empty, write_4, remove_bulk},
    {"fresh_16", make_empty, write_16, remove_bulk},
    {"write_map", make_bulk, write_map, remove_bulk},
    {"write_populate", make_bulk, write_populate, remove_bulk},
    {"read_file", make_filled_bulk, read_file, remove_bulk},
    {"read_map", make_filled_bulk, read_map, remove_bulk},
    {"sum_map", make_filled_bulk, sum_map, remove_bulk},
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

SEXP floor_now(void) { return Rf_ScalarReal(now()); }

SEXP floor_run(SEXP what, SEXP rounds) {
  const struct work *work = works;
  while (strcmp(work->name, CHAR(STRING_ELT(what, 0))) != 0)
    must(++work < works + sizeof works / sizeof *works, "choice of work");
  int n = Rf_asInteger(rounds);
  work->before();
  double start = now();
  for (int i = 0; i < n; i++) work->run();
  double seconds = (now() - start) / n;
  work->after();
  return Rf_ScalarReal(seconds);
}

/* The vector that bulk writes take their bytes from; the caller keeps it. */
SEXP floor_source(SEXP x) {
  source = (char *)REAL(x);
  return R_NilValue;
}

SEXP floor_call(SEXP a) { return a; }

/* The system calls of one look as all that a .Call does, with the segment that
 * is looked at. */
SEXP floor_look_begin(void) {
  make_segment();
  return R_NilValue;
}
SEXP floor_look(SEXP a) {
  look();
  return a;
}
SEXP floor_look_end(void) {
  remove_segment();
  return R_NilValue;
}

SEXP floor_call2(SEXP a, SEXP b) {
  (void)b;
  return a;
}

/* What an array has to do: copy blocks of `run` doubles, one each `stride`, out
 * of a vector into a new one, or out of `value` into a vector. */
SEXP floor_copy_out(SEXP x, SEXP run, SEXP stride) {
  size_t n = (size_t)Rf_asReal(run), every = (size_t)Rf_asReal(stride);
  size_t blocks = (size_t)XLENGTH(x) / every;
  SEXP copy = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)(n * blocks)));
  for (size_t i = 0; i < blocks; i++)
    memcpy(REAL(copy) + i * n, REAL(x) + i * every, n * sizeof(double));
  UNPROTECT(1);
  return copy;
}

SEXP floor_copy_in(SEXP x, SEXP value, SEXP run, SEXP stride) {
  size_t n = (size_t)Rf_asReal(run), every = (size_t)Rf_asReal(stride);
  for (size_t i = 0; i < (size_t)XLENGTH(x) / every; i++)
    memcpy(REAL(x) + i * every, REAL(value) + i * n, n * sizeof(double));
  return x;
}

/* ---- an ALTREP vector that does as little as it can ---------------------- */

static R_altrep_class_t constant_class;

static R_xlen_t constant_length(SEXP x) { return (void)x, 1 << 20; }
static double constant_element(SEXP x, R_xlen_t i) {
  return (void)x, (double)i;
}

SEXP floor_constant(void) {
  return R_new_altrep(constant_class, R_NilValue, R_NilValue);
}

void R_init_floor(DllInfo *dll) {
  constant_class = R_make_altreal_class("constant", "floor", dll);
  R_set_altrep_Length_method(constant_class, constant_length);
  R_set_altreal_Elt_method(constant_class, constant_element);
}
