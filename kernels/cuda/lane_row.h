// A lane's share of a row that a warp works on. A row of up to 1,024 elements that lies in whole packs is read once and held in
// registers; any other is read element by element, again each time. Which of the two is the kernel's choice, by `may_hold`. Also
// what rows are summed to: the RMS norm's factors. May include only vectors.h and reduce.h.
#pragma once
#include "reduce.h"
#include "vectors.h"

namespace nanogpt::cuda {

constexpr uint32_t kLaneElements = 32;  // of a row that a lane holds

template <class T>
constexpr uint32_t kLanePacks = kLaneElements / kPack<T>;

// Elements that a lane works on at a time.
template <class T, bool held>
constexpr uint32_t kLaneStep = held ? kPack<T> : 1;

// Whether rows of this width, of tensors at these addresses (or null), may be held.
template <class T, class... Addresses>
DEVICE bool may_hold(uint32_t width, const Addresses*... addresses) {
  return width % kPack<T> == 0 && width <= 32 * kLaneElements && (holds_packs<kPack<T>>(addresses) && ...);
}

// Calls body(k, at) for the lane's steps: number k, from element `at` of the row on.
template <class T, bool held, class Body>
DEVICE void for_lane_steps(uint32_t width, Body body) {
  if constexpr (held) {
    UNROLL
    for (uint32_t k = 0; k < kLanePacks<T>; k++) {
      const uint32_t at = (k * 32 + lane_index()) * kPack<T>;
      if (at < width) body(k, at);
    }
  } else {
    for (uint32_t at = lane_index(); at < width; at += 32) body(0u, at);
  }
}

template <class T, bool held>
struct LaneRow {
  Pack<T, kPack<T>> packs[kLanePacks<T>];
  DEVICE void open(const T* row, uint32_t width) {
    for_lane_steps<T, true>(width, [&](uint32_t k, uint32_t at) { packs[k] = load_pack<kPack<T>>(row + at); });
  }
  DEVICE Floats<kPack<T>> step(uint32_t k, uint32_t) const { return unpack(packs[k]); }
};

template <class T>
struct LaneRow<T, false> {
  const T* row;
  DEVICE void open(const T* from, uint32_t) { row = from; }
  DEVICE Floats<1> step(uint32_t, uint32_t at) const { return load_floats<1>(row + at); }
};

template <uint32_t W>
DEVICE void add_products(double& sum, const Floats<W>& a, const Floats<W>& b) {
  UNROLL
  for (uint32_t i = 0; i < W; i++) sum += static_cast<double>(a.at[i]) * static_cast<double>(b.at[i]);
}

// 1/rms of a row from the sum of its squares.
DEVICE double inverse_rms(double squares, uint32_t width, double eps) { return 1.0 / sqrt(squares / width + eps); }

// The norm's gradient: for_dy*dy - for_x*x.
struct NormGradFactors {
  float for_dy, for_x;
};

// From a lane's sums of x*x and x*dy.
DEVICE NormGradFactors norm_grad_factors(double squares, double products, uint32_t width, double eps) {
  const double r = inverse_rms(warp_total(squares), width, eps);
  return {static_cast<float>(r), static_cast<float>(r * r * r * (warp_total(products) / width))};
}

}  // namespace nanogpt::cuda
