// RMS norm over rows and its gradient: a warp a row. A row of up to 1,024 elements that lies in whole packs is read once and
// kept in registers; any other is read twice, element by element. Sums over a row are double: even so the arithmetic hides
// behind the memory. May include only vectors.h, reduce.h and norm.h.
#include "norm.h"
#include "reduce.h"
#include "vectors.h"

namespace nanogpt::cuda {

constexpr uint32_t kLaneElements = 32;  // of a row that a lane holds

template <class T>
constexpr uint32_t kLanePacks = kLaneElements / kPack<T>;

// One lane's packs of a row, as they lie in memory.
template <class T>
struct RowShare {
  Pack<T, kPack<T>> packs[kLanePacks<T>];
};

// Calls body(k, at) for the packs of this lane: number k, from element `at` of the row on.
template <class T, class Body>
DEVICE void for_lane_packs(uint32_t width, Body body) {
  UNROLL
  for (uint32_t k = 0; k < kLanePacks<T>; k++) {
    const uint32_t at = (k * 32 + lane_index()) * kPack<T>;
    if (at < width) body(k, at);
  }
}

template <class T>
DEVICE void load_share(RowShare<T>& share, const T* row, uint32_t width) {
  for_lane_packs<T>(width, [&](uint32_t k, uint32_t at) { share.packs[k] = load_pack<kPack<T>>(row + at); });
}

template <uint32_t W>
DEVICE void add_products(double& sum, const Floats<W>& a, const Floats<W>& b) {
  UNROLL
  for (uint32_t i = 0; i < W; i++) sum += static_cast<double>(a.at[i]) * static_cast<double>(b.at[i]);
}

// 1/rms of a row from the sum of its squares.
DEVICE double inverse_rms(double squares, uint32_t width, double eps) { return 1.0 / sqrt(squares / width + eps); }

template <class T>
DEVICE bool is_held(const NormParams& p) {
  return p.width % kPack<T> == 0 && p.width <= 32 * kLaneElements;
}

template <class T>
DEVICE void norm_held(T* y, const T* x, const NormParams& p) {
  RowShare<T> held;
  load_share(held, x, p.width);
  double squares = 0.0;
  for_lane_packs<T>(p.width, [&](uint32_t k, uint32_t) {
    const Floats<kPack<T>> v = unpack(held.packs[k]);
    add_products(squares, v, v);
  });
  const float r = static_cast<float>(inverse_rms(warp_total(squares), p.width, p.eps));
  for_lane_packs<T>(p.width, [&](uint32_t k, uint32_t at) {
    store_floats<kPack<T>>(y + at, each<kPack<T>>([=](float v) { return r * v; }, unpack(held.packs[k])));
  });
}

template <class T>
DEVICE void norm_read_twice(T* y, const T* x, const NormParams& p) {
  double squares = 0.0;
  for (uint32_t i = lane_index(); i < p.width; i += 32) {
    const double v = to_float(x[i]);
    squares += v * v;
  }
  const float r = static_cast<float>(inverse_rms(warp_total(squares), p.width, p.eps));
  for (uint32_t i = lane_index(); i < p.width; i += 32) y[i] = from_float<T>(r * to_float(x[i]));
}

template <class T>
DEVICE void rms_norm(const NormParams& p) {
  T* const y = static_cast<T*>(p.out);
  const T* const x = static_cast<const T*>(p.x);
  const bool held = is_held<T>(p) && holds_packs<kPack<T>>(y) && holds_packs<kPack<T>>(x);
  for_warps(p.rows, [&](uint64_t row) {
    const uint64_t at = row * p.width;
    if (held) norm_held(y + at, x + at, p);
    else norm_read_twice(y + at, x + at, p);
  });
}
KERNELS_BY_TYPE(rms_norm, NormParams, 256)

// dx = for_dy*dy - for_x*x.
struct NormGradFactors {
  float for_dy, for_x;
};

DEVICE NormGradFactors grad_factors(double squares, double products, const NormParams& p) {
  const double r = inverse_rms(warp_total(squares), p.width, p.eps);
  return {static_cast<float>(r), static_cast<float>(r * r * r * (warp_total(products) / p.width))};
}

// adds: whether r, the row of the same name in the parameters, is added to dx.
template <bool adds, class T>
DEVICE void norm_grad_held(T* dx, const T* x, const T* dy, const T* r, const NormParams& p) {
  RowShare<T> held_x, held_dy, held_r;
  load_share(held_x, x, p.width);
  load_share(held_dy, dy, p.width);
  if constexpr (adds) load_share(held_r, r, p.width);
  double squares = 0.0, products = 0.0;
  for_lane_packs<T>(p.width, [&](uint32_t k, uint32_t) {
    const Floats<kPack<T>> v = unpack(held_x.packs[k]);
    add_products(squares, v, v);
    add_products(products, v, unpack(held_dy.packs[k]));
  });
  const NormGradFactors c = grad_factors(squares, products, p);
  for_lane_packs<T>(p.width, [&](uint32_t k, uint32_t at) {
    const auto grad = [=](float d, float v) { return c.for_dy * d - c.for_x * v; };
    Floats<kPack<T>> out = each<kPack<T>>(grad, unpack(held_dy.packs[k]), unpack(held_x.packs[k]));
    if constexpr (adds) out = each<kPack<T>>([](float a, float b) { return a + b; }, unpack(held_r.packs[k]), out);
    store_floats<kPack<T>>(dx + at, out);
  });
}

template <bool adds, class T>
DEVICE void norm_grad_read_twice(T* dx, const T* x, const T* dy, const T* r, const NormParams& p) {
  double squares = 0.0, products = 0.0;
  for (uint32_t i = lane_index(); i < p.width; i += 32) {
    const double v = to_float(x[i]);
    squares += v * v;
    products += v * static_cast<double>(to_float(dy[i]));
  }
  const NormGradFactors c = grad_factors(squares, products, p);
  for (uint32_t i = lane_index(); i < p.width; i += 32) {
    float out = c.for_dy * to_float(dy[i]) - c.for_x * to_float(x[i]);
    if constexpr (adds) out = to_float(r[i]) + out;
    dx[i] = from_float<T>(out);
  }
}

template <bool adds, class T>
DEVICE void norm_grad_rows(const NormParams& p) {
  T* const dx = static_cast<T*>(p.out);
  const T* const x = static_cast<const T*>(p.x);
  const T* const dy = static_cast<const T*>(p.dy);
  const T* const r = static_cast<const T*>(p.r);
  const bool held = is_held<T>(p) && holds_packs<kPack<T>>(dx) && holds_packs<kPack<T>>(x) && holds_packs<kPack<T>>(dy) &&
                    holds_packs<kPack<T>>(r);
  for_warps(p.rows, [&](uint64_t row) {
    const uint64_t at = row * p.width;
    const T* const row_r = adds ? r + at : nullptr;
    if (held) norm_grad_held<adds>(dx + at, x + at, dy + at, row_r, p);
    else norm_grad_read_twice<adds>(dx + at, x + at, dy + at, row_r, p);
  });
}

template <class T>
DEVICE void rms_norm_grad(const NormParams& p) { norm_grad_rows<false, T>(p); }
KERNELS_BY_TYPE(rms_norm_grad, NormParams, 256)

template <class T>
DEVICE void rms_norm_grad_add(const NormParams& p) { norm_grad_rows<true, T>(p); }
KERNELS_BY_TYPE(rms_norm_grad_add, NormParams, 256)

}  // namespace nanogpt::cuda
