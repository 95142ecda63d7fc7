// Finished sums of a wgmma warpgroup on their way to c: straight from registers, or for bf16 through boxes in shared memory
// that the copy engine stores (and, where something is added, has loaded before). A warpgroup holds 64 x 256 sums as wgmma
// lays them out. Refuses nothing: the launcher chose. May include only epilogue.h and gemm_wgmma_ring.h.
#pragma once
#include "epilogue.h"
#include "gemm_wgmma_ring.h"

namespace nanogpt::cuda::wgmma_gemm {

constexpr uint32_t kSums = kColumns / 2;  // of a thread

DEVICE uint32_t thread_of_group() { return threadIdx.x % 128; }

// The warpgroup's sums, whose first is element (row, column) of c, from registers: each thread two neighbours at a time, a
// sector of 32 bytes of float32 from each four threads.
template <class T, class Ending>
DEVICE void store_sums(const ScaledSum<T, Ending>& c, uint32_t row, uint32_t column, const float (&sums)[kSums]) {
  row += thread_of_group() / 32 * 16 + lane_index() / 4;
  column += lane_index() % 4 * 2;
  const bool paired = c.holds_pairs();
  UNROLL
  for (uint32_t i = 0; i < kSums; i += 2) {
    const uint32_t below = i / 2 % 2 * 8, right = i / 4 * 8;
    c.store_pair(row + below, column + right, sums[i], sums[i + 1], paired);
  }
}

// The boxes of a consumer, used in turn; their number goes on from tile to tile. Ending: see epilogue.h.
template <class Shape, class Ending>
class Boxes {
 public:
  DEVICE Boxes(const WgmmaProduct& params, const SharedMemory<Shape>& memory, uint32_t consumer)
      : params_(params), memory_(memory), consumer_(consumer), leads_(thread_of_group() == 0), beta_(Ending::beta(params)) {}

  // Before a tile's sums are there: loads what will be added to its first boxes.
  DEVICE void begin(uint32_t row, uint32_t column, uint32_t batch) {
    row_ = row, column_ = column, batch_ = batch;
    const uint32_t columns = params_.product.n - column;
    count_ = columns < kColumns ? (columns + kBox - 1) / kBox : kColumns / kBox;
    if (Shape::kSymmetric) {
      const uint32_t to_diagonal = (row - column) / kBox + 1;
      count_ = count_ < to_diagonal ? count_ : to_diagonal;
    }
    if (params_.product.added == nullptr || !leads_) return;
    bulk_wait_read<0>();
    for (uint32_t i = 0; i < count_ && i < Shape::kBoxes; i++) load(i);
  }

  DEVICE void store(const float (&sums)[kSums]) {
    UNROLL
    for (uint32_t i = 0; i < kColumns / kBox; i++) {
      if (i < count_) store_box(i, sums);
    }
    place_.advance(count_, Shape::kBoxes);
  }

  // Before the block ends: its shared memory goes with it.
  DEVICE void finish() const {
    if (leads_) bulk_wait<0>();
  }

 private:
  DEVICE Position place(uint32_t i) const {
    Position place = place_;
    place.advance(i, Shape::kBoxes);
    return place;
  }

  DEVICE void load(uint32_t i) const {
    const uint32_t box = place(i).index, bar = memory_.loaded(consumer_, box);
    mbarrier_expect_bytes(bar, kBoxBytes);
    tma_load_3d(memory_.box(consumer_, box), &params_.added, column_ + i * kBox, row_, batch_, bar);
  }

  // Sums 32i to 32i + 31 of every thread are the tile's columns 64i to 64i + 63.
  DEVICE void store_box(uint32_t i, const float (&sums)[kSums]) {
    const Position at = place(i);
    const uint32_t box = memory_.box(consumer_, at.index), column = column_ + i * kBox;
    // A box and its transpose are stored together, so that what is waited for below is waited for of both.
    const uint32_t mirrored = Shape::kSymmetric && column != row_ ? memory_.mirrored_box(consumer_, at.index) : 0;
    const bool adds = params_.product.added != nullptr;
    if (adds) {
      mbarrier_wait(memory_.loaded(consumer_, at.index), at.parity);
    } else {
      if (leads_) bulk_wait_read<Shape::kBoxes - 1>();
      barrier_sync(1 + consumer_, 128);
    }
    UNROLL
    for (uint32_t j = 0; j < 4; j++) fill_columns(box, mirrored, j, &sums[32 * i + 8 * j], adds);
    fence_async_proxy();
    barrier_sync(1 + consumer_, 128);
    if (!leads_) return;
    tma_store_3d(&params_.c, column, row_, batch_, box);
    if (mirrored != 0) tma_store_3d(&params_.c, row_, column, batch_, mirrored);
    bulk_commit();
    if (!adds || i + Shape::kBoxes >= count_) return;
    bulk_wait_read<0>();
    load(i + Shape::kBoxes);
  }

  // Where 8 columns (a piece) of a row of a box lie: rows of 128 bytes with the swizzle of the map.
  static DEVICE uint32_t piece_of(uint32_t box, uint32_t row, uint32_t piece) { return box + row * 128 + ((piece ^ row % 8) << 4); }

  // A warp's 16 rows and 16 columns 16j of a box, and of its transpose unless that is 0.
  DEVICE void fill_columns(uint32_t box, uint32_t mirrored, uint32_t j, const float* sums, bool adds) const {
    const uint32_t lane = lane_index(), warp = thread_of_group() / 32;
    const uint32_t address = piece_of(box, warp * 16 + lane % 16, 2 * j + lane / 16);
    const float alpha = params_.product.alpha;
    uint32_t words[4] = {};
    if (adds) load_matrix_x4(words, address);
    UNROLL
    for (uint32_t q = 0; q < 4; q++) {
      const float low = alpha * sums[2 * q], high = alpha * sums[2 * q + 1];
      float before[2];
      unpack_word(before, words[q]);
      words[q] = adds ? pack_bf16(Ending::join(low, before[0], beta_), Ending::join(high, before[1], beta_))
                      : pack_bf16(Ending::alone(low), Ending::alone(high));
    }
    store_matrix_x4(address, words);
    if (Shape::kSymmetric && mirrored != 0)
      store_matrix_x4_transposed(piece_of(mirrored, 16 * j + lane / 16 * 8 + lane % 8, 2 * warp + lane / 8 % 2), words);
  }

  const WgmmaProduct& params_;
  const SharedMemory<Shape> memory_;
  const uint32_t consumer_;
  const bool leads_;  // the thread that talks to the copy engine
  const float beta_;
  Position place_;
  uint32_t row_ = 0, column_ = 0, batch_ = 0, count_ = 0;
};

}  // namespace nanogpt::cuda::wgmma_gemm
