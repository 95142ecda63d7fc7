// Parameters of the RMS norm kernels. May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

// out = norm(x), or its gradient for dy. All [rows, width] of the kernel's type.
struct NormParams {
  void* out;
  const void* x;
  const void* dy;
  uint32_t rows, width;
  double eps;
};

}  // namespace nanogpt::cuda
