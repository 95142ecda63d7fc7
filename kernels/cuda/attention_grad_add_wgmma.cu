// Attention backward on wgmma and TMA in one pass (sm_90a): bf16, heads of width 128. Blocks own 128 keys (dk, dv), pass queries
// by, and add what their keys give to dq in float32 by the copy engine: five products where separate kernels make seven, but
// dq's sums have no fixed order. A last kernel rounds them. Refuses nothing: the launcher has checked the limits and cleared
// the sums. May include only attention_grad_wgmma.h.
#include "attention_grad_wgmma.h"

namespace nanogpt::cuda {
namespace wgmma_attention {
namespace {

constexpr uint32_t kColumns = kWidth / kConsumers;  // of dq that a warpgroup multiplies, over all of the block's keys
constexpr uint32_t kParts = kColumns / 2;           // a thread's part of [64, kColumns]
constexpr uint32_t kAllConsumers = 1 + kConsumers;  // a named barrier of all warpgroups that compute

// How far a thread's four elements number i lie from the beginning of its warp's part of a tile of dq.
DEVICE uint32_t four_of_lane(uint32_t i) {
  return (i * 32 + lane_index()) * 4;
}

// A warpgroup with 64 of the block's keys, for dk and dv, and half of the columns, for dq.
struct AddingKeyGrad : KeyGrad<AddingTiles> {
  float dq[kParts];
  float* const sums;    // of the warp's part of dq, in the first tile of the sequence
  const uint32_t part;  // of the warp, in shared memory

  DEVICE explicit AddingKeyGrad(const Work<AddingTiles>& w)
      : KeyGrad(w), sums(first_part(w)), part(w.ring.made(2 + group) + warp_index() % 4 * kDqPart * 4) {}

  DEVICE static float* first_part(const Work<AddingTiles>& w) {
    const size_t tiles = (w.shape.T + kPassing - 1) / kPassing;
    return w.p.dq_sums + (w.place.sequence * tiles * w.shape.H + w.place.head) * kDqTile + (warp_index() - 4) * kDqPart;
  }

  // [keys, queries]: two take turns, so that one may be written while another warpgroup still multiplies the other.
  DEVICE uint32_t shared_gradients(uint32_t tile) const { return work.ring.made(tile % 2); }

  // The gradients of scores of the warpgroup's keys, for the other warpgroup too.
  DEVICE void share_gradients(uint32_t tile) {
    const uint32_t own = group * kGroupRows + warp_index() % 4 * 16, lane = lane_index();
    UNROLL
    for (uint32_t k = 0; k < kPassing / 16; k++)
      store_matrix_x4(shared_gradients(tile) + Ring<AddingTiles>::offset(own + lane % 16, 2 * k + lane / 16), dweights[k]);
    fence_async_proxy();
    barrier_sync(kAllConsumers, kConsumers * 128);
  }

  // dq[64 queries, kColumns] = the gradients of all scores, transposed, times the warpgroup's columns of the keys.
  DEVICE void issue_dq(uint32_t tile) {
    const uint64_t left = by_rows<AddingTiles>(shared_gradients(tile));
    UNROLL
    for (uint32_t i = 0; i < kRows / 16; i++) {
      const uint64_t right = by_rows<AddingTiles>(work.own(0, i / 4) + group * AddingTiles::kBoxBytes);
      wgmma<kColumns, 1, 1>(dq, left + row_step(i), right + row_step(i % 4), i > 0);
    }
    wgmma_commit();
  }

  // Every warp hands its part to the copy engine.
  DEVICE void add_dq(uint32_t tile) {
    const bool leads = lane_index() == 0;
    if (leads) bulk_wait_read<0>();
    warp_sync();
    float* const floats = reinterpret_cast<float*>(work.ring.memory(part));
    UNROLL
    for (uint32_t i = 0; i < kParts / 4; i++) {
      Floats<4> four;
      UNROLL
      for (uint32_t j = 0; j < 4; j++) four.at[j] = dq[4 * i + j];
      store_floats(floats + four_of_lane(i), four);
    }
    fence_async_proxy();
    warp_sync();
    if (!leads) return;
    bulk_reduce_add_f32(sums + size_t{tile} * work.shape.H * kDqTile, part, kDqPart * 4);
    bulk_commit();
  }

  DEVICE void visit(uint32_t tile) {
    meet(tile);
    share_gradients(tile);
    pin(dq), pin(dk);
    wgmma_fence();
    issue_dq(tile);
    issue_dk(tile);
    wgmma_wait<1>();
    pin(dv), pin(dq);
    work.ring.release(passing.gradients(tile));
    add_dq(tile);
    wgmma_wait<0>();
    pin(dk);
    work.ring.release(passing.queries(tile));
  }

  DEVICE void run() {
    work.ring.wait_owned();
    for (uint32_t tile = passing.tiles.first; tile <= passing.tiles.last; tile++) visit(tile);
    barrier_sync(kAllConsumers, kConsumers * 128);  // all warpgroups' products have read the keys and values
    store();
    if (lane_index() == 0) bulk_wait<0>();  // the block's shared memory goes with it
  }
};

}  // namespace
}  // namespace wgmma_attention

KERNEL(attention_grad_add_wgmma_d128, WgmmaAttentionGradParams, wgmma_attention::kThreads) {
  using namespace wgmma_attention;
  const Work<AddingTiles> work(params);
  work.ring.init_barriers();
  if (threadIdx.x < 128) {
    release_registers<kKeyGradProducerRegisters>();
    if (threadIdx.x < 32) produce(work);
  } else {
    take_registers<kKeyGradConsumerRegisters>();
    AddingKeyGrad(work).run();
  }
}

// A block for each tile of 64 queries of each head, its warps with the elements that their likes have added.
KERNEL(attention_round_dq_wgmma_d128, WgmmaRoundDqParams, 128) {
  using namespace wgmma_attention;
  const AttentionShape& s = params.shape;
  const Place place = place_of_block(s);
  const Ring<BackwardTiles> ring;
  float sums[kSums];
  UNROLL
  for (uint32_t group = 0; group < kConsumers; group++) {
    const float* const part = params.dq_sums + size_t{blockIdx.x} * kDqTile + (group * 4 + warp_index()) * kDqPart;
    UNROLL
    for (uint32_t i = 0; i < kParts / 4; i++) {
      const Floats<4> four = load_floats<4>(part + four_of_lane(i));
      UNROLL
      for (uint32_t j = 0; j < 4; j++) sums[group * kParts + 4 * i + j] = four.at[j];
    }
  }
  const TileRows rows = rows_of(s, place.sequence, place.tile);
  const float factors[2] = {s.scale, s.scale};
  store_rows({params.dq, s.H, place.head, rows.first, rows.end()}, sums, factors, ring, ring.base, 0);
}

}  // namespace nanogpt::cuda
