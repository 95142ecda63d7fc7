// Parameters of the kernels that scale and mix activations by learned scalars, and of the scalars' gradients. Computes
// nothing; abi.h says what the forms mean.
// May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

// Which coefficients of which vector: s float32[size]; form as in abi.h.
struct MixScalars {
  const float* s;
  uint32_t size, form, index;
};

// y = ca*a + cb*b; for scale y = s[index]*a.
struct MixParams {
  void* y;
  const void* a;
  const void* b;
  MixScalars scalars;
  uint32_t count;
};

// Also of scale_grad, which has dy and a (its x) only. partials: two doubles a block, all of sum(dy*a) first. ra, rb: what
// is added to da and db, or null.
struct MixGradParams {
  void* da;
  void* db;
  double* partials;
  const void* dy;
  const void* a;
  const void* b;
  const void* ra;
  const void* rb;
  MixScalars scalars;
  uint32_t count;
};

// `blocks` partial sums of each. r: what is added to ds, or null.
struct MixGradTotalParams {
  float* ds;
  const double* partials;
  const float* r;
  MixScalars scalars;
  uint32_t blocks;
};

}  // namespace nanogpt::cuda
