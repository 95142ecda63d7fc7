// The pinned ring behind uploads. A batch of 65,536 tokens is a quarter of a megabyte: one half holds it, and the next
// batch goes into the other while this one is copied. May include only staging.h and the standard library; knows no
// context and reports what the driver says.
#include "staging.h"
#include <algorithm>
#include <cstring>

namespace nanogpt::cuda {

constexpr unsigned kEventWithoutTiming = 2;  // CU_EVENT_DISABLE_TIMING

Result Staging::open() {
  for (Half& half : halves_) {
    if (const Result result = driver_.host_allocate(&half.memory, kHalfBytes, 0)) return result;
    if (const Result result = driver_.event_create(&half.copied, kEventWithoutTiming)) return result;
  }
  return 0;
}

Staging::~Staging() {
  for (Half& half : halves_) {
    if (half.copied != nullptr) {
      driver_.event_synchronize(half.copied);
      driver_.event_destroy(half.copied);
    }
    if (half.memory != nullptr) driver_.host_free(half.memory);
  }
}

Result Staging::upload(DevicePointer target, const void* source, size_t bytes, Stream stream) {
  for (size_t at = 0; at < bytes; at += kHalfBytes) {
    Half& half = halves_[next_];
    next_ = 1 - next_;
    if (const Result result = driver_.event_synchronize(half.copied)) return result;
    const size_t part = std::min(kHalfBytes, bytes - at);
    std::memcpy(half.memory, static_cast<const char*>(source) + at, part);
    if (const Result result = driver_.copy_to_device(target + at, half.memory, part, stream)) return result;
    if (const Result result = driver_.event_record(half.copied, stream)) return result;
  }
  return 0;
}

}  // namespace nanogpt::cuda
