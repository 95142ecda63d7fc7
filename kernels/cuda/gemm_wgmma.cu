// Matrix products of bf16 operands on wgmma and TMA (sm_90a): persistent blocks in which one warpgroup loads and two multiply.
// One template for all transpositions, the schedules of the multiplying warpgroups and whatever becomes of their sums
// (epilogue.h says how). Which block computes a tile is decided at run time and changes no result. Refuses nothing: the
// launcher has checked the limits. May include only abi.h, the gemm_finish headers, gemm_order.h and gemm_wgmma_store.h.
#include "../abi.h"
#include "gemm_finish_qkv.h"
#include "gemm_finish_relu.h"
#include "gemm_finish_softcap.h"
#include "gemm_order.h"
#include "gemm_wgmma_store.h"

namespace nanogpt::cuda {
namespace wgmma_gemm {
namespace {

constexpr uint32_t kStepDepth = 16;              // of k in one wgmma
constexpr uint32_t kProducerRegisters = 40, kConsumerRegisters = 232;  // of 3 * 168 that the block starts with

// What a block works on at a time.
struct Item {
  uint32_t row, column;  // of c, the tile's first
  uint32_t batch, part;
};

template <class Shape>
struct Items {
  uint32_t rows, columns, tiles, parts, count;

  DEVICE explicit Items(const WgmmaProduct& p)
      : rows((p.product.m + Shape::kTileRows - 1) / Shape::kTileRows), columns((p.product.n + kColumns - 1) / kColumns),
        tiles(p.tiles), parts(p.parts), count(p.tiles * p.parts * p.product.batch) {}

  DEVICE Item at(uint32_t number) const {
    const uint32_t part = number / tiles, within = number % tiles;
    const TileIndex tile = Shape::kSymmetric ? wide_lower_tile(within) : grouped_tile(within, rows, columns);
    return {tile.row * Shape::kTileRows, tile.column * kColumns, part / parts, part % parts};
  }
};

// Stages of k that a part has.
DEVICE uint32_t stages_of(const WgmmaProduct& p, uint32_t part) {
  const uint32_t left = p.product.k - part * p.depth;
  return ((left < p.depth ? left : p.depth) + kDepth - 1) / kDepth;
}

// ---- loading -------------------------------------------------------------------------------------------------------

// `extent` rows (or columns) of an operand from `first` on, and kDepth of k: one box where k is contiguous, otherwise
// boxes of 64 side by side.
template <bool along_k, uint32_t extent>
DEVICE void load_operand(uint32_t shared, const TensorMap* map, uint32_t first, uint32_t k, uint32_t batch, uint32_t bar) {
  if constexpr (along_k) {
    tma_load_3d(shared, map, k, first, batch, bar);
  } else {
    UNROLL
    for (uint32_t i = 0; i < extent / kBox; i++) tma_load_3d(shared + i * kBoxBytes, map, first + i * kBox, k, batch, bar);
  }
}

// One thread: gives out items and loads their stages, as far ahead as there is room.
template <class Shape, bool a_along_k, bool b_along_k>
DEVICE void produce(const WgmmaProduct& p, const SharedMemory<Shape>& memory) {
  const Items<Shape> items(p);
  Position stage, slot;
  prefetch_tensor_map(&p.a);
  prefetch_tensor_map(&p.b);
  // Consumers that take items of their own each need to be told the end.
  for (uint32_t ends = 0; ends < (Shape::kPingPong ? kConsumers : 1);) {
    const uint32_t number = atomic_add(p.next_item, 1);
    put_item(memory, slot, number);
    if (number >= items.count) {
      ends++;
      continue;
    }
    const Item item = items.at(number);
    const uint32_t stages = stages_of(p, item.part);
    for (uint32_t i = 0; i < stages; i++) {
      const uint32_t bar = memory.full(stage.index), to = memory.stage(stage.index), k = item.part * p.depth + i * kDepth;
      mbarrier_wait(memory.empty(stage.index), stage.parity ^ 1);
      mbarrier_expect_bytes(bar, Shape::kStageBytes);
      load_operand<a_along_k, Shape::kTileRows>(to, &p.a, item.row, k, item.batch, bar);
      load_operand<b_along_k, kColumns>(to + Shape::kBytesA, &p.b, item.column, k, item.batch, bar);
      stage.advance(1, Shape::kStages);
    }
  }
}

// ---- multiplying ---------------------------------------------------------------------------------------------------

template <class Shape>
DEVICE void release_stage(const SharedMemory<Shape>& memory, uint32_t stage) {
  if (thread_of_group() == 0) mbarrier_arrive(memory.empty(stage));
}

// What wgmma needs to know of an operand of a stage: rows of 128 bytes, whole patterns of 8 of them one after another.
template <bool along_k>
DEVICE uint64_t descriptor_of(uint32_t shared) {
  return matrix_descriptor(shared, along_k ? 16 : kBoxBytes, 1024, Swizzle::bytes128);
}
// How far 16 of k are, in the descriptor's units of 16 bytes.
template <bool along_k>
constexpr uint32_t kStep = (along_k ? kStepDepth * 2 : kStepDepth * 128) / 16;

// Sums the products of `stages` stages; a is the consumer's own 64 rows, `rows_at` bytes into the stage. A stage is given back
// when the products behind it are under way and its own are done.
template <class Shape, bool a_along_k, bool b_along_k>
DEVICE void sum_stages(float (&sums)[kSums], const SharedMemory<Shape>& memory, Position& stage, uint32_t stages,
                       uint32_t rows_at) {
  uint32_t before = 0;
  pin(sums);
  for (uint32_t i = 0; i < stages; i++) {
    mbarrier_wait(memory.full(stage.index), stage.parity);
    const uint64_t a = descriptor_of<a_along_k>(memory.stage(stage.index) + rows_at);
    const uint64_t b = descriptor_of<b_along_k>(memory.stage(stage.index) + Shape::kBytesA);
    wgmma_fence();
    UNROLL
    for (uint32_t step = 0; step < kDepth / kStepDepth; step++)
      wgmma<kColumns, !a_along_k, !b_along_k>(sums, a + step * kStep<a_along_k>, b + step * kStep<b_along_k>, i + step > 0);
    wgmma_commit();
    wgmma_wait<1>();
    if (i > 0) release_stage(memory, before);
    before = stage.index;
    stage.advance(1, Shape::kStages);
  }
  wgmma_wait<0>();
  pin(sums);
  release_stage(memory, before);
}

template <class Shape, class Ending>
DEVICE void store_item(const WgmmaProduct& params, const Item& item, uint32_t row, Boxes<Shape, Ending>& boxes,
                       const float (&sums)[kSums]) {
  const Product& p = params.product;
  if (params.in_boxes != 0) {
    boxes.store(sums);
  } else if (params.partials != nullptr) {
    float* const part = params.partials + uint64_t{item.part} * p.m * params.partial_ld;
    const uint32_t columns = static_cast<uint32_t>(params.partial_ld);
    store_sums(ScaledSum<float>(part, nullptr, params.partial_ld, p.m, columns, 1.0f, 0.0f), row, item.column, sums);
  } else if (p.dtype_c == NANOGPT_BF16) {
    store_sums(ScaledSum<bf16, Ending>(p, item.batch), row, item.column, sums);
  } else {
    store_sums(ScaledSum<float, Ending>(p, item.batch), row, item.column, sums);
  }
}

// A consumer. In ping-pong it waits for its turn to multiply and passes the turn on before it stores; turns only keep the two
// apart, what they read is guarded by the stages' barriers.
template <class Shape, bool a_along_k, bool b_along_k, class Ending>
DEVICE void consume(const WgmmaProduct& p, const SharedMemory<Shape>& memory, uint32_t consumer) {
  const Items<Shape> items(p);
  const uint32_t rows_at = Shape::kPingPong ? 0 : consumer * kRows * kDepth * 2;
  const uint32_t others = Shape::kPingPong ? stages_of(p, 0) : 0;  // stages of the other consumer's tile
  Boxes<Shape, Ending> boxes(p, memory, consumer);
  Position stage, slot, turn;
  if (Shape::kPingPong) {
    slot.advance(consumer, kSlots);
    stage.advance(consumer * others, Shape::kStages);
    turn.parity = consumer ^ 1;  // the first turn is the first consumer's
  }
  for (;;) {
    const uint32_t number = take_item(memory, slot);
    if (number >= items.count) break;
    const Item item = items.at(number);
    const uint32_t row = item.row + (Shape::kPingPong ? 0 : consumer * kRows);
    if (p.in_boxes != 0) boxes.begin(row, item.column, item.batch);
    float sums[kSums];
    if (Shape::kPingPong) mbarrier_wait(memory.turn(consumer), turn.parity);
    sum_stages<Shape, a_along_k, b_along_k>(sums, memory, stage, stages_of(p, item.part), rows_at);
    if (Shape::kPingPong) {
      if (thread_of_group() == 0) mbarrier_arrive(memory.turn(consumer ^ 1));
      turn.parity ^= 1;
      stage.advance(others, Shape::kStages);
    }
    Ending::finish(p, row, item.column, item.batch, sums);
    store_item(p, item, row, boxes, sums);
  }
  boxes.finish();
}

template <class Shape, bool a_along_k, bool b_along_k, class Ending = Scaled>
DEVICE void multiply(const WgmmaProduct& params) {
  const SharedMemory<Shape> memory;
  memory.init_barriers();
  if (threadIdx.x < 128) {
    release_registers<kProducerRegisters>();
    if (threadIdx.x == 0) produce<Shape, a_along_k, b_along_k>(params, memory);
  } else {
    take_registers<kConsumerRegisters>();
    consume<Shape, a_along_k, b_along_k, Ending>(params, memory, threadIdx.x / 128 - 1);
  }
}

}  // namespace
}  // namespace wgmma_gemm

using wgmma_gemm::Cooperative, wgmma_gemm::PingPong, wgmma_gemm::Symmetric, wgmma_gemm::kThreads;

// Named by the operands, n as [m][k] and [k][n], t as [k][m] and [n][k].
KERNEL(gemm_wgmma_nn, WgmmaProduct, kThreads) { wgmma_gemm::multiply<Cooperative, true, false>(params); }
KERNEL(gemm_wgmma_nt, WgmmaProduct, kThreads) { wgmma_gemm::multiply<Cooperative, true, true>(params); }
KERNEL(gemm_wgmma_tn, WgmmaProduct, kThreads) { wgmma_gemm::multiply<Cooperative, false, false>(params); }
KERNEL(gemm_wgmma_tt, WgmmaProduct, kThreads) { wgmma_gemm::multiply<Cooperative, false, true>(params); }
KERNEL(gemm_wgmma_pingpong_nn, WgmmaProduct, kThreads) { wgmma_gemm::multiply<PingPong, true, false>(params); }
KERNEL(gemm_wgmma_pingpong_nt, WgmmaProduct, kThreads) { wgmma_gemm::multiply<PingPong, true, true>(params); }
KERNEL(gemm_wgmma_pingpong_tn, WgmmaProduct, kThreads) { wgmma_gemm::multiply<PingPong, false, false>(params); }
KERNEL(gemm_wgmma_pingpong_tt, WgmmaProduct, kThreads) { wgmma_gemm::multiply<PingPong, false, true>(params); }

KERNEL(gemm_wgmma_symmetric_nt, WgmmaProduct, kThreads) { wgmma_gemm::multiply<Symmetric, true, true>(params); }
KERNEL(gemm_wgmma_symmetric_tn, WgmmaProduct, kThreads) { wgmma_gemm::multiply<Symmetric, false, false>(params); }

KERNEL(gemm_wgmma_norm_rope_nt, WgmmaProduct, kThreads) {
  wgmma_gemm::multiply<Cooperative, true, true, wgmma_gemm::NormRope>(params);
}
KERNEL(gemm_wgmma_mix_nt, WgmmaProduct, kThreads) { wgmma_gemm::multiply<Cooperative, true, true, wgmma_gemm::Mix>(params); }
KERNEL(gemm_wgmma_relu_squared_nt, WgmmaProduct, kThreads) {
  wgmma_gemm::multiply<Cooperative, true, true, ReluSquared>(params);
}
KERNEL(gemm_wgmma_relu_squared_grad_nn, WgmmaProduct, kThreads) {
  wgmma_gemm::multiply<Cooperative, true, false, ReluSquaredGrad>(params);
}
KERNEL(gemm_wgmma_softcap_nt, WgmmaProduct, kThreads) { wgmma_gemm::multiply<Cooperative, true, true, Softcap>(params); }

}  // namespace nanogpt::cuda
