// Numeric vectors in shared memory, by the C interface of sharedmemory, in
// C++11. Each function of the interface is called here at least once.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

// ---- init
// --------------------------------------------------------------------------
//
// R's headers behind those of the C++ library: without R_NO_REMAP they make
// macros of common names.
#define R_NO_REMAP
#include <R.h>
#include <Rinternals.h>

#include <sharedmemory.h>

namespace {

const sharedmemory_api *shm; // set by R_init_clientcpp()

// ---- errors
// ------------------------------------------------------------------------
//
// What the interface says in a code is an exception from here on.
class Error : public std::runtime_error {
public:
  explicit Error(const sharedmemory_error &error)
      : std::runtime_error(error.message), code_(error.code) {}
  bool is(int code) const { return code_ == code; }
  std::string kind() const { return shm->kind(code_); }

private:
  int code_;
};

// Calls a function of the table with these arguments and an error record.
template <typename... Parameters, typename... Arguments>
void call(int (*function)(Parameters...), Arguments... arguments) {
  sharedmemory_error error = SHAREDMEMORY_ERROR_INIT;
  if (function(arguments..., &error) != SHAREDMEMORY_OK) throw Error(error);
}

// Between R and C++: an exception must not leave a function that R calls, and
// an R error jumps over destructors. So exceptions end here, and become R
// errors when nothing is left that would have to be destroyed. For the same
// reason `work` calls nothing of R that may fail: arguments are read before,
// results are made after.
template <typename Work> void guarded(Work work) {
  char message[1200];
  try {
    work();
    return;
  } catch (const Error &error) {
    std::snprintf(message, sizeof message, "%s (%s)", error.what(),
                  error.kind().c_str());
  } catch (const std::exception &error) {
    std::snprintf(message, sizeof message, "%s", error.what());
  }
  Rf_error("%s", message);
}

// ---- map
// ---------------------------------------------------------------------------
//
// A handle, unmapped when its owner goes out of scope. It can be moved, not
// copied.
class Mapping {
public:
  Mapping(const char *id, bool readonly) {
    call(shm->map, id, readonly, &handle_);
  }
  Mapping(Mapping &&other) noexcept : handle_(other.handle_) {
    other.handle_ = nullptr;
  }
  Mapping(const Mapping &) = delete;
  Mapping &operator=(const Mapping &) = delete;
  ~Mapping() { shm->unmap(handle_); } // nullptr is fine

  double *begin() const { return static_cast<double *>(shm->address(handle_)); }
  double *end() const { return begin() + size(); }
  std::size_t size() const { return shm->requested(handle_) / sizeof(double); }
  std::size_t room() const { return shm->capacity(handle_) / sizeof(double); }

  // Of a sealed segment, and on R's main thread only. Not protected from the
  // garbage collector.
  SEXP view() const {
    SEXP x;
    call(shm->view, handle_, SHAREDMEMORY_DOUBLE, uint64_t(0), uint64_t(size()),
         0, &x);
    return x;
  }

private:
  sharedmemory_handle *handle_;
};

// ---- allocate
// ----------------------------------------------------------------------
//
// A segment that is freed when its owner goes out of scope, unless it was given
// away.
class Segment {
public:
  explicit Segment(std::size_t size) {
    sharedmemory_request request = SHAREDMEMORY_REQUEST_INIT;
    request.bytes = size * sizeof(double);
    request.lifetime = SHAREDMEMORY_OF_PROCESS;
    call(shm->allocate, &request, id_);
  }
  Segment(const Segment &) = delete;
  Segment &operator=(const Segment &) = delete;
  ~Segment() {
    if (owned_) shm->free(id_, nullptr);
  }

  const char *id() const { return id_; }
  void give_away() { owned_ = false; }
  void fill(const double *x, std::size_t n) {
    call(shm->fill, id_, uint64_t(0), x, uint64_t(n * sizeof *x));
  }

private:
  char id_[SHAREDMEMORY_ID_SIZE];
  bool owned_ = true;
};

// ---- lock
// --------------------------------------------------------------------------
//
// The lock of a segment, held by this thread for as long as its owner is in
// scope. Was it a dead process's, one number cannot be half written: so there
// is nothing to repair.
class Lock {
public:
  explicit Lock(const char *id) {
    call(shm->lock_open, id, &lock_);
    try {
      sharedmemory_told told = SHAREDMEMORY_TOLD_INIT;
      call(shm->lock, lock_, 0, SHAREDMEMORY_FOREVER, &told);
      if (told.dirty) shm->lock_repaired(lock_);
    } catch (...) {
      shm->lock_close(lock_);
      throw;
    }
  }
  Lock(const Lock &) = delete;
  Lock &operator=(const Lock &) = delete;
  ~Lock() {
    shm->unlock(lock_, nullptr);
    shm->lock_close(lock_);
  }

private:
  sharedmemory_lock *lock_;
};

// ---- threads
// -----------------------------------------------------------------------
//
// All of the interface but view() may be called from any thread; nothing of R
// may. One round: a segment of this thread's own, and one that all of them
// want.
void go_round(int number) {
  Segment segment(1000);
  Mapping mapping(segment.id(), false);
  for (double &x : mapping) x = number;

  double first = 2.5;
  segment.fill(&first, 1);
  Mapping other(segment.id(), true); // the same memory at another address
  if (other.size() != 1000 || other.room() < 1000 || *other.begin() != 2.5 ||
      *(other.end() - 1) != number)
    throw std::runtime_error("the memory is not what was written");

  call(shm->free, segment.id()); // both handles stay good
  *mapping.begin() = number;
  if (std::accumulate(other.begin(), other.end(), 0.0) != 1000.0 * number)
    throw std::runtime_error("the memory went with the segment");
  try {
    Mapping gone(segment.id(), true);
    throw std::runtime_error("what was freed can be mapped");
  } catch (const Error &error) {
    if (!error.is(SHAREDMEMORY_NOT_FOUND)) throw;
  }
}

// Whoever comes first creates it, the others open it, anybody frees it.
void meet() {
  char id[SHAREDMEMORY_ID_SIZE];
  sharedmemory_request request = SHAREDMEMORY_REQUEST_INIT;
  request.bytes = sizeof(double);
  request.name = "meeting";
  call(shm->allocate, &request, id);
  call(shm->free, id);
}

class Crew {
public:
  explicit Crew(int size) : rounds_(size, 0), failures_(size) {}
  ~Crew() { join(); }

  void start() {
    for (std::size_t i = 0; i < rounds_.size(); i++)
      threads_.emplace_back([this, i] { work(i); });
  }
  void join() {
    stop_ = true;
    for (std::thread &thread : threads_)
      if (thread.joinable()) thread.join();
  }
  const std::vector<int> &rounds() const { return rounds_; }
  void check() const {
    for (const std::string &failure : failures_)
      if (!failure.empty()) throw std::runtime_error(failure);
  }

private:
  // An exception must not leave a thread either.
  void work(std::size_t i) {
    try {
      for (; !stop_; rounds_[i]++) {
        go_round(static_cast<int>(i));
        meet();
      }
    } catch (const std::exception &error) {
      failures_[i] = error.what();
    }
  }

  std::atomic<bool> stop_{false};
  std::vector<int> rounds_;           // each thread has its own element
  std::vector<std::string> failures_; // likewise
  std::vector<std::thread> threads_;
};

// ---- functions
// -----------------------------------------------------------------------

// Only what R calls may throw an R error, and only while it holds nothing.
const char *text_of(SEXP x) {
  if (TYPEOF(x) != STRSXP || XLENGTH(x) != 1)
    Rf_error("an id must be one string");
  return Rf_translateCharUTF8(STRING_ELT(x, 0));
}

void end_crew(SEXP pointer) {
  delete static_cast<Crew *>(R_ExternalPtrAddr(pointer));
  R_ClearExternalPtr(pointer);
}

} // namespace

extern "C" {

// The segment is given away when all went well: an exception before that frees
// it.
static SEXP store(SEXP x) {
  char id[SHAREDMEMORY_ID_SIZE] = "";
  const double *numbers = REAL(x);
  std::size_t n = static_cast<std::size_t>(XLENGTH(x));
  guarded([&] {
    Segment segment(n);
    segment.fill(numbers, n);
    std::snprintf(id, sizeof id, "%s", segment.id());
    segment.give_away();
  });
  return Rf_ScalarString(Rf_mkCharCE(id, CE_UTF8));
}

static SEXP total(SEXP id) {
  const char *text = text_of(id);
  double sum = 0;
  guarded([&] {
    Mapping mapping(text, true);
    sum = std::accumulate(mapping.begin(), mapping.end(), 0.0);
  });
  return Rf_ScalarReal(sum);
}

// Between unmap() and return nothing calls R, so the view need not be
// protected.
static SEXP window(SEXP id) {
  const char *text = text_of(id);
  SEXP x = R_NilValue;
  guarded([&] {
    call(shm->seal, text);
    x = Mapping(text, true).view();
  });
  return x;
}

static SEXP count(SEXP id) {
  const char *text = text_of(id);
  int exists = 0;
  uint64_t bytes = 0;
  guarded([&] {
    call(shm->exists, text, &exists);
    if (exists) call(shm->size_of, text, nullptr, &bytes);
  });
  return Rf_ScalarReal(exists ? double(bytes / sizeof(double)) : NA_REAL);
}

static SEXP describe(SEXP id) {
  const char *text = text_of(id);
  sharedmemory_info info = SHAREDMEMORY_INFO_INIT;
  uint64_t last = 0;
  guarded([&] {
    call(shm->info, text, &info);
    call(shm->last_index, &last);
  });
  SEXP result = PROTECT(Rf_allocVector(REALSXP, 3));
  REAL(result)[0] = double(info.requested);
  REAL(result)[1] = double(info.pid);
  REAL(result)[2] = double(last);
  UNPROTECT(1);
  return result;
}

// Adds to all numbers, also if others do at the same time.
static SEXP add(SEXP id, SEXP number) {
  const char *text = text_of(id);
  double summand = Rf_asReal(number);
  guarded([&] {
    Lock lock(text);
    for (double &x : Mapping(text, false)) x += summand;
  });
  return id;
}

static SEXP release(SEXP id) {
  const char *text = text_of(id);
  guarded([&] { call(shm->free, text); });
  return R_NilValue;
}

// R's part, which may fail, comes first: then the pointer keeps the crew, and
// its finalizer ends the threads if nobody calls finish().
static SEXP start(SEXP threads) {
  int size = Rf_asInteger(threads);
  SEXP pointer = PROTECT(R_MakeExternalPtr(nullptr, R_NilValue, R_NilValue));
  R_RegisterCFinalizerEx(pointer, end_crew, TRUE);
  guarded([&] {
    std::unique_ptr<Crew> crew(new Crew(size));
    crew->start();
    R_SetExternalPtrAddr(pointer, crew.release());
  });
  UNPROTECT(1);
  return pointer;
}

static SEXP finish(SEXP pointer) {
  Crew *crew = static_cast<Crew *>(R_ExternalPtrAddr(pointer));
  if (!crew) Rf_error("this crew has finished");
  guarded([&] {
    crew->join();
    crew->check();
  });
  R_xlen_t size = static_cast<R_xlen_t>(crew->rounds().size());
  SEXP rounds = PROTECT(Rf_allocVector(INTSXP, size));
  std::copy(crew->rounds().begin(), crew->rounds().end(), INTEGER(rounds));
  end_crew(pointer);
  UNPROTECT(1);
  return rounds;
}

// ---- load
// ----------------------------------------------------------------------------

#define ENTRY(name, arguments)                                                 \
  {                                                                            \
#name, reinterpret_cast < DL_FUNC>(reinterpret_cast <void (*)()>(name)),   \
        arguments                                                              \
  }

static const R_CallMethodDef entries[] = {
    ENTRY(store, 1),  ENTRY(total, 1),      ENTRY(add, 2),     ENTRY(window, 1),
    ENTRY(count, 1),  ENTRY(describe, 1),   ENTRY(release, 1), ENTRY(start, 1),
    ENTRY(finish, 1), {nullptr, nullptr, 0}};

void R_init_clientcpp(DllInfo *dll) {
  R_registerRoutines(dll, nullptr, entries, nullptr, nullptr);
  R_useDynamicSymbols(dll, FALSE);
  shm = sharedmemory_init("clientcpp");
}

} // extern "C"
