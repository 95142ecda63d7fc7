// relu squared and its gradient of a vector of elements, for the elementwise kernels and for the matrix products that end with
// them. The gradient takes the function's value, not its argument: that is what a training step keeps. NaN comes through both.
// May include only simd.h.
#pragma once
#include "simd.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

// max(x, 0)^2
inline vf relu_squared(vf x) {
  const vf relu = x < 0.0f ? vf{} : x;
  return relu * relu;
}

// The derivative by x times dy, of y = relu_squared(x): sqrt(y) is max(x, 0).
inline vf relu_squared_grad(vf y, vf dy) { return 2.0f * vsqrt(y) * dy; }

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
