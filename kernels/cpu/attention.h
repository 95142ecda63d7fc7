// What the attention kernels share: the cut of a sequence into blocks, the interval mask, checks. A block is 64 rows of
// one head; row n sees the rows start[n]..n, so the blocks that a query block sees are a range.
// Knows no model and computes no attention itself. May include only the other headers of this folder.
#pragma once
#include <algorithm>

#include "approx.h"
#include "check.h"
#include "gemm.h"
#include "kernels.h"
#include "pack.h"
#include "scratch.h"

namespace nanogpt::NANOGPT_ISA_NAMESPACE {

constexpr int64_t kBlock = 64;           // rows of a block
constexpr uint32_t kMaxHeadWidth = 256;  // bounds what a task needs of its thread's scratch

// Rows [first, first + count) of the whole [N].
struct Rows {
  int64_t first, count;
  int64_t last() const { return first + count - 1; }
};

struct AttentionShape {
  int64_t N, T, H, D;
  uint32_t dtype;
  const int32_t* start;

  bool precise() const { return dtype == NANOGPT_F32; }
  float scale() const { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(D))); }
  int64_t sequences() const { return N / T; }
  int64_t blocks() const { return (T + kBlock - 1) / kBlock; }

  Rows rows(int64_t sequence, int64_t block) const {
    return {sequence * T + block * kBlock, std::min(kBlock, T - block * kBlock)};
  }
  // The first key block that a query block sees: its first row sees furthest back.
  int64_t first_key_block(int64_t sequence, int64_t block) const {
    return (start[sequence * T + block * kBlock] - sequence * T) / kBlock;
  }
  bool needs_mask(const Rows& queries, const Rows& keys) const {
    return keys.last() > queries.first || start[queries.last()] > keys.first;
  }
  // The columns [low, high) of a key block that a row sees.
  void visible(int64_t row, const Rows& keys, int32_t& low, int32_t& high) const {
    low = static_cast<int32_t>(std::max<int64_t>(0, start[row] - keys.first));
    high = static_cast<int32_t>(std::min(keys.count, row - keys.first + 1));
  }
  // A block [rows, D] of one head of act[N,H,D] as an operand; transposed: [D, rows].
  Operand operand(const void* base, const Rows& block, int64_t head, bool transposed) const {
    const int64_t offset = (block.first * H + head) * D * (precise() ? 4 : 2);
    return {static_cast<const std::byte*>(base) + offset, H * D, transposed, dtype};
  }
  // Sizes of the float32 results of packed products: whole tiles, whole vectors.
  int64_t score_stride() const { return round_up(padded_cols(kBlock, precise()), 16); }
  int64_t score_floats() const { return padded_rows(kBlock, precise()) * score_stride(); }
  int64_t width_stride() const { return round_up(padded_cols(D, precise()), 16); }
  int64_t width_floats() const { return padded_rows(kBlock, precise()) * width_stride(); }
};

// The lanes' column numbers are inside [low, high).
inline vi inside(int64_t column, int32_t low, int32_t high) {
  vi index;
  for (int lane = 0; lane < kLanes; lane++) index[lane] = static_cast<int32_t>(column) + lane;
  return (index >= low) & (index < high);
}

// row[0..D) of act = factor * x[0..D).
template <class T>
inline void store_scaled(T* row, const float* x, int64_t D, float factor) {
  by_vectors(D, [&](int64_t i, auto part) { store(row + i, load(x + i, part) * factor, part); });
}
inline void store_row(const AttentionShape& shape, void* base, int64_t row, int64_t head, const float* x, float factor) {
  const int64_t offset = (row * shape.H + head) * shape.D;
  if (shape.precise()) store_scaled(static_cast<float*>(base) + offset, x, shape.D, factor);
  else store_scaled(static_cast<bf16*>(base) + offset, x, shape.D, factor);
}

// Row `query` of act = factor[query] * column `query` of x, [D, queries] with score_stride.
template <class T>
inline void store_columns_as(const AttentionShape& shape, T* base, const Rows& queries, int64_t head, const float* x,
                             const float* factor) {
  const int64_t stride = shape.score_stride();
  for (int64_t first = 0; first < queries.count; first += kLanes) {
    const int64_t count = std::min<int64_t>(kLanes, queries.count - first);
    T* const rows = base + ((queries.first + first) * shape.H + head) * shape.D;
    by_vectors(shape.D, [&](int64_t d, auto part) {
      vf block[kLanes] = {};
      for (int64_t i = 0; i < std::min<int64_t>(kLanes, shape.D - d); i++)
        block[i] = load(x + (d + i) * stride + first) * load(factor + first);
      transpose(block);
      for (int64_t i = 0; i < count; i++) store(rows + i * shape.H * shape.D + d, block[i], part);
    });
  }
}
inline void store_columns(const AttentionShape& shape, void* base, const Rows& queries, int64_t head, const float* x,
                          const float* factor) {
  if (shape.precise()) store_columns_as(shape, static_cast<float*>(base), queries, head, x, factor);
  else store_columns_as(shape, static_cast<bf16*>(base), queries, head, x, factor);
}

// Rejects what the kernels cannot serve; `start` must be an interval mask that never moves back within a sequence.
inline int32_t check_attention(Check& check, const AttentionShape& s) {
  check.size("N", static_cast<uint32_t>(s.N)).size("T", static_cast<uint32_t>(s.T)).size("H", static_cast<uint32_t>(s.H));
  check.size("D", static_cast<uint32_t>(s.D)).even("D", static_cast<uint32_t>(s.D)).dtype("dtype", s.dtype);
  check.multiple("N", static_cast<uint32_t>(s.N), "T", static_cast<uint32_t>(s.T));
  if (!check.failed() && s.D > kMaxHeadWidth)
    return check.context().fail(NANOGPT_INVALID, "Kernel attention: expected D of at most %u, found %ld", kMaxHeadWidth, s.D);
  for (int64_t n = 0; n < s.N && !check.failed(); n++) {
    const int64_t least = n % s.T == 0 ? n : s.start[n - 1];
    if (s.start[n] < least || s.start[n] > n)
      return check.context().fail(NANOGPT_INVALID,
                                  "Kernel attention: expected start[%ld] in %ld..%ld, as attention_start gives it, found %d", n,
                                  least, n, s.start[n]);
  }
  return check.status();
}

}  // namespace nanogpt::NANOGPT_ISA_NAMESPACE
