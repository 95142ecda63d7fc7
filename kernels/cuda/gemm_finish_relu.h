// What becomes of a product's sums in the kernels that end with relu squared or its gradient: gemm.h's kinds relu_squared and
// relu_squared_grad. Both look at one element alone, whatever the form's layout; sums are finished as they are stored. May
// include only epilogue.h and relu.h.
#pragma once
#include "epilogue.h"
#include "relu.h"

namespace nanogpt::cuda {

struct ReluSquared : Scaled {
  static DEVICE float alone(float x) { return relu_squared(x); }
};

// `before` is y of relu squared, x the gradient with respect to it.
struct ReluSquaredGrad : Scaled {
  static DEVICE float join(float x, float before, float) { return relu_squared_grad(before, x); }
};

}  // namespace nanogpt::cuda
