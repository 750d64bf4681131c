// Numeric vectors in shared memory, by the C interface of sharedmemory, in
// C++11.
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
  explicit Error(const smem_error &error)
      : std::runtime_error(message(error)), code_(error.code) {}
  bool is(smem_code code) const { return code_ == code; }
  std::string kind() const { return shm->error_kind(code_); }

private:
  static std::string message(const smem_error &error) {
    char text[1024];
    shm->error_message(&error, text, sizeof text);
    return text;
  }
  smem_code code_;
};

// Calls a function of the table with these arguments and an error record.
template <typename... Parameters, typename... Arguments>
void call(smem_code (*function)(Parameters...), Arguments... arguments) {
  smem_error error = SMEM_ERROR_INIT;
  if (function(arguments..., &error) != SMEM_OK) throw Error(error);
}

void free_segment(const char *id) { call(shm->free, &id, std::size_t(1)); }

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
// A handle, closed when its owner goes out of scope. It can be moved, not
// copied.
class Mapping {
public:
  Mapping(const char *id, smem_access access) {
    call(shm->open, id, access, &handle_);
  }
  Mapping(Mapping &&other) noexcept : handle_(other.handle_) {
    other.handle_ = nullptr;
  }
  Mapping(const Mapping &) = delete;
  Mapping &operator=(const Mapping &) = delete;
  ~Mapping() { shm->close(handle_); } // nullptr is fine

  double *begin() const { return static_cast<double *>(handle_->address); }
  double *end() const { return begin() + size(); }
  std::size_t size() const { return handle_->requested / sizeof(double); }
  std::size_t room() const { return handle_->capacity / sizeof(double); }

  // Of a sealed segment, and on R's main thread only. Not protected from the
  // garbage collector.
  SEXP view() const {
    SEXP x;
    call(shm->view, handle_, SHAREDMEMORY_DOUBLE, uint64_t(0), uint64_t(size()),
         false, &x);
    return x;
  }

private:
  smem_handle *handle_;
};

// ---- allocate
// ----------------------------------------------------------------------
//
// A segment that is freed when its owner goes out of scope, unless it was given
// away.
class Segment {
public:
  explicit Segment(std::size_t size) {
    smem_request request = SMEM_REQUEST_INIT(size * sizeof(double), nullptr);
    call(shm->allocate, &request, std::size_t(1), SMEM_OF_PROCESS, true);
    shm->id_of_number(request.number, id_);
  }
  Segment(const Segment &) = delete;
  Segment &operator=(const Segment &) = delete;
  ~Segment() {
    const char *id = id_;
    if (owned_) shm->free(&id, 1, nullptr);
  }

  const char *id() const { return id_; }
  void give_away() { owned_ = false; }
  void fill(const double *x, std::size_t n) {
    call(shm->write, id(), uint64_t(0), x, uint64_t(n * sizeof *x));
  }

private:
  char id_[SMEM_NUMBER_SIZE];
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
    call(shm->latch_open, id, &latch_);
    try {
      smem_told told = SMEM_TOLD_INIT;
      call(shm->lock, latch_, SMEM_EXCLUSIVE, SMEM_FOREVER, &told);
      if (told.dirty) shm->lock_repaired(latch_);
    } catch (...) {
      shm->latch_close(latch_);
      throw;
    }
  }
  Lock(const Lock &) = delete;
  Lock &operator=(const Lock &) = delete;
  ~Lock() {
    shm->unlock(latch_, nullptr);
    shm->latch_close(latch_);
  }

private:
  smem_latch *latch_;
};

// ---- threads
// -----------------------------------------------------------------------
//
// All of the interface but view() may be called from any thread; nothing of R
// may. One round: a segment of this thread's own, and one that all of them
// want.
void go_round(int number) {
  Segment segment(1000);
  Mapping mapping(segment.id(), SMEM_READ_WRITE);
  for (double &x : mapping) x = number;

  double first = 2.5;
  segment.fill(&first, 1);
  Mapping other(segment.id(),
                SMEM_READ_ONLY); // the same memory at another address
  if (other.size() != 1000 || other.room() < 1000 || *other.begin() != 2.5 ||
      *(other.end() - 1) != number)
    throw std::runtime_error("the memory is not what was written");

  free_segment(segment.id()); // both handles stay good
  *mapping.begin() = number;
  if (std::accumulate(other.begin(), other.end(), 0.0) != 1000.0 * number)
    throw std::runtime_error("the memory went with the segment");
  try {
    Mapping gone(segment.id(), SMEM_READ_ONLY);
    throw std::runtime_error("what was freed can be mapped");
  } catch (const Error &error) {
    if (!error.is(SMEM_NOT_FOUND)) throw;
  }
}

// Whoever comes first creates it, the others open it, anybody frees it.
void meet() {
  smem_request request = SMEM_REQUEST_INIT(sizeof(double), "meeting");
  call(shm->allocate, &request, std::size_t(1), SMEM_UNTIL_FREED, false);
  free_segment("meeting");
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
  char id[SMEM_NUMBER_SIZE] = "";
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
    Mapping mapping(text, SMEM_READ_ONLY);
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
    call(shm->seal, &text, std::size_t(1));
    x = Mapping(text, SMEM_READ_ONLY).view();
  });
  return x;
}

static SEXP count(SEXP id) {
  const char *text = text_of(id);
  bool exists = false;
  uint64_t capacity = 0, bytes = 0;
  guarded([&] {
    call(shm->exists, text, &exists);
    if (exists) call(shm->extent, text, &capacity, &bytes);
  });
  return Rf_ScalarReal(exists ? double(bytes / sizeof(double)) : NA_REAL);
}

static void note(const smem_entry *entry, void *numbers) {
  static_cast<double *>(numbers)[0] = double(entry->requested);
  static_cast<double *>(numbers)[1] = double(entry->pid);
}

static SEXP describe(SEXP id) {
  const char *text = text_of(id);
  char path[300];
  double told[3] = {0, 0, 0};
  uint64_t last = 0;
  std::size_t first_bytes = 0;
  guarded([&] {
    call(shm->inspect, text, static_cast<void *>(nullptr), &first_bytes, path,
         sizeof path, note, static_cast<void *>(told));
    call(shm->last_index, &last);
  });
  told[2] = double(last);
  SEXP result = PROTECT(Rf_allocVector(REALSXP, 3));
  std::copy(told, told + 3, REAL(result));
  UNPROTECT(1);
  return result;
}

// Adds to all numbers, also if others do at the same time.
static SEXP add(SEXP id, SEXP number) {
  const char *text = text_of(id);
  double summand = Rf_asReal(number);
  guarded([&] {
    Lock lock(text);
    for (double &x : Mapping(text, SMEM_READ_WRITE)) x += summand;
  });
  return id;
}

static SEXP release(SEXP id) {
  const char *text = text_of(id);
  guarded([&] { free_segment(text); });
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
