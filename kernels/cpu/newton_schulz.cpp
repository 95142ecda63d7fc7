// The quintic Newton-Schulz iteration of Muon, matrix by matrix: X = a X + (b S + c S^2) X with S = X X^T, or the
// equivalent column form X = a X + X (b S + c S^2) with S = X^T X for tall matrices, so that nothing is transposed.
// The factor a is never multiplied in: the stored X is X_true / scale, where scale gains a factor a per step, and
// X_stored = X_stored + (P/a) X_stored adds X unrounded. May include only the headers of this folder.
#include <algorithm>

#include "check.h"
#include "gemm.h"
#include "kernels.h"
#include "pack.h"
#include "reduce.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {
namespace {

constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;  // Keller Jordan's Muon
constexpr double kNormEps = 1e-7;
constexpr int64_t kLeastCutSide = 384, kMirrorTile = 64;
constexpr double kLargestScale = 1e4;  // past it (eight steps) the factor goes into X, long before float32 underflows

template <class To, class From>
void scale_into(Context& context, To* y, const From* x, int64_t count, float factor) {
  for_chunks(context, count, kChunk, [&](int64_t begin, int64_t end) {
    by_vectors(end - begin, [&](int64_t i, auto part) { store(y + begin + i, load(x + begin + i, part) * factor, part); });
  });
}

// p = b s + c s2.
template <class T>
void combine(Context& context, T* p, const float* s, const float* s2, int64_t count, float b, float c) {
  for_chunks(context, count, kChunk, [&](int64_t begin, int64_t end) {
    by_vectors(end - begin, [&](int64_t i, auto part) {
      store(p + begin + i, load(s + begin + i, part) * b + load(s2 + begin + i, part) * c, part);
    });
  });
}

// Rows of a panel of a symmetric product: up to the diagonal only, four panels leave 5/8 of the work. Small ones are
// computed whole, as cutting them costs more than it saves.
int64_t panel_rows(int64_t side) { return side < kLeastCutSide ? side : round_up((side + 3) / 4, kMirrorTile); }

// c = a b, known to be symmetric, up to the diagonal's panels; what lies above is left as it was, for `mirror`.
void multiply_symmetric(Context& context, const Operand& a, const Operand& b, float* c, int64_t side, int64_t k) {
  const int64_t panel = panel_rows(side);
  for (int64_t row = 0; row < side; row += panel) {
    const int64_t end = std::min(side, row + panel), at = a.transposed ? row : row * a.ld;
    const Operand rows{static_cast<const std::byte*>(a.data) + at * (a.dtype == NANOGPT_F32 ? 4 : 2), a.ld, a.transposed, a.dtype};
    multiply(context, {end - row, end, k, rows, b, c + row * side, side, NANOGPT_F32});
  }
}

// Copies what lies below the diagonal to above it, by tiles that fit in L1.
template <class T>
void mirror(Context& context, T* m, int64_t side) {
  if (panel_rows(side) == side) return;
  for_chunks(context, side, kMirrorTile, [&](int64_t begin, int64_t end) {
    for (int64_t first = begin; first < side; first += kMirrorTile)
      for (int64_t i = begin; i < end; i++)
        for (int64_t j = std::max(first, i + 1); j < std::min(side, first + kMirrorTile); j++) m[i * side + j] = m[j * side + i];
  });
}

// T: the type of the products' operands; S and S^2 are kept in float32.
template <class T>
int32_t iterate(uint64_t address, float* y, const float* x, std::byte* workspace, int64_t rows, int64_t cols, uint32_t steps) {
  Context& context = context_at(address);
  constexpr uint32_t dtype = sizeof(T) == 4 ? NANOGPT_F32 : NANOGPT_BF16;
  const bool tall = rows > cols;
  const int64_t side = std::min(rows, cols), length = std::max(rows, cols), count = rows * cols, square = side * side;
  float* s = reinterpret_cast<float*>(workspace);
  float* s2 = s + square;
  T* current = reinterpret_cast<T*>(s2 + square);
  T* next = current + count;
  // p lies over s2 in float32, where both are combined element by element, and has its own room in bf16.
  T* operand = sizeof(T) == 4 ? reinterpret_cast<T*>(s) : next + count;
  T* p = sizeof(T) == 4 ? reinterpret_cast<T*>(s2) : operand;

  double scale = 1.0;
  const int32_t status = frobenius_normalise(address, reinterpret_cast<uint64_t>(current), reinterpret_cast<uint64_t>(x),
                                             static_cast<uint32_t>(count), dtype, NANOGPT_F32, kNormEps);
  if (status != NANOGPT_OK) return status;
  for (uint32_t step = 0; step < steps; step++) {
    const Operand plain{current, cols, false, dtype}, turned{current, cols, true, dtype};
    multiply_symmetric(context, tall ? turned : plain, tall ? plain : turned, s, side, length);
    if (sizeof(T) != 4) scale_into(context, operand, s, square, 1.0f);
    mirror(context, operand, side);
    const Operand square_operand{operand, side, false, dtype};
    multiply_symmetric(context, square_operand, square_operand, s2, side, side);
    combine(context, p, s, s2, square, static_cast<float>(kB / kA * scale * scale),
            static_cast<float>(kC / kA * scale * scale * scale * scale));
    mirror(context, p, side);
    const Operand polynomial{p, side, false, dtype};
    multiply(context, {rows, cols, side, tall ? plain : polynomial, tall ? polynomial : plain, next, cols, dtype, false, current});
    std::swap(current, next);
    scale *= kA;
    if (scale > kLargestScale) {
      scale_into(context, current, current, count, static_cast<float>(scale));
      scale = 1.0;
    }
  }
  scale_into(context, y, current, count, static_cast<float>(scale));
  return NANOGPT_OK;
}

}  // namespace

// All matrices use the first one's workspace.
int32_t newton_schulz(uint64_t context, uint64_t y, uint64_t x, uint64_t workspace, uint32_t batch, uint32_t rows, uint32_t cols,
                      uint32_t steps, uint32_t dtype, uint32_t form) {
  Check check(context, "newton_schulz");
  check_form(check, form);
  check.address("y", y).address("x", x).address("workspace", workspace).dtype("dtype", dtype).matrices(batch, rows, cols);
  if (check.failed()) return check.status();
  const uint64_t count = uint64_t{rows} * cols;
  int32_t status = NANOGPT_OK;
  by_type(dtype, [&](auto type) {
    for (uint64_t i = 0; i < batch && status == NANOGPT_OK; i++)
      status = iterate<decltype(type)>(context, memory<float>(y) + i * count, memory<const float>(x) + i * count,
                                       memory<std::byte>(workspace), rows, cols, steps);
  });
  return status;
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
