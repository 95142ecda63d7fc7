// Logits on their way out of the head's product on wgmma: soft cap, rounding and, row by row of a tile, the sum of their
// exponentials, while they are still in registers. The cap bounds them, so no maximum is looked for. Adds tiles up nowhere:
// head.cu does. May include only gemm_wgmma_store.h, head.h and softcap.h.
#pragma once
#include "gemm_wgmma_store.h"
#include "head.h"
#include "softcap.h"

namespace nanogpt::cuda {

static_assert(kHeadTile == wgmma_gemm::kColumns, "a sum is that of a tile of the product");

// See gemm.h FinishKind::softcap. Sums become capped logits as c will hold them; a row's are in four neighbouring lanes.
struct Softcap : Scaled {
  template <class Params, class Sums>
  static DEVICE void finish(const Params& params, uint32_t row, uint32_t column, uint32_t /*batch*/, Sums& sums) {
    const Product& p = params.product;
    const float cap = p.finish.cap;
    UNROLL
    for (uint32_t i = 0; i < wgmma_gemm::kSums; i += 2)
      unpack_word(&sums[i], pack_bf16(softcap<bf16>(sums[i], cap), softcap<bf16>(sums[i + 1], cap)));
    const uint32_t quad_lane = lane_index() % 4, columns = p.n - column;
    if (columns < kHeadTile) leave_out(columns, quad_lane * 2, sums);
    float totals[2] = {};  // of two rows, eight apart
    UNROLL
    for (uint32_t i = 0; i < wgmma_gemm::kSums; i++) totals[i / 2 % 2] += exp_of<bf16>(sums[i] - cap);
    const uint64_t tiles = (p.n + kHeadTile - 1) / kHeadTile;
    row += wgmma_gemm::thread_of_group() / 32 * 16 + lane_index() / 4;
    UNROLL
    for (uint32_t i = 0; i < 2; i++, row += 8) {
      float total = totals[i] + shuffle_xor(totals[i], 1);
      total += shuffle_xor(total, 2);
      if (quad_lane == 0 && row < p.m) p.finish.exponentials[row * tiles + column / kHeadTile] = total;
    }
  }

 private:
  // Of the tile's columns only the first are logits; the others, which nobody stores, must not count. `right`: the thread's
  // first column.
  template <class Sums>
  static DEVICE void leave_out(uint32_t columns, uint32_t right, Sums& sums) {
    UNROLL
    for (uint32_t i = 0; i < wgmma_gemm::kSums; i++) {
      if (right + i / 4 * 8 + i % 2 >= columns) sums[i] = -INFINITY;
    }
  }
};

}  // namespace nanogpt::cuda
