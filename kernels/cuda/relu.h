// relu squared and its gradient of one element, for the elementwise kernels and for the matrix products that end with them.
// The gradient takes the function's value, not its argument: that is what a training step keeps. NaN comes through both.
// May include only ptx.h.
#pragma once
#include "ptx.h"

namespace nanogpt::cuda {

// max(x, 0)^2
DEVICE float relu_squared(float x) {
  const float relu = x < 0.0f ? 0.0f : x;
  return relu * relu;
}

// The derivative by x times dy, of y = relu_squared(x): sqrt(y) is max(x, 0).
DEVICE float relu_squared_grad(float y, float dy) { return 2.0f * sqrt_approx(y) * dy; }

}  // namespace nanogpt::cuda
