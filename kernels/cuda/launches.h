// Shapes of launches that many ops share, and a kernel's name by its type. Shapes here only say how much runs at once:
// they follow the GPU's size, so no kernel launched with them may let its result depend on the grid. Launches nothing.
// May include only context.h.
#pragma once
#include "context.h"

namespace nanogpt::cuda {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kWarps = kThreads / 32;

// As many blocks as the work fills, up to 16 a processor: about twice what fits on one at the same time, so that blocks that
// end early leave their place to others.
inline LaunchShape filling_shape(Context& context, uint64_t blocks) {
  const uint32_t most = context.processors() * 16;
  return {{blocks < most ? static_cast<uint32_t>(blocks) : most}, kThreads};
}

// A thread a pack of 16 bytes (fewer elements than that still need one), striding over the grid.
inline LaunchShape elementwise_shape(Context& context, uint64_t count, uint32_t dtype) {
  return filling_shape(context, blocks_for(count, kThreads * (dtype == NANOGPT_BF16 ? 8 : 4)));
}

// A warp a row, striding over the grid.
inline LaunchShape warp_shape(Context& context, uint64_t rows) { return filling_shape(context, blocks_for(rows, kWarps)); }

inline const char* by_type(uint32_t dtype, const char* f32, const char* bf16) { return dtype == NANOGPT_BF16 ? bf16 : f32; }

}  // namespace nanogpt::cuda
