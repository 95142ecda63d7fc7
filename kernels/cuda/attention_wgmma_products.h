// The products of the wgmma attention kernels, of tiles of heads of width 128, and how a warpgroup's 64 rows of sums leave.
// Issues products only: who calls fences, pins and waits. Knows no softmax. May include only attention_wgmma_ring.h and
// vectors.h.
#pragma once
#include "attention_wgmma_ring.h"
#include "vectors.h"

namespace nanogpt::cuda::wgmma_attention {

constexpr uint32_t kSums = kWidth / 2;  // a thread's part of [64, 128]

// A thread has two of its warpgroup's rows, 8 apart: this one is the first. Of each it has the columns 8n + 2q and the next,
// q = lane % 4: elements 4n + 2i and 4n + 2i + 1 of row i.
DEVICE uint32_t first_row() { return warp_index() % 4 * 16 + lane_index() / 4; }
DEVICE uint32_t first_column() { return lane_index() % 4 * 2; }

// scores[64, rows of b] = a b^T: 64 rows of a tile at `a` and all rows of the one at `b`.
template <class Tiles>
DEVICE void issue_scores(float (&scores)[Tiles::kTileRows / 2], uint32_t a, uint32_t b) {
  const uint64_t left = by_columns(a), right = by_columns(b);
  UNROLL
  for (uint32_t i = 0; i < kWidth / 16; i++) {
    const uint32_t step = column_step<Tiles>(i);
    wgmma<Tiles::kTileRows, 0, 0>(scores, left + step, right + step, i > 0);
  }
  wgmma_commit();
}

// sums[64, 128] += weights (in registers, as operands) times the rows of the tile at `b`.
template <class Tiles>
DEVICE void issue_weighted(float (&sums)[kSums], const uint32_t (&weights)[Tiles::kTileRows / 16][4], uint32_t b) {
  const uint64_t right = by_rows<Tiles>(b);
  UNROLL
  for (uint32_t i = 0; i < Tiles::kTileRows / 16; i++) wgmma_register_a<kWidth, 1>(sums, weights[i], right + row_step(i), true);
  wgmma_commit();
}

// Accumulators of 16 columns are the operand of 16 of k, in the registers that hold them.
template <uint32_t steps>
DEVICE void pack_weights(uint32_t (&weights)[steps][4], const float (&x)[8 * steps]) {
  UNROLL
  for (uint32_t k = 0; k < steps; k++) {
    UNROLL
    for (uint32_t j = 0; j < 4; j++) weights[k][j] = pack_bf16(x[8 * k + 2 * j], x[8 * k + 2 * j + 1]);
  }
}

DEVICE void clear(float (&sums)[kSums]) {
  UNROLL
  for (uint32_t i = 0; i < kSums; i++) sums[i] = 0.0f;
}

// Where rows of sums go in act[N,H,D]: rows from `first` on of one head; those from `end` on are not there.
struct HeadRows {
  void* base;
  uint32_t heads, head, first, end;
};

// Writes a warpgroup's sums, each row times its factor, as bf16 in whole rows, through the 64 rows from `staging_row` on of
// the tile at `staging`: all warps' products must have read them.
template <class Tiles>
DEVICE void store_rows(const HeadRows& to, const float (&sums)[kSums], const float (&factor)[2], const Ring<Tiles>& ring,
                       uint32_t staging, uint32_t staging_row) {
  const uint32_t lane = lane_index(), of_warp = warp_index() % 4 * 16, own = staging_row + of_warp;
  UNROLL
  for (uint32_t k = 0; k < kWidth / 16; k++) {
    uint32_t words[4];
    UNROLL
    for (uint32_t j = 0; j < 4; j++)
      words[j] = pack_bf16(sums[8 * k + 2 * j] * factor[j % 2], sums[8 * k + 2 * j + 1] * factor[j % 2]);
    store_matrix_x4(staging + ring.offset(own + lane % 16, 2 * k + lane / 16), words);
  }
  warp_sync();
  constexpr uint32_t kChunks = kWidth / 8;
  const char* const memory = ring.memory(staging);
  for (uint32_t i = lane; i < 16 * kChunks; i += 32) {
    const uint32_t row = to.first + of_warp + i / kChunks, chunk = i % kChunks;
    if (row >= to.end) continue;
    bf16* const place = static_cast<bf16*>(to.base) + (size_t{row} * to.heads + to.head) * kWidth + chunk * 8;
    *reinterpret_cast<Words4*>(place) = *reinterpret_cast<const Words4*>(memory + ring.offset(own + i / kChunks, chunk));
  }
}

}  // namespace nanogpt::cuda::wgmma_attention
