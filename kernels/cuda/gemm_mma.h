// The shape of the mma.sync matrix kernels' blocks and their parameters, for the kernels and for whoever launches them: how
// much of c and k a block holds, and where sums over parts of k go. Says nothing of when k is cut: gemm.cpp does. May include
// only gemm.h and the standard library.
#pragma once
#include "gemm.h"

namespace nanogpt::cuda {
namespace mma_gemm {

constexpr uint32_t kTile = 128;   // rows and columns of c of a block
constexpr uint32_t kDepth = 32;   // of k in one stage of shared memory
constexpr uint32_t kStages = 4;   // in flight: three are copied while one is multiplied
constexpr uint32_t kWarps = 4;    // 2 x 2 of 64 x 64: of all shapes of 128 accumulators the one that reads least
constexpr uint32_t kThreads = kWarps * 32;
constexpr uint32_t kTileBytes = kTile * kDepth * 2;
constexpr uint32_t kSharedBytes = kStages * 2 * kTileBytes;

}  // namespace mma_gemm

// A product, or its sums over parts of k: block y sums k from y*depth on into partials[y], rows of `partial_ld` floats,
// unless partials is null.
struct MmaProduct {
  Product product;
  uint32_t depth;  // a multiple of mma_gemm::kDepth
  float* partials;
  uint64_t partial_ld;
};

// c of a product from its `parts` partial sums, added in order.
struct PartialSums {
  Product product;
  const float* partials;
  uint64_t partial_ld;
  uint32_t parts;
};

}  // namespace nanogpt::cuda
