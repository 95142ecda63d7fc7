// Many mma.sync of a warp at once: a block of a times a block of b, as kernels use it. On the chip one instruction after
// another; emulated, the lanes meet once for all of them, which is what makes such kernels bearable to emulate. May include
// only matrix.h and the emulation's warp_tiles.h.
#pragma once
#include "matrix.h"
#if !defined(__CUDACC__)
#include "../../emulation/warp_tiles.h"
#endif

namespace nanogpt::cuda {

// d[i][j] += a[i] b[j], each as mma_m16n8k16 (matrix.h) has it: [16 rows, 16 of k] times [16 of k, 8 columns].
#if defined(__CUDACC__)

template <uint32_t rows, uint32_t columns>
DEVICE void mma_tiles(float (&d)[rows][columns][4], const uint32_t (&a)[rows][4], const uint32_t (&b)[columns][2]) {
  UNROLL
  for (uint32_t i = 0; i < rows; i++) {
    UNROLL
    for (uint32_t j = 0; j < columns; j++) mma_m16n8k16(d[i][j], a[i], b[j]);
  }
}

#else

template <uint32_t rows, uint32_t columns>
DEVICE void mma_tiles(float (&d)[rows][columns][4], const uint32_t (&a)[rows][4], const uint32_t (&b)[columns][2] SITE) {
  emulation::mma_tiles(d[0][0], a[0], b[0], rows, columns, site);
}

#endif

}  // namespace nanogpt::cuda
