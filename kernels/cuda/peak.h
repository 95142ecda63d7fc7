// Parameters of the yardstick kernels, and how much each does, which the launcher counts with. They compute nothing that
// anybody reads: what they write only keeps the compiler from leaving the work out.
// May include only the standard library.
#pragma once
#include <cstdint>

namespace nanogpt::cuda {

constexpr uint32_t kPeakThreads = 256;

// out: float32, one a thread of the grid.
struct PeakParams {
  float* out;
  uint32_t rounds;
};

// Multiply-adds of float32 in one round of a thread: independent chains of some steps.
constexpr uint32_t kFloatChains = 16, kFloatSteps = 8;
constexpr double kFloatRoundFlops = 2.0 * kFloatChains * kFloatSteps;  // of a thread
// Products m16n8k16 in one round of a warp.
constexpr uint32_t kMmaChains = 8;
constexpr double kMmaRoundFlops = 2.0 * kMmaChains * 16 * 8 * 16;  // of a warp
// Products m64n256k16 in one round of a warpgroup: a tile of 64 along k.
constexpr uint32_t kWgmmaWidth = 256, kWgmmaDepth = 64;
constexpr double kWgmmaRoundFlops = 2.0 * 64 * kWgmmaWidth * kWgmmaDepth;  // of a warpgroup
// Shared memory of a block: a tile of 64 rows a warpgroup, one of 256 for both, and what aligns them.
constexpr uint32_t kWgmmaPeakBytes = (kPeakThreads / 128 * 64 + kWgmmaWidth) * kWgmmaDepth * 2 + 1024;

// x = y + 3 z. All float32[count].
struct TriadParams {
  float* x;
  const float* y;
  const float* z;
  uint32_t count;
};

}  // namespace nanogpt::cuda
