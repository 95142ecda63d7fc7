// What the wrappers of matrix instructions call: ldmatrix, stmatrix, mma.sync of a warp, wgmma of a warpgroup. Lanes
// meet and the last to come does the work for all. Misuse is a fault at the caller's site.
// May include only lane.h.
#pragma once
#include "lane.h"

namespace nanogpt::emulation {

// r[count], one register a matrix.
void load_matrix(uint32_t* r, uint32_t count, bool transposed, uint32_t address, Site site);
void store_matrix(uint32_t address, const uint32_t* r, uint32_t count, bool transposed, Site site);
// d[4], a[4], b[2].
void mma_m16n8k16(float* d, const uint32_t* a, const uint32_t* b, Site site);

// One wgmma as all 128 lanes must give it. trans: 1 if stored with m (n) contiguous.
struct WgmmaShape {
  uint32_t n;
  uint32_t trans_a, trans_b;
  bool accumulate;
  uint64_t desc_a, desc_b;
  bool operator==(const WgmmaShape& other) const {
    return n == other.n && trans_a == other.trans_a && trans_b == other.trans_b && accumulate == other.accumulate &&
           desc_a == other.desc_a && desc_b == other.desc_b;
  }
};
// d[n / 2]; a[4], or null where desc_a counts. Both must live until the wait that covers them.
void wgmma(const WgmmaShape& shape, float* d, const uint32_t* a, Site site);
void wgmma_fence(Site site);
void wgmma_commit(Site site);
void wgmma_wait(uint32_t newest, Site site);

}  // namespace nanogpt::emulation
