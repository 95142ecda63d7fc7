// What happens to finished float32 sums of a product on their way into c: scaled, added to what was there or to a residual,
// rounded once, stored. Works on elements and on rows of eight, whose edges it knows; where the sums come from it does not.
// May include only ptx.h and gemm.h.
#pragma once
#include "gemm.h"
#include "ptx.h"

namespace nanogpt::cuda {

// c = alpha sum + beta added, in c's type T.
template <class T>
struct ScaledSum {
  T* c;
  const T* added;
  uint64_t ldc;
  uint32_t m, n;
  float alpha, beta;

  DEVICE ScaledSum(const Product& p, uint32_t batch)
      : c(static_cast<T*>(p.c) + batch * p.batch_stride_c),
        added(p.added == nullptr ? nullptr : static_cast<const T*>(p.added) + batch * p.batch_stride_c),
        ldc(p.ldc), m(p.m), n(p.n), alpha(p.alpha), beta(p.beta) {}

  DEVICE void store(uint32_t row, uint32_t column, float sum) const {
    if (row >= m || column >= n) return;
    const uint64_t at = row * ldc + column;
    float x = alpha * sum;
    if (added != nullptr) x += beta * to_float(added[at]);
    c[at] = from_float<T>(x);
  }
};

}  // namespace nanogpt::cuda
