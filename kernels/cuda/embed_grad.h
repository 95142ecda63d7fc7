// Parameters of the kernels that sum rows by token, once the positions are sorted by token. The sorted positions are cut into
// chunks of equal length whatever the tokens: a token's positions, its run, may cross chunks. Computes nothing.
// May include only token_sort.h and the standard library.
#pragma once
#include "token_sort.h"
#include <cstdint>

namespace nanogpt::cuda {

// dtable: float32[V, C]; dy: [N, C] of the kernel's type; order: uint32[N], the sorted positions. partials: float32[chunks,
// 2, C]: the sums of a chunk's first and last run where they go on in a neighbour. present: uint32[V], cleared: 1 for every
// token that occurs; null where nobody asks.
struct EmbedGradParams {
  float* dtable;
  const void* dy;
  TokenKeys keys;
  const uint32_t* order;
  float* partials;
  uint32_t* present;
  uint32_t C, chunk, chunks, accumulate;
};

}  // namespace nanogpt::cuda
