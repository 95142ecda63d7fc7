// The shapes of the wgmma matrix kernels' blocks and their parameters, for the kernels and for their launcher. A block is a
// warpgroup that loads and two that multiply; it takes tile after tile of c. May include only gemm.h, tensor_map.h and the
// standard library.
#pragma once
#include "gemm.h"
#include "tensor_map.h"

namespace nanogpt::cuda {
namespace wgmma_gemm {

constexpr uint32_t kColumns = 256;  // of a tile of c, and of one wgmma
constexpr uint32_t kRows = 64;      // of one wgmma: what a warpgroup holds of a tile
constexpr uint32_t kDepth = 64;     // of k in one stage of shared memory: 128 bytes, the swizzle's width
constexpr uint32_t kConsumers = 2;  // warpgroups that multiply
constexpr uint32_t kThreads = (1 + kConsumers) * 128;
constexpr uint32_t kBox = 64;       // rows and columns of a box of c, and columns of those of a and b
constexpr uint32_t kBoxBytes = kBox * kBox * 2;
constexpr uint32_t kSlots = 2;      // tiles that the producer may have taken and the consumers not

// Cooperative: both consumers work on one tile, 64 rows each, and read the least from L2. Ping-pong: each has tiles of its own
// and one multiplies while the other stores: for short k, where storing takes a good part of the time. Both give the same
// bits. Symmetric: cooperative on the tiles that reach to or below the diagonal of a result that equals its transpose; boxes
// of c below it are stored to both places, those above are never looked at.
// kTileRows: rows of a tile; kStages: stages of k that are in flight; kBoxes: boxes of c that a consumer has room for on the
// way to memory, and as many again for their transposes in a symmetric product.
template <bool ping_pong, bool symmetric = false>
struct BlockShape {
  static constexpr bool kPingPong = ping_pong, kSymmetric = symmetric;
  static constexpr uint32_t kStages = symmetric ? 3 : 4;
  static constexpr uint32_t kTileRows = ping_pong ? kRows : kConsumers * kRows;
  static constexpr uint32_t kBoxes = ping_pong ? 4 : 2;
  static constexpr uint32_t kBytesA = kTileRows * kDepth * 2, kBytesB = kColumns * kDepth * 2;
  static constexpr uint32_t kStageBytes = kBytesA + kBytesB;
  static constexpr uint32_t kBoxesAt = kStages * kStageBytes;
  static constexpr uint32_t kBarriersAt = kBoxesAt + kConsumers * kBoxes * (symmetric ? 2 : 1) * kBoxBytes;
  static constexpr uint32_t kBarriers = 2 * kStages + 2 * kSlots + kConsumers + kConsumers * kBoxes;
  static constexpr uint32_t kSlotsAt = kBarriersAt + kBarriers * 8;
  static constexpr uint32_t kSharedBytes = kSlotsAt + kSlots * 4 + 1023;  // the swizzle begins at multiples of 1024
};
using Cooperative = BlockShape<false>;
using PingPong = BlockShape<true>;
using Symmetric = BlockShape<false, true>;
static_assert(Cooperative::kSharedBytes <= 232448 && PingPong::kSharedBytes <= 232448 && Symmetric::kSharedBytes <= 232448,
              "shared memory of an sm_90 block");

}  // namespace wgmma_gemm

// A product as the kernels take it: items are `tiles` tiles of c, of each of `parts` parts of k (`depth` each) and of each
// product of the batch. Parts' sums go to partials, [parts][m][partial_ld], unless that is null. In boxes: c (and what is
// added) is bf16 whose rows the copy engine can take, and maps c and added are filled.
struct WgmmaProduct {
  TensorMap a, b, c, added;
  Product product;
  uint32_t* next_item;  // 0 before the launch
  uint32_t tiles, parts, depth;
  float* partials;
  uint64_t partial_ld;
  uint32_t in_boxes;
};

struct Context;

// Enqueues a product in NANOGPT_FORM_WGMMA; see multiply().
int32_t multiply_by_wgmma(Context& context, const char* op, const Product& product);

}  // namespace nanogpt::cuda
