// Products with few rows: b, large beside a and c, is read once as it lies in memory, packed nowhere, against rows of a
// that stay in the nearest cache. Memory decides their speed: one multiply-add an element of b and row keeps up with it.
// Each element is summed over k in an order that k and b's layout fix. Refuses nothing: gemm.cpp says which products are
// of this kind. May include only gemm.h, output.h, pack.h, reduce.h and the standard library.
#pragma once
#include "gemm.h"
#include "output.h"
#include "pack.h"
#include "reduce.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

// Sums in registers: rows by columns of b, or by vectors of them; 16 of 32 registers, or 8 of 16.
constexpr int kFewRows = 4, kColumnsAtOnce = kLanes == 16 ? 4 : 2;
// Columns of c whose sums are finished together: whole vectors for every instruction set.
constexpr int64_t kColumnsTogether = 64;

// The rows of a as float32, rounded to what bf16 holds where Word says so, k neighbours in memory.
template <class Word, class T>
void copy_rows(float* out, const T* a, int64_t ld, bool transposed, int64_t m, int64_t k) {
  for (int64_t row = 0; row < m; row++, out += k) {
    if (!transposed)
      by_vectors(k, [&](int64_t i, auto lanes) {
        store(out + i, Word::rounded_if(load(a + row * ld + i, lanes), a), lanes);
      });
    else
      for (int64_t i = 0; i < k; i++) out[i] = Word::rounded_if(splat(to_float(a[i * ld + row])), a)[0];
  }
}

// Sums of kRows rows of a with kColumns columns of b, each of which is a line of memory.
template <class Word, int kRows, int kColumns, class T>
void sum_columns(const float* a, int64_t k, const T* b, int64_t ld, float* sums) {
  vf acc[kRows][kColumns] = {};
  const auto step = [&](int64_t i, auto lanes) __attribute__((always_inline)) {
    vf x[kRows];
#pragma GCC unroll 4
    for (int row = 0; row < kRows; row++) x[row] = load(a + row * k + i, lanes);
#pragma GCC unroll 4
    for (int column = 0; column < kColumns; column++) {
      const vf w = Word::rounded_if(load(b + column * ld + i, lanes), b);
#pragma GCC unroll 4
      for (int row = 0; row < kRows; row++) acc[row][column] += x[row] * w;
    }
  };
  by_vectors(k, step);
  for (int row = 0; row < kRows; row++)
    for (int column = 0; column < kColumns; column++) sums[row * kColumnsTogether + column] = lane_sum(acc[row][column]);
}

// The same for `columns` columns that are neighbours in memory, at most kColumnsAtOnce vectors of them.
template <class Word, int kRows, class T>
void sum_lines(const float* a, int64_t k, const T* b, int64_t ld, int64_t columns, float* sums) {
  vf acc[kRows][kColumnsAtOnce] = {};
  for (int64_t i = 0; i < k; i++, b += ld) {
#pragma GCC unroll 4
    for (int v = 0; v < kColumnsAtOnce; v++) {
      const vf w = Word::rounded_if(load_up_to(b + v * kLanes, columns - v * kLanes), b);
#pragma GCC unroll 4
      for (int row = 0; row < kRows; row++) acc[row][v] += a[row * k + i] * w;
    }
  }
  for (int row = 0; row < kRows; row++)
    for (int v = 0; v < kColumnsAtOnce; v++) store(sums + row * kColumnsTogether + v * kLanes, acc[row][v]);
}

// Sums of kRows rows of a with `columns` columns of b from its first on, at most kColumnsTogether.
template <class Word, int kRows, class T>
void sum_block(const float* a, int64_t k, const T* b, int64_t ld, bool transposed, int64_t columns, float* sums) {
  constexpr int64_t kStep = int64_t{kColumnsAtOnce} * kLanes;
  if (!transposed) {
    for (int64_t j = 0; j < columns; j += kStep) sum_lines<Word, kRows>(a, k, b + j, ld, columns - j, sums + j);
    return;
  }
  int64_t j = 0;
  for (; j + kColumnsAtOnce <= columns; j += kColumnsAtOnce)
    sum_columns<Word, kRows, kColumnsAtOnce>(a, k, b + j * ld, ld, sums + j);
  for (; j < columns; j++) sum_columns<Word, kRows, 1>(a, k, b + j * ld, ld, sums + j);
}

template <class Word, class T>
void sum_rows(int64_t rows, const float* a, int64_t k, const T* b, int64_t ld, bool transposed, int64_t columns, float* sums) {
  switch (rows) {
    case 1: sum_block<Word, 1>(a, k, b, ld, transposed, columns, sums); break;
    case 2: sum_block<Word, 2>(a, k, b, ld, transposed, columns, sums); break;
    case 3: sum_block<Word, 3>(a, k, b, ld, transposed, columns, sums); break;
    default: sum_block<Word, kFewRows>(a, k, b, ld, transposed, columns, sums);
  }
}

// Calls body(data) with the operand's elements as what they are.
template <class Body>
void with_elements(const Operand& x, const Body& body) {
  if (x.dtype == NANOGPT_BF16) body(static_cast<const bf16*>(x.data));
  else body(static_cast<const float*>(x.data));
}

// A product of at most kFewRows rows whose a, in float32, fits in shared scratch.
template <class Word>
void multiply_few_rows(Context& context, const Product& p) {
  float* const a = reinterpret_cast<float*>(context.shared_scratch());
  with_elements(p.a, [&](auto* data) { copy_rows<Word>(a, data, p.a.ld, p.a.transposed, p.m, p.k); });
  const Output output{p.c, p.ldc, p.dtype_c, p.accumulate, p.residual, p.finish};
  with_elements(p.b, [&](auto* data) {
    for_chunks(context, p.n, round_up(rows_per_chunk(p.k), kColumnsTogether), [=](int64_t begin, int64_t end) {
      float sums[kFewRows * kColumnsTogether];
      for (int64_t column = begin; column < end; column += kColumnsTogether) {
        const int64_t columns = end - column < kColumnsTogether ? end - column : kColumnsTogether;
        const auto* b = data + column * (p.b.transposed ? p.b.ld : 1);
        sum_rows<Word>(p.m, a, p.k, b, p.b.ld, p.b.transposed, columns, sums);
        finish(output, sums, kColumnsTogether, 0, column, p.m, columns);
      }
    });
  });
}

inline bool has_few_rows(const Product& p) {
  return p.m <= kFewRows && p.m * p.k * sizeof(float) <= kSharedScratchBytes;
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
