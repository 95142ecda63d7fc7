// Parameters of the elementwise kernels, as host and device see them. May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

struct FillParams {
  void* y;
  uint32_t count;
  float value;
};

struct CastParams {
  void* y;
  const void* x;
  uint32_t count;
};

}  // namespace nanogpt::cuda
