// What an RMS norm of a row multiplies by, y = r x with r = 1 / sqrt(mean(x^2) + eps), and its gradient, dx = r dy -
// r^3 mean(x dy) x, from sums over the row that a kernel has made in its own way. Reads no row itself. May include only simd.h and
// the standard library.
#pragma once
#include "simd.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

// r, from the sum of x^2.
inline double norm_factor(const WideSum& squares, int64_t width, double eps) {
  return 1.0 / __builtin_sqrt(squares.total() / static_cast<double>(width) + eps);
}

struct NormGradFactors {
  float for_dy, for_x;  // dx = for_dy dy - for_x x
};

// From the sums of x^2 and of x dy.
inline NormGradFactors norm_grad_factors(const WideSum& squares, const WideSum& products, int64_t width, double eps) {
  const double r = norm_factor(squares, width, eps);
  return {static_cast<float>(r), static_cast<float>(r * r * r * (products.total() / static_cast<double>(width)))};
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
