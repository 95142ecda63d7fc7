// The shape of the wgmma attention kernels' blocks and their parameters, for the kernels and for their launcher. A block is a
// warpgroup that loads and two that compute, 64 rows of its tile each. May include only attention.h, tensor_map.h and the
// standard library.
#pragma once
#include "attention.h"
#include "tensor_map.h"

namespace nanogpt::cuda {
namespace wgmma_attention {

constexpr uint32_t kWidth = 128;     // of a head
constexpr uint32_t kRows = 128;      // of every tile in shared memory
constexpr uint32_t kGroupRows = 64;  // of one wgmma: those that a warpgroup computes
constexpr uint32_t kConsumers = kRows / kGroupRows;
constexpr uint32_t kThreads = (1 + kConsumers) * 128;
constexpr uint32_t kBox = 64;  // columns of a box of the copy engine: 128 bytes, the swizzle's width
constexpr uint32_t kBoxBytes = kRows * kBox * 2;
constexpr uint32_t kTileBytes = kWidth / kBox * kBoxBytes;

// The queries, and a ring of slots in which keys and values take turns.
constexpr uint32_t kSlots = 4;
constexpr uint32_t kBarriersAt = (1 + kSlots) * kTileBytes;
constexpr uint32_t kBarriers = 1 + 2 * kSlots;
constexpr uint32_t kSharedBytes = kBarriersAt + kBarriers * 8 + 1023;  // the swizzle begins at multiples of 1024
static_assert(kSharedBytes <= 232448, "shared memory of an sm_90 block");

}  // namespace wgmma_attention

// Maps of q, k and v see them as [sequences][T][H*D]: rows past the end of a sequence are zeros.
struct WgmmaAttentionParams {
  TensorMap q, k, v;
  AttentionShape shape;
  void* y;
  float* lse;
};

}  // namespace nanogpt::cuda
