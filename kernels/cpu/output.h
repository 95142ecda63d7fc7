// The end of a product: finished float32 sums on their way into c, which they overwrite, are added to, or reach by way of
// what the product's `finish` says, before the one rounding to c's type. Sums nothing along k: the callers do. May include
// only gemm.h, relu.h and the standard library.
#pragma once
#include "gemm.h"
#include "relu.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

struct Output {
  void* c;
  int64_t ldc;
  uint32_t dtype;
  bool accumulate;
  const void* residual;
  Finish finish;
};

// Rows of c by vectors: `one` of sums where c has no residual, `two` of residual and sums where it has.
template <class T, class One, class Two>
void finish_rows(const Output& out, const float* sums, int64_t ld, int64_t row, int64_t column, int64_t rows, int64_t columns,
                 One one, Two two) {
  for (int64_t i = 0; i < rows; i++) {
    const int64_t at = (row + i) * out.ldc + column;
    T* c = static_cast<T*>(out.c) + at;
    const T* added = out.accumulate ? c : out.residual != nullptr ? static_cast<const T*>(out.residual) + at : nullptr;
    const float* sum = sums + i * ld;
    by_vectors(columns, [&](int64_t j, auto lanes) {
      const vf x = load(sum + j, lanes);
      store(c + j, added ? two(load(added + j, lanes), x) : one(x), lanes);
    });
  }
}

template <class T>
void finish_tile(const Output& out, const float* sums, int64_t ld, int64_t row, int64_t column, int64_t rows, int64_t columns) {
  const auto same = [](vf sum) { return sum; };
  const auto add = [](vf added, vf sum) { return added + sum; };
  const auto square = [](vf sum) { return relu_squared(sum); };
  const auto grad = [](vf y, vf sum) { return relu_squared_grad(y, sum); };
  switch (out.finish) {
    case Finish::added: return finish_rows<T>(out, sums, ld, row, column, rows, columns, same, add);
    case Finish::relu_squared: return finish_rows<T>(out, sums, ld, row, column, rows, columns, square, add);
    case Finish::relu_squared_grad: return finish_rows<T>(out, sums, ld, row, column, rows, columns, same, grad);
  }
}

// Rows of sums `ld` apart into c from (row, column) on.
inline void finish(const Output& out, const float* sums, int64_t ld, int64_t row, int64_t column, int64_t rows,
                   int64_t columns) {
  if (out.dtype == NANOGPT_BF16) {
    finish_tile<bf16>(out, sums, ld, row, column, rows, columns);
  } else {
    finish_tile<float>(out, sums, ld, row, column, rows, columns);
  }
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
