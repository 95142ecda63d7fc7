// Optimiser kernels but Newton-Schulz: the guard, Adam, the momentum of Muon, the Frobenius norm and the update, each one pass
// over memory (the norm two). Counts of non-finite elements are whole numbers, so that any grid gives the same; the norm's sum
// has a fixed order.
// May include only vectors.h, reduce.h, optimiser.h and ../abi.h.
#include "optimiser.h"
#include "../abi.h"
#include "reduce.h"
#include "vectors.h"

namespace nanogpt::cuda {

// Infinities and NaN by their exponent bits.
DEVICE bool is_non_finite(float x) { return (bits_of(x) & 0x7f800000u) == 0x7f800000u; }

template <uint32_t W>
DEVICE uint32_t non_finite(const Floats<W>& x) {
  uint32_t count = 0;
  UNROLL
  for (uint32_t k = 0; k < W; k++) count += is_non_finite(x.at[k]);
  return count;
}

// Whether a guard has met a loss that is not finite: nothing may change any more.
DEVICE bool halted(const float* scalars) { return scalars[NANOGPT_SCALAR_HALT] != 0.0f; }

// Leaves the block's count at its place.
DEVICE void leave_count(uint32_t count, uint32_t* counts) {
  uint32_t* const shared = reinterpret_cast<uint32_t*>(dynamic_shared());
  count = warp_reduce(count, [](uint32_t a, uint32_t b) { return a + b; });
  if (lane_index() == 0) shared[warp_index()] = count;
  block_sync();
  if (threadIdx.x != 0) return;
  for (uint32_t i = 1; i < blockDim.x / 32; i++) count += shared[i];
  counts[blockIdx.x] = count;
}

KERNEL(guard, GuardParams, 32) {
  if (threadIdx.x == 0 && is_non_finite(params.loss[0])) params.scalars[NANOGPT_SCALAR_HALT] = 1.0f;
}

KERNEL(adam, AdamParams, 256) {
  const AdamParams& c = params;
  if (halted(c.scalars)) return;
  const float rate = static_cast<float>(c.lr * c.scalars[NANOGPT_SCALAR_RATE] * c.scalars[NANOGPT_SCALAR_BIAS1]);
  const float bias2 = c.scalars[NANOGPT_SCALAR_BIAS2];
  const bool packs = holds_packs<4>(c.p) && holds_packs<4>(c.m) && holds_packs<4>(c.v) && holds_packs<4>(c.g);
  uint32_t bad = 0;
  for_packs<4>(c.count, packs, [&](auto width, uint64_t i) {
    constexpr uint32_t W = decltype(width)::value;
    const Floats<W> g = load_floats<W>(c.g + i);
    const Floats<W> m = each<W>([&](float m, float g) { return c.beta1 * m + c.rest1 * g; }, load_floats<W>(c.m + i), g);
    const Floats<W> v = each<W>([&](float v, float g) { return c.beta2 * v + c.rest2 * (g * g); }, load_floats<W>(c.v + i), g);
    bad += non_finite(g);
    store_floats<W>(c.m + i, m);
    store_floats<W>(c.v + i, v);
    const auto stepped = [&](float p, float m, float v) { return p - rate * m / (sqrtf(v * bias2) + c.eps); };
    store_floats<W>(c.p + i, each<W>(stepped, load_floats<W>(c.p + i), m, v));
  });
  leave_count(bad, c.bad);
}

KERNEL(nesterov, NesterovParams, 256) {
  const NesterovParams& c = params;
  if (halted(c.scalars)) return;
  const float momentum = c.scalars[NANOGPT_SCALAR_MOMENTUM];
  const bool packs = holds_packs<4>(c.m) && holds_packs<4>(c.u) && holds_packs<4>(c.g);
  uint32_t bad = 0;
  for_packs<4>(c.count, packs, [&](auto width, uint64_t i) {
    constexpr uint32_t W = decltype(width)::value;
    const Floats<W> g = load_floats<W>(c.g + i);
    const auto add_momentum = [=](float m, float g) { return momentum * m + g; };
    const Floats<W> m = each<W>(add_momentum, load_floats<W>(c.m + i), g);
    bad += non_finite(g);
    store_floats<W>(c.m + i, m);
    store_floats<W>(c.u + i, each<W>(add_momentum, m, g));
  });
  leave_count(bad, c.bad);
}

// The sum of the blocks' counts, up to 2^32 - 1 elements' worth, as the nearest float.
KERNEL(count_total, CountTotalParams, 256) {
  if (halted(params.scalars)) return;
  double sum = 0.0;
  for (uint32_t i = threadIdx.x; i < params.blocks; i += kSumThreads) sum += params.bad[i];
  sum = block_total(sum);
  if (threadIdx.x == 0) params.flag[0] = static_cast<float>(sum);
}

template <class X>
DEVICE void frobenius_squares(const FrobeniusParams& p) {
  const X* const x = static_cast<const X*>(p.x) + uint64_t{blockIdx.y} * p.count;
  const bool packs = p.count % kPack<X> == 0 && holds_packs<kPack<X>>(x);  // whole ones: of every tensor or of none
  double sum = 0.0;
  for_packs<kPack<X>>(p.count, packs, [&](auto width, uint64_t i) {
    constexpr uint32_t W = decltype(width)::value;
    const Floats<W> v = load_floats<W>(x + i);
    UNROLL
    for (uint32_t k = 0; k < W; k++) sum += static_cast<double>(v.at[k]) * static_cast<double>(v.at[k]);
  });
  sum = block_total(sum);
  if (threadIdx.x == 0) p.partials[uint64_t{blockIdx.y} * p.blocks + blockIdx.x] = sum;
}
KERNELS_BY_TYPE(frobenius_squares, FrobeniusParams, 256)

// Every block adds the partial sums itself: they are few.
template <class Y, class X>
DEVICE void frobenius_scale(const FrobeniusParams& p) {
  constexpr uint32_t kWide = kPack<Y> < kPack<X> ? kPack<Y> : kPack<X>;
  const uint64_t first = uint64_t{blockIdx.y} * p.count;
  const double* const partials = p.partials + uint64_t{blockIdx.y} * p.blocks;
  const float factor = static_cast<float>(1.0 / (sqrt(total_of(partials, p.blocks)) + p.eps));
  map<kWide>(p.count, static_cast<Y*>(p.y) + first, [=](float x) { return factor * x; }, static_cast<const X*>(p.x) + first);
}
KERNEL(frobenius_scale_f32_f32, FrobeniusParams, 256) { frobenius_scale<float, float>(params); }
KERNEL(frobenius_scale_f32_bf16, FrobeniusParams, 256) { frobenius_scale<float, bf16>(params); }
KERNEL(frobenius_scale_bf16_f32, FrobeniusParams, 256) { frobenius_scale<bf16, float>(params); }
KERNEL(frobenius_scale_bf16_bf16, FrobeniusParams, 256) { frobenius_scale<bf16, bf16>(params); }

KERNEL(apply_update, ApplyUpdateParams, 256) {
  if (halted(params.scalars)) return;
  const float step = static_cast<float>(params.factor * params.scalars[NANOGPT_SCALAR_RATE]);
  map<4>(params.count, params.p, [=](float p, float u) { return p - step * u; }, static_cast<const float*>(params.p), params.u);
}

}  // namespace nanogpt::cuda
