// What the wrapper of many mma.sync calls: one meeting of a warp's lanes for a whole block of products, where each of them
// alone would cost 32 switches of stacks. Arithmetic and order of k are those of the single instruction. May include only
// lane.h.
#pragma once
#include "lane.h"

namespace nanogpt::emulation {

// d[rows][columns][4], a[rows][4], b[columns][2]; at most 8 rows and 32 columns.
void mma_tiles(float* d, const uint32_t* a, const uint32_t* b, uint32_t rows, uint32_t columns, Site site);

}  // namespace nanogpt::emulation
