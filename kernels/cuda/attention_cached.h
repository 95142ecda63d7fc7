// Parameters of attention over cached keys and values, as host and device see them, and how many keys a block takes at a
// time, which decides its threads and shared memory. Computes nothing; abi.h says what the numbers mean. May include only
// the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

constexpr uint32_t kCachedKeys = 128;

struct CachedAttentionParams {
  void* y;
  const void *q, *keys, *values;
  const int32_t *start, *position;
  uint32_t N, rows, H, D;
  float scale;  // of scores: 1/sqrt(D)
};

// Query and sums of D, scores and exponentials of a block of keys.
inline uint32_t cached_attention_floats(uint32_t D) { return 2 * D + 2 * kCachedKeys; }

}  // namespace nanogpt::cuda
