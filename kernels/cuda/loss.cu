// Kernels of cross-entropy over float32 logits and of its gradient: a block a row. One pass finds the row's maximum and the
// sum of exponentials together; the gradient reads the row once more. Exponentials are float32, their sums double. A target
// outside the vocabulary is reported and its row becomes NaN.
// May include only reduce.h, vectors.h, loss.h and the standard library.
#include "loss.h"
#include "reduce.h"
#include "vectors.h"
#include <cfloat>
#include <cmath>

namespace nanogpt::cuda {

// Of a row, or of a part of it: `sum` of exp(x - most). A NaN is never `most`: it comes through the sum.
struct Exponentials {
  float most = -FLT_MAX;  // finite, so that a part without any element, or of -infinity alone, counts nothing
  double sum = 0.0;
};

DEVICE Exponentials joined(const Exponentials& a, const Exponentials& b) {
  Exponentials c;
  c.most = a.most > b.most ? a.most : b.most;
  c.sum = a.sum * expf(a.most - c.most) + b.sum * expf(b.most - c.most);
  return c;
}

template <uint32_t W>
DEVICE void add_exponentials(Exponentials& e, const Floats<W>& x) {
  float most = e.most;
  UNROLL
  for (uint32_t k = 0; k < W; k++) most = x.at[k] > most ? x.at[k] : most;
  if (most > e.most) {
    e.sum *= expf(e.most - most);
    e.most = most;
  }
  UNROLL
  for (uint32_t k = 0; k < W; k++) e.sum += static_cast<double>(expf(x.at[k] - e.most));
}

// Calls body(width, i) for the pieces of a row that this thread of the block takes: packs of four where the row lies in
// whole ones.
template <class Body>
DEVICE void for_row_packs(uint32_t V, bool packs, Body body) {
  if (packs) {
    for (uint64_t i = threadIdx.x * 4; i < V; i += kSumThreads * 4) body(std::integral_constant<uint32_t, 4>{}, i);
  } else {
    for (uint64_t i = threadIdx.x; i < V; i += kSumThreads) body(std::integral_constant<uint32_t, 1>{}, i);
  }
}

// The row's exponentials, in every thread of the block.
DEVICE Exponentials row_exponentials(const float* logits, uint32_t V, bool packs) {
  Exponentials e;
  for_row_packs(V, packs, [&](auto width, uint64_t i) { add_exponentials(e, load_floats<decltype(width)::value>(logits + i)); });
  for (uint32_t lanes = 16; lanes > 0; lanes /= 2)
    e = joined(e, {shuffle_xor(e.most, lanes), shuffle_xor(e.sum, lanes)});
  Exponentials* const shared = reinterpret_cast<Exponentials*>(dynamic_shared());
  block_sync();  // nobody reads the previous row's any more
  if (lane_index() == 0) shared[warp_index()] = e;
  block_sync();
  e = shared[0];
  for (uint32_t i = 1; i < kSumThreads / 32; i++) e = joined(e, shared[i]);
  return e;
}

// Calls body(n, target) for every row that this block takes whose target is in the vocabulary, refused(n) for the others.
template <class Body, class Refused>
DEVICE void for_target_rows(const LossParams& p, Body body, Refused refused) {
  for (uint64_t n = blockIdx.x; n < p.N; n += gridDim.x) {
    const int32_t target = p.targets[n];
    if (target >= 0 && static_cast<uint32_t>(target) < p.V) {
      body(n, static_cast<uint32_t>(target));
    } else {
      if (threadIdx.x == 0) report_input(p.error, InputLimit::target, static_cast<uint32_t>(n), target, p.V);
      refused(n);
    }
  }
}

KERNEL(cross_entropy, LossParams, 256) {
  const LossParams& p = params;
  const bool packs = p.V % 4 == 0 && holds_packs<4>(p.logits);
  for_target_rows(
      p,
      [&](uint64_t n, uint32_t target) {
        const float* const logits = p.logits + n * p.V;
        const Exponentials e = row_exponentials(logits, p.V, packs);
        if (threadIdx.x != 0) return;
        p.out[n] = static_cast<float>(log(e.sum) + (static_cast<double>(e.most) - static_cast<double>(logits[target])));
      },
      [&](uint64_t n) {
        if (threadIdx.x == 0) p.out[n] = NAN;
      });
}

KERNEL(cross_entropy_grad, LossParams, 256) {
  const LossParams& p = params;
  const bool packs = p.V % 4 == 0 && holds_packs<4>(p.logits) && holds_packs<4>(p.out);
  for_target_rows(
      p,
      [&](uint64_t n, uint32_t target) {
        const float* const logits = p.logits + n * p.V;
        float* const dlogits = p.out + n * p.V;
        const Exponentials e = row_exponentials(logits, p.V, packs);
        const double dloss = p.dlosses[n];
        const float factor = static_cast<float>(dloss / e.sum);
        for_row_packs(p.V, packs, [&](auto width, uint64_t i) {
          constexpr uint32_t kWidth = decltype(width)::value;
          const Floats<kWidth> x = load_floats<kWidth>(logits + i);
          Floats<kWidth> dx = each<kWidth>([=](float v) { return expf(v - e.most) * factor; }, x);
          UNROLL
          for (uint32_t k = 0; k < kWidth; k++) {
            if (i + k != target) continue;
            dx.at[k] = static_cast<float>(dloss * (static_cast<double>(expf(x.at[k] - e.most)) / e.sum - 1.0));
          }
          store_floats<kWidth>(dlogits + i, dx);
        });
      },
      [&](uint64_t n) {
        for (uint64_t i = threadIdx.x; i < p.V; i += kSumThreads) p.out[n * p.V + i] = NAN;
      });
}

}  // namespace nanogpt::cuda
