// Cuts one thread's scratch into pieces. In the build that checks addresses (-fsanitize=address) what lies between
// pieces is forbidden, so that a kernel that leaves its piece is caught. Owns no memory and knows no op's sizes.
// May include only the C++ standard library and the sanitizer's header.
#pragma once
#include <cstddef>
#include <cstdint>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace nanogpt {

#if defined(__SANITIZE_ADDRESS__)
inline void forbid(const std::byte* part, size_t bytes) { __asan_poison_memory_region(part, bytes); }
inline void allow(const std::byte* part, size_t bytes) { __asan_unpoison_memory_region(part, bytes); }
#else
inline void forbid(const std::byte*, size_t) {}
inline void allow(const std::byte*, size_t) {}
#endif

// Hands out 64-byte aligned pieces with a line of nobody's between them; the caller bounds their sum.
// Over no memory (null) it only counts, to learn what a task needs.
class Scratch {
 public:
  explicit Scratch(std::byte* memory) : memory_(memory) {}
  std::byte* bytes(size_t count) {
    std::byte* piece = memory_ ? memory_ + used_ : nullptr;
    const size_t whole = (count + 63) / 64 * 64;
    used_ += whole + 64;
    if (piece == nullptr) return nullptr;
    allow(piece, count);
    forbid(piece + count, whole + 64 - count);
    return piece;
  }
  float* floats(int64_t count) { return reinterpret_cast<float*>(bytes(static_cast<size_t>(count) * 4)); }
  size_t used() const { return used_; }

 private:
  std::byte* memory_;
  size_t used_ = 0;
};

}  // namespace nanogpt
