// Uploads through pinned memory, so that the caller's memory is free at once and the copy runs while the host goes on: a
// ring of blocks, each with an event that says when its copy has ended. Waits only for a block that is still being copied,
// which is one of kBlocks blocks before. Knows no op. May include only driver.h and the standard library.
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
  static constexpr size_t kBlockBytes = size_t{256} << 10;
  static constexpr size_t kBlocks = 64;
  struct Block {
    void* memory = nullptr;
    Event copied = nullptr;
  };
  const Driver& driver_;
  Block blocks_[kBlocks];
  size_t next_ = 0;
};

}  // namespace nanogpt::cuda
