// Parameters of the elementwise kernels, as host and device see them. Computes nothing; abi.h says what each op does with
// its arrays and scalars.
// May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

// y, a, b: arrays of `count` elements; what alpha and beta are is each kernel's own.
struct ElementwiseParams {
  void* y;
  const void* a;
  const void* b;
  uint32_t count;
  float alpha, beta;
};

struct BroadcastParams {
  float* y;
  const float* s;
  uint32_t count;
  double factor;
};

}  // namespace nanogpt::cuda
