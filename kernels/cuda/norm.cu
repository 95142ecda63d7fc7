// RMS norm over rows and its gradient: a warp a row, held in registers or read twice (lane_row.h). Sums over a row are double:
// even so the arithmetic hides behind the memory.
// May include only lane_row.h and norm.h.
#include "norm.h"
#include "lane_row.h"

namespace nanogpt::cuda {

template <class T, bool held>
DEVICE void norm_row(T* y, const T* x, const NormParams& p) {
  constexpr uint32_t kStep = kLaneStep<T, held>;
  LaneRow<T, held> row;
  row.open(x, p.width);
  double squares = 0.0;
  for_lane_steps<T, held>(p.width, [&](uint32_t k, uint32_t at) {
    const Floats<kStep> v = row.step(k, at);
    add_products(squares, v, v);
  });
  const float r = static_cast<float>(inverse_rms(warp_total(squares), p.width, p.eps));
  for_lane_steps<T, held>(p.width, [&](uint32_t k, uint32_t at) {
    store_floats<kStep>(y + at, each<kStep>([=](float v) { return r * v; }, row.step(k, at)));
  });
}

template <class T>
DEVICE void rms_norm(const NormParams& p) {
  T* const y = static_cast<T*>(p.out);
  const T* const x = static_cast<const T*>(p.x);
  const bool held = may_hold<T>(p.width, y, x);
  for_warps(p.rows, [&](uint64_t row) {
    const uint64_t at = row * p.width;
    if (held) norm_row<T, true>(y + at, x + at, p);
    else norm_row<T, false>(y + at, x + at, p);
  });
}
KERNELS_BY_TYPE(rms_norm, NormParams, 256)

// adds: whether r, the row of the same name in the parameters, is added to dx.
template <bool adds, class T, bool held>
DEVICE void norm_grad_row(T* dx, const T* x, const T* dy, const T* r, const NormParams& p) {
  constexpr uint32_t kStep = kLaneStep<T, held>;
  LaneRow<T, held> row_x, row_dy, row_r;
  row_x.open(x, p.width);
  row_dy.open(dy, p.width);
  if constexpr (adds) row_r.open(r, p.width);
  double squares = 0.0, products = 0.0;
  for_lane_steps<T, held>(p.width, [&](uint32_t k, uint32_t at) {
    const Floats<kStep> v = row_x.step(k, at);
    add_products(squares, v, v);
    add_products(products, v, row_dy.step(k, at));
  });
  const NormGradFactors c = norm_grad_factors(squares, products, p.width, p.eps);
  for_lane_steps<T, held>(p.width, [&](uint32_t k, uint32_t at) {
    const auto grad = [=](float d, float v) { return c.for_dy * d - c.for_x * v; };
    Floats<kStep> out = each<kStep>(grad, row_dy.step(k, at), row_x.step(k, at));
    if constexpr (adds) out = each<kStep>([](float a, float b) { return a + b; }, row_r.step(k, at), out);
    store_floats<kStep>(dx + at, out);
  });
}

template <bool adds, class T>
DEVICE void norm_grad_rows(const NormParams& p) {
  T* const dx = static_cast<T*>(p.out);
  const T* const x = static_cast<const T*>(p.x);
  const T* const dy = static_cast<const T*>(p.dy);
  const T* const r = static_cast<const T*>(p.r);
  const bool held = may_hold<T>(p.width, dx, x, dy, r);
  for_warps(p.rows, [&](uint64_t row) {
    const uint64_t at = row * p.width;
    const T* const row_r = adds ? r + at : nullptr;
    if (held) norm_grad_row<adds, T, true>(dx + at, x + at, dy + at, row_r, p);
    else norm_grad_row<adds, T, false>(dx + at, x + at, dy + at, row_r, p);
  });
}

template <class T>
DEVICE void rms_norm_grad(const NormParams& p) { norm_grad_rows<false, T>(p); }
KERNELS_BY_TYPE(rms_norm_grad, NormParams, 256)

template <class T>
DEVICE void rms_norm_grad_add(const NormParams& p) { norm_grad_rows<true, T>(p); }
KERNELS_BY_TYPE(rms_norm_grad_add, NormParams, 256)

}  // namespace nanogpt::cuda
