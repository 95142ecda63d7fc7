// Parameters of the cross-entropy kernels, as host and device see them. Computes nothing; abi.h says what the numbers mean.
// The fused head has its own.
// May include only input_error.h and the standard library.
#pragma once
#include "input_error.h"
#include <cstdint>

namespace nanogpt::cuda {

// out: losses [N], or dlogits [N, V] for the gradient dlosses. All float32 but targets: int32[N].
struct LossParams {
  float* out;
  const float* logits;
  const float* dlosses;
  const int32_t* targets;
  InputError* error;
  uint32_t N, V;
};

}  // namespace nanogpt::cuda
