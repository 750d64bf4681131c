// A segment as an object of C++11: what it has opened goes with it.
#ifndef SEGMENT_HPP
#define SEGMENT_HPP

#include <smem.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

namespace smem {

class error : public std::runtime_error {
public:
  explicit error(const smem_error &record)
      : std::runtime_error(text(record)), code(record.code) {}
  smem_code code;

private:
  static std::string text(const smem_error &record) {
    char message[1024];
    smem_error_message(&record, message, sizeof message);
    return message;
  }
};

// Starts the library, once.
inline void start() {
  static const bool started = [] {
    smem_start(nullptr);
    smem_environment(std::getenv("SHAREDMEMORY_NAMESPACE"), nullptr, nullptr);
    return true;
  }();
  (void)started;
}

// Elements of T in a segment, mapped as long as this lives.
template <typename T> class segment {
public:
  // Makes one that goes with this process.
  static segment make(const std::string &name, std::size_t count) {
    start();
    smem_error record = SMEM_ERROR_INIT;
    smem_request request = SMEM_REQUEST_INIT(count * sizeof(T), name.c_str());
    if (smem_allocate(&request, 1, SMEM_OF_PROCESS, true, &record))
      throw error(record);
    return segment(name, SMEM_READ_WRITE);
  }
  static segment open(const std::string &name) {
    start();
    return segment(name, SMEM_READ_ONLY);
  }

  T *begin() const { return static_cast<T *>(handle->address); }
  T *end() const { return begin() + size(); }
  std::size_t size() const { return handle->requested / sizeof(T); }

private:
  segment(const std::string &name, smem_access access)
      : handle(nullptr, smem_close) {
    smem_error record = SMEM_ERROR_INIT;
    smem_handle *opened;
    if (smem_open(name.c_str(), access, &opened, &record)) throw error(record);
    handle.reset(opened);
  }
  std::unique_ptr<smem_handle, void (*)(smem_handle *)> handle;
};

// Holds the lock of a segment while it lives.
class lock {
public:
  explicit lock(const std::string &name) : latch(nullptr) {
    start();
    smem_error record = SMEM_ERROR_INIT;
    if (smem_latch_open(name.c_str(), &latch, &record)) throw error(record);
    if (smem_lock(latch, SMEM_EXCLUSIVE, SMEM_FOREVER, &told, &record)) {
      smem_latch_close(latch);
      throw error(record);
    }
  }
  ~lock() {
    smem_unlock(latch, nullptr);
    smem_latch_close(latch);
  }
  lock(const lock &) = delete;
  lock &operator=(const lock &) = delete;

  // Did a holder die, so that what the lock guards may be half written?
  bool is_dirty() const { return told.dirty; }

private:
  smem_latch *latch;
  smem_told told = SMEM_TOLD_INIT;
};

} // namespace smem
#endif
