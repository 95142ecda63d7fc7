// The rows of a chunk of logits: soft cap, sum of exponentials, loss and, in place, the gradient of the logits. Of logits that
// their product has left capped, with sums of exponentials by tiles, a block walks its row once and for the gradient only; of
// others once for the sum and once more for the gradient, which then comes out of the L2 cache. Makes no logits. May include
// only device.h, head.h, softcap.h and vectors.h.
#include "device.h"
#include "head.h"
#include "softcap.h"
#include "vectors.h"

namespace nanogpt::cuda {

// Calls body(width, i) for pieces of [0, count), given out to the threads of the block: `width`, a constant, elements from
// number i on; it is a pack's, or 1 for the rest.
template <uint32_t W, class Body>
DEVICE void for_row(uint32_t count, Body body) {
  const uint32_t whole = count / W;
  for (uint32_t i = threadIdx.x; i < whole; i += blockDim.x) body(std::integral_constant<uint32_t, W>{}, i * W);
  for (uint32_t i = whole * W + threadIdx.x; i < count; i += blockDim.x) body(std::integral_constant<uint32_t, 1>{}, i);
}

// kCapped: logits lie there capped and rounded, and p.exponentials has sums of their exponentials.
template <class T, bool kCapped>
struct HeadRow {
  const HeadParams& p;
  const uint32_t row;
  T* const z;
  const int32_t target;
  const bool known;  // the target is one of the vocabulary
  float* const shared;

  DEVICE explicit HeadRow(const HeadParams& params)
      : p(params), row(p.first + blockIdx.x), z(static_cast<T*>(p.z) + blockIdx.x * p.ld), target(p.targets[row]),
        known(target >= 0 && static_cast<uint32_t>(target) < p.V), shared(reinterpret_cast<float*>(dynamic_shared())) {}

  // A logit in memory, capped.
  DEVICE float capped(float logit) const {
    if constexpr (kCapped) return logit;
    else return softcap<T>(logit, p.cap);
  }
  DEVICE float sum(float x) const { return block_sum(x, shared, blockDim.x / 32); }

  // The target's capped logit, never rounded to T.
  DEVICE float target_logit() const {
    float products = 0.0f;
    if (known) {
      const T* const x = static_cast<const T*>(p.x) + size_t{row} * p.C;
      const T* const w = static_cast<const T*>(p.w) + size_t{static_cast<uint32_t>(target)} * p.C;
      for (uint32_t i = threadIdx.x; i < p.C; i += blockDim.x) products += to_float(x[i]) * to_float(w[i]);
    }
    return p.cap * tanhf(sum(products) * (1.0f / p.cap));
  }

  DEVICE float largest() const {
    float most = -INFINITY;
    for_row<kPack<T>>(p.V, [&](auto width, uint32_t i) {
      const auto logits = load_floats<decltype(width)::value>(z + i);
      UNROLL
      for (uint32_t j = 0; j < decltype(width)::value; j++) most = fmaxf(most, logits.at[j]);
    });
    for (uint32_t lanes = 16; lanes > 0; lanes /= 2) most = fmaxf(most, shuffle_xor(most, lanes));
    block_sync();  // nobody reads an earlier sum any more
    if (lane_index() == 0) shared[warp_index()] = most;
    block_sync();
    for (uint32_t i = 0; i < blockDim.x / 32; i++) most = fmaxf(most, shared[i]);
    return most;
  }

  DEVICE float sum_exponentials(float shift) const {
    float total = 0.0f;
    for_row<kPack<T>>(p.V, [&](auto width, uint32_t i) {
      const auto logits = load_floats<decltype(width)::value>(z + i);
      UNROLL
      for (uint32_t j = 0; j < decltype(width)::value; j++) total += exp_of<T>(capped(logits.at[j]) - shift);
    });
    return sum(total);
  }

  // The same of capped logits, which the cap has been taken off: from the tiles' sums.
  DEVICE float sum_tiles() const {
    const float* const tiles = p.exponentials + blockIdx.x * uint64_t{p.tiles};
    float total = 0.0f;
    for (uint32_t i = threadIdx.x; i < p.tiles; i += blockDim.x) total += tiles[i];
    return sum(total);
  }

  // The gradient of a logit in memory, of a loss of dloss = 1 whose target is another. A capped one may be rounded to above
  // the cap, where the cap has no slope either.
  DEVICE float gradient(float logit, float log_sum) const {
    if constexpr (kCapped) {
      const float bend = logit * (1.0f / p.cap);
      return exp_of<T>(logit - log_sum) * fmaxf(1.0f - bend * bend, 0.0f);
    } else {
      const float bend = tanh_of<T>(logit * (1.0f / p.cap));
      return exp_of<T>(p.cap * bend - log_sum) * (1.0f - bend * bend);
    }
  }

  // z = dloss * (softmax - [v = target]) * (1 - tanh^2); zeros behind the row.
  DEVICE void gradients(float logit_of_target, float log_sum) const {
    const float dloss = p.dlosses[row];
    const float t = logit_of_target / p.cap;
    const float target_gradient = dloss * (expf(logit_of_target - log_sum) - 1.0f) * (1.0f - t * t);
    for_row<kPack<T>>(p.V, [&](auto width, uint32_t i) {
      auto logits = load_floats<decltype(width)::value>(z + i);
      UNROLL
      for (uint32_t j = 0; j < decltype(width)::value; j++) {
        const float other = dloss * gradient(logits.at[j], log_sum);
        logits.at[j] = known && i + j == static_cast<uint32_t>(target) ? target_gradient : other;
      }
      store_floats<decltype(width)::value>(z + i, logits);
    });
    for (uint64_t i = p.V + threadIdx.x; i < p.ld; i += blockDim.x) z[i] = from_float<T>(0.0f);
  }

  DEVICE void run() const {
    if (!known && threadIdx.x == 0) report_input(p.input_error, InputLimit::target, row, target, p.V);
    const float rounded = known ? to_float(z[target]) : 0.0f;  // read before anybody overwrites it
    const float logit_of_target = target_logit();
    const float shift = kCapped || p.cap <= kBoundedCap ? p.cap : fmaxf(capped(largest()), logit_of_target);
    float total = kCapped ? sum_tiles() : sum_exponentials(shift);
    if (known) total += expf(logit_of_target - shift) - exp_of<T>(capped(rounded) - shift);
    const float log_sum = shift + logf(total);
    if (threadIdx.x == 0) p.losses[row] = log_sum - logit_of_target;
    if (p.dlosses != nullptr) gradients(logit_of_target, log_sum);
  }
};

KERNEL(head_rows_f32, HeadParams, kHeadThreads) { HeadRow<float, false>(params).run(); }
KERNEL(head_rows_bf16, HeadParams, kHeadThreads) { HeadRow<bf16, false>(params).run(); }
KERNEL(head_rows_capped, HeadParams, kHeadThreads) { HeadRow<bf16, true>(params).run(); }

}  // namespace nanogpt::cuda
