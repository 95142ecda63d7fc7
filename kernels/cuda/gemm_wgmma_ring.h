// Shared memory of a wgmma matrix block and the barriers by which its warpgroups hand it on: a ring of stages filled by the
// copy engine, a ring of slots with the numbers of the items to work on, and turns of consumers that multiply one after
// the other. Knows no arithmetic. May include only gemm_wgmma.h and ptx.h.
#pragma once
#include "gemm_wgmma.h"
#include "ptx.h"

namespace nanogpt::cuda::wgmma_gemm {

// A place in a ring of `count`, and the parity of the round: the phase of its barriers.
struct Position {
  uint32_t index = 0, parity = 0;

  DEVICE void advance(uint32_t steps, uint32_t count) {
    index += steps;
    parity ^= index / count & 1;
    index %= count;
  }
};

// Shared addresses, from the block's first whole swizzle pattern on.
template <class Shape>
struct SharedMemory {
  uint32_t base;

  DEVICE SharedMemory() : base((shared_address(dynamic_shared()) + 1023u) & ~1023u) {}

  DEVICE uint32_t stage(uint32_t i) const { return base + i * Shape::kStageBytes; }
  DEVICE uint32_t box(uint32_t consumer, uint32_t i) const {
    return base + Shape::kBoxesAt + (consumer * Shape::kBoxes + i) * kBoxBytes;
  }
  // Where the transpose of box i lies, in a symmetric product.
  DEVICE uint32_t mirrored_box(uint32_t consumer, uint32_t i) const {
    return box(consumer, i) + kConsumers * Shape::kBoxes * kBoxBytes;
  }
  DEVICE uint32_t full(uint32_t stage) const { return barrier(stage); }
  DEVICE uint32_t empty(uint32_t stage) const { return barrier(Shape::kStages + stage); }
  DEVICE uint32_t slot_full(uint32_t slot) const { return barrier(2 * Shape::kStages + slot); }
  DEVICE uint32_t slot_empty(uint32_t slot) const { return barrier(2 * Shape::kStages + kSlots + slot); }
  DEVICE uint32_t turn(uint32_t consumer) const { return barrier(2 * Shape::kStages + 2 * kSlots + consumer); }
  DEVICE uint32_t loaded(uint32_t consumer, uint32_t box) const {
    return barrier(2 * Shape::kStages + 2 * kSlots + kConsumers + consumer * Shape::kBoxes + box);
  }
  DEVICE uint32_t& item(uint32_t slot) const {
    const uint32_t offset = base - shared_address(dynamic_shared());
    return reinterpret_cast<uint32_t*>(dynamic_shared() + offset + Shape::kSlotsAt)[slot];
  }

  // By all threads of the block, before anything else.
  DEVICE void init_barriers() const {
    constexpr uint32_t kReaders = Shape::kPingPong ? 1 : kConsumers;  // consumers that read a stage or a slot
    if (threadIdx.x == 0) {
      for (uint32_t i = 0; i < Shape::kStages; i++) mbarrier_init(full(i), 1), mbarrier_init(empty(i), kReaders);
      for (uint32_t i = 0; i < kSlots; i++) mbarrier_init(slot_full(i), 1), mbarrier_init(slot_empty(i), 4 * kReaders);
      for (uint32_t i = 0; i < kConsumers; i++) mbarrier_init(turn(i), 1);
      for (uint32_t i = 0; i < kConsumers * Shape::kBoxes; i++) mbarrier_init(loaded(0, i), 1);
      fence_mbarrier_init();
    }
    block_sync();
  }

 private:
  DEVICE uint32_t barrier(uint32_t i) const { return base + Shape::kBarriersAt + i * 8; }
};

// The producer's thread gives out an item.
template <class Shape>
DEVICE void put_item(const SharedMemory<Shape>& memory, Position& slot, uint32_t number) {
  mbarrier_wait(memory.slot_empty(slot.index), slot.parity ^ 1);
  memory.item(slot.index) = number;
  mbarrier_arrive(memory.slot_full(slot.index));
  slot.advance(1, kSlots);
}

// All threads of a consumer take one.
template <class Shape>
DEVICE uint32_t take_item(const SharedMemory<Shape>& memory, Position& slot) {
  mbarrier_wait(memory.slot_full(slot.index), slot.parity);
  const uint32_t number = memory.item(slot.index);
  warp_sync();
  if (lane_index() == 0) mbarrier_arrive(memory.slot_empty(slot.index));
  slot.advance(Shape::kPingPong ? kConsumers : 1, kSlots);
  return number;
}

}  // namespace nanogpt::cuda::wgmma_gemm
