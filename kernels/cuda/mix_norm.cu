// The residual mix with its norm, and its gradient: a warp a row, one pass over memory each (lane_row.h); the mixed row is made
// again wherever it is needed. A gradient's blocks leave partial sums for the scalars, which one block adds. Float32, sums over
// a row and over all rows double. May include only lane_row.h and mix_norm.h.
#include "mix_norm.h"
#include "lane_row.h"

namespace nanogpt::cuda {

struct Coefficients {
  float of[kMostTerms];
};

template <Mixed mixed>
DEVICE Coefficients coefficients_of(const MixNormScalars& m) {
  if constexpr (mixed == Mixed::pair) return {m.s[0], m.s[1], 0.0f};
  else if constexpr (mixed == Mixed::self) return {m.s[0] + m.s[1], 0.0f, 0.0f};
  else if constexpr (mixed == Mixed::skip) return {m.s[0], m.s[1], m.s[0] * m.w[0]};
  else return {m.s[0] * (1.0f + m.w[0]), m.s[1], 0.0f};
}

// The terms of a row, with what they are multiplied by.
template <class T, bool held, uint32_t K>
struct RowTerms {
  LaneRow<T, held> rows[K];
  Coefficients c;
  DEVICE RowTerms(const void* const* terms, const Coefficients& c, uint64_t at, uint32_t width) : c(c) {
    UNROLL
    for (uint32_t i = 0; i < K; i++) rows[i].open(static_cast<const T*>(terms[i]) + at, width);
  }
  DEVICE Floats<kLaneStep<T, held>> sum(uint32_t k, uint32_t at) const {
    constexpr uint32_t kStep = kLaneStep<T, held>;
    Floats<kStep> x = each<kStep>([&](float v) { return c.of[0] * v; }, rows[0].step(k, at));
    UNROLL
    for (uint32_t i = 1; i < K; i++)
      x = each<kStep>([&](float before, float v) { return before + c.of[i] * v; }, x, rows[i].step(k, at));
    return x;
  }
};

template <class T, bool held, uint32_t K>
DEVICE void mix_norm_row(const MixNormParams& p, const Coefficients& c, uint64_t first) {
  constexpr uint32_t kStep = kLaneStep<T, held>;
  const RowTerms<T, held, K> terms(p.terms, c, first, p.width);
  double squares = 0.0;
  for_lane_steps<T, held>(p.width, [&](uint32_t k, uint32_t at) {
    const Floats<kStep> v = terms.sum(k, at);
    add_products(squares, v, v);
  });
  const float r = static_cast<float>(inverse_rms(warp_total(squares), p.width, p.eps));
  for_lane_steps<T, held>(p.width, [&](uint32_t k, uint32_t at) {
    const Floats<kStep> v = terms.sum(k, at);
    store_floats<kStep>(static_cast<T*>(p.x) + first + at, v);
    store_floats<kStep>(static_cast<T*>(p.y) + first + at, each<kStep>([=](float x) { return r * x; }, v));
  });
}

template <class T, Mixed mixed>
DEVICE void mix_norm_rows(const MixNormParams& p) {
  constexpr uint32_t K = kTerms<mixed>;
  const Coefficients c = coefficients_of<mixed>(p.scalars);
  bool held = may_hold<T>(p.width, static_cast<const T*>(p.x), static_cast<const T*>(p.y));
  UNROLL
  for (uint32_t i = 0; i < K; i++) held = held && may_hold<T>(p.width, static_cast<const T*>(p.terms[i]));
  for_warps(p.rows, [&](uint64_t row) {
    if (held) mix_norm_row<T, true, K>(p, c, row * p.width);
    else mix_norm_row<T, false, K>(p, c, row * p.width);
  });
}

template <class T>
DEVICE void mix_norm(const MixNormParams& p) { mix_norm_rows<T, Mixed::pair>(p); }
KERNELS_BY_TYPE(mix_norm, MixNormParams, 256)

template <class T>
DEVICE void skip_mix_norm(const MixNormParams& p) { mix_norm_rows<T, Mixed::skip>(p); }
KERNELS_BY_TYPE(skip_mix_norm, MixNormParams, 256)

// Adds to this lane's `sums` those of the mixed row's gradient times each term.
template <class T, bool held, uint32_t K>
DEVICE void mix_norm_grad_row(const MixNormGradParams& p, const Coefficients& c, uint64_t first, double (&sums)[K]) {
  constexpr uint32_t kStep = kLaneStep<T, held>;
  const RowTerms<T, held, K> terms(p.terms, c, first, p.width);
  LaneRow<T, held> dy, dx;
  dy.open(static_cast<const T*>(p.dy) + first, p.width);
  dx.open(static_cast<const T*>(p.dx) + first, p.width);
  double squares = 0.0, products = 0.0;
  for_lane_steps<T, held>(p.width, [&](uint32_t k, uint32_t at) {
    const Floats<kStep> v = terms.sum(k, at);
    add_products(squares, v, v);
    add_products(products, v, dy.step(k, at));
  });
  const NormGradFactors f = norm_grad_factors(squares, products, p.width, p.eps);
  for_lane_steps<T, held>(p.width, [&](uint32_t k, uint32_t at) {
    const auto grad = [=](float r, float d, float v) { return r + (f.for_dy * d - f.for_x * v); };
    const Floats<kStep> g = each<kStep>(grad, dx.step(k, at), dy.step(k, at), terms.sum(k, at));
    UNROLL
    for (uint32_t i = 0; i < K; i++) {
      add_products(sums[i], g, terms.rows[i].step(k, at));
      Floats<kStep> d = each<kStep>([&](float x) { return c.of[i] * x; }, g);
      if (p.r[i] != nullptr)
        d = each<kStep>([](float r, float x) { return r + x; }, load_floats<kStep>(static_cast<const T*>(p.r[i]) + first + at), d);
      store_floats<kStep>(static_cast<T*>(p.d[i]) + first + at, d);
    }
  });
}

template <class T, Mixed mixed>
DEVICE void mix_norm_grad_rows(const MixNormGradParams& p) {
  constexpr uint32_t K = kTerms<mixed>;
  const Coefficients c = coefficients_of<mixed>(p.scalars);
  bool held = may_hold<T>(p.width, static_cast<const T*>(p.dy), static_cast<const T*>(p.dx));
  UNROLL
  for (uint32_t i = 0; i < K; i++)
    held = held && may_hold<T>(p.width, static_cast<const T*>(p.terms[i]), static_cast<const T*>(p.d[i]), static_cast<const T*>(p.r[i]));
  double sums[K] = {};
  for_warps(p.rows, [&](uint64_t row) {
    if (held) mix_norm_grad_row<T, true, K>(p, c, row * p.width, sums);
    else mix_norm_grad_row<T, false, K>(p, c, row * p.width, sums);
  });
  UNROLL
  for (uint32_t i = 0; i < K; i++) {
    const double sum = block_total(sums[i]);
    if (threadIdx.x == 0) p.partials[i * gridDim.x + blockIdx.x] = sum;
  }
}

template <class T>
DEVICE void mix_norm_grad(const MixNormGradParams& p) { mix_norm_grad_rows<T, Mixed::pair>(p); }
KERNELS_BY_TYPE(mix_norm_grad, MixNormGradParams, 256)

template <class T>
DEVICE void mix_norm_self_grad(const MixNormGradParams& p) { mix_norm_grad_rows<T, Mixed::self>(p); }
KERNELS_BY_TYPE(mix_norm_self_grad, MixNormGradParams, 256)

template <class T>
DEVICE void skip_mix_norm_grad(const MixNormGradParams& p) { mix_norm_grad_rows<T, Mixed::skip>(p); }
KERNELS_BY_TYPE(skip_mix_norm_grad, MixNormGradParams, 256)

template <class T>
DEVICE void skip_mix_norm_self_grad(const MixNormGradParams& p) { mix_norm_grad_rows<T, Mixed::skip_self>(p); }
KERNELS_BY_TYPE(skip_mix_norm_self_grad, MixNormGradParams, 256)

// The scalars' gradients from the sums of the mixed rows' gradient times each term.
KERNEL(mix_norm_grad_total, MixNormTotalParams, 256) {
  const MixNormScalars& m = params.scalars;
  const uint32_t terms = params.mixed == Mixed::self ? kTerms<Mixed::self> : params.mixed == Mixed::skip ? kTerms<Mixed::skip> : 2;
  double sums[kMostTerms] = {};
  UNROLL
  for (uint32_t i = 0; i < kMostTerms; i++)
    if (i < terms) sums[i] = total_of(params.partials + i * params.blocks, params.blocks);
  const double for_skip = params.mixed == Mixed::skip ? sums[2] : sums[0];
  if (threadIdx.x == 0) {
    params.ds[0] = static_cast<float>(m.w == nullptr ? sums[0] : sums[0] + static_cast<double>(m.w[0]) * for_skip);
    params.ds[1] = static_cast<float>(params.mixed == Mixed::self ? sums[0] : sums[1]);
  }
  for (uint32_t i = threadIdx.x; i < params.size; i += kSumThreads) {
    const float dw = i == params.index ? static_cast<float>(static_cast<double>(m.s[0]) * for_skip) : 0.0f;
    params.dw[i] = params.r == nullptr ? dw : params.r[i] + dw;
  }
}

}  // namespace nanogpt::cuda
