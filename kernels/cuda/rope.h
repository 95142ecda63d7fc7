// Parameters of the rotary kernels, as host and device see them. Computes nothing; abi.h says what the numbers mean, here
// stands only what the launchers make of them.
// May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

// table: float32[T, 2*half]. position: of row 0, which is 0 where there is none.
struct RopeTableParams {
  float* table;
  const int32_t* position;
  uint32_t T, half;
  double log2_base;
};

// out, x, dy: [rows, 2*half], a row being one head of one token, row n*H + h; r: a number for each row; table as above,
// cosines first. `direction` multiplies the sines. Of the gradient x is what the forward kernel made.
struct RopeParams {
  void* out;
  float* r;
  const void* x;
  const void* dy;
  const float* table;
  uint32_t rows, T, H, half;
  float direction;
  double eps;
};

}  // namespace nanogpt::cuda
