// Yardstick of the products of wgmma (sm_90a): two warpgroups a block multiply the same tiles in shared memory over and over.
// The tiles hold numbers about 1 of either sign: zeros would run cooler, and so faster, than real data.
// May include only vectors.h and peak.h.
#include "peak.h"
#include "vectors.h"

namespace nanogpt::cuda {

KERNEL(peak_wgmma, PeakParams, 256) {
  const uint32_t base = shared_address(dynamic_shared());
  const uint32_t skipped = (1024 - base % 1024) % 1024;  // the swizzle wants tiles at multiples of 1024
  uint32_t* const words = reinterpret_cast<uint32_t*>(dynamic_shared() + skipped);
  for (uint32_t i = threadIdx.x; i < (kWgmmaPeakBytes - 1024) / 4; i += kPeakThreads)
    words[i] = 0x3f80bf80u ^ (i * 0x9e3779b9u & 0x807f807fu);
  fence_async_proxy();
  block_sync();
  constexpr uint32_t kRowBytes = kWgmmaDepth * 2, kGroup = 8 * kRowBytes;
  const uint32_t rows = base + skipped + threadIdx.x / 128 * 64 * kRowBytes;
  const uint32_t columns = base + skipped + kPeakThreads / 128 * 64 * kRowBytes;
  float d[kWgmmaWidth / 2];
  UNROLL
  for (uint32_t i = 0; i < kWgmmaWidth / 2; i++) d[i] = 0.0f;
  for (uint32_t round = 0; round < params.rounds; round++) {
    pin(d);
    wgmma_fence();
    UNROLL
    for (uint32_t k = 0; k < kWgmmaDepth; k += 16) {
      wgmma<kWgmmaWidth, 0, 0>(d, matrix_descriptor(rows + 2 * k, 16, kGroup, Swizzle::bytes128),
                               matrix_descriptor(columns + 2 * k, 16, kGroup, Swizzle::bytes128), true);
    }
    wgmma_commit();
    wgmma_wait<0>();
    pin(d);
  }
  float total = 0.0f;
  UNROLL
  for (uint32_t i = 0; i < kWgmmaWidth / 2; i++) total += d[i];
  params.out[blockIdx.x * blockDim.x + threadIdx.x] = total;
}

}  // namespace nanogpt::cuda
