// Attention over rings of cached keys and values in its one form, simple, for any head width and type: a block takes one
// query of one head through the keys that it sees, a key a thread, then a column of the values a thread, with the online
// softmax in float32. Every thread adds up all exponentials itself, so that maximum and sum need no exchange. May include
// only attention_cached.h and attention_tiles.h.
#include "attention_cached.h"
#include "attention_tiles.h"

namespace nanogpt::cuda {

template <class T>
DEVICE void attention_cached(const CachedAttentionParams& p) {
  const uint32_t n = blockIdx.x / p.H, head = blockIdx.x % p.H, width = p.H * p.D;
  const uint32_t start = static_cast<uint32_t>(p.start[n]), end = static_cast<uint32_t>(*p.position) + n + 1;
  const size_t own = size_t{n} * width + head * p.D;
  const T* const query = static_cast<const T*>(p.q) + own;
  SharedFloats shared;
  float* const q = shared.take(p.D);
  float* const y = shared.take(p.D);  // column d belongs to the thread d mod blockDim.x
  float* const scores = shared.take(kCachedKeys);
  float* const weights = shared.take(kCachedKeys);
  for (uint32_t d = threadIdx.x; d < p.D; d += blockDim.x) q[d] = to_float(query[d]), y[d] = 0.0f;

  float maximum = -INFINITY, sum = 0.0f;
  for (uint32_t first = start; first < end; first += kCachedKeys) {
    const uint32_t count = end - first < kCachedKeys ? end - first : kCachedKeys;
    block_sync();
    if (threadIdx.x < count) {
      const T* const key = static_cast<const T*>(p.keys) + size_t{(first + threadIdx.x) % p.rows} * width + head * p.D;
      float score = 0.0f;
      for (uint32_t d = 0; d < p.D; d++) score += q[d] * to_float(key[d]);
      scores[threadIdx.x] = p.scale * score;
    }
    block_sync();
    float most = maximum;
    for (uint32_t j = 0; j < count; j++) most = scores[j] > most ? scores[j] : most;
    const float shift = most == -INFINITY ? 0.0f : most;  // infinite: no score is a number yet
    const float factor = expf(maximum - shift);
    if (threadIdx.x < count) weights[threadIdx.x] = expf(scores[threadIdx.x] - shift);
    block_sync();
    float total = 0.0f;
    for (uint32_t j = 0; j < count; j++) total += weights[j];
    sum = sum * factor + total;
    maximum = most;
    for (uint32_t d = threadIdx.x; d < p.D; d += blockDim.x) {
      const T* const values = static_cast<const T*>(p.values) + head * p.D + d;
      float added = 0.0f;
      for (uint32_t j = 0; j < count; j++) added += weights[j] * to_float(values[size_t{(first + j) % p.rows} * width]);
      y[d] = y[d] * factor + added;
    }
  }
  T* const out = static_cast<T*>(p.y) + own;
  for (uint32_t d = threadIdx.x; d < p.D; d += blockDim.x) out[d] = from_float<T>(y[d] / sum);
}
KERNEL(attention_cached_f32, CachedAttentionParams, 128) { attention_cached<float>(params); }
KERNEL(attention_cached_bf16, CachedAttentionParams, 128) { attention_cached<bf16>(params); }

}  // namespace nanogpt::cuda
