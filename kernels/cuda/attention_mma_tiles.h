// What the mma.sync attention kernels share: swizzled bf16 tiles in shared memory, how they are filled by cp.async, and the
// fragments of m16n8k16 that are read out of them. A row of a tile is a row of one head; its 16-byte chunks are permuted so
// that the eight rows of an ldmatrix meet all banks. May include only attention_tiles.h and vectors.h.
#pragma once
#include "attention_tiles.h"
#include "vectors.h"

namespace nanogpt::cuda {

constexpr uint32_t kMmaThreads = kMmaWarps * 32;

// Shared memory from a multiple of kMmaAlignment on.
DEVICE char* aligned_shared() {
  char* const memory = dynamic_shared();
  return memory + (0u - shared_address(memory)) % kMmaAlignment;
}

// A tile [rows, D] of bf16 in shared memory, at an address of PTX and at the same place as a pointer: multiples of
// kMmaAlignment, so that the permutation can be applied to whole addresses.
template <uint32_t D>
struct MmaTile {
  static constexpr uint32_t kChunks = D / 8;
  static constexpr uint32_t kRowsPerLine = kChunks < 8 ? 8 / kChunks : 1;  // rows in 128 bytes, all banks once
  static constexpr uint32_t kRowBytes = D * 2;

  char* memory;
  uint32_t address;

  DEVICE explicit MmaTile(char* at) : memory(at), address(shared_address(at)) {}
  // The permutation is the same for rows that lie a multiple of 8 apart.
  DEVICE static uint32_t offset(uint32_t row, uint32_t chunk) {
    return row * kRowBytes + (chunk ^ (row / kRowsPerLine & (kChunks < 8 ? kChunks - 1 : 7))) * 16;
  }
  DEVICE MmaTile after(uint32_t rows) const { return MmaTile(memory + rows * kRowBytes); }

  // Starts copying `rows` rows of a head from row `first` of act[N,H,D] on; rows past `end` become zeros.
  DEVICE void load(const void* base, const AttentionShape& s, uint32_t first, uint32_t rows, uint32_t end, uint32_t head) const {
    UNROLL_BY(1)  // else its addresses take the accumulators' registers
    for (uint32_t i = threadIdx.x; i < rows * kChunks; i += kMmaThreads) {
      const uint32_t row = i / kChunks, chunk = i % kChunks;
      const bool exists = first + row < end;
      const size_t element = (size_t{exists ? first + row : first} * s.H + head) * D + chunk * 8;
      cp_async_16(address + offset(row, chunk), static_cast<const bf16*>(base) + element, exists ? 16 : 0);
    }
  }

  // `row` is a multiple of 16 in what follows.
  // A operand [16, 16]: rows from `row`, columns from 16 * k.
  DEVICE void load_a(uint32_t (&a)[4], uint32_t row, uint32_t k) const {
    const uint32_t lane = lane_index();
    load_matrix_x4(a, ((address + offset(lane % 16, lane / 16)) ^ (k * 32)) + row * kRowBytes);
  }
  // Two B operands [16, 8] of the transposed tile: n are rows from `row` (8 each), k are columns from 16 * k.
  DEVICE void load_b_of_rows(uint32_t (&first)[2], uint32_t (&second)[2], uint32_t row, uint32_t k) const {
    const uint32_t lane = lane_index();
    uint32_t b[4];
    load_matrix_x4(b, ((address + offset(lane % 8 + lane / 16 * 8, lane / 8 % 2)) ^ (k * 32)) + row * kRowBytes);
    split(first, second, b);
  }
  // Two B operands [16, 8] of the tile as it lies: k are rows from `row`, n are columns from 16 * n (8 each).
  DEVICE void load_b_of_columns(uint32_t (&first)[2], uint32_t (&second)[2], uint32_t row, uint32_t n) const {
    const uint32_t lane = lane_index();
    uint32_t b[4];
    load_matrix_x4_transposed(b, ((address + offset(lane % 16, lane / 16)) ^ (n * 32)) + row * kRowBytes);
    split(first, second, b);
  }

 private:
  DEVICE static void split(uint32_t (&first)[2], uint32_t (&second)[2], const uint32_t (&b)[4]) {
    first[0] = b[0], first[1] = b[1], second[0] = b[2], second[1] = b[3];
  }
};

// Accumulators [16 * kStrips, 8 * kColumns] of a warp. Element j of a fragment has row g + 8 * (j / 2) of its strip and column
// 2q + j % 2 of its eight, with g = lane / 4 and q = lane % 4.
template <uint32_t kStrips, uint32_t kColumns>
struct Accumulators {
  float of[kStrips][kColumns][4];
  DEVICE void clear() {
    UNROLL
    for (uint32_t m = 0; m < kStrips; m++) {
      UNROLL
      for (uint32_t n = 0; n < kColumns; n++) of[m][n][0] = of[m][n][1] = of[m][n][2] = of[m][n][3] = 0.0f;
    }
  }
};

DEVICE uint32_t fragment_row(uint32_t j) { return lane_index() / 4 + j / 2 * 8; }
DEVICE uint32_t fragment_column(uint32_t j) { return lane_index() % 4 * 2 + j % 2; }

// Two neighbouring fragments of accumulators as an A operand: columns become k, in the registers that hold them.
DEVICE void as_operand(uint32_t (&a)[4], const float (&left)[4], const float (&right)[4]) {
  a[0] = pack_bf16(left[0], left[1]);
  a[1] = pack_bf16(left[2], left[3]);
  a[2] = pack_bf16(right[0], right[1]);
  a[3] = pack_bf16(right[2], right[3]);
}

// d += rows of `left` from `row` on times rows of `right` from `column` on, transposed: scores of queries and keys.
template <uint32_t D, uint32_t kStrips, uint32_t kColumns>
DEVICE void add_scores(Accumulators<kStrips, kColumns>& d, const MmaTile<D>& left, uint32_t row, const MmaTile<D>& right,
                       uint32_t column) {
  UNROLL_BY(2)  // more would take the accumulators' registers
  for (uint32_t k = 0; k < D / 16; k++) {
    uint32_t a[kStrips][4];
    UNROLL
    for (uint32_t m = 0; m < kStrips; m++) left.load_a(a[m], row + 16 * m, k);
    UNROLL
    for (uint32_t n = 0; n < kColumns; n += 2) {
      uint32_t first[2], second[2];
      right.load_b_of_rows(first, second, column + 8 * n, k);
      UNROLL
      for (uint32_t m = 0; m < kStrips; m++) {
        mma_m16n8k16(d.of[m][n], a[m], first);
        mma_m16n8k16(d.of[m][n + 1], a[m], second);
      }
    }
  }
}

// d += weights (rounded to bf16) times the rows of `right` from `row` on.
template <uint32_t D, uint32_t kStrips, uint32_t kColumns>
DEVICE void add_weighted(Accumulators<kStrips, D / 8>& d, const Accumulators<kStrips, kColumns>& weights,
                         const MmaTile<D>& right, uint32_t row) {
  UNROLL
  for (uint32_t k = 0; k < kColumns; k += 2) {
    uint32_t a[kStrips][4];
    UNROLL
    for (uint32_t m = 0; m < kStrips; m++) as_operand(a[m], weights.of[m][k], weights.of[m][k + 1]);
    UNROLL
    for (uint32_t n = 0; n < D / 8; n += 2) {
      uint32_t first[2], second[2];
      right.load_b_of_columns(first, second, row + 8 * k, n / 2);
      UNROLL
      for (uint32_t m = 0; m < kStrips; m++) {
        mma_m16n8k16(d.of[m][n], a[m], first);
        mma_m16n8k16(d.of[m][n + 1], a[m], second);
      }
    }
  }
}

// Writes a warp's accumulators, each row times its factor, as bf16 to rows of act[N,H,D] from `first` on (rows from `end` on
// do not exist). They go through the warp's own rows of `staging`, so that whole rows of 16-byte chunks are written.
template <uint32_t D, uint32_t kStrips, class Factor>
DEVICE void store_rows(void* base, const AttentionShape& s, uint32_t head, const Accumulators<kStrips, D / 8>& x, Factor factor,
                       const MmaTile<D>& staging, uint32_t staging_row, uint32_t first, uint32_t end) {
  warp_sync();  // all lanes have read what they need of these rows
  UNROLL
  for (uint32_t m = 0; m < kStrips; m++) {
    UNROLL
    for (uint32_t n = 0; n < D / 8; n++) {
      UNROLL
      for (uint32_t j = 0; j < 4; j += 2) {
        const uint32_t row = 16 * m + fragment_row(j);
        const float scale = factor(m, j / 2);
        char* const place = staging.memory + MmaTile<D>::offset(staging_row + row, n) + lane_index() % 4 * 4;
        *reinterpret_cast<uint32_t*>(place) = pack_bf16(x.of[m][n][j] * scale, x.of[m][n][j + 1] * scale);
      }
    }
  }
  warp_sync();
  constexpr uint32_t kChunks = MmaTile<D>::kChunks;
  for (uint32_t i = lane_index(); i < 16 * kStrips * kChunks; i += 32) {
    const uint32_t row = i / kChunks, chunk = i % kChunks;
    if (first + row >= end) continue;
    bf16* const to = static_cast<bf16*>(base) + (size_t{first + row} * s.H + head) * D + chunk * 8;
    const char* const from = staging.memory + MmaTile<D>::offset(staging_row + row, chunk);
    *reinterpret_cast<Words4*>(to) = *reinterpret_cast<const Words4*>(from);
  }
}

}  // namespace nanogpt::cuda
