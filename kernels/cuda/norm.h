// Parameters of the RMS norm kernels, as host and device see them: one struct for the norm and for its gradient. Computes
// nothing; abi.h says what the numbers mean. May include only the
// standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

// out = norm(x), or its gradient for dy, or that and r. All [rows, width] of the kernel's type.
struct NormParams {
  void* out;
  const void* x;
  const void* dy;
  const void* r;
  uint32_t rows, width;
  double eps;
};

}  // namespace nanogpt::cuda
