// Parameters of the kernels that mix and norm rows, and of their gradients. What is mixed is a sum of terms, each a tensor and
// a coefficient. Computes nothing; abi.h says what the numbers mean.
// May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

constexpr uint32_t kMostTerms = 3;

// What is mixed, in order: a and b; a, which is b; a, b, skip; a, which is skip, and b.
enum class Mixed : uint32_t { pair, self, skip, skip_self };

template <Mixed mixed>
constexpr uint32_t kTerms = mixed == Mixed::self ? 1 : mixed == Mixed::skip ? 3 : 2;

// s: float32[2]; w: the skip's own weight, or null.
struct MixNormScalars {
  const float* s;
  const float* w;
};

// x = the sum of the terms, y = its norm; all [rows, width].
struct MixNormParams {
  void* x;
  void* y;
  const void* terms[kMostTerms];
  MixNormScalars scalars;
  uint32_t rows, width;
  double eps;
};

// d: the gradient of each term; r: what is added to it, or null. partials: a double a term and block, all of a term's first.
struct MixNormGradParams {
  void* d[kMostTerms];
  const void* terms[kMostTerms];
  const void* r[kMostTerms];
  const void* dy;
  const void* dx;
  double* partials;
  MixNormScalars scalars;
  uint32_t rows, width;
  double eps;
};

// ds: float32[2]; dw: float32[size] of which `index` is meant, or null; r: what is added to dw, or null.
struct MixNormTotalParams {
  float* ds;
  float* dw;
  const float* r;
  const double* partials;
  MixNormScalars scalars;
  Mixed mixed;
  uint32_t size, index, blocks;
};

}  // namespace nanogpt::cuda
