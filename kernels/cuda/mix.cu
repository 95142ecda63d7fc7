// Kernels that scale and mix activations by learned scalars, read from memory, and their gradients: one pass over the
// activations that also leaves a block's partial sums for the scalars, and one block that adds those. Float32, the scalars'
// sums double. May include only vectors.h, reduce.h, mix.h and ../abi.h.
#include "mix.h"
#include "../abi.h"
#include "reduce.h"
#include "vectors.h"

namespace nanogpt::cuda {

struct Coefficients {
  float a, b;
};

DEVICE Coefficients coefficients_of(const MixScalars& m) {
  if (m.form == NANOGPT_MIX_PAIR) return {m.s[0], m.s[1]};
  if (m.form == NANOGPT_MIX_LERP) return {1.0f - m.s[0], m.s[0]};
  return {1.0f, m.s[m.index]};
}

template <class T>
DEVICE void scale(const MixParams& p) {
  const float factor = p.scalars.s[p.scalars.index];
  map<kPack<T>>(p.count, static_cast<T*>(p.y), [=](float x) { return factor * x; }, static_cast<const T*>(p.a));
}
KERNELS_BY_TYPE(scale, MixParams, 256)

template <class T>
DEVICE void mix(const MixParams& p) {
  const Coefficients c = coefficients_of(p.scalars);
  map<kPack<T>>(p.count, static_cast<T*>(p.y), [=](float a, float b) { return c.a * a + c.b * b; }, static_cast<const T*>(p.a),
                static_cast<const T*>(p.b));
}
KERNELS_BY_TYPE(mix, MixParams, 256)

template <uint32_t W>
DEVICE double dot(const Floats<W>& a, const Floats<W>& b) {
  double sum = 0.0;
  UNROLL
  for (uint32_t i = 0; i < W; i++) sum += static_cast<double>(a.at[i] * b.at[i]);
  return sum;
}

template <class T>
DEVICE void scale_grad(const MixGradParams& p) {
  const T* const dy = static_cast<const T*>(p.dy);
  const T* const x = static_cast<const T*>(p.a);
  constexpr uint32_t kWide = kPack<T>;
  double sum = 0.0;
  for_packs<kWide>(p.count, holds_packs<kWide>(dy) && holds_packs<kWide>(x), [&](auto width, uint64_t i) {
    constexpr uint32_t kWidth = decltype(width)::value;
    sum += dot(load_floats<kWidth>(dy + i), load_floats<kWidth>(x + i));
  });
  sum = block_total(sum);
  if (threadIdx.x == 0) p.partials[blockIdx.x] = sum;
}
KERNELS_BY_TYPE(scale_grad, MixGradParams, 256)

// r + x from element i on, or x where there is no r.
template <uint32_t W, class T>
DEVICE Floats<W> added_to(const T* r, uint64_t i, const Floats<W>& x) {
  return r == nullptr ? x : each<W>([](float before, float value) { return before + value; }, load_floats<W>(r + i), x);
}

template <class T>
DEVICE void mix_grad(const MixGradParams& p) {
  T* const da = static_cast<T*>(p.da);
  T* const db = static_cast<T*>(p.db);
  const T* const dy = static_cast<const T*>(p.dy);
  const T* const a = static_cast<const T*>(p.a);
  const T* const b = static_cast<const T*>(p.b);
  const T* const ra = static_cast<const T*>(p.ra);
  const T* const rb = static_cast<const T*>(p.rb);
  const Coefficients c = coefficients_of(p.scalars);
  constexpr uint32_t kWide = kPack<T>;
  const bool packs = holds_packs<kWide>(da) && holds_packs<kWide>(db) && holds_packs<kWide>(dy) && holds_packs<kWide>(a) &&
                     holds_packs<kWide>(b) && holds_packs<kWide>(ra) && holds_packs<kWide>(rb);
  double sum_a = 0.0, sum_b = 0.0;
  for_packs<kWide>(p.count, packs, [&](auto width, uint64_t i) {
    constexpr uint32_t kWidth = decltype(width)::value;
    const Floats<kWidth> d = load_floats<kWidth>(dy + i);
    sum_a += dot(d, load_floats<kWidth>(a + i));
    sum_b += dot(d, load_floats<kWidth>(b + i));
    const Floats<kWidth> for_a = added_to(ra, i, each<kWidth>([=](float x) { return c.a * x; }, d));
    const Floats<kWidth> for_b = added_to(rb, i, each<kWidth>([=](float x) { return c.b * x; }, d));
    store_floats<kWidth>(da + i, for_a);
    store_floats<kWidth>(db + i, for_b);
  });
  sum_a = block_total(sum_a);
  sum_b = block_total(sum_b);
  if (threadIdx.x != 0) return;
  p.partials[blockIdx.x] = sum_a;
  p.partials[gridDim.x + blockIdx.x] = sum_b;
}
KERNELS_BY_TYPE(mix_grad, MixGradParams, 256)

// ds[index] = total, the others 0.
KERNEL(scale_grad_total, MixGradTotalParams, 256) {
  const double total = total_of(params.partials, params.blocks);
  for (uint32_t i = threadIdx.x; i < params.scalars.size; i += kSumThreads)
    params.ds[i] = i == params.scalars.index ? static_cast<float>(total) : 0.0f;
}

// The gradient of each element of s by the form, where it plays a part.
KERNEL(mix_grad_total, MixGradTotalParams, 256) {
  const double a = total_of(params.partials, params.blocks);
  const double b = total_of(params.partials + params.blocks, params.blocks);
  const MixScalars& m = params.scalars;
  for (uint32_t i = threadIdx.x; i < m.size; i += kSumThreads) {
    double ds = 0.0;
    if (m.form == NANOGPT_MIX_PAIR) ds = i == 0 ? a : i == 1 ? b : 0.0;
    else if (m.form == NANOGPT_MIX_LERP) ds = i == 0 ? b - a : 0.0;
    else if (i == m.index) ds = b;
    params.ds[i] = params.r == nullptr ? static_cast<float>(ds) : params.r[i] + static_cast<float>(ds);
  }
}

}  // namespace nanogpt::cuda
