/* The floor: what the bare system calls cost, in loops of C without checks.
 * Each function runs `n` rounds and returns nanoseconds per round. */
#define _GNU_SOURCE
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

enum { PAGE = 4096, FOOTER = 1024 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static char name[64];
static char footer[FOOTER];

static const char *own_name(void) {
  snprintf(name, sizeof name, "/floor.%ld", (long)getpid());
  return name;
}

static void must(int good, const char *what) {
  if (good) return;
  shm_unlink(name);
  Rf_error("the floor's %s failed", what);
}

static int make_segment(const char *path) {
  int fd = shm_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  must(fd >= 0, "shm_open");
  must(fallocate(fd, 0, 0, 2 * PAGE) == 0, "fallocate");
  must(pwrite(fd, footer, FOOTER, 2 * PAGE - FOOTER) == FOOTER, "pwrite");
  return fd;
}

/* As of unnamed segments: each name is a new one. */
static const char *next_name(void) {
  static unsigned long count;
  snprintf(name, sizeof name, "/floor.%ld.%lu", (long)getpid(), ++count);
  return name;
}

SEXP floor_allocate_free(SEXP rounds) {
  int n = Rf_asInteger(rounds);
  double start = now();
  for (int i = 0; i < n; i++) {
    const char *path = next_name();
    close(make_segment(path));
    shm_unlink(path);
  }
  return Rf_ScalarReal((now() - start) / n);
}

SEXP floor_map_unmap(SEXP rounds) {
  const char *path = own_name();
  int n = Rf_asInteger(rounds);
  close(make_segment(path));
  double start = now();
  for (int i = 0; i < n; i++) {
    struct stat status;
    int fd = shm_open(path, O_RDWR, 0);
    must(fd >= 0 && fstat(fd, &status) == 0, "open or fstat");
    void *at = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE,
                    MAP_SHARED, fd, 0);
    must(at != MAP_FAILED, "mmap");
    close(fd);
    munmap(at, (size_t)status.st_size);
  }
  double result = (now() - start) / n;
  shm_unlink(path);
  return Rf_ScalarReal(result);
}

SEXP floor_look(SEXP rounds) {
  const char *path = own_name();
  int n = Rf_asInteger(rounds);
  close(make_segment(path));
  double start = now();
  for (int i = 0; i < n; i++) {
    struct stat status;
    int fd = shm_open(path, O_RDONLY, 0);
    must(fd >= 0 && fstat(fd, &status) == 0, "open or fstat");
    must(pread(fd, footer, FOOTER, status.st_size - FOOTER) == FOOTER, "pread");
    close(fd);
  }
  double result = (now() - start) / n;
  shm_unlink(path);
  return Rf_ScalarReal(result);
}

SEXP floor_call(SEXP nothing) { return nothing; }
