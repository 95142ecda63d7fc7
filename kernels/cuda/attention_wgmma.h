// The shape of the wgmma attention kernels' blocks and their parameters, for the kernels and for their launcher. A block is a
// warpgroup that loads and two that compute, 64 rows each of the 128 queries or keys that the block owns. May include only
// attention.h, tensor_map.h and the standard library.
#pragma once
#include "attention.h"
#include "tensor_map.h"

namespace nanogpt::cuda {
namespace wgmma_attention {

constexpr uint32_t kWidth = 128;     // of a head
constexpr uint32_t kRows = 128;      // that a block owns
constexpr uint32_t kGroupRows = 64;  // of one wgmma: those that a warpgroup computes
constexpr uint32_t kConsumers = kRows / kGroupRows;
constexpr uint32_t kThreads = (1 + kConsumers) * 128;
constexpr uint32_t kBox = 64;  // columns of a box of the copy engine: 128 bytes, the swizzle's width

// A block's shared memory: tiles of `rows` rows of a head, so many that it owns and so many slots in which others take turns;
// room for so many more, for what the block makes itself; then the barriers.
template <uint32_t rows, uint32_t owned, uint32_t slots, uint32_t made = 0>
struct Tiles {
  static constexpr uint32_t kTileRows = rows;
  static constexpr uint32_t kOwned = owned;
  static constexpr uint32_t kSlots = slots;
  static constexpr uint32_t kBoxBytes = rows * kBox * 2;
  static constexpr uint32_t kTileBytes = kWidth / kBox * kBoxBytes;
  static constexpr uint32_t kBarriersAt = (owned + slots + made) * kTileBytes;
  static constexpr uint32_t kBarriers = 1 + 2 * slots;
  static constexpr uint32_t kEnd = kBarriersAt + kBarriers * 8;
};
constexpr uint32_t kSwizzleSlack = 1023;  // the swizzle begins at multiples of 1024

// Queries; keys and values.
using ForwardTiles = Tiles<128, 1, 4>;
constexpr uint32_t kForwardBytes = ForwardTiles::kEnd + kSwizzleSlack;

// The queries and the gradients of their outputs, or the keys and values, of each warpgroup; the two others. A block that
// owns keys also needs values of each passing query.
using BackwardTiles = Tiles<kGroupRows, 2 * kConsumers, 8>;
static_assert(BackwardTiles::kTileRows == kMmaPassing, "QueryValues are those of a passing tile");
constexpr uint32_t kQueryGradBytes = BackwardTiles::kEnd + kSwizzleSlack;
constexpr uint32_t kKeyGradBytes = kQueryGradBytes + BackwardTiles::kSlots / 2 * sizeof(QueryValues);

// A block that owns keys and adds to dq: gradients of scores of all its keys, for the tile at hand and for the next; and the
// parts of dq on their way to memory, each warpgroup's in one tile.
using AddingTiles = Tiles<kGroupRows, 2 * kConsumers, 4, 2 + kConsumers>;
constexpr uint32_t kAddingBytes = AddingTiles::kEnd + kSwizzleSlack + AddingTiles::kSlots / 2 * sizeof(QueryValues);
static_assert(AddingTiles::kTileBytes == kRows * kMmaPassing * 2, "a tile holds gradients of scores, bf16[kRows, kMmaPassing]");
static_assert(AddingTiles::kTileBytes == kMmaPassing * kWidth / kConsumers * 4, "or a warpgroup's part of dq in float32");
static_assert(kKeyGradBytes <= 232448 && kForwardBytes <= 232448 && kAddingBytes <= 232448, "shared memory of an sm_90 block");

// dq of 64 queries of a head in float32, as blocks add to it: its place is known by sequence, tile and head, in this order;
// within it elements lie as warps hold them, a warp's part behind another's, four elements of a lane behind another lane's.
constexpr uint32_t kDqTile = kMmaPassing * kWidth;
constexpr uint32_t kDqPart = kDqTile / (4 * kConsumers);  // of a warp

}  // namespace wgmma_attention

// Maps see tensors as [sequences][T][H*D]: rows past the end of a sequence are zeros.
struct WgmmaAttentionParams {
  TensorMap q, k, v;
  AttentionShape shape;
  void* y;
  float* lse;
};

struct WgmmaAttentionGradParams {
  TensorMap q, k, v, dy;
  AttentionGradParams grad;
  float* dq_sums;  // where blocks add to dq; null where it has a kernel of its own
};

// dq's sums of all blocks become bf16, scaled.
struct WgmmaRoundDqParams {
  AttentionShape shape;
  void* dq;
  const float* dq_sums;
};

}  // namespace nanogpt::cuda
