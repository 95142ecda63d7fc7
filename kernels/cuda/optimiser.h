// Parameters of the optimiser kernels, as host and device see them. Computes nothing; abi.h has the formulas. Step-dependent
// values come from the step's scalar buffer, `scalars`, float32[8].
// May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

// p, m, v, g: float32[count]. bad: non-finite elements of g that each block saw.
struct AdamParams {
  float* p;
  float* m;
  float* v;
  const float* g;
  const float* scalars;
  uint32_t* bad;
  uint32_t count;
  float beta1, rest1, beta2, rest2, eps;  // rest = 1 - beta
  double lr;
};

struct NesterovParams {
  float* m;
  float* u;
  const float* g;
  const float* scalars;
  uint32_t* bad;
  uint32_t count;
};

// flag[0] = sum of `blocks` counts.
struct CountTotalParams {
  float* flag;
  const uint32_t* bad;
  uint32_t blocks;
};

// partials: a sum of squares a block of the first kernel.
struct FrobeniusParams {
  void* y;
  const void* x;
  double* partials;
  uint32_t count, blocks;
  double eps;
};

struct ApplyUpdateParams {
  float* p;
  const float* u;
  const float* scalars;
  uint32_t count;
  double factor;
};

}  // namespace nanogpt::cuda
