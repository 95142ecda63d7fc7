// Parameters of the mean's two kernels, as host and device see them: one struct for both. Computes nothing; abi.h says what
// the numbers mean.
// May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

// partials: a double a block. The second kernel divides their sum by `count`.
struct MeanParams {
  float* y;
  const float* x;
  double* partials;
  uint32_t count, blocks;
};

}  // namespace nanogpt::cuda
