// Yardsticks of what the machine can do at most: multiply-adds of float32 and products of mma.sync in loops that touch only
// registers, and a triad over memory. peak_wgmma.cu has the products of wgmma. Nothing else computes with them.
// May include only vectors.h and peak.h.
#include "peak.h"
#include "vectors.h"

namespace nanogpt::cuda {

DEVICE uint32_t peak_thread() { return blockIdx.x * blockDim.x + threadIdx.x; }

KERNEL(peak_float, PeakParams, 256) {
  float sums[kFloatChains];
  UNROLL
  for (uint32_t i = 0; i < kFloatChains; i++) sums[i] = static_cast<float>(threadIdx.x + i);
  const float factor = 1.0f - 1e-3f * static_cast<float>(threadIdx.x % 7), term = 1e-3f * static_cast<float>(blockIdx.x % 5);
  for (uint32_t round = 0; round < params.rounds; round++) {
    UNROLL
    for (uint32_t step = 0; step < kFloatSteps; step++) {
      UNROLL
      for (uint32_t i = 0; i < kFloatChains; i++) sums[i] = sums[i] * factor + term;
    }
  }
  float total = 0.0f;
  UNROLL
  for (uint32_t i = 0; i < kFloatChains; i++) total += sums[i];
  params.out[peak_thread()] = total;
}

KERNEL(peak_mma, PeakParams, 256) {
  float sums[kMmaChains][4] = {};
  uint32_t a[4], b[2];
  // Pairs of bf16 about 1, of either sign: products of zeros would run cooler, and so faster, than those of real data.
  UNROLL
  for (uint32_t i = 0; i < 4; i++) a[i] = 0x3f80bf80u ^ ((threadIdx.x * 0x9e3779b9u) << i & 0x807f807fu);
  UNROLL
  for (uint32_t i = 0; i < 2; i++) b[i] = 0xbf803f80u ^ ((threadIdx.x * 0x85ebca6bu) << i & 0x807f807fu);
  for (uint32_t round = 0; round < params.rounds; round++) {
    UNROLL
    for (uint32_t i = 0; i < kMmaChains; i++) mma_m16n8k16(sums[i], a, b);
  }
  float total = 0.0f;
  UNROLL
  for (uint32_t i = 0; i < kMmaChains; i++) total += sums[i][0] + sums[i][1] + sums[i][2] + sums[i][3];
  params.out[peak_thread()] = total;
}

KERNEL(peak_triad, TriadParams, 256) {
  map<4>(params.count, params.x, [](float y, float z) { return y + 3.0f * z; }, params.y, params.z);
}

}  // namespace nanogpt::cuda
