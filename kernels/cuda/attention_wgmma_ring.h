// Shared memory of a wgmma attention block: the tiles that it owns, a ring of slots through which others pass, which the
// copy engine fills and the warpgroups that compute give back, and what the block makes. Passing tiles come in a fixed order
// and are known by their number in it. Knows no arithmetic. May include only attention_wgmma.h and ptx.h.
#pragma once
#include "attention_wgmma.h"
#include "ptx.h"

namespace nanogpt::cuda::wgmma_attention {

constexpr uint32_t kProducerRegisters = 40, kConsumerRegisters = 232;  // of 3 * 168 that a block starts with

// A tile is boxes of 64 columns side by side, rows of 128 bytes; addresses are shared ones.
template <class Tiles>
struct Ring {
  static constexpr uint32_t kSlots = Tiles::kSlots;
  uint32_t base;

  DEVICE Ring() : base((shared_address(dynamic_shared()) + 1023u) & ~1023u) {}

  DEVICE uint32_t owned(uint32_t i) const { return base + i * Tiles::kTileBytes; }
  DEVICE uint32_t tile(uint32_t number) const { return owned(Tiles::kOwned + number % kSlots); }
  DEVICE uint32_t made(uint32_t i) const { return owned(Tiles::kOwned + kSlots + i); }
  // A place as a pointer.
  DEVICE char* memory(uint32_t address) const { return dynamic_shared() + (address - shared_address(dynamic_shared())); }
  // Where 8 columns of a row lie in a tile.
  DEVICE static uint32_t offset(uint32_t row, uint32_t chunk) {
    return chunk / 8 * Tiles::kBoxBytes + row * 128 + (chunk % 8 ^ row % 8) * 16;
  }

  // By all threads of the block, before anything else.
  DEVICE void init_barriers() const {
    if (threadIdx.x == 0) {
      mbarrier_init(owned_full(), 1);
      for (uint32_t i = 0; i < kSlots; i++) mbarrier_init(full(i), 1), mbarrier_init(empty(i), 4 * kConsumers);
      fence_mbarrier_init();
    }
    block_sync();
  }

  // Waits until the block's own tiles have come, or passing tile `number`.
  DEVICE void wait_owned() const { mbarrier_wait(owned_full(), 0); }
  DEVICE void wait(uint32_t number) const { mbarrier_wait(full(number), number / kSlots & 1); }
  // By all lanes of a warp that has done with it: the warps of a warpgroup may finish one after the other.
  DEVICE void release(uint32_t number) const {
    warp_sync();
    if (lane_index() == 0) mbarrier_arrive(empty(number));
  }

  // By one thread: loads rows from `row` of a sequence on, columns of one head, into tile `number` when its slot is free.
  DEVICE void load(uint32_t number, const TensorMap* map, uint32_t head, uint32_t row, uint32_t sequence) const {
    mbarrier_wait(empty(number), (number / kSlots & 1) ^ 1);
    mbarrier_expect_bytes(full(number), Tiles::kTileBytes);
    load_tile(tile(number), map, head, row, sequence, full(number));
  }
  // By one thread: first says that all owned tiles will come, then loads each.
  DEVICE void expect_owned() const { mbarrier_expect_bytes(owned_full(), Tiles::kOwned * Tiles::kTileBytes); }
  DEVICE void load_owned(uint32_t i, const TensorMap* map, uint32_t head, uint32_t row, uint32_t sequence) const {
    load_tile(owned(i), map, head, row, sequence, owned_full());
  }

 private:
  DEVICE uint32_t barrier(uint32_t i) const { return base + Tiles::kBarriersAt + i * 8; }
  DEVICE uint32_t owned_full() const { return barrier(0); }
  DEVICE uint32_t full(uint32_t number) const { return barrier(1 + number % kSlots); }
  DEVICE uint32_t empty(uint32_t number) const { return barrier(1 + kSlots + number % kSlots); }

  DEVICE static void load_tile(uint32_t to, const TensorMap* map, uint32_t head, uint32_t row, uint32_t sequence, uint32_t bar) {
    UNROLL
    for (uint32_t i = 0; i < kWidth / kBox; i++)
      tma_load_3d(to + i * Tiles::kBoxBytes, map, head * kWidth + i * kBox, row, sequence, bar);
  }
};

// A tile, or rows of it from a multiple of 8 on, as an operand: its columns are k, or its rows are and it lies transposed.
DEVICE uint64_t by_columns(uint32_t rows) { return matrix_descriptor(rows, 16, 1024, Swizzle::bytes128); }
template <class Tiles>
DEVICE uint64_t by_rows(uint32_t rows) { return matrix_descriptor(rows, Tiles::kBoxBytes, 1024, Swizzle::bytes128); }
// How far the k-th 16 columns and rows are, in the descriptor's units of 16 bytes.
template <class Tiles>
DEVICE uint32_t column_step(uint32_t k) { return (k * 16 / kBox * Tiles::kBoxBytes + k * 16 % kBox * 2) / 16; }
DEVICE uint32_t row_step(uint32_t k) { return k * 16 * 128 / 16; }

}  // namespace nanogpt::cuda::wgmma_attention
