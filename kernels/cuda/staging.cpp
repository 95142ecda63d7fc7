// The pinned ring behind uploads. 65,536 tokens are a quarter of a megabyte: a block. A copy ends when the work enqueued before
// it has, so that a step's blocks are in use until it has begun its last microbatch; the ring holds two steps of 15 such
// microbatches. Of more the host is that far ahead of the GPU. May include only staging.h and the standard library; knows
// no context and reports what the driver says.
#include "staging.h"
#include <algorithm>
#include <cstring>

namespace nanogpt::cuda {

constexpr unsigned kEventWithoutTiming = 2;  // CU_EVENT_DISABLE_TIMING

Result Staging::open() {
  for (Block& block : blocks_) {
    if (const Result result = driver_.host_allocate(&block.memory, kBlockBytes, 0)) return result;
    if (const Result result = driver_.event_create(&block.copied, kEventWithoutTiming)) return result;
  }
  return 0;
}

Staging::~Staging() {
  for (Block& block : blocks_) {
    if (block.copied != nullptr) {
      driver_.event_synchronize(block.copied);
      driver_.event_destroy(block.copied);
    }
    if (block.memory != nullptr) driver_.host_free(block.memory);
  }
}

Result Staging::upload(DevicePointer target, const void* source, size_t bytes, Stream stream) {
  for (size_t at = 0; at < bytes; at += kBlockBytes) {
    Block& block = blocks_[next_];
    next_ = (next_ + 1) % kBlocks;
    if (const Result result = driver_.event_synchronize(block.copied)) return result;
    const size_t part = std::min(kBlockBytes, bytes - at);
    std::memcpy(block.memory, static_cast<const char*>(source) + at, part);
    if (const Result result = driver_.copy_to_device(target + at, block.memory, part, stream)) return result;
    if (const Result result = driver_.event_record(block.copied, stream)) return result;
  }
  return 0;
}

}  // namespace nanogpt::cuda
