// Parameters of the optimiser kernels, as host and device see them, and the norm of a batch for Newton-Schulz's launcher.
// Computes nothing; abi.h has the formulas. Step-dependent values come from the step's scalar buffer, `scalars`, float32[8].
// May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

struct GuardParams {
  float* scalars;
  const float* loss;
};

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
  const float* scalars;
  const uint32_t* bad;
  uint32_t blocks;
};

// A batch of tensors of `count` elements one after another, block y each. partials: of each tensor a sum of squares for
// each block x of the first kernel, which are `blocks`.
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

struct Context;

// Enqueues y[i] = x[i] / (||x[i]||_F + eps) for each tensor of a batch, at most 65535 of them: the same bits as one by one.
// Uses the context's scratch memory.
int32_t frobenius_normalise(Context& context, void* y, const void* x, uint32_t batch, uint32_t count, uint32_t dtype_y,
                            uint32_t dtype_x, double eps);

}  // namespace nanogpt::cuda
