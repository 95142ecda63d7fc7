// Uploads through pinned memory, so that the caller's memory is free at once and the copy runs while the host goes on: a
// ring of two halves, each with an event that says when its copy has ended. Waits only for a half that is still being
// copied. Knows no op. May include only driver.h and the standard library.
#pragma once
#include "driver.h"

namespace nanogpt::cuda {

class Staging {
 public:
  explicit Staging(const Driver& driver) : driver_(driver) {}
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Makes memory and events.
  Result open();
  // Enqueues the copy of `bytes` bytes on the stream; returns when `source` may be reused.
  Result upload(DevicePointer target, const void* source, size_t bytes, Stream stream);

 private:
  static constexpr size_t kHalfBytes = size_t{8} << 20;
  struct Half {
    void* memory = nullptr;
    Event copied = nullptr;
  };
  const Driver& driver_;
  Half halves_[2];
  int next_ = 0;
};

}  // namespace nanogpt::cuda
